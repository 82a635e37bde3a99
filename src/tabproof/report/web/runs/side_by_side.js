/** Runs side by side: what differs between them, and whether the difference is more than noise. */

import { append, h } from "../shared/dom.js";
import { count, decimal } from "../shared/texts.js";
import { isNumber } from "./columns.js";
import { overlays } from "./overlays.js";
import { asText } from "./model.js";
import {
  decimalsOf,
  estimate,
  name,
  promotions,
  short,
  spanOf,
  stateText,
  swatch,
  titleOf,
  titlesOf,
} from "./parts.js";
import { testsTable } from "./verdicts.js";

/** @typedef {import("./app.js").Context} Context */
/** @typedef {import("./curves.js").HoldOut} HoldOut */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {{key: string, values: (import("./model.js").Value | undefined)[]}} Difference */

/** Keys of a section that are shown at once. */
const MAX_KEYS = 40;
const HASH = /^[0-9a-f]{32,}$/;
const HASH_LENGTH = 13;
/** By the first part of the keys. */
const SECTIONS = /** @type {const} */ ([
  ["config", ["config"]],
  ["best", ["best"]],
  ["data", ["data"]],
  ["provenance", ["code", "git", "versions", "platform"]],
]);

/**
 * Fill the panel. What needs the curves of the page is added when they are read.
 *
 * @param {HTMLElement} panel
 * @param {Run[]} runs ticked
 * @param {Run} reference one of them
 * @param {Context} context
 * @param {{untick: (run: Run) => void, refer: (run: Run) => void, readGroup: (group: number) => Promise<HoldOut>}} act
 */
