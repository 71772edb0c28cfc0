// The page is a position in a list of ops: those before it have sent their gradients back, the others not yet.
// Stepping changes the classes of the few edges in between; all text goes in by textContent.

const words = {
  en: {
    heading: "Gradient microscope", fit: "Fit", next: "Next step", byTime: "by time step", byOp: "op by op", all: "all",
    strip: "Steps of the sequence: choose one", picture: "Picture: drag to move, wheel to zoom",
    panel: "Numbers of this step", in: "Zoom in", out: "Zoom out", home: "Whole picture (Home)", back: "One step back (←)",
    end: "Last step (End)", slider: "Step of the backward pass", mode: "How far one step goes", follow: "Follow a path",
    sub: (c, n, l) => `${c}${n ? ` · ${n} steps` : ""} · the gradient flows back from L = ${l}`,
    live: (k, n, what) => `Step ${k} of ${n}: ${what}`,
    whole: "The whole backward pass. Press → to walk it from the end.",
    starts: "the gradient enters the picture from the right", seed: "the gradient of L with respect to itself is 1",
    sends: (y) => `${y} sends back `, gets: (s, v) => `${v} to ${s}`, layer: (k) => `layer ${k}`,
    mainly: (name, share) => `${share} of it by the ${name}`, start: "Start",
    arrives: (s) => `Arriving at ${s}`, sum: (k, n) => `${k} of ${n} shares have arrived`,
    ledger: (s) => `By which path it reaches ${s}`, total: "sum",
    gates: "What reached this step", forward: "forward", entries: "unit", first: "entry",
    values: "values", gradient: "gradient", shape: "shape", scope: "scope", range: "min · mean · max", source: "made by",
    line: (file, n) => `${file}, line ${n}`,
    histogram: "entries of the gradient, counted by size", none: "– : never computed",
    outside: (t, a, b) => `Step ${t} is not drawn: this page holds steps ${a} to ${b}. Save it with steps=(…) to see others.`,
    window: (a, b, n) => `drawn: steps ${a} to ${b} of ${n}; the strip shows all`, parameters: "Parameters, shared by all steps",
    leaves: "Parameters", how: "How to read this", gate: "Learner’s labels",
    guide: ["Thin dark lines are the forward pass, from left to right. The broad coloured bands are the gradient on its way back; colour and width show its size on a log scale.",
      "Press → (or “Next step”) and predict, before each number appears, whether the gradient will grow or shrink.",
      "Point at anything for its numbers. Click it for its equation, values and a histogram."],
    keys: "Keys: ← → step · Home End · + − 0 zoom", readSum: "Parts are projections on the sum, so they add up to 100 %; one below 0 works against it.",
    left: "What is left of the gradient", leftOf: (p) => `${p} of its largest`, gone: "less than 1 % of its largest is left",
    goneFrom: (where) => `less than 1 % is left from ${where} on back`,
    kept: (p, where) => `${p} is left at ${where}`, walk: "Press → to walk back.", time: "time step t",
    readLeft: "‖∂L/∂·‖ of each net’s memory, log scale. A ring marks where less than 1 % of its largest is left.",
  },
  zh: {
    heading: "梯度显微镜", fit: "适合窗口", next: "下一步", byTime: "逐时间步", byOp: "逐运算", all: "全部",
    strip: "序列的各时间步：点击可跳转", picture: "计算图：拖动平移，滚轮缩放",
    panel: "本步的数值", in: "放大", out: "缩小", home: "整体（Home）", back: "退一步（←）",
    end: "最后一步（End）", slider: "反向传播的步数", mode: "每次走多远", follow: "突出哪条路径",
    sub: (c, n, l) => `${c}${n ? ` · 共 ${n} 个时间步` : ""} · 梯度从 L = ${l} 往回传`,
    live: (k, n, what) => `第 ${k} 步，共 ${n} 步：${what}`,
    whole: "这是完整的反向传播。按 → 键，从最后开始逐步查看。",
    starts: "梯度从右侧进入图中", seed: "L 对自身的梯度为 1",
    sends: (y) => `${y} 回传：`, gets: (s, v) => `${s} 得 ${v}`, layer: (k) => `第 ${k} 层`,
    mainly: (name, share) => `其中 ${share} 经由${name}`, start: "起点",
    arrives: (s) => `正在汇入 ${s} 的梯度`, sum: (k, n) => `${n} 份中已到 ${k} 份`,
    ledger: (s) => `梯度经哪些路径到达 ${s}`, total: "合计",
    gates: "到达本时间步的梯度", forward: "前向", entries: "单元", first: "元素",
    values: "数值", gradient: "梯度", shape: "形状", scope: "所在模块", range: "最小 · 均值 · 最大", source: "代码行",
    line: (file, n) => `${file}，第 ${n} 行`,
    histogram: "梯度各元素的分布", none: "– 表示没有计算过",
    outside: (t, a, b) => `第 ${t} 步不在图中：本页只画了第 ${a} 到 ${b} 步。保存时用 steps=(…) 可另选范围。`,
    window: (a, b, n) => `图中为第 ${a}–${b} 步（共 ${n} 步），上方色带显示全部`, parameters: "参数（所有时间步共享）",
    leaves: "参数", how: "怎样看这张图", gate: "符号说明",
    guide: ["细的深色线是前向计算，从左到右；宽的彩色带是往回传的梯度，颜色和宽度按对数刻度表示大小。",
      "按 → 键（或“下一步”）。在数字出现之前，先猜一猜梯度会变大还是变小。",
      "鼠标停在任何地方都能看到数值；点击可查看公式、取值和直方图。"],
    keys: "按键：← → 前后走 · Home End 首尾 · + − 0 缩放", readSum: "占比是各项在总和方向上的投影，加起来正好 100 %；负值表示起抵消作用。",
    left: "梯度还剩多少", leftOf: (p) => `为最大值的 ${p}`, gone: "已不足最大值的 1 %",
    goneFrom: (where) => `从 ${where} 再往前，梯度已不足 1 %`,
    kept: (p, where) => `到 ${where} 还剩 ${p}`, walk: "按 → 键逐步往回看。", time: "时间步 t",
    readLeft: "各网络记忆状态的 ‖∂L/∂·‖，对数刻度。圆圈处表示已不足最大值的 1 %。",
  },
};
const CAPTIONS = { forget: "遗忘门", input: "输入门", candidate: "候选值", "cand.": "候选值", output: "输出门",
  update: "更新门", reset: "重置门", loss: "损失", pad: "填充" };

