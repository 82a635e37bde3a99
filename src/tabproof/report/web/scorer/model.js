/** Models: from the cells of a row to probabilities. */

import {
  CategoryEncoding,
  NumberEncoding,
  SplineEncoding,
  featuresOf,
  makeEncodings,
} from "./encoding.js";
import { ScorerDamagedError } from "./errors.js";
import { exp, exp32, numpySum } from "./numbers.js";
import { beneath, floats } from "./safetensors.js";
import { Trees } from "./trees.js";

/** @import { Arrays } from "./safetensors.js" */
/** @import { Encoding } from "./encoding.js" */
/** @import { ColumnSpec, LinearSpec, Link, ModelSpec, TreesSpec, VoteSpec } from "./format.js" */

/**
 * Return the probability of the second of two labels.
 *
 * @param {number} sum
 */
export function logistic(sum) {
  return 1 / (1 + exp(-sum));
}

/**
 * Return a probability per label.
 *
 * @param {number[]} sums
 */
export function softmax(sums) {
  const largest = Math.max(...sums);
  const powers = sums.map((sum) => exp(sum - largest));
  const total = numpySum(powers);
  return powers.map((power) => power / total);
}

/**
 * Return probabilities for sums.
 *
 * @param {Link} link
 * @param {number[]} sums
 * @param {number} nRounds what the link `mean` divides by
 * @returns {number[]}
 */
function applyLink(link, sums, nRounds) {
  const [first] = sums;
  switch (link) {
    case "mean":
      return sums.map((sum) => sum / nRounds);
    case "softmax":
      return softmax(sums);
    case "logistic": {
      const second = logistic(first);
      return [1 - second, second];
    }
    case "logistic_float32": {
      // Beyond that exp overflows; XGBoost has the same limit.
      const power = exp32(Math.min(-first, Math.fround(88.7)));
      const second = Math.fround(1 / Math.fround(power + 1));
      return [Math.fround(1 - second), second];
    }
    case "softmax_float32": {
      const largest = Math.max(...sums);
      const powers = sums.map((sum) => exp32(Math.fround(sum - largest)));
      // XGBoost adds in 64 bits, in order, and divides in 32.
      const total = Math.fround(powers.reduce((sum, power) => sum + power));
      return powers.map((power) => Math.fround(power / total));
    }
    default:
      throw new ScorerDamagedError(`there is no link '${link}'`);
  }
}

/** Boosted trees, whose values are summed, or forests, whose values are averaged. */
export class TreesModel {
  kind = /** @type {const} */ ("trees");

  /**
   * @param {TreesSpec} spec
   * @param {Arrays} arrays
   * @param {Encoding[]} encodings
   */
  constructor(spec, arrays, encodings) {
    this.spec = spec;
    this.encodings = encodings;
    this.trees = new Trees(arrays);
    this.nRounds = this.trees.nTrees / spec.n_groups;
    const nSums = spec.n_groups * this.trees.width;
    if (spec.baseline.length !== nSums) {
      throw new ScorerDamagedError("'baseline' is not one number per sum");
    }
  }

  /**
   * Return the sums before the link; for `mean`, before the division.
   *
   * Values are added in the order of trees: another order would give other last bits.
   *
   * @param {ArrayLike<number>} row
   */
  sumsOfRow(row) {
    const { trees, spec } = this;
    const { width, values } = trees;
    const features = featuresOf(this.encodings, row);
    const sums = Float64Array.from(spec.baseline);
    const in32Bits = spec.link.endsWith("float32");
    for (let tree = 0; tree < trees.nTrees; tree++) {
      const leaf = trees.find(tree, features);
      const first = (tree % spec.n_groups) * width;
      for (let j = 0; j < width; j++) {
        const sum = sums[first + j] + values[leaf + j];
        sums[first + j] = in32Bits ? Math.fround(sum) : sum;
      }
    }
    return Array.from(sums);
  }

  /**
   * Return a probability per label.
   *
   * @param {ArrayLike<number>} row
   */
  predictRow(row) {
    return applyLink(this.spec.link, this.sumsOfRow(row), this.nRounds);
  }
}

/** A weighted sum of features: one sum for two labels, else one per label. */
export class LinearModel {
  kind = /** @type {const} */ ("linear");

