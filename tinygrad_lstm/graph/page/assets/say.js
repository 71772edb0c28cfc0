// What is said about a step: the sentence below the picture, and which cards stand beside it.

const ledgersOf = (g) =>
  g.at.map(([k, layer]) => [sheets[k], own(sheets[k].ledger, `${layer} ${g.t}`)]).filter(([, found]) => found);
const called = (name, sheet = sheets[0]) => term(own(sheet.called, name) ?? name); // as the scope it was made in
function place(g, op) {
  // "RNN, layer 2, t = 7 “john”"
  const t = op ? op.t : g.t,
    words = [];
  if (beside && op) words.push(sheetOf(data.tensors[op.out]).name);
  const [, layer] = g.at.find(([k]) => sheets[k].layers > 1 && (!op || k === (data.tensors[op.out].s || 0))) || [];
  if (layer !== undefined) words.push(say("layer", layer + 1));
  if (t !== null) words.push(say("at", t, label(t)));
  return words.join(say("comma"));
}
function sentence() {
  if (state.note) return state.note;
  if (state.at === 0) return say(state.predicting ? "veiled" : "whole");
  const n = ends().length - 1,
    g = group(),
    op = current();
  if (starting()) return say("live", state.at, n, say(op.ins.length ? "starts" : "seed"));
  if (state.mode === "op") {
    const sent = op.ins.map((share) => say("gets", data.tensors[share.x].sym, digits(share.n)));
    const where = place(g, op);
    return say(
      "live",
      state.at,
      n,
      `${where}${where && say("comma")}${say("sends", data.tensors[op.out].eq)}${sent.join(say("comma"))}`,
    );
  }
  if (beside) {
    return say(
      "live",
      state.at,
      n,
      [say("at", g.t, label(g.t)), ...g.at.map(([k, layer]) => reached(sheets[k], layer, g.t))].join(" · "),
    );
  }
  const [[sheet, ledger] = []] = ledgersOf(g);
  if (!ledger) return say("live", state.at, n, place(g));
  const [top, [, share]] = Object.entries(ledger.terms).reduce((a, b) => (b[1][1] > a[1][1] ? b : a));
  const name = `∂L/∂${sheet.state}${sub(g.t - 1)}`;
  return say(
    "live",
    state.at,
    n,
    `${place(g)} · ‖${name}‖ = ${digits(ledger.norm)}${say("comma")}${say("mainly", called(top, sheet), percent(share))}`,
  );
}
function answerOf({ name, answer }) {
  // whose loss it is, and the alternatives
  if (!answer.length) return [];
  const told = data.labels ? 2 : 1, // the last word stands before it
    others = answer.slice(told).map((text) => el("span", "", ` · ${text}`));
  return [`${beside ? ` ${name}: ` : ""}${answer.slice(0, told).join(" ")}`, ...others];
}
function tell() {
  const said = sentence();
  $("live").textContent = said;
  $("claim").textContent = state.at || open() ? "" : claim();
  $("claim").hidden = !$("claim").textContent;
  $("slider").setAttribute("aria-valuetext", said);
  $("home").disabled = $("back").disabled = state.at === 0;
  $("next").disabled = $("end").disabled = state.at === farthest();
  veil();
  moveCursor();
  panel();
}
function panel() {
  const cards = [];
  if (state.chosen !== null) cards.push(tensorCard(state.chosen));
  if (beside && state.mode === "time") cards.push(leftCard());
  if (state.at === 0) cards.push(...guide());
  else if (starting()) cards.push(...data.ops.slice(...marked).map(startCard));
  else {
    const op = current(),
      g = group();
    if (state.mode === "op") cards.push(opCard(op), ...arrivals(op));
    else if (!beside) cards.push(stepCard(g));
    for (const [sheet, ledger] of ledgersOf(g))
      if (state.mode === "time" || sheet === sheetOf(data.tensors[op.out])) cards.push(ledgerCard(sheet, g.t, ledger));
  }
  const seen = state.chosen === null ? null : $("panel").scrollTop;
  $("panel").replaceChildren(...cards);
  if (seen === null) $("panel").scrollTop = 0;
}

// — several nets: what is left of the gradient —

function left(sheet, t) {
  // the norm at t, and which part of the largest that is
  const row = sheet.strip[sheet.state] || [],
    v = row[data.times.indexOf(t)];
  return v === null || v === undefined ? null : [v, v / (Math.max(...row) || 1)];
}
function reached(sheet, layer, t) {
  // in words; of the layers below the last without the part of the largest
  if (layer < sheet.layers - 1)
    return `${sheet.name}${say("comma")}${say("layer", layer + 1)} ‖∂L/∂${sheet.state}${sub(t - 1)}‖ = ${digits(own(sheet.ledger, `${layer} ${t}`)?.norm)}`;
  const [v, share] = left(sheet, t) || [null, 0];
  return `${sheet.name} ‖∂L/∂${sheet.state}${sub(t)}‖ = ${digits(v)} (${portion(share)})`;
}
const atTheTop = (g) => g.at.some(([k, layer]) => layer === sheets[k].layers - 1); // whether a last layer is there
function gone(sheet) {
  // the last step that, like all before it, has less than 1 % of the largest gradient; or null
  const row = sheet.strip[sheet.state] || [],
    top = Math.max(...row);
  const first = row.findIndex((v) => v === null || v >= top / 100);
  return first > 0 ? data.times[first - 1] : null;
}
function fate(sheet) {
  const t = gone(sheet),
    first = data.times[0];
  if (t !== null) return say("goneFrom", say("at", t, label(t)));
  return say("kept", portion((left(sheet, first) || [0, 0])[1]), say("at", first, label(first)));
}
