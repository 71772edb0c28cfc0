"""The page's files, and the policy under which a browser may run them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from ..graph.page.document import hashes
from .wordings import Lang

TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8", ".json": "application/json; charset=utf-8", ".svg": "image/svg+xml",
    ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2", ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8", ".zip": "application/zip",
    ".whl": "application/zip",
}  # fmt: skip
START = "index.html"


@cache
def assets() -> dict[str, bytes]:
    """The page's files, by their place below assets/. Raises RuntimeError where this installation has none."""
    folder = files(__package__) / "assets"
    found = dict(_below(folder)) if folder.is_dir() else {}
    if START not in found:
        raise RuntimeError("lab: the page is missing from this installation; install tinygrad-lstm again.")
    return found


def _below(folder: Traversable, path: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.startswith((".", "__")):
            continue
        if entry.is_dir():
            yield from _below(entry, f"{path}{entry.name}/")
        else:
            yield path + entry.name, entry.read_bytes()


@cache
def policy() -> str:
    """The content security policy of the page: its own files, nobody else's, nothing that stands in its text.

    A frame that is written by a page has the page's policy, so the microscope's one script and one style sheet are
    named by their hashes. A browser compiles Pyodide's WebAssembly by 'wasm-unsafe-eval', which allows no text to run.
    """
    script, style = hashes("page")
    return "; ".join([
        "default-src 'none'", f"script-src 'self' 'wasm-unsafe-eval' '{script}'", f"style-src 'self' '{style}'",
        "img-src 'self' data: blob:", "font-src 'self'", "connect-src 'self'", "worker-src 'self'",
        "frame-src 'self'", "manifest-src 'self'", "base-uri 'none'", "form-action 'none'",
    ])  # fmt: skip


def filled(name: str, data: bytes, engine: str, lang: Lang) -> bytes:
    """A file as it is sent: in HTML {{csp}}, {{engine}} and {{lang}} stand for what they say."""
    if not name.endswith(".html"):
        return data
    values = {"csp": policy(), "engine": engine, "lang": "zh-CN" if lang == "zh" else "en"}
    return re.sub(r"\{\{(csp|engine|lang)\}\}", lambda found: values[found[1]], data.decode()).encode()
