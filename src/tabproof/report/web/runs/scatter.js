/** A plot of any column of the runs against any other. */

import { h } from "../shared/dom.js";
import { count } from "../shared/texts.js";
import { LETTERS, MAX_NAMES, bestSoFar, makeAxis, timeTick } from "./axes.js";
import {
  REST,
  SERIES,
  cellText,
  centre,
  draw,
  library,
  pointable,
  redrawn,
  target,
} from "./charts.js";
import { mainMetric } from "./columns.js";
import { name, short } from "./parts.js";
import { grouped } from "./rows.js";

/** @typedef {import("./app.js").Act} Act */
/** @typedef {import("./app.js").Context} Context */
/** @typedef {import("./axes.js").Axis} Axis */
/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./model.js").Run} Run */

const HEIGHT = 440;
/** Datasets with a colour of their own. */
const N_COLOURS = 6;

/**
 * @param {Run[]} runs that the filter leaves
 * @param {Context} context
 * @param {Act} act
 */
export function scatter(runs, context, act) {
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
      marginBottom: xNames ? 90 : 50,
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
      t,
      { isTicked: (path) => state.ticked.includes(path), choose: act.toggle },
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
}

/** @param {Axis} axis */
function scale({ kind, names }) {
  switch (kind) {
    case "time":
      // Its type leaves out that all ticks are given too.
      return {
        type: /** @type {const} */ ("utc"),
        tickSize: 0,
        tickFormat: /** @type {(time: Date, place: number) => string} */ (
          /** @type {unknown} */ (timeTick)
        ),
      };
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
