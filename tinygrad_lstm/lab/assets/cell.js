// The cell: its code in the editor, the picture of one step beside it, errors at their line.
import { $, later } from "./dom.js";
import { makeEditor } from "./editor.js";
import { showPicture } from "./picture.js";
import { codeOf, lab } from "./state.js";
import { say } from "./words.js";

let editor;
let shown = null; // the net whose code stands there, and which code: so that typing is not disturbed

export function buildCell(changed, reset) {
  editor = makeEditor(
    $("editor"),
    say("code"),
    later(500, (code) => changed(lab.active, code)),
  );
  $("code-reset").addEventListener("click", () => reset(lab.active));
  $("code-source").addEventListener("click", toggleSource);
  $("cell-card").addEventListener("toggle", drawPicture);
}

const titleOf = (net) => (net.code === null ? lab.hello.cells[net.cell].title : say("mine"));

function drawPicture() {
  const net = lab.nets[lab.active];
  if ($("cell-card").open && net.made)
    showPicture($("cell-picture"), net.made.picture, say("pictureOf", { cell: titleOf(net) }));
}

export function drawCell() {
  const net = lab.nets[lab.active],
    code = codeOf(net);
  editor.named(say("code"));
  $("cell-title").textContent = titleOf(net);
  $("cell-state").textContent = net.code === null ? "" : `✓ ${say("codeRuns")}`;
  $("cell-state").className = "soft";
  if (shown !== net || editor.value !== code) {
    if (!(shown === net && document.activeElement === $("editor").querySelector("textarea"))) editor.set(code);
    shown = net;
  }
  $("code-reset").disabled = net.code === null && editor.value === code;
  codeFault(null);
  hideSource();
  drawPicture();
}

export function codeFault(fault) {
  editor.error(fault?.line ?? null);
  $("code-error").hidden = !fault;
  $("code-error").textContent = fault
    ? fault.line
      ? say("atLine", { line: fault.line, message: fault.message })
      : fault.message
    : "";
  if (!fault) return;
  $("code-reset").disabled = false;
  $("cell-state").textContent = fault.line ? say("codeFails", { line: fault.line }) : "";
  $("cell-state").className = "error";
}

function hideSource() {
  $("source").hidden = true;
  $("code-source").setAttribute("aria-expanded", "false");
}

async function toggleSource() {
  if (!$("source").hidden) {
    hideSource();
    return;
  }
  try {
    const { source, notes } = await lab.send("compile", { code: editor.value, base: lab.nets[lab.active].cell });
    $("source").textContent = source ?? notes.join("\n");
    $("source").hidden = false;
    $("code-source").setAttribute("aria-expanded", "true");
  } catch (fault) {
    codeFault(fault);
  }
}

export async function openCell(focus = false) {
  $("cell-card").open = true;
  drawPicture();
  if (focus) editor.focus();
}

export function closeCell() {
  $("cell-card").open = false;
}
