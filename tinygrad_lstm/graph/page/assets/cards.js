// The cards beside the picture: a step, an op, a tensor, the ledger of a state; and how to read it all.

const wrap = (text) => (/ [+−·@/] /.test(text) && !/^\[[^\]]*\]$/.test(text) ? `(${text})` : text);
const partial = (x) => `∂L/∂${wrap(x.sym)}`;
const size = (x) => x.shape.join(" × ") || say("scalar");
const single = (x) => x.shape.every((n) => n === 1); // a single number has a sign, more have a norm
const measured = (x, what, v) => `${single(x) ? what : `‖${what}‖`} = ${digits(v)}`;
const bare = (x) => (x.sym === x.eq ? "y" : x.sym); // what has no name is y
function formula(op, k) {
  // "dy · b"; with the learner's own tensors in place of dy, a, b, x and y; and with their numbers, if all are single
  const out = data.tensors[op.out],
    rule = own(data.rules, out.op),
    names = own(data.inputs, out.op);
  const operands = names.map((_, j) => data.tensors[op.args ? op.args[j] : op.ins.find((s) => s.k === j)?.x]);
  const said = { y: bare(out), dy: out.sym === out.eq ? "dy" : `∂L/∂${wrap(out.sym)}` }; // the words are those of our rules
  const counted = { y: out.y?.[0], dy: out.dy?.[0] };
  names.forEach((name, j) => {
    said[name] = operands[j] && wrap(operands[j].sym);
    counted[name] = operands[j]?.y?.[0];
  });
  const text = term(rule[k] ?? rule[0]);
  const filled = (table) => text.replace(/(?<![A-Za-z])(dy|[a-z])(?![A-Za-z])/g, (word) => own(table, word) ?? word);
  const figures = Object.fromEntries(
    Object.entries(counted).map(([word, v]) => [word, v < 0 ? `(${digits(v)})` : digits(v)]),
  );
  return [text, filled(said), [out, ...operands].every((x) => x && single(x)) ? filled(figures) : ""];
}
const units = (x) => (x.u ? sheetOf(x).units : null);
function table(rows, unit) {
  // a few numbers of each of several arrays, one above the other; of these units
  const made = el("table", "numbers");
  const wide = Math.max(...rows.map(([, entries]) => (entries || []).length));
  const head = el("tr", "", el("th", "", unit ? say("entries") : say("first")));
  for (let k = 0; k < wide; k++) head.append(el("th", "", String(unit ? unit[k] : k)));
  made.append(el("thead", "", head));
  const body = el("tbody");
  for (const [name, entries, kind] of rows) {
    const row = el("tr", kind || "", el("th", "", name));
    for (let k = 0; k < wide; k++) row.append(el("td", "", entries && k < entries.length ? digits(entries[k]) : ""));
    body.append(row);
  }
  made.append(body);
  return el("div", "scroll", made);
}
function opCard(op) {
  const out = data.tensors[op.out];
  const made = card(place(group(), op) || bare(out), equation(`${bare(out)} = ${out.eq}`, say("forward")));
  for (const share of op.ins) {
    const x = data.tensors[share.x],
      [rule, full, figures] = formula(op, share.k);
    made.append(heading(share), equation(full, "", full === rule ? "" : rule));
    if (figures) {
      made.append(equation(`${figures} = ${digits(share.n)}`)); // all that a table would show
      continue;
    }
    const rows = [["dy", out.dy]];
    for (const other of op.ins)
      if (other !== share && data.tensors[other.x].u && x.u)
        rows.push([data.tensors[other.x].sym, data.tensors[other.x].y]);
    if (/y/.test(rule.replace(/dy/g, "")) && out.u) rows.push(["y", out.y]);
    rows.push(["→", share.v, "result"]);
    made.append(table(out.u === x.u ? rows : rows.slice(-1), units(x)));
  }
  return made;
}
function heading(share) {
  const x = data.tensors[share.x];
  return el(
    "h3",
    "",
    button(share.x, partial(x)),
    el("span", "", single(x) ? `= ${digits(share.n)}` : `‖·‖ = ${digits(share.n)} · ${size(x)}`),
  );
}
function startCard(op) {
  const made = card(
    beside ? `${say("start")} · ${sheetOf(data.tensors[op.out]).name}` : say("start"),
    el("p", "", `${say(op.ins.length ? "starts" : "seed")}.`),
  );
  for (const share of op.ins.slice(0, 6))
    made.append(heading(share), table([["→", share.v, "result"]], units(data.tensors[share.x])));
  return made;
}
function arrivals(op) {
  // where several shares meet: how far their sum has come
  return op.ins
    .filter((share) => share.sum)
    .map((share) => {
      const x = data.tensors[share.x],
        [k, n, norm, entries] = share.sum;
      const dots = el("span", "dots", ...Array.from({ length: Math.min(n, 12) }, (_, j) => el("i", j < k ? "in" : "")));
      return card(
        say("arrives", x.sym),
        el("p", "", dots, " ", say("sum", k, n), `; ${measured(x, "Σ", norm)}`),
        table(
          [
            ["+", share.v],
            ["Σ", entries, "result"],
          ],
          units(x),
        ),
      );
    });
}
function stepCard(g) {
  const made = card(place(g)),
    list = el("div", "gates"),
    found = {},
    [sheet] = sheets;
  const names = Object.keys(sheet.strip).map((name) => [name + sub(g.t), name]),
    symbols = new Map(names);
  for (let k = marked[0]; k < marked[1]; k++)
    for (const j of [data.ops[k].out, ...data.ops[k].ins.map((s) => s.x)]) {
      const name = symbols.get(data.tensors[j].sym);
      if (name) found[`=${name}`] = j;
    }
  const rows = names.filter(([, name]) => `=${name}` in found).map(([, name]) => [name, found[`=${name}`]]);
  const top = Math.max(...rows.map(([, j]) => Math.abs(data.tensors[j].grad || 0)));
  made.append(el("h3", "", say("gates")));
  for (const [name, j] of rows) {
    const x = data.tensors[j];
    list.append(
      button(j, `∂L/∂${x.sym}`),
      el("span", "what", called(name) === name ? "" : called(name)),
      bar(0, Math.abs(x.grad || 0) / (top || 1), level(x.grad)),
      el("span", "norm", digits(x.grad)),
    );
  }
  made.append(list);
  for (const [name, j] of rows)
    if (data.tensors[j].op && [sheet.state, "h"].includes(name))
      made.append(equation(`${data.tensors[j].sym} = ${data.tensors[j].eq}`, called(name)));
  return made;
}
function ledgerCard(sheet, t, ledger) {
  // a staircase: each path begins where the one before has ended, and the last ends at 100 %
  const target = `${sheet.state}${sub(t - 1)}`,
    made = card(`${beside ? `${sheet.name} · ` : ""}${say("ledger", target)}`),
    list = el("div", "ledger");
  const steps = Object.entries(ledger.terms),
    edges = [0];
  for (const [, [, share]] of steps) edges.push(edges[edges.length - 1] + share);
  const low = Math.min(...edges),
    high = Math.max(...edges, 1),
    place = (v) => (100 * (v - low)) / (high - low);
  steps.forEach(([name, [norm, share]], k) => {
    const stair = shape("svg", {
      class: "bar",
      viewBox: "0 0 100 10",
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    });
    const [a, b] = [place(edges[k]), place(edges[k + 1])];
    stair.append(
      shape("rect", { class: "rail", x: 0, y: 0, width: 100, height: 10 }),
      shape("rect", {
        class: `path-${k % 6} ${share < 0 ? "against" : ""}`,
        x: Math.min(a, b),
        y: 0,
        width: Math.max(0.8, Math.abs(b - a)),
        height: 10,
      }),
    );
    const title = el(
      "span",
      "what",
      own(sheet.called, name) ? `${name} · ${called(name, sheet)}` : called(name, sheet),
    );
    list.append(title, stair, el("span", "norm", digits(norm)), el("span", "part", percent(share)));
  });
  list.append(
    el("span", "what sum", `${say("total")} ∂L/∂${target}`),
    el("span", ""),
    el("span", "norm sum", digits(ledger.norm)),
    el("span", "part sum", "100 %"),
  );
  made.append(list);
  if (!beside) made.append(el("p", "fine", say("readSum")));
  return made;
}
function button(j, text) {
  const made = el("button", "link", text);
  made.addEventListener("click", () => choose(j));
  return made;
}
const equation = (text, kind, more) =>
  el("p", "equation", kind ? el("span", "kind", kind) : "", el("span", "", text), more ? el("span", "more", more) : "");

