"""The page: one file that loads nothing, shows the trace's own numbers, and runs in a real browser.

The tests in Chromium need the program (Debian's package chromium) and playwright; without them they are skipped.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import json
import os
import re
import shutil
import sys
import time
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn
from tinygrad_lstm.graph.capture import norm
from tinygrad_lstm.graph.page import WINDOW
from tinygrad_lstm.graph.page.document import LEVELS
from tinygrad_lstm.graph.page.numbers import _outside
from tinygrad_lstm.graph.picture import digits
from tinygrad_lstm.training.record import Record, Snapshot

CHROMIUM = os.environ.get("TINYGRAD_LSTM_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip
WORDS = ["mary", "lost", "her", "box"]
HOSTILE = ["</script><script>document.title='owned'</script>", "<img src=x onerror=\"document.title='owned'\">",
           "a\u2028b\u2029]]>", "{{script}} & \"quotes' \\N"]  # fmt: skip


def traced(kind=nn.LSTM, T=4, hidden=3, batch=2, **settings):
    net = kind(3, hidden, rng=np.random.default_rng(0), **settings)
    x = Tensor(np.sin(np.arange(batch * T * 3.0)).reshape(batch, T, 3), requires_grad=True)
    return tl.trace((net(x).h[:, -1] ** 2).sum())


def page(trace=None, labels=WORDS, **settings):
    return tl.draw(trace or traced(), labels=labels, **settings).html()


def block(text):
    """The page's JSON."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


