// Python, off the page's thread: loads Pyodide and this package from the site itself, and runs cells one by one.
const settings = new URL(import.meta.url).searchParams;
const root = new URL(settings.get("root"));
let python;

const bytes = async (address) => {
  const got = await fetch(address);
  if (!got.ok) throw new Error(`${address}: ${got.status}`);
  return new Uint8Array(await got.arrayBuffer());
};

async function start() {
  const plots = settings.get("plots") === "1";
  const manifest = await (await fetch(new URL("manifest.json", root))).json();
  const { base, plots: more } = manifest.bytes;
  postMessage({ loading: Math.round((base + (plots ? more : 0)) / 1e6) });
  const home = new URL(manifest.home, root);
  const wheels = manifest.wheels.map((name) => new URL(name, home));
  if (plots) wheels.push(...manifest.plots.map((name) => new URL(name, root)));
  const [{ loadPyodide }, { instance }, ...archives] = await Promise.all([
    import(new URL("pyodide.mjs", home)),
    import(new URL("viz.js", home)),
    ...wheels.map(bytes),
  ]);
  const [py, viz] = await Promise.all([loadPyodide({ indexURL: home.href }), instance()]);
  for (const archive of archives) py.unpackArchive(archive, "wheel");
  py.registerJsModule("notebook_page", {
    show: (kind, text) => postMessage({ show: kind, text }),
    svg: (dot, engine) => viz.renderString(dot, { format: "svg", engine }),
  });
  py.runPython(await (await fetch(new URL("run.py", import.meta.url))).text());
  python = py;
  postMessage({ ready: true });
}

const started = start().catch((error) => postMessage({ failed: error.message }));

addEventListener("message", async ({ data: { code, cell } }) => {
  await started;
  if (!python) return;
  postMessage({ done: cell, well: python.globals.get("run")(code, cell + 1) });
});
