/** Texts in the language of the page, and numbers as the rest of the page writes them. */

/**
 * Return a function that returns the text of a key, with values in its {places}.
 *
 * @param {Record<string, string>} texts by key, as in texts/web.toml
 */
export function makeTexts(texts) {
  /**
   * @param {string} key
   * @param {Record<string, string | number>} [values]
   */
  return (key, values = {}) => {
    const text = texts[key];
    if (text === undefined) throw new Error(`there is no text '${key}'`);
    return text.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
  };
}

/** @typedef {ReturnType<typeof makeTexts>} Texts */

export const MINUS = "\u2212";
const NOTHING = "\u2013";

/**
 * Write a number; a dash where there is none.
 *
 * @param {number | null | undefined} value
 * @param {number} [decimals]
 */
export function decimal(value, decimals = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const text = value.toFixed(decimals);
  // No minus zero.
  return /[1-9]/.test(text) ? text.replace("-", MINUS) : text.replace("-", "");
}

/**
 * Write a whole number with commas: 48,842.
 *
 * @param {number} value
 */
export function count(value) {
  return value.toLocaleString("en-US");
}

/**
 * Write a share of 0 to 1; a probability of almost 0 or 1 is not written as one.
 *
 * @param {number} share
 */
export function percent(share) {
  if (share > 0 && share < 0.0005) return "<0.1%";
  if (share < 1 && share > 0.9995) return ">99.9%";
  return `${(100 * share).toFixed(1)}%`;
}

/**
 * Return a text shortened for a line.
 *
 * @param {string} text
 * @param {number} [most]
 */
export function shorten(text, most = 24) {
  const letters = Array.from(text.slice(0, most * 4));
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}\u2026` : letters.join("");
}
