// What a net answers to a question: bars of the prediction, and the strip of gradients, with the levers and without.
import { digits, el, percent } from "./dom.js";
import { deep, shade } from "./scale.js";
import { lab } from "./state.js";
import { say } from "./words.js";

const SHOWN = 4;

export const gradients = (asked) => [asked, asked.plain].flatMap((one) => one.strip.rows.flat());

const chance = (p) => (p < 0.001 ? "< 0.1 %" : percent(p));

function barRow(word, now, was, changed) {
  const track = el("span", { class: "track", "aria-hidden": "true" });
  const bars = changed
    ? [
        ["was", was],
        ["now", now],
      ]
    : [["now", now]];
  for (const [kind, p] of bars) {
    const bar = el("i", { class: kind });
    bar.style.width = `${100 * (p ?? 0)}%`;
    track.append(bar);
  }
  const said = changed && was !== null ? `${chance(was)} → ${chance(now)}` : chance(now);
  return el("li", {}, el("span", { class: "word" }, word), track, el("span", { class: "share" }, said));
}

function bars(asked, changed) {
  const was = new Map(asked.plain.prediction.map(({ word, p }) => [word, p]));
  const rows = asked.prediction.slice(0, SHOWN);
  if (rows[0].p === null) return el("p", { class: "value" }, digits(Number(rows[0].word)));
  for (const { word, p } of asked.plain.prediction.slice(0, 1))
    if (!rows.some((row) => row.word === word))
      rows.push({ word, p: asked.prediction.find((row) => row.word === word)?.p ?? 0 });
  return el("ul", { class: "bars" }, ...rows.map(({ word, p }) => barRow(word, p, was.get(word) ?? null, changed)));
}

function stripRows(one, words, scale, state) {
  return one.strip.names.map((name, r) => {
    const cells = one.strip.rows[r].map((value, k) => {
      const kind = `${shade(scale, value)}${deep(scale, value) ? " deep" : ""}`;
      const mean = one.strip.means[name]?.[k];
      const hint = `${words[k]} · ∂L/∂${name}: ${digits(value)}${mean == null ? "" : ` · ${name} ≈ ${digits(mean)}`}`;
      return el(
        "td",
        { class: kind, title: hint },
        el("span", { class: name === state ? "" : "hidden" }, digits(value)),
      );
    });
    return el("tr", { class: name === state ? "state" : null }, el("th", { scope: "row" }, `∂L/∂${name}`), ...cells);
  });
}

export const pathName = (name) =>
  ["highway", "readout", "recurrence"].includes(name) ? say(name) : say("through", { name });

function pathRow(ledger, words) {
  const cells = ledger.rows.map((shares, k) => {
    const whole = shares.reduce((sum, share) => sum + Math.abs(share ?? 0), 0) || 1;
    const stack = el("span", { class: "stack" });
    shares.forEach((share, p) => {
      if (!share) return;
      const part = el("i", { class: `path-${p}` });
      part.style.height = `${(100 * Math.abs(share)) / whole}%`;
      stack.append(part);
    });
    const hint = ledger.names
      .map((name, p) => `${pathName(name)} ${shares[p] === null ? "–" : percent(shares[p])}`)
      .join(", ");
    return el("td", { title: `${words[k]} · ${hint}` }, stack, el("span", { class: "hidden" }, hint));
  });
  return el("tr", { class: "paths" }, el("th", { scope: "row" }, say("paths")), ...cells);
}

function writtenRow(written, words) {
  const largest = Math.max(...written.map((w) => Math.abs(w ?? 0))) || 1;
  const cells = written.map((w, k) => {
    const bar = el("i", { class: w < 0 ? "helps" : "hinders" });
    bar.style.height = `${(100 * Math.abs(w ?? 0)) / largest}%`;
    const hint = say("writtenName", { word: words[k], n: digits(w) });
    return el("td", { title: hint }, el("span", { class: "stack" }, bar), el("span", { class: "hidden" }, hint));
  });
  return el("tr", { class: "paths" }, el("th", { scope: "row" }, say("written")), ...cells);
}

function wordRow(words, erasable, erase) {
  const cells = words.map((word, k) => {
    if (!erasable) return el("th", { scope: "col" }, word);
    const gone = lab.ask.levers.erase.includes(k);
    const button = el(
      "button",
      {
        type: "button",
        class: "erase",
        "aria-pressed": String(gone),
        title: say("erase", { word }),
        data: { place: String(k) },
        onclick: () => erase(k),
      },
      word,
    );
    return el("th", { scope: "col" }, button);
  });
  return el(
    "tr",
    {},
    el("th", { scope: "col", class: "corner" }, el("span", { class: "hidden" }, say("words"))),
    ...cells,
  );
}

function strip(name, asked, changed, scale, erasable, erase) {
  const { words, plain } = asked;
  const state = asked.ledger.state;
  const table = el(
    "table",
    { class: "strip" },
    el("caption", { class: "hidden" }, say("stripName", { net: name.toUpperCase() })),
  );
  table.append(el("thead", {}, wordRow(words, erasable, erase)));
  const part = (one, title) => {
    const rows = stripRows(one, words, scale, state);
    if (title)
      rows.unshift(el("tr", { class: "part" }, el("th", { colspan: words.length + 1, scope: "rowgroup" }, title)));
    return el("tbody", { class: one === plain && changed ? "plain" : "shown" }, ...rows);
  };
  if (changed) table.append(part(plain, say("plain")));
  const last = part(asked, changed ? say("after") : null);
  if (asked.ledger.written) last.append(writtenRow(asked.ledger.written, words));
  last.append(pathRow(asked.ledger, words));
  table.append(last);
  // a wide table scrolls by itself, also by keys
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": say("stripName", { net: name.toUpperCase() }) },
    table,
  );
}

export function pathLegend(asked) {
  return asked.ledger.names.map((name, p) =>
    el("span", { class: "path" }, el("i", { class: `path-${p}` }), pathName(name)),
  );
}

// `changed`: whether levers are set; `erase(k)` is called with the place of a word that is clicked.
export function answer(name, asked, { changed, scale, erasable, erase, title }) {
  const verdict =
    asked.right === null
      ? null
      : el("span", { class: asked.right ? "verdict right" : "verdict wrong" }, say(asked.right ? "right" : "wrong"));
  const numbers = asked.prediction[0].p === null;
  return el(
    "section",
    { class: "answer", data: { net: name } },
    el(
      "div",
      { class: "prediction" },
      title ? el("h3", {}, el("b", { class: `net-${name}` }, name.toUpperCase()), ` ${title}`) : null,
      el("h4", {}, say(numbers ? "sum" : "answer"), " ", verdict),
      bars(asked, changed),
    ),
    strip(name, asked, changed, scale, erasable, erase),
  );
}
