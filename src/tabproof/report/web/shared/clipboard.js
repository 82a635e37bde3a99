/** Copy text, where the browser offers a clipboard and where it does not. */
import { h } from "./dom.js";

/**
 * Copy a text; return whether that worked.
 *
 * @param {string} text
 * @param {HTMLElement} button which was pressed, and keeps the focus
 */
export async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A page from a file, or by http from another machine, has no clipboard or no permission.
    const field = h("textarea", { class: "unseen", readonly: true });
    field.value = text;
    button.after(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    button.focus();
    return isCopied;
  }
}
