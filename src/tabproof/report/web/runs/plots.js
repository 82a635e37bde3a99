/** The panel of plots. */

import { TICKED } from "./charts.js";
import { parallel } from "./parallel.js";
import { scatter } from "./scatter.js";

/** @typedef {import("./app.js").Act} Act */
/** @typedef {import("./app.js").Context} Context */
/** @typedef {import("./model.js").Run} Run */

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
  focusOn(panel, focus);
}

/**
 * Show which runs are ticked; what has the focus keeps it.
 *
 * @param {HTMLElement} panel
 * @param {Run[]} runs that the filter leaves
 * @param {Context} context
 * @param {Act} act
 */
export function renderTicked(panel, runs, context, act) {
  const old = panel.lastElementChild;
  if (!context.state.parallel && old) {
    const hadFocus = old.contains(document.activeElement);
    old.replaceWith(parallel(runs, context, act));
    if (hadFocus) focusOn(panel, "parallel");
  }
  for (const plot of panel.querySelectorAll(".pointable")) plot.dispatchEvent(new Event(TICKED));
}

/**
 * @param {HTMLElement} panel
 * @param {string | null | undefined} key
 */
function focusOn(panel, key) {
  const element = key && panel.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (element instanceof HTMLElement) element.focus({ preventScroll: true });
}
