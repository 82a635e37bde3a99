/** Predictions of runs on held-out rows: read from the page, and made into curves. */

import { countByRank } from "./statistics.js";

/** @typedef {import("./model.js").Group} Group */
/** @typedef {{mean: number, share: number, rows: number}} Bin */
/**
 * @typedef {object} Curve
 * @property {ArrayLike<number>} predicted codes
 * @property {ArrayLike<number> | null} ranks of P(second label); null with more than two labels
 * @property {Bin[]} calibration
 * @property {[Uint32Array, Uint32Array] | null} histogram of P(second label), by true label
 */
/** @typedef {{truth: ArrayLike<number>, curves: Curve[]}} HoldOut */
/** @typedef {{x: number, y: number}} Point */

export const N_HISTOGRAM = 40;
/** Points of a drawn ROC curve: more are closer together than the pixels. */
const N_POINTS = 400;

/**
 * Read the held-out rows of a group and the predictions of its runs; raises RangeError where the
 * bytes are too few.
 *
 * @param {ArrayBuffer} blob
 * @param {Group} group
 * @returns {HoldOut}
 */
export function readGroup(blob, group) {
  const { n_rows: nRows, labels, n_curves: nCurves } = group;
  const [start, length] = group.bytes;
  const end = start + length;
  let offset = start;
  /**
   * Return where an array of so many bytes begins: each begins at a multiple of 8.
   *
   * @param {number} nBytes
   */
  const take = (nBytes) => {
    const place = offset;
    if (place + nBytes > Math.min(end, blob.byteLength)) {
      throw new RangeError("the curves are incomplete");
    }
    offset = Math.ceil((place + nBytes) / 8) * 8;
    return place;
  };
  const takeCodes = () =>
    labels.length <= 256
      ? new Uint8Array(blob, take(nRows), nRows)
      : new Uint16Array(blob, take(2 * nRows), nRows);
  const takeRanks = () =>
    nRows <= 65_536
      ? new Uint16Array(blob, take(2 * nRows), nRows)
      : new Uint32Array(blob, take(4 * nRows), nRows);
  const isBinary = labels.length === 2;
  const truth = takeCodes();
  /** @type {Curve[]} */
  const curves = [];
  for (let n = 0; n < nCurves; n++) {
    const predicted = takeCodes();
    const ranked = isBinary ? takeRanks() : null;
    const [nBins = 0] = new Uint32Array(blob, take(4), 1);
    const numbers = new Float64Array(blob, take(24 * nBins), 3 * nBins);
    const calibration = Array.from({ length: nBins }, (_, bin) => {
      const [mean = 0, nTrue = 0, rows = 0] = numbers.subarray(3 * bin, 3 * bin + 3);
      return { mean, share: nTrue / rows, rows };
    });
    const counts = isBinary ? new Uint32Array(blob, take(8 * N_HISTOGRAM), 2 * N_HISTOGRAM) : null;
    const histogram = counts && split(counts);
    curves.push({ predicted, ranks: ranked, calibration, histogram });
  }
  return { truth, curves };
}

/**
 * @param {Uint32Array} counts
 * @returns {[Uint32Array, Uint32Array]}
 */
function split(counts) {
  return [counts.subarray(0, N_HISTOGRAM), counts.subarray(N_HISTOGRAM)];
}

/**
 * Return false positive rates (x) and true positive rates (y), from the corner of 0.
 *
 * @param {ArrayLike<number>} truth
 * @param {ArrayLike<number>} ranks
 * @returns {Point[]}
 */
export function rocPoints(truth, ranks) {
  const { negatives, positives } = countByRank(truth, ranks);
  const nPositive = positives.reduce((sum, n) => sum + n, 0);
  const nNegative = ranks.length - nPositive;
  /** @type {Point[]} */
  const points = [{ x: 0, y: 0 }];
  let [x, y] = [0, 0];
  let last = { x: 0, y: 0 };
  for (let rank = positives.length - 1; rank >= 0; rank--) {
    x += (negatives[rank] ?? 0) / nNegative;
    y += (positives[rank] ?? 0) / nPositive;
    if (Math.hypot(x - last.x, y - last.y) >= 1 / N_POINTS) {
      last = { x, y };
      points.push(last);
    }
  }
  points.push({ x: 1, y: 1 });
  return points;
}
