// A question to the nets: the sentence, the levers, the answers, and the microscope in its frame.
import { answer, gradients, pathLegend } from "./answers.js";
import { $, complain, el, later } from "./dom.js";
import { drawLevers, erasable } from "./levers.js";
import { legend, scaleOf } from "./scale.js";
import { codeOf, lab, levers, nets, pulled } from "./state.js";
import { say } from "./words.js";

let turn = 0; // only the last question counts
let opened = false;

const cellTitle = (net) => (net.code === null ? lab.hello.cells[net.cell].title : say("mine"));

export async function ask() {
  turn += 1;
  const mine = turn,
    { text } = lab.ask;
  const answered = await Promise.all(
    nets().map(async (name) => {
      const net = lab.nets[name];
      if (!net.made) return { net, asked: null, fault: null };
      try {
        const set = pulled(net);
        const asked = await lab.send("ask", { net: name, text, levers: set ?? {} });
        return { net, fault: null, asked: { ...asked, changed: set !== null } };
      } catch (fault) {
        return { net, fault, asked: null };
      }
    }),
  );
  if (mine !== turn) return;
  for (const { net, asked } of answered) net.asked = asked;
  complain($("ask-error"), answered.find(({ fault }) => fault)?.fault ?? null);
  drawAnswers();
  drawLevers(pull);
  if (opened) soonFrames();
}

const soon = later(120, ask);

export function pull(change) {
  Object.assign(lab.ask.levers, change);
  if (!("move" in change) || Object.keys(change).length > 1) drawLevers(pull);
  soon();
}

function erase(k) {
  const { erase: gone } = lab.ask.levers;
  pull({ erase: gone.includes(k) ? gone.filter((other) => other !== k) : [...gone, k] });
}

export function drawAnswers() {
  const shown = nets().filter((name) => lab.nets[name].asked);
  const held = document.activeElement;
  const place = held?.dataset?.place,
    inNet = held?.closest?.("[data-net]")?.dataset.net;
  const scale = scaleOf(shown.flatMap((name) => gradients(lab.nets[name].asked)));
  $("answers").replaceChildren(
    ...shown.map((name) => {
      const net = lab.nets[name];
      return answer(name, net.asked, {
        changed: net.asked.changed,
        scale,
        erase,
        erasable: erasable() && codeOf(net).includes('named("C̃")'),
        title: nets().length > 1 ? cellTitle(net) : "",
      });
    }),
  );
  const said = shown.map((name) => {
    const { sentence, notes } = lab.nets[name].asked;
    return (nets().length > 1 ? `${name.toUpperCase()}: ` : "") + [sentence, ...notes].join(" ");
  });
  $("claim").replaceChildren(...said.map((text) => el("span", {}, text)));
  const paths = shown.map((name) => lab.nets[name].asked).sort((x, y) => y.ledger.names.length - x.ledger.names.length);
  $("legend").replaceChildren(
    ...(shown.length
      ? [
          el("span", { class: "part" }, ...legend(scale, say("scale"))),
          el("span", { class: "part" }, el("span", {}, `${say("paths")}:`), ...pathLegend(paths[0])),
        ]
      : []),
  );
  if (place !== undefined && inNet)
    $("answers").querySelector(`[data-net="${inNet}"] [data-place="${place}"]`)?.focus();
}

// Another task has other words: the first example, and no levers.
export function firstQuestion() {
  lab.ask.text = lab.nets.a.made?.examples[0] ?? "";
  lab.ask.levers = levers();
}

export function drawQuestion() {
  $("ask").value = lab.ask.text;
  $("ask").placeholder = say(lab.task.name === "adding" ? "askHintNumbers" : "askHint");
  const examples = lab.nets.a.made?.examples ?? [];
  $("examples").replaceChildren(...examples.map((text) => el("option", { value: text })));
  $("chips").replaceChildren(
    ...examples
      .slice(0, 4)
      .map((text) => el("button", { type: "button", class: "pill", onclick: () => put(text) }, text)),
  );
  drawLevers(pull);
}

export function put(text) {
  lab.ask.text = text;
  lab.ask.levers.erase = []; // they are places in the other sentence
  $("ask").value = text;
  return ask();
}

// — the microscope —

// Two nets with the same levers stand in one page, on one scale; else each has its own.
async function frames() {
  const shown = nets().filter((name) => lab.nets[name].asked);
  const ways = shown.map((name) => JSON.stringify(pulled(lab.nets[name])));
  const pages = shown.length === 2 && ways[0] === ways[1] ? [{ net: "a", beside: "b" }] : shown.map((net) => ({ net }));
  const old = new Map([...$("frames").children].map((frame) => [frame.dataset.net, frame]));
  for (const [name, frame] of old) if (!pages.some(({ net }) => net === name)) frame.remove();
  for (const page of pages) {
    const set = pulled(lab.nets[page.net]) ?? {};
    try {
      const { html } = await lab.send("microscope", { ...page, text: lab.ask.text, levers: set });
      const frame = old.get(page.net) ?? el("iframe", { sandbox: "allow-scripts", data: { net: page.net } });
      frame.title = say("microscopeOf", { net: page.beside ? "A, B" : page.net.toUpperCase() });
      frame.srcdoc = html;
      if (!frame.isConnected) $("frames").append(frame);
    } catch (fault) {
      complain($("ask-error"), fault);
    }
  }
}

const soonFrames = later(400, frames);

export async function toggleMicroscope(open = !opened) {
  opened = open;
  $("microscope").textContent = say(opened ? "closeMicroscope" : "openMicroscope");
  $("microscope").dataset.say = opened ? "closeMicroscope" : "openMicroscope";
  $("microscope").setAttribute("aria-expanded", String(opened));
  if (opened) await frames();
  else $("frames").replaceChildren();
}
