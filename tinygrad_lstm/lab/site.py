"""The lab as a site of files: the page, Pyodide beside it, and this package as a wheel. It runs from any place.

Pyodide, Graphviz for browsers and NumPy's wheel are looked for in one folder, wherever they lie below it, as npm and
pip lay them out: pyodide.mjs and what stands beside it, viz.js, numpy-….whl, graphviz-….whl.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from pathlib import Path

from .page import START, assets, filled
from .wordings import Lang

PY = "py/"  # where Pyodide and the wheels stand
PYODIDE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip",
           "pyodide-lock.json")  # fmt: skip
VIZ = "viz.js"
WHEELS = ("numpy-*.whl", "graphviz-*.whl")
ZIP = "tinygrad-lstm-lab.zip"
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the time of files in a zip: the same site is the same bytes
SERVE = '''\
"""Serve this folder to the browser of this computer: python serve.py [PORT]"""
import functools, http.server, sys, webbrowser

handler = http.server.SimpleHTTPRequestHandler
handler.extensions_map |= {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
here = __file__.replace("\\\\", "/").rpartition("/")[0] or "."
with http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(handler, directory=here)) as server:
    address = f"http://127.0.0.1:{server.server_port}/"
    print(address, "(Ctrl-C ends it)", flush=True)
    try:
        webbrowser.open(address)
        server.serve_forever()
    except KeyboardInterrupt:
        pass
'''


def built(folder: Path, pyodide: Path, lang: Lang = "en") -> str:
    """Write the site and a zip of it into a folder, and say in a few lines what was written.

    Raises ValueError where `pyodide` lacks something, naming it; OSError where nothing can be written.
    """
    site = site_of(pyodide, lang)
    data = zipped(site | {"serve.py": SERVE.encode()})
    for name, content in {**site, ZIP: data}.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    total = sum(map(len, site.values()))
    return (
        f"{len(site)} files, {total / 1e6:.1f} MB, in {os.fspath(folder)}: any server of files can serve them.\n"
        f"{ZIP}, {len(data) / 1e6:.1f} MB, holds the same: unpack it, and run serve.py in it, or any other such server."
    )


def site_of(pyodide: Path, lang: Lang = "en") -> dict[str, bytes]:
    """All files of the site by their relative addresses. Raises as `built` does."""
    site = {name: filled(name, data, "pyodide", lang) for name, data in assets().items()}
    site |= {PY + name: data for name, data in runtime(pyodide).items()}
    wheels = [name.removeprefix(PY) for name in site if name.startswith(PY) and name.endswith(".whl")]
    name, data = own_wheel()
    site[PY + name] = data
    manifest = {
        "version": metadata.version("tinygrad-lstm"),
        "build": hashlib.sha256(b"".join(site[place] for place in sorted(site))).hexdigest()[:16],
        "pyodide": "pyodide.mjs",
        "viz": VIZ,
        "wheels": [*wheels, name],
        "files": {place: len(content) for place, content in sorted(site.items())},
    }
    site[PY + "manifest.json"] = json.dumps(manifest, indent=1).encode()
    assert START in site
    return site


def runtime(folder: Path) -> dict[str, bytes]:
    """Pyodide's own files, Graphviz's, and the wheels, by name."""
    if not folder.is_dir():
        raise ValueError(f"--pyodide {folder}: there is no such folder")
    start = _found(folder, "pyodide.mjs")
    found = {name: (start.parent / name).read_bytes() for name in PYODIDE if (start.parent / name).is_file()}
    for needed in ("pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"):
        if needed not in found:
            raise ValueError(f"--pyodide {folder}: beside {start} there is no {needed}; install the npm package whole")
    found[VIZ] = _found(folder, f"dist/{VIZ}", VIZ).read_bytes()
    for pattern in WHEELS:
        wheel = _found(folder, pattern)
        found[wheel.name] = wheel.read_bytes()
    return found


def _found(folder: Path, *patterns: str) -> Path:
    """The file of that name below a folder, the last of several; where there is none, of the next name."""
    files = [Path(root, name) for root, _, names in os.walk(folder) for name in names]
    for pattern in patterns:
        if places := [file for file in files if file.match(pattern)]:
            return max(places)
    raise ValueError(f"--pyodide {folder}: there is no {patterns[0]} below it")


def own_wheel() -> tuple[str, bytes]:
    """This very package as a wheel, without the page and the command line: its name, and its bytes."""
    package, version = __package__.partition(".")[0], metadata.version("tinygrad-lstm")
    inside = dict(_sources(files(package), f"{package}/"))
    info = f"{package}-{version}.dist-info"
    inside[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: tinygrad-lstm\nVersion: {version}\n".encode()
    return f"{package}-{version}-py3-none-any.whl", zipped(inside)


def _sources(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        place = path + entry.name
        if entry.is_dir() and entry.name != "__pycache__" and not place.endswith(("_lstm/cli", "/lab/assets")):
            yield from _sources(entry, f"{place}/")
        elif entry.is_file() and not entry.name.endswith(".pyc"):
            yield place, entry.read_bytes()


def zipped(inside: Mapping[str, bytes]) -> bytes:
    """Files as a zip: the same files are the same bytes."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(inside.items()):
            archive.writestr(zipfile.ZipInfo(name, EARLIEST), data, zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()
