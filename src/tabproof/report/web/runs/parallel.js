/** The choices of a sweep, or of the ticked runs, as parallel axes. */

import { h } from "../shared/dom.js";
import { count } from "../shared/texts.js";
import { LETTERS, MAX_NAMES, makeAxis } from "./axes.js";
import { cellText, centre, draw, library, pointable, redrawn, target } from "./charts.js";
import { isNumber, mainMetric } from "./columns.js";
import { asText } from "./model.js";
import { short } from "./parts.js";
import { grouped } from "./rows.js";

/** @typedef {import("./app.js").Act} Act */
/** @typedef {import("./app.js").Context} Context */
/** @typedef {import("./axes.js").Axis} Axis */
/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./model.js").Run} Run */

const HEIGHT = 380;
const MAX_AXES = 8;
/** Pixels from an axis to the next, at least. */
const APART = 150;

/**
 * @param {Run[]} runs that the filter leaves
 * @param {Context} context
 * @param {Act} act
 */
export function parallel(runs, context, act) {
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
  const place = h("div", { class: "drawing scroll" });
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
    const stroke = "var(--series-1)";
    const opacity = (/** @type {{strength: number}} */ { strength }) => 0.2 + 0.8 * strength;
    // The better ones are drawn over the others.
    points.sort((a, b) => a.strength - b.strength);
    const svg = draw({
      width: Math.max(width, 170 + APART * (axes.length - 1)),
      height: HEIGHT,
      marginLeft: 60,
      marginRight: 110,
      marginTop: 44,
      marginBottom: 16,
      x: {
        type: "point",
        padding: 0,
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
      opacity: { type: "identity" },
      marks: [
        ruleX(
          axes.map(({ label }) => label),
          { stroke: "var(--soft)", strokeOpacity: 0.6 },
        ),
        line(points, {
          x: "axis",
          y: "y",
          z: ({ run }) => run.path,
          stroke,
          strokeWidth: 2,
          strokeOpacity: opacity,
        }),
        dot(points, { x: "axis", y: "y", r: 3.5, fill: stroke, fillOpacity: opacity }),
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
    return pointable(svg, targets, t("runs.parallel_words", { n: count(drawn.length) }), t, {
      // Rings around all points would distinguish none.
      isTicked: (path) => chosen !== "" && state.ticked.includes(path),
      choose: act.toggle,
    });
  });
  const caption = t("runs.parallel_note", { metric: model.metrics[metric]?.title ?? "" });
  return h("section", {}, heading, controls, h("figure", {}, place, h("figcaption", {}, caption)));
}

/**
 * Return the axes: what differs between the runs, then the metric.
 *
 * Keys of a dataset or a model are left out where its name is an axis, and so are lists, most of
 * which are the spaces of a search.
 *
 * @param {Run[]} runs
 * @param {Context} context
 * @param {number} metric
 */
function parallelAxes(runs, { model, columns }, metric) {
  const own = ["dataset", "model", "search"].filter((id) => {
    const column = columns.get(id);
    return new Set(runs.map((run) => column?.get(run))).size > 1;
  });
  const left = own.filter((id) => id !== "search").map((id) => `config.${id}.`);
  const keys = model.differing(runs).flatMap(({ key, values }) => {
    const known = values.filter((value) => value !== undefined && !Array.isArray(value));
    const isChoice = key.startsWith("config.") && !left.some((start) => key.startsWith(start));
    const isShared = known.length >= Math.max(2, runs.length / 2);
    const isVaried = new Set(known).size > 1 && !key.endsWith("._target_");
    return isShared && isVaried && (isChoice || key.startsWith("best.")) ? [key] : [];
  });
  const score = model.metrics[metric]?.name;
  const found = [];
  for (const id of [...own, ...keys, ...(score === undefined ? [] : [score])]) {
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
