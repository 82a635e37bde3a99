/** The values of a plot beside the pointer, the finger, or where arrow keys lead. */
import { nearest, readMarks, step } from "./hover/points.js";
import { h, readJson } from "./shared/dom.js";
import { makeTexts } from "./shared/texts.js";

/** @import { Mark } from "./hover/points.js" */

const SVG = "http://www.w3.org/2000/svg";
/** Maximum distance of a mark from the pointer, in pixels of the plot. */
const NEAR = 60;
/** Distance between a mark and its box, in pixels of the screen. */
const GAP = 14;
const t = makeTexts(readJson("hover-texts"));
const tip = h("div", { class: "hover-tip", "aria-hidden": "true", hidden: true });
const status = h("p", { class: "unseen", role: "status" });
const hint = h("p", { class: "unseen", id: "hover-keys" }, t("hover.keys"));

/** @param {SVGSVGElement} svg */
function follow(svg) {
  const text = svg.querySelector("metadata")?.textContent;
  if (!text) return;
  /** @type {Mark[]} */
  let marks = [];
  let current = -1;
  const ring = document.createElementNS(SVG, "circle");
  ring.setAttribute("class", "hover-ring");
  ring.setAttribute("r", "5");

  const read = () => {
    // Not before it is needed: a page has many plots.
    if (!marks.length) {
      marks = readMarks(JSON.parse(text), (values) => t("hover.interval", values));
    }
  };

  /** @param {number} place */
  function show(place) {
    const mark = marks[place];
    const matrix = svg.getScreenCTM();
    if (!mark || !matrix) {
      hide();
      return;
    }
    if (place !== current || tip.hidden) {
      current = place;
      tip.replaceChildren(
        ...(mark.name ? [h("strong", {}, h("bdi", {}, mark.name))] : []),
        ...mark.lines.map(([name, value]) =>
          h("div", {}, name && h("span", {}, h("bdi", {}, name)), " ", h("b", {}, h("bdi", {}, value))),
        ),
      );
      ring.setAttribute("cx", String(mark.x));
      ring.setAttribute("cy", String(mark.y));
      svg.append(ring);
      tip.hidden = false;
    }
    const at = new DOMPoint(mark.x, mark.y).matrixTransform(matrix);
    const { width, height } = tip.getBoundingClientRect();
    const isRight = at.x + GAP + width < document.documentElement.clientWidth;
    const left = isRight ? at.x + GAP : Math.max(at.x - GAP - width, 4);
    const top = at.y - GAP - height > 0 ? at.y - GAP - height : at.y + GAP;
    tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  function hide() {
    tip.hidden = true;
    current = -1;
    ring.remove();
  }

  /** @param {PointerEvent} event */
  function point(event) {
    const matrix = svg.getScreenCTM();
    if (!matrix) return;
    read();
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    show(nearest(marks, at.x, at.y, NEAR));
  }

  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", (event) => {
    // After a touch the box stays, so that it can be read.
    if (event.pointerType === "mouse") hide();
  });
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    read();
    const place = step(marks, current, event.key);
    show(place);
    const mark = marks[place];
    if (!mark) return;
    const words = mark.lines.map(([name, value]) => (name ? `${name}: ${value}` : value));
    status.textContent = [mark.name, ...words].filter(Boolean).join(", ");
  });
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("aria-describedby", hint.id);
}

(document.querySelector("main") ?? document.body).append(tip, status, hint);
for (const svg of document.querySelectorAll("svg.plot")) follow(/** @type {SVGSVGElement} */ (svg));
addEventListener("scroll", () => (tip.hidden = true), { passive: true });
