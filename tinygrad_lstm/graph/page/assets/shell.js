"use strict";
// What all pages share: small helpers, numbers as Python writes them, words in two languages, dark or light.

const data = JSON.parse(document.getElementById("data").textContent);
const WORDS = {
  en: {
    projector: "Projector",
    projectorName: "Larger text, to be read from the back row",
    theme: "Dark or light",
    close: "Close",
    comma: ", ",
    at: (t, w) => `t = ${t}${w ? ` “${w}”` : ""}`,
  },
  zh: {
    projector: "投影",
    projectorName: "放大文字，后排也能看清",
    theme: "深色或浅色",
    close: "关闭",
    comma: "，",
    at: (t, w) => `t = ${t}${w ? `“${w}”` : ""}`,
  },
};
const TERMS = {
  "cell state": "元胞状态",
  "hidden state": "隐藏状态",
  input: "输入",
  "forget gate": "遗忘门",
  "input gate": "输入门",
  candidate: "候选值",
  "output gate": "输出门",
  "update gate": "更新门",
  "reset gate": "重置门",
  highway: "高速通道",
  recurrence: "循环连接",
  readout: "读出",
  "dy where y = a": "dy，在 y = a 处",
  "dy where y = b": "dy，在 y = b 处",
  "dy where low ≤ x ≤ high": "dy，在 low ≤ x ≤ high 处",
  "dy where true": "dy，在条件成立处",
  "dy where false": "dy，在条件不成立处",
  "dy where x > 0": "dy，在 x > 0 处",
  "dy, or dy · slope": "dy，或 dy · 斜率",
  "dy · slope where 0 < y < 1": "dy · 斜率，在 0 < y < 1 处",
  "dy · sign x": "dy · x 的符号",
  "dy at the maximum": "dy，在最大值处",
  "dy at the minimum": "dy，在最小值处",
  "Σ dy from there on": "从该处起的 Σ dy",
  "dy at the index": "dy，在索引处",
  "dy at each row": "dy，在各行处",
  "dy at its place": "dy，在其原位",
  "Σ dy · the others": "Σ dy · 其余各项",
};
const spoken = { lang: "en" };

const $ = (id) => document.getElementById(id);
const own = (table, key) => (Object.hasOwn(table, key) ? table[key] : undefined); // names are a user's: "constructor" is one
const say = (key, ...args) => {
  const word = WORDS[spoken.lang][key];
  return args.length ? word(...args) : word;
};
const term = (word) => (spoken.lang === "zh" ? (own(TERMS, word) ?? word) : word);
const sub = (n) => String(n).replace(/\d/g, (d) => "₀₁₂₃₄₅₆₇₈₉"[d]);

function digits(v) {
  // as Python's "%.3g": three significant digits, "–" where nothing was computed
  if (v === null || v === undefined) return "–";
  if (v === 0) return "0";
  const power = Math.floor(Math.log10(Math.abs(Number(v.toPrecision(3)))));
  const text = power < -4 || power > 2 ? v.toExponential(2) : v.toPrecision(3);
  return text.replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "");
}
const percent = (share) =>
  `${(100 * share)
    .toFixed(Math.abs(share) < 0.095 ? 1 : 0)
    .replace(/^-0\.0$/, "0.0")
    .replace("-", "−")} %`;
const portion = (share) =>
  share > 0 && share < 0.001 ? `${digits(100 * share)} %` : share > 10 ? `${digits(share)} ×` : percent(share); // a tiny part is not 0
const level = (v) => {
  // of a size: a single number's sign is not seen in its colour
  if (v === null) return -1;
  const part = Math.log(Math.abs(v) / data.low) / Math.log(data.high / data.low);
  return Math.min(data.levels - 1, Math.max(0, Math.floor(data.levels * part)) || 0);
};

function el(tag, kind, ...children) {
  // an element with a class; text children are text, whatever they hold
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(child))));
  return made;
}
function shape(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
const card = (title, ...content) => el("section", "card", el("h2", "", title), ...content);

function tip(event, lines) {
  const box = $("tip");
  box.hidden = !lines;
  if (!lines) return;
  box.replaceChildren(...lines.map((line, k) => el("div", k ? "" : "first", line)));
  box.style.left = `${Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8)}px`;
  box.style.top = `${event.clientY + 18 + box.offsetHeight > innerHeight ? event.clientY - box.offsetHeight - 10 : event.clientY + 18}px`;
}
function pressed(box, key, value) {
  for (const item of $(box).children) item.setAttribute("aria-pressed", String(item.dataset[key] === value));
}
function legend(what) {
  const swatches = el("span", "swatches", ...Array.from({ length: data.levels }, (_, k) => el("i", `q${k}`)));
  $("legend").replaceChildren(
    el("span", "", what),
    el("span", "", digits(data.low)),
    swatches,
    el("span", "", digits(data.high)),
  );
}
function speak(lang) {
  // all words that stand on the page; the page itself adds its own in `spoke`
  spoken.lang = lang;
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
  for (const item of document.querySelectorAll("[data-say]")) item.textContent = say(item.dataset.say);
  for (const item of document.querySelectorAll("[data-name]")) {
    item.setAttribute("aria-label", say(item.dataset.name));
    if (item.tagName === "BUTTON") item.title = say(item.dataset.name);
  }
  pressed("languages", "lang", lang);
  spoke(lang);
}
const keys = {}; // a key, and what it does
document.addEventListener("keydown", (event) => {
  if (!Object.hasOwn(keys, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key]();
});
function begin(words) {
  for (const lang of ["en", "zh"]) Object.assign(WORDS[lang], words[lang]);
  for (const item of $("languages").children) item.addEventListener("click", () => speak(item.dataset.lang));
  const dark = matchMedia("(prefers-color-scheme: dark)"),
    root = document.documentElement;
  const paint = () => {
    root.dataset.theme = dark.matches ? "dark" : "light";
  };
  $("theme").addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  });
  dark.addEventListener("change", paint);
  paint();
  speak(`${document.documentElement.lang} ${navigator.language}`.includes("zh") ? "zh" : "en");
  root.dataset.ready = "yes";
}
