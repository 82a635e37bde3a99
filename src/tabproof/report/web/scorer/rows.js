/**
 * Convert the values of a form to a row for the scorer, with the warnings of the service.
 *
 * A number is a number, a category and a text are strings, a date is a string in ISO 8601, and null
 * is a missing cell. The spellings that columns have in files (`¥1,234`, `1/2/2024`) are not read
 * here, and a row without any column of the model is not refused: a form sends neither. Messages are
 * those of src/tabproof/service/rows.py.
 */

import { CategoryReader, NO_NUMBER_WORDS, plain } from "./categories.js";
import { asIso, parseIso } from "./dates.js";
import { RefusedError, ScorerDamagedError } from "./errors.js";
import { FLOAT32_MAX } from "./numbers.js";

/** @import { Input } from "./inputs.js" */
/** @import { Schema, SchemaColumn } from "./format.js" */

/**
 * @typedef {"missing_column" | "unseen_category" | "out_of_range" | "not_a_number" | "not_a_date"
 *   | "unknown_column"} WarningKind
 */
/** @typedef {{ column: string, kind: WarningKind, message: string }} RowWarning */
/** @typedef {Record<string, number | string | null>} Features */
/** @typedef {(kind: WarningKind, message: string) => void} Warn */

/** Maximum warnings of columns that the model does not know. */
const MAX_WARNINGS = 100;
// A longer text is neither a number nor a date.
const MAX_NUMBER_TEXT = 400;
const NUMBER =
  /^(\(?) ?([+-]?) {0,2}([+-]?)([0-9]*)(?:\.([0-9]*))?((?:[eE][+-]?[0-9]+)?) {0,2}(\)?)$/;

/** Converts rows for one model. */
export class RowReader {
  /**
   * @param {Schema} schema
   * @param {Input[]} inputs
   */
  constructor(schema, inputs) {
    if (schema.columns.length !== inputs.length) {
      throw new ScorerDamagedError("schema.json and scorer.json have other columns");
    }
    const missing = schema.na_values ?? [];
    this.columns = inputs.map((input, index) => makeCell(schema.columns[index], input, missing));
    this.names = new Set(inputs.map((input) => input.name));
  }

  /**
   * Return the values of a row; throw RefusedError for a number that has no meaning.
   *
   * @param {Features} features
   * @param {RowWarning[]} warnings
   */
  read(features, warnings) {
    const row = this.columns.map(({ name, missing, read }) => {
      /** @type {Warn} */
      const warn = (kind, message) => warnings.push({ column: name, kind, message });
      // Not features[name]: a column may be called toString.
      const value = Object.hasOwn(features, name) ? features[name] : undefined;
      if (value === undefined) warn("missing_column", "is absent: treated as missing");
      return value === undefined || value === null ? missing : read(value, warn);
    });
    const unknown = Object.keys(features).filter((name) => !this.names.has(name));
    for (const name of unknown.sort().slice(0, MAX_WARNINGS)) {
      const message = "is not a column of the model: ignored";
      warnings.push({ column: name, kind: "unknown_column", message });
    }
    return row;
  }
}

/**
 * How the cells of a column are read; `missing` stands for a missing one.
 *
 * @typedef {object} Cell
 * @property {string} name
 * @property {number | null} missing
 * @property {(value: number | string, warn: Warn) => number | string | null} read
 */

/**
 * @param {SchemaColumn} column
 * @param {Input} input
 * @param {string[]} naValues
 * @returns {Cell}
 */
function makeCell(column, input, naValues) {
  const { name } = column;
  if (input.name !== name || input.kind !== column.kind) {
    throw new ScorerDamagedError("schema.json and scorer.json have other columns");
  }
  switch (input.kind) {
    case "category": {
      const reader = new CategoryReader(input.categories, naValues);
      return {
        name,
        missing: reader.missing,
        read(value, warn) {
          const place = reader.place(String(value));
          if (place === reader.unseen) {
            warn("unseen_category", "has a category that is not in the training data");
          }
          return place;
        },
      };
    }
    case "text": {
      const words = new Set(naValues);
      const read = (/** @type {number | string} */ value) =>
        words.has(String(value)) ? null : String(value);
      return { name, missing: null, read };
    }
    case "date":
      return { name, missing: NaN, read: makeDateReader(column, naValues) };
    case "number":
      return { name, missing: NaN, read: makeNumberReader(column, naValues) };
  }
}

