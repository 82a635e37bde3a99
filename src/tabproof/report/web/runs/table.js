/** The table of runs: its head sorts, its rows can be ticked and opened. */

import { h } from "../shared/dom.js";
import { count, decimal } from "../shared/texts.js";
import { isNumber } from "./columns.js";
import { details } from "./details.js";
import {
  decimalsOf,
  estimate,
  name,
  otherChoices,
  promotions,
  short,
  spanOf,
  stateBadge,
  titleOf,
} from "./parts.js";

/** @typedef {import("./app.js").Context} Context */
/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {import("./parts.js").Span} Span */
/** @typedef {import("./rows.js").MoreRow} MoreRow */
/** @typedef {import("./rows.js").Row} Row */
/** @typedef {import("./rows.js").Sort} Sort */

/** Of texts in a cell. */
const LIMIT = 44;

/** A table that is made anew where rows change; the focus stays where it was. */
export class Table {
  /**
   * @param {Context} context
   * @param {{sort: (id: string) => void, tick: (run: Run, isTicked: boolean) => void, toggleSweep: (key: string) => void, more: (row: MoreRow) => void}} act
   */
  constructor(context, act) {
    this.context = context;
    this.act = act;
    /** @type {Set<string>} paths of runs whose details are shown */
    this.opened = new Set();
    this.table = h("table", { class: "runs", role: "table" });
    this.element = h(
      "div",
      { class: "scroll", role: "region", "aria-label": context.t("runs.table"), tabindex: "0" },
      this.table,
    );
    /** @type {Map<number, number>} */
    this.decimals = new Map();
    this.columnIds = "";
    /** @type {Map<string, Span | null>} */
    this.spans = new Map();
  }

  /**
   * @param {Row[]} rows
   * @param {Run[]} runs those that the filter leaves
   * @param {Column[]} columns
   * @param {Sort | null} sort
   */
  render(rows, runs, columns, sort) {
    const { state } = this.context;
    const focus = document.activeElement?.getAttribute("data-key");
    this.columns = columns;
    this.spans.clear();
    this.isGrouped = state.view === "dataset";
    const ids = columns.map(({ id }) => id).join("\n");
    if (ids !== this.columnIds || !this.head) {
      this.columnIds = ids;
      this.head = this.makeHead(columns);
    }
    this.markSorted(sort);
    /** @type {HTMLElement[]} */
    const bodies = [];
    const ticked = new Set(state.ticked);
    const groups = new Map(
      rows.flatMap((row) => (row.kind === "group" ? [[row.dataset, row.runs]] : [])),
    );
    let members = runs;
    let body = h("tbody", { role: "rowgroup" });
    for (const row of rows) {
      if (row.kind === "group") {
        if (body.hasChildNodes()) bodies.push(body);
        body = h("tbody", { role: "rowgroup" });
        members = groups.get(row.dataset) ?? runs;
      }
      body.append(...this.makeRow(row, members, ticked));
    }
    if (rows.length === 0) body.append(this.wide("empty", this.context.t("runs.nothing")));
    bodies.push(body);
    const caption = h("caption", { class: "unseen" }, this.context.t("runs.table"));
    this.table.replaceChildren(caption, this.head, ...bodies);
    if (focus && document.activeElement === document.body) {
      const again = this.table.querySelector(`[data-key="${CSS.escape(focus)}"]`);
      if (again instanceof HTMLElement) again.focus({ preventScroll: true });
    }
  }

