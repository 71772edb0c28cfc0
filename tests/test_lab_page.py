"""The lab's page in Chromium: with the learner's own Python as its engine, and with Pyodide where that is prepared."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tinygrad_lstm.graph.page.document import _style
from tinygrad_lstm.lab import Session
from tinygrad_lstm.lab.page import assets

CHROMIUM = os.environ.get("TINYGRAD_LSTM_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PYODIDE = os.environ.get("TINYGRAD_LSTM_PYODIDE")  # what tests/pyodide/prepare.sh has laid
SIZES = [(1280, 720), (1920, 1080), (390, 844)]
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> </script><script>document.title='owned'</script>"


# — what needs no browser ————————————————————————————————————————————————————————————————————————————————


def test_colours_are_those_of_the_microscope():
    theirs = set(re.findall(r"(\[data-theme=dark\] )?\.(q\d+) ?\{ ?--q: ?(#\w{6})", _style()))
    ours = set(re.findall(r"(\[data-theme=dark\] )?\.(q\d+) ?\{ ?--q: ?(#\w{6})", assets()["scale.css"].decode()))
    assert len(ours) == 48 and ours == theirs


def test_every_sentence_is_there_in_both_languages():
    text = assets()["words.js"].decode()
    entries = re.findall(r"^  (\w+): \[\s*\"((?:[^\"\\]|\\.)*)\",\s*\"((?:[^\"\\]|\\.)*)\",?\s*\]", text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^  \w+: \[", text, re.MULTILINE))
    for key, en, zh in entries:
        assert set(re.findall(r"\{\w+\}", en)) == set(re.findall(r"\{\w+\}", zh)), key
    keys = {key for key, _, _ in entries}
    page = assets()["index.html"].decode()
    asked = set(re.findall(r'data-(?:say|name)="(\w+)"', page))
    for name, script in assets().items():
        if name.endswith(".js"):
            asked |= set(re.findall(r'\bsay\("(\w+)"', script.decode()))
    assert asked <= keys, asked - keys


def test_nothing_is_written_as_html_and_nobody_else_is_asked():
    for name, data in assets().items():
        text = data.decode()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function", text), name
        assert set(re.findall(r"https?://[^\s\"'<)]+", text)) <= {"http://www.w3.org/2000/svg"}, name
    page = assets()["index.html"].decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src)", page)


# — in Chromium ——————————————————————————————————————————————————————————————————————————————————————————


def launched():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if not CHROMIUM:
        pytest.skip("needs Chromium: apt-get install chromium (or its path in TINYGRAD_LSTM_CHROMIUM)")
    return sync_api.sync_playwright()


@pytest.fixture(scope="module")
def browser():
    with (
        launched() as playwright,
        contextlib.closing(playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def address():
    """Where `tinygrad-lstm lab` says that it is."""
    pytest.importorskip("uvicorn", reason='needs the extra lab: pip install "tinygrad-lstm[lab]"')
    command = [sys.executable, "-m", "tinygrad_lstm", "lab", "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield next(found[0] for line in process.stdout if (found := re.search(r"http://\S+token=\S+", line)))
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@pytest.fixture
def visit(browser):
    """Open a page; at the end nothing but `allowed` may have been complained about, or asked of anybody else."""
    opened = []

    def visit(url, seconds=60, allowed="", **context):
        usual = {"viewport": {"width": 1280, "height": 720}, "locale": "en-GB"}
        tab = browser.new_context(**usual | context).new_page()
        tab.set_default_timeout(1000 * seconds)
        troubles, requests = [], []
        tab.on("console", lambda message: troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("dialog", lambda dialog: troubles.append("dialog"))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(url)
        opened.append((tab, troubles, requests, url, allowed))
        return tab

    yield visit
    for tab, troubles, requests, url, allowed in opened:
        origin = "/".join(url.split("/")[:3])
        assert [trouble for trouble in troubles if not allowed or allowed not in trouble] == []
        assert [at for at in requests if not at.startswith((f"{origin}/", "data:", "blob:"))] == []
        assert tab.title() != "owned"
        tab.context.close()


def ready(tab):
    tab.wait_for_selector("html[data-ready=yes]", state="attached")
    return tab


def until(what, seconds=60):
    """Wait until something is true; the page's policy forbids Playwright's own way."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come to this"
        time.sleep(0.05)
    return found


def step(tab, net=0):
    return int(tab.locator("#readout p").nth(net).locator("span b").first.inner_text())


