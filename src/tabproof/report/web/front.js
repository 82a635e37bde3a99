/** The page of the service: examples to copy, and the form that asks the model that is served. */
import { showExamples } from "./front/examples.js";
import { readJson } from "./shared/dom.js";
import { makeTexts } from "./shared/texts.js";

const data = readJson("front");
const t = makeTexts(data.texts);

if (data.predict) {
  // The browser knows the address better than the service, whose proxy may not name its prefix.
  const address = new URL(data.predict, location.href);
  showExamples(address, t);
}
