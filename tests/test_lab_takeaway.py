"""What is taken along from the lab: scripts and notebooks that come to the same numbers, pages and pictures."""

import ast
import base64
import json
import re
import subprocess
import sys

import pytest
from samples import OWN_CLASS

from tinygrad_lstm.lab import Session

CODE = '''import math

SCALE = math.sqrt(1.0)

def step(self, x, state):
    """One step,
    told in two lines."""
    h, C = state
    hx = concat(h, x)
    f = sigmoid(hx @ self.W_f + self.b_f).named("f")
    i = sigmoid(hx @ self.W_i + self.b_i).named("i")
    C_new = self.candidate(hx).named("C̃")
    C = (SCALE * f * C + i * C_new).named("C")
    o = sigmoid(hx @ self.W_o + self.b_o).named("o")
    return Step(f=f, i=i, C_new=C_new, C=C, o=o, h=(o * tanh(C)).named("h"))

def candidate(self, hx):
    return tanh(hx @ self.W_C + self.b_C)
'''
LOOKS = CODE.replace("    o = ", "    assert C.numpy().size\n    o = ")  # so that it cannot run as one op
HOSTILE = 'mary lost "her" keys\'\'\'. \\N{BULLET} {x} </script> john lost his keys.\npaul """ sold\n'


def done(session, do, **arguments):
    reply = session.answer({"do": do, **arguments})
    assert "ok" in reply, reply
    return reply["ok"]


def run(text, folder):
    (folder / "lab.py").write_text(text, encoding="utf-8")
    process = subprocess.run([sys.executable, "-W", "error", "lab.py"], cwd=folder, capture_output=True, text=True,
                             timeout=120)  # fmt: skip
    assert process.returncode == 0, process.stderr
    return process.stdout


def about(made, asked, out):
    """Whether what a script has printed are the numbers of the session."""
    loss = float(re.search(r"^\d+ steps, loss (\S+)$", out, re.MULTILINE)[1])
    assert loss == pytest.approx(made["loss"][-1], rel=1e-5)
    assert float(re.search(r"^loss (\S+)$", out, re.MULTILINE)[1]) == pytest.approx(asked["loss"], rel=1e-4, abs=1e-7)
    for one in asked["prediction"]:
        if one["p"] is not None:
            p = re.search(rf"^{re.escape(repr(one['word'].replace('·', ' ')))} (\S+)$", out, re.MULTILINE)[1]
            assert float(p) == pytest.approx(one["p"], rel=1e-4)
    norms = re.findall(r"^ +(\d+) .*$", out, re.MULTILINE)  # the table of the ledger: t = T … 0
    assert [int(t) for t in norms] == list(range(len(asked["words"]), -1, -1))


CASES = [
    ({"task": {"name": "pronouns", "distance": [2, 5]}, "cell": "lstm", "seed": 3}, "mary lost the old keys and sold",
     {"f": "frozen at 1", "cut_h": True, "erase": [0, 2]}),
    ({"task": {"name": "pronouns"}, "cell": {"code": CODE}, "forget_bias": 2}, "Mary lost ", {"forget_bias": 4}),
    ({"task": {"name": "words"}, "cell": {"code": OWN_CLASS}, "hidden": 5}, "mary opened the box", None),
    ({"task": {"name": "words", "text": HOSTILE}, "cell": {"code": LOOKS}, "clip": 0}, 'mary lost "',
     {"activation": "relu"}),
    ({"task": {"name": "reber"}, "cell": "gru", "lr": 0.01}, "BTB TXX", {"gate_activation": "hard_sigmoid"}),
    ({"task": {"name": "adding", "length": 5}, "cell": "lstm-peephole", "activation": "softplus"},
     "0.5*, 0.25 0.125* 0.5 1", {"erase": [1]}),
    ({"task": {"name": "text", "text": HOSTILE * 8, "steps": 8}, "cell": "rnn"}, "paul \"", None),
    ({"task": {"name": "pronouns"}, "cell": {"code": "def step(self, x, state):\n    return super().step(x, state)\n",
                                            "base": "lstm-1997"}}, "mary sold", {"cut_h": True}),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:recurrent_activation")
@pytest.mark.parametrize(("settings", "text", "levers"), CASES, ids=range(len(CASES)))
def test_a_script_comes_to_the_same_numbers(settings, text, levers, tmp_path):
    session = Session()
    done(session, "make", net="a", **settings)
    done(session, "train", net="a", steps=4)
    trained = done(session, "train", net="a", steps=3)
    asked = done(session, "ask", net="a", text=text, levers=levers)
    file = done(session, "export", net="a", kind="script")
    assert file["name"].endswith(".py") and file["mime"] == "text/x-python" and ast.parse(file["text"])
    about(trained, asked, run(file["text"], tmp_path))
    page = (tmp_path / "lab.html").read_text(encoding="utf-8")
    assert "</html>" in page


def test_a_notebook_is_the_script(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    session = Session()
    done(session, "hello", lang="zh")
    done(session, "make", net="a", cell={"code": CODE})
    done(session, "train", net="a", steps=2)
    done(session, "ask", net="a", text="mary lost")
    book = nbformat.reads(done(session, "export", net="a", kind="notebook")["text"], as_version=4)
    nbformat.validate(book)
    headings = [cell.source for cell in book.cells if cell.cell_type == "markdown"]
    code = [cell.source for cell in book.cells if cell.cell_type == "code"]
    assert len(headings) == len(code) == 6 and all(any("一" <= c <= "鿿" for c in each) for each in headings)
    script = done(session, "export", net="a", kind="script")["text"]
    assert all(each in script for each in code)
    run("\n".join(code), tmp_path)


def test_a_question_may_come_with_its_state():
    session = Session()
    done(session, "make", net="a")
    state = {"ask": {"text": "mary lost", "levers": {"erase": [0]}}}
    assert '"t=1/C̃"' in done(session, "export", net="a", kind="script", state=state)["text"]
    assert "what_if" not in done(session, "export", net="a", kind="script")["text"], "nothing has been asked"
    reply = session.answer({"do": "export", "net": "a", "kind": "html"})
    assert "ask a sentence first" in reply["error"]["message"] and reply["error"]["field"] == "state"


def test_pages_and_pictures():
    session = Session()
    done(session, "make", net="a")
    cell = done(session, "export", net="a", kind="svg")
    assert cell["name"] == "lab-lstm.svg" and "W_f" in cell["text"], "the cell, as long as nothing is asked"
    done(session, "ask", net="a", text="mary lost", levers={"f": "frozen at 1"})
    asked = done(session, "export", net="a", kind="svg")
    assert "f frozen at 1" in asked["text"] and asked["text"] != cell["text"]
    page = done(session, "export", net="a", kind="html")
    assert page["mime"] == "text/html" and "f frozen at 1" in page["text"] and "</html>" in page["text"]


def test_a_png():
    session = Session()
    done(session, "make", net="a")
    done(session, "ask", net="a", text="mary lost")
    file = done(session, "export", net="a", kind="png")
    data = base64.b64decode(file["base64"])
    assert data.startswith(b"\x89PNG") and int.from_bytes(data[16:20]) > 400, "its width in pixels"
    done(session, "ask", net="a", text="mary lost the car and " * 12)
    strip = base64.b64decode(done(session, "export", net="a", kind="png")["base64"])
    assert 1000 < int.from_bytes(strip[16:20]) < 16_000, "of sixty steps the strip: all of them would be too wide"
    reply = session.answer({"do": "export", "net": "a", "kind": "gif"})
    assert reply["error"]["field"] == "kind" and "notebook, script" in reply["error"]["message"]
    assert json.dumps(file)
