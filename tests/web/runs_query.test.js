import assert from "node:assert/strict";
import { test } from "node:test";
import { makeWords, parseQuery } from "../../src/tabproof/report/web/runs/query.js";
import { makeModel, numbers } from "./runs_sample.js";

const { model, columns } = makeModel(
  [
    { dataset: "adult", metrics: [0.95, 0.2], promoted: [{ name: "a", version: 1, served: true }] },
    { dataset: "adult", metrics: [0.9, 0.4], model: "Boosting", differs: [[0, 1]] },
    { dataset: "my data", metrics: [null, null], state: "failed", cause: "no rows", differs: null },
    { dataset: "wine", metrics: [0.5, 0.9], when: "2025-01-01 00:00:00", differs: [[2, 2]] },
  ],
  {
    keys: ["config.search.n_splits", "config.cv.n_splits", "config.model.depth"],
    values: [5, 10, "deep"],
    common: [
      [0, 0],
      [1, 0],
      [2, 0],
    ],
  },
);

/** @param {string} text */
function found(text) {
  const { matches, problems } = parseQuery(text, columns, makeWords(columns));
  return { runs: numbers(model.runs.filter(matches)), problems: problems.map(({ key }) => key) };
}

/** @type {[string, number[]][]} */
const CASES = [
  ["", [0, 1, 2, 3]],
  ["   ", [0, 1, 2, 3]],
  ["ADULT", [0, 1]],
  ["adult boost", [1]],
  ["-adult", [2, 3]],
  ['"my data"', [2]],
  ['dataset:"my data"', [2]],
  ["dataset:a", [0, 1, 2]],
  ["dataset=adult", [0, 1]],
  ["roc_auc>=0.9", [0, 1]],
  ["roc_auc>0.9", [0]],
  ["roc_auc<=0.9", [1, 3]],
  ["roc_auc<.9", [3]],
  ["roc_auc:0.5", [3]],
  ["ROC-AUC>=0.9", [0, 1]],
  ["-roc_auc>=0.9", [2, 3]],
  ["roc_auc!=0.5", [0, 1, 2]],
  ["when>=2026", [0, 1, 2]],
  ["state:failed", [2]],
  ["served:yes", [0]],
  ["served:no", [1, 2, 3]],
  ["config.search.n_splits=10", [1]],
  ["search.n_splits=10", [1]],
  ["depth:deep", [3]],
  ["depth=5", [0, 1]],
  ["adult roc_auc>0.9", [0]],
  ['"roc_auc>0.9"', []],
  ['unclosed "quote', []],
];

for (const [text, runs] of CASES) {
  test(`the filter '${text}'`, () => assert.deepEqual(found(text), { runs, problems: [] }));
}

/** @type {[string, string][]} */
const PROBLEMS = [
  ["roc_auc>=", "runs.filter_no_value"],
  ["roc_auc>=high", "runs.filter_no_number"],
  ["nosuch:1", "runs.filter_no_column"],
  ["n_splits=5", "runs.filter_ambiguous"],
  ["served:perhaps", "runs.filter_yes_no"],
];

for (const [text, problem] of PROBLEMS) {
  test(`'${text}' is reported, and the rest of the filter holds`, () => {
    assert.deepEqual(found(`${text} wine`), { runs: [3], problems: [problem] });
  });
}
