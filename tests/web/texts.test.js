import assert from "node:assert/strict";
import { test } from "node:test";
import { count, decimal, makeTexts } from "../../src/tabproof/report/web/shared/texts.js";

test("values are put in their places, and a misspelt key is an error", () => {
  const t = makeTexts({ "a.b": "{n} of {all}, {n}" });
  assert.equal(t("a.b", { n: 2, all: "3" }), "2 of 3, 2");
  assert.throws(() => t("a.c"), /a\.c/);
});

test("a number has a true minus, and no minus zero", () => {
  assert.equal(decimal(-1.23456), "\u22121.235");
  assert.equal(decimal(-0.0001), "0.000");
  assert.equal(decimal(NaN), "\u2013");
  assert.equal(count(48842), "48,842");
});
