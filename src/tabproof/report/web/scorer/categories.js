/** Find the category that a text means, by the rule of the service. */

// Words that mean missing unless the schema has its own.
const NA =
  "#N/A #NA -1.#IND -1.#QNAN -NaN -nan 1.#IND 1.#QNAN <NA> N/A NA NULL NaN None n/a nan null";
const MISSING_WORDS = [...NA.split(" "), "#N/A N/A", ""];
// Beside these, what stands for missing in columns of numbers and of dates only.
const PLACEHOLDERS =
  "? - -- --- — – . .. … * ー ― N.A. n.a. NONE none NAN #DIV/0! #VALUE! #REF! #NUM! #NAME?" +
  " missing unknown 不明 欠損 未入力 未定 0000-00-00 0000/00/00";
/** All words that mean missing in columns of numbers and of dates. */
export const NO_NUMBER_WORDS = [...MISSING_WORDS, ...PLACEHOLDERS.split(" ")];

const TRUTHS = new Map([
  ..."true t yes y on 1 はい 真".split(" ").map((word) => /** @type {const} */ ([word, "True"])),
  ..."false f no n off 0 いいえ 偽".split(" ").map((word) => /** @type {const} */ ([word, "False"])),
]);
const PLAIN_SIGNS = new Map([
  ...[..."\u00a0\u2007\u2009\u202f\u3000"].map((sign) => /** @type {const} */ ([sign, " "])),
  ...[..."−–△▲"].map((sign) => /** @type {const} */ ([sign, "-"])),
  ["\u2019", "'"],
  ["℃", "°C"],
  ["㎏", "kg"],
  ["￥", "¥"],
]);
// What Python's str.strip takes from the ends.
const SPACE = "[\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const ENDS = new RegExp(`^${SPACE}+|${SPACE}+$`, "g");

/**
 * Return a text with ASCII digits, signs and spaces, and no space around it.
 *
 * @param {string} text
 */
export function plain(text) {
  let found = "";
  for (const sign of text) {
    const code = sign.charCodeAt(0);
    const isWide = code >= 0xff01 && code <= 0xff5e;
    found += PLAIN_SIGNS.get(sign) ?? (isWide ? String.fromCharCode(code - 0xfee0) : sign);
  }
  return found.replace(ENDS, "");
}

/**
 * Return the shortest spelling of a number, all digits kept; null for another text.
 *
 * @param {string} text
 */
export function plainNumber(text) {
  const match = /^(-?)([0-9]+)(?:\.([0-9]*)|,0)?$/.exec(text);
  if (match === null) return null;
  const whole = match[2].replace(/^0+/, "") || "0";
  const fraction = (match[3] ?? "").replace(/0+$/, "");
  const number = fraction ? `${whole}.${fraction}` : whole;
  return number === "0" ? number : match[1] + number;
}

/** Finds the categories of one column. */
export class CategoryReader {
  /**
   * @param {string[]} categories
   * @param {string[]} naValues words that mean missing
   */
  constructor(categories, naValues) {
    this.unseen = categories.length;
    this.missing = categories.length + 1;
    const words = naValues.length ? naValues : MISSING_WORDS;
    const names = categories.map((name, place) => /** @type {const} */ ([name, place]));
    /** @type {Map<string, number>} */
    this.placeOf = new Map([
      ...words.map((word) => /** @type {const} */ ([word, this.missing])),
      ...names,
    ]);
    /** @type {Map<string | null, number>} */
    this.placeOfNumber = new Map(words.map((word) => [plainNumber(word), this.missing]));
    /** @type {Map<string | null, number[]>} */
    const places = new Map();
    for (const [name, place] of names) {
      const number = plainNumber(name);
      places.set(number, [...(places.get(number) ?? []), place]);
    }
    // A category wins over a word, and of two that are one number none is meant.
    for (const [number, [place, ...others]] of places) {
      if (others.length) this.placeOfNumber.delete(number);
      else this.placeOfNumber.set(number, place);
    }
    this.placeOfNumber.delete(null);
    const isTruth = names.length > 0 && names.every(([name]) => /^(True|False)$/.test(name));
    this.truths = new Map(isTruth ? names : []);
  }

  /**
   * Return the place of a text's category; `unseen` or `missing` where it has none.
   *
   * @param {string} text
   */
  place(text) {
    const found = this.placeOf.get(text);
    if (found !== undefined) return found;
    const number = plainNumber(text);
    const word = TRUTHS.get(plain(number ?? text).toLowerCase());
    return (
      (number === null ? undefined : this.placeOfNumber.get(number)) ??
      this.truths.get(word ?? "") ??
      this.unseen
    );
  }
}
