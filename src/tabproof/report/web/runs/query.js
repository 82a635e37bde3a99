/**
 * The language of the filter: words, and conditions such as `roc_auc>=0.9` or `dataset:adult`.
 *
 * All parts must hold. A word is searched for in the texts of a run; "two words" in quotes are one.
 * A minus before a part turns it around. `:` means "contains", for numbers "equals". A condition
 * that is not valid is reported and left out.
 */

/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {{key: string, part: string, value: string}} Problem key: of its text */
/** @typedef {{matches: (run: Run) => boolean, problems: Problem[]}} Query */

const PART = /(-?)("[^"]*"?|[^\s"]+(?:"[^"]*"?)?)/g;
const CONDITION = /^([^\s"<>=!:]+)(>=|<=|!=|:|=|>|<)(.*)$/s;
const WORDS = ["dataset", "model", "search", "choices", "when", "state", "cause", "promoted"];
const YES = new Set(["yes", "true", "1"]);
const NO = new Set(["no", "false", "0"]);

/**
 * Read a filter.
 *
 * @param {string} text
 * @param {Map<string, Column>} columns
 * @param {(run: Run) => string} wordsOf what words are searched for in, in lower case
 * @returns {Query}
 */
export function parseQuery(text, columns, wordsOf) {
  /** @type {((run: Run) => boolean)[]} */
  const tests = [];
  /** @type {Problem[]} */
  const problems = [];
  for (const [part, minus = "", body = ""] of text.matchAll(PART)) {
    const condition = body.startsWith('"') ? null : CONDITION.exec(body);
    /** @type {((run: Run) => boolean) | Problem} */
    let test;
    if (condition === null) {
      const word = unquoted(body).toLowerCase();
      test = (run) => wordsOf(run).includes(word);
    } else {
      const [, name = "", operator = "", value = ""] = condition;
      test = conditionOf(name, operator, unquoted(value), columns, part);
    }
    if (typeof test !== "function") problems.push(test);
    else if (minus) tests.push(negated(test));
    else tests.push(test);
  }
  return { matches: (run) => tests.every((test) => test(run)), problems };
}

/**
 * Return the words of each run, in lower case; made once.
 *
 * @param {Map<string, Column>} columns
 */
export function makeWords(columns) {
  /** @type {WeakMap<Run, string>} */
  const words = new WeakMap();
  const shown = [...WORDS, "id", "path"].flatMap((id) => columns.get(id) ?? []);
  return (/** @type {Run} */ run) => {
    let text = words.get(run);
    if (text === undefined) {
      text = shown
        .map((column) => column.get(run) ?? "")
        .join("\n")
        .toLowerCase();
      words.set(run, text);
    }
    return text;
  };
}

/**
 * @param {string} name
 * @param {string} operator
 * @param {string} value
 * @param {Map<string, Column>} columns
 * @param {string} part of the filter, for messages
 * @returns {((run: Run) => boolean) | Problem}
 */
function conditionOf(name, operator, value, columns, part) {
  if (value === "") return { key: "runs.filter_no_value", part, value: "" };
  if (name === "served") {
    const wanted = value.toLowerCase();
    if (!YES.has(wanted) && !NO.has(wanted)) return { key: "runs.filter_yes_no", part, value };
    return (run) => run.promoted.some(({ served }) => served) === YES.has(wanted);
  }
  const found = findColumns(name, columns);
  const [column, other] = found;
  if (column === undefined) return { key: "runs.filter_no_column", part, value: name };
  if (other !== undefined) {
    const names = `${found
      .slice(0, 3)
      .map(({ id }) => id)
      .join(", ")}${found.length > 3 ? " …" : ""}`;
    return { key: "runs.filter_ambiguous", part, value: names };
  }
  const number = Number(value);
  if (column.kind !== "text" && Number.isNaN(number)) {
    return { key: "runs.filter_no_number", part, value };
  }
  const wanted = value.toLowerCase();
  return (run) => {
    const cell = column.get(run);
    if (cell === null) return operator === "!=";
    if (typeof cell === "number") {
      return !Number.isNaN(number) ? compare(cell - number, operator) : operator === "!=";
    }
    const text = cell.toLowerCase();
    if (operator === ":") return text.includes(wanted);
    return compare(text < wanted ? -1 : text > wanted ? 1 : 0, operator);
  };
}

/**
 * Return the columns of this name; or those whose key ends with it, as `n_splits` does.
 *
 * @param {string} name
 * @param {Map<string, Column>} columns
 */
export function findColumns(name, columns) {
  const exact = columns.get(name);
  if (exact !== undefined) return [exact];
  const wanted = plain(name);
  const all = [...columns.values()];
  const titled = all.filter(({ label, metric }) => metric >= 0 && plain(label) === wanted);
  if (titled.length > 0) return titled;
  return all.filter(({ id }) => id.toLowerCase().endsWith(`.${name.toLowerCase()}`));
}

/** @param {string} name */
function plain(name) {
  return name.toLowerCase().replace(/[-_\s]/g, "");
}

/** @param {string} text */
function unquoted(text) {
  return text.startsWith('"') ? text.replace(/^"|"$/g, "") : text;
}

/**
 * @param {(run: Run) => boolean} test
 * @returns {(run: Run) => boolean}
 */
function negated(test) {
  return (run) => !test(run);
}

/**
 * @param {number} difference
 * @param {string} operator
 */
function compare(difference, operator) {
  switch (operator) {
    case ">=":
      return difference >= 0;
    case "<=":
      return difference <= 0;
    case ">":
      return difference > 0;
    case "<":
      return difference < 0;
    case "!=":
      return difference !== 0;
    default:
      return difference === 0;
  }
}
