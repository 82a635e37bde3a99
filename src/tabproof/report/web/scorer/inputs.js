/**
 * The columns of a row where the model takes others: dates, texts, and many categories.
 *
 * A date is a number of seconds, a text a string or null; numbers and categories are as in
 * encoding.js.
 */

import { datePart, daysBetween } from "./dates.js";
import { CategoryEncoding, NumberEncoding, readCategories } from "./encoding.js";
import { ScorerDamagedError } from "./errors.js";
import { FLOAT32_MAX } from "./numbers.js";
import { floats, integers } from "./safetensors.js";
import { TextTable } from "./texts.js";

/** @import { Arrays } from "./safetensors.js" */
/** @import { Encoding } from "./encoding.js" */
/** @import { Arithmetic, FeatureSpec, InputSpec, ScorerSpec, Take } from "./format.js" */

/** @typedef {{ shape: number[], data: Float64Array }} Codes */
/** @typedef {{ rows: Map<number, number>, codes: Codes }} Values the row of each number */

/** @typedef {{ kind: "date", name: string }} DateInput */
/** @typedef {{ kind: "text", name: string, table: TextTable }} TextInput */
/** @typedef {Encoding | DateInput | TextInput} Input */
/** @typedef {ArrayLike<number | string | null>} Row */

/** The columns of a row, and what makes the columns of the model of them. */
export class Inputs {
  /**
   * @param {Input[]} columns
   * @param {FeatureSpec[]} features
   * @param {(Codes | null)[]} pairs by feature: the table of two columns of categories, if it takes one
   * @param {(Values | null)[]} values by feature: the table of a column of numbers, if it takes one
   */
  constructor(columns, features, pairs, values) {
    this.columns = columns;
    this.features = features;
    this.pairs = pairs;
    this.values = values;
  }

  /**
   * Return a row as the model takes it.
   *
   * @param {Row} row
   * @returns {number[]}
   */
  ofRow(row) {
    /** @type {Map<number, number[]>} features by the column of a text */
    const texts = new Map();
    return this.features.map(({ take, of, index = 0, newest = 0, means }, place) => {
      const [first, second] = of;
      const column = this.columns[first];
      const cell = row[first];
      if (take === "text") {
        if (column.kind !== "text") throw new ScorerDamagedError(`'${column.name}' is no text`);
        let own = texts.get(first);
        if (own === undefined) {
          own = column.table.features(/** @type {string | null} */ (cell));
          texts.set(first, own);
        }
        return own[index];
      }
      const number = Number(cell);
      if (take === "cell") return number;
      if (take === "days_between") return daysBetween(number, Number(row[second]));
      if (take === "pair_code") {
        const other = this.columns[second];
        const codes = this.pairs[place];
        if (codes === null || other.kind !== "category") {
          throw new ScorerDamagedError(`'${column.name}' has no table of pairs`);
        }
        const pair = number * (other.categories.length + 2) + Number(row[second]);
        return codes.data[pair * codes.shape[1] + index];
      }
      if (take === "value_code") {
        const values = this.values[place];
        if (values === null) throw new ScorerDamagedError(`'${column.name}' has no values`);
        const { rows, codes } = values;
        const unseen = Number.isNaN(number) ? rows.size + 1 : rows.size;
        return codes.data[(rows.get(number) ?? unseen) * codes.shape[1] + index];
      }
      if (take === "product") {
        const [ofFirst = 0, ofSecond = 0] = means ?? [];
        return combine("multiply", less(number, ofFirst), less(Number(row[second]), ofSecond));
      }
      if (isArithmetic(take)) return combine(take, number, Number(row[second]));
      if (take !== "code") return datePart(number, take, newest);
      if (column.kind !== "category") {
        throw new ScorerDamagedError(`'${column.name}' has no categories`);
      }
      return column.codes[number * column.width + index];
    });
  }

  /**
   * Return contributions of the columns of a row, given those of the model's columns.
   *
   * What is made of two columns counts half for each.
   *
   * @param {ArrayLike<number>} values
   */
  shares(values) {
    const found = new Float64Array(this.columns.length);
    this.features.forEach(({ of }, place) => {
      for (const column of of) found[column] += values[place] / of.length;
    });
    return found;
  }
}

/**
 * Return the inputs; null if a row holds the columns of the model.
 *
 * @param {ScorerSpec} spec
 * @param {Arrays} arrays
 */
export function readInputs(spec, arrays) {
  if (!spec.inputs?.length) return null;
  const features = spec.features ?? [];
  if (features.length !== spec.columns.length) {
    throw new ScorerDamagedError(`${features.length} features for ${spec.columns.length} columns`);
  }
  return new Inputs(
    spec.inputs.map((column, index) => readInput(column, index, arrays)),
    features,
    features.map(({ take, of }) =>
      take === "pair_code" ? floats(arrays, `inputs.${of[0]}.${of[1]}.codes`) : null,
    ),
    features.map(({ take, of }) => (take === "value_code" ? readValues(arrays, of[0]) : null)),
  );
}

/**
 * @param {Arrays} arrays
 * @param {number} index
 * @returns {Values}
 */
function readValues(arrays, index) {
  const values = floats(arrays, `inputs.${index}.values`).data;
  const codes = floats(arrays, `inputs.${index}.codes`);
  return { rows: new Map(Array.from(values, (value, row) => [value, row])), codes };
}

/**
 * @param {Take} take
 * @returns {take is Arithmetic}
 */
function isArithmetic(take) {
  return take === "add" || take === "subtract" || take === "multiply" || take === "divide";
}

/**
 * Return the result for two numbers: within 32 bits, NaN where there is none.
 *
 * @param {Arithmetic} take
 * @param {number} first
 * @param {number} second
 */
function combine(take, first, second) {
  let found = first / second;
  if (take === "add") found = first + second;
  else if (take === "subtract") found = first - second;
  else if (take === "multiply") found = first * second;
  return Number.isFinite(found) ? Math.min(Math.max(found, -FLOAT32_MAX), FLOAT32_MAX) : NaN;
}

/**
 * Return a number less the mean of its column, which stands for a missing one.
 *
 * @param {number} number
 * @param {number} mean
 */
function less(number, mean) {
  return Number.isNaN(number) ? 0 : number - mean;
}

/**
 * @param {InputSpec} column
 * @param {number} index
 * @param {Arrays} arrays
 * @returns {Input}
 */
function readInput(column, index, arrays) {
  const { name } = column;
  switch (column.kind) {
    case "number":
      return new NumberEncoding(name, []);
    case "date":
      return { kind: "date", name };
    case "category":
      return arrays.has(`inputs.${index}.codes`)
        ? readCategories(name, column.categories, arrays, `inputs.${index}.codes`)
        : new CategoryEncoding(name, column.categories, new Float64Array(), 0);
    case "text": {
      const { shape, data } = floats(arrays, `inputs.${index}.table`);
      const buckets = integers(arrays, `inputs.${index}.buckets`);
      const idf = floats(arrays, `inputs.${index}.idf`).data;
      const table = new TextTable(column.n_buckets, buckets, idf, data, shape[1]);
      return { kind: "text", name, table };
    }
  }
}
