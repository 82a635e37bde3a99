/**
 * Contributions: what each column adds to a prediction, relative to an expected value.
 *
 * They are exact Shapley values on the scale on which the model adds, before a calibration;
 * docs/scorer.md has the formulas. For trees, the polynomials of these formulas are integrated by
 * Gauss-Legendre quadrature, as in Python, but summed in another order. Here a walk down a tree
 * keeps, for each node of the quadrature, the product of the factors of the path's columns. The
 * leaves below an edge share what the edge's column adds, so the walk back up adds it once per
 * edge: the time is the number of nodes times half the columns of a path (compare "Linear
 * TreeShap", Yu et al., 2022).
 */

import { featuresOf } from "./encoding.js";
import { NotExplainableError } from "./errors.js";

/** @import { LinearModel, Model, TreesModel, VoteModel } from "./model.js" */

/** @typedef {"log_odds" | "log_score" | "probability"} Scale */
/** @typedef {{ base: number, values: Float64Array }} Contributions */

/**
 * What computes contributions; `of` returns those to a label for a row of the model's columns.
 *
 * @typedef {object} Explainer
 * @property {Scale} scale
 * @property {(row: ArrayLike<number>, code: number) => Contributions} of
 */

const OLDER_VERSION = "an older version exported it; train it again";

/**
 * Prepare a model; throw NotExplainableError.
 *
 * @param {Model} model
 * @returns {Explainer}
 */
export function makeExplainer(model) {
  if (model.kind === "trees") return new TreesExplainer(model);
  return model.kind === "linear" ? new LinearExplainer(model) : new VoteExplainer(model);
}

/** A weighted sum: each column's part minus its mean over the training rows. */
class LinearExplainer {
  /** @param {LinearModel} model */
  constructor(model) {
    if (model.meanParts === null) {
      throw new NotExplainableError(
        `its scorer/ has no means of the training rows: ${OLDER_VERSION}`,
      );
    }
    this.model = model;
    this.means = model.meanParts;
    this.scale = scaleOf(model.intercepts.length);
  }

  /**
   * @param {ArrayLike<number>} row
   * @param {number} code
   * @returns {Contributions}
   */
  of(row, code) {
    const { means, model } = this;
    const sum = model.intercepts.length === 1 ? 0 : code;
    const values = means.map((mean, column) => model.part(column, row[column])[sum] - mean[sum]);
    const base = means.reduce((total, mean) => total + mean[sum], model.intercepts[sum]);
    return { base, values: Float64Array.from(values) };
  }
}

/** A vote of forests: the Shapley values of a mean are the mean of its members' values. */
class VoteExplainer {
  scale = /** @type {const} */ ("probability");

  /** @param {VoteModel} model */
  constructor(model) {
    this.members = model.members.map((member, index) => {
      if (member.kind !== "trees" || member.spec.link !== "mean") {
        throw new NotExplainableError(
          "it averages probabilities of members that add on other scales, so the contribution of" +
            " a column has no exact form; a vote of forests alone can be explained",
        );
      }
      const explainer = new TreesExplainer(member);
      return { explainer, share: model.weights[index] / model.total };
    });
  }

  /**
   * @param {ArrayLike<number>} row
   * @param {number} code
   * @returns {Contributions}
   */
  of(row, code) {
    const values = new Float64Array(row.length);
    let base = 0;
    for (const { explainer, share } of this.members) {
      const own = explainer.of(row, code);
      base += share * own.base;
      own.values.forEach((value, column) => (values[column] += share * value));
    }
    return { base, values };
  }
}

