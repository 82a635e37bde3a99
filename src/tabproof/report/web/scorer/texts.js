/**
 * Texts as numbers: what their words, counted, add to the features of a column.
 *
 * Letters and their cases are those of the browser's version of Unicode. tests/web/test_numbers.py
 * compares all that Python knows too.
 */

/** The rest of a longer text is not read. */
export const MAX_CHARACTERS = 10_000;
// What Python's str.isspace takes for spaces.
const SPACES = /^[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/;
// Scripts without spaces between words, and symbols: each character is a token.
const SINGLE =
  "\\u2600-\\u27bf\\u3005-\\u3007\\u3040-\\u30ff\\u31f0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\u9fff" +
  "\\uf900-\\ufaff\\u{1f300}-\\u{1faff}\\u{20000}-\\u{3ffff}";
const RUNS = new RegExp(`([${SINGLE}]+)|((?:(?![${SINGLE}])[\\p{L}\\p{N}_])+)`, "gu");
// Cherokee's small letters fold to its capital ones, and a dotless i to itself.
const FOLDED_OTHERWISE = /[\u0131\u13a0-\u13fd\uab70-\uabbf]/u;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});
const ENCODER = new TextEncoder();

/**
 * Return the CRC-32 of a text in UTF-8, as zlib computes it.
 *
 * @param {string} text
 */
function crc32(text) {
  let crc = 0xffffffff;
  for (const byte of ENCODER.encode(text)) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 255];
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * Return a text without differences of case: Unicode's full case folding.
 *
 * @param {string} text
 */
export function foldCase(text) {
  let folded = "";
  // Letter by letter: in a word a final sigma would become another letter.
  for (const letter of text) {
    if (!FOLDED_OTHERWISE.test(letter)) {
      folded += letter.toLowerCase().toUpperCase().toLowerCase();
    } else {
      folded += letter === "\u0131" ? letter : letter.toUpperCase();
    }
  }
  return folded;
}

/**
 * Return the first characters (code points) of a text.
 *
 * @param {string} text
 */
function beginning(text) {
  // No character has more than two units.
  if (text.length <= MAX_CHARACTERS) return text;
  return Array.from(text.slice(0, 2 * MAX_CHARACTERS)).slice(0, MAX_CHARACTERS).join("");
}

/**
 * Count the tokens of a text by bucket.
 *
 * Tokens are words, pairs of adjacent words joined by a space, and in runs of characters without
 * spaces between words (Chinese, Japanese, symbols) characters and pairs of adjacent ones.
 *
 * @param {string} text
 * @param {number} nBuckets
 * @returns {Map<number, number>}
 */
export function countTokens(text, nBuckets) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  const add = (/** @type {string[]} */ parts, /** @type {string} */ joint) => {
    parts.forEach((part, i) => {
      const tokens = i === 0 ? [part] : [part, parts[i - 1] + joint + part];
      for (const token of tokens) {
        const bucket = crc32(token) % nBuckets;
        counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
      }
    });
  };
  /** @type {string[]} */
  let words = [];
  const folded = beginning(foldCase(beginning(text).normalize("NFKC")));
  for (const [, run, word] of folded.matchAll(RUNS)) {
    if (word !== undefined) {
      words.push(word);
      continue;
    }
    add(words, " ");
    add(Array.from(/** @type {string} */ (run)), "");
    words = [];
  }
  add(words, " ");
  return counts;
}

/** What tokens add to the features of a text: weights and a row per known bucket. */
export class TextTable {
  /**
   * @param {number} nBuckets
   * @param {ArrayLike<number>} buckets those that are known, increasing
   * @param {ArrayLike<number>} idf
   * @param {Float64Array} table
   * @param {number} width
   */
  constructor(nBuckets, buckets, idf, table, width) {
    this.nBuckets = nBuckets;
    this.idf = idf;
    this.table = table;
    this.width = width;
    this.rowOf = new Map(Array.from(buckets, (bucket, row) => [bucket, row]));
  }

  /**
   * Return the number of characters, and then the features; NaN for a missing text.
   *
   * @param {string | null} text
   * @returns {number[]}
   */
  features(text) {
    if (text === null || SPACES.test(text)) return new Array(1 + this.width).fill(NaN);
    const length = Array.from(beginning(text)).length;
    /** @type {[row: number, count: number][]} */
    const known = [];
    for (const [bucket, count] of countTokens(text, this.nBuckets)) {
      const row = this.rowOf.get(bucket);
      if (row !== undefined) known.push([row, count]);
    }
    known.sort(([a], [b]) => a - b);
    const values = known.map(([row, count]) => Math.sqrt(count) * this.idf[row]);
    let total = 0;
    for (const value of values) total += value * value;
    const norm = Math.sqrt(total);
    const found = new Array(this.width).fill(0);
    known.forEach(([row], place) => {
      const value = values[place] / norm;
      for (let j = 0; j < this.width; j++) found[j] += value * this.table[row * this.width + j];
    });
    return [length, ...found];
  }
}
