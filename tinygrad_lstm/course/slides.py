"""The key pictures as slides, 16 : 9: one HTML file with everything in it, which a browser also prints as a PDF."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from .book import AskedGuess, KeyPicture, contents, question, read, title
from .film import FONTS, GREY, INK, Language

WORDS = {
    "en": {"title": "Follow the gradient through an LSTM", "predict": "Predict", "how": "arrow keys, or a click"},
    "zh": {"title": "跟着梯度穿过 LSTM", "predict": "先猜", "how": "用方向键或单击翻页"},
}
PAGE = """<!doctype html>
<html lang="{lang}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  @page {{ size: 1280px 720px; margin: 0 }}
  :root {{ --u: min(1vw, 16vh / 9) }}
  body {{ margin: 0; background: #fff; color: {ink}; font-family: {fonts} }}
  section {{ width: calc(100 * var(--u)); height: calc(56.25 * var(--u)); margin: auto; box-sizing: border-box;
    padding: calc(3 * var(--u)) calc(5 * var(--u)); display: none; flex-direction: column; overflow: hidden }}
  section:target, body:not(:has(section:target)) section:first-of-type {{ display: flex }}
  h1 {{ font-size: calc(5 * var(--u)); margin: auto 0 0 }}
  h2 {{ font-size: calc(2.6 * var(--u)); margin: 0 0 calc(1.4 * var(--u)) }}
  p {{ font-size: calc(2.7 * var(--u)); line-height: 1.5; margin: auto 0 }}
  p.before {{ font-size: calc(2.1 * var(--u)); margin: auto 0 0; color: {grey} }}
  h1 + p {{ margin: calc(2 * var(--u)) 0 auto }}
  figure {{ flex: 1; min-height: 0; margin: 0; display: flex; align-items: center; justify-content: center }}
  img {{ width: 100%; height: 100%; object-fit: contain }}
  footer {{ font-size: calc(1.3 * var(--u)); color: {grey}; padding-top: calc(.8 * var(--u)) }}
  code {{ font-size: .92em }}
  @media print {{
    :root {{ --u: 12.8px }}
    section, section:target, body:not(:has(section:target)) section:first-of-type {{ display: flex; break-after: page }}
  }}
</style>
{slides}
<script>
  const n = document.querySelectorAll("section").length;
  const here = () => Number(location.hash.slice(1)) || 1;
  const go = (k) => {{ location.hash = Math.max(1, Math.min(n, k)); }};
  const keys = {{ ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 }};
  onkeydown = (event) => {{
    if (event.key in keys) {{ event.preventDefault(); go(here() + keys[event.key]); }}
    if (event.key === "Home") go(1);
    if (event.key === "End") go(n);
  }};
  onclick = () => go(here() + 1);
</script>
</html>
"""


def slides(books: dict[int, Path], lang: Language) -> str:
    """The deck: for each notebook its question, then predictions and pictures in their order."""
    words = WORDS[lang]
    made = [f"<h1>{words['title']}</h1><p>{words['how']}</p>"]
    for path in books.values():
        book = read(path)
        head = escape(title(book))
        foot = f"<footer>{head}</footer>"
        made.append(f"<h1>{head}</h1><p>{plain(question(book))}</p>")
        for part in contents(book):
            if isinstance(part, AskedGuess):
                asked = plain(re.sub(r"^\*\*[^*]+\*\*\s*", "", part.text.split("\n\n")[0]))
                made.append(f"<h2>{words['predict']}</h2>{_before(part.before, ROOM[lang])}<p>{asked}</p>{foot}")
            elif isinstance(part, KeyPicture):
                picture = f'<img alt="" src="data:image/png;base64,{part.png}">'
                made.append(f"<h2>{plain(part.heading)}</h2><figure>{picture}</figure>{foot}")
    sections = "\n".join(f'<section id="{k}">{slide}</section>' for k, slide in enumerate(made, 1))
    spoken = {"en": "en", "zh": "zh-CN"}[lang]
    return PAGE.format(lang=spoken, title=words["title"], ink=INK, grey=GREY, fonts=FONTS, slides=sections)


def _before(paragraph: str, room: int) -> str:
    """What a prediction refers to, where that is prose of no great length."""
    told = len(paragraph) <= room and not re.match(r"#|\||<|-|\$\$", paragraph)
    return f'<p class="before">{plain(paragraph)}</p>' if told and paragraph else ""


BOLD = "\x01"  # where bold begins and ends; `**` in code is none
ROOM = {"en": 520, "zh": 230}  # characters of the paragraph before a prediction that a slide has room for
SIGNS = {
    "partial": "∂", "sigma": "σ", "rho": "ρ", "delta": "δ", "varphi": "φ", "varepsilon": "ε", "Delta": "Δ",
    "cdot": "·", "cdots": "⋯", "ldots": "…", "dots": "…", "times": "×", "circ": "∘", "approx": "≈", "le": "≤",
    "ge": "≥", "pm": "±", "to": "→", "prod": "∏", "sum": "∑", "infty": "∞", "ln": "ln ", "log": "log",
    "tanh": "tanh ", "max": "max", "top": "ᵀ", "in": "∈", "sqrt": "√", "quad": " ", "qquad": "  ",
    "mathrm": "", "text": "", "big": "", "Big": "",
}  # fmt: skip


def plain(markdown: str) -> str:
    """A paragraph of a notebook as HTML. Formulas become signs with raised and lowered parts: no library is needed."""
    pieces = re.split(r"(`[^`]+`|\$[^$]+\$)", " ".join(markdown.split()))
    return re.sub(f"{BOLD}(.*?){BOLD}", r"<b>\1</b>", "".join(map(_piece, pieces)))


def _piece(text: str) -> str:
    if text.startswith("`") and len(text) > 1:
        return f"<code>{escape(text[1:-1])}</code>"
    if text.startswith("$") and len(text) > 1:
        return formula(text[1:-1])
    text = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", escape(text, quote=False))
    text = text.replace("**", BOLD)  # which may hold code and formulas
    return re.sub(r"\*([^*]+)\*", r"<i>\1</i>", text)


def formula(latex: str) -> str:
    """A short formula of LaTeX as HTML. Raises ValueError for a command that it does not know."""
    text = re.sub(r"\\tilde ?\{?([A-Za-z])\}?", "\\1\u0303", escape(latex, quote=False))
    text = re.sub(r"\\[,;! ]", " ", text.replace(r"\|", "‖"))
    for _ in range(3):  # braces within braces
        text = re.sub(r"\\frac(?:\{([^{}]*)\}\{([^{}]*)\}|(\d)(\d))", _fraction, text)
        text = re.sub(r"([_^])(?:\{([^{}]*)\}|(\\[A-Za-z]+|[^\s{}\\]))", _raised, text)
        text = re.sub(r"\{([^{}]*)\}", r"\1", text)
    unknown = [name for name in re.findall(r"\\([A-Za-z]+)", text) if name not in SIGNS]
    if unknown:
        raise ValueError(f"slides: the formula {latex!r} has a command that no slide can show: {unknown[0]!r}.")
    return re.sub(r"\\([A-Za-z]+) ?", lambda found: SIGNS[found[1]], text).replace("-", "−")


def _fraction(found: re.Match[str]) -> str:
    over, under = (found[1], found[2]) if found[3] is None else (found[3], found[4])
    return f"{over} / {under}"


def _raised(found: re.Match[str]) -> str:
    tag = "sub" if found[1] == "_" else "sup"
    return f"<{tag}>{found[2] if found[2] is not None else found[3]}</{tag}>"
