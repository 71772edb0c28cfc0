"""The site: built by its one command, with every promised name, no dead link and no request to anybody else.

Needs the extra `site`; the tests in Chromium need playwright and the program, and running a notebook in its page what
tests/pyodide/prepare.sh has laid. Where something is missing they are skipped, and say what.
"""

from __future__ import annotations

import ast
import functools
import html
import http.server
import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import tinygrad_lstm as tl

ROOT = Path(__file__).parents[1]
SITE = ROOT / "tutorials" / "site"
LANGUAGES = ("en", "zh")
NOTEBOOKS = sorted((path.parent.name, path.stem) for path in ROOT.glob("tutorials/*/[0-9][0-9]_*.ipynb"))
CHROMIUM = os.environ.get("TINYGRAD_LSTM_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tinygrad_lstm-pyodide"
PYODIDE = Path(os.environ.get("TINYGRAD_LSTM_PYODIDE", CACHE))

lacking = [name for name in ("zensical", "latex2mathml", "markdown_it") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(lacking), reason=f'{", ".join(lacking)} missing: pip install ".[site]"')


def command(*arguments):
    made = [sys.executable, str(SITE / "build.py"), *map(str, arguments)]
    return subprocess.run(made, capture_output=True, text=True, timeout=400, check=False)


@pytest.fixture(scope="module")
def prepared():
    """What notebooks need to run in their pages, or None."""
    return PYODIDE if (PYODIDE / "plots").exists() and any((PYODIDE / "plots").iterdir()) else None


@pytest.fixture(scope="module")
def site(tmp_path_factory, prepared):
    folder = tmp_path_factory.mktemp("site")
    (folder / "lab").mkdir()
    (folder / "lab" / "index.html").write_text(
        "<!doctype html><title>lab</title><link rel=icon href=data:,>", encoding="utf-8"
    )
    done = command(folder / "out", "--lab", folder / "lab", *(["--pyodide", prepared] if prepared else []))
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.fixture
def tool(monkeypatch):
    """A module of the site's sources, by its name."""
    monkeypatch.setattr(sys, "path", [str(SITE), *sys.path])
    monkeypatch.delitem(sys.modules, "build", raising=False)  # the course has one of that name
    return importlib.import_module


def root(site, language):
    return site if language == "en" else site / language


def plain(text):
    return html.unescape(re.sub(r"<[^>]*>", "", text))


# — what is on it ————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize(("language", "stem"), NOTEBOOKS)
def test_a_notebook_is_shown_as_it_is_committed(site, language, stem):
    page = (root(site, language) / "course" / f"{stem}.html").read_text(encoding="utf-8")
    source = (ROOT / "tutorials" / language / f"{stem}.ipynb").read_bytes()
    assert (root(site, language) / "course" / f"{stem}.ipynb").read_bytes() == source, "to be downloaded"
    cells = json.loads(source)["cells"]
    codes = [cell for cell in cells if cell["cell_type"] == "code"]
    shown = re.findall(
        r'<div class="cell"><div class="language-python highlight"><pre><code>(.*?)</code>', page, re.DOTALL
    )
    assert [plain(code) for code in shown] == ["".join(cell["source"]).rstrip() for cell in codes]
    outputs = [output for cell in codes for output in cell["outputs"]]
    assert page.count('<img src="pictures/') == sum("image/png" in output.get("data", {}) for output in outputs)
    printed = ["".join(output["text"]) for output in outputs if output["output_type"] == "stream"]
    for text in printed:
        assert f"<pre>{html.escape(text)}</pre>" in page
    prose = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for title in re.findall(r"(?m)^#{1,2} ([^$`\n*]+)$", prose):
        assert f">{html.escape(title, quote=False)}<" in page, title
    assert "$" not in plain(re.sub(r"<(pre|code|script).*?</\1>", "", page, flags=re.DOTALL)), "a formula is not set"


def test_every_promised_name_is_in_the_reference(site):
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (site / "reference").glob("*.html")}
    places = {place for text in pages.values() for place in re.findall(r'<h2 id="([^"]+)"', text)}
    rooms = [name for name in tl.__all__ if type(getattr(tl, name)) is type(tl.nn)]
    assert {f"tl.{name}" for name in tl.__all__ if name not in rooms} <= places
    for room in rooms:
        own = vars(getattr(tl, room))
        assert {f"{room}.{name}" for name in own.get("__all__", ()) if callable(own[name])} <= places
    assert "The same as tasks.Adding." in plain(pages["tasks"])
    assert "Raises ValueError where an input names an axis twice" in plain(pages["functions"]), "einsum's docstring"
    assert "∂L/∂a = dy · b" in html.unescape(pages["functions"]), "the rules of an op"
    assert "0x" not in plain(pages["nn"]) and "forget_bias: float = 1.0" in plain(pages["nn"])


