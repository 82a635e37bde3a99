/** Small parts of the page: names, numbers with intervals, badges, buttons that copy. */

import { copyText } from "../shared/clipboard.js";
import { h } from "../shared/dom.js";
import { decimal } from "../shared/texts.js";
import { isNumber, promotionText } from "./columns.js";

/** @typedef {import("../shared/texts.js").Texts} Texts */
/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {readonly [number, number]} Span */

/** Characters of a name where it stands among others. */
const SHORT = 60;
const COPIED_MS = 2000;
/** Characters that would show as nothing, or change the direction of others. */
const HIDDEN =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

/**
 * Return text in one line, hidden characters marked, shortened.
 *
 * @param {string} text
 * @param {number} [limit]
 */
export function short(text, limit = SHORT) {
  const letters = [
    ...text
      .slice(0, 4 * limit)
      .trim()
      .replace(/\s+/g, " ")
      .replace(HIDDEN, "\ufffd"),
  ];
  return letters.length <= limit ? letters.join("") : `${letters.slice(0, limit - 1).join("")}…`;
}

/**
 * Return a name that anybody may have chosen: isolated, shortened, whole where one points at it.
 *
 * @param {string} text
 * @param {number} [limit]
 */
export function name(text, limit = SHORT) {
  const shown = short(text, limit);
  return h("bdi", { title: shown === text ? null : text.slice(0, 1000) }, shown);
}

/**
 * Return the choices of a run other than its model, search and dataset.
 *
 * @param {Run} run
 */
export function otherChoices({ choices, model, search, dataset }) {
  const shown = [`model=${model}`, `search=${search}`, `dataset=${dataset}`];
  const words = choices.split(" ");
  return words.filter((word) => !shown.includes(word)).join(" ");
}

/**
 * Return the title of a run in one line: its model and its other choices.
 *
 * @param {Run} run
 */
export function titleOf(run) {
  return short(`${run.model || run.path} ${otherChoices(run)}`, 48);
}

/**
 * Return the titles of runs side by side; equal ones with their times or directories.
 *
 * @param {Run[]} runs
 * @returns {Map<Run, string>}
 */
export function titlesOf(runs) {
  /** @type {((run: Run) => string)[]} */
  const ways = [
    titleOf,
    (run) => `${titleOf(run)}, ${run.when.slice(5, 16)}`,
    (run) => `${titleOf(run)}, ${short(run.path.split("/").at(-1) ?? "", 24)}`,
  ];
  const last = ways.length - 1;
  const all = ways.map((way) => runs.map(way));
  return new Map(
    runs.map((run, place) => {
      const titles = all.map((each) => each[place] ?? "");
      const way = titles.findIndex(
        (title, n) => all[n]?.filter((other) => other === title).length === 1,
      );
      return [run, titles[way < 0 ? last : way] ?? ""];
    }),
  );
}

/**
 * Return the number of decimals that the intervals of a metric justify: 3 or 4.
 *
 * @param {Run[]} runs
 * @param {number} metric
 */
export function decimalsOf(runs, metric) {
  const isFine = runs.some((run) => {
    const [low, high] = [run.low[metric], run.high[metric]];
    return isNumber(low) && isNumber(high) && high - low > 0 && high - low < 0.006;
  });
  return isFine ? 4 : 3;
}

/**
 * Return the range of a metric and its intervals over runs; null where it is empty.
 *
 * @param {Run[]} runs
 * @param {number} metric
 * @returns {Span | null}
 */
