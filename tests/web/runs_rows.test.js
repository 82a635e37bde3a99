import assert from "node:assert/strict";
import { test } from "node:test";
import { CHUNK, makeRows, sorted } from "../../src/tabproof/report/web/runs/rows.js";
import { makeModel, numbers } from "./runs_sample.js";

/** @typedef {import("../../src/tabproof/report/web/runs/rows.js").Row} Row */
/** @typedef {import("../../src/tabproof/report/web/runs/rows.js").Sort} Sort */

/**
 * Return the rows as text.
 *
 * @param {import("./runs_sample.js").PartialRun[]} runs
 * @param {{view?: "dataset" | "time", sort?: Sort | null, open?: string[], shown?: [string, number][]}} [state]
 */
function rowsOf(runs, { view = "dataset", sort = null, open = [], shown = [] } = {}) {
  const { model, columns } = makeModel(runs);
  const state = { view, sort, open: new Set(open), shown: new Map(shown) };
  return makeRows(model, columns, model.runs, state).map(inWords);
}

/** @param {Row} row */
function inWords(row) {
  switch (row.kind) {
    case "group":
      return row.dataset;
    case "sweep":
      return `${row.sweep}: ${row.runs.length}${row.hasBest ? " with best" : ""}`;
    case "more":
      return `${row.n} more, then ${row.next}`;
    default:
      return `${numbers([row.run])}${row.isJob ? " job" : ""}${row.isBest ? " best" : ""}`;
  }
}

/** @type {(value: number | null) => {metrics: (number | null)[]}} */
const auc = (value) => ({ metrics: [value, null] });

test("the best run of a dataset is on top, the dataset of the newest run first", () => {
  const runs = [auc(0.7), { ...auc(0.5), dataset: "wine" }, auc(0.9), auc(null)];
  assert.deepEqual(rowsOf(runs), ["adult", "2 best", "0", "3", "wine", "1 best"]);
});

test("a metric that is better when lower has its lowest value on top", () => {
  const runs = [0.4, 0.2, 0.3].map((loss) => ({ metrics: [null, loss] }));
  assert.deepEqual(rowsOf(runs), ["adult", "1 best", "2", "0"]);
});

test("by time the newest is first, whatever its dataset", () => {
  const runs = [
    { when: "2026-11-30 08:00:00" },
    { when: "2026-11-30 07:00:00", dataset: "wine" },
    { when: "2026-11-29 23:00:00" },
  ];
  assert.deepEqual(rowsOf(runs, { view: "time" }), ["0", "1", "2"]);
});

test("jobs of a sweep are one row where the first of them is, and open below it", () => {
  const sweep = "s";
  const runs = [auc(0.6), { ...auc(0.9), sweep }, auc(0.8), { ...auc(0.5), sweep }];
  assert.deepEqual(rowsOf(runs), ["adult", "s: 2 with best", "2", "0"]);
  const open = ["adult\ns"];
  const opened = ["adult", "s: 2 with best", "1 job best", "3 job", "2", "0"];
  assert.deepEqual(rowsOf(runs, { open }), opened);
});

test("a sweep of which the filter leaves one job is that job", () => {
  assert.deepEqual(rowsOf([{ ...auc(0.6), sweep: "s" }]), ["adult", "0 best"]);
});

test("runs without a value are last in both orders; equal ones keep the newest first", () => {
  const { model, columns } = makeModel([auc(0.5), auc(null), auc(0.7), auc(0.5)]);
  const column = columns.get("roc_auc");
  assert.ok(column);
  assert.deepEqual(numbers(sorted(model.runs, column, true)), [2, 0, 3, 1]);
  assert.deepEqual(numbers(sorted(model.runs, column, false)), [0, 3, 2, 1]);
});

test("numbers in texts are sorted as numbers, and numbers before texts", () => {
  const { model, columns } = makeModel(
    ["a10", "a9", 3, 20].map((_, n) => ({ differs: [[0, n]] })),
    { keys: ["config.depth"], values: ["a10", "a9", 20, 3], common: [[0, 0]] },
  );
  const column = columns.get("config.depth");
  assert.ok(column);
  assert.deepEqual(numbers(sorted(model.runs, column, false)), [3, 2, 1, 0]);
});

test("more rows than a chunk are shown on request", () => {
  const runs = Array.from({ length: CHUNK + 50 }, () => ({}));
  assert.equal(rowsOf(runs, { view: "time" }).at(-1), `50 more, then ${2 * CHUNK}`);
  assert.equal(rowsOf(runs, { view: "time", shown: [["", 2 * CHUNK]] }).length, runs.length);
  // A button for the last one would take its place.
  assert.equal(rowsOf(runs.slice(0, CHUNK + 1), { view: "time" }).at(-1), String(CHUNK));
});

test("one dataset with many runs does not hide the others", () => {
  const runs = Array.from({ length: 2 * CHUNK }, (_, n) => ({ dataset: n === CHUNK + 50 ? "b" : "a" }));
  const rows = rowsOf(runs);
  assert.equal(rows.at(-2), "b");
  assert.ok(rows.length < CHUNK);
});