/** Path-dependent Tree SHAP: contributions to the sums of boosting, or the mean of a forest. */
class TreesExplainer {
  /** @param {TreesModel} model */
  constructor(model) {
    const { trees, encodings, spec } = model;
    if (trees.covers === null) {
      throw new NotExplainableError(
        `its scorer/ does not say how many rows reached each node: ${OLDER_VERSION}`,
      );
    }
    this.model = model;
    const isMean = spec.link === "mean";
    this.scale = isMean ? /** @type {const} */ ("probability") : scaleOf(spec.baseline.length);
    this.divisor = isMean ? model.nRounds : 1;
    /** The column of each feature. */
    this.columnOf = encodings.flatMap(({ width }, column) => new Array(width).fill(column));
    this.shares = sharesOf(trees.feature, trees.right, trees.covers);
    /** The sums that are expected when nothing is known about a row. */
    this.base = Float64Array.from(spec.baseline);
    /** How many columns the path of each tree tests that tests most. */
    this.nColumns = new Int32Array(trees.nTrees);
    const seen = new Int32Array(encodings.length);
    /** @type {(node: number, tree: number, share: number, columns: number) => void} */
    const visit = (node, tree, share, columns) => {
      const reaching = share * this.shares[node];
      if (trees.isLeaf(node)) {
        const first = (tree % spec.n_groups) * trees.width;
        for (let j = 0; j < trees.width; j++) {
          this.base[first + j] += reaching * trees.values[trees.leaf[node] + j];
        }
        this.nColumns[tree] = Math.max(this.nColumns[tree], columns);
        return;
      }
      const column = this.columnOf[trees.feature[node]];
      const isNew = Number(seen[column] === 0);
      seen[column] += 1;
      visit(node + 1, tree, reaching, columns + isNew);
      visit(trees.right[node], tree, reaching, columns + isNew);
      seen[column] -= 1;
    };
    trees.roots.forEach((root, tree) => visit(root, tree, 1, 0));
    const deepest = this.nColumns.reduce((a, b) => Math.max(a, b), 0);
    /** The nodes of the quadrature, by how many columns it is for. */
    this.quadratures = Array.from({ length: deepest + 1 }, (_, n) => quadratureOf((n + 1) >> 1));
  }

  /**
   * @param {ArrayLike<number>} row
   * @param {number} code
   * @returns {Contributions}
   */
  of(row, code) {
    const { trees, spec, encodings } = this.model;
    const sum = this.base.length === 1 ? 0 : code;
    const group = Math.floor(sum / trees.width);
    const walk = new Walk(this, featuresOf(encodings, row), encodings.length, sum % trees.width);
    for (let tree = group; tree < trees.nTrees; tree += spec.n_groups) walk.down(tree);
    return {
      base: this.base[sum] / this.divisor,
      values: walk.values.map((value) => value / this.divisor),
    };
  }
}

/** One row on its way down all trees. */
class Walk {
  /**
   * @param {TreesExplainer} explainer
   * @param {Float64Array} features
   * @param {number} nColumns
   * @param {number} offset of the values in those of a leaf
   */
  constructor(explainer, features, nColumns, offset) {
    this.explainer = explainer;
    this.features = features;
    this.offset = offset;
    this.values = new Float64Array(nColumns);
    /** By column: the share of rows that go on, and whether this row does, on the path so far. */
    this.share = new Float64Array(nColumns).fill(1);
    this.isMet = new Uint8Array(nColumns).fill(1);
    this.quadrature = quadratureOf(1);
    /**
     * By depth: the products of the factors of the path's columns, and the sums of these products
     * times the values of the leaves below.
     *
     * @type {Float64Array[]}
     */
    this.products = [];
    /** @type {Float64Array[]} */
    this.sums = [];
  }

  /** @param {number} tree */
  down(tree) {
    const { nColumns, quadratures, model } = this.explainer;
    if (nColumns[tree] === 0) return;
    this.quadrature = quadratures[nColumns[tree]];
    this.#reserve(0);
    this.products[0].fill(1);
    this.#visit(model.trees.roots[tree], 0);
  }

