/**
 * The exported scorer in JavaScript: the prediction of the service, computed in a page.
 *
 * It evaluates scorer.json and arrays.safetensors as src/tabproof/scorer/ does, in the same order
 * of operations: sums of trees have the same bits. tests/web/test_scorer_parity.py compares both. It
 * takes what a form sends: see rows.js. Only a few faults of the files are found here; a run is
 * compared with its pipeline before it is complete.
 */

import { Calibration } from "./calibration.js";
import { makeExplainer } from "./contributions.js";
import { NotExplainableError, RefusedError, ScorerDamagedError } from "./errors.js";
import { FORMATS } from "./format.js";
import { readInputs } from "./inputs.js";
import { makeModel } from "./model.js";
import { RowReader } from "./rows.js";
import { readArrays } from "./safetensors.js";

/** @import { Files } from "./format.js" */
/** @import { Explainer, Scale } from "./contributions.js" */
/** @import { Row } from "./inputs.js" */
/** @import { Features, RowWarning } from "./rows.js" */

export { NotExplainableError, RefusedError, ScorerDamagedError };

/**
 * What each column adds to base_value, on the scale of the model's sum; score is their sum.
 *
 * @typedef {object} Explanation
 * @property {string} label
 * @property {Scale} scale
 * @property {number} base_value
 * @property {Record<string, number>} contributions
 * @property {number} score
 */

/**
 * What the service answers to /predict, without the name of the model and of its run.
 *
 * pred_proba: probability of the second of two labels; with more, of the predicted one.
 * unexplained: why there is no explanation.
 *
 * @typedef {object} Answer
 * @property {number} pred_proba
 * @property {string} label
 * @property {Record<string, number>} probabilities
 * @property {number | null} threshold
 * @property {RowWarning[]} warnings
 * @property {Explanation | null} explanation
 * @property {string | null} unexplained
 */

/** Predicts a probability per label. */
export class Scorer {
  /** @param {Files} files */
  constructor({ spec, arrays, schema }) {
    if (!FORMATS.includes(spec.format)) {
      throw new ScorerDamagedError(`scorer.json has the format ${spec.format}`);
    }
    const tensors = readArrays(arrays);
    this.labels = spec.labels;
    this.threshold = spec.threshold;
    this.model = makeModel(spec.model, spec.columns, tensors);
    this.inputs = readInputs(spec, tensors);
    this.calibration = spec.calibration
      ? new Calibration(spec.calibration, tensors, spec.labels.length)
      : null;
    this.columns = this.inputs?.columns ?? this.model.encodings;
    this.reader = new RowReader(schema, this.columns);
    /** @type {Explainer | NotExplainableError | null} made when it is first needed */
    this.explainer = null;
  }

  /**
   * Predict the row of a form; throw RefusedError if it has no prediction.
   *
   * Without `explain` it takes a fraction of the time.
   *
   * @param {Features} features
   * @param {{ explain?: boolean }} [options]
   * @returns {Answer}
   */
  predict(features, { explain = true } = {}) {
    /** @type {RowWarning[]} */
    const warnings = [];
    const row = this.reader.read(features, warnings);
    const proba = this.predictRow(row);
    // NaN, when extreme numbers of several columns cancel out.
    if (!(proba[0] >= 0 && proba[0] <= 1)) {
      throw new RefusedError("the numbers are too extreme for a probability");
    }
    const { labels, threshold } = this;
    const found = explain ? this.explain(row, proba) : null;
    const isReason = typeof found === "string";
    return {
      pred_proba: threshold === null ? Math.max(...proba) : proba[1],
      label: labels[this.codeOf(proba)],
      probabilities: named(labels, proba),
      threshold,
      warnings,
      explanation: isReason ? null : found,
      unexplained: isReason ? found : null,
    };
  }

  /**
   * Return a probability per label, in the order of `labels`.
   *
   * A row has one value per column: a number, NaN if it is missing; for a category its index, or
   * the column's `unseen` or `missing`; for a date its seconds since 1970; for a text a string, or
   * null.
   *
   * @param {Row} row
   * @returns {number[]}
   */
  predictRow(row) {
    const { calibration, model } = this;
    const own = this.rowOfModel(row);
    if (calibration === null) return model.predictRow(own);
    const isOfSums = calibration.spec.of === "sums" && model.kind !== "vote";
    return calibration.apply(isOfSums ? model.sumsOfRow(own) : model.predictRow(own));
  }

  /**
   * Return what each column adds for the second of two labels, or for the predicted one of more; or
   * the reason why there is no such explanation.
   *
   * @param {Row} row
   * @param {number[]} proba what predictRow returned for it
   * @returns {Explanation | string}
   */
  explain(row, proba) {
    const explainer = this.#explainer();
    if (explainer instanceof NotExplainableError) return explainer.message;
    const code = this.labels.length === 2 ? 1 : this.codeOf(proba);
    const { base, values } = explainer.of(this.rowOfModel(row), code);
    const shares = this.inputs === null ? values : this.inputs.shares(values);
    const score = base + shares.reduce((sum, value) => sum + value, 0);
    if (!Number.isFinite(score)) return "the numbers are too extreme for contributions";
    const names = this.columns.map((column) => column.name);
    return {
      label: this.labels[code],
      scale: explainer.scale,
      base_value: base,
      contributions: named(names, shares),
      score,
    };
  }

  #explainer() {
    if (this.explainer === null) {
      try {
        this.explainer = makeExplainer(this.model);
      } catch (error) {
        if (!(error instanceof NotExplainableError)) throw error;
        this.explainer = error;
      }
    }
    return this.explainer;
  }

  /**
   * Return the row as the model takes it.
   *
   * @param {Row} row
   * @returns {ArrayLike<number>}
   */
  rowOfModel(row) {
    return this.inputs === null ? /** @type {ArrayLike<number>} */ (row) : this.inputs.ofRow(row);
  }

  /**
   * Return the index of the predicted label.
   *
   * @param {number[]} proba
   */
  codeOf(proba) {
    if (this.threshold !== null) return Number(proba[1] > this.threshold);
    return proba.indexOf(Math.max(...proba));
  }
}

/**
 * Return values by name; a name such as `__proto__` is a name too.
 *
 * @param {string[]} names
 * @param {ArrayLike<number>} values
 * @returns {Record<string, number>}
 */
function named(names, values) {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

/**
 * Return the scorer of a run's files.
 *
 * spec and schema are the parsed scorer.json and schema.json, arrays the bytes of
 * arrays.safetensors.
 *
 * @param {Files} files
 */
export function loadScorer(files) {
  return new Scorer(files);
}
