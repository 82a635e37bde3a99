/** The script of outputs/index.html, the page of all runs. */

import { h, readJson } from "./shared/dom.js";
import { makeTexts } from "./shared/texts.js";
import { startApp } from "./runs/app.js";
import { Model, NewerFormatError } from "./runs/model.js";

const place = document.getElementById("app");
if (place) {
  const t = makeTexts(readJson("texts") ?? {});
  try {
    startApp(place, new Model(readJson("runs")), t);
    document.getElementById("static")?.remove();
  } catch (error) {
    // The static part of the page stays.
    const key = error instanceof NewerFormatError ? "runs.newer" : "runs.damaged";
    place.replaceChildren(h("p", { class: "note", role: "alert" }, t(key)));
  }
}