def test_the_lines_of_the_gallery_are_three_and_are_what_was_run(site, tool):
    for stem in tool("pictures").ORDER:
        text = (SITE / "gallery" / f"{stem}.py").read_text(encoding="utf-8")
        lines = [node for node in ast.parse(text).body if not isinstance(node, ast.Import | ast.ImportFrom)]
        assert sum(node.end_lineno - node.lineno + 1 for node in lines) <= 3, stem
        assert list((site / "pictures").glob(f"{stem}.*")), stem
        for language, title in zip(LANGUAGES, text.splitlines()[:2], strict=True):
            page = (root(site, language) / "gallery.html").read_text(encoding="utf-8")
            assert title.removeprefix("# ") in plain(page)
            assert text.split("\n", 2)[2].strip() in plain(page)
    assert {path.stem for path in (SITE / "gallery").glob("*.py")} == {*tool("pictures").ORDER}


def test_both_languages_have_the_same_pages(site):
    pages = {
        language: {path.relative_to(root(site, language)).as_posix() for path in root(site, language).rglob("*.html")}
        for language in LANGUAGES
    }
    assert {p for p in pages["en"] if not p.startswith(("zh/", "lab/", "pictures/"))} == pages["zh"]
    for name in pages["zh"]:
        text = (site / "zh" / name).read_text(encoding="utf-8")
        assert '<html lang="zh"' in text and re.search(r"[一-鿿]", plain(text)), name


# — what the build refuses ———————————————————————————————————————————————————————————————————————————————


def test_dead_links_are_told_with_page_and_reason(tmp_path, tool):
    (tmp_path / "a.html").write_text(
        '<h2 id="here">x</h2><a href="#here"></a><a href="#gone"></a><a href="b.html"></a><a href="c.html"></a>'
        '<a href="/b.html"></a><a href="b.html#nowhere"></a><a href="https://example.org/x"></a>'
        '<img src="https://example.org/x.png"><a href="http://example.org"></a><script src="x.js"></script>'
    )
    (tmp_path / "b.html").write_text('<p id="there"><a href="a.html#here"></a><link href="https://example.org/x.css">')
    assert tool("links").dead(tmp_path) == [
        "a.html: #gone is dead: there is no 'gone' on that page",
        "a.html: c.html is dead",
        "a.html: /b.html would not be found where the site lies in a folder: write it relative to the page",
        "a.html: b.html#nowhere is dead: there is no 'nowhere' on that page",
        "a.html: https://example.org/x.png is loaded from another place",
        "a.html: http://example.org is not https",
        "a.html: x.js is dead",
        "b.html: https://example.org/x.css is loaded from another place",
    ]


