// Predict, then see: what one has not yet guessed is hidden, in the picture, in the strip and in the cards.

const settled = []; // of each tensor: after how many ops its gradient is complete
data.ops.forEach((op, k) => {
  for (const share of op.ins) settled[share.x] = k + 1;
});
const guesses = new Map(); // a group, and whether the guess was right
const QUESTIONS = beside
  ? []
  : data.groups
      .map((g) => {
        const [[k, layer] = []] = g.at,
          sheet = sheets[k],
          [now] = (sheet && left(sheet, g.t)) || [],
          then = sheet && own(sheet.ledger, `${layer} ${g.t}`)?.norm;
        return { g, sheet, layer, now, then };
      })
      .filter(({ sheet, layer, now, then }) => sheet && layer === sheet.layers - 1 && now > 0 && then >= 0);
const open = () => (state.predicting ? QUESTIONS.find(({ g }) => !guesses.has(g)) : undefined);

function limit() {
  // how many ops may be seen: those before the first question that is open
  const asked = open();
  return asked ? (data.groups[data.groups.indexOf(asked.g) - 1]?.end ?? 0) : data.ops.length;
}
const farthest = () =>
  Math.max(
    0,
    ends().findLastIndex((end) => end <= limit()),
  );
const known = (j) => !state.predicting || (settled[j] ?? 0) <= limit();
const gradientOf = (j) => (known(j) ? digits(data.tensors[j].grad) : "?");
function hides(t) {
  // a column of the strip
  const asked = open();
  return asked !== undefined && t <= asked.g.t;
}

function veil() {
  if (!state.predicting && !state.veiled) return;
  state.veiled = state.predicting;
  for (const part of document.querySelectorAll("[data-t]"))
    part.classList.toggle("veiled", hides(Number(part.dataset.t)));
  const asked = open(),
    ready = asked && ends()[state.at] >= Math.min(limit(), ends()[farthest()]);
  $("question").hidden = !ready;
  if (!ready) return;
  const { g, sheet } = asked;
  $("asked").textContent = say(
    "asked",
    `‖∂L/∂${sheet.state}${sub(g.t - 1)}‖`,
    `‖∂L/∂${sheet.state}${sub(g.t)}‖`,
    label(g.t),
  );
}
function guess(kind) {
  // smaller by more than a tenth, about the same, or larger
  const asked = open();
  if (!asked || $("question").hidden) return;
  const { g, sheet, now, then } = asked,
    ratio = then / now,
    right = kind === (ratio < 0.9 ? "smaller" : ratio > 1.1 ? "larger" : "same");
  guesses.set(g, right);
  go(ends().findIndex((end) => end >= g.end));
  const names = [g.t - 1, g.t].map((t) => `‖∂L/∂${sheet.state}${sub(t)}‖`),
    score = [...guesses.values()].filter(Boolean).length;
  state.note = `${say(right ? "right" : "wrong", ...names, digits(ratio))} ${say("score", score, guesses.size)}`;
  tell();
}
function predict(on) {
  state.predicting = on;
  guesses.clear();
  $("predict").setAttribute("aria-pressed", String(on));
  document.body.classList.toggle("predicting", on);
  stop();
  go(on ? 0 : state.at);
}
for (const item of $("guesses").children) item.addEventListener("click", () => guess(item.dataset.guess));
Object.assign(keys, { 1: () => guess("smaller"), 2: () => guess("same"), 3: () => guess("larger") });
