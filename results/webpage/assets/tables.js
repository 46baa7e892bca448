// The leaderboard, and one kind of table for all: sortable by any header, walked with the arrow keys.

/** A table from columns {title, cell(row), key(row), left}; `fixed` rows stay below the others when they are sorted.
 *  `first`: [the column by which it opens, the direction]. */
function sortable(columns, rows, fixed, line, first = null) {
  const bodies = [rows, fixed].map(part => ({ rows: part, node: el("tbody") }));
  const heads = columns.map((column, index) => {
    const button = el("button", {}, column.title);
    const following = { none: "ascending", ascending: "descending", descending: "none" };
    button.addEventListener("click", () => sort(index, following[heads[index].getAttribute("aria-sort")]));
    return el("th", { scope: "col", "aria-sort": "none", class: column.left ? "left" : column.cost ? "cost" : null }, button);
  });
  const lines = new Map([...rows, ...fixed].map(row => [row, line(row)]));
  bodies.forEach(body => body.node.append(...body.rows.map(row => lines.get(row))));
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...heads)), ...bodies.map(body => body.node));
  table.addEventListener("keydown", walk);
  table.addEventListener("focusin", event => { if (event.target.matches("[data-open]")) stop(table, event.target); });
  first ? sort(...first) : stop(table);

  function sort(index, next) {
    heads.forEach((head, place) => head.setAttribute("aria-sort", place === index ? next : "none"));
    const sorted = next === "none" ? rows : [...rows].sort((a, b) => compared(columns[index].key(a), columns[index].key(b), next));
    bodies[0].node.append(...sorted.map(row => lines.get(row)));
    stop(table);
  }
  return table;
}

/** One number of a table is a tab stop, however many there are: the first on show, then the one that had the focus last. */
function stop(table, cell = table.querySelector("tr:not([hidden]) [data-open]")) {
  for (const other of table.querySelectorAll("[data-open][tabindex='0']")) other.tabIndex = -1;
  if (cell) cell.tabIndex = 0;
}

const alphabet = new Intl.Collator("en", { numeric: true });

/** What has no value stands last in either direction. */
function compared(a, b, direction) {
  const [aEmpty, bEmpty] = [a, b].map(key => key === "" || Number.isNaN(key));
  if (aEmpty || bEmpty) return aEmpty - bEmpty;
  const order = typeof a === "string" || typeof b === "string" ? alphabet.compare(a, b) : a - b;
  return direction === "ascending" ? order : -order;
}

/** Arrow keys move between the cells that can be opened. */
function walk(event) {
  const here = event.target.closest("[data-open]");
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!here || !step) return;
  event.preventDefault();
  const lines = [...event.currentTarget.querySelectorAll("tbody tr")].filter(row => row.checkVisibility() && row.querySelector("[data-open]"));
  const line = lines.indexOf(here.closest("tr")), cells = [...lines[line].querySelectorAll("[data-open]")];
  const row = lines[line + step[0]] ?? lines[line], place = cells.indexOf(here);
  const target = step[0] ? [...row.querySelectorAll("[data-open]")] : cells;
  const next = target[Math.min(Math.max(place + step[1], 0), target.length - 1)];
  next.focus();
}

/** A table cell that opens the panel. */
function opening(node, open, label) {
  fill(node, { "data-open": "", tabindex: -1, role: "button", "aria-label": label }, []);
  node.addEventListener("click", open);
  node.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    open();
  });
  return node;
}

function valueCell(cell, span) {
  const [value, interval] = worded(cell);
  if (!cell) return el("td");
  const rank = cell.best ? "best" : cell.tied ? "tied" : null, says = data.mark_words[cell.best ? 2 : cell.tied ? 1 : 0];
  const button = opening(el("span", { class: rank ?? (Number.isNaN(cell.value) ? "none" : null), title: rank && `${rank}: ${says}` },
    el("span", {}, value, marked(cell)), interval ? el("small", {}, interval) : null), () => openCell(cell),
  `${data.methods[cell.method]}, ${stepsTitle(cell.steps)}: ${value}${rank ? `, ${rank}` : ""}; where it comes from`);
  return el("td", { colspan: span ?? null, class: "value" }, button);
}

/** What stands behind a value: signs that the caption explains. */
const marked = cell => Number.isNaN(cell.value) ? "" :
  `${{ sampling: "†", teacher: "‡" }[cell.interval] ?? ""}${cell.doubt ? "§" : ""}${cell.tied ? " ≈" : ""}`;

function methodHead(method) {
  const name = data.methods[method], league = data.leagues[method];
  if (data.references[method]) return el("th", { scope: "row", class: "left reference" }, name);
  const button = el("button", { class: `name ${colourClass(method)}`, "data-m": method, "aria-pressed": String(state.colours.has(method)) },
    el("i", { class: "swatch" }), el("span", {}, name), league ? el("em", {}, league) : null);
  button.addEventListener("click", () => toggle(method));
  return el("th", { scope: "row", class: "left" }, button);
}

