/** The field of one column: its controls, and the cell that they are set to. */
import { h } from "../shared/dom.js";
import { count, percent, shorten } from "../shared/texts.js";
import {
  binOf,
  briefOf,
  cellOf,
  findCategories,
  isoOf,
  positionOf,
  scaleOf,
  secondsOf,
  textOf,
  unseenCategory,
} from "./values.js";

/** @typedef {import("./values.js").Cell} Cell */
/** @typedef {import("./values.js").Column} Column */
/** @typedef {import("../shared/texts.js").Texts} Texts */

/**
 * A field. set : show a cell and whether it differs from the original one; warn : show a warning
 * instead of the hint, or null for none.
 *
 * @typedef {object} Field
 * @property {HTMLElement} root
 * @property {(cell: Cell, original: Cell) => void} set
 * @property {(warning: string | null) => void} warn
 */

/**
 * The controls of one kind of column. show : set them to a cell; hint : a line about the cell.
 *
 * @typedef {object} Controls
 * @property {HTMLElement[]} elements
 * @property {(cell: Cell, original: Cell) => void} show
 * @property {(cell: Cell) => string} hint
 */

/** @typedef {{column: Column, id: string, t: Texts, change: (cell: Cell) => void}} Context */

/** With more categories, one is found by typing; and the maximum that is offered at a time. */
const MAX_SELECT = 60;
const MAX_OFFERED = 100;
/** Places in the histogram, from 0 to 100. */
const WIDTH = 100;

/**
 * Make the field of a column. change : called with the cell when a person changes it.
 *
 * @param {Context} context
 * @returns {Field}
 */
export function makeField(context) {
  const { column, id, t } = context;
  const controls = CONTROLS[column.kind](context);
  const restore = h("button", {
    type: "button",
    class: "wi-was",
    hidden: true,
    onclick: () => context.change(originalCell),
  });
  const hint = h("p", { class: "wi-hint", id: `${id}-hint` });
  const root = h(
    "div",
    { class: `wi-field wi-of-${column.kind}` },
    h("div", { class: "wi-name" }, nameLabel(column, id), restore),
    controls.elements,
    hint,
  );
  /** @type {Cell} */
  let originalCell = null;
  let words = "";
  return {
    root,
    set(cell, original) {
      originalCell = original;
      const isChanged = cell !== original;
      root.classList.toggle("wi-changed", isChanged);
      restore.hidden = !isChanged;
      if (isChanged) {
        const was = original === null ? t("what_if.missing") : textOf(original, column);
        const brief = original === null ? was : shorten(briefOf(original, column));
        restore.replaceChildren(h("bdi", {}, t("what_if.was", { value: brief })));
        const named = { value: shorten(was, 80), column: shorten(column.name, 80) };
        restore.setAttribute("aria-label", t("what_if.restore", named));
        restore.title = t("what_if.restore", named);
      }
      controls.show(cell, original);
      words = cell === null ? t("what_if.is_missing") : controls.hint(cell);
      hint.textContent = hint.title = words;
    },
    warn(warning) {
      root.classList.toggle("wi-warned", warning !== null);
      hint.textContent = hint.title = warning ?? words;
    },
  };
}

/** @param {Column} column @param {string} id */
function nameLabel(column, id) {
  return h("label", { for: id, title: column.name }, h("bdi", {}, shorten(column.name, 120)));
}

/** @type {Record<Column["kind"], (context: Context) => Controls>} */
const CONTROLS = {
  number: (context) => ranged(context, exactNumber(context)),
  date: (context) => ranged(context, exactDate(context)),
  category: (context) => {
    const n = context.column.categories?.length ?? 0;
    return n <= MAX_SELECT ? selected(context) : searched(context);
  },
  text: freeText,
};

/** Make the checkbox of a missing cell, beside an input. @param {Context} context */
function missingBox({ column, id, t, change }) {
  /** What an unchecked box returns to. @type {Cell} */
  let last = null;
  const box = h("input", {
    type: "checkbox",
    id: `${id}-missing`,
    autocomplete: "off",
    onchange: () => change(box.checked ? null : last),
  });
  const element = h("label", { class: "wi-missing" }, box, " ", t("what_if.missing_box"));
  box.setAttribute(
    "aria-label",
    t("what_if.missing_label", { column: shorten(column.name, 80) }),
  );
  return {
    element,
    /** @param {Cell} cell @param {Cell} fallback */
    show(cell, fallback) {
      box.checked = cell === null;
      last = cell ?? last ?? fallback;
    },
  };
}

