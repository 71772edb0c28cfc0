"""The languages: a catalogue that is whole, and pictures, tables and diagnoses without a sentence of the other one."""

import ast
import json
import re
import string
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import nn, spoken
from tinygrad_lstm.chinese import CHINESE
from tinygrad_lstm.graph import press
from tinygrad_lstm.op import registry

HOUSE = Path(tl.__file__).parent
TREES = {
    path: ast.parse(path.read_text("utf-8"))
    for path in sorted(HOUSE.rglob("*.py"))
    if path.parent.name != "compile" and path.name not in ("chinese.py", "spoken.py")  # printed code: test_source.py
}
NAMES = {  # what stays as it is: cells, ops, arguments, and names as code has them
    "LSTM", "RNN", "GRU", "tanh", "concat", "lstm", "rnn", "gru", "irnn", "clip", "relu", "float32", "forget_bias",
    "StepJacobians", "Flow", "identity", "recurrent_initializer", "NaN",
}


@pytest.fixture
def chinese():
    before = spoken.current()
    tl.language("zh")
    yield
    tl.language(before)


def english(text):
    """The English words of a text, but for those that are names."""
    return [word for word in re.findall(r"[A-Za-z_0-9]{3,}", text) if re.search("[a-z]{3}", word) and word not in NAMES]


def constants(node):
    """The texts that an expression may be: one, or one or the other."""
    parts = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]
    return [part.value for part in parts if isinstance(part, ast.Constant)]


def test_each_text_that_is_said_has_its_chinese():
    told = [
        (path.name, text)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "said"
        for text in constants(node.args[0])
    ]
    assert len(told) > 80
    assert [(name, text) for name, text in told if text not in CHINESE and english(text)] == []


def test_the_catalogue_holds_nothing_that_is_not_said_and_asks_for_no_other_values():
    texts = {node.value for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Constant)}

    def places(text):
        return {name for _, name, *_ in string.Formatter().parse(text) if name}

    for key, value in CHINESE.items():
        assert key in texts, key
        assert places(value) <= places(key), key
        assert re.search("[\u3001-\u9fff\uff00-\uffef]", value) or not english(re.sub(r"\{.*?\}", "", value)), key


def test_pictures_are_chinese_to_the_last_caption(chinese):
    rng = np.random.default_rng(0)
    for layer in (nn.LSTM(3, 4, rng=rng), nn.GRU(3, 4, rng=rng), nn.RNN(3, 4, rng=rng, bidirectional=True)):
        loss = layer(rng.normal(size=(1, 3, 3)).astype(np.float32)).last.h.sum()
        for view in ("time", "cells", "rolled", "strip", *(["ledger"] if isinstance(layer, nn.LSTM) else [])):
            drawn = tl.draw(loss, view=view)
            shown = re.sub("(?s)<title>.*?</title>", "", drawn.svg())
            words = [word for text in re.findall("<text[^>]*>([^<]*)</text>", shown) for word in english(text)]
            assert words == [], (layer, view)
            assert re.search("[\u4e00-\u9fff]", drawn.summary), view


def test_rules_and_cells_without_a_kind_are_chinese_too(chinese):
    class Mine(nn.Cell):
        def __init__(self, *sizes, **settings):
            super().__init__(*sizes, **settings)
            self.W = self.weight("W")

        def step(self, x, state):
            return nn.Step(h=tl.tanh(tl.concat(state.h, x) @ self.W).named("h"))

    h = nn.Recurrent(3, 4, cell=Mine, rng=0)(np.ones((1, 2, 3), np.float32)).last.h
    assert tl.draw(h.sum()).summary.startswith("元胞 “mine” ")
    assert {"dy，在其原位"} <= set(re.findall("<text[^>]*>([^<]*)</text>", tl.draw(h.sum(), view="ops").svg()))


def test_the_page_has_the_rules_of_the_catalogue():
    terms = (HOUSE / "graph" / "page" / "assets" / "shell.js").read_text("utf-8")
    rules = {rule for entry in registry.values() for rule in entry.formulas if rule in CHINESE}
    assert len(rules) > 12
    assert [rule for rule in rules if f'"{rule}": "{CHINESE[rule]}",' not in terms] == []


def test_a_comparison_a_ledger_and_a_diagnosis_are_chinese(chinese):
    rng = np.random.default_rng(0)
    found = tl.compare("rnn,lstm:1,relu-lstm:5+clip,gru", steps=40, hidden=8)
    assert english(repr(found)) == []
    picture = re.sub("(?s)<title>.*?</title>", "", found.draw().svg())
    assert [word for text in re.findall("<text[^>]*>([^<]*)</text>", picture) for word in english(text)] == []
    x = rng.normal(size=(1, 60, 3)).astype(np.float32)
    flow = tl.trace(nn.LSTM(3, 4, rng=rng)(x).last.C.sum()).flow("C")
    said = [*flow.diagnose(), flow.table(), repr(flow), repr(flow.jacobians())]
    said += tl.diagnose(nn.RNN(3, 4, rng=rng)(x).last.h.sum())
    assert [english(text) for text in said] == [[]] * len(said) and len(said) >= 5


