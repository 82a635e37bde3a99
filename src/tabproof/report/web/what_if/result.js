/** The view of a prediction: probability, label, warnings, and contributions of columns. */
import { aroundName, h } from "../shared/dom.js";
import { decimal, percent, shorten } from "../shared/texts.js";
import { briefOf, signed, textOf } from "./values.js";

/** @typedef {import("./values.js").Column} Column */
/** @typedef {import("./values.js").Features} Features */
/** @typedef {import("../shared/texts.js").Texts} Texts */

/**
 * An answer, as of the service's /predict?explain=true. unexplained : why it has no explanation.
 *
 * @typedef {object} Answer
 * @property {number} pred_proba
 * @property {string} label
 * @property {Record<string, number>} probabilities
 * @property {number | null} threshold
 * @property {{column: string, kind: string, message: string}[]} warnings
 * @property {Explanation | null} [explanation]
 * @property {string | null} [unexplained]
 */

/**
 * @typedef {object} Explanation
 * @property {string} label
 * @property {string} scale
 * @property {number} base_value
 * @property {Record<string, number>} contributions
 * @property {number} score
 */

/** Contributions that are shown at once. */
const N_CONTRIBUTIONS = 10;
const KINDS = ["missing_column", "unseen_category", "out_of_range", "not_a_number", "not_a_date"];

/**
 * Return a warning in the language of the page; the message of the service for another kind.
 *
 * @param {{kind: string, message: string}} warning
 * @param {Texts} t
 */
export function warningText(warning, t) {
  return KINDS.includes(warning.kind) ? t(`what_if.warning_${warning.kind}`) : warning.message;
}

/**
 * Make the view of an answer. `head` has the number, the label and the bar, `rest` all the others.
 *
 * @param {{columns: Column[], labels: string[], t: Texts}} options
 */
export function makeResult({ columns, labels, t }) {
  const isBinary = labels.length === 2;
  const of = h("p", { class: "wi-of" });
  const number = h("span", { class: "wi-number" }, "\u2013");
  const was = h("span", { class: "wi-from" });
  const label = h("p", { class: "wi-label" });
  const truth = h("p", { class: "wi-truth" });
  const bar = makeBar("wi-large");
  const status = h("p", { class: "wi-unseen", role: "status" });
  const trouble = h("p", { class: "wi-trouble", role: "alert", hidden: true });
  const head = h(
    "div",
    { class: "wi-result" },
    of,
    h("p", { class: "wi-figure" }, number, was),
    bar.element,
    h("div", { class: "wi-labels-line" }, label, truth),
    trouble,
    status,
  );
  const shares = isBinary ? null : makeShares(labels, t);
  const reasons = makeContributions(columns, t);
  const warnings = h("ul", { class: "wi-warnings" });
  const noWarnings = h("p", { class: "wi-soft" }, t("what_if.no_warnings"));
  // Hidden until there is an answer.
  const rest = h(
    "div",
    { class: "wi-rest", hidden: true },
    shares?.element,
    reasons.element,
    h("h3", {}, t("what_if.warnings")),
    noWarnings,
    warnings,
  );
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {string} text @param {string} key */
  const named = (text, key) => aroundName(shorten(text, 40), (place) => t(key, { label: place }));

  return {
    head,
    rest,
    /**
     * Show an answer; first : that of the row before any change.
     *
     * @param {Answer} answer
     * @param {Answer} first
     * @param {Features} features
     * @param {string | undefined} trueLabel of the row before any change
     */
    show(answer, first, features, trueLabel) {
      head.classList.remove("wi-failed");
      trouble.hidden = true;
      rest.hidden = false;
      const shown = isBinary ? /** @type {string} */ (labels[1]) : answer.label;
      of.replaceChildren(...named(shown, "what_if.probability_of"));
      of.title = shown;
      const probability = answer.probabilities[shown] ?? answer.pred_proba;
      const before = first.probabilities[shown] ?? first.pred_proba;
      number.textContent = percent(probability);
      was.textContent =
        answer === first ? "" : t("what_if.before", { probability: percent(before) });
      bar.show(probability, answer === first ? null : before, answer.threshold);
      label.replaceChildren(...named(answer.label, "what_if.predicted"));
      label.title = answer.label;
      truth.replaceChildren();
      if (trueLabel !== undefined) {
        const key = answer === first ? "what_if.true_label" : "what_if.true_label_before";
        truth.replaceChildren(...named(trueLabel, key));
      }
      truth.title = trueLabel ?? "";
      shares?.show(answer);
      reasons.show(answer, features);
      noWarnings.hidden = answer.warnings.length > 0;
      warnings.replaceChildren(
        ...answer.warnings.map((each) =>
          h("li", {}, h("bdi", {}, shorten(each.column, 60)), ": ", warningText(each, t)),
        ),
      );
      // Screen readers announce the numbers only after they stop changing.
      clearTimeout(timer);
      timer = setTimeout(() => {
        const words = { probability: percent(probability), label: shorten(answer.label, 80) };
        status.textContent = t("what_if.status", words);
      }, 700);
    },
    /** Show why there is no answer. @param {string} message */
    fail(message) {
      head.classList.add("wi-failed");
      trouble.hidden = false;
      trouble.textContent = t("what_if.failed", { message });
    },
  };
}