/**
 * Make a slider over the range, below a histogram, and an exact input.
 *
 * @param {Context} context
 * @param {{input: HTMLInputElement, cellAt: (position: number) => Cell}} exact
 * @returns {Controls}
 */
function ranged(context, { input, cellAt }) {
  const { column, id, t, change } = context;
  const scale = scaleOf(column);
  const missing = missingBox(context);
  const histogram = drawHistogram(column);
  const slider = h("input", {
    type: "range",
    class: "wi-slider",
    min: 0,
    max: scale?.n ?? 0,
    step: 1,
    autocomplete: "off",
    "aria-label": t("what_if.slider", { column: shorten(column.name, 80) }),
    oninput: () => scale && change(cellAt(scale.valueAt(Number(slider.value)))),
  });
  input.id = id;
  input.setAttribute("aria-describedby", `${id}-hint`);
  const ends = [column.minimum, column.maximum].map((end) =>
    typeof end === "number" ? briefOf(end, column) : (end ?? "").replace("T", " "),
  );
  const range = t("what_if.range", { low: ends[0] ?? "", high: ends[1] ?? "" });
  const middle = scale ? cellAt(scale.valueAt(Math.round(scale.n / 2))) : null;
  return {
    elements: [
      h(
        "div",
        { class: "wi-range" },
        h("div", { class: "wi-track" }, histogram.element, scale && slider),
        h("div", { class: "wi-exact" }, input, missing.element),
      ),
    ],
    show(cell, original) {
      const text = textOf(cell, column);
      if (document.activeElement !== input || cellOfInput(input, column) !== cell) {
        input.value = column.kind === "date" ? dateText(cell, column) : text;
      }
      missing.show(cell, original ?? middle);
      slider.classList.toggle("wi-is-missing", cell === null);
      slider.setAttribute("aria-valuetext", cell === null ? t("what_if.missing") : text);
      const position = positionOf(cell, column);
      if (scale && position !== null) slider.value = String(scale.placeOf(position));
      histogram.show(position, positionOf(original, column));
    },
    hint: () => (ends[0] === "" ? "" : range),
  };
}

/** @param {HTMLInputElement} input @param {Column} column @returns {Cell} */
function cellOfInput(input, column) {
  if (column.kind !== "date") return cellOf(input.value, column);
  // Empty while a date is half typed, too; and an input leaves seconds of 0 out.
  return input.value === "" ? null : dateText(input.value, column);
}

/** @param {Context} context */
function exactNumber({ column, change }) {
  const input = h("input", {
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => change(cellOf(input.value, column)),
  });
  return { input, cellAt: (/** @type {number} */ position) => position };
}

/** @param {Context} context */
function exactDate({ column, change }) {
  const hasTime = Boolean(column.form?.has_time);
  const input = h("input", {
    type: hasTime ? "datetime-local" : "date",
    step: hasTime ? 1 : false,
    autocomplete: "off",
    oninput: () => change(cellOfInput(input, column)),
  });
  return { input, cellAt: (/** @type {number} */ position) => isoOf(position, hasTime) };
}

/** @param {Cell} cell @param {Column} column */
function dateText(cell, column) {
  const seconds = secondsOf(cell);
  return seconds === null ? "" : isoOf(seconds, Boolean(column.form?.has_time));
}

/**
 * Make bars of rows above a slider: that of the cell is highlighted, a mark is at the original value.
 *
 * @param {Column} column
 */
