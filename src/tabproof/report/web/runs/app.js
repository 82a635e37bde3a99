/** The page of all runs: its state, and its rendering when the state changes. */

import { h } from "../shared/dom.js";
import { count } from "../shared/texts.js";
import { unpack } from "../shared/unpack.js";
import { defaultColumns, makeColumns } from "./columns.js";
import { toCsv } from "./csv.js";
import { readGroup } from "./curves.js";
import { titleOf } from "./parts.js";
import { renderPlots, renderTicked } from "./plots.js";
import { makeWords, parseQuery } from "./query.js";
import { makeRows, sorted } from "./rows.js";
import { renderComparison } from "./side_by_side.js";
import { DEFAULTS, fromHash, toHash } from "./state.js";
import { Table } from "./table.js";
import { makeColumnMenu, makeFilter, makeSwitch } from "./toolbar.js";

/** @typedef {import("../shared/texts.js").Texts} Texts */
/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {import("./state.js").State} State */
/** @typedef {{toggle: (path: string) => void, change: (patch: Partial<State>) => void}} Act */
/** @typedef {{model: Model, columns: Map<string, Column>, state: State, t: Texts}} Context */

const TABS = /** @type {const} */ (["runs", "plot", "compare"]);
/** Delay before typed text is written to the address: browsers limit how often it may change. */
const WRITE_MS = 400;
/** Names of ticked runs in the dock. */
const MAX_NAMES = 3;

/**
 * Fill the page.
 *
 * @param {HTMLElement} place
 * @param {Model} model
 * @param {Texts} t
 */
