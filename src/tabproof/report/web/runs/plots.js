/** Plots of runs: any column against any other, and the choices of a sweep as parallel axes. */

import { h } from "../shared/dom.js";
import { count } from "../shared/texts.js";
import { MAX_NAMES, bestSoFar, makeAxis } from "./axes.js";
import { REST, SERIES, draw, library, pointable, redrawn } from "./charts.js";
import { isNumber, mainMetric } from "./columns.js";
import { asText } from "./model.js";
import { name, short, titleOf } from "./parts.js";
import { grouped } from "./rows.js";

/** @typedef {import("./app.js").Context} Context */
/** @typedef {import("./axes.js").Axis} Axis */
/** @typedef {import("./charts.js").Target} Target */
/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {{tick: (run: Run, isTicked: boolean) => void, change: (patch: Partial<import("./state.js").State>) => void}} Act */

const HEIGHT = 440;
const PARALLEL_HEIGHT = 380;
/** Datasets with a colour of their own. */
const N_COLOURS = 6;
const MAX_AXES = 8;
/** Pixels from a parallel axis to the next, at least. */
const APART = 130;
/** Letters of a name at an axis. */
const LETTERS = 18;

/**
 * Fill the panel.
 *
 * @param {HTMLElement} panel
 * @param {Run[]} runs that the filter leaves
 * @param {Context} context
 * @param {Act} act
 */
export function renderPlots(panel, runs, context, act) {
  const focus = document.activeElement?.getAttribute("data-key");
  panel.replaceChildren(scatter(runs, context, act), parallel(runs, context, act));
  if (!focus) return;
  const again = panel.querySelector(`[data-key="${CSS.escape(focus)}"]`);
  if (again instanceof HTMLElement) again.focus({ preventScroll: true });
}

/**
 * @param {Run[]} runs
 * @param {Context} context
 * @param {Act} act
 */
