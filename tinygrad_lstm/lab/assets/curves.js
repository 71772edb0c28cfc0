// Loss above, accuracy below, over the steps of training; both nets on one scale.
import { $, digits, percent, shape } from "./dom.js";
import { lab, nets } from "./state.js";
import { say } from "./words.js";

const LEFT = 46;
const GAP = 18;
const TOP = 9;
const BOTTOM = 34;

const path = (points) => points.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function nice(most) {
  const unit = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 2.5, 5, 10].map((m) => m * unit).find((value) => value >= most);
}

// Of many steps at most some hundred points: the mean of each part.
function thinned(values) {
  const part = Math.max(1, Math.ceil(values.length / 240));
  const points = [];
  for (let k = 0; k < values.length; k += part) {
    const some = values.slice(k, k + part).filter(Number.isFinite);
    if (some.length) points.push([Math.min(k + part, values.length), some.reduce((a, b) => a + b) / some.length]);
  }
  return points;
}

export function drawCurves() {
  const place = $("curves");
  const wide = Math.max(240, place.clientWidth || 420),
    high = Math.max(180, place.clientHeight || 236);
  const each = (high - TOP - GAP - BOTTOM) / 2;
  const all = nets().map((name) => ({ name, ...lab.nets[name] }));
  const last = Math.max(20, ...all.map((net) => net.steps));
  const series = all.map((net) => ({ ...net, points: thinned(net.loss) }));
  const top = nice(Math.max(0.1, ...series.flatMap(({ points }) => points.map(([, value]) => value))));
  const x = (step) => LEFT + (step / last) * (wide - LEFT - 12);
  const picture = shape("svg", {
    viewBox: `0 0 ${wide} ${high}`,
    role: "img",
    "aria-label": say("curvesName", { n: Math.max(...all.map((net) => net.steps)) }),
  });
  const frame = (y0, title, most, written) => {
    for (const part of [0, 0.5, 1]) {
      const y = y0 + each * (1 - part);
      picture.append(
        shape("line", { x1: LEFT, x2: wide - 12, y1: y, y2: y, class: "grid" }),
        shape("text", { x: LEFT - 7, y: y + 4, class: "end" }, written(most * part)),
      );
    }
    const y = y0 + (most === 1 ? each - 4 : 18); // where there is no curve
    picture.append(shape("text", { x: wide - 14, y, class: "end title" }, title));
  };
  frame(TOP, say("loss"), top, digits);
  frame(TOP + each + GAP, say("accuracyTitle"), 1, percent);
  const up = (value) => TOP + each * (1 - Math.min(1, value / top)),
    down = (value) => TOP + each + GAP + each * (1 - value);
  for (const { name, made, points, accuracy } of series) {
    if (made?.baseline != null)
      picture.append(
        shape("line", { x1: LEFT, x2: wide - 12, y1: down(made.baseline), y2: down(made.baseline), class: "baseline" }),
      );
    for (const [kind, found] of [
      ["line", points.map(([step, value]) => [x(step), up(value)])],
      ["line", accuracy.filter((row) => row.learned != null).map((row) => [x(row.step), down(row.learned)])],
      ["line held", accuracy.filter((row) => row.held != null).map((row) => [x(row.step), down(row.held)])],
    ])
      if (found.length) picture.append(shape("path", { d: path(found), class: `${kind} net-${name}` }));
  }
  for (const part of [0, 0.5, 1])
    picture.append(
      shape(
        "text",
        { x: x(last * part), y: high - 15, class: part === 1 ? "end" : part ? "middle" : "" },
        String(Math.round(last * part)),
      ),
    );
  picture.append(shape("text", { x: (LEFT + wide) / 2, y: high - 1, class: "middle" }, say("step")));
  place.replaceChildren(picture);
}
