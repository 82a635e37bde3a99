/** A slider for the threshold, with counts and metrics of the held-out rows at it. */
import { aroundName, h } from "../shared/dom.js";
import { count, decimal, percent, shorten } from "../shared/texts.js";
import { balance, costOf, measure, Outcomes } from "./outcomes.js";

/** @typedef {import("./outcomes.js").Counts} Counts */
/** @typedef {import("../shared/texts.js").Texts} Texts */

/**
 * titles : names of metrics for people. small : groups of too few rows.
 *
 * @typedef {object} Content
 * @property {string[]} labels
 * @property {number} threshold
 * @property {number[][] | null} costs
 * @property {number} n_rows
 * @property {number} n_all
 * @property {Record<string, string>} titles
 * @property {{column: string, names: string[], small: boolean[], codes: Uint8Array}[]} groups
 */

const STEPS = 1000;
const N_BARS = 50;
const METRICS = ["precision", "recall", "specificity", "f1", "accuracy"];

/**
 * Put the panel into a page.
 *
 * @param {{root: HTMLElement, content: Content, proba: Float64Array, truth: Uint8Array, t: Texts}} options
 */
export function makeThresholds({ root, content, proba, truth, t }) {
  const labels = /** @type {[string, string]} */ (content.labels);
  const outcomes = new Outcomes(proba, truth);
  const presets = makePresets(outcomes, content);
  const parts = [
    drawBars(outcomes, labels, t),
    makeRates(outcomes, content, t),
    makeConfusion(outcomes, labels, t),
    ...content.groups.map((group) => makeGroups(outcomes, group, content, t)),
  ];
  const [bars, rates, confusion, ...tables] = parts;
  let threshold = content.threshold;

  const slider = h("input", {
    type: "range",
    class: "wi-slider",
    min: 0,
    max: STEPS,
    step: 1,
    autocomplete: "off",
    "aria-label": t("threshold.slider"),
    oninput: () => set(Number(slider.value) / STEPS),
  });
  const input = h("input", {
    type: "text",
    inputmode: "decimal",
    id: "threshold-exact",
    autocomplete: "off",
    oninput: () => {
      const typed = Number(input.value.trim().replace(",", "."));
      if (input.value.trim() !== "" && typed >= 0 && typed <= 1) set(typed);
    },
    onchange: () => show(),
  });
  const buttons = presets.map(([name, value]) => {
    const button = h("button", { type: "button", class: "wi-button", onclick: () => set(value) });
    button.textContent = t(`threshold.${name}`, { value: Number(value.toPrecision(4)) });
    return button;
  });
  const status = h("p", { class: "wi-unseen", role: "status" });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {number} value */
  function set(value) {
    threshold = value;
    show();
  }

  function show() {
    slider.value = String(Math.round(threshold * STEPS));
    const text = Number(threshold.toPrecision(4)).toString();
    slider.setAttribute("aria-valuetext", text);
    // What is being typed stays as it is.
    if (document.activeElement !== input || Number(input.value.replace(",", ".")) !== threshold) {
      input.value = text;
    }
    buttons.forEach((button, place) => {
      button.setAttribute("aria-pressed", String(presets[place]?.[1] === threshold));
    });
    for (const part of parts) part.show(threshold);
    const found = measure(outcomes.at(threshold));
    clearTimeout(timer);
    timer = setTimeout(() => {
      const words = { precision: decimal(found.precision), recall: decimal(found.recall) };
      status.textContent = t("threshold.status", words);
    }, 700);
  }

  const ends = h("div", { class: "th-ends", "aria-hidden": "true" }, h("span", {}, 0), h("span", {}, 1));
  const isSample = content.n_rows < content.n_all;
  const numbers = { n_rows: count(content.n_rows), n_all: count(content.n_all) };
  root.append(
    h(
      "div",
      { class: "wi th" },
      h(
        "div",
        { class: "th-control" },
        h("div", { class: "th-track" }, bars?.element, slider, ends),
        h("div", { class: "th-exact" }, h("label", { for: input.id }, t("threshold.exact")), input),
      ),
      h("div", { class: "th-presets", role: "group", "aria-label": t("threshold.presets") }, buttons),
      isSample && h("p", { class: "wi-soft" }, t("threshold.sample", numbers)),
      h("div", { class: "th-both" }, rates?.element, confusion?.element),
      tables.map((table) => table.element),
      status,
    ),
  );
  show();
}

/**
 * @param {Outcomes} outcomes
 * @param {Content} content
 * @returns {[name: string, threshold: number][]}
 */
function makePresets(outcomes, { threshold, costs }) {
  /** @type {[string, number][]} */
  const presets = [
    ["preset_run", threshold],
    ...(threshold === 0.5 ? [] : [/** @type {[string, number]} */ (["preset_half", 0.5])]),
    ["preset_f1", outcomes.best((counts) => measure(counts).f1 ?? 0)],
    ["preset_equal", outcomes.best(balance)],
  ];
  if (costs) presets.push(["preset_cost", outcomes.best((counts) => -costOf(counts, costs))]);
  return presets;
}