class Parsed(HTMLParser):
    """What a browser would find: elements with attributes, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.found, self.inside, self.last = [], {}, "none"
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.last = f"{tag} {dict(attrs).get('type', '')}".strip()

    def handle_endtag(self, tag):
        self.last = "none"

    def handle_data(self, data):
        if self.last.split()[0] in ("script", "style", "title"):
            self.inside[self.last] = self.inside.get(self.last, "") + data


# — without a browser ————————————————————————————————————————————————————————————————————————————————————


def test_the_policy_allows_this_script_and_this_style_and_nothing_else():
    found = Parsed(page())
    (policy,) = [a["content"] for tag, a in found.found if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    for kind, rule in (("script", "script-src"), ("style", "style-src")):
        digest = base64.b64encode(hashlib.sha256(found.inside[kind].encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert set(rules) == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}


def test_nothing_is_loaded_from_elsewhere():
    text = page()
    assert set(re.findall(r"\w*https?:[^\"' ]*", text)) == {"http://www.w3.org/2000/svg"}
    for tag, attributes in Parsed(text).found:
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        assert not {"src", "srcset", "xlink:href"} & set(attributes)
        assert attributes.get("href", "data:,") == "data:,"
    assert "innerHTML" not in text and "eval(" not in text


def test_numbers_are_the_trace_s_own():
    trace = traced()
    data = block(page(trace))
    (sheet,) = data["sheets"]
    rows = {row["sym"]: row for row in data["tensors"]}
    for t, sub in enumerate("₁₂₃₄", 1):
        for name in ("f", "i", "C̃", "C", "o", "h"):
            (x,) = [x for x in trace.tensors if x.name == name and f"/t={t}/" in f"{x.scope}/"]
            row = rows[name + sub]
            assert row["grad"] == pytest.approx(norm(trace.grad(x)), rel=1e-5)
            assert row["dy"] == pytest.approx(trace.grad(x)[0][sheet["units"]], rel=1e-3)
            assert row["y"] == pytest.approx(x.numpy()[0][sheet["units"]], rel=1e-3)
            assert row["hist"][0] == pytest.approx(trace.grad(x).min(), rel=1e-3) and sum(row["hist"][2:]) == x.size
            assert sheet["strip"][name][t - 1] == pytest.approx(row["grad"], rel=1e-3)
    flow = trace.flow("C")
    for t in range(1, 5):
        shown = sheet["ledger"][f"0 {t}"]
        assert shown["norm"] == pytest.approx(flow.norm[t - 1], rel=1e-5)
        assert {k: v[0] for k, v in shown["terms"].items()} == pytest.approx(
            {k: np.linalg.norm(v) for k, v in flow.ledger(t).items()}, rel=1e-5
        )
        assert sum(part for _, part in shown["terms"].values()) == pytest.approx(1, abs=1e-4)


def test_each_op_of_the_window_is_one_step_and_shares_add_up():
    trace = traced()
    data = block(page(trace))
    made = [x for x in trace.tensors if "/t=" in f"/{x.scope}" and x.op is not None]
    assert len(data["ops"]) == len(made) + 1
    assert [group["t"] for group in data["groups"]] == [None, 4, 3, 2, 1]
    assert data["groups"][-1]["end"] == len(data["ops"])
    last = {}
    for op in data["ops"]:
        for share in op["ins"]:
            if "sum" in share:
                last[share["x"]] = share["sum"]
    for place, (k, n, total, _) in last.items():
        assert k == n and total == pytest.approx(data["tensors"][place]["grad"], rel=1e-5)


def test_equations_are_in_the_learner_s_names():
    rows = {row["sym"]: row for row in block(page())["tensors"]}
    assert rows["C₃"]["eq"] == "f₃ · C₂ + i₃ · C̃₃"
    assert rows["h₃"]["eq"] == "o₃ · tanh(C₃)"
    assert rows["f₃"]["eq"] == "σ([h₂ ; x₃] @ W_f + b_f)"
    assert rows["C₁"]["eq"] == "f₁ · C₀ + i₁ · C̃₁"
    rows = {row["sym"]: row for row in block(page(traced(nn.GRU)))["tensors"]}
    assert rows["h₃"]["eq"] == "z₃ · h₂ + (1 − z₃) · n₃"


@pytest.mark.parametrize("kind, state", [(nn.LSTM, "C"), (nn.GRU, "h"), (nn.RNN, "h")])
@pytest.mark.parametrize("settings", [{}, {"num_layers": 2}, {"bidirectional": True}], ids=["one", "layers", "both"])
def test_every_cell_has_a_page(kind, state, settings):
    data = block(page(traced(kind, **settings)))
    (sheet,) = data["sheets"]
    assert sheet["state"] == state and sheet["name"] == kind.__name__
    layers = settings.get("num_layers", 1)
    assert len(sheet["ledger"]) == 4 * layers and len(data["groups"]) == 1 + 4 * layers


def test_rows_that_end_early_have_a_page():
    net = nn.LSTM(3, 2, rng=np.random.default_rng(0))
    out = net(np.ones((2, 4, 3), np.float32), lengths=[4, 2])
    assert block(tl.draw(out.last.h.sum()).html())["sheets"][0]["ledger"]


def test_a_long_sequence_shows_a_window_and_the_strip_shows_all():
    data = block(page(traced(T=70), labels=None))
    assert data["window"] == [70 - WINDOW + 1, 70] and len(data["sheets"][0]["strip"]["C"]) == len(data["times"]) == 70
    assert block(page(traced(T=70), labels=None, steps=(3, 5)))["window"] == [3, 5]


def test_a_page_needs_a_backward_pass_in_time(tmp_path):
    a = Tensor(2.0, requires_grad=True)
    for drawing in (tl.draw(traced().root, backward=False), tl.draw(a * a, view="ops", backward=False)):
        with pytest.raises(ValueError, match=r"walks a backward pass.*\.svg"):
            drawing.save(tmp_path / "x.html")
        assert "text/html" not in drawing._repr_mimebundle_()
    assert not list(tmp_path.iterdir())


def test_saved_and_shown_in_a_notebook(tmp_path, monkeypatch):
    drawing = tl.draw(traced(), labels=WORDS)
    text = drawing.save(tmp_path / "flow.html").read_text("utf-8")
    assert text == drawing.html()
    shown = drawing._repr_mimebundle_()["text/html"]
    assert shown.startswith('<iframe sandbox="allow-scripts" srcdoc="')
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1]) == text
    monkeypatch.setattr(tl.Drawing, "interactive", False)
    assert set(drawing._repr_mimebundle_()) == {"image/svg+xml", "text/plain"}


def own_lstm(T=4):
    """A loop as a learner writes it, with names of its own: c for the cell state, g for the candidate."""
    rng = np.random.default_rng(0)
    shapes = {"W": (3, 8), "U": (2, 8), "b": 8}
    W, U, b = (Tensor(rng.normal(size=size), requires_grad=True, name=name) for name, size in shapes.items())
    h = c = Tensor(np.zeros((2, 2)))
    for t in range(1, T + 1):
        with tl.scope(f"t={t}"):
            z = Tensor(rng.normal(size=(2, 3)), name="x") @ W + h @ U + b
            f, i, o = (tl.sigmoid(z[:, k : k + 2]).named(name) for k, name in ((0, "f"), (2, "i"), (4, "o")))
            g = tl.tanh(z[:, 6:]).named("g")
            c = (f * c + i * g).named("c")
            h = (o * tl.tanh(c)).named("h")
    return (h**2).sum()


def test_a_cell_of_ones_own_has_a_page_with_its_own_numbers():
    trace = tl.trace(own_lstm())
    data = block(tl.draw(trace, labels=WORDS).html())
    (sheet,), rows = data["sheets"], {row["sym"]: row for row in data["tensors"]}
    assert set(data["paths"]) == {"h", "c"} and [group["t"] for group in data["groups"]] == [None, 4, 3, 2, 1]
    made = [x for x in trace.tensors if "t=" in x.scope and x.op is not None]
    assert len(data["ops"]) == len(made) + 1, "every op, also those that share a box in the picture"
    assert all(op["node"] for op in data["ops"][1:])
    for x in (x for x in made if x.name):
        row = rows[x.name + "₁₂₃₄"["1234".index(x.scope[-1])]]
        assert row["grad"] == pytest.approx(norm(trace.grad(x)), rel=1e-5)
    assert rows["c₃"]["eq"] == "f₃ · c₂ + i₃ · g₃" and set(sheet["strip"]) == {"h", "c", "f", "i", "o", "g"}
    flow = trace.flow("h")
    assert sorted(sheet["ledger"]) == ["0 2", "0 3", "0 4"], "h₀ is a constant: no gradient was computed"
    for t in range(2, 5):
        shown = sheet["ledger"][f"0 {t}"]
        assert shown["norm"] == pytest.approx(flow.norm[t - 1], rel=1e-5)
        assert sum(part for _, part in shown["terms"].values()) == pytest.approx(1, abs=1e-4)


def test_a_state_of_another_name_and_steps_from_0_have_a_page_without_a_ledger():
    s, w = Tensor(np.ones((1, 2))), Tensor(np.eye(2), requires_grad=True, name="w")
    for t in range(3):
        with tl.scope(f"t={t}"):
            s = tl.tanh(s @ w).named("constructor")
    data = block(tl.draw(s.sum()).html())
    assert [group["t"] for group in data["groups"]] == [None, 2, 1, 0] and data["sheets"][0]["ledger"] == {}


def mlp():
    rng = np.random.default_rng(0)
    W, b = (Tensor(rng.normal(size=s), requires_grad=True, name=n) for n, s in (("W", (2, 3)), ("b", 3)))
    return (tl.tanh(Tensor(rng.normal(size=(4, 2)), name="data") @ W + b).named("hidden") ** 2).sum().named("loss")


def test_a_graph_without_time_is_walked_op_by_op():
    trace = tl.trace(mlp())
    data = block(tl.draw(trace, view="ops").html())
    assert [data["tensors"][op["out"]]["sym"] for op in data["ops"]][:2] == ["loss", "loss"] and not data["times"]
    assert len(data["ops"]) == 1 + sum(x.op is not None for x in trace.tensors)
    rows = {row["sym"]: row for row in data["tensors"]}
    for name in ("W", "b", "hidden"):
        (x,) = [x for x in trace.tensors if x.name == name]
        assert rows[name]["grad"] == pytest.approx(norm(trace.grad(x)), rel=1e-5)
    for op in data["ops"][1:]:
        for share in op["ins"]:
            (me,) = [me for me in share["ids"] if me.startswith("g")]
            assert data["wires"][me] == [share["x"], share["n"]]


def two(T=8, **settings):
    return {"RNN": traced(nn.RNN, T=T, **settings), "LSTM": traced(T=T, **settings)}


def test_what_stands_outside_of_all_brackets():
    for text, left in (
        ("a + b", "a + b"),
        ("f(a + b) · c", "f · c"),
        ("tanh([h ; x] @ (W + b)) + i", "tanh + i"),
        ("((a))", ""),
    ):
        assert _outside(text) == left


def test_two_nets_have_one_scale_and_one_list_of_steps():
    traces = two()
    data = block(tl.draw(traces).html())
    shares = [share for _, share in data["wires"].values() if share]
    assert data["high"] == max(shares) and data["low"] == pytest.approx(max(min(shares), 1e-6 * max(shares)), rel=1e-5)
    assert [sheet["name"] for sheet in data["sheets"]] == ["RNN", "LSTM"]
    assert [sheet["state"] for sheet in data["sheets"]] == ["h", "C"]
    assert [group["t"] for group in data["groups"]] == [None, *range(8, 0, -1)]
    assert all(len(group["boxes"]) == 2 and [k for k, _ in group["at"]] == [0, 1] for group in data["groups"][1:])
    for k, (sheet, trace) in enumerate(zip(data["sheets"], traces.values(), strict=True)):
        flow = trace.flow(sheet["state"])
        assert sheet["strip"][sheet["state"]] == pytest.approx(flow.norm[1:], rel=1e-3)
        for t in range(1, 9):
            terms = sheet["ledger"][f"0 {t}"]["terms"]
            assert {name: term[0] for name, term in terms.items()} == pytest.approx(
                {name: norm(term) for name, term in flow.ledger(t).items()}, rel=1e-5
            )
        mine = [row for row in data["tensors"] if row.get("s", 0) == k and row["sym"] == "h₃"]
        (h,) = [x for x in trace.tensors if x.name == "h" and "/t=3/" in f"{x.scope}/"]
        assert [row["grad"] for row in mine] == [pytest.approx(norm(trace.grad(h)), rel=1e-5)]


def test_each_tensor_names_the_line_that_made_it_and_no_folder():
    text = tl.draw(own_lstm()).html()
    data = block(text)
    rows = {row["sym"]: row for row in data["tensors"]}
    file, line, code = data["lines"][rows["c₂"]["src"]]
    assert (file, code) == ("test_page.py", 'c = (f * c + i * g).named("c")')
    assert Path(__file__).read_text("utf-8").splitlines()[line - 1].strip() == code
    assert "src" not in rows["W"] and str(Path(__file__).parent) not in text
    data = block(page())
    assert {file for file, _, _ in data["lines"]} == {"lstm.py", "recurrent.py", "test_page.py"}
    assert len(data["lines"]) < 20, "each line once"


def test_nets_of_other_depth_and_length_stand_side_by_side():
    data = block(tl.draw([traced(T=6), traced(T=4), traced(T=6, num_layers=2)]).html())
    assert [sheet["name"] for sheet in data["sheets"]] == ["LSTM 1", "LSTM 2", "LSTM 3"]
    ends = [(group["t"], [tuple(place) for place in group["at"]]) for group in data["groups"]]
    assert ends[:4] == [(None, []), (6, [(0, 0), (2, 1)]), (5, [(0, 0), (2, 1)]), (4, [(0, 0), (1, 0), (2, 1)])]
    assert ends[7] == (6, [(2, 0)]) and data["sheets"][1]["strip"]["C"][4:] == [None, None]
    assert sum(len(op["ins"]) for op in data["ops"]) > 100 and data["groups"][-1]["end"] == len(data["ops"])


def test_several_graphs_are_refused_with_a_reason():
    for wrong, message in (([], "0 graphs"), ([traced()] * 5, "5 graphs")):
        with pytest.raises(ValueError, match=message):
            tl.draw(wrong)
    with pytest.raises(ValueError, match="view='time' alone"):
        tl.draw(two(), view="strip")
    with pytest.raises(ValueError, match="3 labels for 8 steps"):
        tl.draw(two(), labels=["a"] * 3)
    with pytest.raises(TypeError, match="not str"):
        tl.draw("LSTM")
    assert tl.draw(two(), steps=(2, 3)).svg().count('class="cluster') == 4
    with pytest.raises(ValueError, match="walks a backward pass"):
        tl.draw(two(), backward=False).html()


def test_hostile_names_stay_text():
    text = page(hostile(), labels=HOSTILE)
    found = Parsed(text)
    assert [tag for tag, _ in found.found].count("script") == 2
    assert not [tag for tag, _ in found.found if tag == "img"]
    raw = found.inside["script application/json"]
    assert not set("<>&\u2028\u2029") & set(raw)
    assert HOSTILE[0][:20] in json.loads(raw)["labels"][0]
    ET.fromstring(re.search(r"<svg .*?</svg>", text, re.DOTALL)[0])


def hostile():
    """A trace in which all that users can name is hostile."""
    net = nn.LSTM(3, 3, rng=np.random.default_rng(0))
    for k, parameter in enumerate(net.parameters()):
        parameter.name = HOSTILE[k % len(HOSTILE)]
    with tl.scope(HOSTILE[0].replace("/", "∕")):
        out = net(Tensor(np.ones((1, 4, 3)), requires_grad=True, name=HOSTILE[1]))
    return tl.trace((out.h[:, -1] ** 2).sum().named(HOSTILE[0]))


def test_a_gradient_that_is_not_finite_is_no_number():
    with np.errstate(all="ignore"):
        data = block(page(tl.trace(traced().root * np.inf), labels=None))
    assert data["sheets"][0]["loss"] is None


def test_two_nets_stay_below_the_budget():
    settings = {"T": 50, "hidden": 64, "batch": 4}
    for nets in ([traced(nn.RNN, **settings), traced(**settings)], [traced(**settings)] * 2):
        assert len(tl.draw(nets).html().encode()) <= 1_500_000


@pytest.mark.parametrize("kind, layers", [(nn.LSTM, 1), (nn.LSTM, 3), (nn.GRU, 1), (nn.RNN, 1)])
def test_fifty_steps_stay_below_the_budget(kind, layers):
    text = page(traced(kind, T=50, hidden=64, num_layers=layers), labels=None)
    assert len(text.encode()) <= 1_500_000
    shown = 50 if layers == 1 else 21  # 54 tensors a step
    assert block(text)["window"] == [50 - shown + 1, 50]


# — in Chromium ——————————————————————————————————————————————————————————————————————————————————————————


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if not CHROMIUM:
        pytest.skip("needs Chromium: apt-get install chromium (or its path in TINYGRAD_LSTM_CHROMIUM)")
    with (
        sync_api.sync_playwright() as playwright,
        contextlib.closing(playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)) as found,
    ):
        yield found


@pytest.fixture
def visit(browser, tmp_path):
    """Open a page in a fresh context; at the end nothing may have been complained about or asked of the network."""
    opened = []

    def visit(text, **context):
        file = tmp_path / f"page{len(opened)}.html"
        file.write_text(text, "utf-8")
        usual = {"viewport": {"width": 1400, "height": 900}, "locale": "en-GB"}
        tab = browser.new_context(**usual | context).new_page()
        troubles, requests = [], []
        tab.on("console", lambda message: troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("dialog", lambda dialog: troubles.append("dialog"))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(file.as_uri())
        opened.append((tab, troubles, requests, file.as_uri()))
        return tab

    yield visit
    for tab, troubles, requests, address in opened:
        assert troubles == []
        assert {url for url in requests if not url.startswith("data:")} == {address}
        tab.context.close()


def said(tab):
    return tab.inner_text("#live")


def busy(tab):
    """A function that says for how many seconds the page's thread has computed, however busy the machine is."""
    session = tab.context.new_cdp_session(tab)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def seconds():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    return seconds


