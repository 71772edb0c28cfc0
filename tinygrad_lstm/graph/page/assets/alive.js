// Alive: the backward pass plays, and what flows is seen to flow; and where one is survives a reload.

const still = matchMedia("(prefers-reduced-motion: reduce)");
const play = { timer: null, every: 1100 }; // milliseconds a step
function toggle() {
  if (play.timer !== null) return stop();
  if (state.at === farthest()) go(0);
  play.timer = setInterval(advance, play.every);
  $("play").textContent = "❚❚";
  advance();
}
function stop() {
  clearInterval(play.timer);
  play.timer = null;
  $("play").textContent = "▶";
}
function advance() {
  go(state.at + 1);
  if (state.at === farthest()) stop();
}
function flowing() {
  // a pulse along each wire of this step, as large as what it carries; it runs as the gradient does, to the arrowhead
  $("pulses")?.remove();
  if (still.matches || state.at === 0 || svg.classList.contains("far")) return;
  const pulses = gather("pulses", "pulses");
  for (const wire of svg.querySelectorAll(".gradient.now")) {
    const path = wire.querySelector("path"),
      radius = 2 + 1.1 * Number(wire.getAttribute("stroke-width"));
    const dot = shape("circle", { r: radius, class: wire.getAttribute("class").match(/q\d+/)?.[0] || "" });
    const motion = { path: path.getAttribute("d"), dur: "0.9s", keyPoints: "1;0", keyTimes: "0;1", calcMode: "linear" };
    dot.append(shape("animateMotion", { ...motion, begin: "indefinite", fill: "freeze" }));
    pulses.append(dot);
  }
  $("pan").append(pulses);
  for (const motion of pulses.querySelectorAll("animateMotion")) motion.beginElement();
  setTimeout(() => pulses.remove(), 950);
}

// — the address: #lang=zh&step=3&mode=op&path=0&zoom=x,y,width,height —

const placeless = location.protocol === "about:"; // a frame of a notebook has no address of its own
function remember() {
  if (placeless) return;
  const facts = { lang: spoken.lang, step: state.at, mode: state.mode, path: state.path ?? "" };
  if (view !== state.start) facts.zoom = view.map((n) => Math.round(n)).join();
  for (const fold of ["no-strip", "no-panel", "projector"]) if (document.body.classList.contains(fold)) facts[fold] = 1;
  if (state.predicting) facts.predict = 1;
  history.replaceState(null, "", `#${new URLSearchParams(facts)}`);
}
function recall() {
  const facts = new URLSearchParams(placeless ? "" : location.hash.slice(1));
  if (facts.has("lang")) speak(facts.get("lang") === "zh" ? "zh" : "en");
  for (const fold of ["no-strip", "no-panel", "projector"]) document.body.classList.toggle(fold, facts.has(fold));
  if (timed && ["time", "op"].includes(facts.get("mode"))) change(facts.get("mode"));
  const path = Number.parseInt(facts.get("path"), 10);
  if (path < data.paths.length) followPath(path);
  if (facts.has("predict") && QUESTIONS.length) predict(true);
  fitted();
  const step = Number.parseInt(facts.get("step"), 10);
  if (step > 0) go(step);
  const zoom = (facts.get("zoom") || "").split(",").map(Number);
  if (zoom.length === 4 && zoom.every(Number.isFinite) && zoom[2] > 0) show(zoom);
}
function fitted() {
  // the window, a panel or a frame has another size: all of it again, or the same place
  drawStrip();
  if (state.at === 0 || view === state.start) whole();
  else frameOn(...view);
  if (state.at === 0) state.start = view;
  scaled();
}
function printed(on) {
  // text and strip are drawn for the width of a sheet of paper, which a window does not have
  document.body.classList.toggle("printing", on);
  fitted();
}
function fold(kind) {
  const on = document.body.classList.toggle(kind);
  if (kind === "projector") for (const part of ["no-strip", "no-panel"]) document.body.classList.toggle(part, on);
  fitted();
  remember();
}
