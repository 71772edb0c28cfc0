// Text has a size in the reader's pixels, at any zoom. What would not fit is not drawn: it comes with nearness. Far out
// stand the words, the state's way as one band with its numbers, and one claim.

const FAR = 19; // font sizes a step; narrower ones show their band alone
const pixels = () => Number(getComputedStyle(document.body).getPropertyValue("--px"));
const near = { fits: 0, scale: 0 }; // how many texts are drawn, and pixels a point
written.sort((a, b) => a.need - b.need);

function scaled() {
  const px = pixels();
  near.scale = svg.clientWidth / view[2];
  svg.style.setProperty("--u", (1 / near.scale).toFixed(4));
  const room = near.scale / px; // font sizes a point
  while (near.fits < written.length && written[near.fits].need <= room)
    written[near.fits++].made.classList.remove("tight");
  while (near.fits && written[near.fits - 1].need > room) written[--near.fits].made.classList.add("tight");
  svg.classList.toggle("far", timed && pitch() * near.scale < FAR * px);
}
const pitch = () => (columns.length > 1 ? columns[1].x - columns[0].x : boxes[0]?.width || 1);

function every(k) {
  // so that some of many words are left where all have no room: each second one twice as long, each fourth, …
  let room = 1;
  while (room < 64 && k % (2 * room) === 0) room *= 2;
  return room;
}
function drawBands() {
  // of each net's state; of one net also of the other paths: seen where one follows them
  const far = gather("distant", "distant");
  sheets.forEach((sheet, s) => {
    for (const name of beside ? [sheet.state] : new Set([sheet.state, ...data.paths])) {
      const other = name !== sheet.state,
        [band, lane] = drawBand(name, s, s === sheets.length - 1 || beside);
      if (!other) $("pan").prepend(...$("pan").querySelectorAll(".cluster"), lane); // the state's way differs at first glance
      band.classList.add(`band-${other || !beside ? data.paths.indexOf(name) : "all"}`);
      band.classList.toggle("other", other);
      far.append(band);
    }
  });
  $("pan").append(far);
  written.sort((a, b) => a.need - b.need);
  for (const { made } of written) made.classList.add("tight");
}
function drawBand(name, s, worded) {
  // one line along a path, as thick as a finger, with its numbers and the words; and the lane behind the picture
  const { strip } = sheets[s];
  const spots = data.times
    .filter((t) => t >= data.window[0] && t <= data.window[1])
    .map((t) => {
      const found = Object.entries(data.nodes).find(
        ([, j]) => data.tensors[j].sym === `${name}${sub(t)}` && (data.tensors[j].s || 0) === s,
      );
      if (!found) return null;
      const box = $(found[0]).getBBox();
      return { t, v: own(strip, name)?.[data.times.indexOf(t)], x: box.x + box.width / 2, y: box.y + box.height / 2 };
    })
    .filter(Boolean);
  const far = gather("path"),
    lane = gather("lane"),
    texts = [];
  spots.forEach(({ t, v, x, y }, k) => {
    const line = { x1: k ? spots[k - 1].x : x - pitch(), x2: x, y1: y, y2: y };
    const band = shape("line", { ...line, class: `band q${Math.max(0, level(v ?? null))}` });
    band.dataset.t = t;
    far.append(band);
    lane.append(shape("line", line));
    const room = [every(spots.length - 1 - k) * pitch() * 0.94, Number.POSITIVE_INFINITY];
    const [number] = writing([digits(v)], x, y, room, { class: "distant-number" });
    number.dataset.t = t;
    texts.push(number);
    if (worded) texts.push(...writing([label(t) || String(t)], x, y, room, { class: "distant-word" }));
  });
  far.append(...texts); // above the line
  return [far, lane];
}
function claim() {
  // what the whole picture says, in one sentence with its number; of several nets on one base, as in the panel
  if (!timed) return "";
  if (beside) return sheets.map((sheet) => `${sheet.name}: ${fate(sheet)}`).join(" · ");
  const name = data.paths[state.path] ?? sheets[0].state,
    row = own(sheets[0].strip, name) || [],
    first = row.findIndex((v) => v !== null && v !== undefined),
    end = row[row.length - 1];
  if (first < 0 || !(end > 0)) return "";
  const share = row[first] / end,
    where = say("at", data.times[first], label(data.times[first]));
  return say(share > 1 ? "grown" : "claim", `∂L/∂${name}`, digits(share), where);
}