  /** @param {Column[]} columns */
  makeHead(columns) {
    const { t } = this.context;
    const cells = columns.map((column) => {
      const sort = h(
        "button",
        {
          type: "button",
          "data-key": `sort ${column.id}`,
          onclick: () => this.act.sort(column.id),
        },
        name(column.label, 40),
        h("span", { class: "arrow", "aria-hidden": "true" }),
      );
      const isNumeric = column.kind !== "text";
      const kind = `${isNumeric ? "number" : "text"} ${column.kind}`;
      return h(
        "th",
        { scope: "col", role: "columnheader", class: kind, "data-column": column.id },
        sort,
      );
    });
    const first = h(
      "th",
      { scope: "col", role: "columnheader", class: "first" },
      h("span", { class: "unseen" }, t("runs.column_tick")),
    );
    return h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, first, cells));
  }

  /** @param {Sort | null} sort */
  markSorted(sort) {
    for (const th of this.head?.querySelectorAll("th[data-column]") ?? []) {
      if (sort && th.getAttribute("data-column") === sort.id) {
        th.setAttribute("aria-sort", sort.descending ? "descending" : "ascending");
      } else {
        th.removeAttribute("aria-sort");
      }
    }
  }

  /**
   * @param {Row} row
   * @param {Run[]} members runs of the dataset, or all
   * @param {Set<string>} ticked
   */
  makeRow(row, members, ticked) {
    switch (row.kind) {
      case "group":
        return [this.makeGroup(row)];
      case "sweep":
        return [this.makeSweep(row, members)];
      case "more":
        return [this.makeMore(row)];
      default: {
        const isOpen = this.opened.has(row.run.path);
        const tr = this.makeRun(row, members, ticked.has(row.run.path));
        return isOpen ? [tr, this.makeDetails(row.run)] : [tr];
      }
    }
  }

  /** @param {Extract<Row, {kind: "group"}>} row */
  makeGroup({ dataset, runs, metric, best }) {
    const { model, t } = this.context;
    const { title = "" } = model.metrics[metric] ?? {};
    const value = decimal(best?.metrics[metric], decimalsOf(best ? [best] : [], metric));
    const words = [
      t(runs.length === 1 ? "runs.group_one" : "runs.group_many", { n: count(runs.length) }),
      best && t("runs.group_best", { metric: title, value }),
    ];
    const heading = h(
      "th",
      { colspan: this.width(), scope: "rowgroup", role: "rowheader" },
      h("span", { class: "heading" }, name(dataset || "–")),
      h("span", { class: "soft" }, words.filter(Boolean).join(" · ")),
    );
    return h("tr", { class: "group", role: "row" }, heading);
  }

  /**
   * @param {Extract<Row, {kind: "sweep"}>} row
   * @param {Run[]} members
   */
  makeSweep({ sweep, key, runs, isOpen, hasBest }, members) {
    const { t } = this.context;
    // The time in its directory: the rest is the same for all, or a hash.
    const directory = sweep.split("/").at(-1) ?? sweep;
    const shown = short(directory.replace(/(?<=.)_sweep(_[0-9a-f]{8})?$/, ""), LIMIT);
    const toggle = this.toggle(
      `sweep ${key}`,
      isOpen,
      t(isOpen ? "runs.close_sweep" : "runs.open_sweep", { name: shown }),
      () => this.act.toggleSweep(key),
    );
    const lead = /** @type {Run} */ (runs[0]);
    const cells = (this.columns ?? []).map((column, place) => {
      if (place === 0) {
        return h(
          "th",
          { scope: "row", role: "rowheader", "data-label": column.label },
          h(
            "span",
            { class: "title" },
            h("span", { class: "kind-of" }, t("runs.sweep")),
            " ",
            h("bdi", { title: sweep }, shown),
            " ",
            h("span", { class: "badge plain" }, t("runs.group_many", { n: count(runs.length) })),
            hasBest && !isOpen && [" ", h("span", { class: "badge best" }, t("runs.best"))],
          ),
        );
      }
      if (column.metric >= 0) return this.cell(column, lead, members, place);
      const values = new Set(runs.map((run) => column.get(run)));
      if (values.size === 1) return this.cell(column, lead, members, place);
      if (column.id === "when") return this.cell(column, lead, members, place);
      if (column.id === "seconds") {
        const sum = runs.reduce((total, { seconds }) => total + (seconds ?? 0), 0);
        return this.td(column, decimal(sum, 1));
      }
      return this.td(
        column,
        h("span", { class: "soft" }, t("runs.several", { n: count(values.size) })),
      );
    });
    return h(
      "tr",
      { class: "sweep", role: "row" },
      h("td", { role: "cell", class: "first" }, h("span", { class: "no-tick" }), toggle),
      cells,
    );
  }

  /**
   * @param {Extract<Row, {kind: "run"}>} row
   * @param {Run[]} members
   * @param {boolean} isTicked
   */
  makeRun({ run, isBest, isJob }, members, isTicked) {
    const { t } = this.context;
    const title = titleOf(run);
    const tick = h("input", {
      type: "checkbox",
      "data-key": `tick ${run.path}`,
      "aria-label": t("runs.tick", { name: title, when: run.when }),
      onchange: () => {
        tr.classList.toggle("ticked", tick.checked);
        this.act.tick(run, tick.checked);
      },
    });
    tick.checked = isTicked;
    const isOpen = this.opened.has(run.path);
    const toggle = this.toggle(
      `details ${run.path}`,
      isOpen,
      t("runs.details_of", { name: title }),
      () => {
        if (this.opened.delete(run.path)) {
          tr.nextElementSibling?.remove();
        } else {
          this.opened.add(run.path);
          tr.after(this.makeDetails(run));
        }
        toggle.setAttribute("aria-expanded", String(this.opened.has(run.path)));
      },
    );
    const cells = (this.columns ?? []).map((column, place) => {
      const cell = this.cell(column, run, members, place);
      if (place === 0) {
        const badges = [
          isBest && h("span", { class: "badge best" }, t("runs.best")),
          ...promotions(run, t),
        ].filter((badge) => badge instanceof Node);
        for (const badge of badges) cell.append(" ", badge);
      }
      return cell;
    });
    const classes = ["run", isJob && "job", isBest && "chosen", isTicked && "ticked"];
    const tr = h(
      "tr",
      { class: classes.filter(Boolean).join(" "), role: "row", "data-path": run.path },
      h("td", { role: "cell", class: "first" }, h("label", { class: "hit" }, tick), toggle),
      cells,
    );
    return tr;
  }

  /** @param {Run} run */
  makeDetails(run) {
    return this.wide("details", details(run, this.context));
  }

  /** @param {MoreRow} row */
  makeMore(row) {
    const { t } = this.context;
    const { dataset, n } = row;
    const text = t("runs.more", { n: count(n) });
    const button = h(
      "button",
      {
        type: "button",
        class: "plain",
        "data-key": `more ${dataset}`,
        onclick: () => this.act.more(row),
      },
      text,
    );
    return this.wide("more", button);
  }

  /**
   * @param {string} kind
   * @param {Node | string} content
   */
  wide(kind, content) {
    const cell = h("td", { colspan: this.width(), role: "cell" }, content);
    return h("tr", { class: kind, role: "row" }, cell);
  }

  width() {
    return (this.columns?.length ?? 0) + 1;
  }

  /**
   * @param {string} key
   * @param {boolean} isOpen
   * @param {string} label
   * @param {() => void} act
   */
  toggle(key, isOpen, label, act) {
    return h("button", {
      type: "button",
      class: "toggle",
      "data-key": key,
      "aria-expanded": String(isOpen),
      "aria-label": label,
      onclick: act,
    });
  }

  /**
   * @param {Column} column
   * @param {Run} run
   * @param {Run[]} members
   * @param {number} place
   */
  cell(column, run, members, place) {
    const { t } = this.context;
    if (column.metric >= 0) {
      const { metric } = column;
      // By dataset, each has an axis of its own: metrics of different datasets are not comparable.
      const key = `${this.isGrouped ? run.dataset : ""}\n${metric}`;
      if (!this.spans.has(key)) this.spans.set(key, spanOf(members, metric));
      const span = this.spans.get(key) ?? null;
      const content = estimate(run, metric, span, this.decimalsOf(metric), t);
      return place === 0 ? this.rowHeader(column, run, content) : this.td(column, content);
    }
    const content = this.content(column, run);
    return place === 0 ? this.rowHeader(column, run, content) : this.td(column, content);
  }

  /** @param {number} metric */
  decimalsOf(metric) {
    let decimals = this.decimals.get(metric);
    if (decimals === undefined) {
      decimals = decimalsOf(this.context.model.runs, metric);
      this.decimals.set(metric, decimals);
    }
    return decimals;
  }

  /**
   * @param {Column} column
   * @param {Run} run
   */
  content(column, run) {
    const { t } = this.context;
    const value = column.get(run);
    if (column.id === "state") {
      const cause = run.cause && h("span", { class: "cause" }, name(run.cause, 90));
      return h("span", { class: "state" }, stateBadge(run, t), cause);
    }
    if (column.id === "seconds") return decimal(isNumber(value) ? value : null, 1);
    if (column.id === "choices") {
      const choices = otherChoices(run);
      return choices ? name(choices, 80) : h("span", { class: "soft" }, decimal(null));
    }
    if (value === null || value === "") return h("span", { class: "soft" }, decimal(null));
    if (column.id === "when") {
      const [date, clock] = [run.when.slice(0, 10), run.when.slice(11, 16)].map((part) =>
        short(part),
      );
      return h("time", { class: "when" }, h("span", {}, date), " ", clock);
    }
    if (typeof value === "number")
      return value.toLocaleString("en-US", { maximumSignificantDigits: 6 });
    return name(value, LIMIT);
  }

  /**
   * @param {Column} column
   * @param {Node | string} content
   */
  td(column, content) {
    const kind =
      column.kind === "text"
        ? `text ${column.id.includes(".") ? "" : column.id}`
        : `number ${column.kind}`;
    return h(
      "td",
      { role: "cell", class: kind.trim(), "data-label": short(column.label, 40) },
      content,
    );
  }

  /**
   * Return the first cell of a run, which leads to its report, or to its log.
   *
   * @param {Column} column
   * @param {Run} run
   * @param {Node | string} content
   */
  rowHeader(column, run, content) {
    const { t } = this.context;
    const file = ["report.html", "train.log"].find((each) => run.files.includes(each));
    const kind = t(file === "report.html" ? "runs.report" : "runs.log");
    const link =
      file &&
      h("a", { href: `${run.href}/${file}` }, content, h("span", { class: "unseen" }, `, ${kind}`));
    const label = short(column.label, 40);
    return h("th", { scope: "row", role: "rowheader", "data-label": label }, link || content);
  }
}