/** The leaderboard of the shown metric; leagues of their own stand below, each ranked by itself. */
function board() {
  const metric = shown(), byMethod = Map.groupBy(metric.cells, cell => cell.method);
  const all = [...byMethod].map(([method, cells]) => ({ method, cells, at: new Map(cells.map(cell => [cell.steps, cell])) }));
  const references = all.filter(row => data.references[row.method]);
  const leagues = Map.groupBy(all.filter(row => !data.references[row.method]), row => data.leagues[row.method]);
  const apart = [...leagues].filter(([league]) => league);
  at("board-table").replaceChildren(leagueTable(metric, leagues.get("") ?? [], references));
  at("board-table").classList.toggle("tall", all.length > 40);
  at("every").hidden = all.length - references.length <= 100;  // as page.css lays out no more before it is asked to
  at("every").textContent = `all ${plural(all.length - references.length, "method")}`;
  at("board-title").textContent = metric.title;
  at("board-caption").replaceChildren(...caption(metric));
  at("leagues").replaceChildren(...apart.map(([league, own]) => el("div", { "data-league": league },
    el("h3", {}, data.league_titles[league] ?? league),
    el("p", { class: "caption" }, `Ranked by itself, in ${data.league_notes[league] ?? "a league of its own"}.`),
    el("div", { class: "box" }, leagueTable(metric, own, references)))));
  rulesTables(metric, all.filter(row => !data.references[row.method]));
}

/** What papers report that choose by the metric itself: for comparison only, without ranks. */
function rulesTables(metric, rows) {
  at("rules").hidden = !data.rules.length;
  const tables = data.rules.flatMap((title, rule) => {
    const value = (row, steps) => row.at.get(steps)?.rules[rule] ?? NaN;
    const columns = [{ title: "method", left: true, key: row => data.methods[row.method] },
      ...metric.steps.map(steps => ({ title: stepsTitle(steps), key: row => value(row, steps), steps }))];
    const line = row => el("tr", { "data-row": row.method }, methodHead(row.method),
      ...columns.slice(1).map(({ steps }) => el("td", {}, row.at.has(steps) ? number(value(row, steps)) : "")));
    return [el("h3", {}, `compatibility: ${title}`), el("div", { class: "box" }, sortable(columns, rows, [], line))];
  });
  at("rules").querySelector("div").replaceChildren(el("p", { class: "caption" },
    "For comparison with papers that report it so: chosen by the metric itself, hence too good. Not ranked."), ...tables);
}

/** The leaderboard of one league: its methods `own`, then the references. */
function leagueTable(metric, own, references) {
  const statuses = row => [...new Set(row.cells.map(cell => cell.status))].join("; ");
  const evaluations = row => row.cells.every(cell => !cell.sampler) ? "–" : row.cells.every(cell => cell.nfe === cell.steps && cell.rows === cell.nfe) ? "= steps"
    : row.cells.map(calls).join(", ");
  let columns = [
    { title: "method", left: true, key: row => data.methods[row.method] },
    ...metric.steps.map(steps => ({ title: stepsTitle(steps), key: row => row.at.get(steps)?.value ?? NaN, steps })),
    ...data.bill.map(column => ({ title: column.title, cost: true, key: row => real(column.values[row.method]),
      text: row => UNITS[column.unit](real(column.values[row.method])) })),
    { title: "seeds", key: row => Math.max(...row.cells.map(cell => cell.seeds)), text: row => String(Math.max(...row.cells.map(cell => cell.seeds))) },
    { title: "NFE", left: true, key: row => row.cells[0].nfe, text: evaluations },
    { title: "status", left: true, key: statuses, text: statuses },
  ];
  const idle = { seeds: null, NFE: "= steps", status: "done" };
  const told = column => {
    const texts = column.title in idle ? [...new Set(own.map(column.text).filter(text => text !== "–"))] : [];
    return texts.length === 1 && [null, texts[0]].includes(idle[column.title]);
  };
  columns = columns.filter(column => !told(column));
  const line = row => data.references[row.method] ? el("tr", { "data-row": row.method, class: "reference" },
    methodHead(row.method), valueCell(row.cells[0], metric.steps.length), ...columns.slice(1 + metric.steps.length).map(column => el("td", { class: column.cost ? "cost" : null })))
    : el("tr", { "data-row": row.method }, methodHead(row.method), ...columns.slice(1).map(column => column.text
      ? el("td", { class: column.left ? "left fact" : column.cost ? "fact cost" : "fact" }, column.text(row)) : valueCell(row.at.get(column.steps))));
  const best = { lower: "ascending", higher: "descending" }[metric.better];
  const table = sortable(columns, own, references, line, best && metric.ranks && metric.steps.length ? [1, best] : null);
  table.addEventListener("pointerover", event => heat(event.target.closest("[data-row]")?.dataset.row ?? null));
  table.addEventListener("pointerleave", () => heat(null));
  table.addEventListener("focusin", event => heat(event.target.closest("[data-row]")?.dataset.row ?? null));
  return table;
}

