/**
 * The columns of a row where the model takes others: dates, texts, and many categories.
 *
 * A date is a number of seconds, a text a string or null; numbers and categories are as in
 * encoding.js.
 */

import { datePart, daysBetween } from "./dates.js";
import { CategoryEncoding, NumberEncoding, readCategories } from "./encoding.js";
import { ScorerDamagedError } from "./errors.js";
import { floats, integers } from "./safetensors.js";
import { TextTable } from "./texts.js";

/** @import { Arrays } from "./safetensors.js" */
/** @import { Encoding } from "./encoding.js" */
/** @import { FeatureSpec, InputSpec, ScorerSpec } from "./format.js" */

/** @typedef {{ kind: "date", name: string }} DateInput */
/** @typedef {{ kind: "text", name: string, table: TextTable }} TextInput */
/** @typedef {Encoding | DateInput | TextInput} Input */
/** @typedef {ArrayLike<number | string | null>} Row */

/** The columns of a row, and what makes the columns of the model of them. */
export class Inputs {
  /**
   * @param {Input[]} columns
   * @param {FeatureSpec[]} features
   */
  constructor(columns, features) {
    this.columns = columns;
    this.features = features;
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
    return this.features.map(({ take, of, index = 0, newest = 0 }) => {
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
   * Days between two dates count half for each.
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
  );
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
