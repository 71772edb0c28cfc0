// Heat maps of a training, training step × time step; a slider over the training steps; first and last in words.

const words = {
  en: {
    heading: "What the net learns",
    next: "Later",
    names: "What is shown",
    map: "Heat map: training step downwards, time step to the right",
    panel: "First and last, and this training step",
    home: "First (Home)",
    back: "Earlier (←)",
    end: "Last (End)",
    slider: "Training step",
    sub: (n, shown, a, b, T) =>
      `${n} snapshots${shown < n ? `, ${shown} of them shown,` : ""} after ${a} to ${b} training steps · ${T} time steps`,
    live: (step) => `After ${step} training steps: `,
    gateIs: (what, v) => `${what} is ${v} on average over t`,
    reach: (what, p) => `at the first time step ${what} is ${p} × that at the last`,
    loss: "Training loss",
    lossIs: (v) => `training loss ${v}`,
    nothing: "no gradient comes back",
    changed: "From the first snapshot to the last",
    profile: "Over the time steps",
    time: "time step t",
    training: "training step",
    opens: "opens",
    mean: (x) => `mean of ${x}`,
    closes: "closes",
    stays: "stays as it was",
    most: (t, a, b) => `most at t = ${t}: ${a} → ${b}`,
    more: (k) => `${k} times as much of the gradient comes back to the first time step`,
    less: (k) => `${k} times less of the gradient comes back to the first time step`,
    same: "about as much of the gradient comes back to the first time step",
    first: "first",
    last: "last",
    now: "this one",
    "f∘∂C": "forget gate where the gradient runs",
    one: "There is one snapshot, and nothing to compare it with.",
  },
  zh: {
    heading: "网络学到了什么",
    next: "往后",
    names: "显示什么",
    map: "热图：向下为训练步，向右为时间步",
    panel: "最初与最后，以及当前训练步",
    home: "最初（Home）",
    back: "往前（←）",
    end: "最后（End）",
    slider: "训练步",
    sub: (n, shown, a, b, T) =>
      `第 ${a} 到 ${b} 训练步的 ${n} 个快照${shown < n ? `（显示其中 ${shown} 个）` : ""} · 共 ${T} 个时间步`,
    live: (step) => `训练 ${step} 步之后：`,
    gateIs: (what, v) => `${what} 对 t 平均为 ${v}`,
    reach: (what, p) => `第一个时间步的 ${what} 是最后时间步的 ${p} 倍`,
    loss: "训练损失",
    lossIs: (v) => `训练损失 ${v}`,
    nothing: "没有梯度传回来",
    changed: "从最初到最后的变化",
    profile: "沿时间步的分布",
    time: "时间步 t",
    training: "训练步",
    opens: "打开了",
    mean: (x) => `${x} 的平均`,
    closes: "关上了",
    stays: "基本未变",
    most: (t, a, b) => `变化最大处 t = ${t}：${a} → ${b}`,
    more: (k) => `传回第一个时间步的梯度是原来的 ${k} 倍`,
    less: (k) => `传回第一个时间步的梯度减为原来的 1/${k}`,
    same: "传回第一个时间步的梯度与原来相近",
    first: "最初",
    last: "最后",
    now: "当前",
    "f∘∂C": "梯度经过之处的遗忘门",
    one: "只有一个快照，无从比较。",
  },
};
const state = { at: 0, name: Object.keys(data.names)[0] };
const shown = () => data.names[state.name];
const head = (one) => (one.title.startsWith("mean of ") ? say("mean", one.title.slice(8)) : one.title);
const title = (name) => (name === "f∘∂C" ? say("f∘∂C") : term(own(data.called, name) ?? name));
const from = (one) => (one.gate ? 1 : 0); // t of the first column: a state has one more, before the first step
const known = (row) => row.filter((v) => v !== null);
const mean = (row) => known(row).reduce((a, b) => a + b, 0) / Math.max(1, known(row).length);
const end = (row) => row.findLastIndex((v) => v > 0); // the last step that a gradient has reached: T, where no row is shorter
const reach = (row) => (end(row) > 0 ? row[1] / row[end(row)] : NaN); // what comes back from there to t = 1

function range(one) {
  // the ends of the colours: 0 and 1 for a gate, else at most six decades
  const all = one.values.flat().filter((v) => v > 0),
    high = Math.max(...all, 0) || 1;
  return one.gate ? [0, 1] : [Math.min(Math.max(Math.min(...all, high), high * 1e-6), high / 10), high];
}
const part = (one, v) => (one.gate ? v : Math.log(Math.max(v, data.low) / data.low) / Math.log(data.high / data.low)); // 0 to 1
const colour = (one, v) =>
  v === null || (!one.gate && v <= 0)
    ? "none"
    : `q${Math.max(0, Math.min(data.levels - 1, Math.floor(data.levels * part(one, v))))}`;