// — stepping —

const sheets = data.sheets, beside = sheets.length > 1, timed = data.times.length > 0;
const svg = $("picture"), home = svg.getAttribute("viewBox").split(" ").map(Number);
const state = { at: 0, mode: timed ? "time" : "op", path: data.follow, chosen: null, note: "" };
let view = home.slice(), marked = [0, 0], hidden = 0, boxed = [];
const label = (t) => (data.labels ? data.labels[data.times.indexOf(t)] ?? "" : "");
const sheetOf = (x) => sheets[x.s || 0];
const parts = data.ops.map((op) => [...(op.ids || []), ...op.ins.flatMap((share) => share.ids)].map($).filter(Boolean));
const nodes = data.ops.map((op) => op.node && $(op.node));
const stops = { time: [0, ...data.groups.map((group) => group.end)], op: data.ops.map((_, k) => k).concat(data.ops.length) };
const ends = () => stops[state.mode];
const current = () => data.ops[ends()[state.at] - 1];
const group = () => data.groups.find((g) => g.end >= ends()[state.at]);
const starting = () => ends()[state.at] <= data.groups[0].end; // where the gradient comes from

function reveal(done, from) { // only what changes: edges between the old position and the new one
  const boxes = state.at > 0 ? group().boxes.map($) : [];
  for (const box of boxed) if (!boxes.includes(box)) box.classList.remove("now");
  for (const box of boxes) if (!boxed.includes(box)) box.classList.add("now");
  boxed = boxes;
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
  const found = data.groups.find((g) => g.t === t && atTheTop(g));
  if (found) go(ends().indexOf(found.end));
}

// — what is said about a step —

