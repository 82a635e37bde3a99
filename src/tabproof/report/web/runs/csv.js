/** The table as CSV, which spreadsheets open: no text in it is taken for a formula. */

/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./model.js").Run} Run */

/**
 * Return CSV with a row per run: the columns, and the interval of each metric.
 *
 * @param {Column[]} columns
 * @param {Run[]} runs
 */
export function toCsv(columns, runs) {
  const head = columns.flatMap(({ id, metric }) =>
    metric < 0 ? [id] : [id, `${id}_low`, `${id}_high`],
  );
  const rows = runs.map((run) =>
    columns.flatMap((column) => {
      const { metric } = column;
      const cell = column.get(run);
      return metric < 0 ? [cell] : [cell, run.low[metric] ?? null, run.high[metric] ?? null];
    }),
  );
  return [head, ...rows].map((row) => `${row.map(asField).join(",")}\r\n`).join("");
}

/** @param {string | number | null} cell */
export function asField(cell) {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  const harmless = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
