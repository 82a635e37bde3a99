/** The tools above the table: the filter, the view, the menu of columns. */

import { h } from "../shared/dom.js";
import { short } from "./parts.js";
import { grouped } from "./rows.js";

/** @typedef {import("./app.js").Context} Context */
/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./query.js").Problem} Problem */

/** Filters of the help, which can be tried. */
const EXAMPLES = ["state:failed", "-state:complete", "served:yes", "when>=2026-01"];
/** Maximum choices in the menu of columns; a search finds the others. */
const MAX_CHOICES = 300;

/**
 * Make the filter.
 *
 * @param {Context} context
 * @param {(text: string, isTyped: boolean) => void} change
 */
export function makeFilter({ model, t }, change) {
  const input = h("input", {
    type: "search",
    id: "filter",
    placeholder: t("runs.filter_example"),
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "filter-problem",
    oninput: () => change(input.value, true),
    onchange: () => change(input.value, false),
  });
  const problem = h("p", { id: "filter-problem", class: "problem", role: "status" });
  const metric = model.metrics[0]?.name;
  const dataset = model.runs[0]?.dataset;
  const examples = [
    metric && `${metric}>=0.9`,
    dataset &&
      `dataset:${/^[^\s":<>=!]+$/.test(dataset) ? dataset : `"${dataset.replaceAll('"', "")}"`}`,
    ...EXAMPLES,
  ].filter((example) => typeof example === "string");
  const help = h(
    "details",
    { class: "help" },
    h("summary", {}, t("runs.filter_help")),
    h("p", {}, t("runs.filter_words")),
    h("p", {}, t("runs.filter_conditions")),
    h(
      "ul",
      { class: "examples" },
      examples.map((example) =>
        h(
          "li",
          {},
          h(
            "button",
            { type: "button", class: "small", onclick: () => fill(example) },
            h("code", {}, short(example, 40)),
          ),
        ),
      ),
    ),
  );
  const element = h(
    "div",
    { class: "filter" },
    h("label", { for: "filter", class: "unseen" }, t("runs.filter")),
    input,
  );
  return { element, help, problem, input, show };

  /** @param {string} example */
  function fill(example) {
    input.value = example;
    input.focus();
    change(example, false);
  }

  /** @param {Problem[]} problems */
  function show(problems) {
    const texts = problems.map(({ key, part, value }) =>
      t(key, { part: short(part, 40), value: short(value, 80) }),
    );
    problem.textContent = texts.join(" ");
    if (problems.length > 0) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
}

/**
 * Make buttons of which one is pressed.
 *
 * @param {string} label
 * @param {[string, string][]} choices value and text
 * @param {(value: string) => void} choose
 */
export function makeSwitch(label, choices, choose) {
  const buttons = choices.map(([value, text]) =>
    h("button", { type: "button", "data-value": value, onclick: () => choose(value) }, text),
  );
  const element = h("div", { class: "switch", role: "group", "aria-label": label }, buttons);
  return {
    element,
    /** @param {string} value */
    show: (value) => {
      for (const button of buttons) {
        button.setAttribute("aria-pressed", String(button.dataset["value"] === value));
      }
    },
  };
}

/**
 * Make the menu of columns: a button, and boxes to tick below it.
 *
 * @param {Context} context
 * @param {() => string[]} shown ids of the columns that are shown
 * @param {(ids: string[] | null) => void} choose null: the usual columns
 */
export function makeColumnMenu({ columns, t }, shown, choose) {
  const search = h("input", {
    type: "search",
    "aria-label": t("runs.find_column"),
    placeholder: t("runs.find_column"),
    autocomplete: "off",
    oninput: () => fill(),
  });
  const list = h("div", { class: "choices-list" });
  const usual = h(
    "button",
    {
      type: "button",
      class: "small",
      onclick: () => {
        choose(null);
        fill();
      },
    },
    t("runs.usual_columns"),
  );
  const panel = h(
    "div",
    {
      class: "menu",
      id: "columns-menu",
      role: "group",
      "aria-label": t("runs.columns"),
      hidden: true,
    },
    h("div", { class: "menu-head" }, search, usual),
    list,
  );
  const button = h(
    "button",
    {
      type: "button",
      "aria-expanded": "false",
      "aria-controls": "columns-menu",
      onclick: () => open(panel.hidden === true),
    },
    t("runs.columns"),
  );
  const element = h("div", { class: "with-menu" }, button, panel);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || panel.hidden) return;
    open(false);
    button.focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!panel.hidden && event.target instanceof Node && !element.contains(event.target))
      open(false);
  });
  return element;

  /** @param {boolean} isOpen */
  function open(isOpen) {
    panel.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return;
    search.value = "";
    fill();
    search.focus();
  }

  function fill() {
    const chosen = new Set(shown());
    const wanted = search.value.trim().toLowerCase();
    const found = [...columns.values()].filter(({ id, label }) =>
      `${id} ${label}`.toLowerCase().includes(wanted),
    );
    const sections = grouped(found.slice(0, MAX_CHOICES), ({ section }) => section);
    list.replaceChildren(
      ...[...sections].map(([section, members]) =>
        h(
          "fieldset",
          {},
          h("legend", {}, t(`runs.section_${section}`)),
          members.map((column) => choice(column, chosen.has(column.id))),
        ),
      ),
    );
    if (found.length === 0) list.append(h("p", { class: "soft" }, t("runs.nothing_found")));
  }

  /**
   * @param {Column} column
   * @param {boolean} isChosen
   */
  function choice({ id, label, section }, isChosen) {
    const box = h("input", { type: "checkbox" });
    box.checked = isChosen;
    box.addEventListener("change", () => {
      const now = new Set(shown());
      if (box.checked) now.add(id);
      else now.delete(id);
      // In the order of the menu; the last column stays.
      const ids = [...columns.keys()].filter((each) => now.has(each));
      if (ids.length > 0) choose(ids);
      else box.checked = true;
    });
    const shortened =
      section === "metrics" || section === "run" ? label : label.slice(label.indexOf(".") + 1);
    return h(
      "label",
      { title: label.length > 40 ? label.slice(0, 500) : null },
      box,
      " ",
      h("bdi", {}, short(shortened, 48)),
    );
  }
}
