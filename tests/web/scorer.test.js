import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { asIso, datePart, parseIso } from "../../src/tabproof/report/web/scorer/dates.js";
import { general } from "../../src/tabproof/report/web/scorer/rows.js";
import { readArrays } from "../../src/tabproof/report/web/scorer/safetensors.js";
import {
  RefusedError,
  ScorerDamagedError,
  loadScorer,
} from "../../src/tabproof/report/web/scorer/scorer.js";
import { unpack } from "../../src/tabproof/report/web/shared/unpack.js";

/** @import { Schema, ScorerSpec } from "../../src/tabproof/report/web/scorer/format.js" */

const KINDS = { F64: Float64Array, I32: Int32Array, U8: Uint8Array };

/**
 * Return arrays in the format of safetensors, with a byte in front that aligns none of them.
 *
 * @param {Record<string, [keyof typeof KINDS, number[], number[]]>} arrays
 */
function safetensors(arrays) {
  /** @type {Record<string, object>} */
  const header = { __metadata__: { by: "test" } };
  let data = [0];
  for (const [name, [dtype, shape, values]] of Object.entries(arrays)) {
    const bytes = new Uint8Array(new KINDS[dtype](values).buffer);
    header[name] = { dtype, shape, data_offsets: [data.length, data.length + bytes.length] };
    data = [...data, ...bytes];
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer);
  return Uint8Array.from([...length, ...text, ...data]);
}

/**
 * Return a tree of one test: `__proto__` at most 2, by which 3 rows go left and 1 goes right.
 *
 * @param {{ covers?: boolean, model?: object, right?: number, format?: number }} [changes]
 */
function stump({ covers = true, model = {}, right = 2, format = 4 } = {}) {
  const arrays = safetensors({
    "trees.n_nodes": ["I32", [1], [3]],
    "trees.feature": ["I32", [3], [0, -1, -1]],
    "trees.threshold": ["F64", [3], [2, 0, 0]],
    "trees.right": ["I32", [3], [right, 0, 0]],
    "trees.missing_left": ["U8", [3], [0, 0, 0]],
    "trees.category_set": ["I32", [3], [-1, -1, -1]],
    "trees.left_codes": ["U8", [0, 32], []],
    "trees.values": ["F64", [2, 1], [-1, 3]],
    ...(covers && { "trees.covers": ["F64", [3], [4, 3, 1]] }),
  });
  const whole = { kind: "trees", link: "logistic", baseline: [0.5], n_groups: 1, ...model };
  const spec = /** @type {ScorerSpec} */ ({
    format,
    labels: ["no", "__proto__"],
    threshold: 0.5,
    columns: [{ kind: "number", name: "__proto__" }],
    model: whole,
  });
  /** @type {Schema} */
  const schema = {
    columns: [{ kind: "number", name: "__proto__", missing_share: 0, minimum: 0, maximum: 10 }],
    labels: spec.labels,
  };
  return { spec, arrays, schema };
}

/** @param {number | null} value */
function row(value) {
  return Object.fromEntries([["__proto__", value]]);
}

test("a value at the threshold goes to the left, a missing one to the side of the node", () => {
  const scorer = loadScorer(stump());
  const low = 1 / (1 + Math.exp(0.5));
  for (const [value, second] of /** @type {const} */ ([[2, low], [-1, low], [2.1, 1 - low]])) {
    assert.equal(scorer.predict(row(value)).pred_proba < 0.5, second < 0.5);
  }
  assert.equal(scorer.predict(row(null)).label, "__proto__");
  assert.deepEqual(scorer.predict(row(null)).warnings, []);
});

test("contributions add up to the score from what is expected", () => {
  const { explanation } = loadScorer(stump()).predict(row(5));
  // Three rows have -1 and one has 3.
  assert.equal(explanation?.base_value, 0.5);
  assert.deepEqual(explanation?.contributions, row(3));
  assert.equal(explanation?.score, 3.5);
  assert.equal(explanation?.label, "__proto__");
  assert.equal(loadScorer(stump()).predict(row(5), { explain: false }).explanation, null);
});

test("a model of an older format predicts, with the reason why it has no contributions", () => {
  const { explanation, unexplained, label } = loadScorer(stump({ covers: false })).predict(row(1));
  assert.equal(label, "no");
  assert.equal(explanation, null);
  assert.match(unexplained ?? "", /^this model's predictions cannot be explained: its scorer\/ /);
});

test("a number that is not finite has no prediction", () => {
  for (const value of [Infinity, NaN]) {
    assert.throws(() => loadScorer(stump()).predict(row(value)), {
      constructor: RefusedError,
      message: "features.__proto__ has a number that does not fit into 64 bits",
    });
  }
});

test("a damaged or newer file is an error, and no endless loop", () => {
  const [short] = [stump().arrays.slice(0, -4)];
  const damaged = [
    stump({ right: 0 }),
    stump({ right: 3 }),
    stump({ format: 6 }),
    stump({ model: { baseline: [] } }),
    { ...stump(), arrays: short },
    { ...stump(), schema: { ...stump().schema, columns: [] } },
  ];
  for (const files of damaged) {
    assert.throws(() => loadScorer(files), { constructor: ScorerDamagedError });
  }
});

test("arrays begin at any byte", () => {
  const found = readArrays(safetensors({ a: ["F64", [2], [1.5, -0]], b: ["U8", [1], [7]] }));
  assert.deepEqual(found.get("a"), { shape: [2], data: new Float64Array([1.5, -0]) });
  assert.deepEqual(found.get("b")?.data, new Uint8Array([7]));
});

test("what is packed is unpacked", async () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
  assert.deepEqual(await unpack(gzipSync(bytes).toString("base64")), bytes);
});

test("dates are read to the microsecond, whatever the century", () => {
  assert.equal(parseIso("1970-01-02", null), 86400);
  assert.equal(parseIso("1969-12-31T23:59:59.999999", null), -1e-6);
  assert.equal(parseIso("0099-03-01T00:00", null), asSeconds("0099-03-01T00:00:00Z"));
  assert.equal(parseIso("2024-06-01T12:00+09:00", 0), asSeconds("2024-06-01T03:00:00Z"));
  assert.equal(parseIso("2024-06-01T12:00+09:00", null), asSeconds("2024-06-01T12:00:00Z"));
  const others = ["2023-02-29", "2024-13-01", "2024-01-01T24:00", "0000-01-01", "1/2/2024", ""];
  for (const text of others) {
    assert.equal(parseIso(text, null), null, text);
  }
});

test("a date is written with its time of day where the column has one", () => {
  assert.equal(asIso(86400.25, true), "1970-01-02T00:00:00.250000");
  assert.equal(asIso(86400, true), "1970-01-02T00:00:00");
  assert.equal(asIso(-1, false), "1969-12-31");
  assert.equal(asIso(1e300, false), "9999-12-31");
});

test("a week begins on Monday", () => {
  assert.equal(datePart(asSeconds("2024-01-01T00:00:00Z"), "weekday", 0), 0);
  assert.ok(Number.isNaN(datePart(NaN, "year", 0)));
});

test("numbers in messages have six digits", () => {
  const written = [0, 0.1 + 0.2, 123456.5, 1234565, 1e-5, -17].map(general);
  assert.deepEqual(written, ["0", "0.3", "123456", "1.23456e+06", "1e-05", "-17"]);
});

/** @param {string} text */
function asSeconds(text) {
  return new Date(text).getTime() / 1000;
}
