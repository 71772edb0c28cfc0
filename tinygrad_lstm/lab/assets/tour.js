// Five questions. Each is a state of the lab, and one says what one expects before it is shown.

import { ask, drawQuestion } from "./ask.js";
import { closeCell, openCell } from "./cell.js";
import { $, digits, el, percent } from "./dom.js";
import { lab } from "./state.js";
import { say } from "./words.js";

const NEAR = { name: "pronouns", clauses: [1, 2], distance: [2, 10] };
const SWITCH = "peter slowly painted his small book while anna quietly found";
const share = ({ total }) => total[0] / total.at(-1);
const pure = ({ highway }) => highway[0] / highway.at(-1);
const held = (net) => net.accuracy.at(-1)?.held ?? 0;
const most = (net) => Math.max(...(net.asked?.plain.strip.means.f ?? [Number.NaN]));
const among = (value, bounds) => bounds.findIndex((bound) => value > bound);

// Each: the state; what stands in its text; `look` measures: which guess is right (0, 1, 2), and what is told.
const QUESTIONS = [
  {
    state: { nets: { a: { task: NEAR, cell: "rnn", steps: 100 } } },
    values: () => ({ n: 100 }),
    look: async ({ a }) => {
      const left = share(a.asked.ledger);
      return { right: among(left, [0.5, 0.01, -1]), told: { share: percent(left), n: a.asked.words.length - 1 } };
    },
  },
  {
    state: {
      nets: { a: { task: NEAR, cell: "lstm", hidden: 8, forget_bias: 3, recurrent_initializer: "zeros", steps: 300 } },
      ask: { text: SWITCH },
    },
    opens: true,
    values: () => ({ sentence: SWITCH, a: "peter", b: "anna", c: "found" }),
    look: async ({ a }) => {
      const { words, answer, prediction } = a.asked;
      const places = ["peter", "anna", "found"].map((word) => words.indexOf(word));
      const p = [];
      for (const k of places) {
        const erased = await lab.send("ask", { net: "a", text: SWITCH, levers: { erase: [k] } });
        p.push(erased.prediction.find(({ word }) => word === answer)?.p ?? 0);
      }
      const right = p.indexOf(Math.min(...p));
      lab.ask.levers.erase = [places[right]];
      await ask();
      const [pa, pb, pc] = p.map(percent);
      return { right, told: { pa, pb, pc, p: percent(prediction[0].p), word: words[places[right]] } };
    },
  },
  {
    state: {
      nets: { a: { task: NEAR, cell: "lstm", forget_bias: 0 }, b: { task: NEAR, cell: "lstm", forget_bias: 3 } },
    },
    values: () => ({ a: 0, b: 3 }),
    look: async ({ a, b }) => {
      const left = share(a.asked.ledger);
      const told = {
        share: percent(left),
        other: percent(share(b.asked.ledger)),
        pure: percent(pure(a.asked.ledger)),
        pureOther: percent(pure(b.asked.ledger)),
      };
      return { right: among(left, [0.5, 0.1, -1]), told };
    },
  },
  {
    state: {
      nets: {
        a: { task: NEAR, cell: "lstm", clip: 1, steps: 250 },
        b: { task: NEAR, cell: "lstm", clip: 1, activation: "relu", steps: 250 },
      },
    },
    values: () => ({ n: 250 }),
    look: async ({ a, b }) => {
      const told = { share: percent(held(a)), other: percent(held(b)) };
      return { right: b.fault ? 2 : held(b) > held(a) - 0.05 ? 0 : 1, told, also: b.fault?.message };
    },
  },
  {
    state: {
      nets: {
        a: { task: NEAR, cell: "lstm", clip: 1, steps: 100 },
        b: { task: NEAR, cell: "lstm", clip: 1, gate_activation: "relu", steps: 100 },
      },
    },
    values: () => ({ n: 100 }),
    look: async ({ a, b }) => {
      const largest = most(b);
      return {
        right: largest <= 1 ? 0 : largest <= 1.5 ? 1 : 2,
        told: { share: digits(most(a)), other: digits(largest) },
        also: b.fault?.message,
      };
    },
  },
];

let at = 0;
let begin; // restores a state
let done = []; // per question: what was guessed and measured

export function buildTour(restore) {
  begin = restore;
}

export const inTour = () => !$("tour-card").hidden;

export function openTour(k = 0) {
  if (!inTour()) done = [];
  at = k;
  drawTour();
  $("tour-card").focus();
  $("tour-card").scrollIntoView({ block: "start" });
}

export function leaveTour() {
  $("tour-card").hidden = true;
}

async function guess(k) {
  const asked = at,
    question = QUESTIONS[asked];
  done[asked] = { guess: k, running: true };
  drawTour();
  try {
    await begin(structuredClone(question.state));
    if (question.opens) await openCell();
    else closeCell();
    done[asked] = { guess: k, ...(await question.look(lab.nets)) };
    drawQuestion();
  } catch (fault) {
    done[asked] = { guess: k, failed: fault.message };
  }
  if (inTour() && at === asked) drawTour();
}

function outcome(key, values, found) {
  if (!found) return [];
  const said = say("guessed", { guess: say(`${key}${"abc"[found.guess]}`, values) });
  if (found.running) return [el("p", { class: "fine" }, said, " ", say("running"))];
  if (found.failed) return [el("p", { class: "error" }, found.failed)];
  const hit = found.right === found.guess;
  const verdict = el("b", { class: hit ? "right" : "wrong" }, say(hit ? "youWereRight" : "youWereWrong"));
  return [
    el("p", { class: "told" }, said, " ", verdict, " ", say(`${key}told`, { ...values, ...found.told })),
    found.also && el("p", { class: "fine" }, say("q4burst", { why: found.also })),
  ];
}

export function drawTour() {
  const card = $("tour-card"),
    key = `q${at + 1}`,
    values = QUESTIONS[at].values(),
    found = done[at];
  card.hidden = false;
  const choices = ["a", "b", "c"].map((letter, k) => {
    const kind = found?.told ? (k === found.right ? "true" : k === found.guess ? "false" : null) : null;
    return el(
      "button",
      {
        type: "button",
        "aria-pressed": String(found?.guess === k),
        class: kind,
        disabled: Boolean(found?.running),
        data: { guess: String(k) },
        onclick: () => guess(k),
      },
      say(key + letter, values),
    );
  });
  const to = (k, word, kind) => el("button", { type: "button", class: kind, onclick: () => openTour(k) }, say(word));
  card.replaceChildren(
    el(
      "div",
      { class: "bar-row" },
      el("p", { class: "fine" }, say("question", { k: at + 1 })),
      el(
        "span",
        { class: "dots", "aria-hidden": "true" },
        ...QUESTIONS.map((_, k) => el("i", { class: k === at ? "now" : done[k]?.told ? "done" : null })),
      ),
      el(
        "span",
        { class: "row end" },
        at > 0 ? to(at - 1, "previous") : null,
        at < 4 ? to(at + 1, "next", found?.told ? "main" : null) : null,
        el(
          "button",
          { type: "button", id: "leave", class: at === 4 && found?.told ? "main" : null, onclick: leaveTour },
          say(at === 4 && found?.told ? "finish" : "leave"),
        ),
      ),
    ),
    el("h2", {}, say(key)),
    el("p", {}, say(`${key}text`, values)),
    el("div", { class: "guesses", role: "group", "aria-label": say("guess") }, el("b", {}, say("guess")), ...choices),
    el("div", { "aria-live": "polite" }, ...outcome(key, values, found).filter(Boolean)),
  );
}