def test_a_build_with_a_dead_link_fails(tmp_path, tool, monkeypatch, capsys):
    build = tool("build")
    for slow in ("pictures", "language"):
        monkeypatch.setattr(build.Site, slow, lambda *_: None)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "index.html").write_text('<a href="nowhere.html">x</a>')
    assert build.main([str(tmp_path / "out"), "--lab", str(tmp_path / "lab")]) == 1
    assert "1 dead links:\nlab/index.html: nowhere.html is dead" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prepare", "option", "said"),
    [
        (lambda folder: (folder / "out").mkdir() or (folder / "out" / "mine").touch(), (), "is not empty: name a new"),
        (lambda folder: (folder / "x").mkdir(), ("--lab", "x"), "has no index.html: write it with `tinygrad-lstm lab"),
        (lambda folder: (folder / "x").mkdir(), ("--pyodide", "x"), "run tests/pyodide/prepare.sh"),
    ],
)
def test_what_cannot_be_built_is_said_at_once(tmp_path, prepare, option, said):
    prepare(tmp_path)
    done = command(tmp_path / "out", *(tmp_path / part if part == "x" else part for part in option))
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr


def test_a_formula_is_mathml_or_an_error(tool):
    mathml = tool("notebooks").mathml
    assert re.sub(r"<math[^>]*>", "", mathml(r"C_t")) == "<mrow><msub><mi>C</mi><mi>t</mi></msub></mrow></math>"
    assert '<mi>tanh</mi><mspace width="0.17em"/><mi>C</mi>' in mathml(r"\tanh C")
    with pytest.raises(ValueError, match=r"\\whatever, which latex2mathml does not know"):
        mathml(r"a \whatever b")


def test_prose_is_rendered_as_jupyter_renders_it(tool):
    page = (
        tool("notebooks")
        .Prose()
        .page(
            "text\n- a list without a blank line\n\n## A $x$ title\n\n<details><summary>s</summary>\n\n**b** `$y$`\n\n"
            "</details>\n\n"
            "[next](06_x.ipynb#p) [elsewhere](../../tests/x) [out](https://example.org)"
        )
    )
    assert "<li>a list without a blank line</li>" in page and "<strong>b</strong> <code>$y$</code>" in page
    assert re.search(r"(?m)^## A <math.*</math> title \{ #a-title \}$", page)
    assert '<a href="06_x.html#p">next</a> elsewhere <a href="https://example.org">out</a>' in page


# — in a browser ————————————————————————————————————————————————————————————————————————————————————————


@pytest.fixture(scope="module")
def address(site):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def chromium():
    api = pytest.importorskip("playwright.sync_api", reason='playwright missing: pip install ".[browser]"')
    if not CHROMIUM:
        pytest.skip("no Chromium: install Debian's package chromium, or name one in TINYGRAD_LSTM_CHROMIUM")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium, address):
    """Opens a page of the site, and says at the end whether anything was wrong or asked of anybody else."""
    pages, wrong = [], []

    def tell(request):
        if not request.url.startswith((address, "data:", "blob:")):
            wrong.append(f"a request to {request.url}")

    def opened(path, **settings):
        page = chromium.new_page(**settings)
        pages.append(page)
        page.on("request", tell)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        return page

    yield opened
    for page in pages:
        page.close()
    assert wrong == []


KINDS = ("index.html", "gallery.html", "course/index.html", "course/05_follow_c.html", "course/teachers.html",
         "reference/index.html", "reference/nn.html", "lab.html")  # fmt: skip


@pytest.mark.parametrize("path", [f"{up}{kind}" for up in ("", "zh/") for kind in KINDS])
def test_a_page_fits_a_phone_and_follows_dark(tab, path):
    phone = tab(path, viewport={"width": 360, "height": 740}, color_scheme="dark")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    dark = phone.evaluate("getComputedStyle(document.body).backgroundColor")
    light = tab(path, color_scheme="light").evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = [sum(map(float, re.findall(r"[\d.]+", colour)[:3])) for colour in (dark, light)]
    assert brightness[0] < 150 and brightness[1] > 600
    assert phone.evaluate("parseFloat(getComputedStyle(document.querySelector('.md-content p')).fontSize)") >= 12