export function spanOf(runs, metric) {
  let [low, high] = [Infinity, -Infinity];
  for (const run of runs) {
    for (const value of [run.metrics[metric], run.low[metric], run.high[metric]]) {
      if (!isNumber(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return low < high ? [low, high] : null;
}

/**
 * Return a metric of a run: its value, and its interval as a bar with both ends.
 *
 * @param {Run} run
 * @param {number} metric
 * @param {Span | null} span of the bar
 * @param {number} decimals
 * @param {Texts} t
 */
export function estimate(run, metric, span, decimals, t) {
  const value = run.metrics[metric];
  if (!isNumber(value)) return h("span", { class: "soft" }, decimal(null));
  const [low, high] = [run.low[metric], run.high[metric]];
  const hasInterval = isNumber(low) && isNumber(high);
  /** @param {number} end */
  const place = (end) => {
    const [first, last] = span ?? [end, end + 1];
    return Math.round(1e4 * Math.min(Math.max((end - first) / (last - first), 0), 1)) / 100;
  };
  const band =
    hasInterval &&
    h("span", {
      class: "band",
      style: `left:${place(low)}%;width:${(place(high) - place(low)).toFixed(2)}%`,
    });
  const ends = { low: decimal(low, decimals), high: decimal(high, decimals) };
  return h(
    "span",
    { class: "estimate" },
    h("span", { class: "value" }, decimal(value, decimals)),
    span &&
      h(
        "span",
        { class: "track", "aria-hidden": "true" },
        band,
        h("span", { class: "dot", style: `left:${place(value)}%` }),
      ),
    h("span", { class: "ends" }, hasInterval ? t("runs.ends", ends) : ""),
  );
}

/**
 * Return a badge for each promotion of a run, which is served or not, or a challenger.
 *
 * @param {Run} run
 * @param {Texts} t
 */
export function promotions(run, t) {
  return run.promoted.map((promotion) => {
    const text = short(promotionText(promotion), 24);
    if (promotion.served)
      return h("span", { class: "badge fine" }, t("runs.served", { name: text }));
    const key = promotion.challenge === undefined ? "runs.promoted" : "runs.challenger";
    return h("span", { class: "badge plain" }, t(key, { name: text }));
  });
}

/**
 * Return the state of a run in words; a state that this script does not know as it is.
 *
 * @param {string} state
 * @param {Texts} t
 */
export function stateText(state, t) {
  const known = ["complete", "partial", "failed", "interrupted", "running", "not started"];
  return known.includes(state) ? t(`runs.state_${state.replace(" ", "_")}`) : short(state);
}

/**
 * @param {Run} run
 * @param {Texts} t
 */
export function stateBadge(run, t) {
  if (run.state === "complete") return h("span", { class: "soft" }, stateText(run.state, t));
  const kinds = { failed: "bad", interrupted: "bad", partial: "warn" };
  const kind = kinds[/** @type {keyof typeof kinds} */ (run.state)] ?? "plain";
  return h("span", { class: `badge ${kind}` }, stateText(run.state, t));
}

/**
 * Return a command with a button that copies it.
 *
 * @param {string} command
 * @param {Texts} t
 */
export function commandLine(command, t) {
  return h("div", { class: "command" }, h("code", {}, command), copyButton(command, t));
}

/**
 * @param {string} text
 * @param {Texts} t
 */
function copyButton(text, t) {
  // Both labels have their place, so that nothing moves.
  const button = h(
    "button",
    { type: "button", class: "small copy", onclick: () => void copy() },
    h("span", { class: "before" }, t("common.copy")),
    h("span", { class: "after", "aria-hidden": "true" }, t("common.copied")),
  );
  const spoken = h("span", { class: "unseen", role: "status" });
  return h("span", { class: "copying" }, button, spoken);

  async function copy() {
    if (!(await copyText(text, button))) return;
    button.classList.add("done");
    spoken.textContent = t("common.copied");
    setTimeout(() => {
      button.classList.remove("done");
      spoken.textContent = "";
    }, COPIED_MS);
  }
}

/**
 * Return a sample of the colour of a ticked run.
 *
 * @param {number} place among the ticked runs
 */
export function swatch(place) {
  return h("span", { class: `swatch s${place < 7 ? place + 1 : "n"}`, "aria-hidden": "true" });
}
