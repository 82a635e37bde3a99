/** From runs to rows of the table: sorted, grouped by dataset, jobs of a sweep in one row. */

import { mainMetric } from "./columns.js";

/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {{id: string, descending: boolean}} Sort */
/** @typedef {{kind: "group", dataset: string, runs: Run[], metric: number, best: Run | null}} GroupRow */
/** @typedef {{kind: "sweep", sweep: string, key: string, runs: Run[], isOpen: boolean, hasBest: boolean}} SweepRow */
/** @typedef {{kind: "run", run: Run, isBest: boolean, isJob: boolean}} RunRow */
/** @typedef {{kind: "more", dataset: string, n: number, next: number}} MoreRow n: rows that are not shown; next: how many to show then */
/** @typedef {GroupRow | SweepRow | RunRow | MoreRow} Row */

/** Rows in the table until more are requested: more take too long to lay out. */
export const CHUNK = 100;
/** Rows of a dataset among others, until more are requested. */
const MIN_ROWS = 3;
const MAX_ROWS = 20;

/**
 * Return runs in order; those without a value are last, equal ones by time, the newest first.
 *
 * @param {Run[]} runs
 * @param {Column} column
 * @param {boolean} descending
 */
export function sorted(runs, column, descending) {
  const cells = runs.map((run) => column.get(run));
  const texts = [...new Set(cells.filter((cell) => typeof cell === "string"))];
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  // Numbers come before texts where a key has both.
  const ranks = new Map(texts.sort(compare).map((text, rank) => [text, rank]));
  const sign = descending ? -1 : 1;
  const keyed = runs.map((run, place) => {
    const cell = cells[place] ?? null;
    const isText = typeof cell === "string";
    return { run, cell, isText, value: isText ? (ranks.get(cell) ?? 0) : Number(cell) };
  });
  keyed.sort((a, b) => {
    if (a.cell === null || b.cell === null) {
      return Number(a.cell === null) - Number(b.cell === null) || a.run.index - b.run.index;
    }
    if (a.isText !== b.isText) return sign * (Number(a.isText) - Number(b.isText));
    return sign * (a.value - b.value) || a.run.index - b.run.index;
  });
  return keyed.map(({ run }) => run);
}

/**
 * Return runs by dataset, the dataset of the newest run first.
 *
 * @param {Run[]} runs
 */
export function byDataset(runs) {
  const newestFirst = [...runs].sort((a, b) => a.index - b.index);
  return grouped(newestFirst, ({ dataset }) => dataset);
}

/**
 * Return items by key, in the order in which the keys first occur.
 *
 * @template Item, Key
 * @param {Iterable<Item>} items
 * @param {(item: Item) => Key} keyOf
 * @returns {Map<Key, Item[]>}
 */
export function grouped(items, keyOf) {
  /** @type {Map<Key, Item[]>} */
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/**
 * Return the best run by a metric; null where none has it.
 *
 * @param {Run[]} runs
 * @param {number} metric
 * @param {boolean} lower smaller is better
 */
export function bestRun(runs, metric, lower) {
  /** @type {Run | null} */
  let best = null;
  for (const run of runs) {
    const value = run.metrics[metric] ?? null;
    if (value === null) continue;
    const other = best?.metrics[metric] ?? null;
    if (other === null || (lower ? value < other : value > other)) best = run;
  }
  return best;
}

/**
 * Return the rows of the table.
 *
 * @param {Model} model
 * @param {Map<string, Column>} columns
 * @param {Run[]} runs those that the filter leaves
 * @param {{view: "dataset" | "time", sort: Sort | null, open: Set<string>, shown: Map<string, number>}} state
 *   open: sweeps; shown: numbers of requested rows, by dataset, "" for all
 * @returns {Row[]}
 */
export function makeRows(model, columns, runs, { view, sort, open, shown }) {
  const column = sort && columns.get(sort.id);
  const when = /** @type {Column} */ (columns.get("when"));
  if (view === "time") {
    const ordered = column ? sorted(runs, column, sort.descending) : sorted(runs, when, true);
    return limited(folded(ordered, "", open, null), "", shown.get("") ?? CHUNK);
  }
  const groups = byDataset(runs);
  const limit = groups.size === 1 ? CHUNK : clamp(Math.floor(CHUNK / groups.size), MIN_ROWS, MAX_ROWS);
  return [...groups].flatMap(([dataset, members]) => {
    const metric = column && column.metric >= 0 ? column.metric : mainMetric(model, members);
    const { name = "", lower = false } = model.metrics[metric] ?? {};
    const best = bestRun(members, metric, lower);
    const ranking = columns.get(name) ?? when;
    const ordered = column
      ? sorted(members, column, sort.descending)
      : sorted(members, ranking, !lower);
    const rows = folded(ordered, dataset, open, best);
    return [
      { kind: /** @type {const} */ ("group"), dataset, runs: members, metric, best },
      ...limited(rows, dataset, shown.get(dataset) ?? limit),
    ];
  });
}

/**
 * Put the jobs of a sweep into one row, where its first job is; below it the jobs, if it is open.
 *
 * @param {Run[]} runs
 * @param {string} dataset
 * @param {Set<string>} open
 * @param {Run | null} best
 * @returns {Row[]}
 */
function folded(runs, dataset, open, best) {
  const sweeps = grouped(runs, ({ sweep }) => sweep);
  /** @type {Row[]} */
  const rows = [];
  for (const run of runs) {
    const jobs = sweeps.get(run.sweep) ?? [];
    if (run.sweep === null || jobs.length === 1) {
      rows.push({ kind: "run", run, isBest: run === best, isJob: false });
    } else if (jobs[0] === run) {
      const key = `${dataset}\n${run.sweep}`;
      const isOpen = open.has(key);
      const hasBest = best !== null && jobs.includes(best);
      rows.push({ kind: "sweep", sweep: run.sweep, key, runs: jobs, isOpen, hasBest });
      if (!isOpen) continue;
      for (const job of jobs) {
        rows.push({ kind: "run", run: job, isBest: job === best, isJob: true });
      }
    }
  }
  return rows;
}

/**
 * @param {Row[]} rows
 * @param {string} dataset
 * @param {number} limit
 * @returns {Row[]}
 */
function limited(rows, dataset, limit) {
  // A button for one row would be as high as the row.
  if (rows.length <= limit + 1) return rows;
  return [
    ...rows.slice(0, limit),
    { kind: "more", dataset, n: rows.length - limit, next: limit + CHUNK },
  ];
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
