import assert from "node:assert/strict";
import { test } from "node:test";
import {
  balance,
  between,
  costOf,
  measure,
  Outcomes,
  readNumbers,
} from "../../src/tabproof/report/web/thresholds/outcomes.js";

const proba = Float64Array.of(0, 0.1, 0.3, 0.3, 0.3, 0.7, 1);
const truth = Uint8Array.of(0, 0, 1, 0, 0, 1, 1);
const outcomes = new Outcomes(proba, truth);

/** Count one by one. @param {number} threshold */
function counted(threshold) {
  const found = { tn: 0, fp: 0, fn: 0, tp: 0 };
  proba.forEach((each, row) => {
    if (each > threshold) found[truth[row] ? "tp" : "fp"] += 1;
    else found[truth[row] ? "fn" : "tn"] += 1;
  });
  return found;
}

test("counts at any threshold are those of one comparison per row", () => {
  const below = 0.3 - Number.EPSILON / 4;
  for (const threshold of [0, below, 0.3, 0.1, 0.5, 0.7, 0.99, 1]) {
    assert.deepEqual(outcomes.at(threshold), counted(threshold), String(threshold));
  }
});

test("metrics are not defined where they are shares of no rows", () => {
  assert.deepEqual(measure({ tn: 0, fp: 0, fn: 0, tp: 0 }).accuracy, null);
  const nothing = measure({ tn: 3, fp: 0, fn: 1, tp: 0 });
  assert.deepEqual([nothing.precision, nothing.recall, nothing.f1], [null, 0, 0]);
  const noPositive = measure({ tn: 3, fp: 1, fn: 0, tp: 0 });
  assert.deepEqual([noPositive.recall, noPositive.f1, noPositive.specificity], [null, null, 0.75]);
});

test("the best threshold is one that no other beats", () => {
  for (const value of [
    (/** @type {import("../../src/tabproof/report/web/thresholds/outcomes.js").Counts} */ c) => measure(c).f1 ?? 0,
    balance,
    (/** @type {import("../../src/tabproof/report/web/thresholds/outcomes.js").Counts} */ c) => -costOf(c, [[0, 1], [5, 0]]),
  ]) {
    const reached = value(outcomes.at(outcomes.best(value)));
    for (const threshold of [0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9]) {
      assert(value(outcomes.at(threshold)) <= reached);
    }
  }
});

test("a threshold is written with few digits, and parts the same rows", () => {
  assert.equal(between(0.3, 0.7), 0.5);
  assert.equal(between(0.123456, 0.123457), 0.123456);
  const next = 0.3 + Number.EPSILON / 4;
  assert.equal(between(0.3, next) >= 0.3 && between(0.3, next) < next, true);
});

test("groups are counted apart, and add up to all rows", () => {
  const groups = outcomes.split(Uint8Array.of(0, 1, 0, 1, 0, 1, 0), 3);
  assert.deepEqual(groups.map((group) => group.n), [4, 3, 0]);
  for (const threshold of [0, 0.3, 0.5]) {
    const all = groups.map((group) => group.at(threshold));
    for (const name of /** @type {const} */ (["tn", "fp", "fn", "tp"])) {
      const sum = all.reduce((total, counts) => total + counts[name], 0);
      assert.equal(sum, outcomes.at(threshold)[name]);
    }
  }
});

test("a cost is the mean over rows of what each true and predicted label costs", () => {
  assert.equal(costOf({ tn: 1, fp: 2, fn: 3, tp: 4 }, [[0, 1], [5, -1]]), (2 + 15 - 4) / 10);
});

test("numbers are read back bit by bit", () => {
  const numbers = Float64Array.of(0, 1e-300, 0.1, 1 / 3, 1);
  const bytes = new Uint8Array(numbers.buffer);
  const apart = Uint8Array.from({ length: 40 }, (_, place) => bytes[(place % 5) * 8 + Math.floor(place / 5)] ?? 0);
  assert.deepEqual(readNumbers(apart), numbers);
});
