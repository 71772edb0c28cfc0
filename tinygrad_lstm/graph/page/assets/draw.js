// The picture, drawn from its data: frames around steps, then column by column wires, boxes and texts.

const LINE = 1.15; // from line to line, in parts of the font size
const written = []; // all text of the picture, and how many points it has room for: see near.js

function gather(kind, id, ...children) {
  const made = shape("g", { class: kind });
  if (id) made.id = id;
  made.append(...children);
  return made;
}
function writing(lines, x, y, [wide, high], attributes = {}) {
  // lines of text, centred on a point; the style sheet gives their size, which is that of the reader
  const bare = { class: "", ...attributes };
  return lines.map((line, k) => {
    const dy = `${((k - (lines.length - 1) / 2) * LINE).toFixed(2)}em`;
    const made = shape("text", { x, y, dy, ...bare }, line);
    written.push({ made, need: Math.max(breadth(line) / wide, (lines.length * LINE) / high) });
    return made;
  });
}
const breadth = (text) => [...text].reduce((sum, sign) => sum + (sign > "\u2e80" ? 1 : 0.56), 0.3); // of a line, in font sizes
function curve(points) {
  // Bézier points, one after the other
  const [x, y, ...rest] = points;
  return `M${x},${y}C${rest.join(" ")}`;
}
function arrowhead(tip, foot, length, width) {
  // a triangle from a foot to a tip; wide lines have wide heads, as graphviz draws them
  const [x, y] = tip,
    far = Math.hypot(x - foot[0], y - foot[1]) || 1;
  const [u, v] = [(x - foot[0]) / far, (y - foot[1]) / far],
    half = 0.35 * length * (width > 4 ? width / 4 : 1);
  const [a, b] = [x - u * length, y - v * length];
  const corners = [[a - v * half, b + u * half], tip, [a + v * half, b - u * half]];
  return shape("polygon", { points: corners.map((corner) => corner.map((n) => n.toFixed(1)).join()).join(" ") });
}
function frameOf(part) {
  const [x, y] = part.middle ? [part.x + part.w / 2, part.y + 10] : [part.x + 12, part.y + 15];
  return gather(
    `cluster${part.middle ? "" : " step"}`,
    part.id,
    shape("rect", { x: part.x, y: part.y, width: part.w, height: part.h, rx: 12 }),
    ...writing([part.title], x, y, [part.w - 20, 26]),
  );
}
function boxOfPart(part) {
  const outline = part.round
    ? shape("ellipse", { cx: part.x, cy: part.y, rx: part.w / 2, ry: part.h / 2 })
    : shape("rect", { x: part.x - part.w / 2, y: part.y - part.h / 2, width: part.w, height: part.h, rx: 5 });
  const lines = part.number ? [...part.lines, part.number.text] : part.lines;
  const texts = writing(lines, part.x, part.y, [part.w - 2, part.h]);
  if (part.number)
    Object.assign(texts[texts.length - 1], { id: part.number.id }).setAttribute("class", part.number.class);
  return gather(`node ${part.class}`, part.id, outline, ...texts);
}
function wireOf(part) {
  // the thin line of the way forward lies on the wide one of the way back
  const thin = gather(`edge forward ${part.class}`, part.id, shape("path", { d: curve(part.thin) })),
    wide = part.gradient;
  if (!wide) {
    if (part.tip?.length) thin.append(arrowhead(part.tip, part.thin.slice(-2), part.head, 1));
    return [thin];
  }
  const line = shape("path", { d: curve(wide.points) });
  if (wide.dashed) line.setAttribute("stroke-dasharray", "5,2");
  const made = gather(`edge gradient ${wide.class}`, wide.id, line);
  made.setAttribute("stroke-width", wide.width);
  if (wide.tip.length) made.append(arrowhead(wide.tip, wide.points.slice(0, 2), wide.head, wide.width));
  for (const label of wide.labels || [])
    made.append(...writing([label.text], label.x, label.y - 3, [90, 14], { class: "number" }));
  return wide.labels ? [thin, made] : [made, thin];
}
function textOf(part) {
  const room = [part.class === "name" ? 400 : part.room, 26];
  const [first, ...others] = writing(part.lines, part.x, part.y, room, { class: `${part.class} ${part.side}` });
  first.id = part.id;
  return [first, ...others];
}
function drawPicture({ frames, boxes, wires, texts }) {
  const columns = new Map(),
    column = (k) => columns.get(k) || columns.set(k, gather("column")).get(k);
  const names = texts.filter((part) => part.class.includes("name"));
  for (const part of wires) if (!part.gradient?.labels) column(part.c).append(...wireOf(part));
  for (const part of boxes) column(part.c).append(boxOfPart(part));
  for (const part of wires) if (part.gradient?.labels) column(part.c).append(...wireOf(part));
  for (const part of texts) if (!names.includes(part)) column(part.c).append(...textOf(part));
  const inOrder = [...columns.keys()].sort((a, b) => a - b).map((k) => columns.get(k));
  $("pan").append(...frames.map(frameOf), ...names.flatMap(textOf), ...inOrder);
}
drawPicture(data.picture);
