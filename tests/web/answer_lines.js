/** Answer calls of functions of the evaluator: a line of JSON per line `[name, ...arguments]`. */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import {
  CategoryReader,
  NO_NUMBER_WORDS,
  plain,
} from "../../src/tabproof/report/web/scorer/categories.js";
import * as numbers from "../../src/tabproof/report/web/scorer/numbers.js";
import { general } from "../../src/tabproof/report/web/scorer/rows.js";
import { RefusedError, loadScorer } from "../../src/tabproof/report/web/scorer/scorer.js";
import { countTokens, foldCase } from "../../src/tabproof/report/web/scorer/texts.js";

/** @import { Scorer } from "../../src/tabproof/report/web/scorer/scorer.js" */
/** @import { Features } from "../../src/tabproof/report/web/scorer/rows.js" */

/** @type {Map<string, Scorer>} */
const scorers = new Map();

/** @param {string} directory */
function scorerOf(directory) {
  const known = scorers.get(directory);
  if (known) return known;
  const read = (/** @type {string} */ name) =>
    JSON.parse(readFileSync(`${directory}/${name}.json`, "utf-8"));
  const arrays = new Uint8Array(readFileSync(`${directory}/arrays`));
  const made = loadScorer({ spec: read("spec"), schema: read("schema"), arrays });
  scorers.set(directory, made);
  return made;
}

/** @param {(x: number) => number} compute */
function ofEach(compute) {
  // As text, since JSON has no infinity.
  return (/** @type {number[]} */ values) => values.map((value) => String(compute(value)));
}

/** @type {Record<string, (...args: any[]) => unknown>} */
const CALLS = {
  exp: ofEach(numbers.exp),
  log: ofEach(numbers.log),
  exp32: ofEach(numbers.exp32),
  log32: ofEach(numbers.log32),
  sum: (/** @type {number[]} */ values) => numbers.numpySum(values),
  general: (/** @type {number[]} */ values) => values.map(general),
  words: () => NO_NUMBER_WORDS,
  plain: (/** @type {string[]} */ texts) => texts.map(plain),
  places(/** @type {string[]} */ texts, /** @type {[string[], string[]]} */ words) {
    const reader = new CategoryReader(...words);
    return texts.map((text) => reader.place(text));
  },
  folded: (/** @type {string[]} */ texts) => texts.map(foldCase),
  tokens: (/** @type {string[]} */ texts, /** @type {number} */ nBuckets) =>
    texts.map((text) => [...countTokens(text, nBuckets)]),
  predict(/** @type {string} */ directory, /** @type {Features} */ features) {
    try {
      return scorerOf(directory).predict(features);
    } catch (error) {
      if (error instanceof RefusedError) return { refused: error.message };
      throw error;
    }
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const [name, ...args] = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(CALLS[name](...args))}\n`);
});
