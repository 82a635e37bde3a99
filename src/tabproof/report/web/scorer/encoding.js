/**
 * Encode a column's cells as the features that the model was trained on.
 *
 * A number stays one feature, after a few arithmetic steps in the order of training. A category is
 * an index into a table of features, whose last two rows are for unseen categories and for missing
 * cells.
 */

import { ScorerDamagedError } from "./errors.js";
import { FLOAT32_MAX } from "./numbers.js";
import { floats } from "./safetensors.js";

/** @import { Arrays } from "./safetensors.js" */
/** @import { ColumnSpec, Step } from "./format.js" */

/** A numeric column: one feature. A missing number is NaN. */
export class NumberEncoding {
  kind = /** @type {const} */ ("number");
  width = 1;

  /**
   * @param {string} name
   * @param {Step[]} steps
   */
  constructor(name, steps) {
    this.name = name;
    this.steps = steps;
  }

  /**
   * Apply the steps to a number.
   *
   * @param {number} value
   */
  apply(value) {
    for (const [operation, operand] of this.steps) {
      switch (operation) {
        case "fill":
          if (Number.isNaN(value)) value = operand;
          break;
        case "add":
          value += operand;
          break;
        case "subtract":
          value -= operand;
          break;
        case "multiply":
          value *= operand;
          break;
        case "divide":
          value /= operand;
          break;
        case "clip_float32":
          // NaN stays NaN.
          value = Math.min(Math.max(value, -FLOAT32_MAX), FLOAT32_MAX);
          break;
        case "float32":
          value = Math.fround(value);
          break;
        default:
          throw new ScorerDamagedError(`column '${this.name}' has the step '${operation}'`);
      }
    }
    return value;
  }

  /**
   * Write the feature of a cell into `features`.
   *
   * @param {number} cell
   * @param {Float64Array} features
   * @param {number} first
   */
  encode(cell, features, first) {
    features[first] = this.apply(cell);
  }
}

/** A categorical column; `codes` has a row of `width` features per category, and two more. */
export class CategoryEncoding {
  kind = /** @type {const} */ ("category");

  /**
   * @param {string} name
   * @param {string[]} categories
   * @param {Float64Array} codes
   * @param {number} width
   */
  constructor(name, categories, codes, width) {
    this.name = name;
    this.categories = categories;
    this.codes = codes;
    this.width = width;
    /** The index for categories that training never saw, and the one for a missing cell. */
    this.unseen = categories.length;
    this.missing = categories.length + 1;
  }

  /**
   * Write the features of a cell into `features`.
   *
   * @param {number} cell
   * @param {Float64Array} features
   * @param {number} first
   */
  encode(cell, features, first) {
    for (let i = 0; i < this.width; i++) features[first + i] = this.codes[cell * this.width + i];
  }
}

/** @typedef {NumberEncoding | CategoryEncoding} Encoding */

/**
 * Return the encodings of a model's columns.
 *
 * @param {ColumnSpec[]} columns
 * @param {Arrays} arrays
 * @returns {Encoding[]}
 */
export function makeEncodings(columns, arrays) {
  return columns.map((column, index) => {
    if (column.kind === "number") return new NumberEncoding(column.name, column.steps ?? []);
    return readCategories(column.name, column.categories, arrays, `codes.${index}`);
  });
}

/**
 * Return a categorical column with its table.
 *
 * @param {string} name
 * @param {string[]} categories
 * @param {Arrays} arrays
 * @param {string} table
 */
export function readCategories(name, categories, arrays, table) {
  const { shape, data } = floats(arrays, table);
  if (shape.length !== 2 || shape[0] !== categories.length + 2) {
    throw new ScorerDamagedError(`column '${name}' has no table of ${categories.length + 2} rows`);
  }
  return new CategoryEncoding(name, categories, data, shape[1]);
}

/**
 * Return all features of a row.
 *
 * @param {Encoding[]} encodings
 * @param {ArrayLike<number>} row
 */
export function featuresOf(encodings, row) {
  const features = new Float64Array(encodings.reduce((sum, each) => sum + each.width, 0));
  let first = 0;
  encodings.forEach((encoding, index) => {
    encoding.encode(row[index], features, first);
    first += encoding.width;
  });
  return features;
}
