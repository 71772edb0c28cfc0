// One scale of colours for all that stands beside each other: log10, six decades at most, as in every picture.
import { digits, el } from "./dom.js";

const LEVELS = 24;
const DECADES = 6;

export function scaleOf(values) {
  const there = values.filter((value) => value > 0 && Number.isFinite(value));
  if (!there.length) return { low: 1, high: 1, level: () => 0 };
  const high = there.reduce((a, b) => Math.max(a, b)),
    least = there.reduce((a, b) => Math.min(a, b));
  const low = Math.max(least, high / 10 ** DECADES);
  const span = Math.log10(high / low) || 1;
  const level = (value) =>
    Math.max(0, Math.min(LEVELS - 1, Math.floor((1 - Math.log10(high / Math.max(value, low)) / span) * LEVELS)));
  return { low, high, level: (value) => (value > 0 ? level(value) : 0) };
}

export const shade = (scale, value) => (value === null || value === undefined ? "none" : `q${scale.level(value)}`);
export const deep = (scale, value) => value > 0 && scale.level(value) >= 11;

export function legend(scale, title) {
  const swatches = Array.from({ length: LEVELS }, (_, k) => el("i", { class: `q${k}` }));
  return [
    el("span", {}, title),
    el("span", {}, digits(scale.low)),
    el("span", { class: "swatches", "aria-hidden": "true" }, ...swatches),
    el("span", {}, digits(scale.high)),
  ];
}