function drawMap() {
  const one = shown(),
    box = $("map"),
    left = 62,
    low = 36;
  [data.low, data.high] = range(one);
  legend(head(one)); // before the room is measured
  const n = one.values[0].length,
    rows = one.values.length;
  const fit = (most, room) => Math.max(1, Math.min(most, room)); // a frame has no size at first
  const wide = fit(90, (box.clientWidth - left - 24) / n),
    high = fit(44, (box.clientHeight - low - 18) / rows);
  const size = [left + n * wide + 10, 14 + rows * high + low];
  const picture = shape("svg", {
    width: size[0],
    height: size[1],
    viewBox: `0 0 ${size.join(" ")}`,
    id: "heat",
    role: "img",
    "aria-label": `${head(one)}. ${say("map")}`,
  });
  const text = (x, y, what, kind) => picture.append(shape("text", { x, y, class: kind }, what));
  const each = (pixels, room) => [1, 2, 5, 10, 20, 50, 100, 200, 500].find((m) => m * pixels > room) || 1000;
  one.values.forEach((row, k) => {
    for (const [j, v] of row.entries())
      picture.append(
        shape("rect", {
          class: colour(one, v),
          x: left + j * wide,
          y: 14 + k * high,
          width: Math.max(0.8, wide - (wide > 6 ? 1 : 0)),
          height: Math.max(0.8, high - (high > 6 ? 1 : 0)),
        }),
      );
    if (k % each(high, 15) === 0 || (k === rows - 1 && (rows - 1) % each(high, 15) > each(high, 15) / 2))
      text(left - 8, 14 + (k + 0.5) * high + 4, String(data.steps[k]), "row");
  });
  for (let j = 0; j < n; j += each(wide, 24))
    text(left + (j + 0.5) * wide, 14 + rows * high + 14, String(j + from(one)), "column");
  text(left + (n * wide) / 2, 14 + rows * high + 31, say("time"), "column");
  picture.append(shape("rect", { class: "cursor", id: "cursor", x: left - 1, width: n * wide + 1, height: high }));
  box.replaceChildren(picture);
  Object.assign(heat, { left, wide, high, n });
}
const heat = {};

