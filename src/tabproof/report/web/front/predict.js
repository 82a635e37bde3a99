/** Predictions by the service. */

/** @typedef {import("../what_if/result.js").Answer} Answer */
/** @typedef {import("../what_if/values.js").Features} Features */

/**
 * address : of the prediction. key : a field; null where the service needs no key. unexplained : why
 * the model has no contributions; null where it has them.
 *
 * @typedef {object} Options
 * @property {URL} address
 * @property {HTMLInputElement | null} key
 * @property {string | null} unexplained
 * @property {import("../shared/texts.js").Texts} t
 */

/**
 * Return a function that predicts a row, with contributions where the model has them.
 *
 * @param {Options} options
 */
export function makePredict({ address, key, unexplained, t }) {
  /** @param {Features} features */
  async function send(features) {
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/json" };
    if (key) headers["X-API-Key"] = key.value;
    const query = unexplained === null ? "?explain=true" : "";
    const body = JSON.stringify({ features });
    try {
      const response = await fetch(address.href + query, { method: "POST", headers, body });
      return { status: response.status, answer: await response.json() };
    } catch {
      // No connection, or a page of a proxy.
      throw new Error(t("front.failed"));
    }
  }

  /** @param {Features} features @returns {Promise<Answer>} */
  return async (features) => {
    if (key && key.value === "") throw new Error(t("front.key_missing"));
    let { status, answer } = await send(features);
    // Another model may be served by now, one that has no contributions.
    if (status === 422 && unexplained === null) {
      unexplained = String(answer.detail);
      ({ status, answer } = await send(features));
      if (status !== 200) unexplained = null;
    }
    if (status === 401) throw new Error(t("front.key_wrong"));
    if (status !== 200) throw new Error(answer.detail);
    return { ...answer, unexplained };
  };
}