export function startApp(place, model, t) {
  const columns = makeColumns(model, t);
  /** @type {Context} */
  const context = { model, columns, state: { ...DEFAULTS, ...fromHash(location.hash) }, t };
  const wordsOf = makeWords(columns);
  /** @type {Set<string>} */
  const openSweeps = new Set();
  /** @type {Map<string, number>} */
  const shownRows = new Map();
  /** @type {Promise<Uint8Array<ArrayBuffer>> | null} */
  let curves = null;
  let filter = "\n";
  let visible = model.runs;
  let timer = 0;

  const filterBox = makeFilter(context, (text, isTyped) => change({ filter: text }, isTyped));
  const viewSwitch = makeSwitch(
    t("runs.view"),
    [
      ["dataset", t("runs.by_dataset")],
      ["time", t("runs.by_time")],
    ],
    (view) => change({ view: view === "time" ? "time" : "dataset", sort: null }),
  );
  const columnMenu = makeColumnMenu(
    context,
    () => columnIds(),
    (ids) => change({ columns: ids }),
  );
  const sortSelect = h("select", { id: "sort-by", onchange: () => sortBy(sortSelect.value) });
  const sortTurn = h("button", {
    type: "button",
    class: "turn",
    "aria-label": t("runs.turn_order"),
    onclick: () => context.state.sort && sortBy(context.state.sort.id),
  });
  const sorter = h(
    "div",
    { class: "sorter" },
    h("label", { for: "sort-by" }, t("runs.sort_by")),
    sortSelect,
    sortTurn,
  );
  const counter = h("p", { class: "count", role: "status" });
  const table = new Table(context, {
    sort: sortBy,
    tick,
    toggleSweep: (key) => {
      if (!openSweeps.delete(key)) openSweeps.add(key);
      renderTable();
    },
    more: ({ dataset, next }) => {
      const before = table.element.querySelectorAll("tr[data-path]");
      const paths = new Set([...before].map((row) => row.getAttribute("data-path")));
      shownRows.set(dataset, next);
      renderTable();
      const added = [...table.element.querySelectorAll("tr[data-path]")].find(
        (row) => !paths.has(row.getAttribute("data-path")),
      );
      added?.querySelector("input")?.focus({ preventScroll: true });
    },
  });
  const tabs = TABS.map((name) =>
    h("button", {
      type: "button",
      role: "tab",
      id: `tab-${name}`,
      "aria-controls": `panel-${name}`,
      onclick: () => change({ tab: name }),
      onkeydown: (/** @type {KeyboardEvent} */ event) => moveTab(event, name),
    }),
  );
  const tools = h(
    "div",
    { class: "tools" },
    h(
      "div",
      { class: "bar" },
      filterBox.element,
      viewSwitch.element,
      columnMenu,
      h("button", { type: "button", onclick: download }, t("runs.export")),
    ),
    h("div", { class: "under" }, counter, filterBox.problem, sorter, filterBox.help),
  );
  const runsPanel = makePanel("runs");
  const plotPanel = makePanel("plot");
  const comparePanel = makePanel("compare");
  const panels = [runsPanel, plotPanel, comparePanel];
  runsPanel.append(table.element);
  const dock = h("div", {
    class: "dock",
    role: "region",
    "aria-label": t("runs.ticked"),
    hidden: true,
  });
  place.replaceChildren(
    h("div", { class: "tabs", role: "tablist", "aria-label": t("runs.views") }, tabs),
    tools,
    ...panels,
    dock,
  );

  addEventListener("popstate", restore);
  addEventListener("hashchange", restore);
  render();

  /** @param {typeof TABS[number]} name */
  function makePanel(name) {
    return h("div", {
      role: "tabpanel",
      id: `panel-${name}`,
      "aria-labelledby": `tab-${name}`,
      class: `panel ${name}`,
    });
  }

  function restore() {
    const found = fromHash(location.hash);
    if (found === null || toHash(found) === toHash(context.state)) return;
    Object.assign(context.state, found);
    render();
  }

  /**
   * Change what is shown; typed letters make no entry of the history.
   *
   * @param {Partial<State>} patch
   * @param {boolean} [isTyped]
   */
  function change(patch, isTyped = false) {
    Object.assign(context.state, patch);
    clearTimeout(timer);
    if (isTyped) timer = window.setTimeout(() => write(true), WRITE_MS);
    else write(false);
    render();
  }

  /** @param {boolean} isReplaced */
  function write(isReplaced) {
    const hash = toHash(context.state);
    if (hash === location.hash.replace(/^#/, "")) return;
    const address = hash ? `#${hash}` : location.href.replace(/#.*$/s, "");
    if (isReplaced) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }

  function render() {
    const { state } = context;
    if (state.filter !== filter) {
      filter = state.filter;
      const query = parseQuery(filter, columns, wordsOf);
      visible = model.runs.filter(query.matches);
      shownRows.clear();
      filterBox.show(query.problems);
    }
    if (filterBox.input.value !== filter) filterBox.input.value = filter;
    viewSwitch.show(state.view);
    const isAll = visible.length === model.runs.length;
    const numbers = { n: count(visible.length), all: count(model.runs.length) };
    const words = t(isAll ? "runs.count_all" : "runs.count", numbers);
    if (counter.textContent !== words) counter.textContent = words;
    TABS.forEach((name, n) => {
      const isChosen = name === state.tab;
      const [tab, panel] = [
        /** @type {HTMLElement} */ (tabs[n]),
        /** @type {HTMLElement} */ (panels[n]),
      ];
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      panel.hidden = !isChosen;
    });
    tools.hidden = state.tab === "compare";
    place.dataset["tab"] = state.tab;
    place.dataset["view"] = state.view;
    renderDock();
    if (state.tab === "runs") renderTable();
    if (state.tab === "plot") renderPlots(plotPanel, visible, context, { toggle, change });
    if (state.tab === "compare") renderCompare();
  }

  function columnIds() {
    const chosen = (context.state.columns ?? []).filter((id) => columns.has(id));
    return chosen.length > 0 ? chosen : defaultColumns(model);
  }

  /** Return the columns of the table: by dataset, its name is above the runs. */
  function tableColumns() {
    const ids = columnIds();
    const others = ids.filter((id) => id !== "dataset" || context.state.view === "time");
    return (others.length > 0 ? others : ids).flatMap((id) => columns.get(id) ?? []);
  }

  function renderTable() {
    const { state } = context;
    const options = { view: state.view, sort: state.sort, open: openSweeps, shown: shownRows };
    const rows = makeRows(model, columns, visible, options);
    const shown = tableColumns();
    table.render(rows, visible, shown, state.sort);
    const choices = shown.map(({ id, label }) => h("option", { value: id }, label.slice(0, 60)));
    sortSelect.replaceChildren(h("option", { value: "" }, t("runs.usual_order")), ...choices);
    sortSelect.value = state.sort?.id ?? "";
    sortTurn.hidden = state.sort === null;
    sortTurn.textContent = state.sort?.descending ? "↓" : "↑";
  }

  /** @param {string} id */
  function sortBy(id) {
    const column = columns.get(id);
    if (!column) return change({ sort: null });
    const { sort } = context.state;
    // The best first; then the other way round; then the usual order.
    const first = column.kind === "metric" ? !column.lower : column.id === "when";
    if (sort?.id !== id) change({ sort: { id, descending: first } });
    else if (sort.descending === first) change({ sort: { id, descending: !first } });
    else change({ sort: null });
  }

  /**
   * @param {Run} run
   * @param {boolean} isTicked
   */
  function tick(run, isTicked) {
    const { state } = context;
    const others = state.ticked.filter((path) => path !== run.path);
    state.ticked = isTicked ? [...others, run.path] : others;
    if (state.reference === run.path && !isTicked) state.reference = null;
    write(false);
    renderDock();
    if (state.tab === "compare") renderCompare();
    if (state.tab === "plot") renderTicked(plotPanel, visible, context, { toggle, change });
  }

  /** @param {string} path */
  function toggle(path) {
    const run = model.byPath.get(path);
    if (run) tick(run, !context.state.ticked.includes(path));
  }

  function tickedRuns() {
    return context.state.ticked.flatMap((path) => model.byPath.get(path) ?? []);
  }

  function renderDock() {
    const ticked = tickedRuns();
    const numbers = { runs: visible.length, plot: null, compare: ticked.length };
    // A place for every number, so that nothing moves where it changes.
    const nDigits = count(model.runs.length).length;
    TABS.forEach((name, n) => {
      const number = numbers[name];
      tabs[n]?.replaceChildren(
        t(`runs.tab_${name}`),
        number === null
          ? ""
          : h("span", { class: "pill", style: `min-width:${nDigits + 1.5}ch` }, count(number)),
      );
    });
    const isShown = ticked.length > 0 && context.state.tab !== "compare";
    dock.hidden = !isShown;
    place.classList.toggle("has-dock", isShown);
    if (!isShown) return;
    const names = ticked
      .slice(0, MAX_NAMES)
      .map((run) => h("bdi", { class: "chip" }, titleOf(run)));
    const rest = ticked.length - names.length;
    const canCompare = ticked.length > 1;
    dock.replaceChildren(
      h(
        "p",
        { role: "status" },
        t(canCompare ? "runs.n_ticked" : "runs.one_ticked", { n: count(ticked.length) }),
      ),
      h(
        "div",
        { class: "chips" },
        names,
        rest > 0 && h("span", { class: "soft" }, t("runs.and_more", { n: count(rest) })),
      ),
      h(
        "button",
        {
          type: "button",
          class: "primary",
          disabled: !canCompare,
          onclick: () => openComparison(),
        },
        t("runs.compare"),
      ),
      h("button", { type: "button", class: "plain", onclick: clear }, t("runs.clear")),
    );
  }

  function openComparison() {
    change({ tab: "compare" });
    tabs[TABS.indexOf("compare")]?.focus();
    scrollTo(0, 0);
  }

  function clear() {
    change({ ticked: [], reference: null });
    filterBox.input.focus({ preventScroll: true });
  }

  function renderCompare() {
    const ticked = tickedRuns();
    const [first] = ticked;
    if (first === undefined || ticked.length < 2) {
      const words = h("p", { class: "empty-plot" }, t("runs.compare_empty"));
      comparePanel.replaceChildren(h("h2", {}, t("runs.tab_compare")), words);
      return;
    }
    const reference = ticked.find(({ path }) => path === context.state.reference) ?? first;
    const focus = document.activeElement?.getAttribute("data-key");
    void renderComparison(comparePanel, ticked, reference, context, {
      untick: (run) => {
        tick(run, false);
        tabs[TABS.indexOf("compare")]?.focus();
      },
      refer: (run) => change({ reference: run.path }),
      readGroup: async (index) => {
        const group = model.groups[index];
        if (group === undefined) throw new RangeError(`no group ${index}`);
        curves ??= unpack(document.getElementById("curves")?.textContent ?? "");
        return readGroup((await curves).buffer, group);
      },
    });
    if (!focus) return;
    const again = comparePanel.querySelector(`[data-key="${CSS.escape(focus)}"]`);
    if (again instanceof HTMLElement) again.focus({ preventScroll: true });
  }

  /**
   * @param {KeyboardEvent} event
   * @param {typeof TABS[number]} name
   */
  function moveTab(event, name) {
    const place = TABS.indexOf(name);
    /** @type {Record<string, number>} */
    const places = {
      ArrowRight: place + 1,
      ArrowLeft: place + TABS.length - 1,
      Home: 0,
      End: TABS.length - 1,
    };
    const next = places[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const tab = /** @type {typeof TABS[number]} */ (TABS[next % TABS.length]);
    change({ tab });
    tabs[TABS.indexOf(tab)]?.focus();
  }

  /** Save the runs that the filter leaves, in the order and with the columns of the table. */
  function download() {
    const { sort, view } = context.state;
    const column = sort && columns.get(sort.id);
    const ordered = column ? sorted(visible, column, sort.descending) : visible;
    const ids =
      view === "dataset" && !columnIds().includes("dataset")
        ? ["dataset", ...columnIds()]
        : columnIds();
    const shown = [...new Set([...ids, "path"])].flatMap((id) => columns.get(id) ?? []);
    // With a mark at the beginning, spreadsheets know that it is UTF-8.
    const address = URL.createObjectURL(
      new Blob(["\ufeff", toCsv(shown, ordered)], { type: "text/csv" }),
    );
    h("a", { href: address, download: "runs.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }
}