  /** @param {number} depth */
  #reserve(depth) {
    if (depth < this.sums.length) return;
    const longest = this.explainer.quadratures.at(-1)?.t.length;
    this.products.push(new Float64Array(longest ?? 0));
    this.sums.push(new Float64Array(longest ?? 0));
  }

  /**
   * @param {number} node
   * @param {number} depth
   */
  #visit(node, depth) {
    const { trees } = this.explainer.model;
    const products = this.products[depth];
    const sums = this.sums[depth];
    const { t } = this.quadrature;
    if (trees.isLeaf(node)) {
      const value = trees.values[trees.leaf[node] + this.offset];
      for (let q = 0; q < t.length; q++) sums[q] = value * products[q];
      return;
    }
    this.#reserve(depth + 1);
    for (let q = 0; q < t.length; q++) sums[q] = 0;
    const column = this.explainer.columnOf[trees.feature[node]];
    const isLeft = trees.goesLeft(node, this.features);
    this.#go(node + 1, isLeft, column, depth);
    this.#go(trees.right[node], !isLeft, column, depth);
  }

  /**
   * Go to a child, and add what its leaves add to the column that its parent tests.
   *
   * @param {number} child
   * @param {boolean} isTaken whether the row goes there
   * @param {number} column
   * @param {number} depth of the parent
   */
  #go(child, isTaken, column, depth) {
    const before = this.share[column];
    const wasMet = this.isMet[column] === 1;
    const isMet = wasMet && isTaken;
    const passing = this.explainer.shares[child];
    const share = before * passing;
    // All products below are zero.
    if (share === 0 && !isMet) return;
    const { t, rest, weight } = this.quadrature;
    const [above, below] = [this.products[depth], this.products[depth + 1]];
    for (let q = 0; q < t.length; q++) {
      // The column's factor is replaced: 1 if it was not on the path. One that is met is not zero.
      const factor = rest[q] * share + (isMet ? t[q] : 0);
      below[q] = above[q] * (wasMet ? factor / (t[q] + rest[q] * before) : passing);
    }
    this.share[column] = share;
    this.isMet[column] = Number(isMet);
    this.#visit(child, depth + 1);
    this.share[column] = before;
    this.isMet[column] = Number(wasMet);
    const [sums, own] = [this.sums[depth], this.sums[depth + 1]];
    let added = 0;
    for (let q = 0; q < t.length; q++) {
      sums[q] += own[q];
      // An edge further up that tests the column counts these leaves in its sums too.
      const counted = wasMet ? (1 - before) / (t[q] + rest[q] * before) : -1 / rest[q];
      const ratio = isMet ? (1 - share) / (t[q] + rest[q] * share) : -1 / rest[q];
      added += weight[q] * (ratio - counted) * own[q];
    }
    this.values[column] += added;
  }
}

/** @param {number} nSums */
function scaleOf(nSums) {
  return nSums === 1 ? /** @type {const} */ ("log_odds") : /** @type {const} */ ("log_score");
}

/**
 * Return, for each node, the share of its parent's training rows that reached it; 1 for roots.
 *
 * @param {Int32Array} feature
 * @param {Int32Array} right
 * @param {Float64Array} covers
 */
function sharesOf(feature, right, covers) {
  const shares = new Float64Array(feature.length).fill(1);
  for (let node = 0; node < feature.length; node++) {
    if (feature[node] < 0) continue;
    const total = covers[node + 1] + covers[right[node]];
    // Where no training row passed, both children are equally likely.
    shares[node + 1] = total > 0 ? covers[node + 1] / total : 0.5;
    shares[right[node]] = 1 - shares[node + 1];
  }
  return shares;
}

/** @typedef {{ t: Float64Array, rest: Float64Array, weight: Float64Array }} Quadrature */

/**
 * Return Gauss-Legendre quadrature from 0 to 1: its nodes t, 1 - t, and the weights.
 *
 * @param {number} n
 * @returns {Quadrature}
 */
function quadratureOf(n) {
  const [t, rest, weight] = [new Float64Array(n), new Float64Array(n), new Float64Array(n)];
  for (let i = 0; i < n; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    let slope = 1;
    // Newton's method on the Legendre polynomial; it doubles the digits in each step.
    for (let step = 0; step < 8; step++) {
      let [before, value] = [0, 1];
      for (let k = 0; k < n; k++) {
        [before, value] = [value, ((2 * k + 1) * x * value - k * before) / (k + 1)];
      }
      slope = (n * (x * value - before)) / (x * x - 1);
      x -= value / slope;
    }
    t[i] = (1 + x) / 2;
    rest[i] = (1 - x) / 2;
    weight[i] = 1 / ((1 - x * x) * slope * slope);
  }
  return { t, rest, weight };
}
