"use strict";
// The page is a position in a list of ops: those before it have sent their gradients back, the others not yet.
// Stepping changes the classes of the few edges in between; all text goes in by textContent.

const data = JSON.parse(document.getElementById("data").textContent);
const WORDS = {
  en: {
    heading: "Gradient microscope", fit: "Fit", next: "Next step", byTime: "by time step", byOp: "op by op", all: "all",
    theme: "Dark or light", strip: "Steps of the sequence: choose one", picture: "Picture: drag to move, wheel to zoom",
    panel: "Numbers of this step", in: "Zoom in", out: "Zoom out", home: "Whole picture (Home)", back: "One step back (←)",
    end: "Last step (End)", slider: "Step of the backward pass", mode: "How far one step goes", follow: "Follow a path",
    sub: (c, n, l) => `${c} · ${n} steps · the gradient flows back from L = ${l}`,
    live: (k, n, what) => `Step ${k} of ${n}: ${what}`,
    whole: "The whole backward pass. Press → to walk it from the end.",
    starts: "the gradient enters the picture from the right", at: (t, w) => `t = ${t}${w ? ` “${w}”` : ""}`,
    comma: ", ", sends: (y) => `${y} sends back `, gets: (s, v) => `${v} to ${s}`, layer: (k) => `layer ${k}`,
    mainly: (name, share) => `${share} of it by the ${name}`, start: "Start",
    arrives: (s) => `Arriving at ${s}`, sum: (k, n) => `${k} of ${n} shares have arrived`,
    ledger: (s) => `By which path it reaches ${s}`, total: "sum",
    gates: "What reached this step", forward: "forward", entries: "unit", first: "entry",
    values: "values", gradient: "gradient", shape: "shape", scope: "scope", name: "name", range: "min · mean · max",
    histogram: "entries of the gradient, counted by size", none: "– : never computed", close: "Close",
    outside: (t, a, b) => `Step ${t} is not drawn: this page holds steps ${a} to ${b}. Save it with steps=(…) to see others.`,
    window: (a, b, n) => `drawn: steps ${a} to ${b} of ${n}; the strip shows all`, parameters: "Parameters, shared by all steps",
    how: "How to read this", low: "small", gate: "Learner’s labels",
    guide: ["Thin dark lines are the forward pass, from left to right. The broad coloured bands are the gradient on its way back; colour and width show its size on a log scale.",
      "Press → (or “Next step”) and predict, before each number appears, whether the gradient will grow or shrink.",
      "Point at anything for its numbers. Click it for its equation, values and a histogram."],
    keys: "Keys: ← → step · Home End · + − 0 zoom", readSum: "Parts are projections on the sum, so they add up to 100 %; one below 0 works against it.",
  },
  zh: {
    heading: "梯度显微镜", fit: "适合窗口", next: "下一步", byTime: "逐时间步", byOp: "逐运算", all: "全部",
    theme: "深色或浅色", strip: "序列的各时间步：点击可跳转", picture: "计算图：拖动平移，滚轮缩放",
    panel: "本步的数值", in: "放大", out: "缩小", home: "整体（Home）", back: "退一步（←）",
    end: "最后一步（End）", slider: "反向传播的步数", mode: "每次走多远", follow: "突出哪条路径",
    sub: (c, n, l) => `${c} · 共 ${n} 个时间步 · 梯度从 L = ${l} 往回传`,
    live: (k, n, what) => `第 ${k} 步，共 ${n} 步：${what}`,
    whole: "这是完整的反向传播。按 → 键，从最后一个时间步开始逐步查看。",
    starts: "梯度从右侧进入图中", at: (t, w) => `t = ${t}${w ? `「${w}」` : ""}`,
    comma: "，", sends: (y) => `${y} 回传：`, gets: (s, v) => `${s} 得 ${v}`, layer: (k) => `第 ${k} 层`,
    mainly: (name, share) => `其中 ${share} 经由${name}`, start: "起点",
    arrives: (s) => `正在汇入 ${s} 的梯度`, sum: (k, n) => `${n} 份中已到 ${k} 份`,
    ledger: (s) => `梯度经哪些路径到达 ${s}`, total: "合计",
    gates: "到达本时间步的梯度", forward: "前向", entries: "单元", first: "元素",
    values: "数值", gradient: "梯度", shape: "形状", scope: "所在模块", name: "名称", range: "最小 · 均值 · 最大",
    histogram: "梯度各元素的分布", none: "– 表示没有计算过", close: "关闭",
    outside: (t, a, b) => `第 ${t} 步不在图中：本页只画了第 ${a} 到 ${b} 步。保存时用 steps=(…) 可另选范围。`,
    window: (a, b, n) => `图中为第 ${a}–${b} 步（共 ${n} 步），上方色带显示全部`, parameters: "参数（所有时间步共享）",
    how: "怎样看这张图", low: "小", gate: "符号说明",
    guide: ["细的深色线是前向计算，从左到右；宽的彩色带是往回传的梯度，颜色和宽度按对数刻度表示大小。",
      "按 → 键（或“下一步”）。在数字出现之前，先猜一猜梯度会变大还是变小。",
      "鼠标停在任何地方都能看到数值；点击可查看公式、取值和直方图。"],
    keys: "按键：← → 前后走 · Home End 首尾 · + − 0 缩放", readSum: "占比是各项在总和方向上的投影，加起来正好 100 %；负值表示起抵消作用。",
  },
};
const NAMES = { // [English, 中文, caption in the picture]
  C: ["cell state", "元胞状态"], h: ["hidden state", "隐藏状态"], x: ["input", "输入"], f: ["forget gate", "遗忘门"],
  i: ["input gate", "输入门"], "C̃": ["candidate", "候选值"], o: ["output gate", "输出门"], z: ["update gate", "更新门"],
  r: ["reset gate", "重置门"], n: ["candidate", "候选值"], highway: ["highway", "高速通道"], readout: ["readout", "读出"],
};
const CAPTIONS = { forget: "遗忘门", input: "输入门", candidate: "候选值", "cand.": "候选值", output: "输出门",
  update: "更新门", reset: "重置门", loss: "损失", pad: "填充" };

