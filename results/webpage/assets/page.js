// What ties the parts together: the choice of metric and methods, the one lit method, and drawing again.

/** Methods in colour at first: at most seven, those that stand highest at some step count, then those that do on average.
 *  Leagues of their own wait, unless there is no other. */
function leaders() {
  const { cells: every, steps, better } = shown(), places = new Map(), sign = better === "higher" ? -1 : 1;
  const own = every.filter(cell => !data.references[cell.method] && wanted(cell.method));
  const plain = own.filter(cell => !data.leagues[cell.method]), cells = plain.length ? plain : own;
  for (const count of steps) {
    const column = cells.filter(cell => cell.steps === count && Number.isFinite(cell.value));
    column.sort((a, b) => sign * (a.value - b.value));
    column.forEach((cell, place) => places.set(cell.method, [...(places.get(cell.method) ?? []), place]));
  }
  const mean = own => own.reduce((sum, place) => sum + place, 0) / own.length;
  const ranked = [...places].sort(([, a], [, b]) => Math.min(...a) - Math.min(...b) || mean(a) - mean(b));
  return ranked.slice(0, COLOURS).map(([method]) => method).sort((a, b) => a - b);
}

/** Whether a method can have the slot that it has in the pictures: no lit one has it, and none of another panel its colour. */
function fits(method) {
  const own = data.slots[method], family = other => familyOf.get(data.methods[other]);
  return own !== null && [...state.colours].every(([other, slot]) =>
    slot !== own && (slot % COLOURS !== own % COLOURS || family(other) === family(method)));
}

/** That slot, else a free one: of a free colour while there is one. */
function give(method) {
  const taken = [...state.colours.values()], colours = new Set(taken.map(slot => slot % COLOURS));
  const free = [...Array(taken.length + COLOURS).keys()].filter(slot => !taken.includes(slot));
  state.colours.set(method, fits(method) ? data.slots[method] : free.find(slot => !colours.has(slot % COLOURS)) ?? free[0]);
}

/** Those that keep their slot come before those that take what is left. */
function colour(methods) {
  state.colours = new Map();
  const rest = methods.filter(method => !fits(method) || give(method));
  rest.forEach(give);
}

function toggle(method) {
  if (!state.colours.delete(method)) give(method);
  recolour();
}

/** Give the names their colours, and draw the charts anew: how many are in colour says how their intervals are shown. */
function recolour() {
  for (const node of document.querySelectorAll("button[data-m]")) {
    const method = Number(node.dataset.m);
    node.setAttribute("class", `name ${colourClass(method)}`);
    node.setAttribute("aria-pressed", state.colours.has(method));
  }
  charts();
}

/** Coloured lines lie above grey ones, the lit one above all but the names of a front. */
function raise() {
  for (const group of [...document.querySelectorAll("g.series[class*=' c']"), ...document.querySelectorAll("g.front")]) group.parentNode.append(group);
}

/** Light a method in the table, the curves and the legend; with null, the one whose panel is open, if any. */
function heat(method) {
  const next = method === null ? state.open : Number(method);
  if (next === state.hot) return;
  for (const node of document.querySelectorAll(".hot")) node.classList.remove("hot");
  state.hot = next;
  if (next === null) return raise();
  for (const node of document.querySelectorAll(`[data-m="${next}"], [data-row="${next}"]`)) {
    node.classList.add("hot");
    if (node.tagName === "g") node.parentNode.append(node);
  }
}

function legend() {
  const methods = [...new Set(shown().cells.map(cell => cell.method))].filter(method => !data.references[method] && wanted(method));
  const all = [["best", leaders], ["all", () => methods], ["none", () => []]].map(([name, chosen]) => {
    const button = el("button", { class: "choice" }, name);
    button.addEventListener("click", () => { colour(chosen()); recolour(); });
    return button;
  });
  const chips = methods.map(method => {
    const chip = el("button", { class: `name ${colourClass(method)}`, "data-m": method, "aria-pressed": String(state.colours.has(method)) },
      el("i", { class: "swatch" }), el("span", {}, data.methods[method]));
    chip.addEventListener("click", () => toggle(method));
    chip.addEventListener("pointerenter", () => heat(method));
    chip.addEventListener("pointerleave", () => heat(null));
    chip.addEventListener("focus", () => heat(method));
    return chip;
  });
  at("legend").replaceChildren(...all, ...chips);
}

/** One series per method that passes the filter, with the points that `place` can give an x to. */
function seriesOf(cells, place) {
  const points = cells.filter(cell => !data.references[cell.method] && wanted(cell.method) && Number.isFinite(cell.value))
    .map(cell => ({ x: place(cell), y: cell.value, low: cell.low, high: cell.high, cell })).filter(point => point.x > 0);
  return [...Map.groupBy(points, point => point.cell.method)]
    .map(([method, own]) => ({ method, points: own.sort((a, b) => a.x - b.x) }));
}