def test_stepping_by_time(visit):
    trace = traced()
    tab = visit(page(trace))
    assert said(tab).startswith("The whole backward pass")
    assert tab.locator("#picture .gradient:visible").count() > 20  # nothing is hidden at first
    tab.click("#next")
    assert said(tab) == "Step 1 of 5: the gradient enters the picture from the right"
    tab.click("#next")
    flow = trace.flow("C")
    assert said(tab).startswith(f"Step 2 of 5: t = 4 “box” · ‖∂L/∂C₃‖ = {digits(flow.norm[3])}, ")
    shown = tab.inner_text("#panel")
    for term in flow.ledger(4).values():
        assert digits(norm(term)) in shown
    for name in ("f", "i", "C̃", "o", "h"):
        (x,) = [x for x in trace.tensors if x.name == name and "/t=4/" in f"{x.scope}/"]
        assert re.search(rf"∂L/∂{name}₄\s[^∂]*{re.escape(digits(norm(trace.grad(x))))}", shown)
    assert tab.locator(".step.now").count() == 1
    before = tab.locator("#picture .gradient.later").count()
    tab.click("#next")
    assert tab.locator("#picture .gradient.later").count() < before
    tab.click("#back")
    assert tab.locator("#picture .gradient.later").count() == before
    tab.click("#end")
    assert said(tab).startswith("Step 5 of 5: t = 1 “mary” · ‖∂L/∂C₀‖") and tab.locator("#next").is_disabled()
    assert tab.locator("#picture .later").count() == 0