const $ = (id) => document.getElementById(id);
const svg = $("picture"), home = svg.getAttribute("viewBox").split(" ").map(Number);
const state = { at: 0, mode: "time", path: data.follow || "all", lang: "en", chosen: null, note: "" };
let view = home.slice(), marked = [0, 0], hidden = 0, boxed = null;
const say = (key, ...args) => { const word = WORDS[state.lang][key]; return args.length ? word(...args) : word; };
const called = (name) => (NAMES[name] || [name, name])[state.lang === "zh" ? 1 : 0];
const sub = (n) => String(n).replace(/\d/g, (d) => "₀₁₂₃₄₅₆₇₈₉"[d]);
const label = (t) => (data.labels ? data.labels[data.times.indexOf(t)] ?? "" : "");

function digits(v) { // as Python's "%.3g": three significant digits, "–" where nothing was computed
  if (v === null || v === undefined) return "–";
  if (v === 0) return "0";
  const power = Math.floor(Math.log10(Math.abs(Number(v.toPrecision(3)))));
  const text = power < -4 || power > 2 ? v.toExponential(2) : v.toPrecision(3);
  return text.replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "").replace("e+", "e+");
}
const percent = (share) => `${(100 * share).toFixed(Math.abs(share) < 0.095 ? 1 : 0).replace(/^-0\.0$/, "0.0").replace("-", "−")} %`;
const level = (v) => (v === null ? -1 : v <= data.low ? 0 : v >= data.high ? data.levels - 1
  : Math.min(data.levels - 1, Math.floor(data.levels * Math.log(v / data.low) / Math.log(data.high / data.low))));

