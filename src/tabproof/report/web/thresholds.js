/** The panel "Threshold" of report.html. */
import { readJson, reveal } from "./shared/dom.js";
import { makeTexts } from "./shared/texts.js";
import { unpack } from "./shared/unpack.js";
import { readNumbers } from "./thresholds/outcomes.js";
import { makeThresholds } from "./thresholds/panel.js";

async function start() {
  const root = /** @type {HTMLElement} */ (document.getElementById("threshold-panel"));
  const content = readJson("threshold-data");
  const proba = readNumbers(await unpack(content.proba));
  const truth = await unpack(content.truth);
  for (const group of content.groups) group.codes = await unpack(group.codes);
  makeThresholds({ root, content, proba, truth, t: makeTexts(readJson("threshold-texts")) });
  reveal("threshold");
}

void start();
