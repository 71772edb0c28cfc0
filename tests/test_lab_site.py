"""The lab as a site of files: what is written, that it is complete in itself, and the same bytes each time."""

import hashlib
import http.client
import io
import json
import re
import subprocess
import sys
import time
import zipfile

import pytest

from tinygrad_lstm.cli import main
from tinygrad_lstm.lab import page, site

PAGES = {
    "index.html": b'<meta http-equiv="Content-Security-Policy" content="{{csp}}"><html lang="{{lang}}">{{engine}}',
    "js/worker.mjs": b"export {};",
}
NPM = {
    "node_modules/pyodide/pyodide.mjs": b"export const loadPyodide = 1;",
    "node_modules/pyodide/pyodide.asm.mjs": b"asm",
    "node_modules/pyodide/pyodide.asm.wasm": b"\0asm",
    "node_modules/pyodide/python_stdlib.zip": b"PK",
    "node_modules/pyodide/pyodide-lock.json": b"{}",
    "node_modules/pyodide/console.html": b"not for the site",
    "node_modules/@viz-js/viz/src/viz.js": b"a source",
    "node_modules/@viz-js/viz/dist/viz.js": b"export {};",
    "wheels/numpy-2.4.3-cp314-cp314-pyemscripten_2026_0_wasm32.whl": b"numpy",
    "wheels/graphviz-0.21-py3-none-any.whl": b"graphviz",
    "wheels/pytest-9.0.0-py3-none-any.whl": b"not for the site",
}


@pytest.fixture
def pyodide(tmp_path, monkeypatch):
    """A folder as npm and pip lay it out, with contents of some bytes."""
    monkeypatch.setattr(page, "assets", lambda: PAGES)
    monkeypatch.setattr(site, "assets", lambda: PAGES)
    for name, data in NPM.items():
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_bytes(data)
    return tmp_path / "from"


def test_the_site_has_all_that_it_names(pyodide, tmp_path, capsys):
    out = tmp_path / "site"
    assert main(["lab", "--build", str(out), "--pyodide", str(pyodide), "--lang", "zh"]) == 0
    assert "any server of files can serve them" in capsys.readouterr().out
    manifest = json.loads((out / "py/manifest.json").read_text())
    assert manifest["wheels"][0].startswith("numpy-") and manifest["wheels"][1].startswith("graphviz-")
    assert manifest["wheels"][2] == f"tinygrad_lstm-{manifest['version']}-py3-none-any.whl"
    written = {str(f.relative_to(out)) for f in out.rglob("*") if f.is_file()}
    assert written == {*manifest["files"], "py/manifest.json", site.ZIP}
    assert all((out / name).stat().st_size == size for name, size in manifest["files"].items())
    assert {"py/pyodide.mjs", "py/pyodide.asm.wasm", "py/viz.js"} <= written
    assert not {"py/console.html", "py/pytest-9.0.0-py3-none-any.whl"} & written
    assert (out / "py/viz.js").read_bytes() == b"export {};", "that of dist/, not its source"
    index = (out / "index.html").read_text()
    assert 'lang="zh-CN">pyodide' in index and "{{" not in index and page.policy() in index


def test_the_zip_is_the_site_and_serves_itself(pyodide, tmp_path):
    site.built(tmp_path / "site", pyodide)
    with zipfile.ZipFile(tmp_path / "site" / site.ZIP) as archive:
        assert all(not name.startswith(("/", "..")) for name in archive.namelist())
        archive.extractall(tmp_path / "school")
    code = "import runpy, sys, webbrowser; webbrowser.open = bool; sys.argv[1:] = ['0']; runpy.run_path('serve.py', "
    code += "run_name='__main__')"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path / "school",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        line = process.stdout.readline()
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", line)[1])
        for name, kind in {"index.html": "text/html", "js/worker.mjs": "text/javascript",
                           "py/pyodide.asm.wasm": "application/wasm"}.items():  # fmt: skip
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", f"/{name}")
            reply = connection.getresponse()
            assert reply.status == 200 and reply.headers["content-type"].startswith(kind)
            assert reply.read() == (tmp_path / "site" / name).read_bytes()
            connection.close()
    finally:
        process.kill()
        process.communicate()


def test_the_same_site_is_the_same_bytes(pyodide, tmp_path):
    digests = []
    for name in ("one", "two"):
        site.built(tmp_path / name, pyodide)
        digests.append(hashlib.sha256((tmp_path / name / site.ZIP).read_bytes()).hexdigest())
        time.sleep(0.01)
    assert digests[0] == digests[1]


def test_another_page_is_another_build(pyodide, monkeypatch):
    builds = [json.loads(site.site_of(pyodide)["py/manifest.json"])["build"]]
    monkeypatch.setitem(PAGES, "js/worker.mjs", b"export {}; //")
    builds.append(json.loads(site.site_of(pyodide)["py/manifest.json"])["build"])
    assert builds[0] != builds[1], "so that what a browser has kept is known to be old"


def test_the_wheel_is_this_package(tmp_path):
    _, data = site.own_wheel()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        inside = archive.namelist()
        archive.extractall(tmp_path)
    assert "tinygrad_lstm/lab/session.py" in inside and not [n for n in inside if "/cli/" in n or "__pycache__" in n]
    assert "tinygrad_lstm/graph/page/assets/page.html" in inside and len(data) < 600_000
    code = "import sys; sys.path.insert(0, sys.argv[1]); from tinygrad_lstm.lab import Session; import tinygrad_lstm; "
    code += "assert tinygrad_lstm.__file__.startswith(sys.argv[1]); "
    code += "print('ok' in Session().answer({'do': 'hello'}), 'ok' in Session().answer({'do': 'make', 'net': 'a'}))"
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert run.stdout == "True True\n", run.stderr


@pytest.mark.parametrize("gone", ["pyodide/pyodide.mjs", "pyodide.asm.wasm", "dist/viz.js", "numpy-2.4", "graphviz-0"])
def test_what_is_missing_is_named(pyodide, tmp_path, capsys, gone):
    for file in pyodide.rglob("*"):
        if file.is_file() and (gone in str(file) or (gone == "dist/viz.js" and file.name == "viz.js")):
            file.unlink()
    assert main(["lab", "--build", str(tmp_path / "site"), "--pyodide", str(pyodide)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and gone.rpartition("/")[2].partition("-")[0] in said
    assert not (tmp_path / "site").exists(), "nothing half is written"
    assert main(["lab", "--build", str(tmp_path / "site"), "--pyodide", str(tmp_path / "nowhere")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_a_page_that_is_missing_is_told(monkeypatch, tmp_path, pyodide, capsys):
    def gone():
        raise RuntimeError("lab: the page is missing from this installation; install tinygrad-lstm again.")

    monkeypatch.setattr(site, "assets", gone)
    assert main(["lab", "--build", str(tmp_path / "site"), "--pyodide", str(pyodide)]) == 1
    assert "the page is missing" in capsys.readouterr().err