/**
 * Make a bar from 0 to 1, with a tick at the threshold and one at the probability before.
 *
 * @param {string} [kind]
 */
function makeBar(kind = "") {
  const fill = h("span", { class: "wi-fill" });
  const from = h("span", { class: "wi-tick wi-tick-from", hidden: true });
  const threshold = h("span", { class: "wi-tick wi-tick-threshold", hidden: true });
  const element = h(
    "div",
    { class: `wi-share ${kind}`, "aria-hidden": "true" },
    fill,
    from,
    threshold,
  );
  return {
    element,
    /** @param {number} share @param {number | null} before @param {number | null} at */
    show(share, before, at) {
      fill.style.width = `${100 * share}%`;
      from.hidden = before === null;
      from.style.left = `${100 * (before ?? 0)}%`;
      threshold.hidden = at === null;
      threshold.style.left = `${100 * (at ?? 0)}%`;
    },
  };
}

/**
 * Make a bar for each of many labels; the most probable come first where a reader would scroll.
 *
 * @param {string[]} labels
 * @param {Texts} t
 */
function makeShares(labels, t) {
  const lines = labels.map(() => {
    const bar = makeBar();
    const number = h("span", { class: "wi-value" });
    const name = h("bdi", {});
    const what = h("span", { class: "wi-what" }, name);
    return { what, name, bar, number, element: h("li", {}, what, bar.element, number) };
  });
  const list = h("ol", { class: "wi-shares" }, lines.map((line) => line.element));
  if (labels.length > N_CONTRIBUTIONS) {
    list.tabIndex = 0;
    list.setAttribute("aria-label", t("what_if.probabilities"));
  }
  return {
    element: h("div", {}, h("h3", {}, t("what_if.probabilities")), list),
    /** @param {Answer} answer */
    show(answer) {
      const shareOf = (/** @type {string} */ label) => answer.probabilities[label] ?? 0;
      const shown = [...labels];
      if (labels.length > N_CONTRIBUTIONS) shown.sort((a, b) => shareOf(b) - shareOf(a));
      for (const [place, { what, name, bar, number, element }] of lines.entries()) {
        const label = shown[place] ?? "";
        const share = shareOf(label);
        name.textContent = shorten(label, 60);
        what.title = label;
        element.classList.toggle("wi-chosen", label === answer.label);
        number.textContent = percent(share);
        bar.show(share, null, null);
      }
    },
  };
}

