/** A column as an axis of a plot: of times, numbers, or names. */

/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {"time" | "number" | "log" | "name"} AxisKind */
/** @typedef {{kind: AxisKind, of: (run: Run) => number | string | null, names: string[]}} Axis */

/** More names are not readable on an axis. */
export const MAX_NAMES = 24;
/** Letters of a name at an axis. */
export const LETTERS = 18;
/** From this ratio of the largest to the smallest number on, an axis is logarithmic. */
const WIDE = 200;

/**
 * Return how runs are placed on an axis by a column; names: in their order, where it has names.
 *
 * @param {Column} column
 * @param {Run[]} runs
 * @returns {Axis}
 */
export function makeAxis(column, runs) {
  if (column.id === "when") {
    return { kind: "time", of: (run) => timeOf(run.when), names: [] };
  }
  const cells = runs.map(column.get).filter((cell) => cell !== null && cell !== "");
  const numbers = cells.filter((cell) => typeof cell === "number");
  if (numbers.length > 0 && numbers.length === cells.length) {
    let [low, high] = [Infinity, -Infinity];
    for (const number of numbers) {
      low = Math.min(low, number);
      high = Math.max(high, number);
    }
    const isWide = column.metric < 0 && low > 0 && high / low >= WIDE;
    /** @type {(run: Run) => number | null} */
    const of = (run) => {
      const cell = column.get(run);
      return typeof cell === "number" ? cell : null;
    };
    return { kind: isWide ? "log" : "number", of, names: [] };
  }
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  const names = [...new Set(cells.map(String))].sort(compare);
  /** @type {(run: Run) => string | null} */
  const of = (run) => {
    const cell = column.get(run);
    return cell === null || cell === "" ? null : String(cell);
  };
  return { kind: "name", of, names };
}

/**
 * Return milliseconds of a time as runs write it; null where it is not one.
 *
 * @param {string} when
 */
export function timeOf(when) {
  const time = Date.parse(`${when.replace(" ", "T").slice(0, 19)}Z`);
  return Number.isNaN(time) ? null : time;
}

/**
 * Write the times at an axis: the date below the first, and where it changes.
 *
 * @param {Date} time
 * @param {number} place
 * @param {Date[]} all
 */
export function timeTick(time, place, all) {
  const text = time.toISOString();
  const [date, clock] = [text.slice(0, 10), text.slice(11, 16)];
  if (all.every((each) => each.toISOString().slice(11, 16) === "00:00")) return date;
  const before = all[place - 1]?.toISOString().slice(0, 10);
  return date === before ? clock : `${clock}\n${date}`;
}

/**
 * Return the best value so far at each time, in order of time; a point only where it improves, and
 * one at the end.
 *
 * @param {{time: number, value: number}[]} points
 * @param {boolean} lower smaller is better
 */
export function bestSoFar(points, lower) {
  const ordered = [...points].sort((a, b) => a.time - b.time);
  /** @type {{time: number, value: number}[]} */
  const found = [];
  for (const point of ordered) {
    const best = found.at(-1);
    if (!best || (lower ? point.value < best.value : point.value > best.value)) found.push(point);
  }
  const [best, last] = [found.at(-1), ordered.at(-1)];
  if (best && last && last.time > best.time) found.push({ time: last.time, value: best.value });
  return found;
}
