// Runs a notebook in its page: each cell becomes an editor with a button, and its output is what Python here says.

class Runner {
  constructor(bar) {
    this.bar = bar;
    this.words = JSON.parse(bar.dataset.words);
    this.cells = [...document.querySelectorAll(".cell")];
    this.queue = [];
    this.running = null;
    this.said = document.createElement("p");
    this.said.setAttribute("role", "status");
    bar.append(this.said);
    bar.querySelector(".run-start").addEventListener("click", () => this.begin());
  }

  begin() {
    this.bar.querySelector(".run-start").remove();
    for (const [k, cell] of this.cells.entries()) this.edit(cell, k);
    this.all = this.button(this.words.run_all, () => this.ask(...this.cells.keys()), this.bar);
    this.stop = this.button(this.words.run_stop, () => this.interrupt(), this.bar);
    this.load();
  }

  load() {
    this.ready = false;
    this.began = performance.now();
    const { root, plots } = this.bar.dataset;
    const settings = new URLSearchParams({ plots, root: new URL(root, location).href });
    this.worker = new Worker(new URL(`worker.js?${settings}`, import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = (event) => this.hear({ failed: event.message });
  }

  hear(data) {
    if ("loading" in data) this.say("run_loading", { size: data.loading });
    if ("failed" in data) this.say("run_failed", { reason: data.failed });
    if (data.ready) {
      this.ready = true;
      this.say("run_ready", { seconds: ((performance.now() - this.began) / 1000).toFixed(1) });
      this.next();
    }
    if (data.show) this.show(data.show, data.text);
    if ("done" in data) this.done(data.well);
  }

  say(key, values = {}) {
    this.said.textContent = this.words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
    this.bar.dataset.state = key;
  }

  button(label, act, into) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "md-button";
    made.textContent = label;
    made.addEventListener("click", act);
    into.append(made);
    return made;
  }

  edit(cell, k) {
    const code = cell.querySelector("code");
    code.contentEditable = "plaintext-only";
    code.spellcheck = false;
    code.setAttribute("role", "textbox");
    code.setAttribute("aria-multiline", "true");
    code.setAttribute("aria-label", `${this.words.run_cell} ${k + 1}`);
    code.addEventListener("keydown", (event) => {
      event.stopPropagation(); // the site has keys of its own
      if (event.key !== "Enter" || !event.shiftKey) return;
      event.preventDefault();
      this.ask(k);
      this.cells[k + 1]?.querySelector("code").focus();
    });
    const run = this.button(`▶ ${this.words.run_cell}`, () => this.ask(k), cell);
    cell.querySelector(".highlight").after(run);
    run.classList.add("run-cell");
  }

  ask(...cells) {
    this.queue.push(...cells);
    for (const k of cells) this.cells[k].dataset.run = "waiting";
    this.next();
  }

  next() {
    if (!this.ready || this.running !== null || !this.queue.length) return;
    this.running = this.queue.shift();
    const cell = this.cells[this.running];
    cell.dataset.run = "running";
    cell.querySelector(".output").replaceChildren();
    this.say("run_running");
    this.worker.postMessage({ code: cell.querySelector("code").textContent, cell: this.running });
  }

  done(well) {
    this.cells[this.running].dataset.run = well ? "well" : "failed";
    this.running = null;
    if (!well) this.forget();
    this.said.textContent = "";
    this.bar.dataset.state = "idle";
    this.next();
  }

  forget() {
    for (const k of this.queue.splice(0)) delete this.cells[k].dataset.run;
  }

  interrupt() {
    this.worker.terminate();
    this.forget();
    if (this.running !== null) delete this.cells[this.running].dataset.run;
    this.running = null;
    this.load();
    this.say("run_stopped");
  }

  show(kind, text) {
    const output = this.cells[this.running].querySelector(".output");
    const last = output.lastElementChild;
    if (kind === "text" && last?.matches("pre:not(.error)")) last.textContent += text;
    else output.append(this.shown(kind, text));
  }

  shown(kind, text) {
    if (kind === "png" || kind === "svg") {
      const image = document.createElement("img");
      const bytes = kind === "png" ? Uint8Array.from(atob(text), (c) => c.charCodeAt(0)) : text;
      image.src = URL.createObjectURL(new Blob([bytes], { type: kind === "png" ? "image/png" : "image/svg+xml" }));
      image.alt = this.words.output;
      return image;
    }
    if (kind === "html") return this.framed(text);
    const lines = document.createElement("pre");
    lines.className = kind;
    lines.textContent = text;
    return lines;
  }
  // A page of the package runs its script and reaches nothing; any other HTML is shown as tall as it is, without one.
  framed(text) {
    const frame = document.createElement("iframe");
    frame.title = this.words.output;
    const page = new DOMParser().parseFromString(text, "text/html").querySelector("iframe[srcdoc]");
    frame.className = page ? "microscope" : "shown";
    frame.sandbox = page ? "allow-scripts" : "allow-same-origin";
    frame.srcdoc = page ? page.getAttribute("srcdoc") : text;
    if (!page)
      frame.addEventListener("load", () => {
        frame.style.height = `${frame.contentDocument.documentElement.scrollHeight}px`;
      });
    return frame;
  }
}

const bar = document.querySelector(".run-bar");
if (bar?.querySelector(".run-start")) new Runner(bar);
