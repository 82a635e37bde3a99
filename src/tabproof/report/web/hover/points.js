/** The marks of a plot, as report/plots/points.py writes them. Uses no DOM. */

import { MINUS } from "../shared/texts.js";

/**
 * x, y : in the units of the axes. x_texts, y_texts : their labels there. words : a description of
 * each mark, shown instead. of : the axis along which the intervals from low to high lie.
 *
 * @typedef {object} Series
 * @property {(number | null)[]} x
 * @property {(number | null)[]} y
 * @property {string} [name]
 * @property {string[]} [x_texts]
 * @property {string[]} [y_texts]
 * @property {"%"} [x_unit]
 * @property {"%"} [y_unit]
 * @property {string[]} [words]
 * @property {"x" | "y"} [of]
 * @property {(number | null)[]} [low]
 * @property {(number | null)[]} [high]
 */

/**
 * box : left, top, width and height in pixels of the SVG. axes : the ends of x and of y.
 *
 * @typedef {object} Panel
 * @property {[number, number, number, number]} box
 * @property {[[number, number], [number, number]]} axes
 * @property {[string, string]} names
 * @property {Series[]} series
 */

/**
 * A mark: its place in pixels of the SVG, and the lines that describe it.
 *
 * @typedef {object} Mark
 * @property {number} x
 * @property {number} y
 * @property {number} series a number that no other series of the plot has
 * @property {string | undefined} name
 * @property {[string, string][]} lines what is measured, and its value
 */

/** @typedef {(values: {value: string, low: string, high: string}) => string} WriteInterval */

/** Write a number with four digits. @param {number} value @param {"%" | undefined} unit */
export function write(value, unit) {
  if (unit === "%") return `${Number((100 * value).toPrecision(3))}%`;
  const size = Math.abs(value);
  const text =
    size >= 1e4 && size < 1e15
      ? Math.round(value).toLocaleString("en-US")
      : String(Number(value.toPrecision(4)));
  return text.replace("-", MINUS);
}

/**
 * Return the marks of panels, in the order in which arrow keys go through them.
 *
 * @param {Panel[]} panels
 * @param {WriteInterval} writeInterval
 * @returns {Mark[]}
 */
export function readMarks(panels, writeInterval) {
  let nSeries = 0;
  return panels.flatMap(({ box: [left, top, width, height], axes: [xs, ys], names, series }) =>
    series.flatMap((each) => {
      const number = (nSeries += 1);
      return each.x
        .map((x, place) => {
          const y = each.y[place];
          if (x === null || y === null || y === undefined) return null;
          return {
            x: left + ((x - xs[0]) / (xs[1] - xs[0])) * width,
            y: top + height - ((y - ys[0]) / (ys[1] - ys[0])) * height,
            series: number,
            name: each.name,
            lines: linesOf(each, place, names, writeInterval),
          };
        })
        .filter((mark) => mark !== null)
        .sort((one, other) => one.x - other.x || other.y - one.y);
    }),
  );
}

/**
 * @param {Series} series
 * @param {number} place
 * @param {[string, string]} names
 * @param {WriteInterval} writeInterval
 * @returns {[string, string][]}
 */
function linesOf(series, place, names, writeInterval) {
  if (series.words) return [["", series.words[place] ?? ""]];
  /** @type {[string, string][]} */
  const lines = /** @type {const} */ (["x", "y"]).map((axis, which) => {
    const unit = series[`${axis}_unit`];
    const value = series[`${axis}_texts`]?.[place] ?? write(series[axis][place] ?? NaN, unit);
    const low = series.low?.[place];
    const high = series.high?.[place];
    const hasInterval = series.of === axis && typeof low === "number" && typeof high === "number";
    const text = hasInterval
      ? writeInterval({ value, low: write(low, unit), high: write(high, unit) })
      : value;
    return [names[which] ?? "", text];
  });
  // The name of a category comes first.
  return series.y_texts && names[1] === "" ? lines.reverse() : lines;
}

/**
 * Return the mark nearest to a place, if one is near.
 *
 * @param {Mark[]} marks
 * @param {number} x
 * @param {number} y
 * @param {number} most the greatest distance
 */
export function nearest(marks, x, y, most) {
  let found = -1;
  let least = most;
  marks.forEach((mark, place) => {
    const distance = Math.hypot(mark.x - x, mark.y - y);
    if (distance <= least) {
      least = distance;
      found = place;
    }
  });
  return found;
}

/**
 * Return where an arrow key leads: along a series, or to the nearest mark of another one.
 *
 * @param {Mark[]} marks
 * @param {number} from -1 at the beginning
 * @param {string} key
 */
export function step(marks, from, key) {
  const mark = marks[from];
  if (mark === undefined) return marks.length ? 0 : -1;
  if (key === "ArrowRight" || key === "ArrowLeft") {
    const to = from + (key === "ArrowRight" ? 1 : -1);
    return marks[to]?.series === mark.series ? to : from;
  }
  const wanted = mark.series + (key === "ArrowDown" ? 1 : -1);
  let found = from;
  let least = Infinity;
  marks.forEach((other, place) => {
    const distance = Math.abs(other.x - mark.x);
    if (other.series === wanted && distance < least) {
      least = distance;
      found = place;
    }
  });
  return found;
}
