// Python in a worker: Pyodide, NumPy, the package's wheel, and one Session that answers.
/* global self */

const folder = new URL("py/", self.location.href);
let received = 0,
  expected = 1;

// What Pyodide loads is counted, so that the page can say how far it is.
const plainFetch = self.fetch.bind(self);
self.fetch = async (...request) => {
  const response = await plainFetch(...request);
  if (!response.body) return response;
  const counted = response.body.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        received += chunk.byteLength;
        tell("download");
        controller.enqueue(chunk);
      },
    }),
  );
  const { status, statusText, headers } = response;
  return new Response(counted, { status, statusText, headers });
};

function tell(stage) {
  self.postMessage({ progress: { stage, part: Math.min(1, received / expected), bytes: received, of: expected } });
}

async function bytes(name) {
  const response = await self.fetch(new URL(name, folder));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return response.arrayBuffer();
}

async function start() {
  const manifest = await (await plainFetch(new URL("manifest.json", folder))).json();
  const run = Object.entries(manifest.files).filter(([name]) => name.startsWith("py/"));
  expected = run.reduce((sum, [, size]) => sum + size, 0) || 1;
  tell("download");
  const [{ loadPyodide }, viz] = await Promise.all([
    import(new URL(manifest.pyodide, folder)),
    import(new URL(manifest.viz, folder)).then((module) => module.instance()),
  ]);
  const [py, ...wheels] = await Promise.all([
    loadPyodide({ indexURL: folder.href }),
    ...manifest.wheels.map((name) => bytes(name)),
  ]);
  received = expected;
  tell("start");
  for (const wheel of wheels) py.unpackArchive(wheel, "wheel");
  py.registerJsModule("vizjs", { to_svg: (dot, engine) => viz.renderString(dot, { format: "svg", engine }) });
  const answer = py.runPython(`
import importlib
importlib.invalidate_caches()
from vizjs import to_svg
from tinygrad_lstm.graph import use_renderer
from tinygrad_lstm.lab import Session
use_renderer(lambda dot, layout, suffix: to_svg(dot, {"neato": "nop2", "dot": "dot"}[layout]).encode())
Session(engine="pyodide").answer_text`);
  tell("ready");
  return answer;
}

const started = start();

self.onmessage = async ({ data: { id, text } }) => {
  let reply;
  try {
    reply = (await started)(text);
  } catch (error) {
    reply = JSON.stringify({ id, error: { message: String(error.message ?? error).slice(-600) } });
  }
  self.postMessage({ id, reply });
};
