/** The parts of Observable Plot that pages use; a script of its own, because it rarely changes. */
export {
  areaY,
  axisX,
  axisY,
  dot,
  gridX,
  gridY,
  line,
  plot,
  ruleX,
  ruleY,
  text,
} from "@observablehq/plot";
