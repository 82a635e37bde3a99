/** What is shown, as the part of the address after #, so that it can be kept as a bookmark. */

/** @typedef {import("./rows.js").Sort} Sort */
/** @typedef {"runs" | "compare" | "plot"} Tab */
/**
 * @typedef {object} State
 * @property {Tab} tab
 * @property {string} filter
 * @property {"dataset" | "time"} view
 * @property {Sort | null} sort null: the best first by dataset, the newest first by time
 * @property {string[] | null} columns null: the usual ones
 * @property {string[]} ticked paths of runs, in the order in which they were ticked
 * @property {string | null} reference path of the run that others are compared with; null: the first
 * @property {string | null} x column of the plot
 * @property {string | null} y
 * @property {string | null} parallel sweep of the parallel coordinates; null: the ticked runs
 */

/** @type {State} */
export const DEFAULTS = Object.freeze({
  tab: "runs",
  filter: "",
  view: "dataset",
  sort: null,
  columns: null,
  ticked: [],
  reference: null,
  x: null,
  y: null,
  parallel: null,
});

/**
 * Return the part of the address, without #; empty where nothing was chosen.
 *
 * @param {State} state
 */
export function toHash(state) {
  const found = new URLSearchParams();
  if (state.tab !== DEFAULTS.tab) found.set("tab", state.tab);
  if (state.filter) found.set("filter", state.filter);
  if (state.view !== DEFAULTS.view) found.set("view", state.view);
  if (state.sort) found.set("sort", `${state.sort.descending ? "-" : ""}${state.sort.id}`);
  for (const id of state.columns ?? []) found.append("column", id);
  for (const path of state.ticked) found.append("run", path);
  for (const name of /** @type {const} */ (["reference", "x", "y", "parallel"])) {
    const value = state[name];
    if (value !== null) found.set(name, value);
  }
  return found.toString();
}

/**
 * Return the state of an address, null where it is an anchor of the page; what is unknown is left
 * out.
 *
 * @param {string} hash with or without #
 * @returns {State | null}
 */
export function fromHash(hash) {
  const text = hash.replace(/^#/, "");
  if (text !== "" && !text.includes("=")) return null;
  const found = new URLSearchParams(text);
  const tab = found.get("tab");
  const sort = found.get("sort");
  const columns = found.getAll("column");
  return {
    tab: tab === "plot" || tab === "compare" ? tab : DEFAULTS.tab,
    filter: found.get("filter") ?? "",
    view: found.get("view") === "time" ? "time" : DEFAULTS.view,
    sort: sort ? { id: sort.replace(/^-/, ""), descending: sort.startsWith("-") } : null,
    columns: columns.length > 0 ? columns : null,
    ticked: [...new Set(found.getAll("run"))],
    reference: found.get("reference"),
    x: found.get("x"),
    y: found.get("y"),
    parallel: found.get("parallel"),
  };
}