def test_stepping_op_by_op_shows_the_rule_with_its_numbers(visit):
    trace = traced()
    tab = visit(page(trace))
    tab.click("[data-mode=op]")
    data = block(page(trace))
    k = next(k for k, op in enumerate(data["ops"]) if data["tensors"][op["out"]]["sym"] == "h₄")
    for _ in range(k + 1):
        tab.keyboard.press("ArrowRight")
    (h,) = [x for x in trace.tensors if x.name == "h" and "/t=4/" in f"{x.scope}/"]
    o, tanh = trace.inputs(h)
    assert said(tab) == (f"Step {k + 1} of {len(data['ops'])}: t = 4 “box”, o₄ · tanh(C₄) sends back "
                         f"{digits(norm(o.share))} to o₄, {digits(norm(tanh.share))} to tanh(C₄)")  # fmt: skip
    shown = tab.inner_text("#panel")
    assert "dy · b" in shown and "\n∂L/∂h₄ · tanh(C₄)" in shown and "\n∂L/∂h₄ · o₄" in shown
    table = tab.locator("#panel table").first.locator("tr").all_inner_texts()
    units = data["sheets"][0]["units"]
    for row, array in zip(table[1:], (trace.grad(h), tanh.x.numpy(), o.share), strict=True):
        assert row.split("\t")[1:] == [digits(float(f"{value:.4g}")) for value in array[0][units]]
    assert tab.locator(".node.now").count() == 1
    for _ in range(40):
        if "Arriving at C₃" not in tab.inner_text("#panel"):
            tab.keyboard.press("ArrowRight")
    assert re.search(r"Arriving at C₃\s+1 of 2 shares have arrived", tab.inner_text("#panel"))
    tab.click("[data-mode=time]")
    assert said(tab).startswith("Step 2 of 5")  # the same place, seen in larger steps


def test_single_numbers_have_signs_and_can_be_checked_by_eye(visit):
    a, b, c, f = (Tensor(np.float64(v), requires_grad=True, name=k) for k, v in
                  [("a", 2.0), ("b", -3.0), ("c", 10.0), ("f", -2.0)])  # fmt: skip
    loss = ((a * b).named("e") + c).named("d") * f
    tab = visit(tl.draw(loss.named("L"), view="ops").html())
    for _ in range(4):
        tab.keyboard.press("ArrowRight")
    shown = tab.inner_text("#panel")
    assert "∂L/∂e · b" in shown and "(-2) · (-3) = 6" in shown and "(-2) · 2 = -4" in shown
    assert "‖" not in shown and "( )" not in shown
    tab.hover("#" + tab.evaluate("Object.entries(data.nodes).find(([, j]) => data.tensors[j].sym === 'c')[0]"))
    assert "∂L/∂· = -2" in tab.inner_text("#tip") and "scalar" in tab.inner_text("#tip")
    boxes = tab.evaluate("[...document.querySelectorAll('.node')].map((n) => n.getBBox())"
                         ".map((b) => [b.x, b.y, b.x + b.width, b.y + b.height])")  # fmt: skip
    for wire in tab.locator(".edge.forward path").all():  # the line forward begins at its box, not where an arrow ends
        x, y = wire.evaluate("(p) => { const q = p.getPointAtLength(0); return [q.x, q.y]; }")
        assert any(a - 2 <= x <= c + 2 and b - 2 <= y <= d + 2 for a, b, c, d in boxes)
    s = Tensor(np.float64(3.0), requires_grad=True, name="s")
    tab = visit(tl.draw((s * s).named("y"), view="ops").html())
    tab.keyboard.press("End")
    shown = tab.inner_text("#panel")
    assert shown.count("∂L/∂y · s") == 2 and shown.count("1 · 3 = 3") == 2 and "Σ = 6" in shown


def test_every_op_can_be_reached_and_told(visit):
    tab = visit(page(traced(nn.GRU)))
    tab.click("[data-mode=op]")
    sentences = [said(tab)]
    while tab.locator("#next").is_enabled():
        tab.keyboard.press("ArrowRight")
        sentences.append(said(tab))
    assert len(set(sentences)) == len(sentences) and not any("undefined" in s or "NaN" in s for s in sentences)


def test_keyboard_and_slider(visit):
    tab = visit(page())
    view = tab.get_attribute("#picture", "viewBox")
    for key, start in (("End", "Step 5"), ("ArrowLeft", "Step 4"), ("Home", "The whole"), ("ArrowRight", "Step 1")):
        tab.keyboard.press(key)
        assert said(tab).startswith(start), key
    for key in ("+", "-", "0"):
        tab.keyboard.press(key)
        assert tab.get_attribute("#picture", "viewBox") != view
        view = tab.get_attribute("#picture", "viewBox")
    tab.focus("#slider")
    tab.keyboard.press("ArrowRight")
    assert said(tab).startswith("Step 2")  # the key is not counted twice
    tab.evaluate("document.getElementById('slider').value = 4; "
                 "document.getElementById('slider').dispatchEvent(new Event('input'))")  # fmt: skip
    assert said(tab).startswith("Step 4") and "Step 4" in tab.get_attribute("#slider", "aria-valuetext")
    assert tab.get_attribute("#live", "aria-live") == "polite"
    for button in tab.locator("button").all():
        assert button.inner_text().strip() or button.get_attribute("aria-label")


def test_click_and_hover_tell_about_a_tensor(visit):
    trace = traced()
    tab = visit(page(trace))
    data = block(page(trace))
    place = next(k for k, row in enumerate(data["tensors"]) if row["sym"] == "f₄")
    node = next(me for me, k in data["nodes"].items() if k == place)
    tab.hover(f"#{node}")
    (f,) = [x for x in trace.tensors if x.name == "f" and "/t=4/" in f"{x.scope}/"]
    tip = tab.inner_text("#tip")
    assert "f₄" in tip and "= σ([h₃ ; x₄] @ W_f + b_f)" in tip and digits(norm(trace.grad(f))) in tip
    tab.click(f"#{node}")
    shown = tab.inner_text(".card.chosen")
    assert "f₄ = σ(" in shown and "2 × 3" in shown and "forget gate" in shown and digits(norm(trace.grad(f))) in shown
    assert tab.locator(".card.chosen .histogram rect").count() == LEVELS
    tab.keyboard.press("Escape")
    assert tab.locator(".card.chosen").count() == 0
    tab.hover(f"#{data['ops'][1]['ins'][0]['ids'][0]} path", force=True)
    assert "∂L/∂" in tab.inner_text("#tip")


def test_the_strip_leads_to_a_step_and_says_what_is_not_drawn(visit):
    tab = visit(page(traced(T=60), labels=None))
    assert "drawn: steps 11 to 60 of 60" in tab.inner_text("#subtitle")
    box = tab.locator("#strip svg").bounding_box()
    wide = (box["width"] - 62 - 4) / 60
    tab.mouse.click(box["x"] + 62 + 29.5 * wide, box["y"] + 20)
    assert "t = 30" in said(tab)
    tab.mouse.click(box["x"] + 62 + 4.5 * wide, box["y"] + 20)
    assert said(tab).startswith("Step 5 is not drawn")


