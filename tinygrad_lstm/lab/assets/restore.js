// A state becomes the lab: nets are made, trained to their step and asked, the same numbers again.
import { ask, drawQuestion, firstQuestion } from "./ask.js";
import { drawCell } from "./cell.js";
import { drawForm, formFault } from "./form.js";
import { halt, make, show, train } from "./run.js";
import { fromPulled, fromState, lab, levers, nets } from "./state.js";

export async function restore(state, on) {
  await halt();
  const task = state.nets.a.task ?? "pronouns";
  lab.task = typeof task === "string" ? { name: task } : task;
  if (!(lab.task.name in lab.hello.tasks)) lab.task = { name: "pronouns" };
  lab.active = "a";
  lab.nets = { a: fromState(state.nets.a), b: state.nets.b ? fromState(state.nets.b) : null };
  let fault = null;
  for (const name of nets()) {
    try {
      await make(name);
    } catch (error) {
      fault ??= error;
    }
  }
  drawForm(on);
  formFault(fault);
  if (!lab.nets.a.made) throw fault;
  lab.ask.levers = levers();
  firstQuestion();
  if (typeof state.ask?.text === "string" && state.ask.text) lab.ask.text = state.ask.text;
  lab.ask.levers = fromPulled(state.ask?.levers, lab.nets.a);
  drawCell();
  drawQuestion();
  const goals = Object.fromEntries(nets().map((name) => [name, Math.min(20000, Number(state.nets[name].steps) || 0)]));
  if (Object.values(goals).some(Boolean)) await train(0, goals);
  show();
  await ask();
}
