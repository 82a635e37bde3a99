/** Curves of several runs on the same held-out rows, over each other. */

import { h } from "../shared/dom.js";
import { count } from "../shared/texts.js";
import { DASHES, SERIES, draw, figure, library } from "./charts.js";
import { N_HISTOGRAM, rocPoints } from "./curves.js";
import { short, swatch, titlesOf } from "./parts.js";

/** @typedef {import("./app.js").Context} Context */
/** @typedef {import("./curves.js").Curve} Curve */
/** @typedef {import("./curves.js").HoldOut} HoldOut */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {{run: Run, place: number, curve: Curve}} Drawn place: among the ticked runs, of its colour */

const HEIGHT = 320;
/** Ticks of the axis of shares. */
const SHARES = [0.01, 0.1, 0.25, 0.5, 1];
const MARGINS = { marginTop: 12, marginRight: 14, marginBottom: 38, marginLeft: 52 };

/**
 * Return the section of curves; null where there are none to draw.
 *
 * @param {Run[]} runs
 * @param {Run} reference
 * @param {Map<number, HoldOut | null>} holdOuts by group
 * @param {Context} context
 */
export function overlays(runs, reference, holdOuts, { model, t }) {
  const drawable = runs.find(({ group, curve }) => group !== null && curve !== null)?.group ?? null;
  const hasOwn = reference.group !== null && reference.curve !== null;
  const chosen = hasOwn ? reference.group : drawable;
  const group = chosen === null ? undefined : model.groups[chosen];
  const holdOut = chosen === null ? null : (holdOuts.get(chosen) ?? null);
  if (group === undefined || holdOut === null || group.labels.length !== 2) return null;
  const { truth } = holdOut;
  const drawn = runs.flatMap((run, place) => {
    const curve =
      run.group === chosen && run.curve !== null ? holdOut.curves[run.curve] : undefined;
    return curve && place < SERIES.length ? [{ run, place, curve }] : [];
  });
  const positive = short(group.labels[1] ?? "", 24);
  const negative = short(group.labels[0] ?? "", 24);
  const titles = titlesOf(runs);
  const names = drawn.map(({ run }) => titles.get(run)).join(", ");
  const nLeftOut = runs.length - drawn.length;
  return h(
    "section",
    {},
    h("h3", {}, t("runs.section_curves")),
    h("p", { class: "soft" }, t("runs.curves_note", { n: count(group.n_rows), label: positive })),
    h(
      "ul",
      { class: "legend" },
      drawn.map(({ run, place }) => h("li", {}, swatch(place), h("bdi", {}, titles.get(run)))),
    ),
    h(
      "div",
      { class: "pictures overlays" },
      figure(t("runs.roc"), t("runs.roc_words", { names }), (width) => roc(drawn, truth, width)),
      figure(t("runs.calibration"), t("runs.calibration_words", { names }), (width) =>
        calibration(drawn, width),
      ),
      figure(
        t("runs.distributions", { positive, negative }),
        t("runs.distributions_words", { names }),
        (width) => distributions(drawn, width),
      ),
    ),
    nLeftOut > 0 && h("p", { class: "soft" }, t("runs.curves_left_out", { n: count(nLeftOut) })),
  );

  /**
   * @param {Drawn[]} all
   * @param {ArrayLike<number>} y
   * @param {number} width
   */
  function roc(all, y, width) {
    return square(width, t("runs.roc_x"), t("runs.roc_y"), [
      ...all.map(({ place, curve }) =>
        library().line(curve.ranks === null ? [] : rocPoints(y, curve.ranks), {
          x: "x",
          y: "y",
          ...look(place),
        }),
      ),
    ]);
  }

  /**
   * @param {Drawn[]} all
   * @param {number} width
   */
  function calibration(all, width) {
    return square(width, t("runs.calibration_x"), t("runs.calibration_y"), [
      ...all.flatMap(({ place, curve }) => [
        library().line(curve.calibration, { x: "mean", y: "share", ...look(place) }),
        library().dot(curve.calibration, {
          x: "mean",
          y: "share",
          fill: SERIES[place] ?? "",
          r: 3.5,
        }),
      ]),
    ]);
  }

  /**
   * @param {number} width
   * @param {string} x
   * @param {string} y
   * @param {import("@observablehq/plot").Markish[]} marks
   */
  function square(width, x, y, marks) {
    const { gridX, gridY, line, axisX, axisY } = library();
    const axis = { ticks: 5, tickSize: 0, labelArrow: /** @type {const} */ ("none") };
    return draw({
      width,
      height: HEIGHT,
      ...MARGINS,
      x: { domain: [0, 1] },
      y: { domain: [0, 1] },
      marks: [
        gridX({ ticks: 5, stroke: "var(--line)", strokeOpacity: 1 }),
        gridY({ ticks: 5, stroke: "var(--line)", strokeOpacity: 1 }),
        axisX({ ...axis, label: x, labelAnchor: "center" }),
        axisY({ ...axis, label: y, labelAnchor: "center" }),
        line(
          [
            [0, 0],
            [1, 1],
          ],
          { stroke: "var(--soft)", strokeDasharray: "2 4" },
        ),
        ...marks,
      ],
    });
  }

  /**
   * Rows of the second label are drawn upwards, of the first downwards, as shares of the label.
   * Their square roots are drawn: most probabilities of a good model are close to 0 or 1.
   *
   * @param {Drawn[]} all
   * @param {number} width
   */
  function distributions(all, width) {
    const { areaY, axisX, axisY, line, ruleY } = library();
    const series = all.flatMap(({ place, curve }) =>
      (curve.histogram ?? []).map((counts, code) => {
        const total = counts.reduce((sum, n) => sum + n, 0) || 1;
        const heights = Array.from(counts, (n) => (code === 1 ? 1 : -1) * Math.sqrt(n / total));
        const points = heights.flatMap((y, bin) => [
          { x: bin / N_HISTOGRAM, y },
          { x: (bin + 1) / N_HISTOGRAM, y },
        ]);
        return { place, points };
      }),
    );
    const highest = Math.max(
      ...series.flatMap(({ points }) => points.map(({ y }) => Math.abs(y))),
      0.1,
    );
    const up = SHARES.map(Math.sqrt).filter((root) => root <= highest);
    const ticks = [...up.map((root) => -root), 0, ...up];
    return draw({
      width,
      height: HEIGHT,
      ...MARGINS,
      marginLeft: 66,
      x: { domain: [0, 1] },
      y: { domain: [-highest, highest] },
      marks: [
        axisX({
          ticks: 5,
          tickSize: 0,
          label: t("runs.calibration_x"),
          labelAnchor: "center",
          labelArrow: "none",
        }),
        axisY({
          ticks,
          tickSize: 0,
          label: t("runs.distributions_y"),
          labelAnchor: "center",
          labelArrow: "none",
          tickFormat: (root) => `${Math.round(root ** 2 * 100)} %`,
        }),
        ruleY([0], { stroke: "var(--soft)" }),
        ...series.flatMap(({ place, points }) => [
          areaY(points, {
            x: "x",
            y1: 0,
            y2: "y",
            fill: SERIES[place] ?? "",
            fillOpacity: all.length > 3 ? 0 : 0.18,
          }),
          line(points, { x: "x", y: "y", ...look(place), strokeWidth: 1.5 }),
        ]),
      ],
    });
  }

  /** @param {number} place */
  function look(place) {
    return { stroke: SERIES[place] ?? "", strokeWidth: 2, strokeDasharray: DASHES[place] ?? "" };
  }
}
