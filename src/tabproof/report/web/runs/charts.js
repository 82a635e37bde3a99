/** Plots: their style, and points that can be reached by mouse and by keys. */

import { h } from "../shared/dom.js";
import { asText } from "./model.js";
import { short, titleOf } from "./parts.js";

/** @typedef {import("@observablehq/plot").PlotOptions} PlotOptions */
/** @typedef {import("../shared/texts.js").Texts} Texts */
/** @typedef {import("./columns.js").Column} Column */
/** @typedef {import("./model.js").Run} Run */
/** @typedef {{x: number, y: number, label: string, lines: string[], key: string}} Target in pixels */

/** Return Observable Plot, which is a script of its own in the page. */
export const library = () =>
  /** @type {typeof import("../plot.js")} */ (/** @type {any} */ (globalThis).Plot);

/** Colours of series; variables, so that both schemes have their own. */
export const SERIES = Array.from({ length: 7 }, (_, n) => `var(--series-${n + 1})`);
export const REST = "var(--rest)";
/** Dashes of lines, which differ without colours too. */
export const DASHES = ["", "7 3", "2.5 2", "8 3 2 3", "1 3", "12 4", "6 2 1 2 1 2"];
/** Event at plots: other runs are ticked than before. */
export const TICKED = "ticked";
/** Maximum distance of a point from the pointer, in pixels. */
const NEAR = 30;

/**
 * Draw a plot.
 *
 * @param {PlotOptions} options
 * @returns {SVGSVGElement & import("@observablehq/plot").Plot}
 */
export function draw(options) {
  const style = {
    background: "transparent",
    color: "var(--soft)",
    fontFamily: "inherit",
    fontSize: "12px",
    overflow: "visible",
  };
  const svg = library().plot({ ...options, style });
  svg.setAttribute("aria-hidden", "true");
  return /** @type {any} */ (svg);
}

/**
 * Return a figure that is drawn as wide as its place, and again when that changes.
 *
 * @param {string} caption
 * @param {string} label description of the picture, for screen readers
 * @param {(width: number) => Node} make
 */
export function figure(caption, label, make) {
  const place = h("div", { class: "drawing", role: "img", "aria-label": label });
  redrawn(place, make);
  return h("figure", {}, place, h("figcaption", {}, caption));
}

/**
 * Draw into an element whenever its width changes.
 *
 * @param {HTMLElement} place
 * @param {(width: number) => Node} make
 */
export function redrawn(place, make) {
  let width = 0;
  const observer = new ResizeObserver(([entry]) => {
    const now = Math.floor(entry?.contentRect.width ?? 0);
    if (now === width || now === 0) return;
    width = now;
    place.replaceChildren(make(width));
  });
  observer.observe(place);
}

/**
 * Make the points of a plot reachable: a box describes the point nearest to the pointer, and arrow
 * keys go from point to point.
 *
 * @param {Node} svg
 * @param {Target[]} targets in the order of arrow keys
 * @param {string} label of the plot
 * @param {Texts} t
 * @param {{isTicked: (key: string) => boolean, choose: (key: string) => void}} act
 */
