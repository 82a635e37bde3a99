/** Counts and metrics at any threshold, from probabilities and true labels. Uses no DOM. */

/** Rows by true and predicted label. @typedef {{tn: number, fp: number, fn: number, tp: number}} Counts */

/**
 * Return the numbers that were written byte by byte: the first bytes of all, then the second ones.
 *
 * @param {Uint8Array} bytes of little-endian numbers of 64 bits
 */
export function readNumbers(bytes) {
  const n = bytes.length / 8;
  const view = new DataView(new ArrayBuffer(bytes.length));
  for (let place = 0; place < bytes.length; place += 1) {
    view.setUint8((place % n) * 8 + Math.floor(place / n), bytes[place] ?? 0);
  }
  return Float64Array.from({ length: n }, (_, row) => view.getFloat64(row * 8, true));
}

/** Rows in ascending order of their probability of the second label. */
export class Outcomes {
  /**
   * @param {Float64Array} proba ascending
   * @param {Uint8Array} truth 1 where the row has the second label
   */
  constructor(proba, truth) {
    this.proba = proba;
    this.truth = truth;
    this.n = proba.length;
    /** Rows with the second label among the first n. */
    this.positives = new Uint32Array(this.n + 1);
    truth.forEach((is, row) => {
      this.positives[row + 1] = (this.positives[row] ?? 0) + is;
    });
    this.n_positive = this.positives[this.n] ?? 0;
  }

  /** Return the first row whose probability is above a threshold. @param {number} threshold */
  firstAbove(threshold) {
    let low = 0;
    let high = this.n;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (/** @type {number} */ (this.proba[middle]) > threshold) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Return the counts at a threshold: above it, the second label is predicted. @param {number} threshold */
  at(threshold) {
    return this.from(this.firstAbove(threshold));
  }

  /** Return the counts if the rows from one on are predicted to have the second label. @param {number} first */
  from(first) {
    const fn = this.positives[first] ?? 0;
    const tp = this.n_positive - fn;
    return { tn: first - fn, fp: this.n - first - tp, fn, tp };
  }

  /**
   * Return the rows of each code.
   *
   * @param {Uint8Array} codes
   * @param {number} n_codes
   */
  split(codes, n_codes) {
    return Array.from({ length: n_codes }, (_, code) => {
      const rows = [];
      for (let row = 0; row < this.n; row += 1) if (codes[row] === code) rows.push(row);
      const proba = Float64Array.from(rows, (row) => this.proba[row] ?? 0);
      return new Outcomes(proba, Uint8Array.from(rows, (row) => this.truth[row] ?? 0));
    });
  }

  /**
   * Return the threshold with the greatest value; of equal ones, the highest.
   *
   * @param {(counts: Counts) => number} value
   */
  best(value) {
    let found = 0;
    let most = -Infinity;
    for (let first = this.n; first >= 0; first -= 1) {
      const above = this.proba[first] ?? 1;
      const below = this.proba[first - 1] ?? 0;
      // Rows with equal probabilities are never apart.
      if (!(below < above)) continue;
      const reached = value(this.from(first));
      if (reached > most) {
        most = reached;
        found = between(below, above);
      }
    }
    return found;
  }
}

/**
 * Return the number with the fewest digits that is at least `low` and less than `high`.
 *
 * @param {number} low
 * @param {number} high
 */
export function between(low, high) {
  const middle = low + (high - low) / 2;
  for (let digits = 2; digits <= 17; digits += 1) {
    const found = Number(middle.toFixed(digits));
    if (found >= low && found < high) return found;
  }
  return low;
}

/** @param {number} part @param {number} whole */
const share = (part, whole) => (whole > 0 ? part / whole : null);

/**
 * Return metrics by name, as evaluation/metrics.py defines them; null where one is not defined.
 *
 * @param {Counts} counts
 * @returns {Record<string, number | null>}
 */
export function measure({ tn, fp, fn, tp }) {
  const n = tn + fp + fn + tp;
  return {
    precision: share(tp, tp + fp),
    recall: share(tp, tp + fn),
    specificity: share(tn, tn + fp),
    f1: tp + fn > 0 ? share(2 * tp, 2 * tp + fp + fn) : null,
    accuracy: share(tp + tn, n),
    predicted: share(tp + fp, n),
    false_positive_rate: share(fp, tn + fp),
  };
}

/**
 * Return the cost per row.
 *
 * @param {Counts} counts
 * @param {number[][]} costs a row per true and a column per predicted label
 */
export function costOf({ tn, fp, fn, tp }, costs) {
  const of = (/** @type {number} */ truth, /** @type {number} */ predicted) =>
    costs[truth]?.[predicted] ?? 0;
  return (tn * of(0, 0) + fp * of(0, 1) + fn * of(1, 0) + tp * of(1, 1)) / (tn + fp + fn + tp);
}

/** Return how far both error rates are apart, as a negative number. @param {Counts} counts */
export function balance({ tn, fp, fn, tp }) {
  return -Math.abs(fp / (tn + fp) - fn / (fn + tp));
}
