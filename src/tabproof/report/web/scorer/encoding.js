/**
 * Encode a column's cells as the features that the model was trained on.
 *
 * A number stays one feature, after a few arithmetic steps in the order of training, or becomes the
 * features of a spline. A category is an index into a table of features, whose last two rows are for
 * unseen categories and for missing cells.
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

/**
 * A numeric column whose features are lines between knots; `codes` has a row of `width` features per
 * knot, and one for a missing cell.
 */
export class SplineEncoding {
  kind = /** @type {const} */ ("number");

  /**
   * @param {string} name
   * @param {Float64Array} knots
   * @param {Float64Array} codes
   * @param {number} width
   */
  constructor(name, knots, codes, width) {
    this.name = name;
    this.knots = knots;
    this.codes = codes;
    this.width = width;
    /** The row of a missing cell. */
    this.missing = knots.length;
  }

  /**
   * Return the knot before a number, and the share of the way to the next one.
   *
   * @param {number} number
   * @returns {[place: number, share: number]}
   */
  place(number) {
    const { knots } = this;
    let [low, high] = [0, knots.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (knots[middle] <= number) low = middle + 1;
      else high = middle;
    }
    const place = Math.max(low - 1, 0);
    const width = place + 1 < knots.length ? knots[place + 1] - knots[place] : 1;
    return [place, Math.min(Math.max((number - knots[place]) / width, 0), 1)];
  }

  /**
   * Write the features of a cell into `features`.
   *
   * @param {number} cell
   * @param {Float64Array} features
   * @param {number} first
   */
  encode(cell, features, first) {
    const { codes, width, missing } = this;
    const [place, share] = Number.isNaN(cell) ? [missing, 0] : this.place(cell);
    for (let i = 0; i < width; i++) {
      const start = codes[place * width + i];
      const end = place + 1 < missing ? codes[(place + 1) * width + i] : start;
      features[first + i] = start + share * (end - start);
    }
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

/** @typedef {NumberEncoding | SplineEncoding | CategoryEncoding} Encoding */

/**
 * Return the encodings of a model's columns.
 *
 * @param {ColumnSpec[]} columns
 * @param {Arrays} arrays
 * @returns {Encoding[]}
 */
export function makeEncodings(columns, arrays) {
  return columns.map((column, index) => {
    if (column.kind === "number") {
      return arrays.has(`knots.${index}`)
        ? readSpline(column.name, arrays, index)
        : new NumberEncoding(column.name, column.steps ?? []);
    }
    return readCategories(column.name, column.categories, arrays, `codes.${index}`);
  });
}

/**
 * Return a numeric column with its knots.
 *
 * @param {string} name
 * @param {Arrays} arrays
 * @param {number} index
 */
function readSpline(name, arrays, index) {
  const knots = floats(arrays, `knots.${index}`).data;
  const { shape, data } = floats(arrays, `codes.${index}`);
  if (knots.length === 0 || shape.length !== 2 || shape[0] !== knots.length + 1) {
    throw new ScorerDamagedError(`column '${name}' has no table of ${knots.length + 1} rows`);
  }
  return new SplineEncoding(name, knots, data, shape[1]);
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
