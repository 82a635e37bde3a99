/** Values of columns: how they are written, read, and placed on a slider. Uses no DOM. */

import { MINUS } from "../shared/texts.js";

/**
 * A column, as in the answer of /schema; `counts` is what a histogram is drawn from.
 *
 * minimum, maximum : of a date in ISO 8601. form : how cells are written, if not plainly. counts :
 * rows in bins of equal width from minimum to maximum, or by category. is_whole : all numbers are.
 *
 * @typedef {object} Column
 * @property {string} name
 * @property {"number" | "category" | "date" | "text"} kind
 * @property {number} [missing_share]
 * @property {number | string | null} [minimum]
 * @property {number | string | null} [maximum]
 * @property {string[] | null} [categories]
 * @property {{decimal?: unknown, has_time?: unknown} | null} [form]
 * @property {number[]} [counts]
 * @property {boolean} [is_whole]
 */

/** @typedef {string | number | boolean | null} Cell null: missing */
/** @typedef {Record<string, Cell>} Features */

const MS = 1000;
const DAY = 86_400;
/** A slider has at most this many positions: more than it is wide in pixels. */
const MAX_STEPS = 400;
const PLAIN_NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Return a copy of features without a prototype: a column may be called `__proto__`.
 *
 * @param {Features} features
 * @param {Column[]} columns
 * @returns {Features}
 */
export function copyFeatures(features, columns) {
  const copy = Object.create(null);
  for (const { name } of columns) copy[name] = Object.hasOwn(features, name) ? features[name] : null;
  return copy;
}

/**
 * Return a cell as the text of an input; the empty text where it is missing.
 *
 * @param {Cell} cell
 * @param {Column} column
 */
export function textOf(cell, column) {
  if (cell === null) return "";
  if (typeof cell !== "number") return String(cell);
  return String(cell).replace(".", String(column.form?.decimal ?? "."));
}

/**
 * Return a cell as a text to read in little space: a number with four digits, none of them of its
 * whole part left out.
 *
 * @param {Cell} cell
 * @param {Column} column
 */
export function briefOf(cell, column) {
  if (typeof cell !== "number" || !Number.isFinite(cell)) return textOf(cell, column);
  const n = Math.min(Math.max(4, Math.trunc(Math.abs(cell)).toString().length), 17);
  return textOf(Number(cell.toPrecision(n)), column).replaceAll("-", MINUS);
}

/**
 * Return the cell that a text typed for a number means; null for the empty text.
 *
 * A text that is no plain number, with the decimal sign of the column, is sent as it is.
 *
 * @param {string} text
 * @param {Column} column
 * @returns {Cell}
 */
export function cellOf(text, column) {
  const typed = text.trim().replace(MINUS, "-");
  if (typed === "") return null;
  const decimal = String(column.form?.decimal ?? ".");
  const other = decimal === "." ? "," : ".";
  const plain = typed.includes(other) ? "" : typed.replace(decimal, ".");
  const number = PLAIN_NUMBER.test(plain) ? Number(plain) : NaN;
  return Number.isFinite(number) ? number : text;
}

/**
 * Return the seconds since 1970 of a date in ISO 8601, by its own clock; null if it is none.
 *
 * @param {Cell | undefined} cell
 */
export function secondsOf(cell) {
  if (typeof cell !== "string") return null;
  const match = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?/.exec(cell.trim());
  if (!match) return null;
  const time = Date.parse(`${match[1]}T${match[2] ?? "00:00"}Z`);
  return Number.isNaN(time) ? null : time / MS;
}

/**
 * Return a date for an input of the kind `date`, or `datetime-local`.
 *
 * @param {number} seconds
 * @param {boolean} hasTime
 */
export function isoOf(seconds, hasTime) {
  const text = new Date(seconds * MS).toISOString();
  return hasTime ? text.slice(0, 19) : text.slice(0, 10);
}

