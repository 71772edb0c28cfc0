// Looking around: zoom, drag, what is in view, and what is said of the part below the pointer.

function show(box) {
  // columns outside of the view are taken out: a step need not lay out what nobody sees
  if (!box.every(Number.isFinite) || box[2] <= 0 || String(box) === String(view)) return; // no size yet, or no change
  if (box[2] !== view[2] || box[3] !== view[3] || !$("pan").hasAttribute("transform"))
    svg.setAttribute("viewBox", `0 0 ${box[2].toFixed(1)} ${box[3].toFixed(1)}`);
  $("pan").setAttribute("transform", `translate(${-box[0].toFixed(1)} ${-box[1].toFixed(1)})`); // moving alone lays out nothing anew
  const zoomed = box[2] !== view[2] || !near.scale;
  view = box;
  if (zoomed) scaled();
  for (const name of svg.querySelectorAll(".name")) name.setAttribute("x", Math.max(home[0], box[0]) + 14);
  const pitch = columns.length > 1 ? columns[1].x - columns[0].x : Infinity;
  for (const column of columns) {
    const away = column.x + pitch < box[0] || column.x - 60 > box[0] + box[2];
    if (away !== column.away) for (const group of column.groups) group.classList.toggle("away", away);
    column.away = away;
  }
}
function zoom(factor, x = 0.5, y = 0.5) {
  const wide = Math.min(Math.max(state.widest, view[2]), Math.max(60, view[2] * factor)),
    high = (wide * view[3]) / view[2];
  show([view[0] + (view[2] - wide) * x, inSight(view[1] + (view[3] - high) * y, high), wide, high]);
}
function inSight(top, high) {
  // the state's line does not leave the screen when one zooms
  const band = $("distant")?.querySelector(".band");
  if (!band) return top;
  const y = Number(band.getAttribute("y1")),
    edge = 0.12 * high;
  return Math.min(y - edge, Math.max(top, y + edge - high));
}
function frameOn(x, y, wide, high) {
  // the box, in a view of the window's own proportions
  const stage = svg.parentElement,
    ratio = stage.clientWidth / Math.max(1, stage.clientHeight);
  const w = Math.max(wide, high * ratio),
    h = w / ratio;
  show([x + wide - w + (w - wide) / 2, y - (h - high) / 2, w, h]);
}
function boxOf(node) {
  return node.getBBox();
}
const boxes = [...svg.querySelectorAll(".step")].map(boxOf);
const columns = [...new Set(boxes.map((b) => Math.round(b.x)))]
  .sort((a, b) => a - b)
  .map((x) => ({ x, away: false, groups: [] }));
for (const group of svg.querySelectorAll(".column")) {
  const box = boxOf(group),
    near = columns.findLastIndex((column) => column.x <= box.x + box.width / 2);
  columns[Math.max(0, near)]?.groups.push(group);
}
function bringIntoView() {
  if (!boxes.length) return follow();
  const k =
    state.at && !starting()
      ? data.times.filter((s) => s >= data.window[0] && s <= data.window[1]).indexOf(group().t)
      : columns.length - 1;
  const x = columns[Math.max(0, k)].x,
    wide = Math.max(...boxes.map((box) => box.width));
  const right = k === columns.length - 1 ? home[0] + home[2] : x + wide + 60;
  if (view !== state.start && x >= view[0] && x + wide <= view[0] + view[2] && view[2] < 6 * wide) return; // it is in view
  if (view === state.start || view[2] >= 6 * wide) return opening(right);
  show([right - view[2], view[1], view[2], view[3]]);
}
function follow() {
  // the node of this op; at the beginning, all
  const node = state.at && nodes[ends()[state.at] - 1];
  if (!node) return;
  const box = boxOf(node),
    inside =
      box.x >= view[0] &&
      box.x + box.width <= view[0] + view[2] &&
      box.y >= view[1] &&
      box.y + box.height <= view[1] + view[3];
  if (!inside) show([box.x + box.width / 2 - view[2] / 2, box.y + box.height / 2 - view[3] / 2, view[2], view[3]]);
}
function whole() {
  // all of it; of a graph without time as much as can be read
  if (boxes.length) frameOn(home[0], home[1], home[2], home[3]);
  else opening();
  state.widest = Math.max(view[2], home[2]); // farther away there is nothing to see
}
function opening(right = home[0] + home[2]) {
  // as large as the height allows, at the end of time
  const stage = svg.parentElement,
    high = home[3] + 12,
    wide = Math.min(home[2] + 12, (high * stage.clientWidth) / Math.max(1, stage.clientHeight));
  if (!boxes.length) {
    // all of it, if it can be read
    const scale = Math.min(
        1.6,
        Math.max(0.8, Math.min(stage.clientWidth / (home[2] + 24), stage.clientHeight / (home[3] + 24))),
      ),
      w = stage.clientWidth / scale,
      h = stage.clientHeight / scale;
    return show([home[0] + (w > home[2] ? (home[2] - w) / 2 : home[2] + 12 - w), home[1] + (home[3] - h) / 2, w, h]);
  }
  const least = Math.max(wide, Math.min(home[2], boxes[0].width * 1.62));
  frameOn(right - least, home[1] - 6, least, high);
}

function about(target) {
  const part = target.closest?.(".node, .edge");
  if (!part) return null;
  const j = own(data.nodes, part.id);
  if (j !== undefined) {
    const x = data.tensors[j];
    return [
      `${beside ? `${sheetOf(x).name} · ` : ""}${x.sym}`,
      ...(x.eq && x.eq !== x.sym ? [`= ${x.eq}`] : []),
      `${say("shape")} ${size(x)}`,
      ...(known(j) ? [measured(x, "∂L/∂·", x.grad)] : []),
    ];
  }
  const wire = own(data.wires, part.id.replace("e", "g"));
  const x = wire && data.tensors[wire[0]];
  return wire && [`→ ${partial(x)}`, single(x) ? digits(wire[1]) : `‖·‖ = ${digits(wire[1])}`];
}
