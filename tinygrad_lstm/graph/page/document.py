"""One self-contained HTML file: shell.html with a body, a style sheet, a script and a block of JSON.

Nothing is loaded from elsewhere: the content security policy allows this one script and this one style sheet, by their
hashes. What comes from users stands in the JSON, and the scripts write it by `textContent` alone.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from functools import cache
from importlib.resources import files
from typing import Any

from ..picture import STOPS, Scale, mixed

LEVELS = 24  # shades of the colour scale
DARK = ("#3b4654", "#5d5568", "#8a5a6b", "#bb6457", "#e08150", "#f6b35c", "#ffe9a8")  # luminance rises steadily


# Each script has one job, and they run in this order, as one.
SCRIPTS = {
    "page": ("shell.js", "words.js", "draw.js", "state.js", "say.js", "predict.js", "cards.js", "plots.js", "strip.js",
             "view.js", "near.js", "alive.js", "page.js"),
    "history": ("shell.js", "history.js"),
}


def document(name: str, title: str, data: Any, **parts: str) -> str:
    """The file: the body is `name`.html, its SCRIPTS; `parts` are filled into the body."""
    style, script = _style(), "".join(map(_asset, SCRIPTS[name]))
    body = _filled(_asset(f"{name}.html"), parts)
    return _filled(_asset("shell.html"), {
        "script-hash": _hash(script), "style-hash": _hash(style), "title": html.escape(title), "style": style,
        "script": script, "body": body, "data": _json(data),
    })  # fmt: skip


def hashes(name: str) -> tuple[str, str]:
    """The hashes of the script and of the style sheet of such a page, as a content security policy names them."""
    return _hash("".join(map(_asset, SCRIPTS[name]))), _hash(_style())


def rounded(value: float | None, figures: int = 6) -> float | None:
    """A number as JSON may hold it: few digits, None where there is none or it is not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{figures}g}")


def shade(scale: Scale, value: float) -> str:
    """The class of a number's colour."""
    return f"q{min(LEVELS - 1, int(scale.level(value) * LEVELS))}"


def _filled(template: str, parts: dict[str, str]) -> str:
    return re.sub(r"\{\{([a-z-]+)\}\}", lambda found: parts[found[1]], template)


@cache
def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text("utf-8")


@cache
def _style() -> str:
    """page.css and the colour scale, from pale to dark on white, and from dark to bright on black."""
    rules = []
    for level in range(LEVELS):
        place = (level + 0.5) / LEVELS
        rules.append(f".q{level}{{--q:{mixed(STOPS, place)}}}[data-theme=dark] .q{level}{{--q:{mixed(DARK, place)}}}")
    return _asset("page.css") + "\n".join(rules) + "\n"


def _json(data: Any) -> str:
    """JSON that may stand in a page: no "<" and no line separators."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()).decode()
