/** Dates: seconds since 1970 by their own clock, NaN if missing, and their parts. */

/** @import { DatePart } from "./format.js" */

const DAY = 86_400;
/** From the first to the last second of the calendar (years 1 to 9999). */
export const FIRST = -62_135_596_800;
export const LAST = 253_402_300_799;

/**
 * Move seconds into the calendar; NaN stays NaN.
 *
 * @param {number} seconds
 */
function bounded(seconds) {
  return Math.min(Math.max(seconds, FIRST), LAST);
}

/**
 * Return a part of a date; `days` are counted from the newest date of training.
 *
 * @param {number} seconds
 * @param {DatePart} part
 * @param {number} newest
 */
export function datePart(seconds, part, newest) {
  const within = bounded(seconds);
  if (part === "days") return (within - newest) / DAY;
  const date = new Date(Math.floor(within) * 1000);
  switch (part) {
    case "year":
      return date.getUTCFullYear();
    case "month":
      return date.getUTCMonth() + 1;
    case "day":
      return date.getUTCDate();
    case "hour":
      return date.getUTCHours();
    case "weekday":
      // 0 is a Monday here, and a Sunday there.
      return (date.getUTCDay() + 6) % 7;
  }
}

/**
 * Return the days from the first date to the second.
 *
 * @param {number} first
 * @param {number} second
 */
export function daysBetween(first, second) {
  return (bounded(second) - bounded(first)) / DAY;
}

const TIME = String.raw`(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?`;
const ZONE = String.raw`(Z|z|[+-]\d{2}(?::?\d{2})?)?`;
const ISO = new RegExp(
  String.raw`^(\d{4})-(\d{1,2})(?:-(\d{1,2}))?(?:(?:[Tt]| +)${TIME}${ZONE})?$`,
);

/**
 * Return the seconds of a date in ISO 8601; null for another text.
 *
 * @param {string} text
 * @param {number | null | undefined} offset minutes from UTC to the clock that is used
 */
export function parseIso(text, offset) {
  const match = ISO.exec(text.trim());
  if (match === null) return null;
  const part = (/** @type {number} */ i) => Number(match[i] ?? 0);
  const [year, month, day] = [part(1), part(2), match[3] === undefined ? 1 : part(3)];
  const date = new Date(0);
  // Not Date.UTC, for which the year 99 is 1999.
  date.setUTCFullYear(year, month - 1, day);
  if (year < 1 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  if (part(4) > 23 || part(5) > 59 || part(6) > 59) return null;
  let seconds = date.getTime() / 1000 + part(4) * 3600 + part(5) * 60 + part(6);
  const zone = match[8];
  if (zone && offset !== null && offset !== undefined) {
    // Nothing behind Z, which is UTC.
    const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(":", ""));
    seconds += (offset - (zone.startsWith("-") ? -minutes : minutes)) * 60;
  }
  const micros = Number((match[7] ?? "0").padEnd(6, "0").slice(0, 6));
  const all = seconds * 1e6 + micros;
  // Above, microseconds are no whole float; but there the sum is rounded correctly.
  return Number.isSafeInteger(all) ? all / 1e6 : seconds + micros / 1e6;
}

/**
 * Return a date in ISO 8601, with a time of day if the column has some.
 *
 * @param {number} seconds
 * @param {boolean} hasTime
 */
export function asIso(seconds, hasTime) {
  const within = bounded(seconds);
  let whole = Math.floor(within);
  let micros = roundToEven((within - whole) * 1e6);
  if (micros === 1e6) [whole, micros] = [whole + 1, 0];
  const text = new Date(whole * 1000).toISOString().replace(/\.\d+Z$/, "");
  if (!hasTime) return text.slice(0, 10);
  return micros ? `${text}.${String(micros).padStart(6, "0")}` : text;
}

/** @param {number} value */
function roundToEven(value) {
  const floor = Math.floor(value);
  const isUp = value - floor > 0.5 || (value - floor === 0.5 && floor % 2 === 1);
  return floor + Number(isUp);
}
