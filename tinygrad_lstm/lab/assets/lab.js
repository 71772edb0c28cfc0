// The lab begins here: it finds its engine, restores the state of its link, and ties the parts together.
import { ask, drawQuestion, firstQuestion, put, toggleMicroscope } from "./ask.js";
import { buildCell, codeFault, drawCell, openCell } from "./cell.js";
import { drawCurves } from "./curves.js";
import { $, announce, el, later } from "./dom.js";
import { another, drawForm, formFault } from "./form.js";
import { codes, packed, unpacked } from "./link.js";
import { drawReach } from "./reach.js";
import { restore } from "./restore.js";
import { halt, isTraining, make, show, train } from "./run.js";
import { lab, nets, stateNow } from "./state.js";
import { mayRun, openTake } from "./take.js";
import { buildTour, drawTour, inTour, openTour } from "./tour.js";
import { connect, engine } from "./transport.js";
import { LANGS, lang, say, speak } from "./words.js";

const SLOW = 8; // seconds after which one may stop Python
const kept = {
  get: (key) => localStorage.getItem(`lab-${key}`),
  set: (key, value) => localStorage.setItem(`lab-${key}`, value),
};
let link; // the transport
let under = 0; // messages that are under way

// — what a change of the form does —

async function remake(name, draft) {
  try {
    await make(name, draft);
    formFault(null);
    return true;
  } catch (fault) {
    (fault.field === "code" ? codeFault : formFault)(fault);
    return false;
  }
}

async function begun() {
  drawForm(on);
  drawCell();
  drawQuestion();
  await ask();
}

const on = {
  async task(task) {
    const old = lab.task;
    lab.task = task;
    await halt();
    for (const name of nets())
      if (!(await remake(name, { ...lab.nets[name] }))) {
        lab.task = old;
        return;
      }
    firstQuestion();
    await begun();
  },
  async net(name, { cell, recipe }) {
    const net = lab.nets[name];
    if (cell === "own") {
      await openCell(true);
      return;
    }
    const draft = cell === undefined ? { ...net, recipe } : { ...net, cell, code: null };
    if (await remake(name, draft)) await begun();
  },
  async pick(name) {
    lab.active = name;
    drawForm(on);
    drawCell();
  },
  async second() {
    lab.nets.b = another();
    if (!(await remake("b"))) lab.nets.b = null;
    else lab.active = "b";
    await begun();
  },
  async remove() {
    await halt();
    lab.nets.b = null;
    lab.active = "a";
    show();
    await begun();
  },
};

async function newCode(name, code) {
  const net = lab.nets[name];
  await halt();
  try {
    await make(name, { ...net, code: code === lab.hello.cells[net.cell].code ? null : code });
  } catch (fault) {
    codeFault(fault);
    return;
  }
  await begun();
}

// — the engine —

function progress({ stage, part, bytes, of }) {
  const mega = (n) => (n / 1e6).toFixed(1);
  $("progress").value = stage === "download" ? part * 0.7 : 0.8;
  $("loading-text").textContent =
    stage === "download" ? say("loadingPart", { done: mega(bytes), all: mega(of) }) : say("starting");
}

function watched(send) {
  return async (...message) => {
    const began = performance.now();
    under += 1;
    const waits = () => !$("lab").hidden && busy(Math.round((performance.now() - began) / 1000)); // not while it loads
    const timer = setInterval(waits, 1000);
    try {
      return await send(...message);
    } finally {
      clearInterval(timer);
      under -= 1;
      if (!under) busy(0);
    }
  };
}

function busy(seconds) {
  const name = say(engine() === "local" ? "engineLocal" : "enginePyodide");
  if (seconds < SLOW) {
    if ($("engine").textContent !== name) $("engine").replaceChildren(el("i", {}), name);
    return;
  }
  const stop = link.restart && el("button", { type: "button", onclick: restartPython }, say("restart"));
  $("engine").replaceChildren(...[say("slow", { n: seconds }), " ", stop].filter(Boolean));
}

// An endless loop in a cell's code: Python ends, and the lab begins anew without that code.
async function restartPython() {
  const state = stateNow(lang());
  link.restart();
  announce(say("stopped"));
  await lab.send("hello", { lang: lang() });
  await restore(state, on);
}

