/** Score rows by the evaluator of the pages, in node or in a browser, as one list of 64-bit floats. */

import { loadScorer } from "../../src/tabproof/report/web/scorer/scorer.js";

/** @import { Files } from "../../src/tabproof/report/web/scorer/format.js" */

/**
 * Return for each row the sums of all models, then the probabilities, one after the other.
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
    return [...models.flatMap((each) => each.sumsOfRow(own)), ...scorer.predictRow(row)];
  });
  return Float64Array.from(found.flat());
}