export function pointable(svg, targets, label, t, { isTicked, choose }) {
  const box = h("div", { class: "tip", hidden: true });
  const ring = h("span", { class: "ring", hidden: true });
  const marks = h("span", {});
  // Screen readers announce the value of a slider when keys change it.
  const element = h(
    "div",
    {
      class: "pointable",
      role: "slider",
      tabindex: "0",
      "aria-label": label,
      "aria-valuemin": 1,
      "aria-valuemax": Math.max(targets.length, 1),
      "aria-valuenow": 1,
      "aria-valuetext": targets[0]?.label ?? "",
    },
    svg,
    marks,
    ring,
    box,
  );
  let current = -1;
  /** @param {number} place */
  const show = (place) => {
    const target = targets[place];
    current = target ? place : -1;
    box.hidden = ring.hidden = !target;
    if (!target) return;
    element.setAttribute("aria-valuenow", String(place + 1));
    const isChosen = isTicked(target.key);
    const words = isChosen ? `${target.label}, ${t("runs.is_ticked")}` : target.label;
    element.setAttribute("aria-valuetext", words);
    ring.style.transform = moveTo(target);
    box.replaceChildren(
      ...target.lines.map((line, n) => h(n ? "div" : "strong", {}, h("bdi", {}, line))),
      h("div", { class: "hint" }, t(isChosen ? "runs.hint_untick" : "runs.hint_tick")),
    );
    const isLeft = target.x > element.clientWidth / 2;
    box.style.left = isLeft ? "auto" : `${target.x + 14}px`;
    box.style.right = isLeft ? `${element.clientWidth - target.x + 14}px` : "auto";
    box.style.top = `${Math.max(target.y - 20, 0)}px`;
  };
  element.addEventListener("pointermove", (event) => show(nearest(event)));
  element.addEventListener("pointerleave", () => {
    if (!element.matches(":focus-visible")) show(-1);
  });
  element.addEventListener("focus", () => {
    if (element.matches(":focus-visible")) show(Math.max(current, 0));
  });
  element.addEventListener("blur", () => show(-1));
  element.addEventListener("click", (event) => {
    const place = nearest(event);
    const target = targets[place];
    if (target) choose(target.key);
    show(place);
  });
  element.addEventListener(TICKED, () => {
    mark();
    show(current);
  });
  mark();
  element.addEventListener("keydown", (event) => {
    const last = targets.length - 1;
    /** @type {Record<string, () => number>} */
    const moves = {
      ArrowRight: () => Math.min(current + 1, last),
      ArrowUp: () => Math.min(current + 1, last),
      ArrowLeft: () => Math.max(current - 1, 0),
      ArrowDown: () => Math.max(current - 1, 0),
      PageUp: () => Math.min(current + 10, last),
      PageDown: () => Math.max(current - 10, 0),
      Home: () => 0,
      End: () => last,
    };
    const target = targets[current];
    if (event.key in moves) show(/** @type {() => number} */ (moves[event.key])());
    else if ((event.key === "Enter" || event.key === " ") && target) choose(target.key);
    else if (event.key === "Escape") show(-1);
    else return;
    event.preventDefault();
  });
  return element;

  /** Draw a ring around each point of a ticked run. */
  function mark() {
    const ticked = targets.filter(({ key }) => isTicked(key));
    marks.replaceChildren(
      ...ticked.map((target) => h("span", { class: "ring", style: `transform:${moveTo(target)}` })),
    );
  }

  /** @param {Target} target */
  function moveTo({ x, y }) {
    return `translate(${x}px, ${y}px)`;
  }

  /** @param {MouseEvent} event */
  function nearest(event) {
    const { left, top } = element.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    let [best, distance] = [-1, NEAR];
    targets.forEach((target, place) => {
      const far = Math.hypot(target.x - x, target.y - y);
      if (far < distance) [best, distance] = [place, far];
    });
    return best;
  }
}

/**
 * Return where a value is in a plot, in pixels.
 *
 * @param {import("@observablehq/plot").Scale | undefined} scale
 * @param {string | number} value
 */
export function centre(scale, value) {
  return Number(scale?.apply(value) ?? 0);
}

/**
 * Return a point that stands for a run.
 *
 * @param {Run} run
 * @param {number} x
 * @param {number} y
 * @param {string[]} facts
 * @returns {Target}
 */
export function target(run, x, y, facts) {
  const lines = [
    titleOf(run),
    `${short(run.dataset, 40)}, ${short(run.when.slice(0, 16))}`,
    ...facts,
  ];
  return { x, y, lines, label: lines.join(", "), key: run.path };
}

/**
 * Return the value of a run in a column, shortened.
 *
 * @param {Column} column
 * @param {Run} run
 */
export function cellText(column, run) {
  const cell = column.get(run);
  if (typeof cell === "number") return String(Number(cell.toPrecision(5)));
  return short(asText(cell), 40);
}
