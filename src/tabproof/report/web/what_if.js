/** The panel "What if" of report.html: the form, and the run's scorer in the page. */
import { loadScorer } from "./scorer/scorer.js";
import { h, readJson, reveal } from "./shared/dom.js";
import { makeTexts } from "./shared/texts.js";
import { unpack } from "./shared/unpack.js";
import { makeWhatIf } from "./what_if/form.js";
import { isoOf } from "./what_if/values.js";

/** @import { Schema, SchemaColumn } from "./scorer/format.js" */
/** @import { Cell, Column, Features } from "./what_if/values.js" */

/**
 * What report/what_if.py writes. columns : in the order of the form; cells : in that of the schema.
 *
 * @typedef {object} Content
 * @property {{place: number, counts?: number[], is_whole?: boolean}[]} columns
 * @property {{kind: string, id: string, truth: string, probability: number, cells: Cell[]}[]} rows
 */

const t = makeTexts(readJson("what_if-texts"));
const root = /** @type {HTMLElement} */ (document.getElementById("what_if-panel"));

async function start() {
  /** @type {Record<string, string>} */
  const packed = readJson("what_if-data");
  /** @type {Map<string, Uint8Array>} */
  const files = new Map();
  for (const [name, text] of Object.entries(packed)) files.set(name, await unpack(text));
  const read = (/** @type {string} */ name) =>
    JSON.parse(new TextDecoder().decode(files.get(name)));
  /** @type {Schema} */
  const schema = read("schema.json");
  /** @type {Content} */
  const { columns, rows } = read("what_if.json");
  const arrays = files.get("arrays.safetensors") ?? new Uint8Array();
  const scorer = await loadScorer({ spec: read("scorer.json"), arrays, schema });
  makeWhatIf({
    root,
    columns: columns.map(({ place, ...others }) => ({
      ...asColumn(/** @type {SchemaColumn} */ (schema.columns[place])),
      ...others,
    })),
    rows: rows.map(({ id, cells, ...others }) => ({
      ...others,
      name: t("what_if.row_number", { n: id }),
      features: named(schema, cells),
    })),
    predict: (features) => scorer.predict(/** @type {any} */ (features)),
    labels: schema.labels,
    t,
  });
}

/** Return a column as /schema describes it. @param {SchemaColumn} column @returns {Column} */
function asColumn(column) {
  const { minimum = null, maximum = null } = column;
  if (column.kind !== "date") return { ...column, minimum, maximum };
  const ends = [minimum, maximum].map((end) =>
    end === null ? null : isoOf(end, Boolean(column.form?.has_time)),
  );
  return { ...column, minimum: ends[0] ?? null, maximum: ends[1] ?? null };
}

/** @param {Schema} schema @param {Cell[]} cells @returns {Features} */
function named(schema, cells) {
  return Object.fromEntries(schema.columns.map(({ name }, place) => [name, cells[place] ?? null]));
}

reveal("what_if");
start().catch((error) => {
  root.append(h("p", { class: "note" }, t("what_if.failed", { message: String(error) })));
});