def test_two_nets_move_together_and_say_what_is_left(visit):
    traces = two(T=24)
    tab = visit(tl.draw(traces).html())
    norms = {name: traces[name].flow(state).norm[1:] for name, state in (("RNN", "h"), ("LSTM", "C"))}
    fates = []
    for name, row in norms.items():
        below = np.flatnonzero(row >= 0.01 * row.max())[0]
        part = f"{row[0] / row.max():.0%}".replace("%", " %")
        fate = f"less than 1 % of its largest is left from t = {below} on back" if below else f"{part} of its largest"
        fates.append(f"{name}: {fate}")
    assert tab.inner_text("#claim") == " · ".join(fates)
    assert tab.locator("#strip text.row").all_text_contents() == ["RNN ∂L/∂h", "LSTM ∂L/∂C", "LSTM ∂L/∂h"]
    assert sorted(tab.locator("#picture .name").all_text_contents(), reverse=True) == ["RNN", "LSTM"]
    for _ in range(6):
        tab.click("#next")
    assert tab.locator(".step.now").all_text_contents() == ["t = 20", "t = 20"]
    assert tab.locator(".curves polyline").count() == 2
    left = []
    for name, state in (("RNN", "h"), ("LSTM", "C")):
        here, most = norms[name][19], norms[name].max()
        share = f"{here / most:.0%}".replace("%", " %")
        left.append(f"{name} ‖∂L/∂{state}₂₀‖ = {digits(float(f'{here:.4g}'))} ({share})")
        for term in traces[name].flow(state).ledger(20).values():
            assert digits(norm(term)) in tab.inner_text("#panel")
    assert said(tab) == f"Step 6 of 25: t = 20 · {' · '.join(left)}"
    tab.click("[data-path='1']")  # C, which the RNN does not have
    grey = "[...document.querySelectorAll('#picture .node')].map((n) => getComputedStyle(n).opacity < 0.2)"
    assert 0 < sum(tab.evaluate(grey)) < len(tab.evaluate(grey)) - 4 * 24
    tab.click("[data-path=all]")
    box = tab.locator("#strip svg").bounding_box()
    tab.mouse.click(box["x"] + box["width"] - 5, box["y"] + 10)
    assert "t = 24" in said(tab)
    tab.click("[data-mode=op]")
    sentences = set()
    for _ in range(40):
        tab.keyboard.press("ArrowRight")
        sentences.add(said(tab))
    assert len(sentences) == 40 and {"RNN", "LSTM"} == {s.split(": ")[1].split(",")[0] for s in sentences}
    tab.click("[data-lang=zh]")
    tab.click("[data-mode=time]")
    tab.keyboard.press("Home")
    assert "RNN: 从 t = " in tab.inner_text("#claim") and "梯度还剩多少" in tab.inner_text("#panel")


def test_lower_layers_are_told_by_their_own_numbers(visit):
    deep = traced(T=3, num_layers=2)
    tab = visit(tl.draw({"one": traced(T=3), "two": deep}).html())
    for _ in range(5):
        tab.click("#next")
    flow = deep.flow("C", layer=1)
    assert said(tab) == f"Step 5 of 7: t = 3 · two, layer 1 ‖∂L/∂C₂‖ = {digits(flow.norm[2])}"
    assert tab.locator(".curves .cursor").count() == 0 and tab.locator(".step.now").count() == 1


def test_a_card_shows_the_line_and_code_from_anywhere_is_text(visit):
    made = {"a": Tensor([1.0, 2.0], requires_grad=True, name="a")}
    exec(compile("\ny = (a * a).sum()", HOSTILE[1] + "/secret/../" + HOSTILE[1], "exec"), made)
    code = 'c = (f * c + i * g).named("c")'
    for loss, view, node, shown in ((own_lstm(), "time", "c₂", code), (made["y"], "ops", "sum(a · a)", ", line 2")):
        drawing = tl.draw(loss, view=view)
        data = block(drawing.html())
        place = next(k for k, row in enumerate(data["tensors"]) if row["sym"] == node)
        tab = visit(drawing.html())
        tab.evaluate(f"choose({place})")
        assert shown in tab.inner_text(".card.chosen .facts")
        assert "secret" not in tab.content() and tab.locator("img").count() == 0 and "owned" not in tab.title()


def test_names_are_those_of_the_scopes_not_of_the_letters(visit):
    """What somebody calls r is no reset gate; the library's gates are what their scopes say. An RNN has no highway."""
    tab = visit(page(traced(nn.GRU)))
    for word in ("reset gate", "update gate", "candidate", "hidden state"):
        assert word in tab.inner_text("#panel")
    rng, h = np.random.default_rng(0), Tensor(np.zeros((2, 3)), requires_grad=True)
    W = Tensor(rng.normal(size=(3, 3)), requires_grad=True, name="W")
    for t in range(1, 4):
        with tl.scope(f"t={t}"):
            r = tl.sigmoid(h @ W).named("r")
            with tl.scope("leak"):
                f = tl.sigmoid(h).named("f")
            h = (f * h + r).named("h")
    tab = visit(page(tl.trace(h.sum()), labels=None))
    tab.click("#next")
    tab.click("#next")
    shown = tab.inner_text("#panel")
    assert "leak" in shown and "gate" not in shown and "highway" in shown
    tab = visit(page(traced(nn.RNN)))
    tab.click("#next")
    tab.click("#next")
    assert "recurrence" in tab.inner_text("#panel") and "highway" not in tab.inner_text("body")
    tab.click("[data-lang=zh]")
    assert "循环连接" in tab.inner_text("#panel") and "高速通道" not in tab.inner_text("body")


def test_hostile_names_of_nets_do_nothing(visit):
    tab = visit(tl.draw({name: hostile() for name in HOSTILE[:3]}, labels=HOSTILE).html())
    for _ in range(4):
        tab.click("#next")
    assert "owned" not in tab.title().replace("title='owned'", "") and tab.locator("img").count() == 0
    assert "onerror" in tab.inner_text("#panel")


def test_ops_and_cells_of_ones_own_can_be_walked(visit):
    for drawing in (tl.draw(mlp(), view="ops"), tl.draw(own_lstm())):
        text = drawing.html()
        tab = visit(text)
        if tab.locator("[data-mode=op]").is_visible():
            tab.click("[data-mode=op]")
        sentences = [said(tab)]
        while tab.locator("#next").is_enabled():
            tab.keyboard.press("ArrowRight")
            sentences.append(said(tab))
            assert len(sentences) < 3 or tab.locator(".node.now").count() == 1
        assert len(sentences) == len(block(text)["ops"]) + 1 == len(set(sentences))
        assert not any("undefined" in s or "NaN" in s for s in sentences)
        assert tab.locator("#picture .later").count() == 0
    tab = visit(tl.draw(mlp(), view="ops").html())
    assert tab.locator("#navigator").is_hidden() and tab.locator("#paths").is_hidden()
    tab.click("#next")
    assert said(tab) == "Step 1 of 6: the gradient of L with respect to itself is 1"
    numbers = tab.locator("#picture .number:not(.later):visible").all_text_contents()
    assert [text for text in numbers if "–" not in text] == ["grad 1"]
    tab.click("#next")
    assert "sends back" in said(tab) and "dy" in tab.inner_text("#panel")
    tab.locator("#picture .node").first.click()
    assert tab.locator(".card.chosen").count() == 1


