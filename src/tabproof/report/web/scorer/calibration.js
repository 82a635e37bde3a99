/** The last step after a model: map sums or probabilities to calibrated probabilities. */

import { logistic, softmax } from "./model.js";
import { log, log32, numpySum } from "./numbers.js";
import { floats } from "./safetensors.js";

/** @import { Arrays } from "./safetensors.js" */
/** @import { CalibrationSpec } from "./format.js" */

export class Calibration {
  /**
   * @param {CalibrationSpec} spec
   * @param {Arrays} arrays
   * @param {number} nLabels
   */
  constructor(spec, arrays, nLabels) {
    this.spec = spec;
    this.isBinary = nLabels === 2;
    /** One curve per label against all others; for two labels only for the second. */
    this.points =
      spec.kind === "isotonic"
        ? Array.from({ length: this.isBinary ? 1 : nLabels }, (_, i) => ({
            x: floats(arrays, `calibration.${i}.x`).data,
            y: floats(arrays, `calibration.${i}.y`).data,
          }))
        : [];
  }

  /**
   * Return a probability per label for sums, or for probabilities.
   *
   * @param {number[]} response
   * @returns {number[]}
   */
  apply(response) {
    const { spec } = this;
    if (spec.kind === "temperature") {
      return softmax(this.#logits(response).map((logit) => spec.factor * logit));
    }
    // Two labels have one sum but two probabilities, of which the second is used.
    const values = this.isBinary && spec.of !== "sums" ? response.slice(1) : response;
    const each = values.map((value, i) => {
      if (spec.kind === "sigmoid") {
        return logistic(-(spec.slopes[i] * value + spec.intercepts[i]));
      }
      const { x, y } = this.points[i];
      // Interpolation can end one bit above the higher point.
      return Math.min(interpolate(value, x, y), 1);
    });
    if (this.isBinary) return [1 - each[0], each[0]];
    const total = numpySum(each);
    // Where every label gets 0, all are equally likely.
    return each.map((value) => (total === 0 ? 1 / each.length : value / total));
  }

  /** @param {number[]} response */
  #logits(response) {
    if (this.spec.of === "sums") return this.isBinary ? [-response[0], response[0]] : response;
    const in32Bits = this.spec.of === "probabilities_float32";
    const round = in32Bits ? Math.fround : (/** @type {number} */ x) => x;
    // Only from the second: the first of a forest or a vote may differ from this by a bit.
    const proba = this.isBinary ? [round(1 - response[1]), response[1]] : response;
    // The number that is added keeps the logarithm finite.
    const tiny = round(1e-12);
    return proba.map((p) => (in32Bits ? log32 : log)(round(p + tiny)));
  }
}

/**
 * Interpolate between points as NumPy does; x increases.
 *
 * @param {number} value
 * @param {Float64Array} x
 * @param {Float64Array} y
 */
function interpolate(value, x, y) {
  const last = x.length - 1;
  if (Number.isNaN(value)) return value;
  if (value <= x[0]) return y[0];
  if (value >= x[last]) return y[last];
  let [low, high] = [0, last];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle] <= value) low = middle;
    else high = middle;
  }
  if (x[low] === value) return y[low];
  const slope = (y[low + 1] - y[low]) / (x[low + 1] - x[low]);
  return slope * (value - x[low]) + y[low];
}
