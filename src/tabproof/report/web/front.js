/** The page of the service: examples to copy, and the form for predictions of the served model. */
import { showExamples } from "./front/examples.js";
import { makePredict } from "./front/predict.js";
import { readJson, reveal } from "./shared/dom.js";
import { makeTexts } from "./shared/texts.js";
import { makeWhatIf } from "./what_if/form.js";

const data = readJson("front");
const t = makeTexts(data.texts);
const root = document.getElementById("what-if");

if (root) {
  // The browser knows the address better than the service, whose proxy may not name its prefix.
  const address = new URL(data.predict, location.href);
  showExamples(address, t);
  const key = /** @type {HTMLInputElement | null} */ (document.getElementById("key"));
  const form = makeWhatIf({
    root,
    columns: data.columns,
    rows: [{ features: data.example }],
    predict: makePredict({ address, key, unexplained: data.unexplained, t }),
    labels: data.labels,
    t,
  });
  key?.addEventListener("change", () => form.set({}));
  key?.form?.addEventListener("submit", (event) => {
    event.preventDefault();
    form.set({});
  });
  reveal("front");
}
