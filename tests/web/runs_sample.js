/** Runs for the tests of the page of all runs, with only what a test is about. */
import { makeColumns } from "../../src/tabproof/report/web/runs/columns.js";
import { Model } from "../../src/tabproof/report/web/runs/model.js";

/** @typedef {Partial<import("../../src/tabproof/report/web/runs/model.js").Run>} PartialRun */

export const METRICS = [
  { name: "roc_auc", title: "ROC-AUC", lower: false },
  { name: "log_loss", title: "Log loss", lower: true },
];

/**
 * Return the content of the data island.
 *
 * @param {PartialRun[]} runs
 * @param {Record<string, unknown>} [more]
 */
export function makeContent(runs, more = {}) {
  const usual = {
    id: "0282dfe3",
    when: "2026-11-30 08:00:00",
    dataset: "adult",
    model: "forest",
    search: "fast",
    choices: "",
    state: "complete",
    cause: null,
    metrics: [null, null],
    low: [null, null],
    high: [null, null],
    seconds: null,
    sweep: null,
    files: [],
    command: null,
    promoted: [],
    differs: [],
    group: null,
    curve: null,
  };
  return {
    format: 1,
    metrics: METRICS,
    keys: [],
    values: [],
    common: [],
    groups: [],
    runs: runs.map((run, n) => ({ ...usual, path: `run-${n}`, href: `run-${n}`, ...run })),
    ...more,
  };
}

/**
 * Return a model and its columns, whose labels are their keys.
 *
 * @param {PartialRun[]} runs
 * @param {Record<string, unknown>} [more]
 */
export function makeModel(runs, more) {
  const model = new Model(makeContent(runs, more));
  return { model, columns: makeColumns(model, (key) => key) };
}

/**
 * Return the paths of runs, which begin with "run-", by their numbers.
 *
 * @param {{path: string}[]} runs
 */
export function numbers(runs) {
  return runs.map(({ path }) => Number(path.slice("run-".length)));
}
