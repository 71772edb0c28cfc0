// The task and the nets: what there is to set. A change is handed on; what is wrong is said at its field.
import { $, el } from "./dom.js";
import { fresh, has, lab, nets } from "./state.js";
import { say } from "./words.js";

const NUMBERS = {
  hidden: [1, 64, 1],
  seed: [0, 9999, 1],
  lr: [0.0001, 1, "any"],
  clip: [0, 100, "any"],
  forget_bias: [-10, 10, "any"],
};
const CHOICES = {
  activation: ["tanh", "relu", "sigmoid", "leaky_relu", "softplus", "linear"],
  gate_activation: ["sigmoid", "hard_sigmoid", "relu", "tanh", "linear"],
  recurrent_initializer: ["orthogonal", "zeros", "identity"],
};
export const ACTIVATIONS = CHOICES;
const FIRST = ["hidden", "forget_bias", "activation"];

const field = (key, control, title = say(key)) =>
  el("div", { class: "field", data: { field: key } }, el("label", { for: control.id }, title), control);

const number = (id, [min, max, step], value, changed) =>
  el("input", {
    id,
    type: "number",
    min,
    max,
    step,
    value,
    onchange: (event) => event.target.reportValidity() && changed(event.target),
  });

export function select(id, options, value, changed) {
  const list = el(
    "select",
    { id, onchange: (event) => changed(event.target.value) },
    ...options.map(([key, title]) => el("option", { value: key }, title)),
  );
  list.value = value;
  return list;
}

function taskFields(changed) {
  const { tasks } = lab.hello,
    { name, text, ...settings } = lab.task;
  const offer = tasks[name];
  const parts = [
    field(
      "task",
      select(
        "task",
        Object.entries(tasks).map(([key, { title }]) => [key, title]),
        name,
        (chosen) => changed({ name: chosen }),
      ),
    ),
  ];
  if (offer.needs_text) {
    const area = el("textarea", { id: "own-text", rows: 7, spellcheck: "false", maxlength: lab.hello.limits.text });
    area.value = text ?? offer.text;
    const learn = () => changed({ ...lab.task, text: area.value });
    parts.push(
      field("task.text", area, say("ownText")),
      el("button", { type: "button", id: "use-text", onclick: learn }, say("useText")),
    );
  }
  for (const [key, usual] of Object.entries(offer.settings)) {
    const value = settings[key] ?? usual,
      most = offer.most[key];
    const set = (next) => changed({ ...lab.task, [key]: next });
    if (!Array.isArray(value)) {
      parts.push(
        field(
          `task.${key}`,
          number(`task-${key}`, [1, most, 1], value, (input) => set(input.valueAsNumber)),
          say(key),
        ),
      );
      continue;
    }
    const range = el(
      "div",
      { class: "range", role: "group", "aria-label": say(key) },
      ...value.map((one, k) => {
        const input = number(`task-${key}-${k}`, [0, most, 1], one, (at) =>
          set(value.map((old, j) => (j === k ? at.valueAsNumber : old))),
        );
        input.setAttribute("aria-label", `${say(key)}, ${say(k ? "most" : "least")}`);
        return input;
      }),
    );
    parts.push(el("div", { class: "field", data: { field: `task.${key}` } }, el("span", {}, say(key)), range));
  }
  return el("fieldset", {}, el("legend", {}, say("task")), ...parts);
}

function netFields(name, changed) {
  const net = lab.nets[name],
    able = has(net),
    used = net.made?.settings ?? {};
  const cells = [...Object.entries(lab.hello.cells).map(([key, { title }]) => [key, title]), ["own", say("mine")]];
  const shown = (key) => !(key in able) || able[key];
  const set = (key) => (value) => changed(name, { recipe: { ...net.recipe, [key]: value } });
  const control = (key) => {
    const value = net.recipe[key] ?? used[key];
    if (key in NUMBERS)
      return number(key, NUMBERS[key], value ?? "", (input) =>
        set(key)(Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber),
      );
    const options = [["", say("usual")], ...CHOICES[key].map((one) => [one, one.replace("_", " ")])];
    return select(key, options, value ?? "", (chosen) => set(key)(chosen || null));
  };
  const fields = (keys) => keys.filter(shown).map((key) => field(key, control(key)));
  const rest = [...Object.keys(NUMBERS), ...Object.keys(CHOICES)].filter((key) => !FIRST.includes(key));
  return [
    field(
      "cell",
      select("cell", cells, net.code === null ? net.cell : "own", (chosen) => changed(name, { cell: chosen })),
      say("cellChoice"),
    ),
    el("div", { class: "two" }, ...fields(FIRST)),
    el(
      "details",
      { class: "more", open: $("form").querySelector(".more")?.open },
      el("summary", {}, say("more")),
      el("div", { class: "two" }, ...fields(rest)),
    ),
    el("p", { class: "fine" }, net.made ? `${say("parameters", { n: net.made.parameters })} · ` : "", say("anew")),
  ];
}

// `on`: task(task), net(name, change), pick(name), second(), remove().
export function drawForm(on) {
  const held = document.activeElement?.id;
  const both = lab.nets.b !== null;
  const tabs = el(
    "div",
    { class: "choice nets", role: "group", "aria-label": say("net") },
    ...nets().map((name) =>
      el(
        "button",
        {
          type: "button",
          class: `net-${name}`,
          "aria-pressed": String(lab.active === name),
          data: { net: name },
          onclick: () => on.pick(name),
        },
        say("netOf", { net: name.toUpperCase() }),
      ),
    ),
    both ? null : el("button", { type: "button", id: "second", onclick: on.second }, say("second")),
  );
  $("form").replaceChildren(
    taskFields(on.task),
    el(
      "fieldset",
      {},
      el("legend", {}, say("net")),
      tabs,
      ...netFields(lab.active, on.net),
      both ? el("button", { type: "button", id: "remove", class: "link", onclick: on.remove }, say("remove")) : null,
    ),
    el("p", { id: "form-error", class: "error", role: "alert", hidden: true }),
  );
  if (held && $("form").querySelector(`#${CSS.escape(held)}`)) $(held).focus();
}

export function formFault(fault) {
  for (const node of $("form").querySelectorAll("[data-field]")) {
    const wrong = Boolean(fault?.field) && node.dataset.field === fault.field;
    node.classList.toggle("wrong", wrong);
    for (const input of node.querySelectorAll("input, select, textarea"))
      input.setAttribute("aria-invalid", String(wrong));
  }
  $("form-error").hidden = !fault;
  $("form-error").textContent = fault?.message ?? "";
}

export const another = () =>
  fresh(lab.nets.a.cell === "rnn" ? "lstm" : "rnn", { ...lab.nets.a.recipe, forget_bias: null });