const ledgersOf = (g) => g.at.map(([k, layer]) => [sheets[k], own(sheets[k].ledger, `${layer} ${g.t}`)]).filter(([, found]) => found);
function place(g, op) { // "RNN, layer 2, t = 7 “john”"
  const t = op ? op.t : g.t, words = [];
  if (beside && op) words.push(sheetOf(data.tensors[op.out]).name);
  const [, layer] = g.at.find(([k]) => sheets[k].layers > 1 && (!op || k === (data.tensors[op.out].s || 0))) || [];
  if (layer !== undefined) words.push(say("layer", layer + 1));
  if (t !== null) words.push(say("at", t, label(t)));
  return words.join(say("comma"));
}
function sentence() {
  if (state.note) return state.note;
  if (state.at === 0) return beside ? [...sheets.map((sheet) => `${sheet.name}: ${fate(sheet)}`), say("walk")].join(" · ") : say("whole");
  const n = ends().length - 1, g = group(), op = current();
  if (starting()) return say("live", state.at, n, say(op.ins.length ? "starts" : "seed"));
  if (state.mode === "op") {
    const sent = op.ins.map((share) => say("gets", data.tensors[share.x].sym, digits(share.n)));
    const where = place(g, op);
    return say("live", state.at, n, `${where}${where && say("comma")}${say("sends", data.tensors[op.out].eq)}${sent.join(say("comma"))}`);
  }
  if (beside) {
    return say("live", state.at, n, [say("at", g.t, label(g.t)), ...g.at.map(([k, layer]) => reached(sheets[k], layer, g.t))].join(" · "));
  }
  const [[sheet, ledger] = []] = ledgersOf(g);
  if (!ledger) return say("live", state.at, n, place(g));
  const [top, [, share]] = Object.entries(ledger.terms).reduce((a, b) => (b[1][1] > a[1][1] ? b : a));
  const name = `∂L/∂${sheet.state}${sub(g.t - 1)}`;
  return say("live", state.at, n, `${place(g)} · ‖${name}‖ = ${digits(ledger.norm)}${say("comma")}${say("mainly", called(top), percent(share))}`);
}
function tell() {
  const said = sentence();
  $("live").textContent = said;
  $("slider").setAttribute("aria-valuetext", said);
  $("home").disabled = $("back").disabled = state.at === 0;
  $("next").disabled = $("end").disabled = state.at === ends().length - 1;
  moveCursor();
  panel();
}
function panel() {
  const cards = [];
  if (state.chosen !== null) cards.push(tensorCard(data.tensors[state.chosen]));
  if (beside && state.mode === "time") cards.push(leftCard());
  if (state.at === 0) cards.push(...guide());
  else if (starting()) cards.push(...data.ops.slice(...marked).map(startCard));
  else {
    const op = current(), g = group();
    if (state.mode === "op") cards.push(opCard(op), ...arrivals(op));
    else if (!beside) cards.push(stepCard(g));
    for (const [sheet, ledger] of ledgersOf(g))
      if (state.mode === "time" || sheet === sheetOf(data.tensors[op.out])) cards.push(ledgerCard(sheet, g.t, ledger));
  }
  const seen = state.chosen === null ? null : $("panel").scrollTop;
  $("panel").replaceChildren(...cards);
  if (seen === null) $("panel").scrollTop = 0;
}

// — several nets: what is left of the gradient —

function left(sheet, t) { // the norm at t, and which part of the largest that is
  const row = sheet.strip[sheet.state] || [], v = row[data.times.indexOf(t)];
  return v === null || v === undefined ? null : [v, v / (Math.max(...row) || 1)];
}
function reached(sheet, layer, t) { // in words; of the layers below the last without the part of the largest
  if (layer < sheet.layers - 1) return `${sheet.name}${say("comma")}${say("layer", layer + 1)} ‖∂L/∂${sheet.state}${sub(t - 1)}‖ = ${digits(own(sheet.ledger, `${layer} ${t}`)?.norm)}`;
  const [v, share] = left(sheet, t) || [null, 0];
  return `${sheet.name} ‖∂L/∂${sheet.state}${sub(t)}‖ = ${digits(v)} (${portion(share)})`;
}
const atTheTop = (g) => g.at.some(([k, layer]) => layer === sheets[k].layers - 1); // whether a last layer is there
function gone(sheet) { // the last step that, like all before it, has less than 1 % of the largest gradient; or null
  const row = sheet.strip[sheet.state] || [], top = Math.max(...row);
  const first = row.findIndex((v) => v === null || v >= top / 100);
  return first > 0 ? data.times[first - 1] : null;
}
function fate(sheet) {
  const t = gone(sheet), first = data.times[0];
  if (t !== null) return say("goneFrom", say("at", t, label(t)));
  return say("kept", portion((left(sheet, first) || [0, 0])[1]), say("at", first, label(first)));
}
function leftCard() {
  const rows = sheets.map((sheet) => sheet.strip[sheet.state] || []), all = rows.flat().filter((v) => v > 0);
  const high = Math.ceil(Math.log10(Math.max(...all))), low = Math.max(high - 14, Math.min(high - 2, Math.floor(Math.log10(Math.min(...all)))));
  const [wide, tall, edge, n] = [344, 150, 38, data.times.length];
  const x = (k) => edge + (n > 1 ? k / (n - 1) : 0.5) * (wide - edge - 8), y = (v) => 6 + (high - Math.max(low, Math.log10(v))) / (high - low) * (tall - 24);
  const plot = shape("svg", { viewBox: `0 0 ${wide} ${tall}`, class: "curves", role: "img", "aria-label": sheets.map((sheet) => `${sheet.name}: ${fate(sheet)}`).join(" · ") });
  for (let p = low, every = Math.ceil((high - low) / 6); p <= high; p += every) plot.append(
    shape("line", { x1: edge, x2: wide - 4, y1: y(10 ** p), y2: y(10 ** p), class: "grid" }), shape("text", { x: edge - 6, y: y(10 ** p) + 3, class: "power" }, `1e${p}`));
  plot.append(shape("text", { x: edge, y: tall - 3 }, String(data.times[0])), shape("text", { x: wide - 8, y: tall - 3, class: "power" }, String(data.times[n - 1])),
    shape("text", { x: wide / 2, y: tall - 3, class: "middle" }, say("time")));
  const at = state.at && !starting() && atTheTop(group()) ? data.times.indexOf(group().t) : -1;
  if (at >= 0) plot.append(shape("line", { x1: x(at), x2: x(at), y1: 2, y2: tall - 16, class: "cursor" }));
  rows.forEach((row, k) => {
    const points = row.map((v, j) => (v > 0 ? `${x(j).toFixed(1)},${y(v).toFixed(1)}` : "")).filter(Boolean);
    plot.append(shape("polyline", { points: points.join(" "), class: `side-${k}` }));
    const j = data.times.indexOf(gone(sheets[k]));
    if (j >= 0 && row[j] > 0) plot.append(shape("circle", { cx: x(j), cy: y(row[j]), r: 5, class: `ring side-${k}` }));
    if (at >= 0 && row[at] > 0) plot.append(shape("circle", { cx: x(at), cy: y(row[at]), r: 3.5, class: `dot side-${k}` }));
  });
  const list = el("div", "sides");
  sheets.forEach((sheet, k) => {
    const found = at >= 0 ? left(sheet, data.times[at]) : null, name = `∂L/∂${sheet.state}${at >= 0 ? sub(data.times[at]) : "ₜ"}`;
    list.append(el("i", `key side-${k}`), el("b", "", sheet.name), el("span", "what", name), el("span", "norm", found ? digits(found[0]) : ""),
      el("span", "part", found ? portion(found[1]) : ""));
    if (!found) list.append(el("span", "fate", fate(sheet)));
  });
  return card(say("left"), plot, list, el("p", "fine", say("readLeft")));
}

