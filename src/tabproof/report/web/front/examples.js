/** Examples to copy: tabs, one for each language, with the address that the browser used. */
import { copyText } from "../shared/clipboard.js";
import { h } from "../shared/dom.js";

/**
 * Make tabs of the examples, and buttons that copy them.
 *
 * @param {URL} address of the prediction
 * @param {import("../shared/texts.js").Texts} t
 */
export function showExamples(address, t) {
  for (const place of document.querySelectorAll("[data-address]")) {
    // In a URL it is the same, and it cannot end a text in single quotes.
    place.textContent = address.href.replaceAll("'", "%27");
  }
  for (const examples of document.querySelectorAll(".examples")) {
    const panels = /** @type {HTMLElement[]} */ ([...examples.children]);
    for (const panel of panels) addCopyButton(panel, t);
    makeTabs(/** @type {HTMLElement} */ (examples), panels);
  }
}

/**
 * @param {HTMLElement} panel
 * @param {import("../shared/texts.js").Texts} t
 */
function addCopyButton(panel, t) {
  const pre = /** @type {HTMLElement} */ (panel.querySelector("pre"));
  const button = h("button", { type: "button", class: "copy" }, t("common.copy"));
  button.addEventListener("click", async () => {
    if (!(await copyText(pre.textContent ?? "", button))) return;
    button.textContent = t("common.copied");
    setTimeout(() => (button.textContent = t("common.copy")), 2000);
  });
  pre.after(button);
}

/**
 * Show one panel at a time; the heading of each becomes its tab.
 *
 * @param {HTMLElement} examples
 * @param {HTMLElement[]} panels
 */
function makeTabs(examples, panels) {
  const tabs = panels.map((panel, place) => {
    const heading = /** @type {HTMLElement} */ (panel.querySelector("h3"));
    panel.id = `example-${place}`;
    const attributes = { type: "button", role: "tab", id: `tab-${place}`, "aria-controls": panel.id };
    const tab = h("button", attributes, heading.textContent);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    heading.remove();
    tab.addEventListener("click", () => select(place));
    return tab;
  });

  /** @param {number} chosen */
  function select(chosen) {
    for (const [place, tab] of tabs.entries()) {
      tab.setAttribute("aria-selected", String(place === chosen));
      tab.tabIndex = place === chosen ? 0 : -1;
      /** @type {HTMLElement} */ (panels[place]).hidden = place !== chosen;
    }
  }

  const list = h("div", { class: "tabs", role: "tablist", "aria-label": examples.dataset.label }, tabs);
  list.addEventListener("keydown", (event) => {
    const now = tabs.findIndex((tab) => tab === document.activeElement);
    const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: -1 }[event.key];
    if (now < 0 || next === undefined) return;
    const place = (next + tabs.length) % tabs.length;
    select(place);
    tabs[place]?.focus();
    event.preventDefault();
  });
  examples.prepend(list);
  select(0);
}
