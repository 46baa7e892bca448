// The page's data, decoded where it is looked at; and the small tools every part uses.

const data = JSON.parse(document.getElementById("data").textContent);
const state = { metric: 0, filter: "", families: new Set(), colours: new Map(), hot: null, open: null, whole: false };
const COLOURS = 7;

const at = id => document.getElementById(id);
const real = value => value === null ? NaN : Number(value);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== false) node.setAttribute(name, value);
  node.append(...children.filter(child => child !== null));
  return node;
}
const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** A cell of `metric` with names in place of indices. */
function decoded(cell, metric) {
  const [method, steps, nfe, rows, value, low, high, seeds, mark, status, how, group, values, noise, rules, doubt] = cell;
  const [protocol, sampler, ema, count, floor, interval] = data.hows[how];
  return {
    metric, method, steps, nfe: real(nfe), rows: real(rows), value: real(value), low: real(low), high: real(high), seeds,
    best: mark === 2, tied: mark === 1, doubt: doubt === 1, status: data.statuses[status], protocol, sampler, ema, count, floor: real(floor), interval, values,
    noise: Object.fromEntries(data.noise.map((name, index) => [name, real(noise[index])])),
    rules: rules.map(real), sources: data.groups[group].map(index => data.sources[index]),
  };
}

const decodedMetrics = new Map();
/** The metric on show with its cells decoded, and the distinct step counts of its methods. */
function shown() {
  if (!decodedMetrics.has(state.metric)) {
    const metric = data.metrics[state.metric] ?? { name: "", title: "nothing scored yet", better: "", ranks: false, note: "", marks: [], headline: [], features: [], cells: [] };
    const cells = metric.cells.map(cell => decoded(cell, metric));
    const steps = cells.filter(cell => !data.references[cell.method]).map(cell => cell.steps);
    decodedMetrics.set(state.metric, { ...metric, cells, steps: [...new Set(steps)].sort((a, b) => a - b) });
  }
  return decodedMetrics.get(state.metric);
}

/** One field of one run. */
function runField(name, run) {
  const [values, index] = data.runs.fields[name] ?? [[""]];
  return values[index ? index[run] : values.length === 1 ? 0 : run];
}

/** A run's configuration, {dotted key: text}. */
function configOf(run) {
  const parts = data.configs.map(([base, changes, index]) => {
    const [changed, gone] = changes[index ? index[run] : 0];
    return Object.entries({ ...base, ...changed }).filter(([key]) => !gone.includes(key));
  });
  return Object.fromEntries(parts.flat());
}

const familyOf = new Map(data.families.flatMap(([family, , methods]) => methods.map(name => [name, family])));

/** Whether a method is of a chosen family, if any is, and every word of the filter occurs in its name. References have no family. */
const wanted = method => (!state.families.size || data.references[method] || state.families.has(familyOf.get(data.methods[method])))
  && state.filter.toLowerCase().split(/\s+/).every(word => data.methods[method].toLowerCase().includes(word));

/** The class that carries a method's colour, empty while it is drawn in grey. */
const colourClass = method => state.colours.has(method)
  ? `c${state.colours.get(method) % COLOURS} d${Math.floor(state.colours.get(method) / COLOURS) % 3}` : "";