/**
 * Draw rows by probability: those of the second label above a line, the others below it.
 *
 * @param {Outcomes} outcomes
 * @param {[string, string]} labels
 * @param {Texts} t
 */
function drawBars(outcomes, labels, t) {
  const counts = [new Array(N_BARS).fill(0), new Array(N_BARS).fill(0)];
  outcomes.proba.forEach((proba, row) => {
    const bar = Math.min(Math.floor(proba * N_BARS), N_BARS - 1);
    /** @type {number[]} */ (counts[outcomes.truth[row] ?? 0])[bar] += 1;
  });
  const sides = [1, 0].map((code) => {
    const ofLabel = /** @type {number[]} */ (counts[code]);
    const most = Math.max(...ofLabel);
    const bars = ofLabel.map((n) => {
      // The root: bars of few rows can be seen beside one of many.
      return h("span", { style: `height:${n ? Math.max(Math.sqrt(n / most) * 100, 3) : 0}%` });
    });
    return { bars, element: h("div", { class: `th-side th-side-${code}` }, bars) };
  });
  const line = h("span", { class: "th-line" });
  const legend = [1, 0].map((code) =>
    h("span", { class: `th-key th-key-${code}` }, h("bdi", {}, shorten(labels[code] ?? "", 40))),
  );
  return {
    element: h(
      "div",
      {},
      h("div", { class: "th-legend" }, legend),
      h("div", { class: "th-bars", role: "img", "aria-label": t("threshold.bars") }, sides.map((side) => side.element), line),
    ),
    /** @param {number} threshold */
    show(threshold) {
      line.style.left = `${100 * threshold}%`;
      for (const { bars } of sides) {
        bars.forEach((bar, place) => {
          bar.classList.toggle("th-below", (place + 0.5) / N_BARS <= threshold);
        });
      }
    },
  };
}

/**
 * Make the table of metrics at the threshold, each with a bar, beside those at the run's own threshold.
 *
 * @param {Outcomes} outcomes
 * @param {Content} content
 * @param {Texts} t
 */
function makeRates(outcomes, { costs, threshold: own, titles, labels }, t) {
  const names = [...METRICS, "predicted"];
  const ofRun = measure(outcomes.at(own));
  const lines = names.map((name) => {
    const title =
      titles[name] ?? t("threshold.predicted", { label: shorten(labels[1] ?? "", 30) });
    const fill = h("span", { class: "wi-fill" });
    const tick = h("span", { class: "wi-tick", style: `left:${100 * (ofRun[name] ?? 0)}%` });
    const number = h("td", { class: "number th-now" });
    const bar = h("span", { class: "wi-share", "aria-hidden": "true" }, fill, tick);
    const before = h("td", { class: "number wi-soft" }, decimal(ofRun[name]));
    const element = h(
      "tr",
      {},
      h("th", { scope: "row" }, title),
      number,
      h("td", { class: "th-drawn" }, bar),
      before,
    );
    return { name, fill, number, element };
  });
  const cost = h("td", { class: "number th-now" });
  const lastRow =
    costs &&
    h(
      "tr",
      {},
      h("th", { scope: "row" }, t("threshold.cost")),
      cost,
      h("td", {}),
      h("td", { class: "number wi-soft" }, decimal(costOf(outcomes.at(own), costs))),
    );
  const heads = ["metric", "now", "picture", "at_run"].map((key, place) =>
    h(
      "th",
      { scope: "col", class: place % 2 && "number" },
      key === "picture" ? h("span", { class: "wi-unseen" }, t("threshold.picture")) : t(`threshold.${key}`),
    ),
  );
  return {
    element: makeTable(
      "th-rates",
      h("caption", {}, t("threshold.rates")),
      heads,
      [...lines.map((line) => line.element), ...(lastRow ? [lastRow] : [])],
    ),
    /** @param {number} threshold */
    show(threshold) {
      const counts = outcomes.at(threshold);
      const found = measure(counts);
      for (const { name, fill, number } of lines) {
        number.textContent = decimal(found[name]);
        fill.style.width = `${100 * (found[name] ?? 0)}%`;
      }
      if (costs) cost.textContent = decimal(costOf(counts, costs));
    },
  };
}

/**
 * Make the table of rows by true and predicted label; bars are shares of the rows with that true label.
 *
 * @param {Outcomes} outcomes
 * @param {[string, string]} labels
 * @param {Texts} t
 */
