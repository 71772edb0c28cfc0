"""SVG as PDF or PNG by typst, an extra: with the machine's own fonts, Chinese among them, and without Graphviz."""

from __future__ import annotations

import html
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from ..spoken import FONTS

EXTRA = 'pip install "tinygrad-lstm[pdf]"'
PLAIN = "Helvetica, Arial, Liberation Sans"
SIGNS = "DejaVu Sans, " + PLAIN  # has ∂, ‖, indices and combining marks, which others lack
SIGN, WORD = re.compile("[∂‖∘σ₀-ₜ\u0300-\u036f]"), re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
SIGN_RUN = rf"[!-~·]*(?:{SIGN.pattern}[!-~·]*)+"
NARROW = {" ": 0.22, "∂": 0.47, "‖": 0.45, "·": 0.29, "/": 0.31, "|": 0.31, "\u0303": 0.0}
NARROW |= dict.fromkeys("₀₁₂₃₄₅₆₇₈₉ₜ", 0.36)


def has_press() -> bool:
    return find_spec("typst") is not None


def pressed(svg: str, suffix: Literal["pdf", "png"], pixels: float) -> bytes:
    """A picture from SVG text of our own: suffix "pdf", or "png" with so many pixels a point.

    Raises ImportError where typst is missing.
    """
    if not has_press():
        raise ImportError(f"draw: this needs typst: {EXTRA}")
    typst: Any = import_module("typst")
    wide, high = size_of(svg)
    page = f"#set page(width: {wide}pt, height: {high}pt, margin: 0pt, fill: none)\n"
    picture = '#image(bytes(sys.inputs.picture), format: "svg", width: 100%)'
    made = typst.compile(
        (page + picture).encode(), format=suffix, ppi=72 * pixels, font_paths=_fonts(),
        sys_inputs={"picture": re.sub(r"<text([^>]*)>([^<]*)</text>", _lettered, svg)},
    )  # fmt: skip
    return bytes(made)


def size_of(svg: str) -> tuple[float, float]:
    """Width and height of a picture in points."""
    found = re.search(r'viewBox="0\.00 0\.00 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None, "the SVG is graphviz's"
    return float(found[1]), float(found[2])


def without_font(text: str) -> str:
    """What to do about words that no font of this machine can write in a PNG; "" where all is well."""
    if not WORD.search(text):
        return ""
    if not has_press():
        return f"the words in Chinese, Japanese or Korean are boxes in this PNG: {EXTRA}, or save .svg or .html"
    fonts: Any = import_module("typst").Fonts()
    families = set(fonts.families())
    if families & set(FONTS) or any("CJK" in family for family in families):
        return ""
    return "no font for Chinese, Japanese or Korean was found, so these words are boxes: install one (fonts-noto-cjk)"


def _lettered(text: re.Match[str]) -> str:
    """The same text in fonts that have all its signs: those of DejaVu are wider, so a little smaller.

    Where it has words of Chinese, too, each stretch is placed by itself: a text whose first font lacks one sign is set
    in its second font as a whole, and in one for Chinese ∂ and ‖ are as wide as a character.
    """
    attributes, content = text[1], text[2]
    if not SIGN.search(content) or not WORD.search(content):
        return _set(attributes, content, SIGNS if SIGN.search(content) else PLAIN)
    size, left = (float(re.search(rf'\b{name}="(-?[\d.]+)"', attributes)[1]) for name in ("font-size", "x"))  # type: ignore[index]
    parts = [part for part in re.split(f"({SIGN_RUN})", html.unescape(content)) if part]
    widths = [size * _ems(part) for part in parts]
    x = left - sum(widths) / 2 if 'text-anchor="middle"' in attributes else left
    made = ""
    for part, wide in zip(parts, widths, strict=True):
        own = re.sub(r'text-anchor="\w+"', 'text-anchor="start"', re.sub(r'\bx="-?[\d.]+"', f'x="{x:.2f}"', attributes))
        made += _set(own, html.escape(part, quote=False), SIGNS if SIGN.search(part) else PLAIN)
        x += wide
    return made


def _set(attributes: str, content: str, first: str) -> str:
    fonts = ", ".join([first, *FONTS, "sans-serif"])
    attributes = re.sub(r'font-family="[^"]*"', f'font-family="{fonts}"', attributes)
    if first == SIGNS:
        attributes = re.sub(r'font-size="([\d.]+)"', lambda size: f'font-size="{0.9 * float(size[1]):.2f}"', attributes)
    return f"<text{attributes}>{content}</text>"


def _ems(part: str) -> float:
    """About how wide a stretch is, in font sizes: a character of Chinese 1, a letter 0.56."""
    return sum(1.0 if WORD.match(sign) else NARROW.get(sign, 0.56) for sign in part)


def _fonts() -> list[str]:
    """Folders of fonts beside the system's: matplotlib's, which has DejaVu."""
    spec = find_spec("matplotlib")
    return [str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf")] if spec is not None and spec.origin else []
