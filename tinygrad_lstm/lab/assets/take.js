// Take it with you: the engine makes the files; the picture as PNG is drawn here where Python has no renderer for it.
import { $, el } from "./dom.js";
import { lab, stateNow } from "./state.js";
import { lang, say } from "./words.js";

const KINDS = ["notebook", "script", "html", "svg", "png"];
const upper = (kind) => kind[0].toUpperCase() + kind.slice(1);

function bytesOf({ text, base64 }) {
  return base64 === undefined || base64 === null
    ? text
    : Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function save(name, blob) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function drawnHere(svg) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = el("canvas", { width: 2 * image.naturalWidth, height: 2 * image.naturalHeight });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

export async function made(kind) {
  const wanted = kind === "png" && lab.hello.engine === "pyodide" ? "svg" : kind;
  const file = await lab.send("export", { net: lab.active, kind: wanted, state: stateNow(lang()) });
  if (wanted !== kind) return { name: file.name.replace(/\.svg$/, ".png"), blob: await drawnHere(bytesOf(file)) };
  return { name: file.name, blob: new Blob([bytesOf(file)], { type: file.mime }) };
}

export function openTake() {
  const said = el("p", { class: "fine", role: "status" });
  const buttons = KINDS.map((kind) =>
    el(
      "button",
      {
        type: "button",
        data: { kind },
        onclick: async () => {
          said.textContent = say("working");
          try {
            const { name, blob } = await made(kind);
            save(name, blob);
            said.textContent = say("saved", { name });
          } catch (fault) {
            said.textContent = fault.message;
          }
        },
      },
      el("b", {}, say(`take${upper(kind)}`)),
      el("span", {}, say(`take${upper(kind)}What`)),
    ),
  );
  openDialog(say("take"), el("p", {}, say("takeIntro")), el("div", { class: "files" }, ...buttons), said);
}

export function openDialog(title, ...parts) {
  const dialog = $("dialog");
  dialog.replaceChildren(
    el(
      "div",
      { class: "bar-row" },
      el("h2", { id: "dialog-title" }, title),
      el("button", { type: "button", class: "icon", "aria-label": say("close"), onclick: () => dialog.close() }, "×"),
    ),
    ...parts,
  );
  dialog.showModal();
}

// Whether the code of a stranger may run.
export function mayRun(codes) {
  return new Promise((resolve) => {
    const answer = (yes) => () => {
      resolve(yes);
      $("dialog").close();
    };
    openDialog(
      say("strange"),
      el("p", {}, say("strangeWhy")),
      ...codes.map((code) => el("pre", { tabindex: "0" }, code)),
      el(
        "div",
        { class: "row" },
        el("button", { type: "button", id: "leave-it", class: "main", onclick: answer(false) }, say("leaveIt")),
        el("button", { type: "button", id: "run-it", onclick: answer(true) }, say("runIt")),
      ),
    );
    $("dialog").addEventListener("close", () => resolve(false), { once: true });
  });
}
