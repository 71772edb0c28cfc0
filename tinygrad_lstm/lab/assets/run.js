// Makes nets and trains them, in portions short enough that a stop is at once and the page is never frozen.

import { drawCurves } from "./curves.js";
import { $, announce, complain, digits, el, percent } from "./dom.js";
import { drawReach, keepReach, reachSaid } from "./reach.js";
import { lab, message, nets } from "./state.js";
import { say } from "./words.js";

const PORTION = 0.18; // seconds
const MOST = 2000; // steps for one press

let running = null; // the training that goes on, as a promise
let wanted = false;

export const isTraining = () => running !== null;

// `draft`: other settings or code; the net stays as it is where they fail. Throws what the engine says.
export async function make(name, draft = lab.nets[name]) {
  await halt();
  const made = await lab.send("make", { net: name, ...message(draft) });
  const net = Object.assign(draft, { made, steps: 0, loss: [], accuracy: [], reach: [], asked: null, fault: null });
  keepReach(net, made.reach);
  lab.nets[name] = net;
  show();
}

function absorb(net, trained) {
  net.loss.push(...trained.loss.map((loss) => loss ?? Number.NaN));
  net.steps = trained.step;
  net.accuracy.push({ step: trained.step, learned: trained.accuracy, held: trained.held_out });
  keepReach(net, trained.reach);
}

async function some(name, steps) {
  const net = lab.nets[name];
  try {
    absorb(net, await lab.send("train", { net: name, steps }));
  } catch (fault) {
    net.fault = fault;
  }
}

async function go(goal) {
  let portion = 2;
  const left = (name) => goal(name) - lab.nets[name].steps;
  for (;;) {
    const ready = nets().filter((name) => lab.nets[name].made && !lab.nets[name].fault && left(name) > 0);
    if (!wanted || !ready.length) return;
    const began = performance.now();
    for (const name of ready) await some(name, Math.min(portion, left(name)));
    const spent = (performance.now() - began) / 1000 / ready.length;
    portion = Math.max(1, Math.min(40, portion * 2, Math.round((portion * PORTION) / spent)));
    show();
  }
}

// Train all nets: by so many steps, or each to its own number.
export async function train(by = MOST, to = null) {
  if (running) return running;
  const goals = Object.fromEntries(nets().map((name) => [name, to ? (to[name] ?? 0) : lab.nets[name].steps + by]));
  for (const name of nets()) lab.nets[name].fault = null;
  wanted = true;
  running = go((name) => goals[name]).finally(() => {
    running = null;
    show();
    announce([...nets().map(lastSaid), ...nets().map(reachSaid)].join(" "));
  });
  show();
  return running;
}

export async function halt() {
  wanted = false;
  if (running) await running;
}

const lastSaid = (name) => {
  const net = lab.nets[name];
  const accuracy = net.accuracy.at(-1)?.learned;
  return say("trainedTo", {
    step: net.steps,
    loss: digits(net.loss.at(-1)),
    accuracy: accuracy == null ? "–" : percent(accuracy),
  });
};

function numbers(name) {
  const net = lab.nets[name],
    last = net.accuracy.at(-1);
  const pair = (title, value) => el("span", {}, `${title} `, el("b", {}, value));
  return el(
    "p",
    {},
    nets().length > 1 ? el("b", { class: `net-${name}` }, `${name.toUpperCase()} `) : null,
    pair(say("step"), String(net.steps)),
    net.loss.length
      ? pair(say("loss"), digits(net.loss.slice(-10).reduce((a, b) => a + b) / net.loss.slice(-10).length))
      : null,
    last?.learned != null ? pair(say("accuracy"), percent(last.learned)) : null,
    last?.held != null ? pair(say("heldOut"), percent(last.held)) : null,
    net.made?.baseline != null && nets().length === 1
      ? el("span", { class: "soft" }, say("baseline", { p: percent(net.made.baseline) }))
      : null,
  );
}

export function show() {
  $("train").textContent = say(running ? "stop" : "train");
  $("train").classList.toggle("stopping", running !== null);
  $("one").disabled = running !== null;
  $("lab").dataset.nets = String(nets().length);
  $("readout").replaceChildren(...nets().map(numbers));
  const faults = nets().flatMap((name) =>
    lab.nets[name].fault ? [`${name.toUpperCase()}: ${lab.nets[name].fault.message}`] : [],
  );
  complain($("train-note"), faults.length ? { message: faults.join(" ") } : null);
  drawCurves();
  drawReach();
}
