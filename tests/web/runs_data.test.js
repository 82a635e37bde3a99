import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { bestSoFar, makeAxis, timeTick } from "../../src/tabproof/report/web/runs/axes.js";
import { readGroup, rocPoints } from "../../src/tabproof/report/web/runs/curves.js";
import { Model, NewerFormatError } from "../../src/tabproof/report/web/runs/model.js";
import { short, titlesOf } from "../../src/tabproof/report/web/runs/parts.js";
import { unpack } from "../../src/tabproof/report/web/shared/unpack.js";
import { makeContent, makeModel } from "./runs_sample.js";

test("data of a later format, or incomplete data, are refused", () => {
  assert.throws(() => new Model({ ...makeContent([{}]), format: 2 }), NewerFormatError);
  const broken = [
    null,
    [],
    "text",
    {},
    { ...makeContent([{}]), keys: null },
    { ...makeContent([{}]), format: "1" },
    makeContent([{ metrics: [0.5] }]),
    makeContent(/** @type {any} */ ([{ path: null }])),
    makeContent(/** @type {any} */ ([{ differs: {} }])),
  ];
  for (const content of broken) assert.throws(() => new Model(content), TypeError);
});

test("a key has the value of most runs, its own, or none", () => {
  const { model } = makeModel(
    [{}, { differs: [[0, 1]] }, { differs: [[0, -1]] }, { differs: null }],
    {
      keys: ["config.n", "code"],
      values: [1, "two"],
      common: [
        [0, 0],
        [1, 1],
      ],
    },
  );
  const values = model.runs.map((run) => model.valueOf(run, 0));
  assert.deepEqual(values, [1, "two", undefined, undefined]);
  assert.deepEqual(model.differing(model.runs.slice(0, 2)), [
    { key: "config.n", values: [1, "two"] },
  ]);
  assert.deepEqual(model.differing(model.runs.slice(0, 1)), []);
  // Of the last, nothing is known: it differs in nothing, and hides no difference of the others.
  const some = (/** @type {number[]} */ places) => places.flatMap((n) => model.runs[n] ?? []);
  assert.deepEqual(model.differing(some([0, 3])), []);
  assert.deepEqual(model.differing(some([0, 1, 3])), [
    { key: "config.n", values: [1, "two", undefined] },
  ]);
  assert.deepEqual(
    model.runs.map((run) => model.allOf(run).length),
    [2, 2, 1, 0],
  );
  assert.deepEqual([model.varies("config.n"), model.varies("code")], [true, false]);
});

/**
 * Return arrays as the page holds them: each at a multiple of 8 bytes.
 *
 * @param {ArrayBufferView[]} arrays
 */
function padded(arrays) {
  const parts = arrays.map(({ buffer, byteOffset, byteLength }) => {
    const part = Buffer.alloc(Math.ceil(byteLength / 8) * 8);
    Buffer.from(buffer, byteOffset, byteLength).copy(part);
    return part;
  });
  return Buffer.concat(parts);
}

test("a group is read from the text of the page", async () => {
  const before = Buffer.alloc(16);
  const truth = new Uint8Array([0, 1, 1]);
  const counts = new Uint32Array(80);
  counts.set([7], 40);
  const curve = [
    new Uint8Array([0, 1, 0]),
    new Uint16Array([0, 1, 0]),
    new Uint32Array([1]),
    new Float64Array([0.25, 2, 8]),
    counts,
  ];
  const bytes = padded([truth, ...curve, ...curve]);
  const text = gzipSync(Buffer.concat([before, bytes])).toString("base64");
  const group = { dataset: "a", labels: ["x", "y"], n_rows: 3, n_curves: 2 };
  const { buffer: blob } = await unpack(`\n${text}\n`);
  const holdOut = readGroup(blob, { ...group, bytes: [16, bytes.length] });
  assert.deepEqual(Array.from(holdOut.truth), [0, 1, 1]);
  const last = holdOut.curves[1];
  assert.ok(last?.ranks && last.histogram);
  assert.deepEqual(
    [Array.from(last.predicted), Array.from(last.ranks)],
    [
      [0, 1, 0],
      [0, 1, 0],
    ],
  );
  assert.deepEqual(last.calibration, [{ mean: 0.25, share: 0.25, rows: 8 }]);
  assert.equal(last.histogram[1][0], 7);
  assert.throws(
    () => readGroup(blob, { ...group, n_curves: 3, bytes: [16, bytes.length] }),
    RangeError,
  );
  assert.throws(() => readGroup(blob, { ...group, bytes: [16, bytes.length - 8] }), RangeError);
  await assert.rejects(unpack("AAAA"));
});

