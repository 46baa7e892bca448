// Charts drawn into SVG at the width they have: lines with intervals against NFE, and Pareto fronts.

const EDGE = { top: 14, right: 16, bottom: 40, left: 52 };
const BANDS = 3;  // more of them hide one another: their intervals are bars then, side by side

/** A scale from values to pixels, logarithmic where the values span enough to need it. */
function scale(values, from, to, margin) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  const log = low > 0 && high / low > 3;
  const [forward, back] = log ? [Math.log, Math.exp] : [x => x, x => x];
  const room = (forward(high) - forward(low) || Math.abs(forward(high)) || 1) * margin;
  [low, high] = [forward(low) - room, forward(high) + room];
  const place = value => from + (to - from) * (Math.min(Math.max(forward(value), low), high) - low) / (high - low);
  if (log) place.zero = from;
  return Object.assign((value => log && value <= 0 ? from : place(value)), { log, low: back(low), high: back(high) });
}

/** Round tick values inside a scale, about `many` of them. */
function ticks(axis, many) {
  const found = [];
  if (axis.log) {
    const decades = Math.log10(axis.high / axis.low);
    const factors = decades < many / 3 ? [1, 2, 5] : [1];
    const stride = Math.max(1, Math.ceil(decades / many));
    for (let power = Math.floor(Math.log10(axis.low)); power <= Math.log10(axis.high); power += stride)
      found.push(...factors.map(factor => factor * 10 ** power));
  } else {
    const raw = (axis.high - axis.low) / many, size = 10 ** Math.floor(Math.log10(raw));
    const step = size * [1, 2, 5, 10].find(factor => factor * size >= raw);
    for (let value = Math.ceil(axis.low / step) * step; value <= axis.high; value += step) found.push(value);
  }
  return found.filter(value => value >= axis.low && value <= axis.high).map(value => Number(value.toPrecision(10)));
}

/** Values that occur, so far apart that their labels do not touch. */
function spaced(values, axis, gap) {
  const kept = [];
  for (const value of [...new Set(values)].sort((a, b) => a - b))
    if (!kept.length || axis(value) - axis(kept.at(-1)) >= gap) kept.push(value);
  return kept;
}

const plainTick = value => minus(Math.abs(value) >= 1e4 ? UNITS.count(value) : String(value));

