// The heat strip: a row for each name; of several nets for their states alone.

const strip = {
  high: beside ? 18 : 15,
  rows: sheets.flatMap((sheet, k) =>
    Object.keys(sheet.strip)
      .filter((name) => !beside || name === sheet.state || name === "h")
      .map((name) => ({ sheet, k, name, values: sheet.strip[name] })),
  ),
};
function drawStrip() {
  $("navigator").hidden = !timed;
  if (!timed) return;
  const title = (row) =>
      `${beside ? `${row.sheet.name.length > 24 ? `${row.sheet.name.slice(0, 23)}…` : row.sheet.name} ` : ""}∂L/∂${row.name}`,
    n = data.times.length;
  const edge = Math.max(62, 16 + 6.6 * Math.max(...strip.rows.map((row) => title(row).length)));
  const wide = Math.max(1.2, Math.min(130, ($("navigator").clientWidth - edge - 42) / n));
  Object.assign(strip, { left: edge, wide });
  const top = (row) => strip.rows.indexOf(row) * strip.high + 5 * row.k,
    high = top(strip.rows[strip.rows.length - 1]) + strip.high;
  const picture = shape("svg", { width: edge + n * wide + 4, height: high + 20 }),
    x = (k) => edge + k * wide;
  for (const row of strip.rows) {
    picture.append(shape("text", { x: edge - 8, y: top(row) + strip.high - 4, class: "row" }, title(row)));
    for (const [k, value] of row.values.entries()) {
      const cell = shape("rect", {
        class: value === null ? "none" : `q${level(value)}`,
        x: x(k),
        y: top(row),
        width: Math.max(0.8, wide - (wide > 6 ? 1 : 0)),
        height: strip.high - 1,
      });
      cell.dataset.t = data.times[k];
      cell.classList.toggle("veiled", hides(data.times[k]));
      picture.append(cell);
    }
    const k = beside && row.name === row.sheet.state ? data.times.indexOf(gone(row.sheet)) : -1;
    if (k >= 0)
      picture.append(
        shape("line", {
          x1: x(k + 1) - 0.5,
          x2: x(k + 1) - 0.5,
          y1: top(row) - 1,
          y2: top(row) + strip.high,
          class: "gone",
        }),
        shape("text", { x: x(k + 1) - 5, y: top(row) + strip.high - 5, class: "gone" }, "< 1 %"),
      );
  }
  const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((m) => m * wide > 26) || 1000;
  const room = Math.floor(wide / 7),
    longest = Math.max(0, ...(data.labels || []).map((word) => [...word].length));
  data.times.forEach((t, k) => {
    const word = label(t),
      named = word && (room >= 3 || longest <= room);
    if (!named && t % every && t !== 1) return;
    const text = named ? (word.length > room ? `${word.slice(0, room - 1)}…` : word) : String(t);
    picture.append(shape("text", { x: x(k + 0.5), y: high + 13, class: "column" }, text));
  });
  const [first, last] = data.window.map((t) => data.times.indexOf(t));
  picture.append(
    shape("rect", { class: "window", x: x(first), y: 0, width: x(last + 1) - x(first), height: high }),
    shape("rect", { class: "cursor", id: "cursor", y: -1, height: high + 1, width: wide, x: -9999 }),
  );
  $("strip").replaceChildren(picture);
  moveCursor();
}
function moveCursor() {
  const k = state.at && !starting() ? data.times.indexOf(group().t) : -9;
  $("cursor")?.setAttribute("x", k < 0 ? -9999 : strip.left + k * strip.wide - 0.5);
}
function columnAt(event) {
  const box = $("strip").firstChild.getBoundingClientRect(),
    y = event.clientY - box.top;
  const k = Math.floor((event.clientX - box.left - strip.left) / strip.wide);
  const row = strip.rows.find((one, j) => y < (j + 1) * strip.high + 5 * one.k);
  return k >= 0 && k < data.times.length ? [data.times[k], row, k] : null;
}
