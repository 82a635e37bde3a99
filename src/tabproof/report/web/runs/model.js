/** The data of the page of all runs, checked, and the values of runs by key. */

/** @typedef {string | number | boolean | null | unknown[]} Value */
/** @typedef {{name: string, title: string, lower: boolean}} Metric lower: smaller is better */
/**
 * @typedef {object} Promotion
 * @property {string} name
 * @property {number | string} version of a challenger 0
 * @property {boolean} served
 * @property {string} [challenge] of a challenger: its kind and its share of the requests
 */
/**
 * @typedef {object} Run
 * @property {number} index place in the data, the newest first
 * @property {string | null} id
 * @property {string} path relative to the page; unique
 * @property {string} href the same as a quoted address
 * @property {string} when
 * @property {string} dataset
 * @property {string} model
 * @property {string} search
 * @property {string} choices
 * @property {string} state
 * @property {string | null} cause
 * @property {(number | null)[]} metrics
 * @property {(number | null)[]} low
 * @property {(number | null)[]} high
 * @property {number | null} seconds
 * @property {string | null} sweep
 * @property {string[]} files
 * @property {string | null} command
 * @property {Promotion[]} promoted
 * @property {[number, number][] | null} differs null: nothing is known
 * @property {number | null} group
 * @property {number | null} curve
 */
/**
 * @typedef {object} Group
 * @property {string} dataset
 * @property {string[]} labels
 * @property {number} n_rows
 * @property {number} n_curves
 * @property {[number, number]} bytes offset and length
 */

export const FORMAT = 1;

/** The data are of a format that this script does not know. */
export class NewerFormatError extends Error {}

/** The runs of the page; values of configuration keys are looked up by column. */
export class Model {
  /** @type {Map<number, Int32Array>} value indices by key: -1 where a run has no such key */
  #columns = new Map();
  /** @type {Uint8Array | null} by key: 1 where some runs have another value than the most */
  #varying = null;

  /** @param {any} content of the data island */
  constructor(content) {
    if (typeof content?.format === "number" && content.format > FORMAT) {
      throw new NewerFormatError(String(content.format));
    }
    const { metrics, keys, values, common, runs, groups } = content ?? {};
    if (content?.format !== FORMAT || ![metrics, keys, values, common, runs].every(Array.isArray)) {
      throw new TypeError("the data of the page are incomplete");
    }
    /** @type {Metric[]} */
    this.metrics = metrics;
    /** @type {string[]} */
    this.keys = keys;
    /** @type {Value[]} */
    this.values = values;
    /** @type {Map<number, number>} */
    this.common = new Map(common);
    /** @type {Group[]} */
    this.groups = groups ?? [];
    /** @type {Run[]} */
    this.runs = runs.map((/** @type {any} */ run, /** @type {number} */ index) =>
      checked({ ...run, index }, metrics.length),
    );
    this.byPath = new Map(this.runs.map((run) => [run.path, run]));
    /** @type {string} */
    this.place = String(content.place ?? "");
    /** @type {number} */
    this.level = typeof content.level === "number" ? content.level : 0.05;
    this.keyIndex = new Map(this.keys.map((key, index) => [key, index]));
  }

  /**
   * Return the value of a key in a run; undefined where the run has no such key.
   *
   * @param {Run} run
   * @param {number} key
   */
  valueOf(run, key) {
    return this.values[this.#column(key)[run.index] ?? -1];
  }

  /**
   * Return the value of every key in which these runs differ. Runs of which nothing is known differ
   * in none.
   *
   * @param {Run[]} runs
   * @returns {{key: string, values: (Value | undefined)[]}[]} in the order of keys
   */
  differing(runs) {
    const own = runs.map(({ differs }) => differs && new Map(differs));
    const keys = [...new Set(own.flatMap((each) => [...(each?.keys() ?? [])]))];
    keys.sort((a, b) => a - b);
    return keys
      .map((key) => ({
        key,
        indices: own.map((each) => each && (each.get(key) ?? this.common.get(key) ?? -1)),
      }))
      .filter(({ indices }) => new Set(indices.filter((index) => index !== null)).size > 1)
      .map(({ key, indices }) => ({
        key: this.keys[key] ?? "",
        values: indices.map((index) => this.values[index ?? -1]),
      }));
  }

  /**
   * Return all keys that a run has, with their values.
   *
   * @param {Run} run
   * @returns {{key: string, value: Value}[]} in the order of keys
   */
  allOf({ differs }) {
    if (differs === null) return [];
    const own = new Map(differs);
    return this.keys.flatMap((key, index) => {
      const value = this.values[own.get(index) ?? this.common.get(index) ?? -1];
      return value === undefined ? [] : [{ key, value }];
    });
  }

  /**
   * Return whether some runs have a key otherwise than the most.
   *
   * @param {string} key
   */
  varies(key) {
    if (this.#varying === null) {
      this.#varying = new Uint8Array(this.keys.length);
      for (const { differs } of this.runs) {
        for (const [index, value] of differs ?? []) if (value >= 0) this.#varying[index] = 1;
      }
    }
    return this.#varying[this.keyIndex.get(key) ?? -1] === 1;
  }

  /** @param {number} key */
  #column(key) {
    let column = this.#columns.get(key);
    if (column === undefined) {
      const usual = this.common.get(key) ?? -1;
      column = Int32Array.from(this.runs, ({ differs }) =>
        differs === null ? -1 : (differs.find(([own]) => own === key)?.[1] ?? usual),
      );
      this.#columns.set(key, column);
    }
    return column;
  }
}

/**
 * Return the run, or raise TypeError where a part is not what the rest of the page relies on.
 *
 * @param {any} run
 * @param {number} nMetrics
 * @returns {Run}
 */
function checked(run, nMetrics) {
  const texts = ["path", "href", "when", "dataset", "model", "search", "choices", "state"];
  const lists = ["files", "promoted"];
  const perMetric = ["metrics", "low", "high"];
  const isWhole =
    texts.every((name) => typeof run[name] === "string") &&
    lists.every((name) => Array.isArray(run[name])) &&
    (run.differs === null || Array.isArray(run.differs)) &&
    perMetric.every((name) => Array.isArray(run[name]) && run[name].length === nMetrics);
  if (!isWhole) throw new TypeError(`run ${run.index} is incomplete`);
  return run;
}

/**
 * Return a value as text; a string as it is, other values as JSON.
 *
 * @param {Value | undefined} value
 */
export function asText(value) {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
