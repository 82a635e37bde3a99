/**
 * A form for the columns of a row beside the prediction of a model, updated at each change.
 *
 * The page needs the texts `common` and `what_if` of texts/web.toml, and the style what_if.css.
 */
import { h } from "../shared/dom.js";
import { percent, shorten } from "../shared/texts.js";
import { makeField } from "./fields.js";
import { makeResult, warningText } from "./result.js";
import { copyFeatures } from "./values.js";

/** @typedef {import("./fields.js").Field} Field */
/** @typedef {import("./result.js").Answer} Answer */
/** @typedef {import("./values.js").Cell} Cell */
/** @typedef {import("./values.js").Column} Column */
/** @typedef {import("./values.js").Features} Features */
/** @typedef {import("../shared/texts.js").Texts} Texts */

/**
 * A row to begin with. name : in the list. truth : its true label. probability :
 * of the second of two labels, else of the predicted one. kind : the group of the list that it is
 * in, whose name is the text `what_if.rows_<kind>`.
 *
 * @typedef {object} Row
 * @property {Features} features
 * @property {string} [name]
 * @property {string} [truth]
 * @property {number} [probability]
 * @property {string} [kind]
 */

/**
 * root : an element that the form is put into. columns : as in the answer of /schema, the most
 * important first; `counts` of a column, if given, is its histogram. rows : at least one; the
 * first is shown. predict : the answer of /predict?explain=true for these features; it may be
 * asynchronous, and is not called again before it has settled. It may throw: the message is
 * shown. labels : in the order of the model. t : `makeTexts(...)`. n_shown : fields that are shown
 * at once; the others on request.
 *
 * @typedef {object} Options
 * @property {HTMLElement} root
 * @property {Column[]} columns
 * @property {Row[]} rows
 * @property {(features: Features) => Promise<Answer> | Answer} predict
 * @property {string[]} labels
 * @property {Texts} t
 * @property {number} [n_shown]
 */

let n_forms = 0;

/**
 * Put the form into a page.
 *
 * `set` of the result changes cells as a person would.
 *
 * @param {Options} options
 */
