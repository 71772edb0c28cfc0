// Small plots: curves of what is left of a gradient, bars, histograms.

function leftCard() {
  const rows = sheets.map((sheet) => sheet.strip[sheet.state] || []),
    all = rows.flat().filter((v) => v > 0);
  const high = Math.ceil(Math.log10(Math.max(...all))),
    low = Math.max(high - 14, Math.min(high - 2, Math.floor(Math.log10(Math.min(...all)))));
  const [wide, tall, edge, n] = [344, 150, 38, data.times.length];
  const x = (k) => edge + (n > 1 ? k / (n - 1) : 0.5) * (wide - edge - 8),
    y = (v) => 6 + ((high - Math.max(low, Math.log10(v))) / (high - low)) * (tall - 24);
  const plot = shape("svg", {
    viewBox: `0 0 ${wide} ${tall}`,
    class: "curves",
    role: "img",
    "aria-label": sheets.map((sheet) => `${sheet.name}: ${fate(sheet)}`).join(" · "),
  });
  for (let p = low, every = Math.ceil((high - low) / 6); p <= high; p += every)
    plot.append(
      shape("line", { x1: edge, x2: wide - 4, y1: y(10 ** p), y2: y(10 ** p), class: "grid" }),
      shape("text", { x: edge - 6, y: y(10 ** p) + 3, class: "power" }, `1e${p}`),
    );
  plot.append(
    shape("text", { x: edge, y: tall - 3 }, String(data.times[0])),
    shape("text", { x: wide - 8, y: tall - 3, class: "power" }, String(data.times[n - 1])),
    shape("text", { x: wide / 2, y: tall - 3, class: "middle" }, say("time")),
  );
  const at = state.at && !starting() && atTheTop(group()) ? data.times.indexOf(group().t) : -1;
  if (at >= 0) plot.append(shape("line", { x1: x(at), x2: x(at), y1: 2, y2: tall - 16, class: "cursor" }));
  rows.forEach((row, k) => {
    const points = row.map((v, j) => (v > 0 ? `${x(j).toFixed(1)},${y(v).toFixed(1)}` : "")).filter(Boolean);
    plot.append(shape("polyline", { points: points.join(" "), class: `side-${k}` }));
    const j = data.times.indexOf(gone(sheets[k]));
    if (j >= 0 && row[j] > 0) plot.append(shape("circle", { cx: x(j), cy: y(row[j]), r: 5, class: `ring side-${k}` }));
    if (at >= 0 && row[at] > 0)
      plot.append(shape("circle", { cx: x(at), cy: y(row[at]), r: 3.5, class: `dot side-${k}` }));
  });
  const list = el("div", "sides");
  sheets.forEach((sheet, k) => {
    const found = at >= 0 ? left(sheet, data.times[at]) : null,
      name = `∂L/∂${sheet.state}${at >= 0 ? sub(data.times[at]) : "ₜ"}`;
    list.append(
      el("i", `key side-${k}`),
      el("b", "", sheet.name),
      el("span", "what", name),
      el("span", "norm", found ? digits(found[0]) : ""),
      el("span", "part", found ? portion(found[1]) : ""),
    );
    if (!found) list.append(el("span", "fate", fate(sheet)));
  });
  return card(say("left"), plot, list, el("p", "fine", say("readLeft")));
}
function bar(from, to, q) {
  // from and to between −1 and 1; negative parts grow to the left
  const low = Math.min(from, to, 0) < 0 ? -1 : 0,
    place = (v) => (100 * (v - low)) / (1 - low);
  const made = shape("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  made.append(
    shape("rect", { class: "rail", x: 0, y: 0, width: 100, height: 8 }),
    shape("rect", {
      class: `q${q}`,
      x: Math.min(place(from), place(to)),
      y: 0,
      width: Math.max(0.6, Math.abs(place(to) - place(from))),
      height: 8,
    }),
  );
  return made;
}
function histogram([low, high, ...counts]) {
  const top = Math.max(...counts),
    wide = 100 / counts.length,
    box = el("figure", "histogram");
  const plot = shape("svg", {
    viewBox: "0 0 100 40",
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": say("histogram"),
  });
  for (const [k, n] of counts.entries())
    plot.append(
      shape("rect", { x: k * wide + 0.3, width: wide - 0.6, y: 40 - (40 * n) / top, height: (40 * n) / top }),
    );
  if (low < 0 && high > 0) {
    const x = (100 * -low) / (high - low);
    plot.append(shape("line", { x1: x, x2: x, y1: 0, y2: 40 }));
  }
  const zero = el("span", "zero", "0"),
    at = (100 * -low) / (high - low),
    axis = el("div", "axis", el("span", "", digits(low)), el("span", "", digits(high)));
  zero.style.left = `${at}%`;
  if (at > 18 && at < 82) axis.append(zero); // where it does not touch the ends
  box.append(el("figcaption", "", say("histogram")), plot, axis);
  return box;
}