/**
 * Make signed bars of the contributions, the greatest first. Lines stay where they are, and get
 * other columns: nothing moves while a slider is dragged.
 *
 * @param {Column[]} columns
 * @param {Texts} t
 */
function makeContributions(columns, t) {
  const n = Math.min(columns.length, N_CONTRIBUTIONS);
  /** @type {ReturnType<typeof makeLine>[]} */
  const lines = [];
  const list = h("ol", { class: "wi-reasons" });
  const about = h("p", { class: "wi-soft wi-about" });
  const sum = h("p", { class: "wi-soft wi-sum" });
  let isWhole = false;
  /** @type {() => void} */
  let again = () => undefined;
  const more = h("button", {
    type: "button",
    class: "wi-button",
    "aria-expanded": "false",
    onclick: () => {
      isWhole = !isWhole;
      more.setAttribute("aria-expanded", String(isWhole));
      again();
    },
  });
  const body = h("div", {}, about, list, sum, columns.length > n && more);
  const none = h("p", { class: "wi-soft", hidden: true });

  /** @param {Explanation} explanation @param {Features} features */
  const draw = (explanation, features) => {
    const parts = columns
      .map((column) => ({ column, value: explanation.contributions[column.name] ?? 0 }))
      .sort((one, other) => Math.abs(other.value) - Math.abs(one.value));
    const most = Math.max(Math.abs(parts[0]?.value ?? 0), 1e-12);
    const shown = parts.slice(0, isWhole ? parts.length : n);
    while (lines.length < shown.length) {
      const line = makeLine();
      lines.push(line);
      list.append(line.element);
    }
    for (const line of lines.splice(shown.length)) line.element.remove();
    shown.forEach(({ column, value }, place) => {
      const cell = features[column.name] ?? null;
      const text = cell === null ? t("what_if.missing") : textOf(cell, column);
      const brief = cell === null ? text : shorten(briefOf(cell, column), 30);
      lines[place]?.show(column.name, brief, text, value, value / most);
    });
    more.textContent = isWhole
      ? t("what_if.fewer", { n })
      : t("what_if.all_contributions", { n: columns.length });
  };

  return {
    element: h("div", { class: "wi-why" }, h("h3", {}, t("what_if.contributions")), body, none),
    /** @param {Answer} answer @param {Features} features */
    show({ explanation, unexplained }, features) {
      body.hidden = !explanation;
      none.hidden = !body.hidden;
      if (!explanation) {
        none.textContent = unexplained ?? t("what_if.no_contributions");
        none.lang = unexplained ? "en" : "";
        return;
      }
      const scale = t(`what_if.scale_${explanation.scale}`);
      about.textContent = t("what_if.about", { label: shorten(explanation.label, 40), scale });
      const numbers = { base: decimal(explanation.base_value), score: decimal(explanation.score) };
      sum.textContent = t("what_if.sum", numbers);
      again = () => draw(explanation, features);
      again();
    },
  };
}

function makeLine() {
  const name = h("bdi", { class: "wi-column" });
  const cell = h("bdi", { class: "wi-cell" });
  const what = h("span", { class: "wi-what" }, name, " ", cell);
  const fill = h("span", { class: "wi-part" });
  const number = h("span", { class: "wi-value" });
  const bar = h("span", { class: "wi-signed", "aria-hidden": "true" }, fill);
  return {
    element: h("li", {}, what, bar, number),
    /**
     * @param {string} column @param {string} brief @param {string} text
     * @param {number} value @param {number} share
     */
    show(column, brief, text, value, share) {
      name.textContent = shorten(column, 60);
      cell.textContent = brief;
      what.title = `${column}: ${text}`;
      number.textContent = signed(value);
      fill.className = value < 0 ? "wi-part wi-down" : "wi-part wi-up";
      const width = 50 * Math.min(Math.abs(share), 1);
      fill.style.width = `${width}%`;
      fill.style.left = `${value < 0 ? 50 - width : 50}%`;
    },
  };
}
