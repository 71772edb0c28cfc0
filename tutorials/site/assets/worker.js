// Python, off the page's thread: loads Pyodide and this package from the site itself, and runs cells one by one.
const settings = new URL(import.meta.url).searchParams;
const root = new URL(settings.get("root"));
let python;

const bytes = async (name) => {
  const got = await fetch(new URL(name, root));
  if (!got.ok) throw new Error(`${name}: ${got.status}`);
  return new Uint8Array(await got.arrayBuffer());
};

async function start() {
  const plots = settings.get("plots") === "1";
  const { wheels, bytes: sizes } = await (await fetch(new URL("manifest.json", root))).json();
  postMessage({ loading: Math.round((sizes.base + (plots ? sizes.plots : 0)) / 1e6) });
  const names = [...wheels.base, ...(plots ? wheels.plots : [])];
  const [{ loadPyodide }, { instance }, ...archives] = await Promise.all([
    import(new URL("pyodide.mjs", root)),
    import(new URL("viz.js", root)),
    ...names.map((name) => bytes(`wheels/${name}`)),
  ]);
  const [py, viz] = await Promise.all([loadPyodide({ indexURL: root.href }), instance()]);
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
