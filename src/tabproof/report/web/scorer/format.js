/** The types of scorer.json and schema.json; docs/scorer.md describes the former. */

/** The formats of scorer.json that are read. */
export const FORMATS = [1, 2, 3, 4, 5];

/** @typedef {[operation: string, operand: number]} Step */
/** @typedef {{ kind: "number", name: string, steps?: Step[] }} NumberSpec */
/** @typedef {{ kind: "category", name: string, categories: string[] }} CategorySpec */
/** @typedef {{ kind: "date", name: string }} DateSpec */
/** @typedef {{ kind: "text", name: string, n_buckets: number }} TextSpec */
/** @typedef {NumberSpec | CategorySpec} ColumnSpec */
/** @typedef {ColumnSpec | DateSpec | TextSpec} InputSpec */
/** @typedef {"days" | "year" | "month" | "day" | "weekday" | "hour"} DatePart */
/** @typedef {"add" | "subtract" | "multiply" | "divide"} Arithmetic */
/** @typedef {"cell" | "code" | "value_code" | "text" | "days_between" | "pair_code" | "product"} OtherTake */
/** @typedef {OtherTake | DatePart | Arithmetic} Take */
/** @typedef {{ take: Take, of: number[], index?: number, newest?: number, means?: number[] }} FeatureSpec */
/** @typedef {"logistic" | "softmax" | "mean" | "logistic_float32" | "softmax_float32"} Link */
/** @typedef {{ kind: "trees", link: Link, baseline: number[], n_groups: number }} TreesSpec */
/** @typedef {{ kind: "linear", link: Link }} LinearSpec */
/** @typedef {TreesSpec | LinearSpec} SingleSpec */
/** @typedef {{ weight: number, steps: Step[][], model: SingleSpec }} MemberSpec */
/** @typedef {{ kind: "vote", members: MemberSpec[] }} VoteSpec */
/** @typedef {SingleSpec | VoteSpec} ModelSpec */
/** @typedef {"sums" | "probabilities" | "probabilities_float32"} Response */
/**
 * @typedef {{ kind: "sigmoid", of: Response, slopes: number[], intercepts: number[] }
 *   | { kind: "isotonic", of: Response }
 *   | { kind: "temperature", of: Response, factor: number }} CalibrationSpec
 */

/**
 * scorer.json.
 *
 * @typedef {object} ScorerSpec
 * @property {number} format
 * @property {string[]} labels
 * @property {number | null} threshold
 * @property {ColumnSpec[]} columns
 * @property {ModelSpec} model
 * @property {CalibrationSpec | null} [calibration]
 * @property {InputSpec[]} [inputs]
 * @property {FeatureSpec[]} [features]
 */

/** @typedef {{ pattern?: string, offset?: number | null, has_time?: boolean }} DateForm */

/**
 * A column of schema.json.
 *
 * @typedef {object} SchemaColumn
 * @property {"number" | "category" | "date" | "text"} kind
 * @property {string} name
 * @property {number} missing_share
 * @property {number | null} [minimum]
 * @property {number | null} [maximum]
 * @property {string[]} [categories]
 * @property {number} [longest]
 * @property {DateForm} [form]
 */

/**
 * schema.json.
 *
 * @typedef {object} Schema
 * @property {SchemaColumn[]} columns
 * @property {string[]} labels
 * @property {string[]} [na_values]
 */

/** @typedef {{ spec: ScorerSpec, arrays: Uint8Array, schema: Schema }} Files */