export async function renderComparison(
  panel,
  runs,
  reference,
  context,
  { untick, refer, readGroup },
) {
  const { model, t } = context;
  const titles = titlesOf(runs);
  const tests = h("div", { class: "tests" });
  const curves = h("div", {});
  panel.replaceChildren(
    h("h2", {}, t("runs.compare_title", { n: count(runs.length) })),
    cards(),
    section("tests", tests),
    section("metrics", metricsTable()),
    curves,
    ...unknown(),
    ...SECTIONS.map(([key, parts]) => section(key, differences(parts))),
  );
  /** @type {Map<number, HoldOut | null>} */
  const holdOuts = new Map();
  const wanted = new Set(
    runs.flatMap(({ group, curve }) => (group === null || curve === null ? [] : [group])),
  );
  for (const group of wanted) {
    // Damaged curves leave the rest of the page as it is.
    holdOuts.set(group, await readGroup(group).catch(() => null));
  }
  const isDamaged = [...holdOuts.values()].includes(null);
  append(tests, [
    isDamaged && h("p", { class: "note" }, t("runs.curves_damaged")),
    testsTable(runs, reference, holdOuts, context),
  ]);
  append(
    curves,
    [overlays(runs, reference, holdOuts, context)].filter((each) => each !== null),
  );

  /**
   * @param {string} key
   * @param {Node} content
   */
  function section(key, content) {
    return h("section", {}, h("h3", {}, t(`runs.section_${key}`)), content);
  }

  /** Say which runs have no values below. */
  function unknown() {
    return runs
      .filter(({ differs }) => differs === null)
      .map((run) => {
        const [before = "", after = ""] = t("runs.unknown", { name: "\u0000" }).split("\u0000");
        return h("p", { class: "note" }, before, name(titles.get(run) ?? "", 64), after);
      });
  }

  function cards() {
    return h(
      "ul",
      { class: "cards" },
      runs.map((run, place) => {
        const isReference = run === reference;
        const radio = h("input", {
          type: "radio",
          name: "reference",
          "data-key": `reference ${run.path}`,
          onchange: () => refer(run),
        });
        radio.checked = isReference;
        const report =
          run.files.includes("report.html") &&
          h("a", { href: `${run.href}/report.html` }, t("runs.report"));
        return h(
          "li",
          { class: isReference ? "card is-reference" : "card" },
          h("div", { class: "card-head" }, swatch(place), h("strong", {}, name(titleOf(run)))),
          h(
            "div",
            { class: "soft" },
            name(run.dataset, 40),
            " · ",
            h("time", {}, short(run.when.slice(0, 16))),
            run.state !== "complete" && ` · ${stateText(run.state, t)}`,
          ),
          h(
            "div",
            {},
            promotions(run, t).flatMap((badge) => [badge, " "]),
          ),
          h(
            "div",
            { class: "card-foot" },
            h("label", {}, radio, " ", t("runs.reference")),
            report,
            h(
              "button",
              {
                type: "button",
                class: "plain",
                "aria-label": t("runs.untick", { name: titleOf(run) }),
                onclick: () => untick(run),
              },
              t("runs.remove"),
            ),
          ),
        );
      }),
    );
  }

  /**
   * @param {string} first
   * @param {string} caption
   * @param {(Node | null)[]} rows
   */
  function table(first, caption, rows) {
    const heads = runs.map((run, place) =>
      h(
        "th",
        { scope: "col" },
        h("span", { class: "run-head" }, swatch(place), name(titles.get(run) ?? "", 64)),
      ),
    );
    return h(
      "div",
      { class: "scroll", role: "region", tabindex: "0", "aria-label": caption },
      h(
        "table",
        { class: "side" },
        h("caption", { class: "unseen" }, caption),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, first), heads)),
        h(
          "tbody",
          {},
          rows.filter((row) => row !== null),
        ),
      ),
    );
  }

  function metricsTable() {
    const rows = model.metrics.map(({ title, lower }, metric) => {
      const values = runs.map((run) => run.metrics[metric]).filter(isNumber);
      if (values.length === 0) return null;
      const best = lower ? Math.min(...values) : Math.max(...values);
      const span = spanOf(runs, metric);
      const decimals = decimalsOf(runs, metric);
      const cells = runs.map((run) => {
        const isBest = values.length > 1 && run.metrics[metric] === best;
        return h(
          "td",
          { class: isBest ? "metric is-best" : "metric" },
          estimate(run, metric, span, decimals, t),
        );
      });
      const note = lower && h("span", { class: "soft lower" }, t("runs.lower_is_better"));
      return h("tr", {}, h("th", { scope: "row" }, name(title), note), cells);
    });
    const seconds = h(
      "tr",
      {},
      h("th", { scope: "row" }, t("runs.column_seconds")),
      runs.map((run) => h("td", {}, decimal(run.seconds, 1))),
    );
    return table(t("runs.metric"), t("runs.section_metrics"), [...rows, seconds]);
  }

  /** @param {readonly string[]} parts */
  function differences(parts) {
    const found = model
      .differing(runs)
      .filter(({ key }) => parts.includes(key.split(".", 1)[0] ?? key));
    if (found.length === 0) {
      const nKnown = runs.filter(({ differs }) => differs !== null).length;
      return h("p", { class: "soft" }, nKnown > 1 ? t("runs.the_same") : decimal(null));
    }
    // Keys that only some runs have belong to their models; keys that all have come first.
    const isWhole = (/** @type {Difference} */ { values }) => !values.includes(undefined);
    const ordered = [...found.filter(isWhole), ...found.filter((each) => !isWhole(each))];
    const nWhole = found.filter(isWhole).length;
    const n = Math.min(parts.includes("config") && nWhole > 0 ? nWhole : MAX_KEYS, MAX_KEYS);
    const rest = ordered.slice(n);
    const caption = t(`runs.section_${SECTIONS.find(([, each]) => each === parts)?.[0]}`);
    return h(
      "div",
      {},
      table(t("runs.key"), caption, ordered.slice(0, n).map(row)),
      rest.length > 0 &&
        h(
          "details",
          {},
          h("summary", {}, t("runs.more_keys", { n: count(rest.length) })),
          table(t("runs.key"), t("runs.more_keys", { n: count(rest.length) }), rest.map(row)),
        ),
    );

    /** @param {Difference} difference */
    function row({ key, values }) {
      const shown = parts.length === 1 ? key.slice(key.indexOf(".") + 1) : key;
      const usual = asText(values[runs.indexOf(reference)]);
      const cells = values.map((value) => {
        const text = asText(value);
        // The beginning of a hash is enough to distinguish it.
        const limit = HASH.test(text) ? HASH_LENGTH : 80;
        const content =
          value === undefined
            ? h("span", { class: "soft" }, decimal(null))
            : h("code", {}, name(text, limit));
        return h("td", { class: text === usual ? null : "differs" }, content);
      });
      return h("tr", {}, h("th", { scope: "row" }, h("code", {}, name(shown, 60))), cells);
    }
  }
}
