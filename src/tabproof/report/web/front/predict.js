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
  let isExplained = true;

  /** @param {Features} features @returns {Promise<Response>} */
  async function send(features) {
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/json" };
    if (key) headers["X-API-Key"] = key.value;
    const query = isExplained ? "?explain=true" : "";
    const body = JSON.stringify({ features });
    try {
      return await fetch(address.href + query, { method: "POST", headers, body });
    } catch {
      throw new Error(t("front.failed"));
    }
  }

  /** @param {Features} features @returns {Promise<Answer>} */
  return async (features) => {
    if (key && key.value === "") throw new Error(t("front.key_wrong"));
    let response = await send(features);
    // Perhaps the model has no contributions: then it answers without them.
    if (response.status === 422 && isExplained) {
      isExplained = false;
      response = await send(features);
      isExplained = !response.ok;
    }
    if (response.status === 401) throw new Error(t("front.key_wrong"));
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail);
    return answer;
  };
}