function scatter(runs, context, act) {
  const { model, columns, state, t } = context;
  const metric = model.metrics[mainMetric(model, runs)]?.name;
  const x = columns.get(state.x ?? "") ?? /** @type {Column} */ (columns.get("when"));
  const y = columns.get(state.y ?? metric ?? "") ?? /** @type {Column} */ (columns.get("seconds"));
  const [xAxis, yAxis] = [makeAxis(x, runs), makeAxis(y, runs)];
  const controls = h(
    "div",
    { class: "controls" },
    chooser("y", t("runs.plot_y"), y.id),
    chooser("x", t("runs.plot_x"), x.id),
  );
  const heading = h("h2", {}, t("runs.scatter"));
  const tooMany = [xAxis, yAxis].find(({ names }) => names.length > MAX_NAMES);
  const placed = runs.flatMap((run) => {
    const [atX, atY] = [xAxis.of(run), yAxis.of(run)];
    return atX === null || atY === null ? [] : [{ run, x: atX, y: atY }];
  });
  const message = tooMany
    ? t("runs.too_many_names", { n: count(tooMany.names.length) })
    : t("runs.no_points");
  if (tooMany || placed.length === 0) {
    return h("section", {}, heading, controls, h("p", { class: "empty-plot" }, message));
  }
  const colours = coloursOf(placed.map(({ run }) => run));
  const colourOf = (/** @type {Run} */ run) => colours.get(run.dataset) ?? REST;
  const isRace =
    xAxis.kind === "time" && yAxis.kind === "number" && (y.metric >= 0 || y.id === "seconds");
  const place = h("div", { class: "drawing" });
  redrawn(place, (width) => {
    const { dot, gridX, gridY, line } = library();
    const grid = { stroke: "var(--line)", strokeOpacity: 0.7 };
    const races = !isRace
      ? []
      : [...grouped(placed, ({ run }) => run.dataset)].map(([, points]) => {
          const best = bestSoFar(
            points.map((point) => ({ time: Number(point.x), value: Number(point.y) })),
            y.lower,
          );
          const { run } = /** @type {{run: Run}} */ (points[0]);
          return line(best, {
            x: "time",
            y: "value",
            stroke: colourOf(run),
            strokeWidth: 1.75,
            curve: "step-after",
          });
        });
    const xNames = xAxis.kind === "name";
    const svg = draw({
      width,
      height: HEIGHT,
      marginLeft: yAxis.kind === "name" ? Math.min(150, width / 3) : 56,
      marginRight: 20,
      marginTop: 28,
      marginBottom: xNames ? 90 : 44,
      x: {
        ...scale(xAxis),
        label: short(x.label, 40),
        labelAnchor: "right",
        labelArrow: "none",
        tickRotate: xNames ? -35 : 0,
        inset: 10,
      },
      y: { ...scale(yAxis), label: short(y.label, 40), labelArrow: "none", inset: 10 },
      marks: [
        gridX(grid),
        gridY(grid),
        ...races,
        dot(placed, {
          x: "x",
          y: "y",
          r: placed.length > 1000 ? 2.5 : 4.5,
          fill: ({ run }) => colourOf(run),
          fillOpacity: 0.6,
          stroke: ({ run }) => colourOf(run),
          strokeOpacity: 0.9,
          symbol: "circle",
        }),
        dot(
          placed.filter(({ run }) => state.ticked.includes(run.path)),
          {
            x: "x",
            y: "y",
            r: 8,
            stroke: "var(--ink)",
            strokeWidth: 2,
          },
        ),
      ],
      color: { type: "identity" },
    });
    const [px, py] = [svg.scale("x"), svg.scale("y")];
    const targets = placed
      .map(({ run, x: atX, y: atY }) =>
        target(run, centre(px, atX), centre(py, atY), [
          `${short(x.label, 40)}: ${cellText(x, run)}`,
          `${short(y.label, 40)}: ${cellText(y, run)}`,
        ]),
      )
      .sort((a, b) => a.x - b.x || a.y - b.y);
    return pointable(
      svg,
      targets,
      t("runs.scatter_words", {
        x: short(x.label, 40),
        y: short(y.label, 40),
        n: count(targets.length),
      }),
      {
        hint: t("runs.hint_tick"),
        choose,
      },
    );
  });
  const several = new Set(placed.map(({ run }) => run.dataset)).size > 1;
  const legend = h(
    "ul",
    { class: "legend" },
    [...colours].map(([dataset, colour]) =>
      h(
        "li",
        {},
        h("span", { class: "spot", style: `background:${colour}`, "aria-hidden": "true" }),
        name(dataset, 30),
      ),
    ),
    colours.size >= N_COLOURS &&
      h(
        "li",
        {},
        h("span", { class: "spot", style: `background:${REST}`, "aria-hidden": "true" }),
        t("runs.other_datasets"),
      ),
  );
  const words = [
    t("runs.plot_n", { n: count(placed.length), all: count(runs.length) }),
    isRace && t("runs.plot_race"),
    (xAxis.kind === "log" || yAxis.kind === "log") && t("runs.plot_log"),
  ];
  return h(
    "section",
    {},
    heading,
    controls,
    several && legend,
    h("figure", {}, place, h("figcaption", {}, words.filter(Boolean).join(" "))),
  );

  /**
   * @param {"x" | "y"} axis
   * @param {string} label
   * @param {string} chosen
   */
  function chooser(axis, label, chosen) {
    const sections = grouped([...columns.values()].filter(isOffered), ({ section }) => section);
    const select = h(
      "select",
      { "data-key": `axis ${axis}` },
      [...sections].map(([section, members]) =>
        h(
          "optgroup",
          { label: t(`runs.section_${section}`) },
          members.map(({ id, label: title }) => h("option", { value: id }, short(title, 60))),
        ),
      ),
    );
    select.value = chosen;
    select.addEventListener("change", () => act.change({ [axis]: select.value }));
    return h("label", {}, h("span", {}, label), select);
  }

  /** @param {Column} column */
  function isOffered({ id, section }) {
    if (section === "metrics") return true;
    if (section === "run")
      return ["when", "seconds", "model", "search", "dataset", "state"].includes(id);
    return model.varies(id) || id === state.x || id === state.y;
  }

  /** @param {string} path */
  function choose(path) {
    const run = model.byPath.get(path);
    const isTicked = !context.state.ticked.includes(path);
    if (run) act.tick(run, isTicked);
    return isTicked;
  }
}

/**
 * @param {Run[]} runs
 * @param {Context} context
 * @param {Act} act
 */