def test_paths_languages_and_themes(visit):
    tab = visit(page(follow="C"), color_scheme="dark")
    assert tab.get_attribute("html", "data-theme") == "dark"
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.click("#theme")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    gradients = "[...document.querySelectorAll('#picture .gradient')]"
    opacity = f"{gradients}.filter((edge) => getComputedStyle(edge).opacity < 0.2).length"
    few = tab.evaluate(opacity)
    assert few > 0 and tab.get_attribute("[data-path='0']", "aria-pressed") == "true"
    tab.click("[data-path=all]")
    assert tab.evaluate(opacity) == 0
    tab.click("[data-lang=zh]")
    assert tab.get_attribute("html", "lang") == "zh-CN"
    tab.click("#next")
    tab.click("#next")
    shown = tab.inner_text("body")
    for word in ("遗忘门", "输入门", "候选", "元胞状态", "输出门", "隐藏状态", "梯度", "读出", "高速通道", "下一步"):
        assert word in shown
    assert said(tab).startswith("第 2 步，共 5 步：t = 4“box”")
    assert "highway" not in shown
    assert visit(page(), locale="zh-CN").inner_text("h1") == "梯度显微镜"


def test_hostile_names_do_nothing_in_a_browser(visit):
    tab = visit(page(hostile(), labels=HOSTILE))
    tab.click("[data-mode=op]")
    for _ in range(30):
        tab.keyboard.press("ArrowRight")
    for node in tab.locator("#picture .node").all()[:12]:
        node.dispatch_event("pointerdown")
        node.dispatch_event("pointerup", {"bubbles": True})
    assert "owned" not in tab.title() and tab.locator("img").count() == 0
    assert "onerror" in tab.inner_text("body")  # it is there, as text


def test_inside_a_notebook_s_sandboxed_frame(visit):
    shown = tl.draw(traced(), labels=WORDS)._repr_mimebundle_()["text/html"]
    tab = visit(f"<!DOCTYPE html><meta charset=utf-8><body>{shown}")
    inner = tab.frame_locator("iframe")
    inner.locator("#next").click()
    assert inner.locator("#live").inner_text() == "Step 1 of 5: the gradient enters the picture from the right"

    strip = inner.locator("#strip svg").bounding_box()
    assert strip["width"] > 0.4 * tab.locator("iframe").bounding_box()["width"], "the frame had no size when it opened"


def test_whose_loss_it_is_stands_at_the_right_end(visit):
    said = ["his 99.8 %", "her 0.2 %"]
    trace = traced()
    tab = visit(tl.draw(trace, labels=WORDS, answer=said).html())
    assert tab.inner_text("#answer") == "“box” → his 99.8 % · her 0.2 %"
    assert "“box” →\nhis 99.8 %\nher 0.2 %" in tl.draw(trace, labels=WORDS, answer=said).dot.replace("\\n", "\n")
    assert "his 99.8 %" not in tl.draw(trace, labels=WORDS, answer=said, steps=(1, 2)).dot, "its end is not drawn"
    tab = visit(tl.draw(two(), answer=[said, ["it 50.0 %"]]).html())
    assert tab.inner_text("#answer") == "RNN: his 99.8 % · her 0.2 % LSTM: it 50.0 %"
    with pytest.raises(ValueError, match="1 answers for 2 graphs"):
        tl.draw(two(), answer=[said])
    with pytest.raises(TypeError, match="should be a list of texts"):
        tl.draw(trace, answer="his")


@pytest.mark.parametrize("size", [(1400, 900), (900, 700), (600, 800)])
@pytest.mark.parametrize("many", [1, 2])
def test_nothing_is_wider_than_the_window(visit, size, many):
    tab = visit(page() if many == 1 else tl.draw(two()).html(), viewport={"width": size[0], "height": size[1]})
    tab.click("#next")
    tab.click("#next")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for part in ("#next", "#theme", "#fit", "#paths"):
        box = tab.locator(part).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= size[0]


def test_a_step_is_quick_with_fifty_steps(visit, capsys):
    tab = visit(page(traced(T=50, hidden=64), labels=None))
    spent = busy(tab)
    measure = """async (key) => {
      const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      for (let k = 0; k < 40; k++) {
        document.dispatchEvent(new KeyboardEvent("keydown", { key }));
        document.body.getBoundingClientRect();
        await frame();
      }
    }"""
    each = []
    for _ in range(2):
        start = spent()
        tab.evaluate(measure, "ArrowRight")
        each.append((spent() - start) / 40 * 1000)
        tab.click("[data-mode=op]")
        tab.keyboard.press("Home")
    with capsys.disabled():
        print(f"\nms a step with 50 steps drawn: {each[0]:.0f} by time, {each[1]:.0f} by op", file=sys.stderr)
    assert 0 < max(each) < 120  # the goal is 60


def test_a_thousand_steps_open_quickly(visit):
    text = page(traced(T=1000, batch=1), labels=None)
    tab = visit(text)
    spent = busy(tab)
    tab.reload()
    tab.click("#next")
    assert said(tab).startswith("Step 1 of 51") and 0 < spent() < 10


def test_a_printed_page_holds_the_picture(visit):
    tab = visit(page())
    tab.emulate_media(media="print")
    size = tab.evaluate("(r => [r.width, r.height])(document.getElementById('picture').getBoundingClientRect())")
    assert size[0] > 300 and size[1] > 300, "the canvas has not collapsed"


@pytest.mark.parametrize("T", [2, 12, 50])
@pytest.mark.parametrize("window", [(1920, 1080), (1280, 720), (390, 844)])
def test_on_paper_the_strip_is_whole_and_text_is_legible(visit, T, window):
    """Sheets are 210 mm wide, 190 between the margins: 718 px."""
    tab = visit(page(traced(T=T), labels=None), viewport=dict(zip(("width", "height"), window, strict=True)))
    tab.evaluate("printed(true)")
    tab.emulate_media(media="print")
    right = "document.querySelector('{}').getBoundingClientRect().right"
    assert tab.evaluate(right.format("#strip rect.window")) <= tab.evaluate(right.format("#strip svg")) <= 700
    texts = "[...document.querySelectorAll('#picture text')]"
    heights = tab.evaluate(texts + ".map((x) => x.getBoundingClientRect().height)")
    assert min(height for height in heights if height) > 10.9
    tab.emulate_media(media="screen")
    tab.evaluate("printed(false)")
    assert tab.locator("#stage").bounding_box()["width"] > min(600, window[0] - 20)


# — the page of a training ———————————————————————————————————————————————————————————————————————————————————