function curves() {
  // this training step between the first and the last
  const one = shown(),
    [w, h, edge] = [344, 150, 54],
    n = one.values[0].length;
  const x = (j) => edge + (n > 1 ? j / (n - 1) : 0.5) * (w - edge - 8),
    y = (v) => 6 + (1 - Math.max(0, part(one, v))) * (h - 28);
  const plot = shape("svg", { viewBox: `0 0 ${w} ${h}`, class: "curves", role: "img", "aria-label": say("profile") });
  for (const v of one.gate ? [0, 0.5, 1] : [data.low, Math.sqrt(data.low * data.high), data.high])
    plot.append(
      shape("line", { x1: edge, x2: w - 4, y1: y(v), y2: y(v), class: "grid" }),
      shape("text", { x: edge - 5, y: y(v) + 3, class: "power" }, digits(Number(v.toPrecision(2)))),
    );
  plot.append(
    shape("text", { x: edge, y: h - 3 }, String(from(one))),
    shape("text", { x: w - 8, y: h - 3, class: "power" }, String(n - 1 + from(one))),
    shape("text", { x: w / 2, y: h - 3, class: "middle" }, say("time")),
  );
  const line = (row, kind) =>
    plot.append(
      shape("polyline", {
        class: kind,
        points: row
          .map((v, j) => (v === null ? "" : `${x(j).toFixed(1)},${y(v).toFixed(1)}`))
          .filter(Boolean)
          .join(" "),
      }),
    );
  line(one.values[0], "before");
  line(one.values[one.values.length - 1], "after");
  line(one.values[state.at], "side-0");
  const key = (kind, word, k) => [
    el("i", `key ${kind}`),
    el("b", "", say(word)),
    el("span", "norm", String(data.steps[k])),
  ];
  const list = el(
    "div",
    "keys",
    ...key("before", "first", 0),
    ...key("side-0", "now", state.at),
    ...key("after", "last", data.steps.length - 1),
  );
  return card(`${head(one)} · ${say("profile")}`, plot, list);
}
function lossCurve() {
  // the mean training loss since the snapshot before, with a mark at this one
  const found = data.losses.map((v, k) => [data.steps[k], v]).filter(([, v]) => v !== null);
  if (found.length < 2) return [];
  const [w, h, edge] = [344, 120, 54],
    high = Math.max(...found.map(([, v]) => v)),
    [a, b] = [data.steps[0], data.steps[data.steps.length - 1]];
  const x = (step) => edge + ((step - a) / (b - a)) * (w - edge - 8),
    y = (v) => 6 + (1 - v / (high || 1)) * (h - 28);
  const plot = shape("svg", { viewBox: `0 0 ${w} ${h}`, class: "curves", role: "img", "aria-label": say("loss") });
  for (const v of [0, high / 2, high])
    plot.append(
      shape("line", { x1: edge, x2: w - 4, y1: y(v), y2: y(v), class: "grid" }),
      shape("text", { x: edge - 5, y: y(v) + 3, class: "power" }, digits(Number(v.toPrecision(2)))),
    );
  plot.append(
    shape("polyline", {
      class: "side-1",
      points: found.map(([step, v]) => `${x(step).toFixed(1)},${y(v).toFixed(1)}`).join(" "),
    }),
    shape("line", { class: "here", x1: x(data.steps[state.at]), x2: x(data.steps[state.at]), y1: 4, y2: h - 20 }),
    shape("text", { x: edge, y: h - 3 }, String(a)),
    shape("text", { x: w - 8, y: h - 3, class: "power" }, String(b)),
    shape("text", { x: w / 2, y: h - 3, class: "middle" }, say("training")),
  );
  const now = data.losses[state.at];
  return [card(say("loss"), plot, el("p", "fine", now === null ? "" : say("lossIs", digits(now))))];
}
function difference(name) {
  // the first and the last snapshot, in words
  const one = data.names[name],
    a = one.values[0],
    b = one.values[one.values.length - 1];
  let what;
  if (one.gate) {
    const [old, now] = [mean(a), mean(b)],
      most = a.map((v, j) => (v === null || b[j] === null ? 0 : Math.abs(b[j] - v)));
    const j = most.indexOf(Math.max(...most));
    const way = say(now > old + 0.005 ? "opens" : now < old - 0.005 ? "closes" : "stays");
    what = [`${way}, ${old.toFixed(3)} → ${now.toFixed(3)}`, say("most", j + 1, digits(a[j]), digits(b[j]))];
  } else {
    const k = reach(b) / reach(a),
      times = (v) => (v < 10 ? v.toFixed(1) : v < 1e5 ? String(Math.round(v)) : digits(v));
    what = [
      `${digits(reach(a))} × → ${digits(reach(b))} ×`,
      k > 1.1 ? say("more", times(k)) : k < 1 / 1.1 ? say("less", times(1 / k)) : say("same"),
    ];
    if (!Number.isFinite(k)) what = [say("nothing"), ""];
  }
  const button = el("button", "link", head(one));
  button.addEventListener("click", () => choose(name));
  return [button, el("span", "what", title(name)), el("span", "said", el("b", "", what[0]), el("br"), what[1])];
}
function sentence() {
  const one = shown(),
    row = one.values[state.at],
    said = say("live", data.steps[state.at]);
  if (one.gate) return said + say("gateIs", head(one), mean(row).toFixed(3));
  return said + (Number.isFinite(reach(row)) ? say("reach", head(one), digits(reach(row))) : say("nothing"));
}
function tell() {
  const last = data.steps.length - 1,
    said = sentence();
  $("live").textContent = said;
  $("slider").max = last;
  $("slider").value = state.at;
  $("slider").setAttribute("aria-valuetext", said);
  $("home").disabled = $("back").disabled = state.at === 0;
  $("next").disabled = $("end").disabled = state.at === last;
  $("cursor").setAttribute("y", 14 + state.at * heat.high - 0.5);
  const list = el("div", "changes", ...(last ? Object.keys(data.names).flatMap(difference) : [say("one")]));
  $("panel").replaceChildren(curves(), ...lossCurve(), card(say("changed"), list));
}
function go(at) {
  state.at = Math.max(0, Math.min(data.steps.length - 1, at));
  tell();
}
function choose(name) {
  state.name = name;
  pressed("names", "which", name);
  drawMap();
  tell();
}
function spoke() {
  $("subtitle").textContent = say(
    "sub",
    data.count,
    data.steps.length,
    data.steps[0],
    data.steps[data.steps.length - 1],
    data.T,
  );
  for (const button of $("names").children) button.textContent = head(data.names[button.dataset.which]);
  choose(state.name);
}
function cellAt(event) {
  const box = $("heat").getBoundingClientRect(),
    j = Math.floor((event.clientX - box.left - heat.left) / heat.wide),
    k = Math.floor((event.clientY - box.top - 14) / heat.high);
  return j >= 0 && j < heat.n && k >= 0 && k < data.steps.length ? [k, j] : null;
}

for (const name of Object.keys(data.names)) {
  const button = el("button", "");
  button.dataset.which = name;
  button.addEventListener("click", () => choose(name));
  $("names").append(button);
}
const clicks = {
  home: () => go(0),
  back: () => go(state.at - 1),
  next: () => go(state.at + 1),
  end: () => go(data.steps.length - 1),
};
for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", action);
Object.assign(keys, {
  ArrowRight: clicks.next,
  ArrowDown: clicks.next,
  ArrowLeft: clicks.back,
  ArrowUp: clicks.back,
  Home: clicks.home,
  End: clicks.end,
});
$("slider").addEventListener("input", () => go(Number($("slider").value)));
$("map").addEventListener("click", (event) => {
  const found = cellAt(event);
  if (found) go(found[0]);
});
$("map").addEventListener("pointermove", (event) => {
  const found = cellAt(event),
    one = shown();
  tip(
    event,
    found && [
      `${say("training")} ${data.steps[found[0]]}, t = ${found[1] + from(one)}`,
      `${head(one)} = ${digits(one.values[found[0]][found[1]])}`,
    ],
  );
});
$("map").addEventListener("pointerleave", () => tip(null, null));
addEventListener("resize", () => choose(state.name));
begin(words);