function parallel(runs, context, act) {
  const { model, columns, state, t } = context;
  const jobsOf = grouped(runs, ({ sweep }) => sweep ?? "");
  const sweeps = [...jobsOf].filter(([sweep]) => sweep !== "");
  const ticked = state.ticked.flatMap((path) => model.byPath.get(path) ?? []);
  const first = sweeps.find(([, jobs]) => jobs.length > 2)?.[0];
  const chosen = state.parallel ?? (ticked.length > 1 ? "" : (first ?? ""));
  const drawn = chosen === "" ? ticked : (jobsOf.get(chosen) ?? []);
  const select = h(
    "select",
    { "data-key": "parallel" },
    h("option", { value: "" }, t("runs.ticked_runs", { n: count(ticked.length) })),
    sweeps.map(([sweep, jobs]) =>
      h("option", { value: sweep }, `${short(sweep, 48)} (${count(jobs.length)})`),
    ),
  );
  select.value = chosen;
  select.addEventListener("change", () => act.change({ parallel: select.value }));
  const controls = h(
    "div",
    { class: "controls" },
    h("label", {}, h("span", {}, t("runs.parallel_of")), select),
  );
  const heading = h("h2", {}, t("runs.parallel"));
  const metric = mainMetric(model, drawn);
  const axes = parallelAxes(drawn, context, metric);
  if (drawn.length < 2 || axes.length < 2) {
    return h(
      "section",
      {},
      heading,
      controls,
      h("p", { class: "empty-plot" }, t("runs.no_parallel")),
    );
  }
  const place = h("div", { class: "drawing wide" });
  const { lower = false } = model.metrics[metric] ?? {};
  const scores = drawn.map((run) => run.metrics[metric]).filter(isNumber);
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  redrawn(place, (width) => {
    const { dot, line, ruleX, text } = library();
    const points = drawn.flatMap((run) => {
      const score = run.metrics[metric];
      const share = isNumber(score) && high > low ? (score - low) / (high - low) : 0;
      const strength = isNumber(score) ? (lower ? 1 - share : share) : 0;
      return axes.flatMap(({ label, place: at }) => {
        const y = at(run);
        return y === null ? [] : [{ run, axis: label, y, strength }];
      });
    });
    const labels = axes.flatMap(({ label, ticks }) =>
      ticks.map((tick) => ({ axis: label, ...tick })),
    );
    const colour = (/** @type {{strength: number}} */ { strength }) =>
      `color-mix(in oklab, var(--series-1) ${Math.round(20 + 80 * strength)}%, var(--weak))`;
    // The better ones are drawn over the others.
    points.sort((a, b) => a.strength - b.strength);
    const svg = draw({
      width: Math.max(width, 170 + APART * (axes.length - 1)),
      height: PARALLEL_HEIGHT,
      marginLeft: 60,
      marginRight: 110,
      marginTop: 44,
      marginBottom: 16,
      x: {
        type: "point",
        domain: axes.map(({ label }) => label),
        axis: "top",
        label: null,
        tickSize: 0,
        tickPadding: 16,
        tickFormat: (/** @type {string} */ label) =>
          short(label.split(".").at(-1) ?? label, LETTERS),
        tickRotate: 0,
      },
      y: { domain: [0, 1], axis: null },
      color: { type: "identity" },
      marks: [
        ruleX(
          axes.map(({ label }) => label),
          { stroke: "var(--soft)", strokeOpacity: 0.6 },
        ),
        line(points, {
          x: "axis",
          y: "y",
          z: ({ run }) => run.path,
          stroke: colour,
          strokeWidth: 1.75,
          strokeOpacity: 0.85,
        }),
        dot(points, { x: "axis", y: "y", r: 3.5, fill: colour }),
        text(labels, {
          x: "axis",
          y: "y",
          text: "text",
          dx: 8,
          textAnchor: "start",
          fill: "var(--ink)",
          stroke: "var(--raised)",
          strokeWidth: 4,
        }),
      ],
    });
    const [px, py] = [svg.scale("x"), svg.scale("y")];
    const targets = points.map(({ run, axis, y }) => {
      const column = columns.get(axes.find(({ label }) => label === axis)?.id ?? "");
      const lines = column ? [`${short(column.label, 40)}: ${cellText(column, run)}`] : [];
      const title = model.metrics[metric]?.title ?? "";
      return target(run, centre(px, axis), centre(py, y), [
        ...lines,
        `${title}: ${asText(run.metrics[metric] ?? null)}`,
      ]);
    });
    targets.sort((a, b) => a.x - b.x || b.y - a.y);
    return pointable(svg, targets, t("runs.parallel_words", { n: count(drawn.length) }), {
      hint: t("runs.hint_tick"),
      choose: (path) => {
        const run = model.byPath.get(path);
        const isTicked = !context.state.ticked.includes(path);
        if (run) act.tick(run, isTicked);
        return isTicked;
      },
    });
  });
  const caption = t("runs.parallel_note", { metric: model.metrics[metric]?.title ?? "" });
  return h("section", {}, heading, controls, h("figure", {}, place, h("figcaption", {}, caption)));
}

