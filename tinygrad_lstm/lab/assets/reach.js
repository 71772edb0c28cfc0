// How far back the gradient reaches while the net learns: a row for every so many steps, the newest below.
import { $, el, percent, shape } from "./dom.js";
import { scaleOf, shade } from "./scale.js";
import { lab, nets } from "./state.js";
import { say } from "./words.js";

const ROWS = 16; // at most; then every second one is let go
const LEFT = 44;

export function keepReach(net, reach) {
  const rows = net.reach.filter((row) => row.step !== net.steps);
  rows.push({ step: net.steps, ...reach });
  if (rows.length > ROWS) {
    const half = rows.filter((_, k) => k % 2 === 0 || k === rows.length - 1);
    net.reach = half;
  } else net.reach = rows;
}

function left({ shares }) {
  const first = shares[0],
    last = shares[shares.length - 1];
  return first === null || !last ? null : first / last;
}

export function reachSaid(name) {
  const row = lab.nets[name].reach.at(-1);
  const share = row && left(row);
  const values = { net: name.toUpperCase(), step: row?.step ?? 0 };
  if (share === null || share === undefined) return say("reachNothing", values);
  return say("reachName", { ...values, share: percent(share), word: row.words[0] });
}

function one(name, scale, wide, high) {
  const { reach } = lab.nets[name];
  const words = reach.at(-1).words;
  const cell = (wide - LEFT - 2) / words.length;
  const longest = Math.max(...words.map((word) => [...word].length));
  const slanted = longest * 7.2 > cell;
  const below = slanted ? Math.min(64, 14 + longest * 5) : 22;
  const row = Math.min(24, (high - below) / Math.max(8, reach.length));
  const every = Math.ceil(14 / row); // numbers that do not touch
  const picture = shape("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": reachSaid(name) });
  reach.forEach(({ step, shares }, r) => {
    const newest = r === reach.length - 1;
    if (newest || (r % every === 0 && (reach.length - 1 - r) * row > 13))
      picture.append(
        shape("text", { x: LEFT - 6, y: (r + 0.5) * row + 4, class: newest ? "end title" : "end" }, String(step)),
      );
    shares.forEach((share, k) => {
      const rect = shape("rect", {
        x: LEFT + k * cell,
        y: r * row,
        width: Math.max(1, cell - 1.5),
        height: Math.max(1, row - 1.5),
        rx: 2,
        class: shade(scale, share),
      });
      rect.append(shape("title", {}, `${words[k]}: ${share === null ? "–" : percent(share)}`));
      picture.append(rect);
    });
  });
  const end = reach.length * row;
  words.forEach((word, k) => {
    const x = LEFT + (k + 0.5) * cell,
      y = end + 14;
    const slant = slanted ? { transform: `rotate(-38 ${x} ${y})`, class: "end word" } : { class: "middle word" };
    picture.append(shape("text", { x: slanted ? x + 4 : x, y, ...slant }, word));
  });
  return picture;
}

export function drawReach() {
  const place = $("reach"),
    shown = nets().filter((name) => lab.nets[name].reach.length);
  if (!shown.length) return;
  const scale = scaleOf(shown.flatMap((name) => lab.nets[name].reach.flatMap((row) => row.shares)));
  const wide = Math.max(240, place.clientWidth || 420),
    high = Math.max(150, (place.clientHeight || 236) - 26 * shown.length);
  const states = new Set(shown.map((name) => lab.nets[name].reach.at(-1).state));
  const parts = shown.flatMap((name, k) => {
    const title = shown.length > 1 ? `${name.toUpperCase()} ` : "";
    const state = lab.nets[name].reach.at(-1).state;
    const head = k === 0 || states.size > 1 ? say("reachTitle", { state }) : "";
    return [
      el("figcaption", {}, shown.length > 1 ? el("b", { class: `net-${name}` }, title) : null, head),
      one(name, scale, wide, high / shown.length),
    ];
  });
  place.replaceChildren(...parts);
}
