/** Score rows by the evaluator of the pages, in node or in a browser, as one list of floats. */

import { loadScorer } from "../../src/tabproof/report/web/scorer/scorer.js";

/** @import { Files } from "../../src/tabproof/report/web/scorer/format.js" */

/**
 * Return for each row the sums of all models, the probabilities, the base value and the
 * contribution of each column, one after the other; NaN for contributions that there are not.
 *
 * @param {Files} files
 * @param {(number | string | null)[][]} rows as JSON has them: null where a number is NaN
 */
export function scoreRows(files, rows) {
  const scorer = loadScorer(files);
  const { model } = scorer;
  const models = model.kind === "vote" ? model.members : [model];
  const isText = scorer.columns.map((column) => column.kind === "text");
  const found = rows.map((cells) => {
    const row = cells.map((cell, i) => (cell === null && !isText[i] ? NaN : cell));
    const own = scorer.rowOfModel(row);
    const proba = scorer.predictRow(row);
    const explained = scorer.explain(row, proba);
    const added =
      typeof explained === "string"
        ? cells.map(() => NaN)
        : scorer.columns.map(({ name }) => explained.contributions[name]);
    const base = typeof explained === "string" ? NaN : explained.base_value;
    return [...models.flatMap((each) => each.sumsOfRow(own)), ...proba, base, ...added];
  });
  return Float64Array.from(found.flat());
}
