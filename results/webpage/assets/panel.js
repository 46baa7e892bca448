// Where a number comes from: a panel beside the page (a sheet from below on a phone), closed with Escape.

const FIELDS = {
  run_id: "run", label: "label", method: "method", data: "data", backbone: "backbone", seed: "training seed", status: "status",
  reason: "reason", images_seen: "images seen", images_budget: "image budget", optimizer_steps: "optimizer steps",
  train_seconds: "training time", evaluation_seconds: "evaluation time", teacher_seconds: "teacher's time",
  trajectory_seconds: "trajectories' time", data_hash: "data hash", config_hash: "config hash", gpus: "GPUs",
};
const MONO = new Set(["run_id", "data_hash", "config_hash", "checkpoint", "teacher", "protocol"]);

function fieldText(name, value) {
  if (name.endsWith("_seconds")) return UNITS.seconds(real(value));
  if (name === "peak_memory") return UNITS.bytes(real(value));
  if (name === "data_hash") return value.slice(0, 12);
  if (name === "started" || name === "finished") return value.replace("T", " ").replace("+00:00", " UTC");
  return typeof value === "number" && name !== "seed" ? value.toLocaleString("en") : String(value);
}

/** A list of facts from [title, text, monospaced?]; what is empty, zero or unknown is left out. */
const facts = entries => el("dl", {}, ...entries.filter(([, text]) => !["", "0", "null", "NaN", "0 s", "0 B"].includes(text))
  .flatMap(([title, text, mono]) => [el("dt", {}, title), el("dd", mono ? { class: "mono" } : {}, text)]));

const runFacts = (names, run) => facts(names.map(name =>
  [FIELDS[name] ?? name.replaceAll("_", " "), fieldText(name, runField(name, run) ?? ""), MONO.has(name)]));

/** Names of fields whose value all these runs share, and of those in which they differ. */
function split(runs) {
  const names = Object.keys(data.runs.fields);
  const same = name => runs.every(run => runField(name, run) === runField(name, runs[0]));
  return [names.filter(same), names.filter(name => !same(name))];
}

/** The configuration that all these runs share, and of each run what is its own; seeds and labels are told elsewhere. */
function splitConfig(runs) {
  const all = runs.map(configOf), names = [...new Set(all.flatMap(Object.keys))].filter(name => !["seed", "label"].includes(name));
  const same = names.filter(name => all.every(config => config[name] === all[0][name]));
  const entries = (config, kept) => kept.map(name => [name, config[name] ?? "absent"]);
  return [entries(all[0] ?? {}, same), all.map(config => entries(config, names.filter(name => !same.includes(name))))];
}

const configuration = entries => entries.length ? el("details", { class: "config" }, el("summary", {}, "Configuration"),
  el("dl", {}, ...entries.flatMap(([name, text]) => [el("dt", {}, name), el("dd", { class: "mono" }, text)]))) : null;

let opener = null;
function openPanel(title, subtitle, ...content) {
  const panel = at("panel");
  if (panel.hidden) opener = document.activeElement;
  const close = el("button", { class: "close", "aria-label": "Close" }, "×");
  close.addEventListener("click", closePanel);
  panel.replaceChildren(close, el("h2", { id: "panel-title" }, title), el("p", { class: "caption" }, subtitle),
    ...content.filter(child => child !== null));
  panel.hidden = false;
  panel.scrollTop = 0;
  panel.focus({ preventScroll: true });
}

function closePanel() {
  if (at("panel").hidden) return;
  at("panel").hidden = true;
  state.open = null;
  heat(null);
  opener?.focus?.({ preventScroll: true });
}

function openCell(cell) {
  state.open = data.references[cell.method] ? null : cell.method;
  heat(state.open);
  const { metric } = cell, [value, interval] = worded(cell), reference = data.references[cell.method];
  const runs = [...new Set(cell.sources.map(([run]) => run))];
  const evaluation = [...new Set(cell.sources.flatMap(source => source[5]))].sort((a, b) => a - b);
  const behind = reference ? "sample draw" : "training seed";
  const [same, differing] = split(runs);
  const [sharedConfig, ownConfigs] = splitConfig(runs);
  const [shared, own] = [same, differing].map(names => names.filter(name => !["label", "seed", "run_id"].includes(name)));
  openPanel(
    `${data.methods[cell.method]}${reference ? "" : ` · ${stepsTitle(cell.steps)}`}`, `${metric.name}: ${metric.title}`,
    el("p", { class: "value" }, value, interval ? el("small", {}, ` ${interval}`) : null),
    el("p", {}, meaning(cell, behind, interval)),
    facts([
      ["status", cell.status === "done" ? "" : cell.status], ["protocol", cell.protocol, true],
      ["sampler", cell.sampler], ["EMA", cell.ema], ["network calls", reference ? "" : calls(cell)],
      ["samples scored", cell.count.toLocaleString("en")], ["evaluation seeds", evaluation.join(", ") || ""],
      ["floor", number(cell.floor)], ["above the floor", number(cell.value - cell.floor)],
      ["rank", ranks(cell.noise)], ["sd over trainings", number(cell.noise.training_sd ?? NaN)],
      ["sd over samples", number(cell.noise.sampling_sd ?? NaN)], ["detectable gap", number(cell.noise.detectable ?? NaN)],
    ]),
    ...cell.sources.map((source, index) => sourceCard(source, real(cell.values[index]), behind, reference ? [] : own,
      reference ? [] : ownConfigs[runs.indexOf(source[0])])),
    ...missing(cell, runs),
    ...(runs.length ? [el("h3", {}, runs.length > 1 ? "The same in these runs" : "Its run"), runFacts(shared, runs[0]),
      configuration(sharedConfig)] : []),
  );
}

/** What the number and its interval say, in a sentence. */
function meaning(cell, behind, interval) {
  if (!cell.seeds) return `No finished value: ${cell.status}.`;
  const kind = { sampling: "the 95 % interval is over evaluation seeds and tells nothing of other trainings",
    teacher: "the 95 % interval is over students that share a teacher and tells nothing of another teacher" }[cell.interval]
    ?? "with its 95 % interval";
  return `Mean of ${plural(cell.seeds, behind)}${interval ? `; ${kind}` : "; too few for an interval"}.`.replace("; with", ", with");
}

const ranks = ({ rank_low: low, rank_high: high }) => !low ? "" : low === high ? `${low}` : `${low} to ${high}`;

function sourceCard([run, seed, checkpoint, images], value, behind, names, config) {
  return el("div", { class: "card" },
    el("h3", {}, `${behind} ${seed}`, el("b", {}, number(value))),
    facts([["run", runField("run_id", run), true], ["checkpoint", checkpoint, true],
      ["at", images ? `${images.toLocaleString("en")} images` : ""]]),
    runFacts(names.filter(name => name !== "images_seen" || runField(name, run) !== images), run),
    config.length ? facts(config.map(([name, text]) => [name, text, true])) : null);
}

/** Runs of the method that gave this cell nothing: still going, failed, or not scored here. */
const missing = (cell, scored) => data.runs_of[cell.method].filter(run => !scored.includes(run)).map(run =>
  el("div", { class: "card" }, el("h3", {}, `training seed ${runField("seed", run)}`, el("b", {}, runField("status", run))),
    facts([["run", runField("run_id", run), true], ["reason", runField("reason", run)]])));

function openRun(run) {
  state.open = null;
  openPanel(`${runField("label", run)} · seed ${runField("seed", run)}`, "One run", runFacts(Object.keys(data.runs.fields), run),
    configuration(Object.entries(configOf(run))));
}
