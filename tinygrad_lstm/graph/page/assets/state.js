// The page is a position in a list of ops: those before it have sent their gradients back, the others not yet.
// Stepping changes the classes of the few edges in between.

const sheets = data.sheets,
  beside = sheets.length > 1,
  timed = data.times.length > 0;
const svg = $("picture"),
  home = data.picture.view;
const state = {
  at: 0,
  mode: timed ? "time" : "op",
  path: data.follow,
  chosen: null,
  note: "",
  start: null,
  widest: 0,
  predicting: false,
  veiled: false,
};
let view = home.slice(),
  marked = [0, 0],
  hidden = 0,
  boxed = [];
const label = (t) => (data.labels ? (data.labels[data.times.indexOf(t)] ?? "") : "");
const sheetOf = (x) => sheets[x.s || 0];
const parts = data.ops.map((op) => [...(op.ids || []), ...op.ins.flatMap((share) => share.ids)].map($).filter(Boolean));
const nodes = data.ops.map((op) => op.node && $(op.node));
const stops = {
  time: [0, ...data.groups.map((group) => group.end)],
  op: data.ops.map((_, k) => k).concat(data.ops.length),
};
const ends = () => stops[state.mode];
const current = () => data.ops[ends()[state.at] - 1];
const group = () => data.groups.find((g) => g.end >= ends()[state.at]);
const starting = () => ends()[state.at] <= data.groups[0].end; // where the gradient comes from

function reveal(done, from) {
  // only what changes: edges between the old position and the new one
  const boxes = state.at > 0 ? group().boxes.map($) : [];
  for (const box of boxed) if (!boxes.includes(box)) box.classList.remove("now");
  for (const box of boxes) if (!boxed.includes(box)) box.classList.add("now");
  boxed = boxes;
  svg.classList.toggle("stepping", state.at > 0 || state.predicting);
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
  state.at = Math.max(0, Math.min(farthest(), at));
  state.note = "";
  reveal(ends()[state.at], state.at ? ends()[state.at - 1] : ends()[0]);
  $("slider").max = ends().length - 1;
  $("slider").value = state.at;
  if (!quiet) bringIntoView();
  tell();
  flowing();
  if (!quiet) remember();
}
function change(mode) {
  // the same place, in steps of another size
  const done = ends()[state.at];
  state.mode = mode;
  svg.classList.toggle("ops", mode === "op");
  go(ends().findIndex((end) => end >= done));
  pressed("modes", "mode", mode);
}
function goToStep(t) {
  const [first, last] = data.window;
  if (t < first || t > last) {
    state.note = say("outside", t, first, last);
    return tell();
  }
  const found = data.groups.find((g) => g.t === t && atTheTop(g));
  if (found) go(ends().indexOf(found.end));
}
