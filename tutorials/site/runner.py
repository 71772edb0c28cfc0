"""What a notebook needs to run in its page: Pyodide, NumPy, the drawing engine and this package, laid into one folder.

Why a worker of our own and no JupyterLite. In Chromium, from this machine, on two cores that others used as well:

    here         18.1 MB (10.2 gzipped) when "Run it here" is pressed, 26.8 MB with matplotlib; nothing before.
                 Ready after 10 s at best. The prose, its pictures and the other language stay where they are.
    JupyterLite  118 files, 7.5 MB (2.1 gzipped) and 4.2 s until a notebook is seen, and then the same Pyodide, IPython
                 and what that needs (8 MB of wheels), before a cell runs. 20 MB more on the site.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYODIDE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json", "python_stdlib.zip")
BASE = ("numpy", "graphviz")
PLOTS = (
    "matplotlib",
    "contourpy",
    "kiwisolver",
    "cycler",
    "pillow",
    "pyparsing",
    "python_dateutil",
    "six",
    "packaging",
)


class RunnerError(Exception):
    """Something that must be there to run notebooks, and is not."""


def lay(prepared: Path, into: Path, lab: Path) -> None:
    """Copy from the folder that tests/pyodide/prepare.sh has laid. Raises RunnerError.

    `lab` is where a lab keeps the same: if it is there, it is named and not copied, so that a browser gets it once.
    """
    into.mkdir()
    own = json.loads((lab / "manifest.json").read_text(encoding="utf-8"))["wheels"] if lab.is_dir() else None
    home = lab if own else into
    plots = [_wheel(prepared, name) for name in PLOTS]
    for path in plots:
        _copy(path, into / path.name)
    wheels = own or _lay_base(prepared, into)
    sizes = {"base": sum((home / name).stat().st_size for name in (*PYODIDE, "viz.js", *wheels)),
             "plots": sum(path.stat().st_size for path in plots)}  # fmt: skip
    said = {"home": "../lab/py/" if own else "./", "wheels": wheels, "plots": [p.name for p in plots], "bytes": sizes}
    (into / "manifest.json").write_text(json.dumps(said), encoding="utf-8")


def _lay_base(prepared: Path, into: Path) -> list[str]:
    """Pyodide, the drawing engine, NumPy and this package, built as it stands: the names of the wheels."""
    modules = prepared / "node_modules"
    for name in PYODIDE:
        _copy(modules / "pyodide" / name, into / name)
    _copy(modules / "@viz-js" / "viz" / "dist" / "viz.js", into / "viz.js")
    with tempfile.TemporaryDirectory() as scratch:
        wheels = [*(_wheel(prepared, name) for name in BASE), _own(Path(scratch))]
        for path in wheels:
            _copy(path, into / path.name)
    return [path.name for path in wheels]


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise RunnerError(f"{source} is missing: run tests/pyodide/prepare.sh for this folder")
    shutil.copy(source, target)


def _wheel(prepared: Path, name: str) -> Path:
    found = sorted(path for folder in ("wheels", "plots") for path in (prepared / folder).glob(f"{name}-*.whl"))
    if not found:
        raise RunnerError(f"{prepared} has no wheel of {name}: run tests/pyodide/prepare.sh {prepared}")
    return found[-1]


def _own(folder: Path) -> Path:
    """This package as a wheel, as it stands."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(HERE.parents[1]),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunnerError(f"this package's wheel could not be built: {done.stderr.strip()[-500:]}")
    return next(folder.glob("*.whl"))