// — cards —

const wrap = (text) => (/ [+−·@/] /.test(text) && !/^\[[^\]]*\]$/.test(text) ? `(${text})` : text);
const partial = (x) => `∂L/∂${wrap(x.sym)}`;
const size = (x) => x.shape.join(" × ") || "( )";
const bare = (x) => (x.sym === x.eq ? "y" : x.sym); // what has no name is y
function formula(op, k) { // "dy · b" with the learner's own tensors in place of dy, a, b, x and y
  const out = data.tensors[op.out], rule = own(data.rules, out.op), names = own(data.inputs, out.op);
  const operands = Object.fromEntries(names.map((name, j) => [name, data.tensors[(op.ins.find((s) => s.k === j) || {}).x]?.sym]));
  const said = { ...operands, y: bare(out) }; // the words are those of our rules
  const text = rule[k] ?? rule[0];
  const full = text.replace(/(?<![A-Za-z])(dy|a|b|x|y)(?![A-Za-z])/g, (word) =>
    (word === "dy" ? (bare(out) === "y" ? "dy" : `∂L/∂${out.sym}`) : said[word] ? wrap(said[word]) : word));
  return [text, full];
}
const units = (x) => (x.u ? sheetOf(x).units : null);
function table(rows, unit) { // a few numbers of each of several arrays, one above the other; of these units
  const made = el("table", "numbers");
  const wide = Math.max(...rows.map(([, entries]) => (entries || []).length));
  const head = el("tr", "", el("th", "", unit ? say("entries") : say("first")));
  for (let k = 0; k < wide; k++) head.append(el("th", "", String(unit ? unit[k] : k)));
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
  const made = card(place(group(), op) || bare(out), equation(`${bare(out)} = ${out.eq}`, say("forward")));
  for (const share of op.ins) {
    const x = data.tensors[share.x], [rule, full] = formula(op, share.k);
    made.append(heading(share), equation(rule, "", full === rule ? "" : `= ${full}`));
    const rows = [["dy", out.dy]];
    for (const other of op.ins) if (other !== share && data.tensors[other.x].u && x.u) rows.push([data.tensors[other.x].sym, data.tensors[other.x].y]);
    if (/y/.test(rule.replace(/dy/g, "")) && out.u) rows.push(["y", out.y]);
    rows.push(["→", share.v, "result"]);
    made.append(table(out.u === x.u ? rows : rows.slice(-1), units(x)));
  }
  return made;
}
function heading(share) {
  const x = data.tensors[share.x];
  return el("h3", "", button(share.x, partial(x)), el("span", "", `‖·‖ = ${digits(share.n)} · ${size(x)}`));
}
function startCard(op) {
  const made = card(beside ? `${say("start")} · ${sheetOf(data.tensors[op.out]).name}` : say("start"), el("p", "", `${say(op.ins.length ? "starts" : "seed")}.`));
  for (const share of op.ins.slice(0, 6)) made.append(heading(share), table([["→", share.v, "result"]], units(data.tensors[share.x])));
  return made;
}
function arrivals(op) { // where several shares meet: how far their sum has come
  return op.ins.filter((share) => share.sum).map((share) => {
    const x = data.tensors[share.x], [k, n, norm, entries] = share.sum;
    const dots = el("span", "dots", ...Array.from({ length: Math.min(n, 12) }, (_, j) => el("i", j < k ? "in" : "")));
    return card(say("arrives", x.sym), el("p", "", dots, " ", say("sum", k, n), `; ‖Σ‖ = ${digits(norm)}`),
      table([["+", share.v], ["Σ", entries, "result"]], units(x)));
  });
}
function stepCard(g) {
  const made = card(place(g)), list = el("div", "gates"), found = {}, [sheet] = sheets;
  const names = Object.keys(sheet.strip).map((name) => [name + sub(g.t), name]), symbols = new Map(names);
  for (let k = marked[0]; k < marked[1]; k++) for (const j of [data.ops[k].out, ...data.ops[k].ins.map((s) => s.x)]) {
    const name = symbols.get(data.tensors[j].sym);
    if (name) found[`=${name}`] = j;
  }
  const rows = names.filter(([, name]) => `=${name}` in found).map(([, name]) => [name, found[`=${name}`]]);
  const top = Math.max(...rows.map(([, j]) => data.tensors[j].grad || 0));
  made.append(el("h3", "", say("gates")));
  for (const [name, j] of rows) {
    const x = data.tensors[j];
    list.append(button(j, `∂L/∂${x.sym}`), el("span", "what", called(name) === name ? "" : called(name)), bar(0, (x.grad || 0) / (top || 1), level(x.grad)), el("span", "norm", digits(x.grad)));
  }
  made.append(list);
  for (const [name, j] of rows)
    if (data.tensors[j].op && [sheet.state, "h"].includes(name)) made.append(equation(`${data.tensors[j].sym} = ${data.tensors[j].eq}`, called(name)));
  return made;
}
function bar(from, to, q) { // from and to between −1 and 1; negative parts grow to the left
  const low = Math.min(from, to, 0) < 0 ? -1 : 0, place = (v) => 100 * (v - low) / (1 - low);
  const made = shape("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  made.append(shape("rect", { class: "rail", x: 0, y: 0, width: 100, height: 8 }),
    shape("rect", { class: `q${q}`, x: Math.min(place(from), place(to)), y: 0, width: Math.max(0.6, Math.abs(place(to) - place(from))), height: 8 }));
  return made;
}
function ledgerCard(sheet, t, ledger) { // a staircase: each path begins where the one before has ended, and the last ends at 100 %
  const target = `${sheet.state}${sub(t - 1)}`, made = card(`${beside ? `${sheet.name} · ` : ""}${say("ledger", target)}`), list = el("div", "ledger");
  const steps = Object.entries(ledger.terms), edges = [0];
  for (const [, [, share]] of steps) edges.push(edges[edges.length - 1] + share);
  const low = Math.min(...edges), high = Math.max(...edges, 1), place = (v) => 100 * (v - low) / (high - low);
  steps.forEach(([name, [norm, share]], k) => {
    const stair = shape("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    const [a, b] = [place(edges[k]), place(edges[k + 1])];
    stair.append(shape("rect", { class: "rail", x: 0, y: 0, width: 100, height: 10 }),
      shape("rect", { class: `path-${k % 6} ${share < 0 ? "against" : ""}`, x: Math.min(a, b), y: 0, width: Math.max(0.8, Math.abs(b - a)), height: 10 }));
    const title = el("span", "what", own(NAMES, name) && !["highway", "readout"].includes(name) ? `${name} · ${called(name)}` : called(name));
    list.append(title, stair, el("span", "norm", digits(norm)), el("span", "part", percent(share)));
  });
  list.append(el("span", "what sum", `${say("total")} ∂L/∂${target}`), el("span", ""), el("span", "norm sum", digits(ledger.norm)), el("span", "part sum", "100 %"));
  made.append(list);
  if (!beside) made.append(el("p", "fine", say("readSum")));
  return made;
}
function button(j, text) {
  const made = el("button", "link", text);
  made.addEventListener("click", () => choose(j));
  return made;
}
const equation = (text, kind, more) => el("p", "equation", kind ? el("span", "kind", kind) : "", el("span", "", text), more ? el("span", "more", more) : "");

function guide() {
  const made = card(say("how"), ...say("guide").map((text) => el("p", "", text)), el("p", "fine", say("keys")));
  const labels = el("dl", "labels");
  for (const name of new Set(sheets.flatMap((sheet) => Object.keys(sheet.strip))))
    if (called(name) !== name) labels.append(el("dt", "", name), el("dd", "", called(name)));
  const lists = sheets.map((sheet) => {
    const list = el("div", "gates");
    for (const j of sheet.parameters) {
      const x = data.tensors[j];
      list.append(button(j, x.sym), el("span", "what", x.shape.join(" × ")), el("span", ""), el("span", "norm", digits(x.grad)));
    }
    return card(`${beside ? `${sheet.name} · ` : ""}${say(timed ? "parameters" : "leaves")}`, el("p", "fine", "‖∂L/∂W‖"), list);
  });
  return [made, ...(labels.children.length ? [card(say("gate"), labels)] : []), ...lists.filter((_, k) => sheets[k].parameters.length)];
}
function tensorCard(x) {
  const made = card(`${beside ? `${sheetOf(x).name} · ` : ""}${x.sym}`, x.eq ? equation(`${bare(x)} = ${x.eq}`, say("forward")) : "");
  made.classList.add("chosen");
  const close = el("button", "icon close", "×");
  close.setAttribute("aria-label", say("close"));
  close.addEventListener("click", () => choose(null));
  made.prepend(close);
  const facts = el("dl", "facts");
  const fact = (key, value) => facts.append(el("dt", "", say(key)), el("dd", "", value));
  fact("shape", size(x));
  if (x.scope) fact("scope", x.scope);
  if (x.src !== undefined) {
    const [file, line, text] = data.lines[x.src];
    facts.append(el("dt", "", say("source")), el("dd", "", say("line", file, line)), ...(text ? [el("dd", "code", el("code", "", text))] : []));
  }
  if (x.v) fact("range", x.v.map(digits).join(" · "));
  made.append(facts, table([[say("values"), x.y], [say("gradient"), x.dy, "result"]], units(x)));
  made.append(el("p", "fine", x.grad === null ? say("none") : `‖${partial(x)}‖ = ${digits(x.grad)}`));
  if (x.hist && x.hist.length > 3) made.append(histogram(x.hist));
  return made;
}
function histogram([low, high, ...counts]) {
  const top = Math.max(...counts), wide = 100 / counts.length, box = el("figure", "histogram");
  const plot = shape("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": say("histogram") });
  counts.forEach((n, k) => plot.append(shape("rect", { x: k * wide + 0.3, width: wide - 0.6, y: 40 - 40 * n / top, height: 40 * n / top })));
  if (low < 0 && high > 0) { const x = 100 * -low / (high - low); plot.append(shape("line", { x1: x, x2: x, y1: 0, y2: 40 })); }
  const zero = el("span", "zero", "0"), at = 100 * -low / (high - low), axis = el("div", "axis", el("span", "", digits(low)), el("span", "", digits(high)));
  zero.style.left = `${at}%`;
  if (at > 18 && at < 82) axis.append(zero); // where it does not touch the ends
  box.append(el("figcaption", "", say("histogram")), plot, axis);
  return box;
}
function choose(j) {
  for (const [id, k] of Object.entries(data.nodes)) if (k === state.chosen || k === j) $(id)?.classList.toggle("chosen", k === j);
  state.chosen = j;
  panel();
}

