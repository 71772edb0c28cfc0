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
function drawBand() {
  const far = gather("distant", "distant");
  sheets.forEach((sheet, s) => {
    const spots = data.times
      .filter((t) => t >= data.window[0] && t <= data.window[1])
      .map((t) => {
        const name = `${sheet.state}${sub(t)}`;
        const found = Object.entries(data.nodes).find(
          ([, j]) => data.tensors[j].sym === name && (data.tensors[j].s || 0) === s,
        );
        const value = sheet.strip[sheet.state]?.[data.times.indexOf(t)];
        return found && { t, value, box: $(found[0]).getBBox() };
      })
      .filter(Boolean);
    const lane = gather("lane");
    const places = spots.map(({ box }) => [box.x + box.width / 2, box.y + box.height / 2]);
    spots.forEach(({ t, value }, k) => {
      const [x, y] = places[k],
        [from] = k ? places[k - 1] : [x - pitch()];
      const band = shape("line", {
        x1: from,
        x2: x,
        y1: y,
        y2: y,
        class: `band q${Math.max(0, level(value ?? null))}`,
      });
      band.dataset.t = t;
      far.append(band);
      lane.append(shape("line", { x1: from, x2: x, y1: y, y2: y }));
    });
    $("pan").prepend(...$("pan").querySelectorAll(".cluster"), lane); // the state's way differs at first glance
    spots.forEach(({ t, value }, k) => {
      const [x, y] = places[k],
        room = [every(spots.length - 1 - k) * pitch() * 0.94, Number.POSITIVE_INFINITY];
      far.append(...writing([digits(value)], x, y, room, { class: "distant-number" }));
      if (s === sheets.length - 1 || beside)
        far.append(...writing([label(t) || String(t)], x, y, room, { class: "distant-word" }));
    });
  });
  $("pan").append(far);
  written.sort((a, b) => a.need - b.need);
  for (const { made } of written) made.classList.add("tight");
}
function claim() {
  // what the whole picture says, in one sentence with its number
  if (!timed) return "";
  return sheets
    .map((sheet) => {
      const row = sheet.strip[sheet.state] || [],
        first = row.findIndex((v) => v !== null && v !== undefined),
        end = row[row.length - 1];
      if (first < 0 || !(end > 0)) return "";
      const name = `∂L/∂${sheet.state}`,
        share = row[first] / end,
        where = say("at", data.times[first], label(data.times[first]));
      const text = say("claim", name, share > 10 ? `${digits(share)} ×` : digits(share), where);
      return beside ? `${sheet.name}: ${text}` : text;
    })
    .filter(Boolean)
    .join(" · ");
}
