/** Make elements. Text is always set as text, so names of columns and labels cannot be markup. */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Return an element with attributes and children.
 *
 * Keys beginning with "on" are event listeners; `false`, null and undefined leave an attribute out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on") && typeof value === "function") {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (name === "style" && typeof value === "string") {
      // A policy with hashes refuses the attribute, but not what a script sets.
      element.style.cssText = value;
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

/**
 * Add children; null, undefined and false are left out.
 *
 * @param {Node} parent
 * @param {(Child | Child[])[]} children
 */
export function append(parent, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/**
 * Return the parts of a text around a name, which is isolated from the direction of the text.
 *
 * @param {string} name
 * @param {(name: string) => string} write puts a name into the text
 */
export function aroundName(name, write) {
  const [before = "", after = ""] = write("\u0000").split("\u0000");
  return [before, h("bdi", {}, name), after];
}

/**
 * Return the content of a `<script type="application/json">` of this page.
 *
 * @param {string} id
 * @returns {any}
 */
export function readJson(id) {
  const text = document.getElementById(id)?.textContent;
  return text ? JSON.parse(text) : null;
}

/**
 * Show the parts of the page that a script fills; without it they are hidden.
 *
 * @param {string} name of the script, in `data-needs`
 */
export function reveal(name) {
  for (const part of document.querySelectorAll(`[data-needs="${name}"]`)) {
    /** @type {HTMLElement} */ (part).hidden = false;
  }
}