function makeConfusion(outcomes, labels, t) {
  /** @param {string} label @param {string} key */
  const head = (label, key) =>
    h("th", { scope: key === "predicted_as" ? "col" : "row", title: label }, ...around(t, key, label));
  // A row per true label, the positive one first.
  const rows = [1, 0].map((truth) => {
    const cells = [1, 0].map((predicted) => {
      const number = h("span", { class: "th-count" });
      const part = h("span", { class: "wi-soft" });
      const fill = h("span", { class: "wi-fill" });
      const isRight = truth === predicted;
      const bar = h("span", { class: "wi-share", "aria-hidden": "true" }, fill);
      const element = h("td", { class: isRight ? "th-right" : "th-wrong" }, number, " ", part, bar);
      return { predicted, number, part, fill, element };
    });
    const name = head(labels[truth] ?? "", "true_label");
    return { truth, cells, element: h("tr", {}, name, cells.map((cell) => cell.element)) };
  });
  const tops = [1, 0].map((code) => head(labels[code] ?? "", "predicted_as"));
  return {
    element: makeTable(
      "th-confusion",
      h("caption", {}, t("threshold.counts")),
      [h("td", {}), ...tops],
      rows.map((row) => row.element),
    ),
    /** @param {number} threshold */
    show(threshold) {
      const { tn, fp, fn, tp } = outcomes.at(threshold);
      const counts = [
        [tn, fp],
        [fn, tp],
      ];
      for (const { truth, cells } of rows) {
        const [no = 0, yes = 0] = counts[truth] ?? [];
        for (const { predicted, number, part, fill } of cells) {
          const n = predicted ? yes : no;
          number.textContent = count(n);
          part.textContent = percent(n / (no + yes));
          fill.style.width = `${(100 * n) / (no + yes)}%`;
        }
      }
    },
  };
}

/**
 * Make the table of rates of the groups of a column.
 *
 * @param {Outcomes} outcomes
 * @param {Content["groups"][number]} group
 * @param {Content} content
 * @param {Texts} t
 */
function makeGroups(outcomes, { column, names, small, codes }, { titles, labels }, t) {
  const keys = ["predicted", "recall", "false_positive_rate"];
  const parts = outcomes.split(codes, names.length);
  const lines = names.map((name, place) => {
    const cells = keys.map(() => {
      const number = h("span", { class: "wi-value" });
      const fill = h("span", { class: "wi-fill" });
      const bar = h("span", { class: "wi-share", "aria-hidden": "true" }, fill);
      return { number, fill, element: h("td", { class: "th-rate" }, number, bar) };
    });
    const badge = small[place] && h("span", { class: "badge" }, t("threshold.small"));
    const element = h(
      "tr",
      { class: small[place] && "is-small" },
      h("th", { scope: "row", title: name }, h("bdi", {}, shorten(name, 40)), " ", badge),
      h("td", { class: "number" }, count(parts[place]?.n ?? 0)),
      cells.map((cell) => cell.element),
    );
    return { cells, element };
  });
  const heads = [
    h("th", { scope: "col" }, t("threshold.group")),
    h("th", { scope: "col", class: "number" }, t("threshold.n_rows")),
    ...keys.map((key) => {
      const title = titles[key] ?? t(`threshold.${key}`, { label: shorten(labels[1] ?? "", 30) });
      return h("th", { scope: "col" }, title);
    }),
  ];
  return {
    element: makeTable(
      "th-groups",
      h("caption", { title: column }, ...around(t, "groups", column)),
      heads,
      lines.map((line) => line.element),
    ),
    /** @param {number} threshold */
    show(threshold) {
      lines.forEach(({ cells }, place) => {
        const found = measure(/** @type {Outcomes} */ (parts[place]).at(threshold));
        cells.forEach(({ number, fill }, which) => {
          const value = found[keys[which] ?? ""];
          number.textContent = decimal(value);
          fill.style.width = `${100 * (value ?? 0)}%`;
        });
      });
    },
  };
}

/**
 * Return a table in a frame that scrolls by itself, by keys too.
 *
 * @param {string} kind
 * @param {HTMLElement} caption
 * @param {HTMLElement[]} heads
 * @param {HTMLElement[]} rows
 */
function makeTable(kind, caption, heads, rows) {
  caption.id = `threshold-table-${(n_tables += 1)}`;
  // Where rows stack, each cell says which column it is of.
  for (const row of rows) {
    heads.forEach((head, place) => {
      const cell = row.children[place];
      if (cell instanceof HTMLTableCellElement && cell.matches("td:not(.th-drawn)")) {
        cell.dataset.label = head.textContent;
      }
    });
  }
  return h(
    "div",
    { class: "scroll", role: "region", "aria-labelledby": caption.id, tabindex: 0 },
    h(
      "table",
      { class: kind },
      caption,
      h("thead", {}, h("tr", {}, heads)),
      h("tbody", {}, rows),
    ),
  );
}

let n_tables = 0;

/** @param {Texts} t @param {string} key @param {string} name */
function around(t, key, name) {
  return aroundName(shorten(name, 40), (place) => t(`threshold.${key}`, { name: place }));
}