/** What was found: the best of each step count, and what cannot be told from it, of every league by itself. */
function headline() {
  const usual = [1, 2, 4, 8, 16];
  at("found").replaceChildren(...shown().headline.flatMap(([league, lead, lines]) => {
    const told = [el("p", { class: "lead" }, lead), el("dl", { class: "findings" }, ...lines
      .filter(([steps]) => lines.length <= usual.length || usual.includes(steps))
      .flatMap(([steps, best, tied]) => [el("dt", {}, stepsTitle(steps)), el("dd", {}, el("b", {}, best), tied ? `; ${tied}` : "")]))];
    return league ? [el("details", {}, el("summary", {}, league), ...told)] : told;
  }));
}

function caption(metric) {
  const scored = metric.cells.filter(cell => cell.count), protocols = [...new Set(scored.map(cell => cell.protocol))];
  const counts = [...new Set(scored.map(cell => cell.count))].map(count => count.toLocaleString("en")).join(" or ");
  const [, tied, best] = data.mark_words;
  const bold = metric.cells.some(cell => cell.best) ? `; bold: ${best}${metric.cells.some(cell => cell.tied) ? `; ≈: ${tied}` : ""}.` : ".";
  const direction = { lower: `Lower is better${bold}`, higher: `Higher is better${bold}`, "": "Not a ranking." }[metric.better];
  const seeds = [...new Set(metric.cells.filter(cell => !data.references[cell.method]).map(cell => cell.seeds))].sort((a, b) => a - b);
  const behind = seeds.length ? `Mean over ${seeds.length > 1 ? `${seeds[0]} to ` : ""}${plural(seeds.at(-1), "training seed")}. ` : "";
  const nets = metric.features.length ? `On features of ${metric.features.join(", ")}. ` : "";
  return [`${direction} ${metric.note} ${nets}${behind}`, protocols.length ? `${counts} samples under protocol ` : "",
    el("code", {}, protocols.join(", ")), protocols.length ? ". Open a number to see where it comes from." : "",
    metric.marks.length ? ` ${metric.marks.join(" ")}` : ""];
}

function publishedTable() {
  if (!data.published) return at("published").remove();
  const names = data.published.columns, place = name => names.indexOf(name);
  const rows = data.published.rows.map(values => ({ values, cell: ours(values, place) }));
  const constant = index => index !== undefined && !["label", "method", "metric", "steps", "nfe", "value"].includes(names[index])
    && rows.every(row => row.values[index] === rows[0].values[index]);
  const columns = names.map((name, index) => ({ title: name, index, left: rows.some(row => typeof row.values[index] === "string"),
    key: row => row.values[index] ?? NaN, text: row => textOf(name, row.values[index]) }));
  columns.splice(Math.max(place("value"), 0) + 1, 0, { title: "ours", key: row => row.cell?.value ?? NaN });
  const told = columns.filter(column => constant(column.index)).map(column => `${column.title}: ${column.text(rows[0])}`);
  at("published-caption").append(["A published number has its own budget and protocol: read the order, not the difference.", ...told].join(" · "));
  const kept = columns.filter(column => !constant(column.index));
  at("published-table").append(sortable(kept, rows, [], row => el("tr", {}, ...kept.map(column => column.text
    ? el("td", { class: column.left ? `left${column.text(row).length > 40 ? " long" : ""}` : null }, column.text(row)) : valueCell(row.cell)))));
}
const textOf = (name, value) => value === null ? "–" : typeof value === "number" ? name === "value" ? number(value) : value.toLocaleString("en") : value;

/** Our cell for a published row: the same method, metric and step count. */
function ours(values, place) {
  const [label, metric, steps] = [["label", "method"], ["metric"], ["steps", "nfe"]].map(names =>
    values[place(names.find(name => place(name) >= 0))]);
  const entry = data.metrics.find(each => each.name === metric);
  const found = entry?.cells.find(cell => data.methods[cell[0]] === label && cell[1] === steps);
  return found && decoded(found, entry);
}

function runsTable() {
  const names = ["label", "seed", "status", "attempts", "images_seen", "train_seconds", "device", "finished", "reason"];
  const columns = names.map((name, index) => ({ title: FIELDS[name] ?? name, name, key: run => runField(name, run) ?? "",
    left: !["seed", "attempts", "images_seen", "train_seconds"].includes(name), opens: index === 0 }));
  const rows = [...Array(data.runs.count).keys()];
  const statuses = Map.groupBy(rows, run => runField("status", run));
  const details = at("runs").querySelector("details");
  details.querySelector("summary").textContent = [...statuses].map(([name, runs]) => `${runs.length} ${name}`).join(", ") || "none";
  details.addEventListener("toggle", () => {
    if (!details.open || at("runs-table").firstChild) return;
    at("runs-table").append(sortable(columns, rows, [], run => el("tr", { class: runField("status", run) === "done" ? null : "undone" },
      ...columns.map(column => {
        const text = fieldText(column.name, column.key(run));
        return el("td", { class: column.left ? "left" : null },
          column.opens ? opening(el("span", {}, text), () => openRun(run), `${text}: all facts of this run`) : text);
      }))));
  });
  details.open = rows.length <= 12 || rows.some(run => runField("status", run) !== "done") && rows.length <= 60;
}
