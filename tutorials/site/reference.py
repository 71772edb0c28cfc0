"""The reference: one page for each room, made from the signatures and docstrings of the names that are promised."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from notebooks import code

import tinygrad_lstm as tl
from tinygrad_lstm.op import Op

ROOMS = (
    "core",
    "functions",
    "nn",
    "optim",
    "tasks",
    "flow",
    "graph",
    "training",
    "exchange",
    "compile",
    "testing",
    "course",
)
HOME = {
    "tensor": "core",
    "scope": "core",
    "op": "core",
    "engine": "core",
    "ops": "functions",
    "spoken": "graph",
    "sweeps": "training",
}  # of the top's own files
RETURNED = {"flow": ("flow.flow.Flow",), "training": ("training.record.Record",)}  # what promised functions give back
TEXT = MarkdownIt("commonmark").enable("table")
ITEM = re.compile(r"(?m)^ {4}(?P<name>\S.*?): (?P<text>.*(?:\n {8,}.*)*)")
ADDRESS = re.compile(r"<(\S+) object at 0x[0-9a-f]+>|<function (\S+) at 0x[0-9a-f]+>|<class '(?:\w+\.)*(\w+)'>")


class Entry(NamedTuple):
    """A promised name: as one writes it, and what it stands for."""

    name: str
    what: Any
    same: str | None  # the name under which it is described


def rooms() -> dict[str, list[Entry]]:
    """For each room the names that are promised: those of `tl` that come from there, and its own `__all__`."""
    found: dict[str, dict[str, Any]] = {room: {} for room in ROOMS}
    top = {name: getattr(tl, name) for name in tl.__all__}
    for name, what in sorted(
        top.items(), key=lambda item: isinstance(item[1], ModuleType)
    ):  # `tl.load` is the short name
        if not isinstance(what, ModuleType):
            found[_home(tl._PLACES[name])][f"tl.{name}"] = what
        elif name == "quiz":
            found["course"] |= {f"quiz.{own}": getattr(what, own) for own in what.__all__}
        else:
            found[name] |= {f"{name}.{own}": getattr(what, own) for own in getattr(what, "__all__", _own(what))}
    for room, places in RETURNED.items():
        for place in places:
            module, _, name = place.rpartition(".")
            found[room][name] = getattr(import_module(f"tinygrad_lstm.{module}"), name)
    return {room: _entries(names) for room, names in found.items()}


def _entries(names: dict[str, Any]) -> list[Entry]:
    """Those that are functions or classes; of one with two names, the second points to the first."""
    kept: list[Entry] = []
    for name, what in names.items():
        if not isinstance(what, ModuleType | dict | tuple):
            kept.append(Entry(name, what, next((other.name for other in kept if other.what is what), None)))
    return kept


def _home(place: str) -> str:
    top = place.partition(".")[0]
    home = HOME.get(top, top)
    if home not in ROOMS:
        raise ValueError(f"reference: names of tl come from {top!r}, which has no page: enter it in ROOMS or HOME")
    return home


def _own(module: ModuleType) -> list[str]:
    """The public functions and classes that a module without `__all__` defines."""
    return [k for k, v in vars(module).items() if k[0] != "_" and getattr(v, "__module__", "") == module.__name__]


def page(room: str, entries: list[Entry], words: dict[str, str]) -> str:
    """The Markdown of one room."""
    lead = words["english"] + "\n\n" if words["english"] else ""
    module = import_module(f"tinygrad_lstm.{room}") if room in tl.__all__ or room == "compile" else None
    about = f'<div class="prose">{prose(module.__doc__ or "")}</div>' if module else ""
    title = f"# {words[f'room_{room}']} {{ #{room} }}"
    return "\n\n".join([title, lead + about, *(_entry(entry) for entry in entries)]) + "\n"


def _entry(entry: Entry) -> str:
    head = f"## {entry.name} {{ #{entry.name} }}"
    if entry.same:
        return f'{head}\n\n<p>The same as <a href="#{entry.same}">{entry.same}</a>.</p>'
    body = code(_signature(entry.name, entry.what)) + prose(inspect.getdoc(entry.what) or "")
    if isinstance(entry.what, Op):
        rows = zip(entry.what.inputs, entry.what.formulas, strict=False)
        body += code("\n".join(f"∂L/∂{name} = {formula}" for name, formula in rows if formula), "text")
    if inspect.isclass(entry.what):
        body += "".join(_member(name, what) for name, what in _members(entry.what))
    return f'{head}\n\n<div class="entry">{body}</div>'


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class that have a docstring, its bases' in this package too."""
    for name, what in inspect.getmembers(kind):
        home = next((base for base in kind.__mro__ if name in vars(base)), object)
        documented = inspect.isfunction(what) or inspect.ismethod(what) or isinstance(what, property)
        if name[0] != "_" and documented and home.__module__.startswith("tinygrad_lstm") and what.__doc__:
            yield name, what


def _member(name: str, what: Any) -> str:
    shown = f".{name}" if isinstance(what, property) else _signature(f".{name}", what)
    return f'<div class="member">{code(shown)}{prose(inspect.getdoc(what) or "")}</div>'


def _signature(name: str, what: Any) -> str:
    try:
        own = inspect.signature(what)
    except (TypeError, ValueError):  # of a class that Python itself builds
        return name
    plain = [p.replace(annotation=_type(p.annotation)) for p in own.parameters.values() if p.name != "self"]
    returned = inspect.Signature.empty if inspect.isclass(what) else _type(own.return_annotation)
    said = str(own.replace(parameters=plain, return_annotation=returned))
    said = ADDRESS.sub(lambda found: next(filter(None, found.groups())), said)
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", f"{name}{said}")


def _type(annotation: Any) -> Any:
    """An annotation as it was written: this package postpones their evaluation, so they are text."""
    return annotation if isinstance(annotation, str) or annotation is inspect.Parameter.empty else str(annotation)


def prose(doc: str) -> str:
    """A docstring as HTML: paragraphs, code, and its list of arguments as such a list."""
    before, args, after = _split(inspect.cleandoc(doc))
    items = "".join(
        f"<dt><code>{html.escape(item['name'])}</code></dt><dd>{TEXT.renderInline(_joined(item['text']))}</dd>"
        for item in ITEM.finditer(args)
    )
    return TEXT.render(before) + (f"<dl>{items}</dl>" if items else "") + TEXT.render(after)


def _split(doc: str) -> tuple[str, str, str]:
    """What stands before "Args:", below it, and after it."""
    found = re.search(r"(?m)^(?:Args|Attributes):\n((?: {4}.*\n?|\n(?= ))+)", doc)
    return (doc[: found.start()], found[1], doc[found.end() :]) if found else (doc, "", "")


def _joined(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines())


def write(folder: Path, words: dict[str, str]) -> list[Path]:
    """Write the pages of the reference into a folder: an index and one for each room. Returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    index = [f"# {words['reference']}", words["reference_lead"], words["english"]]
    pages = []
    for room, entries in rooms().items():
        path = folder / f"{room}.md"
        path.write_text(page(room, entries, words), encoding="utf-8")
        pages.append(path)
        names = " · ".join(f'<a href="{room}.html#{entry.name}">{entry.name}</a>' for entry in entries)
        index.append(f'## {words[f"room_{room}"]} {{ #{room} }}\n\n<p class="names">{names}</p>')
    (folder / "index.md").write_text("\n\n".join(filter(None, index)) + "\n", encoding="utf-8")
    return [folder / "index.md", *pages]
