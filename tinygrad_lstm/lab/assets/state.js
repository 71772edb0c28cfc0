// What the lab is doing now: the task, up to two nets, and the question. The modules share this one object.

export const NETS = ["a", "b"];
export const RECIPE = "hidden seed lr clip forget_bias activation gate_activation recurrent_initializer".split(" ");

export const lab = {
  hello: null, // what the Session offers
  send: null, // carries messages
  task: { name: "pronouns" },
  nets: { a: null, b: null },
  active: "a", // the net whose settings and code are shown
  ask: { text: "", levers: levers() },
};

export function levers() {
  return { move: 0, activation: null, gate_activation: null, frozen: false, cut: false, erase: [] };
}

// A net as it is asked for: what is null is what suits the task.
export function fresh(cell = "lstm", recipe = {}) {
  return {
    cell,
    code: null,
    recipe,
    made: null,
    steps: 0,
    loss: [],
    accuracy: [],
    reach: [],
    asked: null,
    fault: null,
  };
}

export const nets = () => NETS.filter((name) => lab.nets[name]);

export const codeOf = (net) => net.code ?? lab.hello.cells[net.cell].code;

// Which levers and settings a cell has stands in its code.
export function has(net) {
  const code = codeOf(net),
    base = lab.hello.cells[net.cell].code;
  const variant = net.code === null || !/^class /m.test(code);
  return {
    forget_bias: variant && base.includes("b_f"),
    gate_activation: variant && base.includes("recurrent_activation"),
    activation: variant,
    frozen: code.includes('named("f")'),
    erase: code.includes('named("C̃")'),
  };
}

export function message(net) {
  const asked = Object.fromEntries(
    RECIPE.filter((name) => net.recipe[name] != null).map((name) => [name, net.recipe[name]]),
  );
  const able = has(net);
  for (const name of ["forget_bias", "gate_activation", "activation"]) if (!able[name]) delete asked[name];
  return { ...asked, task: lab.task, cell: net.code === null ? net.cell : { code: net.code, base: net.cell } };
}

export const started = (net) => net.made?.settings.forget_bias ?? 1;

// The levers as the Session knows them; null where none is set.
export function pulled(net) {
  const { move, activation, gate_activation, frozen, cut, erase } = lab.ask.levers;
  const able = has(net);
  const set = {};
  if (move && able.forget_bias) set.forget_bias = started(net) + move;
  if (activation && able.activation) set.activation = activation;
  if (gate_activation && able.gate_activation) set.gate_activation = gate_activation;
  if (frozen && able.frozen) set.f = "frozen at 1";
  if (cut) set.cut_h = true;
  if (erase.length && able.erase) set.erase = [...erase].sort((a, b) => a - b);
  return Object.keys(set).length ? set : null;
}

export function fromPulled(set, net) {
  const { forget_bias, activation, gate_activation, f, cut_h, erase } = set ?? {};
  const move = typeof forget_bias === "number" ? forget_bias - started(net) : 0;
  return {
    move,
    activation: activation ?? null,
    gate_activation: gate_activation ?? null,
    frozen: Boolean(f),
    cut: Boolean(cut_h),
    erase: Array.isArray(erase) ? erase : [],
  };
}

// As the Session's `state`: what a link holds, and what `restore` takes.
export function stateNow(lang) {
  const made = Object.fromEntries(
    nets().map((name) => [
      name,
      { ...message(lab.nets[name]), ...lab.nets[name].made?.settings, steps: lab.nets[name].steps },
    ]),
  );
  for (const name of nets())
    for (const [key, value] of Object.entries(made[name])) if (value === null) delete made[name][key];
  return { lang, nets: made, ask: { text: lab.ask.text, levers: pulled(lab.nets.a) ?? {} } };
}

export function fromState({ cell, task, steps, ...recipe }) {
  const own = cell !== null && typeof cell === "object";
  const kind = own ? (cell.base ?? "lstm") : (cell ?? "lstm");
  const net = fresh(
    kind in lab.hello.cells ? kind : "lstm",
    Object.fromEntries(RECIPE.map((name) => [name, recipe[name] ?? null])),
  );
  if (own) net.code = String(cell.code);
  return net;
}
