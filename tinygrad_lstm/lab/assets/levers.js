// The levers beside the question: they change this one way through the net, not the net.
import { $, el } from "./dom.js";
import { ACTIVATIONS, select } from "./form.js";
import { has, lab, levers, nets, started } from "./state.js";
import { say } from "./words.js";

const any = (lever) => nets().some((name) => has(lab.nets[name])[lever]);

export const erasable = () => any("erase");

function slider(changed) {
  const { move } = lab.ask.levers;
  const from = started(lab.nets[nets().find((name) => has(lab.nets[name]).forget_bias) ?? "a"]);
  const said = (by) => (by ? `${from} → ${from + by}` : String(from));
  const output = el("output", { for: "lever-bias" }, said(move));
  const input = el("input", {
    id: "lever-bias",
    type: "range",
    min: -6,
    max: 6,
    step: 0.5,
    value: move,
    oninput: ({ target }) => {
      output.textContent = said(target.valueAsNumber);
      target.setAttribute("aria-valuetext", said(target.valueAsNumber));
      changed({ move: target.valueAsNumber });
    },
  });
  input.setAttribute("aria-valuetext", said(move));
  return el("div", { class: "field" }, el("label", { for: "lever-bias" }, say("moveBias"), " ", output), input);
}

const check = (id, key, title, changed) =>
  el(
    "label",
    { class: "check" },
    el("input", {
      id,
      type: "checkbox",
      checked: lab.ask.levers[key],
      onchange: ({ target }) => changed({ [key]: target.checked }),
    }),
    title,
  );

function swap(key, title, changed) {
  const options = [["", say("asTrained")], ...ACTIVATIONS[key].map((one) => [one, one.replace("_", " ")])];
  const list = select(`lever-${key}`, options, lab.ask.levers[key] ?? "", (chosen) =>
    changed({ [key]: chosen || null }),
  );
  return el("div", { class: "field" }, el("label", { for: list.id }, title), list);
}

export function drawLevers(changed) {
  const held = document.activeElement?.id;
  const { erase } = lab.ask.levers,
    words = lab.nets.a.asked?.words ?? [];
  const gone = [...erase]
    .sort((a, b) => a - b)
    .map((k) => words[k])
    .filter(Boolean)
    .join(", ");
  const parts = [
    any("forget_bias") && slider(changed),
    any("activation") && swap("activation", say("activation"), changed),
    any("gate_activation") && swap("gate_activation", say("gate_activation"), changed),
    any("frozen") && check("lever-f", "frozen", say("frozen"), changed),
    check("lever-h", "cut", say("cut"), changed),
    any("erase") && el("p", { class: "fine", id: "erased" }, gone ? `${say("erased")}: ${gone}` : say("eraseHint")),
    el("button", { type: "button", id: "release", onclick: () => changed(levers()) }, say("release")),
  ].filter(Boolean);
  $("levers").replaceChildren(el("h3", {}, say("levers")), el("p", { class: "fine" }, say("leversHint")), ...parts);
  if (held?.startsWith("lever-") && $(held)) $(held).focus();
}
