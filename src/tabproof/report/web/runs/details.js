/** The details of one run: its files, the command that repeats it, its promotions. */

import { h } from "../shared/dom.js";
import { asText } from "./model.js";
import { commandLine, name, promotions } from "./parts.js";

/** @typedef {import("./app.js").Context} Context */
/** @typedef {import("./model.js").Run} Run */

/** Keys of the configuration that differ from most runs, at most. */
const MAX_KEYS = 24;
/** Keys that the columns of dataset, model and search summarize. */
const SUMMARIZED = ["config.dataset.", "config.model.", "config.search."];
const TITLES = new Map([
  ["report.html", "runs.report"],
  ["train.log", "runs.log"],
  ["model_card.md", "runs.card"],
]);

/**
 * @param {Run} run
 * @param {Context} context
 */
export function details(run, { model, t }) {
  /** @type {[string, (Node | string)[]][]} */
  const facts = [];
  const files = run.files.map((file) =>
    h("a", { href: `${run.href}/${encodeURIComponent(file)}` }, fileTitle(file)),
  );
  if (files.length > 0)
    facts.push([t("runs.files"), [h("span", { class: "file-links" }, ...files)]]);
  if (run.cause) facts.push([t("runs.column_cause"), [h("bdi", {}, run.cause.slice(0, 2000))]]);
  if (run.command) facts.push([t("runs.repeat"), [commandLine(run.command, t)]]);
  if (run.promoted.length > 0) facts.push([t("runs.column_promoted"), promotions(run, t).flatMap((badge) => [badge, " "])]);
  facts.push([t("runs.column_path"), [h("code", {}, h("bdi", {}, run.path))]]);
  if (run.id) facts.push([t("runs.column_id"), [h("code", {}, run.id)]]);
  if (run.choices)
    facts.push([t("runs.column_choices"), [h("bdi", {}, run.choices.slice(0, 2000))]]);
  const best = model
    .allOf(run)
    .filter(({ key }) => key.startsWith("best."))
    .map(({ key, value }) => pair(key.slice("best.".length), value));
  if (best.length > 0) facts.push([t("runs.section_best"), [h("ul", {}, best)]]);
  const unusual = (run.differs ?? []).flatMap(([key, index]) => {
    const id = model.keys[key] ?? "";
    const value = model.values[index];
    const isSummarized = SUMMARIZED.some((start) => id.startsWith(start));
    return id.startsWith("config.") && !isSummarized && value !== undefined
      ? [pair(id.slice("config.".length), value)]
      : [];
  });
  if (unusual.length > 0) {
    facts.push([t("runs.unusual"), [h("ul", {}, unusual.slice(0, MAX_KEYS))]]);
  }
  return h(
    "dl",
    { class: "facts" },
    ...facts.flatMap(([term, content]) => [h("dt", {}, term), h("dd", {}, ...content)]),
  );

  /** @param {string} file */
  function fileTitle(file) {
    const key = TITLES.get(file);
    return key ? t(key) : name(file);
  }

  /**
   * @param {string} key
   * @param {import("./model.js").Value} value
   */
  function pair(key, value) {
    return h("li", {}, h("code", {}, name(`${key}=${asText(value)}`, 120)));
  }
}