/**
 * The positions 0 to `n` of a slider, and the values there: round numbers, and both ends.
 *
 * @typedef {{n: number, valueAt: (place: number) => number, placeOf: (value: number) => number}} Scale
 */

/**
 * Return the scale of a range; null where it has no width.
 *
 * @param {number | null | undefined} low
 * @param {number | null | undefined} high
 * @param {number} [least] the least step: 1 for whole numbers, a day for dates
 * @returns {Scale | null}
 */
export function makeScale(low, high, least = 0) {
  if (typeof low !== "number" || typeof high !== "number") return null;
  if (!(high > low) || !Number.isFinite(high - low)) return null;
  const step = Math.max(roundStep((high - low) / MAX_STEPS), least);
  // A quotient of round numbers may be off by its last digits.
  const first = Math.floor(low / step + 1e-9);
  const n = Math.ceil(high / step - 1e-9) - first;
  if (n < 1 || !Number.isSafeInteger(first)) return null;
  return {
    n,
    valueAt: (place) => {
      if (place <= 0) return low;
      if (place >= n) return high;
      return Number(((first + place) * step).toPrecision(15));
    },
    placeOf: (value) => {
      if (value <= low) return 0;
      if (value >= high) return n;
      return Math.min(Math.max(Math.round(value / step) - first, 0), n);
    },
  };
}

/** Return 1, 2 or 5 times a power of ten, not less than a number. @param {number} least */
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((each) => each * power >= least * (1 - 1e-9)) ?? 10;
  return Number((factor * power).toPrecision(15));
}

/**
 * Return the scale of a column of numbers or dates.
 *
 * @param {Column} column
 * @returns {Scale | null}
 */
export function scaleOf(column) {
  const { minimum, maximum, form } = column;
  if (column.kind === "date") {
    const ends = [secondsOf(minimum), secondsOf(maximum)];
    return makeScale(ends[0], ends[1], form?.has_time ? 60 : DAY);
  }
  if (typeof minimum !== "number" || typeof maximum !== "number") return null;
  const seemsWhole =
    Number.isInteger(minimum) && Number.isInteger(maximum) && maximum - minimum >= 10;
  return makeScale(minimum, maximum, (column.is_whole ?? seemsWhole) ? 1 : 0);
}

/**
 * Return a cell as a number on the scale of its column; null where it is missing or none.
 *
 * @param {Cell} cell
 * @param {Column} column
 */
export function positionOf(cell, column) {
  if (column.kind === "date") return secondsOf(cell);
  return typeof cell === "number" ? cell : null;
}

/**
 * Return the bin of a value; -1 outside the range.
 *
 * @param {number | null} value
 * @param {number} low
 * @param {number} high
 * @param {number} n bins of equal width
 */
export function binOf(value, low, high, n) {
  if (value === null || value < low || value > high) return -1;
  return Math.min(Math.floor(((value - low) / (high - low)) * n), n - 1);
}

/**
 * Return the categories that hold a text, those that begin with it first, at most `most`.
 *
 * @param {string[]} categories
 * @param {string} text
 * @param {number} most
 */
export function findCategories(categories, text, most) {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return categories.slice(0, most);
  const begin = [];
  const hold = [];
  for (const category of categories) {
    const place = category.toLowerCase().indexOf(wanted);
    if (place === 0) begin.push(category);
    else if (place > 0 && hold.length < most) hold.push(category);
    if (begin.length >= most) break;
  }
  return [...begin, ...hold].slice(0, most);
}

/**
 * Return a text that is no category: what is sent for "another value".
 *
 * @param {string[]} categories
 * @param {string} text
 */
export function unseenCategory(categories, text) {
  let found = text;
  while (categories.includes(found)) found += "\u2026";
  return found;
}

/**
 * Write a number with a sign, for a contribution.
 *
 * @param {number} value
 */
export function signed(value) {
  const text = Math.abs(value).toFixed(Math.abs(value) >= 100 ? 0 : 2);
  if (!/[1-9]/.test(text)) return text;
  return (value < 0 ? MINUS : "+") + text;
}