// — the heat strip: a row for each name; of several nets for their states alone —

const strip = { high: beside ? 18 : 15, rows: sheets.flatMap((sheet, k) => Object.keys(sheet.strip)
  .filter((name) => !beside || name === sheet.state || name === "h").map((name) => ({ sheet, k, name, values: sheet.strip[name] }))) };
function drawStrip() {
  $("navigator").hidden = !timed;
  if (!timed) return;
  const title = (row) => `${beside ? `${row.sheet.name.length > 24 ? `${row.sheet.name.slice(0, 23)}…` : row.sheet.name} ` : ""}∂L/∂${row.name}`, n = data.times.length;
  const edge = strip.left = Math.max(62, 16 + 6.6 * Math.max(...strip.rows.map((row) => title(row).length)));
  const wide = strip.wide = Math.max(1.2, Math.min(130, ($("navigator").clientWidth - edge - 34) / n));
  const top = (row) => strip.rows.indexOf(row) * strip.high + 5 * row.k, high = top(strip.rows[strip.rows.length - 1]) + strip.high;
  const picture = shape("svg", { width: edge + n * wide + 4, height: high + 20 }), x = (k) => edge + k * wide;
  for (const row of strip.rows) {
    picture.append(shape("text", { x: edge - 8, y: top(row) + strip.high - 4, class: "row" }, title(row)));
    row.values.forEach((value, k) => picture.append(shape("rect", { class: value === null ? "none" : `q${level(value)}`,
      x: x(k), y: top(row), width: Math.max(0.8, wide - (wide > 6 ? 1 : 0)), height: strip.high - 1 })));
    const k = beside && row.name === row.sheet.state ? data.times.indexOf(gone(row.sheet)) : -1;
    if (k >= 0) picture.append(shape("line", { x1: x(k + 1) - 0.5, x2: x(k + 1) - 0.5, y1: top(row) - 1, y2: top(row) + strip.high, class: "gone" }),
      shape("text", { x: x(k + 1) - 5, y: top(row) + strip.high - 5, class: "gone" }, "< 1 %"));
  }
  const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((m) => m * wide > 26) || 1000;
  data.times.forEach((t, k) => {
    const room = Math.floor(wide / 7), word = label(t), named = word && room >= 3;
    if (!named && t % every && t !== 1) return;
    const text = named ? (word.length > room ? `${word.slice(0, room - 1)}…` : word) : String(t);
    picture.append(shape("text", { x: x(k + 0.5), y: high + 13, class: "column" }, text));
  });
  const [first, last] = data.window.map((t) => data.times.indexOf(t));
  picture.append(shape("rect", { class: "window", x: x(first), y: 0, width: x(last + 1) - x(first), height: high }),
    shape("rect", { class: "cursor", id: "cursor", y: -1, height: high + 1, width: wide, x: -9999 }));
  $("strip").replaceChildren(picture);
  moveCursor();
}
function moveCursor() {
  const k = state.at && !starting() ? data.times.indexOf(group().t) : -9;
  $("cursor")?.setAttribute("x", k < 0 ? -9999 : strip.left + k * strip.wide - 0.5);
}
function columnAt(event) {
  const box = $("strip").firstChild.getBoundingClientRect(), y = event.clientY - box.top;
  const k = Math.floor((event.clientX - box.left - strip.left) / strip.wide);
  const row = strip.rows.find((one, j) => y < (j + 1) * strip.high + 5 * one.k);
  return k >= 0 && k < data.times.length ? [data.times[k], row, k] : null;
}