function el(tag, kind, ...children) { // an element with a class; text children are text, whatever they hold
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(child))));
  return made;
}
function shape(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// — stepping —

const parts = data.ops.map((op) => [...(op.ids || []), ...op.ins.flatMap((share) => share.ids)].map($).filter(Boolean));
const nodes = data.ops.map((op) => op.node && $(op.node));
const stops = { time: [0, ...data.groups.map((group) => group[2])], op: data.ops.map((_, k) => k).concat(data.ops.length) };
const ends = () => stops[state.mode];
const current = () => data.ops[ends()[state.at] - 1];
const group = () => data.groups.find((g) => g[2] >= ends()[state.at]);

function reveal(done, from) { // only what changes: edges between the old position and the new one
  const box = state.at > 0 ? $(group()[3]) : null;
  if (box !== boxed) [boxed, box].forEach((part) => part?.classList.toggle("now", part === box));
  boxed = box;
  if (state.at > 0 !== svg.classList.contains("stepping")) svg.classList.toggle("stepping");
  for (let k = Math.min(hidden, done); k < Math.max(hidden, done); k++)
    for (const part of parts[k]) part.classList.toggle("later", k >= done);
  for (let k = marked[0]; k < marked[1]; k++) mark(k, false);
  for (let k = from; k < done; k++) mark(k, true);
  [hidden, marked] = [done, [from, done]];
}
function mark(k, on) {
  for (const part of parts[k]) part.classList.toggle("now", on);
  nodes[k]?.classList.toggle("now", on);
}
function go(at, quiet) {
  state.at = Math.max(0, Math.min(ends().length - 1, at));
  state.note = "";
  reveal(ends()[state.at], state.at ? ends()[state.at - 1] : ends()[0]);
  $("slider").max = ends().length - 1;
  $("slider").value = state.at;
  if (!quiet) bringIntoView();
  tell();
}
function change(mode) { // the same place, in steps of another size
  const done = ends()[state.at];
  state.mode = mode;
  svg.classList.toggle("ops", mode === "op");
  go(ends().findIndex((end) => end >= done));
  pressed("modes", "mode", mode);
}
function goToStep(t) {
  const [first, last] = data.window;
  if (t < first || t > last) { state.note = say("outside", t, first, last); return tell(); }
  const k = data.groups.findIndex((g) => g[0] === data.layers - 1 && g[1] === t);
  if (k >= 0) go(ends().indexOf(data.groups[k][2]));
}

// — what is said about a step —

function sentence() {
  if (state.note) return state.note;
  if (state.at === 0) return say("whole");
  const op = current(), t = op.t, n = ends().length - 1;
  const where = t ? (data.layers > 1 ? `${say("layer", group()[0] + 1)}, ` : "") + say("at", t, label(t)) : "";
  if (!t) return say("live", state.at, n, say("starts"));
  if (state.mode === "op") {
    const sent = op.ins.map((share) => say("gets", data.tensors[share.x].sym, digits(share.n)));
    return say("live", state.at, n, `${where}${say("comma")}${say("sends", data.tensors[op.out].eq)}${sent.join(say("comma"))}`);
  }
  const ledger = data.ledger[`${group()[0]} ${t}`];
  if (!ledger) return say("live", state.at, n, where);
  const [top, [, share]] = Object.entries(ledger.terms).reduce((a, b) => (b[1][1] > a[1][1] ? b : a));
  const name = `∂L/∂${data.state}${sub(t - 1)}`;
  return say("live", state.at, n, `${where} · ‖${name}‖ = ${digits(ledger.norm)}${say("comma")}${say("mainly", called(top), percent(share))}`);
}
function tell() {
  $("live").textContent = sentence();
  $("slider").setAttribute("aria-valuetext", sentence());
  $("home").disabled = $("back").disabled = state.at === 0;
  $("next").disabled = $("end").disabled = state.at === ends().length - 1;
  moveCursor();
  panel();
}
function panel() {
  const cards = [];
  if (state.chosen !== null) cards.push(tensorCard(data.tensors[state.chosen]));
  if (state.at === 0) cards.push(...guide());
  else {
    const op = current();
    if (state.mode === "op") cards.push(opCard(op), ...arrivals(op));
    else cards.push(stepCard(op.t));
    const ledger = op.t && data.ledger[`${group()[0]} ${op.t}`];
    if (ledger) cards.push(ledgerCard(op.t, ledger));
  }
  const seen = state.chosen === null ? null : $("panel").scrollTop;
  $("panel").replaceChildren(...cards);
  if (seen === null) $("panel").scrollTo(0, 0);
}
const card = (title, ...content) => el("section", "card", el("h2", "", title), ...content);

const bare = (x) => (x.sym === x.eq ? "y" : x.sym); // what has no name is y
function formula(op, k) { // "dy · b" with the learner's own tensors in place of dy, a, b, x and y
  const out = data.tensors[op.out], rule = data.rules[out.op], names = data.inputs[out.op];
  const operands = Object.fromEntries(names.map((name, j) => [name, data.tensors[(op.ins.find((s) => s.k === j) || {}).x]?.sym]));
  const wrap = (text) => (/ [+−·@/] /.test(text) && !/^\[.*\]$/.test(text) ? `(${text})` : text);
  const said = { ...operands, y: bare(out) };
  const text = rule[k] ?? rule[0];
  const full = text.replace(/(?<![A-Za-z])(dy|a|b|x|y)(?![A-Za-z])/g, (word) =>
    (word === "dy" ? (bare(out) === "y" ? "dy" : `∂L/∂${out.sym}`) : said[word] ? wrap(said[word]) : word));
  return [text, full];
}
function table(rows, unit) { // a few numbers of each of several arrays, one above the other
  const made = el("table", "numbers");
  const wide = Math.max(...rows.map(([, entries]) => (entries || []).length));
  const head = el("tr", "", el("th", "", unit ? say("entries") : say("first")));
  for (let k = 0; k < wide; k++) head.append(el("th", "", unit ? String(data.units[k]) : String(k)));
  made.append(el("thead", "", head));
  const body = el("tbody");
  for (const [name, entries, kind] of rows) {
    const row = el("tr", kind || "", el("th", "", name));
    for (let k = 0; k < wide; k++) row.append(el("td", "", entries && k < entries.length ? digits(entries[k]) : ""));
    body.append(row);
  }
  made.append(body);
  return el("div", "scroll", made);
}
function opCard(op) {
  const out = data.tensors[op.out];
  if (!op.t) return startCard(op);
  const made = card(`${say("at", op.t, label(op.t))}`, equation(`${bare(out)} = ${out.eq}`, say("forward")));
  for (const share of op.ins) {
    const x = data.tensors[share.x], [rule, full] = formula(op, share.k);
    made.append(heading(share), equation(rule, "", full === rule ? "" : `= ${full}`));
    const rows = [["dy", out.dy]];
    for (const other of op.ins) if (other !== share && data.tensors[other.x].u && x.u) rows.push([data.tensors[other.x].sym, data.tensors[other.x].y]);
    if (/y/.test(rule.replace(/dy/g, "")) && out.u) rows.push(["y", out.y]);
    rows.push(["→", share.v, "result"]);
    made.append(table(out.u === x.u ? rows : rows.slice(-1), x.u));
  }
  return made;
}
function heading(share) {
  const x = data.tensors[share.x];
  return el("h3", "", button(share.x, `∂L/∂${x.sym}`), el("span", "", `‖·‖ = ${digits(share.n)} · ${x.shape.join(" × ")}`));
}
function startCard(op) {
  const made = card(say("start"), el("p", "", say("starts") + "."));
  for (const share of op.ins.slice(0, 6)) {
    made.append(heading(share), table([["→", share.v, "result"]], data.tensors[share.x].u));
  }
  return made;
}
function arrivals(op) { // where several shares meet: how far their sum has come
  return op.ins.filter((share) => share.sum).map((share) => {
    const x = data.tensors[share.x], [k, n, norm, entries] = share.sum;
    const dots = el("span", "dots", ...Array.from({ length: Math.min(n, 12) }, (_, j) => el("i", j < k ? "in" : "")));
    return card(say("arrives", x.sym), el("p", "", dots, " ", say("sum", k, n), `; ‖Σ‖ = ${digits(norm)}`),
      table([["+", share.v], ["Σ", entries, "result"]], x.u));
  });
}
function stepCard(t) {
  if (!t) return startCard(data.ops[0]);
  const made = card(say("at", t, label(t)));
  const list = el("div", "gates");
  const found = {};
  for (let k = marked[0]; k < marked[1]; k++) for (const j of [data.ops[k].out, ...data.ops[k].ins.map((s) => s.x)]) {
    const x = data.tensors[j], name = Object.keys(data.strip).find((key) => x.sym === key + sub(t));
    if (name) found[name] = j;
  }
  const top = Math.max(...Object.values(found).map((j) => data.tensors[j].grad || 0));
  made.append(el("h3", "", say("gates")));
  for (const name of Object.keys(data.strip)) if (name in found) {
    const x = data.tensors[found[name]];
    list.append(button(found[name], `∂L/∂${x.sym}`), el("span", "what", called(name)), bar(0, (x.grad || 0) / (top || 1), level(x.grad)), el("span", "norm", digits(x.grad)));
  }
  made.append(list);
  for (const name of Object.keys(found).filter((key) => data.tensors[found[key]].op))
    if ([data.state, "h"].includes(name)) made.append(equation(`${data.tensors[found[name]].sym} = ${data.tensors[found[name]].eq}`, called(name)));
  return made;
}
function bar(from, to, q) { // from and to between −1 and 1; negative parts grow to the left
  const low = Math.min(from, to, 0) < 0 ? -1 : 0, place = (v) => 100 * (v - low) / (1 - low);
  const made = shape("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  made.append(shape("rect", { class: "rail", x: 0, y: 0, width: 100, height: 8 }),
    shape("rect", { class: `q${q}`, x: Math.min(place(from), place(to)), y: 0, width: Math.max(0.6, Math.abs(place(to) - place(from))), height: 8 }));
  return made;
}
function ledgerCard(t, ledger) { // a staircase: each path begins where the one before has ended, and the last ends at 100 %
  const target = `${data.state}${sub(t - 1)}`, made = card(say("ledger", target)), list = el("div", "ledger");
  const steps = Object.entries(ledger.terms), edges = [0];
  for (const [, [, share]] of steps) edges.push(edges[edges.length - 1] + share);
  const low = Math.min(...edges), high = Math.max(...edges, 1), place = (v) => 100 * (v - low) / (high - low);
  steps.forEach(([name, [norm, share]], k) => {
    const stair = shape("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    const [a, b] = [place(edges[k]), place(edges[k + 1])];
    stair.append(shape("rect", { class: "rail", x: 0, y: 0, width: 100, height: 10 }),
      shape("rect", { class: `path-${k} ${share < 0 ? "against" : ""}`, x: Math.min(a, b), y: 0, width: Math.max(0.8, Math.abs(b - a)), height: 10 }));
    const title = name in NAMES && !["highway", "readout"].includes(name) ? el("span", "what", `${name} · ${called(name)}`) : el("span", "what", called(name));
    list.append(title, stair, el("span", "norm", digits(norm)), el("span", "part", percent(share)));
  });
  list.append(el("span", "what sum", `${say("total")} ∂L/∂${target}`), el("span", ""), el("span", "norm sum", digits(ledger.norm)), el("span", "part sum", "100 %"));
  made.append(list, el("p", "fine", say("readSum")));
  return made;
}
function button(place, text) {
  const made = el("button", "link", text);
  made.addEventListener("click", () => choose(place));
  return made;
}
const equation = (text, kind, more) => el("p", "equation", kind ? el("span", "kind", kind) : "", el("span", "", text), more ? el("span", "more", more) : "");

function guide() {
  const made = card(say("how"), ...say("guide").map((text) => el("p", "", text)), el("p", "fine", say("keys")));
  const labels = el("dl", "labels");
  for (const name of [...Object.keys(data.strip)]) labels.append(el("dt", "", name), el("dd", "", called(name)));
  const list = el("div", "gates");
  for (const j of data.parameters) {
    const x = data.tensors[j];
    list.append(button(j, x.sym), el("span", "what", x.shape.join(" × ")), el("span", ""), el("span", "norm", digits(x.grad)));
  }
  return [made, card(say("gate"), labels), card(say("parameters"), el("p", "fine", "‖∂L/∂W‖"), list)];
}
function tensorCard(x) {
  const made = card(x.sym, x.eq ? equation(`${bare(x)} = ${x.eq}`, say("forward")) : "");
  made.classList.add("chosen");
  const close = el("button", "icon close", "×");
  close.setAttribute("aria-label", say("close"));
  close.addEventListener("click", () => choose(null));
  made.prepend(close);
  const facts = el("dl", "facts");
  const fact = (key, value) => facts.append(el("dt", "", say(key)), el("dd", "", value));
  fact("shape", x.shape.length ? x.shape.join(" × ") : "( )");
  if (x.scope) fact("scope", x.scope);
  if (x.v) fact("range", x.v.map(digits).join(" · "));
  made.append(facts, table([[say("values"), x.y], [say("gradient"), x.dy, "result"]], x.u));
  made.append(el("p", "fine", x.grad === null ? say("none") : `‖∂L/∂${x.sym}‖ = ${digits(x.grad)}`));
  if (x.hist && x.hist.length > 3) made.append(histogram(x.hist));
  return made;
}
function histogram([low, high, ...counts]) {
  const top = Math.max(...counts), wide = 100 / counts.length, box = el("figure", "histogram");
  const plot = shape("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": say("histogram") });
  counts.forEach((n, k) => plot.append(shape("rect", { x: k * wide + 0.3, width: wide - 0.6, y: 40 - 40 * n / top, height: 40 * n / top })));
  if (low < 0 && high > 0) { const x = 100 * -low / (high - low); plot.append(shape("line", { x1: x, x2: x, y1: 0, y2: 40 })); }
  const axis = el("div", "axis", el("span", "", digits(low)), el("span", "", low < 0 && high > 0 ? "0" : ""), el("span", "", digits(high)));
  box.append(el("figcaption", "", say("histogram")), plot, axis);
  return box;
}
function choose(place) {
  for (const [id, j] of Object.entries(data.nodes))
    if (j === state.chosen || j === place) $(id)?.classList.toggle("chosen", j === place);
  state.chosen = place;
  panel();
}

// — the heat strip —

const strip = { rows: Object.keys(data.strip), left: 62, high: 15 };
function drawStrip() {
  const n = data.times.length, wide = Math.max(1.2, Math.min(130, ($("navigator").clientWidth - strip.left - 34) / n));
  const high = strip.rows.length * strip.high, picture = shape("svg", { width: strip.left + n * wide + 4, height: high + 20 });
  strip.wide = wide;
  strip.rows.forEach((name, row) => {
    const text = shape("text", { x: strip.left - 8, y: row * strip.high + 11, class: "row" });
    text.textContent = `∂L/∂${name}`;
    picture.append(text);
    data.strip[name].forEach((value, k) => picture.append(shape("rect", { class: value === null ? "none" : `q${level(value)}`,
      x: strip.left + k * wide, y: row * strip.high, width: Math.max(0.8, wide - (wide > 6 ? 1 : 0)), height: strip.high - 1 })));
  });
  const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((m) => m * wide > 26) || 1000;
  data.times.forEach((t, k) => {
    const room = Math.floor(wide / 7), word = label(t), named = word && room >= 3;
    if (!named && t % every && t !== 1) return;
    const text = shape("text", { x: strip.left + (k + 0.5) * wide, y: high + 13, class: "column" });
    text.textContent = named ? (word.length > room ? `${word.slice(0, room - 1)}…` : word) : String(t);
    picture.append(text);
  });
  const x = (t) => strip.left + data.times.indexOf(t) * wide, [first, last] = data.window;
  picture.append(shape("rect", { class: "window", x: x(first), y: 0, width: x(last) - x(first) + wide, height: high }),
    shape("rect", { class: "cursor", id: "cursor", y: -1, height: high + 1, width: wide, x: -99 }));
  $("strip").replaceChildren(picture);
  moveCursor();
}
function moveCursor() {
  const op = state.at ? current() : null, k = op && op.t ? data.times.indexOf(op.t) : -9;
  $("cursor")?.setAttribute("x", strip.left + k * strip.wide - 0.5);
}
function columnAt(event) {
  const box = $("strip").firstChild.getBoundingClientRect();
  const k = Math.floor((event.clientX - box.left - strip.left) / strip.wide), row = Math.floor((event.clientY - box.top) / strip.high);
  return k >= 0 && k < data.times.length ? [data.times[k], strip.rows[row], k] : null;
}

// — looking around —

function show(box) { // columns outside of the view are taken out: a step need not lay out what nobody sees
  if (!box.every(Number.isFinite) || box[2] <= 0 || String(box) === String(view)) return; // no size yet, or no change
  view = box;
  svg.setAttribute("viewBox", box.map((v) => v.toFixed(1)).join(" "));
  const pitch = columns.length > 1 ? columns[1].x - columns[0].x : Infinity;
  for (const column of columns) {
    const away = column.x + pitch < box[0] || column.x - 60 > box[0] + box[2];
    if (away !== column.away) column.groups.forEach((group) => group.classList.toggle("away", away));
    column.away = away;
  }
}
function zoom(factor, x = 0.5, y = 0.5) {
  const wide = Math.min(home[2] * 3, Math.max(60, view[2] * factor)), high = wide * view[3] / view[2];
  show([view[0] + (view[2] - wide) * x, view[1] + (view[3] - high) * y, wide, high]);
}
function frameOn(x, y, wide, high) { // the box, in a view of the window's own proportions
  const stage = $("stage").firstElementChild, ratio = stage.clientWidth / Math.max(1, stage.clientHeight);
  const w = Math.max(wide, high * ratio), h = w / ratio;
  show([x + wide - w + (w - wide) / 2, y - (h - high) / 2, w, h]);
}
const boxOf = (node) => { const b = node.getBBox(), shift = svg.firstElementChild.transform.baseVal[0]?.matrix || { e: 0, f: 0 };
  return { x: b.x + shift.e, y: b.y + shift.f, width: b.width, height: b.height }; };
const boxes = [...svg.querySelectorAll(".step")].map(boxOf);
const columns = [...new Set(boxes.map((b) => Math.round(b.x)))].sort((a, b) => a - b).map((x) => ({ x, away: false, groups: [] }));
for (const group of svg.querySelectorAll(".column")) {
  const box = boxOf(group), near = columns.findLastIndex((column) => column.x <= box.x + box.width / 2);
  columns[Math.max(0, near)]?.groups.push(group);
}
function bringIntoView() {
  const t = state.at ? current().t : 0;
  if (!boxes.length) return show(home.slice());
  const times = data.times.filter((s) => s >= data.window[0] && s <= data.window[1]);
  const k = t ? times.indexOf(t) : columns.length - 1, x = columns[Math.max(0, k)].x, wide = boxes[0].width;
  const right = k === columns.length - 1 ? home[0] + home[2] : x + wide + 60;
  if (view !== start && x >= view[0] && x + wide <= view[0] + view[2] && view[2] < 6 * wide) return; // it is in view
  if (view === start || view[2] >= 6 * wide) return starting(right);
  show([right - view[2], view[1], view[2], view[3]]);
}
let start = null;
function starting(right = home[0] + home[2]) { // as large as the height allows, at the end of time
  const stage = $("stage").firstElementChild, high = home[3] + 12, wide = Math.min(home[2] + 12, high * stage.clientWidth / Math.max(1, stage.clientHeight));
  const least = boxes.length ? Math.max(wide, Math.min(home[2], boxes[0].width * 1.62)) : wide;
  frameOn(right - least, home[1] - 6, least, high);
}

// — hover —

function tip(event, lines) {
  const box = $("tip");
  box.hidden = !lines;
  if (!lines) return;
  box.replaceChildren(...lines.map((line, k) => el("div", k ? "" : "first", line)));
  box.style.left = `${Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8)}px`;
  box.style.top = `${event.clientY + 18 + box.offsetHeight > innerHeight ? event.clientY - box.offsetHeight - 10 : event.clientY + 18}px`;
}
function about(target) {
  const part = target.closest?.(".node, .edge");
  if (!part) return null;
  if (part.id in data.nodes) {
    const x = data.tensors[data.nodes[part.id]];
    return [x.sym, ...(x.eq && x.eq !== x.sym ? [`= ${x.eq}`] : []), `${say("shape")} ${x.shape.join(" × ")}`, `‖∂L/∂·‖ = ${digits(x.grad)}`];
  }
  const wire = data.wires[part.id.replace("e", "g")];
  return wire && [`→ ∂L/∂${data.tensors[wire[0]].sym}`, `‖·‖ = ${digits(wire[1])}`];
}

// — words, colours, controls —

function pressed(box, key, value) {
  for (const item of $(box).children) item.setAttribute("aria-pressed", String(item.dataset[key] === value));
}
function speak(lang) {
  state.lang = lang;
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
  for (const item of document.querySelectorAll("[data-say]")) item.textContent = say(item.dataset.say);
  for (const item of document.querySelectorAll("[data-name]")) {
    item.setAttribute("aria-label", say(item.dataset.name));
    if (item.tagName === "BUTTON") item.title = say(item.dataset.name);
  }
  const [first, last] = data.window, n = data.times.length;
  const facts = [say("sub", data.cell, n, digits(data.loss)), ...(last - first + 1 < n ? [say("window", first, last, n)] : []), ...data.notes];
  $("subtitle").textContent = facts.join(" · ");
  svg.setAttribute("aria-label", $("subtitle").textContent);
  for (const text of svg.querySelectorAll(".note, .loss text")) {
    text.dataset.en ??= text.textContent;
    text.textContent = lang === "zh" ? CAPTIONS[text.dataset.en] ?? text.dataset.en : text.dataset.en;
  }
  $("paths").replaceChildren(...["all", ...data.paths].map((path) => {
    const made = el("button", "", path === "all" ? say("all") : path);
    made.dataset.path = path;
    made.addEventListener("click", () => followPath(path));
    return made;
  }));
  followPath(state.path);
  pressed("languages", "lang", lang);
  tell();
}
function followPath(path) {
  for (const other of data.paths) svg.classList.toggle(`follow-${other}`, other === path);
  state.path = path;
  pressed("paths", "path", path);
}
function legend() {
  const swatches = el("span", "swatches", ...Array.from({ length: data.levels }, (_, k) => el("i", `q${k}`)));
  $("legend").append(el("span", "", "‖∂L/∂·‖"), el("span", "", digits(data.low)), swatches, el("span", "", digits(data.high)));
}

for (const item of $("languages").children) item.addEventListener("click", () => speak(item.dataset.lang));
for (const item of $("modes").children) item.addEventListener("click", () => change(item.dataset.mode));
const clicks = { home: () => go(0), back: () => go(state.at - 1), next: () => go(state.at + 1), end: () => go(ends().length - 1),
  in: () => zoom(0.8), out: () => zoom(1.25), fit: () => show(home.slice()),
  theme: () => { const root = document.documentElement; root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark"; } };
for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", action);
$("slider").addEventListener("input", () => go(Number($("slider").value)));
const keys = { ArrowRight: clicks.next, ArrowLeft: clicks.back, Home: clicks.home, End: clicks.end, "+": clicks.in, "=": clicks.in,
  "-": clicks.out, "−": clicks.out, 0: clicks.fit, Escape: () => choose(null) };
document.addEventListener("keydown", (event) => {
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key]();
});
let drag = null;
$("stage").addEventListener("pointerdown", (event) => { if (!event.target.closest("button")) drag = { x: event.clientX, y: event.clientY, view, moved: false }; });
addEventListener("pointermove", (event) => {
  if (!drag) return;
  const dx = event.clientX - drag.x, dy = event.clientY - drag.y, scale = drag.view[2] / $("stage").clientWidth;
  drag.moved ||= Math.abs(dx) + Math.abs(dy) > 4;
  if (drag.moved) show([drag.view[0] - dx * scale, drag.view[1] - dy * scale, drag.view[2], drag.view[3]]);
});
addEventListener("pointerup", (event) => {
  const part = drag && !drag.moved && event.target.closest?.(".node, .edge"), id = part && part.id;
  if (id in data.nodes) choose(data.nodes[id]);
  else if (id && data.wires[id.replace("e", "g")]) choose(data.wires[id.replace("e", "g")][0]);
  drag = null;
});
$("stage").addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = svg.getBoundingClientRect();
  zoom(Math.exp(event.deltaY * 0.0015), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}, { passive: false });
$("stage").addEventListener("pointermove", (event) => tip(event, drag ? null : about(event.target)));
$("stage").addEventListener("pointerleave", () => tip(null, null));
$("strip").addEventListener("click", (event) => { const found = columnAt(event); if (found) goToStep(found[0]); });
$("strip").addEventListener("pointermove", (event) => {
  const found = columnAt(event);
  tip(event, found && [say("at", found[0], label(found[0])), ...(found[1] ? [`‖∂L/∂${found[1]}${sub(found[0])}‖ = ${digits(data.strip[found[1]][found[2]])}`] : [])]);
});
$("strip").addEventListener("pointerleave", () => tip(null, null));
addEventListener("resize", drawStrip);

const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => { document.documentElement.dataset.theme = dark.matches ? "dark" : "light"; };
dark.addEventListener("change", paint);
paint();
for (const list of parts) for (const part of list) part.classList.add("later");
legend();
drawStrip();
speak((navigator.language || "en").startsWith("zh") ? "zh" : "en");
pressed("modes", "mode", "time");
starting();
start = view;
go(0, true);
document.documentElement.dataset.ready = "yes";