def recorded(n=5, T=6):
    """Snapshots of nets whose forget gate opens."""
    record = Record()
    for k in range(n):
        net = nn.LSTM(3, 4, forget_bias=float(k), rng=np.random.default_rng(0))
        x = np.sin(np.arange(2 * T * 3.0)).reshape(2, T, 3)
        record.add(10 * k, Snapshot.of(tl.trace((net(x).h[:, -1] ** 2).sum())), np.nan if k == 0 else 2.0 ** (1 - k))
    return record


def test_the_page_of_a_training_holds_the_record_s_numbers(tmp_path):
    record = recorded()
    text = record.draw().save(tmp_path / "history.html").read_text("utf-8")
    data = block(text)
    assert data["steps"] == [0, 10, 20, 30, 40] and list(data["names"]) == record.names
    for name, row in data["names"].items():
        np.testing.assert_allclose(row["values"], record[name], rtol=1e-3)
        assert row["gate"] == (name not in ("C", "h"))
    assert set(re.findall(r"\w*https?:[^\"' ]*", text)) == {"http://www.w3.org/2000/svg"}
    many = Record([*range(300)], recorded(1).snapshots * 300)
    data = block(many.draw().html())
    assert data["count"] == 300 and len(data["steps"]) == 200 and data["steps"][::199] == [0, 299]
    with pytest.raises(LookupError, match="fit\\(record=10\\)"):
        Record().draw()
    assert "text/html" in record._repr_mimebundle_() and set(Record()._repr_mimebundle_()) == {"text/plain"}


def test_the_picture_of_a_training_has_a_cell_for_each_number():
    record = recorded()
    svg = record.draw().svg()
    said = re.findall(r'xlink:title="([^"]*)"', svg)
    assert len(said) == sum(record[name].size for name in record.names)
    value = record["C"][2, 1]
    assert f"‖∂L/∂C‖ at t=1, after 20 steps: {digits(value)}" in said


def test_walking_through_a_training(visit):
    record = recorded()
    tab = visit(record.draw().html())
    assert said(tab).startswith("After 0 training steps: at the first time step ‖∂L/∂C‖ is ")
    assert tab.locator(".curves").count() == 2 and "training loss" not in tab.inner_text("#panel")
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    part = record["C"][3, 1] / record["C"][3, -1]
    there = f"at the first time step ‖∂L/∂C‖ is {digits(float(f'{part:.3g}'))} × that at the last"
    assert said(tab) == f"After 30 training steps: {there}"
    assert "training loss 0.25" in tab.inner_text("#panel") and "%" not in tab.inner_text("#panel")
    f, (first, last) = record["f"], record["f"].mean(axis=1)[[0, -1]]
    assert f"opens, {first:.3f} → {last:.3f}" in tab.inner_text("#panel")
    most = int(np.abs(f[-1] - f[0]).argmax())
    assert f"most at t = {most + 1}: " in tab.inner_text("#panel")
    tab.click("[data-which=f]")
    assert said(tab) == f"After 30 training steps: mean of f is {f[3].mean():.3f} on average over t"
    assert tab.locator("#heat rect:not(.cursor)").count() == f.size and tab.locator(".curves polyline").count() == 4
    box = tab.locator("#heat").bounding_box()
    tab.mouse.move(box["x"] + 70, box["y"] + 20)
    assert tab.inner_text("#tip") == f"training step 0, t = 1\nmean of f = {digits(float(f'{f[0, 0]:.4g}'))}"
    tab.mouse.click(box["x"] + 70, box["y"] + 20)
    assert said(tab).startswith("After 0")
    tab.keyboard.press("End")
    assert said(tab).startswith("After 40") and tab.locator("#next").is_disabled()
    tab.click("[data-lang=zh]")
    shown = tab.inner_text("body")
    for word in ("网络学到了什么", "遗忘门", "打开了", "训练 40 步之后", "从最初到最后的变化"):
        assert word in shown
    for button in tab.locator("button").all():
        assert button.inner_text().strip() or button.get_attribute("aria-label")
    one = visit(recorded(1).draw().html())
    assert "nothing to compare" in one.inner_text("#panel") and one.locator("#next").is_disabled()


def test_a_training_inside_a_notebook_s_frame_and_a_narrow_window(visit):
    shown = recorded().draw()._repr_mimebundle_()["text/html"]
    tab = visit(f"<!DOCTYPE html><meta charset=utf-8><body>{shown}")
    inner = tab.frame_locator("iframe")
    inner.locator("#next").click()
    assert inner.locator("#live").inner_text().startswith("After 10 training steps")
    tab = visit(recorded().draw().html(), viewport={"width": 600, "height": 800}, color_scheme="dark")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.get_attribute("html", "data-theme") == "dark"


# — legible, at first glance and from the back row; alive ——————————————————————————————————————————————————


def until(tab, condition, seconds=12):
    """Wait for something on the page; its policy lets nobody evaluate text there."""
    stop = time.monotonic() + seconds
    while not tab.evaluate(f"() => {condition}"):
        assert time.monotonic() < stop, condition
        tab.wait_for_timeout(50)


SIZES = """() => [...document.querySelectorAll('#picture text, #strip text, #legend span, .card *, #claim, #live')]
  .filter((x) => x.textContent.trim() && x.checkVisibility({visibilityProperty: true}) && !x.children.length)
  .map((x) => {
    const svg = x.ownerSVGElement, own = parseFloat(getComputedStyle(x).fontSize) * (x.currentCSSZoom || 1);
    return [svg ? parseFloat(getComputedStyle(x).fontSize) * x.getScreenCTM().a : own, x.textContent];
  })"""
WINDOWS = [  # window, pixels, what is pressed before
    ({"width": 1280, "height": 720}, 12, []),
    ({"width": 1920, "height": 1080}, 12, []),
    ({"width": 850, "height": 700}, 12, []),
    ({"width": 390, "height": 844}, 11, []),
    ({"width": 1920, "height": 1080}, 22.8, ["#projector"]),
    ({"width": 853, "height": 480}, 12, []),  # 1280 × 720 at a browser zoom of 150 %
    ({"width": 640, "height": 360}, 11, []),  # and of 200 %
]


@pytest.mark.parametrize("T", [2, 12, 50])
@pytest.mark.parametrize(("window", "least", "pressed"), WINDOWS, ids=lambda x: str(x)[:24])
def test_no_text_is_smaller_than_a_reader_can_read(visit, window, least, pressed, T):
    tab = visit(page(traced(T=T), labels=None), viewport=window)
    for button in pressed:
        tab.click(button)
    for moves in ([], ["#in"] * 3, ["#out"] * 5, ["#next", "#next"]):
        for move in moves:
            tab.click(move)
        small = [(round(px, 1), text) for px, text in tab.evaluate(SIZES) if px < least - 0.11]
        assert not small, small[:8]
        assert tab.locator("#picture text:visible").count() > 2


BANDS = ("() => [...document.querySelectorAll('.band')].map((x) => x.getBoundingClientRect())"
         ".filter((box) => box.width).map((box) => box.y)")  # fmt: skip


