"""`tinygrad-lstm lab`: the lab in one's own browser, on one's own Python; or its site, to be put anywhere."""

from __future__ import annotations

import secrets
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from .console import say


def lab(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Where it listens; 8765 if free.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the browser.")] = True,
    lang: Annotated[str, typer.Option(help="Of the page at its beginning: en or zh.")] = "en",
    build: Annotated[Path | None, typer.Option(help="Write it as a site into this folder, for any server.")] = None,
    pyodide: Annotated[Path | None, typer.Option(help="With --build: a folder with Pyodide, see below.")] = None,
) -> None:
    """The lab: type sentences, watch a net learn them, turn its levers, edit its cell, in a browser.

    It listens on 127.0.0.1 alone, for whoever has the address that it prints. A site of --build runs in any browser
    without Python; --pyodide is a folder below which lie the npm packages pyodide and @viz-js/viz, and the wheels of
    NumPy for Pyodide and of graphviz.
    """
    from ..lab.wordings import LANGS

    if lang not in LANGS:
        raise ValueError(f"--lang {lang}: it is {' or '.join(LANGS)}")
    known = next(each for each in LANGS if each == lang)
    if (build is None) != (pyodide is None):
        raise ValueError("--build and --pyodide: give both, the folder to write and the one with Pyodide")
    if build is not None and pyodide is not None:
        from ..lab.site import built

        say(built(build, pyodide, known))
        return
    try:
        from ..lab.page import assets
        from ..lab.server import HERE, Lab, LabServer, listening
    except ModuleNotFoundError as exc:
        if (needed := (exc.name or "").partition(".")[0]) not in ("starlette", "uvicorn"):
            raise
        raise ImportError(f"lab: needs {needed}. Install it: pip install 'tinygrad-lstm[lab]'") from None
    token = secrets.token_urlsafe(32)
    server, sock = LabServer(Lab(token, assets(), known)), listening(port)
    address = f"http://{HERE}:{sock.getsockname()[1]}/?token={token}"
    say(f"the lab: {address}", flush=True)
    say("It answers this address alone, on this computer. Ctrl-C ends it.", flush=True)
    with sock, tempfile.TemporaryDirectory() as folder:
        if browser:
            webbrowser.open(_leading(Path(folder), address))
        server.run(sockets=[sock])


def _leading(folder: Path, address: str) -> str:
    """The address of a file that leads there: the token itself must not be among a program's arguments, which everyone
    on this computer can read."""
    start = folder / "lab.html"
    start.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">', encoding="utf-8")
    return start.as_uri()