def train(tab, steps):
    tab.click("#train")
    until(lambda: step(tab) >= steps)
    tab.click("#train")
    until(lambda: tab.inner_text("#train") in ("Train", "训练"))


def strip(tab, part="shown"):
    """The numbers of the first row of the strip, the state's."""
    return tab.locator(f"#answers tbody.{part} tr.state td").all_inner_texts()


def changes(tab, before, read=strip):
    return until(lambda: (now := read(tab)) != before and now)


def from_training_to_ones_own_cell(tab):
    """Train → ask → microscope → delete `f *` in the cell → the strip changes."""
    begun = strip(ready(tab))
    train(tab, 20)
    trained = changes(tab, begun)
    tab.fill("#ask", "mary slowly lost")
    tab.click("#ask-form button")
    asked = changes(tab, trained)
    assert len(asked) == 3 and "lost" in tab.inner_text("#claim")
    tab.click("#microscope")
    frame = tab.frame_locator("#frames iframe")
    assert "mary" in frame.locator("#strip").text_content()
    assert tab.get_attribute("#frames iframe", "sandbox") == "allow-scripts"
    tab.click("#cell-card summary")
    area = tab.locator("#editor textarea")
    code = area.input_value()
    assert "f * C + i * C_new" in code
    area.fill(code.replace("f * C +", "C +"))
    tab.wait_for_selector("#cell-state:has-text('it runs')")
    until(lambda: step(tab) == 0)
    changed = changes(tab, asked)
    return code, changed


def test_from_training_to_ones_own_cell(visit, address):
    tab = visit(address)
    assert "token" not in ready(tab).url
    code, changed = from_training_to_ones_own_cell(tab)
    assert "does not make a gradient smaller" in tab.inner_text("#claim")  # f is not on the highway any more
    words = tab.locator("#cell-picture text").all_text_contents()
    assert words.count("×") == 2  # i ∘ C̃ and o ∘ tanh C: that of f is gone
    assert tab.input_value("#cell") == "own"

    area = tab.locator("#editor textarea")
    area.fill(code.replace("self.W_o", "self.W_q"))
    tab.wait_for_selector("#code-error")
    assert tab.inner_text("#code-error").startswith("Line 9:") and "W_q" in tab.inner_text("#code-error")
    assert tab.locator("#editor .numbers .wrong").inner_text() == "9"
    assert strip(tab) == changed  # the net is still the one that ran
    tab.click("#code-reset")
    tab.wait_for_selector("#cell-card:has-text('The cell: LSTM')")
    until(lambda: tab.locator("#code-error").is_hidden())
    assert area.input_value() == code
    tab.click("#code-source")
    tab.wait_for_selector("#source:has-text('def ')")


def test_training_stops_and_goes_on_and_the_gradient_is_seen_to_grow(visit, address):
    tab = ready(visit(address))
    assert tab.locator("#reach rect").count() == 10  # one row, before anything was learned
    tab.click("#one")
    until(lambda: step(tab) == 1)
    tab.click("#train")
    until(lambda: step(tab) > 10)
    began = time.monotonic()
    tab.click("#train")
    until(lambda: tab.inner_text("#train") == "Train")
    assert time.monotonic() - began < 5
    stood = step(tab)
    time.sleep(0.5)
    assert step(tab) == stood
    assert tab.locator("#curves path.line").count() == 3  # loss, accuracy, and on what is held out
    assert tab.locator("#reach rect").count() > 10
    assert f"step {stood}" in tab.inner_text("#live")
    train(tab, stood + 5)
    tab.click("#again")
    until(lambda: step(tab) == 0)


def test_levers_stand_beside_what_was_and_are_released(visit, address):
    tab = ready(visit(address))
    plain = strip(tab)
    tab.check("#lever-f")
    tab.wait_for_selector("tbody.plain", state="attached")
    assert strip(tab, "plain") == plain != strip(tab)
    frozen = strip(tab)
    word = tab.locator("button.erase").nth(3)
    word.focus()
    tab.keyboard.press("Enter")
    until(lambda: "erased" in tab.inner_text("#claim"))
    assert tab.evaluate("document.activeElement.dataset.place") == "3"  # the focus stays
    assert tab.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert "boat" in tab.inner_text("#erased")
    tab.select_option("#lever-activation", "relu")
    until(lambda: "relu" in tab.inner_text("#claim"))
    tab.locator("#lever-bias").fill("2")
    until(lambda: "b_f" in tab.inner_text("#claim"))
    tab.click("#release")
    until(lambda: tab.locator("tbody.plain").count() == 0)
    assert strip(tab) == plain != frozen


