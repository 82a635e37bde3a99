/** Columns of the table: the values of runs, for sorting, filtering, plots and CSV. */

import { asText } from "./model.js";

/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {import("../shared/texts.js").Texts} Texts */
/** @typedef {string | number | null} Cell null: the run has no such value */
/**
 * @typedef {object} Column
 * @property {string} id in the address of the page and in conditions
 * @property {string} label
 * @property {"text" | "number" | "metric"} kind
 * @property {string} section of the menu of columns
 * @property {(run: Run) => Cell} get
 * @property {boolean} lower smaller is better
 * @property {number} metric index into the metrics; -1 for other columns
 */

/** Metrics that the table shows until other columns are chosen. */
const N_METRICS = 3;

/**
 * Return all columns by id, in the order of the menu.
 *
 * @param {Model} model
 * @param {Texts} t
 * @returns {Map<string, Column>}
 */
export function makeColumns(model, t) {
  /** @type {Column[]} */
  const columns = [];
  /** @type {(id: string, get: (run: Run) => Cell, kind?: "text" | "number") => void} */
  const add = (id, get, kind = "text") => {
    const label = t(`runs.column_${id}`);
    columns.push({ id, label, kind, section: "run", get, lower: id === "seconds", metric: -1 });
  };
  add("dataset", (run) => run.dataset);
  add("model", (run) => run.model);
  add("search", (run) => run.search);
  add("choices", (run) => run.choices);
  add("when", (run) => run.when);
  add("seconds", (run) => run.seconds, "number");
  add("state", (run) => run.state);
  add("cause", (run) => run.cause);
  add("promoted", (run) => run.promoted.map(promotionText).join(", ") || null);
  add("sweep", (run) => run.sweep);
  add("id", (run) => run.id);
  add("path", (run) => run.path);
  model.metrics.forEach(({ name, title, lower }, metric) => {
    /** @type {(run: Run) => Cell} */
    const get = (run) => run.metrics[metric] ?? null;
    columns.push({
      id: name,
      label: title,
      kind: "metric",
      section: "metrics",
      get,
      lower,
      metric,
    });
  });
  const taken = new Set(columns.map(({ id }) => id));
  model.keys.forEach((key, index) => {
    const section = key.split(".", 1)[0] ?? key;
    // `code` alone is no name of a column of the table, but might become one.
    const id = taken.has(key) ? `key.${key}` : key;
    /** @type {(run: Run) => Cell} */
    const get = (run) => {
      const value = model.valueOf(run, index);
      return value === undefined ? null : typeof value === "number" ? value : asText(value);
    };
    columns.push({ id, label: key, kind: "text", section, get, lower: false, metric: -1 });
  });
  return new Map(columns.map((column) => [column.id, column]));
}

/** @param {import("./model.js").Promotion} promotion */
export function promotionText({ name, version, challenge }) {
  return `${name} ${challenge ?? version}`;
}

/**
 * Return the ids of the columns that are shown until others are chosen.
 *
 * @param {Model} model
 */
export function defaultColumns(model) {
  const metrics = model.metrics.slice(0, N_METRICS).map(({ name }) => name);
  return ["dataset", "model", "search", "choices", "when", ...metrics, "seconds", "state"];
}

/**
 * Return the index of the first metric that one of these runs has; -1 where none has any.
 *
 * @param {Model} model
 * @param {Run[]} runs
 */
export function mainMetric(model, runs) {
  return model.metrics.findIndex((_, metric) => runs.some((run) => isNumber(run.metrics[metric])));
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}
