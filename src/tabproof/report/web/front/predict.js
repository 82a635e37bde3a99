/** Ask the service for a prediction. */

/** @typedef {import("../what_if/result.js").Answer} Answer */
/** @typedef {import("../what_if/values.js").Features} Features */

/**
 * Return a function that predicts a row, with contributions where the model has them.
 *
 * @param {URL} address
 * @param {HTMLInputElement | null} key a field; null where the service needs no key
 * @param {import("../shared/texts.js").Texts} t
 */
export function makePredict(address, key, t) {
  /** Why the model has no contributions; null while it may have some. @type {string | null} */
  let unexplained = null;

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
    // Perhaps the model has no contributions: then it answers without them.
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