/**
 * Return the axes: what differs between the runs, then the metric.
 *
 * @param {Run[]} runs
 * @param {Context} context
 * @param {number} metric
 */
function parallelAxes(runs, { model, columns }, metric) {
  const ids = model
    .differing(runs)
    .map(({ key }) => key)
    .filter((key) => key.startsWith("config.") || key.startsWith("best."));
  const score = model.metrics[metric]?.name;
  const found = [];
  for (const id of [...ids, ...(score === undefined ? [] : [score])]) {
    const column = columns.get(id);
    if (column === undefined || (found.length >= MAX_AXES - 1 && id !== score)) continue;
    const axis = makeAxis(column, runs);
    if (axis.names.length > MAX_NAMES) continue;
    const made = axisPlaces(axis, runs, column.metric >= 0 ? 4 : 3);
    if (made) found.push({ id, label: column.label, ...made });
  }
  return found;
}

/**
 * Return places from 0 to 1 on an axis, and its labels.
 *
 * @param {Axis} axis
 * @param {Run[]} runs
 * @param {number} digits
 */
function axisPlaces(axis, runs, digits) {
  if (axis.kind === "name") {
    const { names } = axis;
    if (names.length === 0) return null;
    const places = new Map(
      names.map((each, n) => [each, names.length > 1 ? n / (names.length - 1) : 0.5]),
    );
    return {
      place: (/** @type {Run} */ run) => places.get(String(axis.of(run))) ?? null,
      ticks: [...places].map(([each, y]) => ({ y, text: short(each, LETTERS) })),
    };
  }
  const values = runs.map(axis.of).filter(isNumber);
  if (values.length === 0) return null;
  const map = axis.kind === "log" ? Math.log : Number;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const width = map(high) - map(low) || 1;
  const at = (/** @type {number} */ value) => (high > low ? (map(value) - map(low)) / width : 0.5);
  return {
    place: (/** @type {Run} */ run) => {
      const value = axis.of(run);
      return isNumber(value) ? at(value) : null;
    },
    ticks: [...new Set([low, high])].map((value) => ({
      y: at(value),
      text: String(Number(value.toPrecision(digits))),
    })),
  };
}

/** @param {Axis} axis */
function scale({ kind, names }) {
  switch (kind) {
    case "time":
      return { type: /** @type {const} */ ("utc"), tickSize: 0 };
    case "log":
      return { type: /** @type {const} */ ("log"), tickSize: 0 };
    case "name":
      return {
        type: /** @type {const} */ ("point"),
        domain: names,
        tickSize: 0,
        tickFormat: (/** @type {string} */ each) => short(each, LETTERS),
      };
    default:
      return { type: /** @type {const} */ ("linear"), tickSize: 0 };
  }
}

/**
 * @param {import("@observablehq/plot").Scale | undefined} scale
 * @param {string | number} value
 */
function centre(scale, value) {
  return Number(scale?.apply(value) ?? 0);
}

/**
 * @param {Run} run
 * @param {number} x
 * @param {number} y
 * @param {string[]} facts
 * @returns {Target}
 */
function target(run, x, y, facts) {
  const lines = [
    titleOf(run),
    `${short(run.dataset, 40)}, ${short(run.when.slice(0, 16))}`,
    ...facts,
  ];
  return { x, y, lines, label: lines.join(", "), key: run.path };
}

/**
 * @param {Column} column
 * @param {Run} run
 */
function cellText(column, run) {
  const cell = column.get(run);
  if (typeof cell === "number") return String(Number(cell.toPrecision(5)));
  return short(asText(cell), 40);
}

/**
 * Return a colour for each of the datasets with the most runs.
 *
 * @param {Run[]} runs
 */
function coloursOf(runs) {
  const counts = [...grouped(runs, ({ dataset }) => dataset)].sort(
    (a, b) => b[1].length - a[1].length,
  );
  return new Map(counts.slice(0, N_COLOURS).map(([dataset], n) => [dataset, SERIES[n] ?? REST]));
}