function charts() {
  const metric = shown(), cost = data.costs[Number(at("cost").value) || 0], steps = at("cost-steps").value;
  const phone = at("curve-chart").clientWidth < 560, references = metric.cells.filter(cell => data.references[cell.method]);
  const common = { references, better: metric.better };
  const calls = { xTitle: "network evaluations per sample (NFE)", xText: String, xTicks: true };
  chart(at("curve-chart"), { ...common, ...calls, series: seriesOf(metric.cells, cell => cell.rows), lines: true, height: phone ? 340 : 460 });
  at("pareto").hidden = !metric.ranks;
  if (!metric.ranks) return raise();
  chart(at("pareto-nfe"), { ...common, ...calls, series: seriesOf(metric.cells, cell => cell.rows), lines: false, height: 320 });
  if (cost) chart(at("pareto-cost"), { ...common, lines: false, height: 320, xTitle: cost.title, xText: UNITS[cost.unit], xTicks: false,
    series: seriesOf(metric.cells.filter(cell => steps === "" || cell.steps === Number(steps)), cell => real(cost.values[cell.method])) });
  raise();
}

/** A button for the whole range, where a chart has cut values that blow up. */
function rangeButton() {
  const values = shown().cells.filter(cell => !data.references[cell.method] && Number.isFinite(cell.value)).map(cell => cell.value);
  at("range").hidden = !values.length || shown().better === "higher" || ceiling(values) === Infinity;
}

function filtered() {
  for (const row of at("board").querySelectorAll("[data-row]")) row.hidden = !wanted(Number(row.dataset.row));
  for (const league of at("leagues").children) league.hidden = !league.querySelector("tr[data-row]:not([hidden], .reference)");
  at("board").querySelectorAll("table").forEach(table => stop(table));
  narrowed();
  legend();
  charts();
}

function choose(index) {
  state.metric = index;
  at("metrics").querySelectorAll("button").forEach((button, place) => button.setAttribute("aria-pressed", place === index));
  colour(leaders());
  const kept = at("cost-steps").value;
  at("cost-steps").replaceChildren(el("option", { value: "" }, "any steps"),
    ...shown().steps.filter(steps => steps > 0).map(steps => el("option", { value: steps }, stepsTitle(steps))));
  at("cost-steps").value = [...at("cost-steps").options].some(option => option.value === kept) ? kept : "";
  headline();
  board();
  rangeButton();
  filtered();
}

/** Pixels stay square where a picture is drawn larger than it is. */
function pixels(pictures) {
  for (const each of pictures) each.classList.toggle("enlarged", each.clientWidth * devicePixelRatio >= each.naturalWidth);
}

function start() {
  at("facts").textContent = data.facts.join(" · ");
  at("note").textContent = data.note;
  at("remarks").append(...data.remarks.map(line => el("li", {}, line)));
  at("metrics").append(...data.metrics.map((metric, index) => {
    const button = el("button", { class: "choice", title: metric.title }, metric.name);
    button.addEventListener("click", () => choose(index));
    return button;
  }));
  familyButtons();
  if (data.leagues.some(league => league)) at("front-caption").append(" Dashed: a league of its own.");
  at("cost").append(...data.costs.map((cost, index) => el("option", { value: index }, cost.title)));
  at("bill").hidden = !data.bill.length;
  at("bill").addEventListener("click", () => at("bill").setAttribute("aria-pressed", at("board").classList.toggle("billed")));
  at("every").addEventListener("click", () => at("every").setAttribute("aria-pressed", at("board-table").classList.toggle("every")));
  at("cost").addEventListener("change", charts);
  at("cost-steps").addEventListener("change", charts);
  at("filter").addEventListener("input", event => { state.filter = event.target.value; filtered(); });
  const pictures = [...document.querySelectorAll("#samples img")];
  if (!pictures.length) at("samples").remove();
  addEventListener("keydown", event => { if (event.key === "Escape") closePanel(); });
  document.addEventListener("pointerdown", event => {
    if (!event.target.closest("#panel, [data-open], .chart")) closePanel();
  });
  choose(0);
  publishedTable();
  runsTable();
  at("range").addEventListener("click", () => {
    state.whole = !state.whole;
    at("range").setAttribute("aria-pressed", state.whole);
    charts();
  });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) charts();
    width = innerWidth;
    pixels(pictures);
  });
  Promise.all(pictures.map(picture => picture.decode())).then(() => pixels(pictures));
}

start();