  /**
   * @param {LinearSpec} spec
   * @param {Arrays} arrays
   * @param {Encoding[]} encodings
   */
  constructor(spec, arrays, encodings) {
    this.spec = spec;
    this.encodings = encodings;
    this.intercepts = Array.from(floats(arrays, "intercepts").data);
    const weights = floats(arrays, "coefficients");
    const nFeatures = encodings.reduce((sum, encoding) => sum + encoding.width, 0);
    if (weights.shape[0] !== this.intercepts.length || weights.shape[1] !== nFeatures) {
      throw new ScorerDamagedError(`'coefficients' are not ${nFeatures} per intercept`);
    }
    const means = arrays.has("means") ? floats(arrays, "means").data : null;
    /**
     * By column: the weights of a number, or by category or knot the part of its features; by sum.
     *
     * @type {number[][][]}
     */
    this.parts = [];
    /**
     * By column and sum: the part of the means over the training rows; null if unknown.
     *
     * @type {number[][] | null}
     */
    this.meanParts = means && [];
    let first = 0;
    for (const encoding of encodings) {
      const { width } = encoding;
      const own = this.intercepts.map((_, sum) => {
        const start = sum * nFeatures + first;
        return weights.data.subarray(start, start + width);
      });
      const rows = encoding instanceof NumberEncoding ? [[1]] : rowsOf(encoding);
      this.parts.push(rows.map((row) => own.map((weight) => dot(row, weight))));
      if (means) this.meanParts?.push(own.map((w) => dot(means.subarray(first, first + width), w)));
      first += width;
    }
  }

  /**
   * Return the sums before the link.
   *
   * @param {ArrayLike<number>} row
   */
  sumsOfRow(row) {
    let sums = this.intercepts;
    for (let index = 0; index < this.parts.length; index++) {
      const parts = this.part(index, row[index]);
      sums = sums.map((sum, i) => sum + parts[i]);
    }
    return sums;
  }

  /**
   * Return what a column adds to each sum.
   *
   * @param {number} index
   * @param {number} cell
   * @returns {number[]}
   */
  part(index, cell) {
    const encoding = this.encodings[index];
    const parts = this.parts[index];
    if (encoding.kind === "category") return parts[cell];
    if (encoding instanceof SplineEncoding) {
      if (Number.isNaN(cell)) return parts[encoding.missing];
      const [place, share] = encoding.place(cell);
      const ends = parts[place + 1 < encoding.missing ? place + 1 : place];
      return parts[place].map((start, i) => start + share * (ends[i] - start));
    }
    const number = encoding.apply(cell);
    return parts[0].map((weight) => number * weight);
  }

  /**
   * Return a probability per label.
   *
   * @param {ArrayLike<number>} row
   */
  predictRow(row) {
    return applyLink(this.spec.link, this.sumsOfRow(row), 1);
  }
}

/**
 * Return the features of each category, or at each knot, and of a missing cell.
 *
 * @param {CategoryEncoding | SplineEncoding} encoding
 */
function rowsOf({ codes, width, missing }) {
  return Array.from({ length: missing + 1 }, (_, i) => codes.subarray(i * width, (i + 1) * width));
}

/**
 * Return the sum of products, added in order.
 *
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const product = a[i] * b[i];
    // No zero is added in front, which would make a negative zero positive.
    sum = i === 0 ? product : sum + product;
  }
  return sum;
}

/** Models whose probabilities are averaged; each encodes the columns in its own way. */
export class VoteModel {
  kind = /** @type {const} */ ("vote");

  /**
   * @param {VoteSpec} spec
   * @param {Arrays} arrays
   * @param {ColumnSpec[]} columns
   */
  constructor(spec, arrays, columns) {
    /** @type {Encoding[]} */
    this.encodings = columns.map((column) =>
      column.kind === "number"
        ? new NumberEncoding(column.name, [])
        : new CategoryEncoding(column.name, column.categories, new Float64Array(), 0),
    );
    this.weights = spec.members.map((member) => member.weight);
    /** @type {SummedModel[]} */
    this.members = spec.members.map(({ model, steps }, index) => {
      const own = columns.map((column, i) =>
        column.kind === "number" ? { ...column, steps: steps[i] ?? [] } : column,
      );
      const made = makeModel(model, own, beneath(arrays, `members.${index}.`));
      if (made.kind === "vote") throw new ScorerDamagedError("a vote has a vote as a member");
      return made;
    });
    // In the order of NumPy's sum, as in scikit-learn.
    this.total = numpySum(this.weights);
  }

  /**
   * Return a probability per label.
   *
   * @param {ArrayLike<number>} row
   */
  predictRow(row) {
    /** @type {number[]} */
    let sums = [];
    this.members.forEach((member, index) => {
      const weight = this.weights[index];
      const parts = member.predictRow(row).map((p) => weight * p);
      sums = index === 0 ? parts : sums.map((sum, i) => sum + parts[i]);
    });
    return sums.map((sum) => sum / this.total);
  }
}

/** @typedef {TreesModel | LinearModel} SummedModel */
/** @typedef {SummedModel | VoteModel} Model */

/**
 * Return the model of a spec and its arrays.
 *
 * @param {ModelSpec} spec
 * @param {ColumnSpec[]} columns
 * @param {Arrays} arrays
 * @returns {Model}
 */
export function makeModel(spec, columns, arrays) {
  if (spec.kind === "vote") return new VoteModel(spec, arrays, columns);
  const encodings = makeEncodings(columns, arrays);
  if (spec.kind === "trees") return new TreesModel(spec, arrays, encodings);
  return new LinearModel(spec, arrays, encodings);
}