/**
 * @param {SchemaColumn} column
 * @param {string[]} naValues
 * @returns {Cell["read"]}
 */
function makeNumberReader(column, naValues) {
  const words = new Set([...naValues, ...NO_NUMBER_WORDS]);
  const missingNumbers = new Set(naValues.map(parseNumber).filter((number) => number !== null));
  const range = rangeOf(column);
  const [low, high] = range ?? [-FLOAT32_MAX, FLOAT32_MAX];
  return (value, warn) => {
    if (typeof value === "string") {
      if (words.has(value)) return NaN;
      const parsed = parseNumber(value);
      if (parsed === null) {
        warn("not_a_number", "has a text that is not a number: treated as missing");
        return NaN;
      }
      value = parsed;
    } else if (missingNumbers.size === 0 && low <= value && value <= high) {
      // What training had is not bounded.
      return value;
    }
    if (!Number.isFinite(value)) {
      const where = `features.${column.name}`;
      throw new RefusedError(`${where} has a number that does not fit into 64 bits`);
    }
    if (missingNumbers.has(value)) return NaN;
    if (range && !(low <= value && value <= high)) {
      const ends = `${general(low)} to ${general(high)}`;
      warn("out_of_range", `is outside the training range, ${ends}`);
    }
    // What every model can hold.
    return Math.min(Math.max(value, -FLOAT32_MAX), FLOAT32_MAX);
  };
}

/**
 * @param {SchemaColumn} column
 * @param {string[]} naValues
 * @returns {Cell["read"]}
 */
function makeDateReader(column, naValues) {
  const words = new Set([...naValues, ...NO_NUMBER_WORDS]);
  const range = rangeOf(column);
  const { offset = null, has_time = false } = column.form ?? {};
  return (value, warn) => {
    const text = String(value);
    if (words.has(text)) return NaN;
    const seconds = text.length > MAX_NUMBER_TEXT ? null : parseIso(plain(text), offset);
    if (seconds === null) {
      warn("not_a_date", "has a value that is not a date: treated as missing");
      return NaN;
    }
    if (range && !(range[0] <= seconds && seconds <= range[1])) {
      const [low, high] = range.map((end) => asIso(end, has_time));
      warn("out_of_range", `is outside the training range, ${low} to ${high}`);
    }
    return seconds;
  };
}

/**
 * Return the range of training, if any.
 *
 * @param {SchemaColumn} column
 * @returns {[number, number] | null}
 */
function rangeOf({ minimum, maximum }) {
  return typeof minimum === "number" && typeof maximum === "number" ? [minimum, maximum] : null;
}

/**
 * Return the number that a plain text is; null for another one.
 *
 * @param {string} text
 */
function parseNumber(text) {
  const match = text.length > MAX_NUMBER_TEXT ? null : NUMBER.exec(plain(text));
  if (match === null) return null;
  const [, open, before, after, whole, fraction = "", exponent, close] = match;
  const signs = before + after + (open ? "-" : "");
  if (Boolean(open) !== Boolean(close) || signs.length > 1 || !(whole || fraction)) return null;
  const sign = signs === "-" ? "-" : "";
  const number = Number(`${sign}${whole || "0"}.${fraction || "0"}${exponent}`);
  return Math.min(Math.max(number, -Number.MAX_VALUE), Number.MAX_VALUE);
}

/**
 * Write a number as Python's format `g`: six digits, without zeros at the end.
 *
 * @param {number} value
 */
export function general(value) {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const sign = value < 0 ? "-" : "";
  // Python rounds a half to the even digit, JavaScript away from zero.
  const [digits, power] = Math.abs(value).toExponential(100).split("e");
  const isHalf = /^.{7}50*$/.test(digits);
  const [rounded, shifted] =
    isHalf && Number(digits[6]) % 2 === 0
      ? [digits.slice(0, 7), power]
      : Math.abs(value).toExponential(5).split("e");
  const exponent = Number(shifted);
  const kept = rounded.replace(".", "").replace(/0+$/, "");
  if (exponent < -4 || exponent >= 6) {
    const mantissa = kept.length > 1 ? `${kept[0]}.${kept.slice(1)}` : kept;
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${kept}`;
  const whole = kept.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const fraction = kept.slice(exponent + 1);
  return sign + (fraction ? `${whole}.${fraction}` : whole);
}
