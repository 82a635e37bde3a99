/** Whether the difference of runs to a reference is more than noise, as a table. */

import { h } from "../shared/dom.js";
import { count, decimal } from "../shared/texts.js";
import { isNumber } from "./columns.js";
import { commandLine, name, swatch, titlesOf } from "./parts.js";
import { compareRuns } from "./statistics.js";

/** @typedef {import("./app.js").Context} Context */
/** @typedef {import("./curves.js").HoldOut} HoldOut */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {import("./statistics.js").Test} Test */

const DECIMALS = 4;
const LEAST_P = 0.001;
/** Of differences that are tested, as statistics.js names them. */
const TESTED = /** @type {const} */ (["roc_auc", "accuracy"]);

/**
 * Return a row for each run but the reference.
 *
 * @param {Run[]} runs
 * @param {Run} reference one of them
 * @param {Map<number, HoldOut | null>} holdOuts by group
 * @param {Context} context
 */
export function testsTable(runs, reference, holdOuts, { model, t }) {
  const titles = TESTED.map((metric) => {
    const title = model.metrics.find((each) => each.name === metric)?.title ?? metric;
    return t(`runs.test_${metric}`, { metric: title });
  });
  const names = titlesOf(runs);
  let nTested = 0;
  const rows = runs.flatMap((run, place) => {
    if (run === reference) return [];
    const title = h("span", { class: "run-head" }, swatch(place), name(names.get(run) ?? "", 64));
    return [h("tr", {}, h("th", { scope: "row" }, title), cells(run))];
  });
  const caption = t("runs.section_tests");
  const heads = [t("runs.against", { name: names.get(reference) ?? "" }), ...titles];
  const table = h(
    "table",
    { class: "side verdicts" },
    h("caption", { class: "unseen" }, caption),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map((text) => h("th", { scope: "col" }, h("bdi", {}, text))),
      ),
    ),
    h("tbody", {}, rows),
  );
  const nRows = reference.group === null ? undefined : model.groups[reference.group]?.n_rows;
  const note = { level: model.level, n: nRows === undefined ? decimal(null) : count(nRows) };
  return h(
    "div",
    {},
    h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": caption }, table),
    nTested > 0 && h("p", { class: "soft" }, t("runs.tests_note", note)),
  );

  /** @param {Run} run */
  function cells(run) {
    if (run.group !== null && reference.group !== null && run.group !== reference.group) {
      return [h("td", { colspan: TESTED.length }, t("runs.other_rows"))];
    }
    const holdOut = run.group === null ? null : (holdOuts.get(run.group) ?? null);
    const [ours, theirs] = [run, reference].map(({ curve }) =>
      curve === null ? undefined : holdOut?.curves[curve],
    );
    if ([run, reference].some(({ metrics }) => !metrics.some(isNumber))) {
      return [h("td", { colspan: TESTED.length }, t("runs.no_results"))];
    }
    if (holdOut === null || ours === undefined || theirs === undefined) {
      const command = `python -m src.runs compare ${quoted(reference)} ${quoted(run)}`;
      const content = [h("p", {}, t("runs.no_curves")), commandLine(command, t)];
      return [h("td", { colspan: TESTED.length }, content)];
    }
    nTested += 1;
    const found = compareRuns(holdOut.truth, ours, theirs);
    return TESTED.map((metric, place) => {
      const test = found.find((each) => each.metric === metric);
      const content = test ? verdict(test) : h("span", { class: "soft" }, decimal(null));
      return h("td", { "data-label": titles[place] }, content);
    });
  }

  /** @param {Test} test */
  function verdict({ difference, pValue }) {
    const shown = decimal(difference, DECIMALS);
    const sign = difference > 0 && /[1-9]/.test(shown) ? "+" : "";
    const p = pValue < LEAST_P ? `< ${LEAST_P}` : `= ${Number(pValue.toPrecision(2))}`;
    const [kind, key] = !(pValue < model.level)
      ? ["plain", "runs.noise"]
      : difference > 0
        ? ["fine", "runs.better"]
        : ["bad", "runs.worse"];
    return h(
      "span",
      { class: "verdict" },
      h("span", { class: "delta" }, `${sign}${shown}`),
      h("span", { class: "soft" }, `p ${p}`),
      h("span", { class: `badge ${kind}` }, t(key)),
    );
  }

  /**
   * Return the directory of a run as a word of a shell.
   *
   * @param {Run} run
   */
  function quoted(run) {
    const path = `${model.place || "outputs"}/${run.path}`;
    return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\"'\"'")}'`;
  }
}