@pytest.mark.parametrize(("path", "title", "step"), [("index.html", "Gradient microscope", "Next step"),
                                                     ("zh/index.html", "梯度显微镜", "下一步")])  # fmt: skip
def test_the_microscope_of_the_front_page_is_alive(tab, path, title, step):
    page = tab(path, viewport={"width": 1280, "height": 900})
    frame = page.frame_locator("iframe.microscope")
    assert frame.get_by_role("heading", name=title).is_visible()
    before = frame.locator("body").inner_text()
    frame.get_by_role("button", name=step).first.click()
    assert frame.locator("body").inner_text() != before
    page.locator(".md-content").get_by_role("link", name="Lab" if path == "index.html" else "实验室").click()
    page.locator('a[href$="lab/index.html"]').click()
    assert page.title() == "lab"


def test_one_goes_on_in_the_other_language_on_the_same_page(tab):
    page = tab("course/05_follow_c.html")
    assert page.locator('a[hreflang="zh"]').evaluate("a => a.href").endswith("/zh/course/05_follow_c.html")
    page = tab("zh/course/05_follow_c.html")
    assert re.search(r":\d+/course/05_follow_c.html$", page.locator('a[hreflang="en"]').evaluate("a => a.href"))


def test_a_notebook_runs_in_its_page(tab, prepared):
    if prepared is None:
        pytest.skip(f"no Pyodide with plots: tests/pyodide/prepare.sh {PYODIDE}")
    page = tab("zh/course/05_follow_c.html")
    page.get_by_role("button", name="在这里运行").click()
    page.wait_for_selector('.run-bar[data-state="run_ready"]', timeout=120_000)
    cells = page.locator(".cell")

    def ran(k, code=None):
        if code is not None:
            cells.nth(k).locator("code").evaluate("(node, text) => { node.textContent = text; }", code)
        cells.nth(k).locator(".run-cell").click()
        page.wait_for_selector('.run-bar[data-state="idle"]', timeout=60_000)
        return cells.nth(k).get_attribute("data-run"), cells.nth(k).locator(".output").inner_text()

    assert ran(0, "x = 6\nprint('seen')\nx * 7") == ("well", "seen\n42\n")
    how, said = ran(1, "def f():\n    return x / 0\nf()")
    assert how == "failed" and "<cell 2>" in said and "return x / 0" in said and "ZeroDivisionError" in said
    drawing = "import tinygrad_lstm as tl\ntl.draw(tl.Tensor(2.0, requires_grad=True).tanh(), view='ops')"
    assert ran(2, drawing)[0] == "well"
    assert cells.nth(2).locator(".output iframe").count() == 1, "the page of the drawing, as in a notebook"
    inside = page.frame_locator(".cell .output iframe.microscope")
    inside.get_by_role("button", name=re.compile("Next step|下一步")).first.click(timeout=20_000)
    table = "'<p>' + '<br>'.join('abcdefghij')"
    table = f"class Table:\n    def _repr_html_(self):\n        return {table}\nTable()"
    assert ran(2, table)[0] == "well"
    shown = page.locator(".cell .output iframe.shown[style*=height]")
    assert shown.evaluate("frame => frame.offsetHeight") > 150, "as tall as its ten lines"
    assert shown.get_attribute("sandbox") == "allow-same-origin", "HTML of a cell runs no script"
    assert ran(3, "import matplotlib.pyplot as plt\nplt.plot([1, 2]);")[0] == "well"
    assert cells.nth(3).locator(".output img").evaluate("image => image.naturalWidth") > 300
    assert ran(4, "from tinygrad_lstm import quiz\nquiz.reveal(None, 3)")[1].count("\n") == 0, (
        "a guess is missing: no traceback"
    )
    page.get_by_role("button", name="停止").click()
    page.wait_for_selector('.run-bar[data-state="run_ready"]', timeout=120_000)
    assert "NameError" in ran(0, "x")[1], "Python has begun anew"
