"""What a notebook needs to run in its page: Pyodide, NumPy, the drawing engine and this package, laid into one folder."""

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


def lay(prepared: Path, into: Path) -> None:
    """Copy from the folder that tests/pyodide/prepare.sh has laid, and build this package's wheel. Raises RunnerError."""
    (into / "wheels").mkdir(parents=True)
    modules = prepared / "node_modules"
    for name in PYODIDE:
        _copy(modules / "pyodide" / name, into / name)
    _copy(modules / "@viz-js" / "viz" / "dist" / "viz.js", into / "viz.js")
    groups = {"base": [_wheel(prepared, name) for name in BASE], "plots": [_wheel(prepared, name) for name in PLOTS]}
    with tempfile.TemporaryDirectory() as scratch:
        groups["base"].append(_own(Path(scratch)))
        for path in (*groups["base"], *groups["plots"]):
            _copy(path, into / "wheels" / path.name)
    named = {group: [path.name for path in paths] for group, paths in groups.items()}
    sizes = {group: sum((into / "wheels" / name).stat().st_size for name in names) for group, names in named.items()}
    sizes["base"] += sum((into / name).stat().st_size for name in (*PYODIDE, "viz.js"))
    (into / "manifest.json").write_text(json.dumps({"wheels": named, "bytes": sizes}), encoding="utf-8")


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