def test_two_nets_stand_beside_each_other_on_one_scale(visit, address):
    tab = ready(visit(address))
    tab.click("#second")
    until(lambda: tab.locator("section.answer").count() == 2)
    assert tab.locator("#cell").input_value() == "rnn"
    assert tab.locator("#form [data-field=forget_bias]").count() == 0  # an RNN has none
    train(tab, 5)
    until(lambda: step(tab, 1) >= 5)
    colours = {}  # the same number has the same colour in both
    for cell in tab.locator("#answers tr.state td").all():
        colours.setdefault(cell.inner_text(), set()).add(cell.get_attribute("class"))
    assert all(len(kinds) == 1 for kinds in colours.values())
    tab.click("#remove")
    until(lambda: tab.locator("section.answer").count() == 1)


def test_the_five_questions_are_asked_before_they_are_shown(visit, address):
    tab = ready(visit(address))
    tab.click("#tour")
    right = [2, 1, 2, 0, 2]
    for k in range(5):
        assert f"Question {k + 1} of 5" in tab.inner_text("#tour-card")
        assert tab.locator("#tour-card .told").count() == 0
        tab.click(f"#tour-card [data-guess='{right[k] if k % 2 else 0}']")
        tab.wait_for_selector("#tour-card .told")
        assert tab.locator("#tour-card .true").get_attribute("data-guess") == str(right[k])
        told = tab.inner_text("#tour-card .told")
        assert ("Right." in told) == bool(k % 2 or right[k] == 0), told
        if k < 4:
            tab.click("#tour-card .end .main")
    assert step(tab) == 100 and step(tab, 1) == 100  # the lab is in this question's state
    tab.click("#leave")
    assert tab.locator("#tour-card").is_hidden()


def packed(state):
    """A state as the fragment of a link."""
    deflate = zlib.compressobj(wbits=-15)
    data = deflate.compress(json.dumps(state).encode()) + deflate.flush()
    return "#lab=" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_a_link_makes_the_same_again(visit, address):
    tab = ready(visit(address))
    train(tab, 20)
    at = step(tab)
    tab.check("#lever-h")
    tab.wait_for_selector("tbody.plain", state="attached")
    claim, numbers = tab.inner_text("#claim"), strip(tab)
    tab.click("#link")
    fragment = until(lambda: tab.evaluate("location.hash"))
    other = ready(visit(address + fragment))
    assert step(other) == at
    assert (other.inner_text("#claim"), strip(other)) == (claim, numbers)
    assert other.is_checked("#lever-h")

    session = Session()  # and Python says the same
    packed_again = fragment.removeprefix("#lab=")
    state = json.loads(zlib.decompress(base64.urlsafe_b64decode(packed_again + "=" * (-len(packed_again) % 4)), -15))
    asked = session.answer({"id": 1, "do": "restore", "state": state})["ok"]["nets"]["a"]["asked"]
    assert asked["sentence"] == claim


def test_a_link_with_code_runs_only_if_one_says_so(visit, address):
    code = "import pathlib\npathlib.Path('owned').write_text('x')\n" + HOSTILE
    state = {"nets": {"a": {"task": "pronouns", "cell": {"code": code, "base": "gru"}}}}
    tab = visit(address + packed(state))
    tab.wait_for_selector("#run-it")
    assert HOSTILE in tab.inner_text("#dialog pre")
    tab.keyboard.press("Escape")
    assert ready(tab).input_value("#cell") == "gru"
    assert not Path("owned").exists()


def test_a_damaged_link_is_told(visit, address):
    for fragment in ("#lab=%%%", "#lab=AAAA", packed({"nets": {"a": {"task": "nothing"}}}), packed([])):
        tab = ready(visit(address + fragment))
        assert tab.input_value("#task") == "pronouns" and strip(tab)


