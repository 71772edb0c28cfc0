"""SVG as PDF or PNG by typst, an extra: with the machine's own fonts, Chinese among them, and without Graphviz."""

from __future__ import annotations

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
    """The same text in fonts that have all its signs: those of DejaVu are wider, so a little smaller."""
    attributes, content = text[1], text[2]
    special = SIGN.search(content) is not None
    fonts, own = f"{SIGNS if special else PLAIN}, sans-serif", ", ".join([*FONTS, "sans-serif"])
    content = re.sub(f"(?:{WORD.pattern})+", lambda words: f'<tspan font-family="{own}">{words[0]}</tspan>', content)
    attributes = re.sub(r'font-family="[^"]*"', f'font-family="{fonts}"', attributes)
    if special:
        attributes = re.sub(r'font-size="([\d.]+)"', lambda size: f'font-size="{0.9 * float(size[1]):.2f}"', attributes)
    return f"<text{attributes}>{content}</text>"


def _fonts() -> list[str]:
    """Folders of fonts beside the system's: matplotlib's, which has DejaVu."""
    spec = find_spec("matplotlib")
    return [str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf")] if spec is not None and spec.origin else []
