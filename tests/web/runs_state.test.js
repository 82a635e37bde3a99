import assert from "node:assert/strict";
import { test } from "node:test";
import { asField, toCsv } from "../../src/tabproof/report/web/runs/csv.js";
import { DEFAULTS, fromHash, toHash } from "../../src/tabproof/report/web/runs/state.js";
import { makeModel } from "./runs_sample.js";

/** @type {import("../../src/tabproof/report/web/runs/state.js").State} */
const CHANGED = {
  tab: "compare",
  filter: 'roc_auc>=0.9 & "a+b" #1',
  view: "time",
  sort: { id: "data.columns.a,b", descending: true },
  columns: ["model", "data.columns.a,b&c=d"],
  ticked: ["2026-11-30/1_model=a,search=b", "2026-11-30/ü 100%"],
  reference: "2026-11-30/ü 100%",
  x: "when",
  y: "log_loss",
  parallel: "",
};

test("a state is the same after it was in the address", () => {
  assert.deepEqual(fromHash(`#${toHash(CHANGED)}`), CHANGED);
  assert.equal(toHash(DEFAULTS), "");
  assert.deepEqual(fromHash(""), DEFAULTS);
});

test("an anchor of the page is no state", () => {
  assert.equal(fromHash("#content"), null);
});

test("what is unknown in an address is left out", () => {
  assert.deepEqual(fromHash("#tab=nosuch&view=&else=1&filter="), DEFAULTS);
});

test("a run is ticked once", () => {
  assert.deepEqual(fromHash("#run=a&run=b&run=a")?.ticked, ["a", "b"]);
});

/** @type {[string | number | null, string][]} */
const FIELDS = [
  ["=1+1", "'=1+1"],
  ["+1", "'+1"],
  ["-1", "'-1"],
  ["@sum", "'@sum"],
  ["\tx", "'\tx"],
  ["\rx", '"\'\rx"'],
  ['=a,"b"', '"\'=a,""b"""'],
  ["a=b", "a=b"],
  ["two\nlines", '"two\nlines"'],
  ["", ""],
  [-0.5, "-0.5"],
  [1e-9, "1e-9"],
  [null, ""],
];

for (const [cell, field] of FIELDS) {
  test(`the cell ${JSON.stringify(cell)} in CSV`, () => assert.equal(asField(cell), field));
}

test("a metric has its interval beside it", () => {
  const { model, columns } = makeModel([
    { model: "=x", metrics: [0.9, null], low: [0.8, null], high: [0.95, null] },
  ]);
  const shown = ["model", "roc_auc"].flatMap((id) => columns.get(id) ?? []);
  const lines = "model,roc_auc,roc_auc_low,roc_auc_high\r\n'=x,0.9,0.8,0.95\r\n";
  assert.equal(toCsv(shown, model.runs), lines);
});
