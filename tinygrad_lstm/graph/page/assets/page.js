// The controls, and the beginning.

function spoke(lang) {
  const names = beside ? "" : sheets[0].name,
    n = data.times.length,
    facts = [];
  if (beside) facts.push(...sheets.map((sheet) => say("sub", sheet.name, sheet.steps, digits(sheet.loss))));
  else facts.push(say("sub", names, n, digits(sheets[0].loss)));
  if (timed && data.window[1] - data.window[0] + 1 < n) facts.push(say("window", ...data.window, n));
  facts.push(...sheets.flatMap((sheet) => sheet.notes.map((note) => (beside ? `${sheet.name}: ${note}` : note))));
  $("subtitle").textContent = facts.join(" · ");
  svg.setAttribute("aria-label", $("subtitle").textContent);
  for (const text of svg.querySelectorAll(".note, .loss text")) {
    text.dataset.en ??= text.textContent;
    text.textContent = lang === "zh" ? (own(CAPTIONS, text.dataset.en) ?? text.dataset.en) : text.dataset.en;
  }
  $("modes").hidden = !timed;
  $("predict").hidden = !QUESTIONS.length;
  $("paths").hidden = !data.paths.length;
  $("paths").replaceChildren(
    ...[null, ...data.paths.keys()].map((k) => {
      const made = el("button", "", k === null ? say("all") : data.paths[k]);
      made.dataset.path = k === null ? "all" : k;
      made.addEventListener("click", () => followPath(k));
      return made;
    }),
  );
  followPath(state.path);
  $("answer").replaceChildren(...sheets.flatMap(answerOf));
  drawStrip();
  tell();
}
function followPath(k) {
  for (const j of data.paths.keys()) svg.classList.toggle(`follow-${j}`, j === k);
  state.path = k;
  $("claim").textContent = state.at || open() ? "" : claim();
  pressed("paths", "path", k === null ? "all" : String(k));
}

for (const item of $("modes").children) item.addEventListener("click", () => change(item.dataset.mode));
const clicks = {
  home: () => go(0),
  back: () => go(state.at - 1),
  next: () => go(state.at + 1),
  end: () => go(farthest()),
  in: () => zoom(0.8),
  out: () => zoom(1.25),
  fit: whole,
};
for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", action);
$("slider").addEventListener("input", () => go(Number($("slider").value)));
Object.assign(keys, {
  ArrowRight: clicks.next,
  ArrowLeft: clicks.back,
  Home: clicks.home,
  End: clicks.end,
  "+": clicks.in,
  "=": clicks.in,
  "-": clicks.out,
  "−": clicks.out,
  0: clicks.fit,
  " ": toggle,
  Escape: () => choose(null),
});
let drag = null;
$("stage").addEventListener("pointerdown", (event) => {
  if (!event.target.closest("button")) drag = { x: event.clientX, y: event.clientY, view, moved: false };
});
addEventListener("pointermove", (event) => {
  if (!drag) return;
  const dx = event.clientX - drag.x,
    dy = event.clientY - drag.y,
    scale = drag.view[2] / $("stage").clientWidth;
  drag.moved ||= Math.abs(dx) + Math.abs(dy) > 4;
  if (drag.moved) show([drag.view[0] - dx * scale, drag.view[1] - dy * scale, drag.view[2], drag.view[3]]);
});
addEventListener("pointerup", (event) => {
  const part = drag && !drag.moved && event.target.closest?.(".node, .edge"),
    id = part?.id || "";
  const j = own(data.nodes, id) ?? own(data.wires, id.replace("e", "g"))?.[0];
  if (j !== undefined) choose(j);
  drag = null;
});
$("stage").addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    zoom(
      Math.exp(event.deltaY * 0.0015),
      (event.clientX - box.left) / box.width,
      (event.clientY - box.top) / box.height,
    );
  },
  { passive: false },
);
$("stage").addEventListener("pointermove", (event) => tip(event, drag ? null : about(event.target)));
$("stage").addEventListener("pointerleave", () => tip(null, null));
$("strip").addEventListener("click", (event) => {
  const found = columnAt(event);
  if (found) goToStep(found[0]);
});
$("strip").addEventListener("pointermove", (event) => {
  const found = columnAt(event);
  const [t, row, k] = found || [];
  tip(
    event,
    found && [
      say("at", t, label(t)),
      ...(row && !hides(t)
        ? [`${beside ? `${row.sheet.name} ` : ""}‖∂L/∂${row.name}${sub(t)}‖ = ${digits(row.values[k])}`]
        : []),
    ],
  );
});
$("strip").addEventListener("pointerleave", () => tip(null, null));
new ResizeObserver(fitted).observe($("stage"));
new ResizeObserver(drawStrip).observe($("navigator"));
addEventListener("beforeprint", () => printed(true));
addEventListener("afterprint", () => printed(false));
$("play").addEventListener("click", toggle);
$("projector").addEventListener("click", () => fold("projector"));
$("predict").addEventListener("click", () => predict(!state.predicting));
$("foldStrip").addEventListener("click", () => fold("no-strip"));
$("foldPanel").addEventListener("click", () => fold("no-panel"));

for (const list of parts) for (const part of list) part.classList.add("later");
svg.classList.toggle("ops", state.mode === "op");
document.body.classList.toggle("beside", beside);
legend("‖∂L/∂·‖");
begin(words);
pressed("modes", "mode", state.mode);
if (timed) drawBands();
whole();
state.start = view;
go(0, true);
recall();