// — looking around —

const moved = $("pan").firstElementChild.transform.baseVal[0]?.matrix || { e: 0, f: 0 }; // graphviz's coordinates in ours
function show(box) { // columns outside of the view are taken out: a step need not lay out what nobody sees
  if (!box.every(Number.isFinite) || box[2] <= 0 || String(box) === String(view)) return; // no size yet, or no change
  if (box[2] !== view[2] || box[3] !== view[3] || !$("pan").hasAttribute("transform")) svg.setAttribute("viewBox", `0 0 ${box[2].toFixed(1)} ${box[3].toFixed(1)}`);
  $("pan").setAttribute("transform", `translate(${-box[0].toFixed(1)} ${-box[1].toFixed(1)})`); // moving alone lays out nothing anew
  view = box;
  for (const name of svg.querySelectorAll(".name")) name.setAttribute("x", Math.max(home[0], box[0]) + 14 - moved.e);
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
function boxOf(node) {
  const b = node.getBBox();
  return { x: b.x + moved.e, y: b.y + moved.f, width: b.width, height: b.height };
}
const boxes = [...svg.querySelectorAll(".step")].map(boxOf);
const columns = [...new Set(boxes.map((b) => Math.round(b.x)))].sort((a, b) => a - b).map((x) => ({ x, away: false, groups: [] }));
for (const group of svg.querySelectorAll(".column")) {
  const box = boxOf(group), near = columns.findLastIndex((column) => column.x <= box.x + box.width / 2);
  columns[Math.max(0, near)]?.groups.push(group);
}
function bringIntoView() {
  if (!boxes.length) return follow();
  const k = state.at && !starting() ? data.times.filter((s) => s >= data.window[0] && s <= data.window[1]).indexOf(group().t) : columns.length - 1;
  const x = columns[Math.max(0, k)].x, wide = Math.max(...boxes.map((box) => box.width));
  const right = k === columns.length - 1 ? home[0] + home[2] : x + wide + 60;
  if (view !== start && x >= view[0] && x + wide <= view[0] + view[2] && view[2] < 6 * wide) return; // it is in view
  if (view === start || view[2] >= 6 * wide) return opening(right);
  show([right - view[2], view[1], view[2], view[3]]);
}
function follow() { // the node of this op; at the beginning, all
  const node = state.at && nodes[ends()[state.at] - 1];
  if (!node) return;
  const box = boxOf(node), inside = box.x >= view[0] && box.x + box.width <= view[0] + view[2] && box.y >= view[1] && box.y + box.height <= view[1] + view[3];
  if (!inside) show([box.x + box.width / 2 - view[2] / 2, box.y + box.height / 2 - view[3] / 2, view[2], view[3]]);
}
let start = null;
function opening(right = home[0] + home[2]) { // as large as the height allows, at the end of time
  const stage = $("stage").firstElementChild, high = home[3] + 12, wide = Math.min(home[2] + 12, high * stage.clientWidth / Math.max(1, stage.clientHeight));
  if (!boxes.length) { // all of it, if it can be read
    const scale = Math.min(1.6, Math.max(0.8, Math.min(stage.clientWidth / (home[2] + 24), stage.clientHeight / (home[3] + 24)))), w = stage.clientWidth / scale, h = stage.clientHeight / scale;
    return show([home[0] + (w > home[2] ? (home[2] - w) / 2 : home[2] + 12 - w), home[1] + (home[3] - h) / 2, w, h]);
  }
  const least = Math.max(wide, Math.min(home[2], boxes[0].width * 1.62));
  frameOn(right - least, home[1] - 6, least, high);
}

// — hover —

function about(target) {
  const part = target.closest?.(".node, .edge");
  if (!part) return null;
  const j = own(data.nodes, part.id);
  if (j !== undefined) {
    const x = data.tensors[j];
    return [`${beside ? `${sheetOf(x).name} · ` : ""}${x.sym}`, ...(x.eq && x.eq !== x.sym ? [`= ${x.eq}`] : []), `${say("shape")} ${size(x)}`, `‖∂L/∂·‖ = ${digits(x.grad)}`];
  }
  const wire = own(data.wires, part.id.replace("e", "g"));
  return wire && [`→ ${partial(data.tensors[wire[0]])}`, `‖·‖ = ${digits(wire[1])}`];
}

// — words and controls —

function spoke(lang) {
  const names = beside ? "" : sheets[0].name, n = data.times.length, facts = [];
  if (beside) facts.push(...sheets.map((sheet) => say("sub", sheet.name, sheet.steps, digits(sheet.loss))));
  else facts.push(say("sub", names, n, digits(sheets[0].loss)));
  if (timed && data.window[1] - data.window[0] + 1 < n) facts.push(say("window", ...data.window, n));
  facts.push(...sheets.flatMap((sheet) => sheet.notes.map((note) => (beside ? `${sheet.name}: ${note}` : note))));
  $("subtitle").textContent = facts.join(" · ");
  svg.setAttribute("aria-label", $("subtitle").textContent);
  for (const text of svg.querySelectorAll(".note, .loss text")) {
    text.dataset.en ??= text.textContent;
    text.textContent = lang === "zh" ? own(CAPTIONS, text.dataset.en) ?? text.dataset.en : text.dataset.en;
  }
  $("modes").hidden = !timed;
  $("paths").hidden = !data.paths.length;
  $("paths").replaceChildren(...[null, ...data.paths.keys()].map((k) => {
    const made = el("button", "", k === null ? say("all") : data.paths[k]);
    made.dataset.path = k === null ? "all" : k;
    made.addEventListener("click", () => followPath(k));
    return made;
  }));
  followPath(state.path);
  drawStrip();
  tell();
}
function followPath(k) {
  data.paths.forEach((_, j) => svg.classList.toggle(`follow-${j}`, j === k));
  state.path = k;
  pressed("paths", "path", k === null ? "all" : String(k));
}

for (const item of $("modes").children) item.addEventListener("click", () => change(item.dataset.mode));
const clicks = { home: () => go(0), back: () => go(state.at - 1), next: () => go(state.at + 1), end: () => go(ends().length - 1),
  in: () => zoom(0.8), out: () => zoom(1.25), fit: () => show(home.slice()) };
for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", action);
$("slider").addEventListener("input", () => go(Number($("slider").value)));
Object.assign(keys, { ArrowRight: clicks.next, ArrowLeft: clicks.back, Home: clicks.home, End: clicks.end, "+": clicks.in, "=": clicks.in,
  "-": clicks.out, "−": clicks.out, 0: clicks.fit, Escape: () => choose(null) });
let drag = null;
$("stage").addEventListener("pointerdown", (event) => { if (!event.target.closest("button")) drag = { x: event.clientX, y: event.clientY, view, moved: false }; });
addEventListener("pointermove", (event) => {
  if (!drag) return;
  const dx = event.clientX - drag.x, dy = event.clientY - drag.y, scale = drag.view[2] / $("stage").clientWidth;
  drag.moved ||= Math.abs(dx) + Math.abs(dy) > 4;
  if (drag.moved) show([drag.view[0] - dx * scale, drag.view[1] - dy * scale, drag.view[2], drag.view[3]]);
});
addEventListener("pointerup", (event) => {
  const part = drag && !drag.moved && event.target.closest?.(".node, .edge"), id = part?.id || "";
  const j = own(data.nodes, id) ?? own(data.wires, id.replace("e", "g"))?.[0];
  if (j !== undefined) choose(j);
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
  const [t, row, k] = found || [];
  tip(event, found && [say("at", t, label(t)), ...(row ? [`${beside ? `${row.sheet.name} ` : ""}‖∂L/∂${row.name}${sub(t)}‖ = ${digits(row.values[k])}`] : [])]);
});
$("strip").addEventListener("pointerleave", () => tip(null, null));
addEventListener("resize", drawStrip);

for (const list of parts) for (const part of list) part.classList.add("later");
svg.classList.toggle("ops", state.mode === "op");
document.body.classList.toggle("beside", beside);
legend("‖∂L/∂·‖");
begin(words);
pressed("modes", "mode", state.mode);
opening();
start = view;
go(0, true);