export function makeWhatIf({ root, columns, rows, predict, labels, t, n_shown = 20 }) {
  const id = `wi-${(n_forms += 1)}`;
  const result = makeResult({ columns, labels, t });
  /** @type {Map<string, Field>} */
  const fields = new Map();
  let row = /** @type {Row} */ (rows[0]);
  let original = copyFeatures(row.features, columns);
  let features = copyFeatures(original, columns);
  /** The answer for the row before any change. @type {Answer | null} */
  let first = null;

  // --- Predictions of the newest features; those in between are skipped.

  let isPending = false;
  /** @type {Promise<void> | null} */
  let running = null;

  async function predictPending() {
    while (isPending) {
      isPending = false;
      const sent = copyFeatures(features, columns);
      const of = row;
      try {
        if (first === null && isChanged()) {
          const found = await predict(copyFeatures(original, columns));
          if (of !== row) continue;
          first = found;
        }
        const answer = await predict(sent);
        // Another row was chosen meanwhile.
        if (of !== row) continue;
        first ??= answer;
        result.show(isSame(sent, original) ? first : answer, first, sent, row.truth);
        markWarnings(answer);
      } catch (error) {
        if (!isPending) result.fail(error instanceof Error ? error.message : String(error));
      }
    }
  }

  function update() {
    isPending = true;
    reset.setAttribute("aria-disabled", String(!isChanged()));
    running ??= predictPending().finally(() => {
      running = null;
      if (isPending) update();
    });
  }

  /** @param {Features} one @param {Features} other */
  const isSame = (one, other) => columns.every(({ name }) => one[name] === other[name]);
  const isChanged = () => !isSame(features, original);

  /** @param {Answer} answer */
  function markWarnings(answer) {
    /** @type {Map<string, string>} */
    const found = new Map();
    for (const each of answer.warnings) found.set(each.column, warningText(each, t));
    for (const [name, field] of fields) field.warn(found.get(name) ?? null);
  }

  // --- Fields.

  /** @param {Column} column @param {Cell} cell */
  function change(column, cell) {
    features[column.name] = cell;
    show(column);
    update();
  }

  /** @param {Column} column */
  function show({ name }) {
    fields.get(name)?.set(features[name] ?? null, original[name] ?? null);
  }

  const grid = h("div", { class: "wi-fields" });

  /** Add the fields up to a number of columns. @param {number} n */
  function addFields(n) {
    columns.slice(fields.size, n).forEach((column) => {
      const place = fields.size;
      const field = makeField({
        column,
        id: `${id}-${place}`,
        t,
        change: (cell) => change(column, cell),
      });
      fields.set(column.name, field);
      grid.append(field.root);
      show(column);
    });
    more.hidden = fields.size >= columns.length;
    if (first !== null) update();
  }

  const more = h("button", {
    type: "button",
    class: "wi-button wi-more",
    onclick: () => {
      const next = columns[fields.size];
      addFields(columns.length);
      // The focus would be lost with the button.
      if (next) document.getElementById(`${id}-${columns.indexOf(next)}`)?.focus();
    },
  });
  more.textContent = t("what_if.all_columns", { n: columns.length });
  const find = h("input", {
    type: "search",
    id: `${id}-find`,
    autocomplete: "off",
    oninput: () => {
      const wanted = find.value.trim().toLowerCase();
      if (wanted !== "") addFields(columns.length);
      for (const [name, field] of fields) {
        field.root.hidden = !name.toLowerCase().includes(wanted);
      }
    },
  });
  const finder = h(
    "div",
    { class: "wi-find" },
    h("label", { for: find.id }, t("what_if.find_column")),
    find,
  );

  // --- Rows.

  /** @param {Row} chosen */
  function begin(chosen) {
    row = chosen;
    original = copyFeatures(row.features, columns);
    features = copyFeatures(original, columns);
    first = null;
    columns.forEach(show);
    update();
  }

  const chooser = rows.length > 1 ? makeChooser(`${id}-row`, rows, t, begin) : null;
  const reset = h("button", {
    type: "button",
    class: "wi-button",
    "aria-disabled": "true",
    onclick: () => {
      if (!isChanged()) return;
      features = copyFeatures(original, columns);
      columns.forEach(show);
      update();
    },
  });
  reset.textContent = t("what_if.reset");
  root.append(
    h(
      "div",
      { class: "wi" },
      h("div", { class: "wi-tools" }, chooser, reset, columns.length > n_shown && finder),
      h(
        "div",
        { class: "wi-both" },
        h("div", { class: "wi-form" }, grid, more),
        h("div", { class: "wi-side" }, result.head, result.rest),
      ),
    ),
  );
  addFields(n_shown);
  update();

  return {
    /** @param {Record<string, Cell>} cells */
    set(cells) {
      for (const column of columns) {
        if (Object.hasOwn(cells, column.name)) features[column.name] = cells[column.name] ?? null;
      }
      columns.forEach(show);
      update();
    },
  };
}

/**
 * Make the list of rows to begin with, in groups.
 *
 * @param {string} id
 * @param {Row[]} rows
 * @param {Texts} t
 * @param {(row: Row) => void} begin
 */
function makeChooser(id, rows, t, begin) {
  const kinds = [...new Set(rows.map((row) => row.kind))];
  /** Rows in the order of the list. @type {Row[]} */
  const listed = [];
  const groups = kinds.map((kind) => {
    const options = rows
      .filter((row) => row.kind === kind)
      .map((row) => {
        listed.push(row);
        return h("option", {}, rowText(row, listed.length, t));
      });
    if (kind === undefined) return options;
    const group = h("optgroup", { label: t(`what_if.rows_${kind}`) }, options);
    return [group];
  });
  const select = h(
    "select",
    {
      id,
      autocomplete: "off",
      onchange: () => {
        const row = listed[select.selectedIndex];
        if (row) begin(row);
      },
    },
    groups.flat(),
  );
  select.selectedIndex = listed.indexOf(/** @type {Row} */ (rows[0]));
  return h("div", { class: "wi-chooser" }, h("label", { for: id }, t("what_if.row")), select);
}

/** @param {Row} row @param {number} number @param {Texts} t */
function rowText(row, number, t) {
  const name = row.name ?? t("what_if.row_number", { n: number });
  if (row.truth === undefined) return name;
  const probability = row.probability === undefined ? "" : percent(row.probability);
  return t("what_if.row_option", { name, truth: shorten(row.truth), probability });
}
