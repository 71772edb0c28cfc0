// A small editor: a textarea over its own coloured copy, line numbers, and the line of an error marked.
import { el } from "./dom.js";

const TOKENS =
  /(#.*)|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|\b(def|return|with|if|else|elif|for|while|in|and|or|not|class|import|from|as|lambda|None|True|False)\b|(\bself\b)|(\b\d+(?:\.\d+)?\b)|([+\-*/@=]+)/gu;
const KINDS = [null, "comment", "string", "keyword", "self", "figure", "operator"];

function coloured(line) {
  const parts = [];
  let end = 0;
  for (const match of line.matchAll(TOKENS)) {
    const kind = KINDS[match.findIndex((group, k) => k > 0 && group !== undefined)];
    parts.push(line.slice(end, match.index), el("span", { class: kind }, match[0]));
    end = match.index + match[0].length;
  }
  return [...parts, line.slice(end)];
}

export function makeEditor(place, name, changed) {
  const numbers = el("div", { class: "numbers", "aria-hidden": "true" });
  const copy = el("pre", { class: "copy", "aria-hidden": "true" });
  const area = el("textarea", {
    spellcheck: "false",
    autocapitalize: "none",
    autocomplete: "off",
    wrap: "off",
    "aria-label": name,
    "aria-describedby": "code-error",
  });
  place.append(numbers, el("div", { class: "sheet" }, copy, area));
  let wrong = null;
  function draw() {
    const lines = area.value.split("\n");
    area.rows = Math.max(10, lines.length);
    const mark = (k) => (k + 1 === wrong ? "wrong" : null);
    numbers.replaceChildren(...lines.map((_, k) => el("span", { class: mark(k) }, String(k + 1))));
    copy.replaceChildren(
      ...lines.map((line, k) => el("span", { class: `line ${mark(k) ?? ""}` }, ...coloured(line), "\n")),
    );
    copy.scrollLeft = area.scrollLeft;
  }
  area.addEventListener("input", () => {
    wrong = null;
    draw();
    changed(area.value);
  });
  area.addEventListener("scroll", () => {
    copy.scrollLeft = area.scrollLeft;
    copy.scrollTop = area.scrollTop;
  });
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    const before = area.value.slice(0, area.selectionStart).split("\n").pop();
    const indent = before.match(/^\s*/)[0] + (before.trimEnd().endsWith(":") ? "    " : "");
    if (!indent) return;
    event.preventDefault();
    area.setRangeText(`\n${indent}`, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input"));
  });
  return {
    get value() {
      return area.value;
    },
    set(text) {
      wrong = null;
      area.value = text;
      draw();
      area.scrollLeft = 0;
    },
    error(line) {
      wrong = line;
      area.setAttribute("aria-invalid", line ? "true" : "false");
      draw();
    },
    focus: () => area.focus(),
    named: (text) => area.setAttribute("aria-label", text),
  };
}