def test_hostile_text_is_text(visit, address):
    tab = ready(visit(address))
    tab.select_option("#task", "words")
    tab.wait_for_selector("#own-text")
    tab.fill("#own-text", f"{HOSTILE} end. \u202e\x07 {{csp}} & <b>bold</b> end.")
    tab.click("#use-text")
    until(lambda: "<b>bold</b>" in tab.inner_text("#chips") or "onerror" in tab.inner_text("#chips"))
    tab.fill("#ask", HOSTILE)
    tab.click("#ask-form button")
    until(lambda: any("onerror" in word for word in tab.locator("button.erase").all_inner_texts()))
    tab.click("#microscope")
    tab.frame_locator("#frames iframe").locator("#strip svg").wait_for()
    tab.click("#cell-card summary")
    tab.fill("#editor textarea", f"def step(self, x, state):\n    raise ValueError('''{HOSTILE}''')\n")
    tab.wait_for_selector("#code-error:has-text('onerror')")
    assert tab.locator("main img, main script, main b:has-text('bold')").count() == 0


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("locale, scheme", [("en-GB", "light"), ("zh-CN", "dark")])
def test_it_fits_and_can_be_read(visit, address, size, locale, scheme):
    tab = visit(address, viewport=dict(zip(("width", "height"), size, strict=True)), locale=locale, color_scheme=scheme)
    ready(tab)
    if size[0] < 760:
        tab.click("#settings-fold summary >> nth=0")  # folded on a phone
    tab.click("#second")
    until(lambda: tab.locator("section.answer").count() == 2)
    tab.click("#tour")
    tab.click("#cell-card summary")
    tab.wait_for_selector("#cell-picture svg")
    assert tab.get_attribute("html", "data-theme") == scheme
    assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
    small = tab.evaluate("""() => [...document.querySelectorAll("body *")].flatMap((node) => {
      const written = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
      if (!written || !node.getClientRects().length || node.closest(".hidden, option, datalist")) return [];
      const svg = node.ownerSVGElement;
      const scale = svg ? svg.getScreenCTM().a : 1;
      const size = parseFloat(getComputedStyle(node).fontSize) * scale;
      return size < 11.9 ? [`${node.tagName} ${size} ${node.textContent.slice(0, 20)}`] : [];
    })""")
    assert small == []
    unnamed = tab.evaluate("""() => [...document.querySelectorAll("input, select, textarea, button")].filter((node) =>
      node.getClientRects().length && !node.labels?.length && !node.ariaLabel && !node.textContent.trim()
    ).map((node) => node.outerHTML.slice(0, 80))""")
    assert unnamed == []
    if locale == "zh-CN":
        left = set(re.findall(r"[A-Za-z]{4,}", tab.inner_text("#levers") + tab.inner_text("#tour-card")))
        assert left <= {"tanh", "relu", "sigmoid", "leaky", "softplus", "linear", "hard"}


def test_the_language_changes_everywhere(visit, address):
    tab = ready(visit(address))
    tab.click("[data-lang=zh]")
    until(lambda: "读" in tab.inner_text("#claim"))
    assert tab.get_attribute("html", "lang") == "zh-CN"
    assert "普通 RNN" in tab.locator("#cell option").all_inner_texts()
    tab.reload()
    assert "训练" in ready(tab).inner_text("#train")  # it is remembered


def test_what_is_taken_along_is_saved(visit, address):
    tab = ready(visit(address))
    tab.click("#take")
    for kind, suffix in (
        ("notebook", ".ipynb"),
        ("script", ".py"),
        ("html", ".html"),
        ("svg", ".svg"),
        ("png", ".png"),
    ):
        with tab.expect_download() as download:
            tab.click(f"[data-kind={kind}]")
        assert download.value.suggested_filename.endswith(suffix)
        assert download.value.path().stat().st_size > 400


def test_a_wrong_token_is_told(visit, address):
    tab = visit(re.sub(r"\?token=.*", "", address), allowed="401")
    tab.wait_for_selector("#loading-text.error")
    assert "token" in tab.inner_text("#loading-text")


# — with Pyodide —————————————————————————————————————————————————————————————————————————————————————————


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The static site, served."""
    if not PYODIDE:
        pytest.skip("needs Pyodide: tests/pyodide/prepare.sh DIR, and DIR in TINYGRAD_LSTM_PYODIDE")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "tinygrad_lstm", "lab", "--build", str(folder), "--pyodide", PYODIDE]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *_):
        """Nothing: pytest shows what failed."""


def test_the_same_in_the_browsers_own_python_and_offline(visit, site):
    url = f"http://127.0.0.1:{site.server_port}/"
    began = time.monotonic()
    tab = visit(url, seconds=240)
    from_training_to_ones_own_cell(tab)
    cold = time.monotonic() - began
    until(lambda: tab.evaluate("navigator.serviceWorker.ready.then((found) => found.active.state)") == "activated", 120)
    site.shutdown()
    site.server_close()  # from here on there is nobody to ask
    tab.reload()
    assert strip(ready(tab)), f"the first visit took {cold:.0f} s"
