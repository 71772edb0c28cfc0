// The picture of a cell: Graphviz's SVG, of which only shapes and text are taken over, cut to what is drawn.

const TAGS = new Set(["svg", "g", "path", "polygon", "polyline", "ellipse", "circle", "rect", "text", "title"]);
const ATTRIBUTES = new Set(
  "class d points x y cx cy rx ry r width height transform fill stroke stroke-width stroke-dasharray text-anchor viewBox".split(
    " ",
  ),
);

function copied(node) {
  if (node.localName === "a") {
    const inside = document.createDocumentFragment();
    inside.append(...[...node.children].map(copied).filter(Boolean));
    return inside;
  }
  if (!TAGS.has(node.localName)) return null;
  const copy = document.createElementNS("http://www.w3.org/2000/svg", node.localName);
  for (const { name, value } of node.attributes)
    if (ATTRIBUTES.has(name) && !value.includes("url(")) copy.setAttribute(name, value);
  if (node.localName === "text" || node.localName === "title") copy.textContent = node.textContent;
  else copy.append(...[...node.children].map(copied).filter(Boolean));
  return copy;
}

export function showPicture(place, text, title) {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  const picture = parsed.localName === "svg" && copied(parsed);
  if (!picture) {
    place.replaceChildren();
    return;
  }
  for (const name of ["width", "height"]) picture.removeAttribute(name);
  for (const node of picture.querySelectorAll("g > polygon:first-of-type, .graph > title, .graph > text"))
    if (node.parentNode.classList.contains("graph")) node.remove();
  for (const node of picture.querySelectorAll("title")) node.remove(); // names of nodes, for nobody
  for (const node of picture.querySelectorAll(".graph > .node"))
    if (!node.querySelector("path, polygon, ellipse, circle, rect")) node.remove(); // the caption below
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", title);
  place.replaceChildren(picture);
  const { x, y, width, height } = picture.firstElementChild.getBBox?.() ?? { width: 0 };
  if (!width) return; // not shown yet: the whole of it stays
  const [moveX, moveY] = (
    picture.firstElementChild.getAttribute("transform").match(/translate\(([^)]*)\)/)?.[1] ?? "0 0"
  )
    .split(/[ ,]+/)
    .map(Number);
  picture.setAttribute("viewBox", `${x + moveX - 4} ${y + moveY - 4} ${width + 8} ${height + 8}`);
}