/** Draw into `box`: series [{method, points [{x, y, low, high, cell}]}], lines between points or a Pareto front over them. */
function chart(box, { series, references = [], lines, xTitle, xText, xTicks, height, better }) {
  const width = Math.max(box.clientWidth, 240), points = series.flatMap(each => each.points);
  if (!points.length) return box.replaceChildren(el("p", { class: "caption" }, "Nothing to draw for this metric."));
  const top = state.whole || better === "higher" ? Infinity : ceiling(points.map(point => point.y));
  const inside = points.map(point => point.y).filter(value => value <= top);
  const named = references.filter(cell => Number.isFinite(cell.value)), near = Math.min(...inside) / 1.5;
  const visible = named.filter(cell => cell.value <= top && (state.whole || better === "higher" || cell.value >= near));
  const x = scale(points.map(point => point.x), EDGE.left, width - EDGE.right, 0.05);
  const y = scale([...inside, ...(lines ? visible.map(cell => cell.value) : [])], height - EDGE.bottom, EDGE.top + 14, 0.05);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${shown().title} against ${xTitle}; the table above holds the same numbers` });
  root.append(axes(x, y, width, height, xTicks ? spaced(points.map(point => point.x), x, 28) : ticks(x, width / 80), xText, xTitle));
  if (lines) root.append(...referenceLines(visible, y, width));
  const lit = series.filter(each => colourClass(each.method)), bars = lit.length > BANDS;
  for (const each of series) {
    each.shift = lines && bars && lit.includes(each) ? Math.min(4, 28 / lit.length) * (lit.indexOf(each) - (lit.length - 1) / 2) : 0;
    const moved = value => x(value) + each.shift;
    root.append(lines ? lineOf(each, moved, y, top, bars) : dotsOf(each, x, y, top));
  }
  const over = beyond(points.filter(point => point.y > top), x, width);
  if (!lines) root.append(...fronts(points, x, y, better, width, height, over.map(({ left, right }) => [left, 10, right, 23])));
  root.append(...over.map(({ text, left, right }) => svg("text", { class: "beyond number", x: (left + right) / 2, y: 21, "text-anchor": "middle" }, text)));
  for (const [word, y, far] of lines ? [["above", 9, cell => cell.value > top], ["below", height - EDGE.bottom - 4, cell => cell.value < near]] : []) {
    const names = named.filter(cell => !visible.includes(cell) && far(cell)).map(cell => `${data.methods[cell.method]} ${number(cell.value)}`);
    if (names.length) root.append(svg("text", { class: "beyond", x: width - EDGE.right, y, "text-anchor": "end" }, `${word}: ${names.join(", ")}`));
  }
  box.replaceChildren(root);
  listen(box, root, series, x, y);
}

/** Where the axis ends, so that a few values that blow up do not flatten the others; infinite where nothing does. */
function ceiling(values) {
  const sorted = [...values].sort((a, b) => a - b), high = 2 * sorted[Math.floor(0.9 * (sorted.length - 1))];
  return sorted[0] > 0 && sorted.at(-1) > 2 * high ? high : Infinity;
}

function axes(x, y, width, height, at, xText, xTitle) {
  const bottom = height - EDGE.bottom, group = svg("g", { class: "axes" });
  for (const value of ticks(y, height / 60)) {
    group.append(svg("line", { x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }),
      svg("text", { x: EDGE.left - 8, y: y(value) + 4, "text-anchor": "end" }, plainTick(value)));
  }
  for (const value of at) group.append(svg("text", { x: x(value), y: bottom + 18, "text-anchor": "middle" }, xText(value)));
  group.append(svg("text", { class: "title", x: (EDGE.left + width - EDGE.right) / 2, y: height - 4, "text-anchor": "middle" }, xTitle));
  return group;
}

/** Dashed lines with their names above them, moved down where two would touch. */
function referenceLines(cells, y, width) {
  let above = -Infinity;
  return [...cells].sort((a, b) => y(a.value) - y(b.value)).map(cell => {
    const height = y(cell.value);
    above = Math.max(height - 4, above + 13);
    return svg("g", { class: "reference" }, svg("line", { x1: EDGE.left, x2: width - EDGE.right, y1: height, y2: height }),
      svg("text", { x: width - EDGE.right, y: above, "text-anchor": "end" }, `${data.methods[cell.method]} ${number(cell.value)}`));
  });
}

const pathOf = places => places.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/** A series with its interval: a band, or a bar at every point. */
function lineOf({ method, points }, x, y, top, bars) {
  const banded = points.filter(point => !Number.isNaN(point.low));
  const drawn = bars ? banded.map(point => svg("line", { class: "bar", x1: x(point.x), x2: x(point.x), y1: y(point.low), y2: y(point.high) })) : [];
  const outline = [...banded.map(point => [x(point.x), y(point.high)]), ...banded.toReversed().map(point => [x(point.x), y(point.low)])];
  return svg("g", { class: `series ${colourClass(method)}`, "data-m": method },
    banded.length > 1 && !bars ? svg("path", { class: "band", d: `${pathOf(outline)}Z` }) : null, ...drawn,
    svg("path", { class: "line", d: pathOf(points.map(point => [x(point.x), y(point.y)])) }),
    ...points.map(point => dot(point, x, y, top)));
}

const dotsOf = ({ method, points }, x, y, top) =>
  svg("g", { class: `series ${colourClass(method)}`, "data-m": method }, ...points.map(point => dot(point, x, y, top)));

/** A point; an arrow at the upper edge where its value lies beyond. */
function dot(point, x, y, top) {
  const [left, height] = [x(point.x), y(point.y)].map(Math.round);
  return point.y > top ? svg("polygon", { points: `${left - 4},${height + 4} ${left},${height - 4} ${left + 4},${height + 4}` })
    : svg("circle", { cx: x(point.x).toFixed(1), cy: y(point.y).toFixed(1), r: 3 });
}

/** The numbers of what lies beyond the upper edge, to stand over its marks: of those that would touch the least and the greatest. */
function beyond(points, x, width) {
  const groups = [];
  for (const point of points.toSorted((a, b) => a.x - b.x)) {
    let group = numbered([point]);
    while (groups.length && groups.at(-1).right + 6 > group.left) group = numbered([...groups.pop().points, ...group.points]);
    groups.push(group);
  }
  return groups;

  function numbered(points) {
    const values = points.map(point => point.y), [low, high] = [Math.min(...values), Math.max(...values)].map(number);
    const text = low === high ? low : `${low} – ${high}`, half = 3.3 * text.length;  // of the font's 11 px, as in `named`
    const middle = Math.max(half, Math.min((x(points[0].x) + x(points.at(-1).x)) / 2, width - half));
    return { points, text, left: middle - half, right: middle + half };
  }
}

/** Of every league the points that none of it equals or beats on both axes, joined by steps; named where a name has room beside
 *  the boxes of `numbers`. */
function fronts(points, x, y, better, width, height, numbers) {
  const sign = better === "higher" ? -1 : 1;
  const found = [...Map.groupBy(points, point => data.leagues[point.cell.method])].map(([league, own]) => {
    const kept = [];
    for (const point of own.toSorted((a, b) => a.x - b.x || sign * (a.y - b.y)))
      if (!kept.length || sign * point.y < sign * kept.at(-1).y) kept.push(point);
    return [league, kept];
  });
  const taken = [...numbers, ...found.flatMap(([, kept]) => kept.map(point => [x(point.x) - 6, y(point.y) - 6, x(point.x) + 6, y(point.y) + 6]))];
  return found.map(([league, kept]) => {
    const corners = kept.flatMap((point, index) =>
      [...(index ? [[x(point.x), y(kept[index - 1].y)]] : []), [x(point.x), y(point.y)]]);
    return svg("g", { class: league ? "front apart" : "front" }, svg("path", { d: corners.length ? pathOf(corners) : "" }),
      ...kept.map(point => svg("circle", { cx: x(point.x), cy: y(point.y), r: 5.5 })),
      ...kept.filter((point, index) => point.cell.method !== kept[index - 1]?.cell.method)
        .map(point => named(data.methods[point.cell.method], x(point.x), y(point.y), taken, width, height)));
  });
}

/** A name beside its point, where no other name or point of a front is, and inside the chart; null where there is no room. */
function named(name, x, y, taken, width, height) {
  const long = 6.6 * name.length;  // of the font's 11 px, a little more than most names are
  for (const [left, base] of [[x + 8, y + 16], [x + 8, y - 7], [x - 8 - long, y + 16], [x - 8 - long, y - 7], [x + 8, y + 4], [x - 8 - long, y + 4]]) {
    const box = [left, base - 11, left + long, base + 3];
    const inside = left >= EDGE.left && box[2] <= width && box[1] >= 0 && box[3] <= height - EDGE.bottom + 4;
    if (!inside || taken.some(other => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
    taken.push(box);
    return svg("text", { x: left, y: base }, name);
  }
  return null;
}

/** The nearest point under the pointer lights its method everywhere and says its value; a click opens where it comes from. */
function listen(box, root, series, x, y) {
  const places = series.flatMap(each => each.points.map(point => ({ point, method: each.method, x: x(point.x) + each.shift, y: y(point.y) })));
  const nearest = event => {
    const frame = root.getBoundingClientRect(), left = event.clientX - frame.left, top = event.clientY - frame.top;
    const distance = place => (place.x - left) ** 2 + (place.y - top) ** 2;
    const found = places.reduce((best, place) => distance(place) < distance(best) ? place : best, places[0]);
    return distance(found) < 900 ? found : null;
  };
  root.addEventListener("pointermove", event => {
    const found = nearest(event);
    root.classList.toggle("pointing", found !== null);
    heat(found?.method ?? null);
    found ? tip(event, found.point.cell) : untip();
  });
  root.addEventListener("pointerleave", () => { heat(null); untip(); });
  root.addEventListener("click", event => {
    const found = nearest(event);
    if (found) openCell(found.point.cell);
  });
}

function tip(event, cell) {
  const [value, interval] = worded(cell);
  at("tip").replaceChildren(el("b", {}, data.methods[cell.method]), ` ${stepsTitle(cell.steps)} `, el("b", {}, value),
    interval ? el("small", {}, ` ${interval}`) : "");
  at("tip").hidden = false;
  const room = document.documentElement.clientWidth - at("tip").offsetWidth - 8;
  at("tip").style.left = `${Math.max(8, Math.min(event.clientX + 14, room))}px`;
  at("tip").style.top = `${event.clientY > 80 ? event.clientY - at("tip").offsetHeight - 12 : event.clientY + 16}px`;
}
const untip = () => { at("tip").hidden = true; };