def test_columns_of_a_chinese_table_stand_below_each_other(chinese):
    rng = np.random.default_rng(0)
    flow = tl.trace(nn.LSTM(3, 4, rng=rng)(rng.normal(size=(1, 3, 3)).astype(np.float32)).last.C.sum()).flow("C")
    widths = {spoken.columns(line) for line in flow.table(["从前", "a", "一座很高很高的山"]).splitlines()}
    assert len(widths) == 1
    table = tl.compare("rnn,gru", steps=9, hidden=4).table().splitlines()
    assert len({spoken.columns(line) for line in (table[0], table[1])}) == 1


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("梯度", 4), ("C̃", 1), ("∂L/∂C", 5), ("（）", 4), ("", 0)]
)
def test_how_many_columns_a_text_takes(text, columns):
    assert spoken.columns(text) == columns
    assert spoken.ranged(text, 6, "<") == text + " " * (6 - columns)


@pytest.mark.parametrize("text", [
    "lstm: f is 0.694 on average, so the pure path along C halves a gradient every 1.9 steps. " * 3,
    "lstm：f 平均为 0.694，因此沿 C 的纯通道每 1.9 步就让梯度减半（最持久的单元是每 2.4 步），“只剩”3.0e-10。" * 3,
    "“a” 在 b", "", "x" * 200,
])  # fmt: skip
def test_sentences_fold_at_80_columns_and_lose_nothing(text):
    lines = spoken.folded(text).split("\n")
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(spoken.columns(line) <= 82 or " " not in line for line in lines)  # a stop may stand beyond the edge
    assert not [line for line in lines if line[:1] in tuple("，。：；、）") or line[-1:] == "（"]


def test_a_diagnosis_is_printed_in_paragraphs():
    flow = tl.trace(nn.LSTM(3, 4, rng=0)(np.zeros((1, 60, 3), np.float32)).last.C.sum()).flow("C")
    found = flow.diagnose()
    assert isinstance(found, list) and max(map(len, str(found).split("\n"))) <= 80
    assert f"{type(found)(['a', 'b'])}" == "a\n\nb" and str(type(found)()) == "nothing to say"


def test_a_language_that_there_is_not():
    with pytest.raises(ValueError, match="language must be en or zh, not 'de'"):
        tl.language("de")


def test_another_language_for_a_while():
    with spoken.speaking("zh"):
        assert spoken.said("{n} nets side by side", n=2) == "2 个网络对照"
    assert spoken.said("{n} nets side by side", n=2) == "2 nets side by side"
    assert spoken.said("{n} nets side by side", "zh", n=2) == "2 个网络对照"
    assert spoken.said("no entry of the catalogue", "zh") == "no entry of the catalogue"


def test_the_page_of_a_chinese_drawing_opens_in_chinese_and_holds_both(chinese):
    loss = nn.LSTM(3, 4, rng=np.random.default_rng(0))(np.ones((1, 2, 3), np.float32)).last.h.sum()
    page = tl.draw(loss).html()
    data = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1]
    data = json.dumps(json.loads(data), ensure_ascii=False)
    assert '<html lang="zh-CN"' in page and not re.search("[\u4e00-\u9fff]", data)
    tl.language("en")
    assert '<html lang="en"' in tl.draw(loss).html()


def test_signs_among_chinese_words_are_set_by_themselves():
    """In a font for Chinese ∂ and ‖ would be as wide as a character, so each stretch has a place and a font."""
    text = '<text text-anchor="start" x="10.00" y="5" font-family="A" font-size="10.00">形状与 ‖∂L/∂h‖ 为 1</text>'
    made = press._lettered(re.search("<text([^>]*)>([^<]*)</text>", text))
    parts = re.findall(r'x="([\d.]+)".*?font-family="(\w+).*?font-size="([\d.]+)"[^>]*>(.*?)</text>', made)
    assert [(font, size, said) for _, font, size, said in parts] == [
        ("Helvetica", "10.00", "形状与 "), ("DejaVu", "9.00", "‖∂L/∂h‖"), ("Helvetica", "10.00", " 为 1"),
    ]  # fmt: skip
    places = [float(x) for x, *_ in parts]
    assert places[0] == 10 and places[1] == pytest.approx(10 + 32.2)
    middle = press._lettered(re.search("<text([^>]*)>([^<]*)</text>", text.replace("start", "middle")))
    assert float(re.search(r'x="(-?[\d.]+)"', middle)[1]) < -20 and 'anchor="middle"' not in middle
    plain = press._lettered(re.search("<text([^>]*)>([^<]*)</text>", text.replace("‖∂L/∂h‖", "loss")))
    assert plain.count("<text") == 1 and "形状与 loss 为 1" in plain


def test_matplotlib_writes_the_chinese_of_a_learner_where_a_font_can():
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.rc_context({"backend": "agg", "font.family": ["sans-serif"]}):
        spoken.lettered()
        if not spoken._font():
            pytest.skip("this machine has no font for Chinese")
        figure = pytest.importorskip("matplotlib.figure").Figure()
        figure.subplots().set(title="门 ‖∂L/∂Cₜ‖", xlabel="时间步")
        figure.canvas.draw()  # a missing sign is a warning, and a warning is an error here
        assert len(matplotlib.rcParams["font.family"]) == 2
        spoken.lettered()
        assert len(matplotlib.rcParams["font.family"]) == 2
