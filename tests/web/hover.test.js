import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest, readMarks, step, write } from "../../src/tabproof/report/web/hover/points.js";

/** @typedef {import("../../src/tabproof/report/web/hover/points.js").Panel} Panel */

/** @type {Panel[]} */
const panels = [
  {
    box: [10, 20, 100, 50],
    axes: [
      [0, 1],
      [-1, 1],
    ],
    names: ["x title", ""],
    series: [
      { name: "first", x: [1, 0, null], y: [1, -1, 0], of: "x", low: [0.9, -0.1, 0], high: [1.1, 0.1, 0] },
      { x: [0.5], y: [0], y_texts: ["<b>name</b>"] },
      { x: [0.25], y: [0], words: ["true a, predicted b: 3"] },
    ],
  },
];
const marks = readMarks(panels, ({ value, low, high }) => `${value} [${low}, ${high}]`);

test("a mark is where the plot draws it, and an undefined one is none", () => {
  assert.deepEqual(marks.map(({ x, y }) => [x, y]), [[10, 70], [110, 20], [60, 45], [35, 45]]);
});

test("the lines of a mark are values with their interval, names, or a text", () => {
  assert.deepEqual(marks[0]?.lines, [["x title", "0 [\u22120.1, 0.1]"], ["", "\u22121"]]);
  assert.deepEqual(marks[2]?.lines, [["", "<b>name</b>"], ["x title", "0.5"]]);
  assert.deepEqual(marks[3]?.lines, [["", "true a, predicted b: 3"]]);
});

test("the nearest mark is found, if one is near", () => {
  assert.equal(nearest(marks, 61, 45, 10), 2);
  assert.equal(nearest(marks, 61, 45, 0.5), -1);
  assert.equal(nearest([], 0, 0, 10), -1);
});

test("arrow keys go along a series and end there, and to the next series", () => {
  assert.equal(step(marks, -1, "ArrowRight"), 0);
  assert.equal(step(marks, 0, "ArrowRight"), 1);
  assert.equal(step(marks, 1, "ArrowRight"), 1);
  assert.equal(step(marks, 0, "ArrowLeft"), 0);
  assert.equal(step(marks, 1, "ArrowDown"), 2);
  assert.equal(step(marks, 2, "ArrowUp"), 0);
  assert.equal(step(marks, 3, "ArrowDown"), 3);
  assert.equal(step([], -1, "ArrowDown"), -1);
});

test("numbers have four digits, shares are percentages", () => {
  const written = [0.123456, 1234.56, 98765.4, 1e20, -0.5].map((value) => write(value, undefined));
  assert.deepEqual(written, ["0.1235", "1235", "98,765", "100000000000000000000", "\u22120.5"]);
  assert.equal(write(0.08333, "%"), "8.33%");
});