function drawHistogram(column) {
  const counts = column.counts ?? [];
  const ends = [column.minimum, column.maximum].map((end) =>
    typeof end === "number" ? end : secondsOf(end),
  );
  const low = ends[0] ?? 0;
  const high = ends[1] ?? 0;
  const most = Math.max(...counts, 1);
  const width = WIDTH / Math.max(counts.length, 1);
  const bars = counts.map((count) => {
    // The root: bars of few rows can be seen beside one of many.
    const height = count ? Math.max(Math.sqrt(count / most) * 100, 6) : 0;
    return h("span", { class: "wi-bar", style: `height:${height}%;width:${width}%` });
  });
  const mark = h("span", { class: "wi-mark", hidden: true });
  const element = h("div", { class: "wi-histogram", "aria-hidden": "true" }, bars, mark);
  let current = -1;
  return {
    element: counts.length && high > low ? element : null,
    /** @param {number | null} position @param {number | null} original */
    show(position, original) {
      bars[current]?.classList.remove("wi-here");
      current = binOf(position, low, high, counts.length);
      bars[current]?.classList.add("wi-here");
      mark.hidden = original === null || original < low || original > high;
      mark.style.left = `${original === null ? 0 : ((original - low) / (high - low)) * WIDTH}%`;
    },
  };
}

/** Return a line about a category: how many training rows have it. @param {Context} context */
function categoryHint({ column, t }) {
  const categories = column.categories ?? [];
  const counts = column.counts ?? [];
  const present = counts.reduce((sum, each) => sum + each, 0);
  const all = present / (1 - (column.missing_share ?? 0));
  /** @param {Cell} cell */
  return (cell) => {
    const count = counts[categories.indexOf(String(cell))];
    return count === undefined || !all ? "" : t("what_if.share", { share: percent(count / all) });
  };
}

/** Make a list to choose from. @param {Context} context @returns {Controls} */
function selected(context) {
  const { column, id, t, change } = context;
  const categories = column.categories ?? [];
  const unseen = unseenCategory(categories, t("what_if.unseen_value"));
  /** @type {Cell[]} */
  const cells = [...categories, unseen, null];
  const names = [...categories, `(${t("what_if.unseen")})`, `(${t("what_if.missing")})`];
  const select = h(
    "select",
    {
      id,
      autocomplete: "off",
      "aria-describedby": `${id}-hint`,
      onchange: () => change(cells[select.selectedIndex] ?? null),
    },
    names.map((name) => h("option", { dir: "auto" }, shorten(name, 80))),
  );
  return {
    elements: [select],
    show(cell) {
      const place = cells.indexOf(cell);
      select.selectedIndex = place < 0 ? cells.indexOf(unseen) : place;
    },
    hint: categoryHint(context),
  };
}

/** Make a box to type in, which offers categories that contain the typed text. @param {Context} context @returns {Controls} */
function searched(context) {
  const { column, id, t, change } = context;
  const categories = column.categories ?? [];
  const list = h("datalist", { id: `${id}-list` });
  const missing = missingBox(context);
  const offer = () => {
    const found = findCategories(categories, input.value, MAX_OFFERED);
    list.replaceChildren(...found.map((category) => h("option", { value: category })));
  };
  const input = h("input", {
    type: "text",
    id,
    list: list.id,
    dir: "auto",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: t("what_if.find_category", { n: count(categories.length) }),
    "aria-describedby": `${id}-hint`,
    onfocus: offer,
    oninput: () => {
      offer();
      change(input.value === "" ? null : input.value);
    },
  });
  return {
    elements: [h("div", { class: "wi-beside" }, input, missing.element, list)],
    show(cell, original) {
      const text = textOf(cell, column);
      if (input.value !== text) input.value = text;
      missing.show(cell, original ?? categories[0] ?? "");
    },
    hint: categoryHint(context),
  };
}

/** @param {Context} context @returns {Controls} */
function freeText(context) {
  const { column, id, t, change } = context;
  const missing = missingBox(context);
  const area = h("textarea", {
    id,
    rows: 3,
    dir: "auto",
    autocomplete: "off",
    "aria-describedby": `${id}-hint`,
    oninput: () => change(area.value),
  });
  return {
    elements: [h("div", { class: "wi-beside" }, area, missing.element)],
    show(cell, original) {
      const text = textOf(cell, column);
      if (area.value !== text) area.value = text;
      missing.show(cell, original ?? "");
    },
    hint: (cell) => t("what_if.letters", { n: count(String(cell).length) }),
  };
}