def test_far_out_stand_words_a_band_and_one_claim(visit):
    trace = traced(T=12)
    tab = visit(page(trace, labels=[f"word{k}" for k in range(12)]), viewport={"width": 1280, "height": 720})
    norms = trace.flow("C").norm
    left = digits(norms[1] / norms[12])
    assert tab.inner_text("#claim") == f"{left} of ∂L/∂C at the end is still there at t = 1 “word0”."
    assert tab.locator("#picture.far").count() == 1 and len(tab.evaluate(BANDS)) == 12
    shown = set(tab.locator(".distant-number:visible").all_text_contents())
    assert digits(norms[12]) in shown and shown <= {digits(n) for n in norms}
    assert tab.locator(".node text:visible").count() == 0
    for _ in range(9):
        tab.click("#in")
    assert tab.locator("#picture.far").count() == 0 and tab.locator(".node text:visible").count() > 3
    assert tab.locator(".lane line").count() == 12
    tab.click("#fit")
    assert tab.locator("#picture.far").count() == 1


def test_far_out_one_sees_the_path_that_one_follows(visit):
    data = block(page(traced(T=12, hidden=4), labels=None))
    tab = visit(page(traced(T=12, hidden=4), labels=None))
    for k, name in enumerate(["C", "h"]):
        tab.click(f"[data-path='{k}']")
        (row,) = [row for one, row in data["sheets"][0]["strip"].items() if one == name]
        assert f"{digits(row[0] / row[-1])} of ∂L/∂{name} at the end" in tab.inner_text("#claim")
        found = tab.evaluate(BANDS)
        assert len(found) == 12 and max(found) - min(found) < 1
        assert digits(row[-1]) in tab.locator(".distant-number:visible").all_text_contents()
    tab.click("[data-path='all']")
    assert "∂L/∂C at the end" in tab.inner_text("#claim") and len(tab.evaluate(BANDS)) == 12


def test_a_zoom_keeps_the_place_and_the_state_in_sight(visit):
    tab = visit(page(traced(T=12), labels=None), viewport={"width": 1280, "height": 720})
    stage = tab.locator("#stage").bounding_box()
    inside = """() => {
      const s = document.querySelector('#picture').getBoundingClientRect();
      const boxes = [...document.querySelectorAll('.lane line')].map((line) => line.getBoundingClientRect());
      return boxes.some((b) => b.y > s.y && b.bottom < s.bottom);
    }"""
    for x, y in ((0.5, 0.9), (0.2, 0.1), (0.9, 0.5)):
        tab.mouse.move(stage["x"] + x * stage["width"], stage["y"] + 60 + y * (stage["height"] - 120))
        for _ in range(8):
            tab.mouse.wheel(0, -240)
            assert tab.evaluate(inside)
        tab.click("#fit")


def test_where_one_is_survives_a_reload_and_is_in_the_address(visit):
    tab = visit(page(traced(T=6), labels=None))
    tab.click("[data-lang=zh]")
    tab.click("#next")
    tab.click("#next")
    tab.click("#foldStrip")
    said_before = said(tab)
    address = tab.evaluate("location.hash")
    assert "step=2" in address and "lang=zh" in address and "no-strip=1" in address
    tab.reload()
    assert said(tab) == said_before and tab.locator("#navigator:visible").count() == 0
    assert tab.evaluate("document.documentElement.lang") == "zh-CN"
    tab.click("#foldStrip")
    assert tab.locator("#navigator:visible").count() == 1


def test_it_plays_and_what_flows_is_seen_to_flow(visit):
    tab = visit(page(traced(T=2), labels=None), viewport={"width": 1280, "height": 720})
    tab.click("#play")
    assert tab.locator(".pulses circle").count() > 0
    each = "(of) => [...document.querySelectorAll(of[0])].map((x) => Number(x.getAttribute(of[1])))"
    radii, widths = (tab.evaluate(each, of) for of in ([".pulses circle", "r"], [".gradient.now", "stroke-width"]))
    assert np.allclose(radii, 2 + 1.1 * np.array(widths))
    until(tab, "document.querySelector('#next').disabled && !document.querySelector('#pulses')")
    assert tab.inner_text("#play") == "▶"
    tab.locator("#stage").focus()
    tab.keyboard.press("Space")
    until(tab, "document.querySelector('#play').textContent === '❚❚'")
    tab.keyboard.press("Space")
    assert tab.inner_text("#play") == "▶"


def test_predict_then_see(visit):
    """What is not yet guessed is nowhere: not in the picture, the strip, the cards, a tip or at the end."""
    trace = traced(T=6)
    norms = trace.flow("C").norm
    tab = visit(page(trace, labels=None))
    tab.click("#predict")
    assert not tab.inner_text("#claim") and tab.locator("#strip rect.veiled").count() == 6 * 7
    assert tab.locator("text.number:visible").count() == 0 and tab.locator(".distant-number:visible").count() == 0
    assert "?" in tab.inner_text("#panel") and "Hidden until" in said(tab)
    for key in ("End", "ArrowRight", "ArrowRight", "End", " "):
        tab.keyboard.press(key)
    assert said(tab).startswith("Step 1 of 7") and tab.locator("#next").is_disabled()
    assert tab.inner_text("#asked") == "Back through this step: compared with ‖∂L/∂C₆‖, is ‖∂L/∂C₅‖ …"
    tab.evaluate("choose(data.tensors.findIndex((x) => x.sym === 'C₃'))")
    assert "Hidden until you have guessed." in tab.inner_text("#panel .chosen")
    tab.evaluate("choose(null)")
    right = 0
    for k, t in enumerate(range(6, 0, -1), 1):
        ratio = norms[t - 1] / norms[t]
        truth = "smaller" if ratio < 0.9 else "larger" if ratio > 1.1 else "same"
        guess = truth if k % 2 else {"smaller": "larger", "larger": "same", "same": "smaller"}[truth]
        if k == 3:
            tab.keyboard.press({"smaller": "1", "same": "2", "larger": "3"}[guess])
        else:
            tab.click(f"[data-guess={guess}]")
        right += guess == truth
        sub = "₀₁₂₃₄₅₆"
        verdict = "Right" if guess == truth else "No"
        assert said(tab).startswith(f"{verdict}: ‖∂L/∂C{sub[t - 1]}‖ is ") and f"{right} of {k} guessed" in said(tab)
        assert float(re.search(r" is ([\d.]+) ×", said(tab))[1]) == pytest.approx(ratio, rel=0.01)
        assert tab.locator("#strip rect.veiled").count() == (t - 1) * 7
    assert not tab.locator("#question").is_visible()
    tab.keyboard.press("Home")
    assert "still there" in tab.inner_text("#claim") and "?" not in tab.inner_text("#panel")
    tab.click("#predict")
    tab.keyboard.press("End")
    assert said(tab).startswith("Step 7 of 7"), "without the game all steps can be reached at once"
    assert tab.locator("#predict").is_visible() and not visit(tl.draw(two()).html()).locator("#predict").is_visible()


def test_nothing_moves_where_motion_is_not_wanted(visit):
    tab = visit(page(traced(T=2), labels=None), reduced_motion="reduce")
    tab.click("#next")
    tab.click("#next")
    assert tab.locator(".pulses").count() == 0