function guide() {
  const made = card(say("how"), ...say("guide").map((text) => el("p", "", text)), el("p", "fine", say("keys")));
  const labels = el("dl", "labels");
  for (const [name, word] of Object.entries(Object.assign({}, ...sheets.map((sheet) => sheet.called))))
    labels.append(el("dt", "", name), el("dd", "", term(word)));
  const lists = sheets.map((sheet, k) => {
    const list = el("div", "gates");
    for (const j of sheet.parameters) {
      const x = data.tensors[j];
      list.append(
        button(j, x.sym),
        el("span", "what", x.shape.join(" × ")),
        el("span", ""),
        el("span", "norm", gradientOf(j)),
      );
    }
    return card(
      `${beside ? `${sheet.name} · ` : ""}${say(timed ? "parameters" : "leaves")}`,
      el("p", "fine", say(sheets[k].parameters.every((j) => single(data.tensors[j])) ? "signed" : "normed")),
      list,
    );
  });
  return [
    made,
    ...(labels.children.length ? [card(say("gate"), labels)] : []),
    ...lists.filter((_, k) => sheets[k].parameters.length),
  ];
}
function tensorCard(j) {
  const x = data.tensors[j];
  const made = card(
    `${beside ? `${sheetOf(x).name} · ` : ""}${x.sym}`,
    x.eq ? equation(`${bare(x)} = ${x.eq}`, say("forward")) : "",
  );
  made.classList.add("chosen");
  const close = el("button", "icon close", "×");
  close.setAttribute("aria-label", say("close"));
  close.addEventListener("click", () => choose(null));
  made.prepend(close);
  const facts = el("dl", "facts");
  const fact = (key, value) => facts.append(el("dt", "", say(key)), el("dd", "", value));
  fact("shape", size(x));
  if (x.scope) fact("scope", x.scope);
  if (x.src !== undefined) {
    const [file, line, text] = data.lines[x.src];
    facts.append(
      el("dt", "", say("source")),
      el("dd", "", say("line", file, line)),
      ...(text ? [el("dd", "code", el("code", "", text))] : []),
    );
  }
  if (x.v) fact("range", x.v.map(digits).join(" · "));
  made.append(facts, table([[say("values"), x.y], ...(known(j) ? [[say("gradient"), x.dy, "result"]] : [])], units(x)));
  made.append(
    el("p", "fine", !known(j) ? say("veiled") : x.grad === null ? say("none") : measured(x, partial(x), x.grad)),
  );
  if (known(j) && x.hist && x.hist.length > 3) made.append(histogram(x.hist));
  return made;
}
function choose(j) {
  for (const [id, k] of Object.entries(data.nodes))
    if (k === state.chosen || k === j) $(id)?.classList.toggle("chosen", k === j);
  state.chosen = j;
  panel();
}