test("with three labels there are codes alone; many labels and rows have wider numbers", () => {
  const three = padded([new Uint8Array([0, 2]), new Uint8Array([2, 1]), new Uint32Array([0])]);
  const blob = new Uint8Array(three).buffer;
  const group = { dataset: "a", labels: ["x", "y", "z"], n_rows: 2, n_curves: 1 };
  const [curve] = readGroup(blob, { ...group, bytes: [0, blob.byteLength] }).curves;
  assert.deepEqual(Array.from(curve?.predicted ?? []), [2, 1]);
  assert.deepEqual([curve?.ranks, curve?.histogram, curve?.calibration], [null, null, []]);
  const many = padded([new Uint16Array([299, 0])]);
  const labels = Array.from({ length: 300 }, String);
  const wide = { ...group, labels, n_curves: 0, bytes: /** @type {[number, number]} */ ([0, 8]) };
  assert.deepEqual(Array.from(readGroup(new Uint8Array(many).buffer, wide).truth), [299, 0]);
});

test("a ROC curve goes from corner to corner, and diagonally through ties", () => {
  const points = rocPoints([0, 1, 0, 1], [0, 1, 1, 2]);
  const corners = points.map(({ x, y }) => [x, y]);
  assert.deepEqual(corners.slice(0, 4), [
    [0, 0],
    [0, 0.5],
    [0.5, 1],
    [1, 1],
  ]);
});

test("the best value so far never gets worse, and reaches the last time", () => {
  const points = [3, 1, 2, 4].map((time) => ({ time, value: [0, 0.5, 0.7, 0.6, 0.1][time] ?? 0 }));
  const higher = [1, 2, 4].map((time) => ({ time, value: time === 1 ? 0.5 : 0.7 }));
  assert.deepEqual(bestSoFar(points, false), higher);
  assert.deepEqual(
    bestSoFar(points, true).map(({ value }) => value),
    [0.5, 0.1],
  );
  assert.deepEqual(bestSoFar([], true), []);
});

test("a time at an axis has its date where that changes", () => {
  const days = ["2026-11-29T00:00Z", "2026-11-30T00:00Z"].map((time) => new Date(time));
  assert.deepEqual(days.map(timeTick), ["2026-11-29", "2026-11-30"]);
  const hours = ["2026-11-29T12:00Z", "2026-11-29T18:00Z", "2026-11-30T00:00Z"];
  const expected = ["12:00\n2026-11-29", "18:00", "00:00\n2026-11-30"];
  assert.deepEqual(hours.map((time) => new Date(time)).map(timeTick), expected);
});

test("an axis has numbers, names or times", () => {
  const { model, columns } = makeModel(
    [
      {
        differs: [
          [0, 0],
          [1, 2],
        ],
      },
      {
        differs: [
          [0, 1],
          [1, 3],
        ],
        model: "tree",
      },
    ],
    {
      keys: ["best.rate", "best.mixed"],
      values: [0.001, 10, 3, "auto"],
      common: [
        [0, -1],
        [1, -1],
      ],
    },
  );
  const kinds = ["best.rate", "best.mixed", "when", "model", "roc_auc"].map((id) => {
    const column = columns.get(id);
    assert.ok(column);
    return makeAxis(column, model.runs).kind;
  });
  assert.deepEqual(kinds, ["log", "name", "time", "name", "name"]);
});

test("a shortened name has no hidden characters and does not change the direction of text", () => {
  assert.equal(short("a\u202eb\n c\u0000"), "a\ufffdb c\ufffd");
  assert.equal([...short("\u{1f680}".repeat(500), 10)].length, 10);
  assert.equal(short("x".repeat(60)), "x".repeat(60));
});

test("runs side by side have different titles", () => {
  const same = { when: "2026-11-30 08:00:00" };
  const { model } = makeModel([same, same, { when: "2026-11-29 07:00:00" }, { model: "other" }]);
  const titles = [...titlesOf(model.runs).values()];
  assert.deepEqual(titles, ["forest, run-0", "forest, run-1", "forest, 11-29 07:00", "other"]);
});
