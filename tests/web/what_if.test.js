import assert from "node:assert/strict";
import { test } from "node:test";
import { percent } from "../../src/tabproof/report/web/shared/texts.js";
import {
  binOf,
  briefOf,
  cellOf,
  copyFeatures,
  findCategories,
  isoOf,
  makeScale,
  scaleOf,
  secondsOf,
  signed,
  textOf,
  unseenCategory,
} from "../../src/tabproof/report/web/what_if/values.js";

/** @typedef {import("../../src/tabproof/report/web/what_if/values.js").Column} Column */

/** @param {Partial<Column>} others @returns {Column} */
const number = (others = {}) => ({ name: "x", kind: "number", ...others });

test("a slider reaches both ends exactly, and every value in between is a round number", () => {
  for (const [low, high, least] of /** @type {[number, number, number][]} */ ([
    [17, 90, 1],
    [-0.37, 12.1, 0],
    [0, 1e-9, 0],
    [1e12, 1e12 + 5, 0],
    [0.1, 0.3, 0],
    [-5, 99_999, 1],
  ])) {
    const scale = makeScale(low, high, least);
    assert(scale);
    assert.equal(scale.valueAt(0), low);
    assert.equal(scale.valueAt(scale.n), high);
    assert(scale.n <= 402, String(scale.n));
    for (let place = 0; place <= scale.n; place += 1) {
      const value = scale.valueAt(place);
      assert(value >= low && value <= high);
      assert.equal(scale.placeOf(value), place);
      if (least === 1) assert(Number.isInteger(value));
    }
    assert.equal(scale.placeOf(high + 1), scale.n);
    assert.equal(scale.placeOf(low - 1), 0);
  }
});

test("a range without a width has no slider", () => {
  assert.equal(makeScale(3, 3), null);
  assert.equal(makeScale(null, 3), null);
  assert.equal(makeScale(-1.7e308, 1.7e308), null);
  assert.equal(makeScale(NaN, 3), null);
});

test("a slider of dates moves by whole days, by the clock of the column", () => {
  const scale = scaleOf({ name: "d", kind: "date", minimum: "2020-01-01", maximum: "2020-01-31" });
  assert(scale);
  assert.equal(isoOf(scale.valueAt(0), false), "2020-01-01");
  assert.equal(isoOf(scale.valueAt(5), false), "2020-01-06");
  assert.equal(isoOf(scale.valueAt(scale.n), false), "2020-01-31");
  assert.equal(isoOf(/** @type {number} */ (secondsOf("2020-01-01T10:20:30")), true), "2020-01-01T10:20:30");
  assert.equal(secondsOf("soon"), null);
  assert.equal(secondsOf(null), null);
});

test("whole numbers stay whole, unless the column is known to have others", () => {
  const range = { minimum: 0, maximum: 40 };
  assert.equal(scaleOf(number(range))?.valueAt(1), 1);
  assert.equal(scaleOf(number({ ...range, is_whole: false }))?.valueAt(1), 0.1);
  assert.equal(scaleOf(number({ minimum: 0, maximum: 1 }))?.valueAt(1), 0.005);
});

test("a plain number is sent as a number, anything else as it was typed", () => {
  assert.equal(cellOf(" 42 ", number()), 42);
  assert.equal(cellOf("\u22121.5", number()), -1.5);
  assert.equal(cellOf("1e3", number()), 1000);
  assert.equal(cellOf("", number()), null);
  assert.equal(cellOf("1_000", number()), "1_000");
  assert.equal(cellOf("1e999", number()), "1e999");
  assert.equal(cellOf("NaN", number()), "NaN");
  const german = number({ form: { decimal: "," } });
  assert.equal(cellOf("1.234,5", german), "1.234,5");
  assert.equal(cellOf("12", german), 12);
  assert.equal(cellOf("1,5", german), 1.5);
  assert.equal(cellOf("1.5", german), "1.5");
  assert.equal(cellOf("1,5", number()), "1,5");
  assert.equal(textOf(1.5, german), "1,5");
  assert.equal(textOf(null, german), "");
});

test("a number in little space keeps its whole part and four digits", () => {
  const brief = (/** @type {number} */ value) => briefOf(value, number());
  assert.equal(brief(-3.899421730054339), "\u22123.899");
  assert.equal(brief(0.00221157), "0.002212");
  assert.equal(brief(1_046_582.2), "1046582");
  assert.equal(brief(1_484_705), "1484705");
  assert.equal(brief(0.5), "0.5");
  assert.equal(brief(-2.246131e-9), "\u22122.246e\u22129");
  assert.equal(brief(Number.MAX_VALUE), "1.7976931348623157e+308");
  assert.equal(briefOf(1234.5678, number({ form: { decimal: "," } })), "1235");
  assert.equal(briefOf("2024-01-31", { name: "x", kind: "date" }), "2024-01-31");
});

test("a bin has its lower end, and the last one both", () => {
  assert.deepEqual([0, 1, 9.99, 10].map((value) => binOf(value, 0, 10, 10)), [0, 1, 9, 9]);
  assert.deepEqual([-1, 11, null].map((value) => binOf(value, 0, 10, 10)), [-1, -1, -1]);
});

test("categories are found by any part of their name, in time for 20,000 of them", () => {
  const many = Array.from({ length: 20_000 }, (_, n) => `level ${n}`);
  const start = performance.now();
  assert.deepEqual(findCategories(many, "LEVEL 1999", 3), ["level 1999", "level 19990", "level 19991"]);
  assert.deepEqual(findCategories(many, "19999", 3), ["level 19999"]);
  assert(performance.now() - start < 200);
  assert.deepEqual(findCategories(["abc", "cab"], "ca", 5), ["cab"]);
  assert.deepEqual(findCategories(["abc", "cab"], "c", 5), ["cab", "abc"]);
  assert.deepEqual(findCategories(["a", "b"], "", 1), ["a"]);
});

test("another value is no category", () => {
  assert.equal(unseenCategory(["a"], "b"), "b");
  assert.equal(unseenCategory(["b", "b\u2026"], "b"), "b\u2026\u2026");
});

test("no probability but 0 and 1 is written as one", () => {
  const written = [0, 1e-9, 0.5, 0.99999, 1].map(percent);
  assert.deepEqual(written, ["0.0%", "<0.1%", "50.0%", ">99.9%", "100.0%"]);
  assert.equal(signed(-0.001), "0.00");
  assert.equal(signed(-1.5), "\u22121.50");
  assert.equal(signed(0.25), "+0.25");
});

test("a column may have the name of what objects inherit", () => {
  const columns = [number({ name: "__proto__" }), number({ name: "toString" })];
  const features = copyFeatures(JSON.parse('{"__proto__": 1}'), columns);
  assert.deepEqual(JSON.stringify(features), '{"__proto__":1,"toString":null}');
});