async function speakNow(wanted) {
  speak(wanted);
  kept.set("lang", wanted);
  lab.hello = await lab.send("hello", { lang: wanted });
  busy(0);
  if (!lab.nets.a) return;
  drawForm(on);
  drawCell();
  drawQuestion();
  show();
  if (inTour()) drawTour();
  await ask();
}

// — links —

async function copyLink() {
  const fragment = await packed(stateNow(lang()));
  history.replaceState(null, "", fragment);
  try {
    await navigator.clipboard.writeText(location.href);
    toast(say("copied"));
  } catch {
    toast(say("linkHere"));
  }
}

function toast(text) {
  announce(text);
  $("link").textContent = "✓";
  const note = el("p", { class: "toast" }, text);
  document.body.append(note);
  setTimeout(() => {
    note.remove();
    $("link").textContent = say("link");
  }, 3500);
}

async function stateOfLink() {
  try {
    const state = await unpacked(location.hash);
    if (!state) return null;
    const strange = codes(state).filter((code) => !Object.values(lab.hello.cells).some((cell) => cell.code === code));
    if (strange.length && !(await mayRun(strange)))
      for (const net of Object.values(state.nets)) if (net?.cell?.code) net.cell = net.cell.base ?? "lstm";
    return state;
  } catch {
    toast(say("badLink"));
    return null;
  }
}

async function begin() {
  const usual = { nets: { a: { task: "pronouns", cell: "lstm" } } };
  const state = await stateOfLink();
  try {
    await restore(state ?? usual, on);
  } catch {
    toast(say("badLink"));
    await restore(usual, on);
  }
}

// — the page —

function theme(wanted) {
  document.documentElement.dataset.theme = wanted;
}

function wire() {
  $("train").addEventListener("click", () => (isTraining() ? halt() : train().then(ask)));
  $("one").addEventListener("click", () => train(1).then(ask));
  $("again").addEventListener("click", async () => {
    for (const name of nets()) await remake(name, { ...lab.nets[name] });
    await begun();
  });
  $("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    put($("ask").value);
  });
  for (const form of [$("form"), $("levers")]) form.addEventListener("submit", (event) => event.preventDefault());
  $("microscope").addEventListener("click", () => toggleMicroscope());
  $("tour").addEventListener("click", () => openTour());
  $("link").addEventListener("click", copyLink);
  $("take").addEventListener("click", openTake);
  $("theme").addEventListener("click", () => {
    const wanted = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    theme(wanted);
    kept.set("theme", wanted);
  });
  for (const button of document.querySelectorAll("[data-lang]"))
    button.addEventListener("click", () => speakNow(button.dataset.lang));
  const redraw = later(120, () => {
    drawCurves();
    drawReach();
  });
  new ResizeObserver(redraw).observe($("train-card"));
  addEventListener("hashchange", () => location.hash.startsWith("#lab=") && begin());
  if (matchMedia("(max-width: 760px)").matches) $("settings-fold").open = false;
}

async function keepOffline() {
  if (engine() !== "pyodide" || !navigator.serviceWorker) return;
  const { build } = await (await fetch("py/manifest.json", { cache: "no-cache" })).json();
  await navigator.serviceWorker.register(`sw.js?v=${build}`);
}

async function start() {
  theme(kept.get("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  const asked = document.documentElement.lang;
  const wanted = [kept.get("lang"), asked === "zh" ? "zh" : null, navigator.language.slice(0, 2), "en"].find((one) =>
    LANGS.includes(one),
  );
  speak(wanted);
  $("loading-text").textContent = say("loading");
  if (engine() === "pyodide") $("loading-why").textContent = say("loadingWhy");
  link = connect(progress, () => say(engine() === "local" ? "lost" : "stopped"));
  lab.send = watched(link.send);
  try {
    lab.hello = await lab.send("hello", { lang: wanted });
  } catch (fault) {
    $("loading-text").textContent = fault.message;
    $("loading-text").className = "error";
    $("progress").hidden = true;
    return;
  }
  buildCell(newCode, (name) => newCode(name, lab.hello.cells[lab.nets[name].cell].code));
  buildTour((state) => restore(state, on));
  $("loading").hidden = true;
  $("lab").hidden = false;
  wire();
  await begin();
  document.documentElement.dataset.ready = "yes";
  await keepOffline();
}

await start();
