// Runs the package's own tests under Pyodide: CPython as WebAssembly, as in a browser, here in Node.
//   node run.mjs FOLDER [pytest's arguments, files as in tests/]
// prepare.sh lays into FOLDER what this needs. The tests are read where they stand, and write to memory.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [folder, ...pytest] = process.argv.slice(2);
const pyodide = resolve(folder, "node_modules", "pyodide");
const wheels = resolve(folder, "wheels");
const { loadPyodide } = await import(pathToFileURL(resolve(pyodide, "pyodide.mjs")).href);
const { instance } = createRequire(resolve(folder, "package.json"))("@viz-js/viz");
const here = dirname(fileURLToPath(import.meta.url));
const started = performance.now();
const py = await loadPyodide({ indexURL: pyodide });
const options = { extractDir: "/lib/python3.14/site-packages" };
for (const name of readdirSync(wheels).filter((name) => name.endsWith(".whl")))
  py.unpackArchive(new Uint8Array(readFileSync(resolve(wheels, name))), "wheel", options);
py.FS.mkdirTree("/repository/tests");
py.mountNodeFS("/repository/tests", dirname(here));
const ready = py.runPython(`
import importlib, os, sys
importlib.invalidate_caches()
sys.dont_write_bytecode = True
sys.path.insert(0, "/repository/tests")
os.chdir("/tmp")
import tinygrad_lstm
f"Python {sys.version.split()[0]}, NumPy {tinygrad_lstm.tensor.np.__version__} on {sys.platform}"`);
console.log(`${ready}: ready after ${((performance.now() - started) / 1000).toFixed(1)} s`);
const viz = await instance();
py.registerJsModule("vizjs", { to_svg: (dot, engine) => viz.renderString(dot, { format: "svg", engine }) });
py.globals.set("arguments", py.toPy(pytest));
py.runPython(readFileSync(resolve(here, "run.py"), "utf8"));
process.exit(py.globals.get("code"));
