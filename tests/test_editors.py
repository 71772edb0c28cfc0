"""What editors and type checkers see: a Tensor for a Tensor, an array for arrays, completion, signatures, help."""

import inspect
import json
import os
import pydoc
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tl

HOME = Path(tl.__file__).parent.parent
TYPES = {
    "tl.tanh(t)": "Tensor",
    "tl.tanh(a)": "ndarray",
    "tl.add(a, 1.0)": "ndarray",
    "tl.add(t, 1.0)": "Tensor",
    "tl.add(1.0, t)": "Tensor",
    "a * t": "Tensor",
    "t * a": "Tensor",
    "a @ t": "Tensor",
    "2 ** t": "Tensor",
    "t[0]": "Tensor",
    "t > 0": "ndarray",
    "t.sum()": "Tensor",
    "tl.sum(t, axis=0)": "Tensor",
    "tl.concat(t, t)": "Tensor",
    "tl.concat(a, t)": "Tensor",
    "tl.concat([t, t])": "Tensor",
    "tl.concat([a, a])": "ndarray",
    "tl.where(a > 0, 0.0, t)": "Tensor",
    "tl.where(a > 0, t, 0.0)": "Tensor",
    "tl.split(t, 3)": "list[Tensor]",
    "tl.var(t, axis=0)": "Tensor",
    "tl.norm(a)": "ndarray",
    "tl.grad(t.sum(), [t])": "list[Tensor]",
    "tl.grad(t.sum(), t, allow_unused=True)": "list[Tensor | None]",
    "t.shape": "tuple[int, ...]",
    "t.T": "Tensor",
    "linear(t)": "Tensor",
    "lstm(t)": "Output[LSTMState]",
    "lstm(a, lengths=[1]).h": "Tensor",
    "lstm(t).last.C": "Tensor",
    "lstm(t).steps[0].f": "Tensor",
    "gru(t).last": "RNNState",
    "gru(t).last.h": "Tensor",
    "lstm.fused": "bool | str",
    "lstm.parameters()": "list[Tensor]",
    "double(a)": "float",
    "nn.mse_loss(t, t)": "Tensor",
}
SNIPPET = """
from typing import Any
import numpy as np
from numpy.typing import NDArray
import tinygrad_lstm as tl
from tinygrad_lstm import fit, nn, scope
a: NDArray[np.float32] = np.ones((3, 3), np.float32)
t = tl.Tensor(a, requires_grad=True)
linear, lstm, gru = nn.Linear(3, 3), nn.LSTM(3, 3), nn.GRU(3, 3)

class Double(nn.Module):
    def forward(self, x: NDArray[np.float32]) -> float:
        return float(x.sum())

double = Double()
"""
WRONG = {"t.view(3)": "view", "tl.cat([t])": "cat", "nn.LSTM(3, 3, activation='tan')": "activation"}


def short(revealed: str) -> str:
    """A type without the modules of its names, and without what is in an array."""
    name = re.sub(r"[A-Za-z_]\w*\.(?=[A-Za-z_])", "", revealed)
    name = re.sub(r"tuple\[[\w, ]*fallback=(\w+)\]", r"\1", name)  # mypy's way to say: a NamedTuple
    return "ndarray" if name.startswith("ndarray[") else name


@pytest.fixture
def checked(tmp_path: Path) -> Path:
    lines = [*SNIPPET.splitlines(), *(f"reveal_type({text})" for text in TYPES), *WRONG]
    path = tmp_path / "snippet.py"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def run(*command: str, cwd: Path) -> str:
    settings = {**os.environ, "PYTHONPATH": str(HOME)}
    if HOME.name != "site-packages":  # an installed package is found without it, and mypy does not want it there
        settings["MYPYPATH"] = str(HOME)
    return subprocess.run(command, cwd=cwd, env=settings, capture_output=True, text=True, timeout=180).stdout


def test_mypy(checked: Path):
    pytest.importorskip("mypy", reason="a type checker, for developers")
    out = run(
        sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent", checked.name, cwd=checked.parent
    )
    assert [short(kind) for kind in re.findall(r'Revealed type is "(.*)"', out)] == [*TYPES.values()]
    errors = re.findall(r"error: (.*)", out)
    assert all(f'"{word}"' in error for word, error in zip(WRONG.values(), errors, strict=True)), errors


