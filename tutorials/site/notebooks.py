"""A notebook, as it is committed, as the Markdown of a page: its prose as Jupyter renders it, its code, its outputs."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

COMMONMARK = MarkdownIt("commonmark", {"html": True}).enable("table")
MATH = re.compile(r"(?P<code>```.*?```|``.+?``|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+)\$", re.DOTALL)
HELD = re.compile("\ue000(\\d+)\ue001")  # stands for a formula while the prose is rendered: characters of nobody's
LINK = re.compile(r'<a href="([^"#]*)((?:#[^"]*)?)">(.*?)</a>', re.DOTALL)
NAMED = re.compile(r"(<mi>(?:tanh|ln|log)</mi>)(?=<mi>)")  # a function's name, and its argument without brackets
PLOTS = re.compile(r"matplotlib|\.plot\(")


def mathml(formula: str, *, block: bool = False) -> str:
    r"""LaTeX as MathML, which browsers set themselves: no script and no font to load. Raises ValueError.

    >>> mathml(r"\rho")
    '<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"><mrow><mi>&#x003C1;</mi></mrow></math>'
    """
    made = convert(formula.strip(), display="block" if block else "inline")
    if left := re.search(r"\\[A-Za-z]+", made):
        raise ValueError(f"the formula {formula!r} has {left[0]}, which latex2mathml does not know: write it otherwise")
    return NAMED.sub(r'\1<mspace width="0.17em"/>', made)


class Prose:
    """Markdown as HTML, as Jupyter renders it, with the headings left to the site's own table of contents."""

    def __init__(self) -> None:
        self._math: list[str] = []

    def page(self, text: str) -> str:
        """Markdown for the site's tool: its headings with ids of their own, and all between as HTML."""
        tokens = COMMONMARK.parse(self._without_math(text))
        made, start = [], 0
        for k, token in enumerate(tokens):
            if token.type == "heading_open" and token.level == 0:
                title = tokens[k + 1].content
                made += [self._html(tokens[start:k]), self._heading(int(token.tag[1]), title)]
                start = k + 3
        return "\n\n".join(filter(None, [*made, self._html(tokens[start:])]))

    def _heading(self, level: int, title: str) -> str:
        return f"{'#' * level} {self._with_math(title)} {{ #{slug(HELD.sub('', title))} }}"

    def _html(self, tokens: list[Any]) -> str:
        if not tokens:
            return ""
        made = COMMONMARK.renderer.render(tokens, COMMONMARK.options, {})
        made = made.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
        return f'<div class="prose">\n{LINK.sub(_link, self._with_math(made)).strip()}\n</div>'

    def _without_math(self, text: str) -> str:
        def hold(found: re.Match[str]) -> str:
            if found["code"]:
                return found[0]
            formula = found["block"] or found["inline"]
            self._math.append(mathml(formula, block=bool(found["block"])))
            return f"\ue000{len(self._math) - 1}\ue001"

        return MATH.sub(hold, text)

    def _with_math(self, text: str) -> str:
        return HELD.sub(lambda found: self._math[int(found[1])], text)


def slug(title: str) -> str:
    """The id of a heading, in any script: "Follow C" is "follow-c"."""
    return re.sub(r"\W+", "-", re.sub(r"<[^>]*>", "", title)).strip("-").lower() or "formula"


def _link(found: re.Match[str]) -> str:
    """A link between notebooks leads to their pages; one to a file that is not on the site is words alone."""
    address, place, words = found.groups()
    if re.fullmatch(r"https?://.*", address) or not address:
        return found[0]
    if page := re.fullmatch(r"([\w./]+)\.(?:ipynb|md)", address):
        return f'<a href="{page[1]}.html{place}">{words}</a>'
    return words


def code(text: str, language: str = "python") -> str:
    """Coloured code in the classes that the site's theme knows."""
    inner = highlight(text, PythonLexer(), HtmlFormatter(nowrap=True)) if language == "python" else html.escape(text)
    return f'<div class="language-{language} highlight"><pre><code>{inner.rstrip()}</code></pre></div>'


class Notebook:
    """One notebook of the course, and where its page is written.

    Args:
        path: the notebook.
        into: the folder of its page; pictures go into a folder beside it.
        words: the sentences of the page in its language, see words.toml.
        root: from the page to the folder that runner.py lays.
    """

    def __init__(self, path: Path, into: Path, words: dict[str, str], root: str) -> None:
        self.path, self.into, self.words, self.root = path, into, words, root
        self.cells = json.loads(path.read_text(encoding="utf-8"))["cells"]

    @property
    def title(self) -> str:
        """Its first heading."""
        return next(line for line in _text(self.cells[0]["source"]).splitlines() if line.startswith("# "))[2:]

    @property
    def plots(self) -> bool:
        """Whether it needs matplotlib where it runs."""
        return any(PLOTS.search(_text(cell["source"])) for cell in self.cells if cell["cell_type"] == "code")

    def write(self, *, runs: bool) -> Path:
        """Write its page, with the notebook itself and its pictures beside it; `runs`: it can be run there."""
        self.into.mkdir(parents=True, exist_ok=True)
        (self.into / self.path.name).write_bytes(self.path.read_bytes())
        prose, made = Prose(), []
        for cell in self.cells:
            text = _text(cell["source"])
            made.append(prose.page(text) if cell["cell_type"] == "markdown" else self._code(text, cell["outputs"]))
        title, *rest = made[0].split("\n\n", 1)
        page = self.into / f"{self.path.stem}.md"
        page.write_text("\n\n".join([title, self._bar(runs), *rest, *made[1:]]) + "\n", encoding="utf-8")
        return page

    def _bar(self, runs: bool) -> str:
        w, name = self.words, self.path.name
        start = f'<button type="button" class="md-button run-start">{w["run"]}</button>' if runs else ""
        data = f'data-root="{self.root}" data-plots="{int(self.plots)}" data-words="{html.escape(json.dumps(w))}"'
        return (
            f'<div class="run-bar" {data}>{start}<a class="md-button" href="{name}" download>{w["download"]}</a></div>'
        )

    def _code(self, text: str, outputs: list[dict[str, Any]]) -> str:
        shown = "".join(self._output(output) for output in outputs)
        return f'<div class="cell">{code(text)}<div class="output">{shown}</div></div>'

    def _output(self, output: dict[str, Any]) -> str:
        data = output.get("data", {})
        if "image/png" in data:
            return self._picture(base64.b64decode(data["image/png"]), _text(data.get("text/plain", "")))
        if "text/html" in data:
            return f'<div class="wide">{_text(data["text/html"])}</div>'
        return f"<pre>{html.escape(_text(output.get('text') or data['text/plain']))}</pre>"

    def _picture(self, png: bytes, said: str) -> str:
        folder = self.into / "pictures"
        folder.mkdir(exist_ok=True)
        name = f"{self.path.stem[:2]}-{hashlib.sha256(png).hexdigest()[:10]}.png"
        (folder / name).write_bytes(png)
        width, height = (int.from_bytes(png[k : k + 4]) for k in (16, 20))  # PNG's header
        size = f'width="{width // 2}" height="{height // 2}"'  # it is drawn for screens of twice the resolution
        alt = html.escape(f"{self.words['output']}: {said}", quote=True)
        shown = f'<img src="pictures/{name}" {size} loading="lazy" alt="{alt}">'
        return f'<div class="wide"><a href="pictures/{name}">{shown}</a></div>'


def _text(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)
