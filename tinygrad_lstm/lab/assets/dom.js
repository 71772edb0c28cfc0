// Small helpers for the document. All text goes in by textContent: what users write is never read as HTML.

export const $ = (id) => document.getElementById(id);

function made(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const el = (tag, attributes = {}, ...children) => made(document.createElement(tag), attributes, children);

export const shape = (tag, attributes = {}, ...children) =>
  made(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

export function later(milliseconds, act) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...values), milliseconds);
  };
}

// A share: as a percentage where that is readable, else as a number.
export function percent(p) {
  const at = 100 * p;
  if (p && at < 0.1) return digits(p);
  return `${at >= 99.95 || !at ? Math.round(at) : at >= 10 ? at.toFixed(0) : at.toFixed(1)} %`;
}

export function digits(x) {
  if (x === null || x === undefined) return "–";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 0.001 && size < 10000) return String(Number(x.toPrecision(3)));
  return x.toExponential(1).replace("e+", "e");
}

// For people who listen: once, and not while a net trains.
export function announce(text) {
  if ($("live").textContent !== text) $("live").textContent = text;
}

// The catalogue gives the reason where the engine gave none.
export function complain(place, fault) {
  place.hidden = !fault;
  place.textContent = fault ? fault.message : "";
}