@pytest.mark.skipif(shutil.which("pyright") is None, reason="another type checker")
def test_pyright(checked: Path):
    report = json.loads(
        run("pyright", "--outputjson", "--pythonpath", sys.executable, checked.name, cwd=checked.parent)
    )
    notes = {
        kind: [n["message"] for n in report["generalDiagnostics"] if n["severity"] == kind]
        for kind in ("information", "error")
    }
    assert [short(re.search(r' is "(.*)"$', text)[1]) for text in notes["information"]] == [*TYPES.values()]
    assert all(f'"{word}"' in error for word, error in zip(WRONG.values(), notes["error"], strict=True)), notes["error"]


def test_the_types_are_what_comes_out():
    a = np.ones((3, 3), np.float32)
    names = {"tl": tl}
    exec(SNIPPET.replace("np.ones((3, 3)", "np.ones((1, 3, 3)"), names)  # a batch of one: layers take sequences
    names |= {"a": a, "t": tl.Tensor(a, requires_grad=True)}
    for text, expected in TYPES.items():
        inputs = {"a": a[None], "t": tl.Tensor(a[None])} if text.startswith(("lstm(", "gru(")) else {}
        value = eval(text.replace("lengths=[1]", "lengths=np.array([2])"), names | inputs)
        assert type(value).__name__ == expected.split("[")[0].split(" ")[0] or (
            expected == "ndarray" and isinstance(value, np.generic)
        )


def test_completion():
    jedi = pytest.importorskip("jedi", reason="what editors complete with")

    def completed(text: str) -> set[str]:
        return {c.name for c in jedi.Script(f"import tinygrad_lstm as tl\nt = tl.Tensor(1.0)\n{text}").complete()}

    assert {"tanh", "trace", "fit", "nn"} <= completed("tl.")
    assert {"reshape", "sum", "grad"} <= completed("t.") and {"reshape", "dtype"} <= completed("tl.tanh(t).")
    alive = {c.name for c in jedi.Interpreter("t.", [{"t": tl.Tensor(1.0)}]).complete()}
    assert {"reshape", "shape"} <= alive and not {"view", "cpu"} & alive


@pytest.mark.parametrize("layer", [tl.nn.LSTM, tl.nn.GRU, tl.nn.RNN])
def test_completion_of_a_layer(layer):
    jedi = pytest.importorskip("jedi", reason="what editors complete with")
    lstm = layer(3, 4, rng=np.random.default_rng(0))
    out = lstm(np.ones((1, 2, 3), np.float32))
    names = {"lstm": lstm, "out": out, "layer": layer, "nn": tl.nn}

    def alive(text: str) -> set[str]:
        return {c.name for c in jedi.Interpreter(text, [names]).complete()}

    assert {"forward", "parameters", "state_dict", "cells", "fused"} <= alive("lstm.")
    assert {"h", "C", "last", "steps", "as_torch"} <= alive("out.")
    assert {"h", "detach"} <= alive("out.last.") and "h" in alive("out.steps[0].")
    (signature,) = jedi.Interpreter("layer(", [names]).get_signatures()
    shown = {p.name for p in signature.params}
    assert {"input_size", "hidden_size", "num_layers", "activation", "recurrent_initializer", "rng"} <= shown
    written = f"import tinygrad_lstm as tl\ntl.nn.{layer.__name__}("
    (signature,) = jedi.Script(written).get_signatures()
    assert {"hidden_size", "num_layers", "bidirectional", "activation"} <= {p.name for p in signature.params}


def test_ipython_shows_a_layers_own_arguments():
    oinspect = pytest.importorskip("IPython.core.oinspect", reason="what a notebook shows for lstm?")
    themed = "theme_name" in inspect.signature(oinspect.Inspector).parameters  # IPython 9
    inspector = oinspect.Inspector(**({"theme_name": "nocolor"} if themed else {}))
    shown = inspector.info(tl.nn.LSTM, "nn.LSTM")
    assert "forget_bias" in shown["init_definition"] or "forget_bias" in shown["definition"]
    shown = inspector.info(tl.nn.LSTM(3, 4), "lstm")
    assert "lengths" in (shown["call_def"] or "") + (shown["definition"] or "")
    assert "LSTM(3 → 4)" in shown["string_form"]


def test_signatures_and_help():
    signature = str(inspect.signature(tl.sum))
    assert signature == "(x, *, axis=None, keepdims=False)" and str(inspect.signature(tl.concat)) == "(*xs, axis=-1)"
    assert "Σ x over the axes" in inspect.getdoc(tl.sum) and repr(tl.tanh) == "<op tanh(x)>"
    assert "<op tanh(x)>" in pydoc.render_doc(tl.tanh) and "y = tanh x" in pydoc.render_doc(tl.tanh)
