/**
 * An ensemble of trees: its arrays, and the leaf that a row reaches in each tree.
 *
 * The nodes of a tree are stored in preorder: the left child follows its parent, and `right` is the
 * index of the right child. Node indices are counted over the whole ensemble.
 */

import { ScorerDamagedError } from "./errors.js";
import { floats, integers, octets } from "./safetensors.js";

/** @import { Arrays } from "./safetensors.js" */

/** Codes of categories are below this. */
const N_CODES = 256;

export class Trees {
  /** @param {Arrays} arrays */
  constructor(arrays) {
    const counts = integers(arrays, "trees.n_nodes");
    const values = floats(arrays, "trees.values");
    this.nTrees = counts.length;
    this.feature = integers(arrays, "trees.feature");
    this.threshold = floats(arrays, "trees.threshold").data;
    this.missingLeft = octets(arrays, "trees.missing_left");
    this.categorySet = integers(arrays, "trees.category_set");
    this.leftCodes = octets(arrays, "trees.left_codes");
    /** The values of leaves, `width` of each, leaves in the order of nodes. */
    this.values = values.data;
    this.width = values.shape[1];
    /** How many training rows reached each node; null in older formats. */
    this.covers = arrays.has("trees.covers") ? floats(arrays, "trees.covers").data : null;
    const nNodes = this.feature.length;
    /** The first node of each tree. */
    this.roots = new Int32Array(this.nTrees);
    this.right = integers(arrays, "trees.right").slice();
    let root = 0;
    for (let tree = 0; tree < this.nTrees; tree++) {
      this.roots[tree] = root;
      const end = root + counts[tree];
      for (let node = root; node < end; node++) this.right[node] += root;
      root = end;
    }
    /** The number of each leaf, where its values begin; unused for inner nodes. */
    this.leaf = new Int32Array(nNodes);
    let nLeaves = 0;
    for (let node = 0; node < nNodes; node++) {
      this.leaf[node] = nLeaves * this.width;
      if (this.isLeaf(node)) nLeaves += 1;
      // A step that does not go forward would never end.
      else if (!(this.right[node] > node + 1 && this.right[node] < nNodes)) {
        throw new ScorerDamagedError(`node ${node} has a child outside of its tree`);
      }
    }
    if (root !== nNodes || nLeaves !== values.shape[0]) {
      throw new ScorerDamagedError("the nodes of trees do not fit their leaves");
    }
  }

  /** @param {number} node */
  isLeaf(node) {
    return this.feature[node] < 0;
  }

  /**
   * Return whether a row with these features goes to the left child of an inner node.
   *
   * @param {number} node
   * @param {Float64Array} features
   */
  goesLeft(node, features) {
    const value = features[this.feature[node]];
    if (Number.isNaN(value)) return this.missingLeft[node] !== 0;
    const set = this.categorySet[node];
    if (set < 0) return value <= this.threshold[node];
    if (value < 0 || value >= N_CODES) return this.missingLeft[node] !== 0;
    const code = Math.trunc(value);
    return ((this.leftCodes[set * (N_CODES / 8) + (code >> 3)] >> (code & 7)) & 1) === 1;
  }

  /**
   * Return where the values of the leaf begin that a row reaches in a tree.
   *
   * @param {number} tree
   * @param {Float64Array} features
   */
  find(tree, features) {
    let node = this.roots[tree];
    while (!this.isLeaf(node)) node = this.goesLeft(node, features) ? node + 1 : this.right[node];
    return this.leaf[node];
  }
}
