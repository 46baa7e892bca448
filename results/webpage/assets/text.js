// Numbers and facts in words.

/** Three significant digits, without an exponent where a plain number is readable. */
function decimals(value) {
  if (value === 0 || !Number.isFinite(value)) return 0;
  const size = Math.floor(Math.log10(Math.abs(value)));
  return size >= -4 && size < 6 ? Math.max(0, 2 - size) : -1;
}
const minus = text => text.replace("-", "−");
function fixed(value, places) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return minus(places < 0 ? value.toExponential(2) : value.toFixed(places));
}
const number = value => fixed(value, decimals(value));

function scaled(value, base, units, none) {
  let unit = 0;
  for (; value >= base * 0.9995 && unit < units.length - 1; unit++) value /= base;
  return Number.isFinite(value) ? `${Number(value.toPrecision(3))}${units[unit]}` : none;
}
const UNITS = {
  count: value => scaled(value, 1000, ["", "k", "M", "G", "T"], "–"),
  bytes: value => scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"], "–"),
  hours: value => Number.isFinite(value) ? `${Number(value.toPrecision(3))} h` : "–",
  seconds: value => {
    if (!Number.isFinite(value)) return "–";
    if (value < 100) return `${Number(value.toPrecision(2))} s`;
    return value < 5940 ? `${Math.round(value / 60)} min` : `${Number((value / 3600).toPrecision(3))} h`;
  },
};

const stepsTitle = steps => steps === 1 ? "1 step" : `${steps} steps`;
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** [value, interval] of a cell as text; a word where no value is. */
function worded(cell) {
  if (!cell) return ["", ""];
  if (Number.isNaN(cell.value)) {
    const failed = cell.status.includes("diverged") ? "diverged" : cell.status.split(" ")[0];
    return [cell.seeds ? "NaN" : failed === "done" ? "–" : failed, ""];
  }
  const places = decimals(cell.value);
  return [fixed(cell.value, places), Number.isNaN(cell.low) ? "" : `${fixed(cell.low, places)} – ${fixed(cell.high, places)}`];
}

/** Network calls of one cell, with rows where one call takes more than one. */
const calls = cell => `${number(cell.nfe).replace(/\.0+$/, "")}${cell.rows === cell.nfe ? "" : ` (${cell.rows} rows)`}`;
