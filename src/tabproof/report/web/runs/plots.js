/** The panel of plots. */

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
  if (!focus) return;
  const again = panel.querySelector(`[data-key="${CSS.escape(focus)}"]`);
  if (again instanceof HTMLElement) again.focus({ preventScroll: true });
}
