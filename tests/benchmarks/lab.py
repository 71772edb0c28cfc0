"""How soon the lab answers, here or in a browser's Python: one file for both, so that they can be compared.

    pytest -s tests/benchmarks/lab.py
    node tests/pyodide/run.mjs DIR -s benchmarks/lab.py      # DIR as prepare.sh has laid it out
"""

from __future__ import annotations

import sys
from statistics import median
from time import perf_counter
from typing import Any

from tinygrad_lstm.lab import Session
from tinygrad_lstm.lab.offers import code_of

TEXT = "mary very quickly opened her car and then peter found the clock"  # twelve words
NETS = {
    "pronouns, LSTM of 12": {"task": "pronouns", "cell": "lstm"},
    "pronouns, RNN of 12": {"task": "pronouns", "cell": "rnn"},
    "pronouns, GRU of 12": {"task": "pronouns", "cell": "gru"},
    "words, LSTM of 16": {"task": "words", "cell": "lstm"},
    "text, LSTM of 64": {"task": "text", "cell": "lstm", "hidden": 64},
}


def done(session: Session, do: str, **arguments: Any) -> dict[str, Any]:
    reply = session.answer({"do": do, **arguments})
    assert "ok" in reply, reply
    ok: dict[str, Any] = reply["ok"]
    return ok


def waited(session: Session, do: str, times: int = 5, **arguments: Any) -> float:
    """Milliseconds until the answer, the median."""
    seconds = []
    for _ in range(times):
        start = perf_counter()
        session.answer_text(_json({"do": do, **arguments}))
        seconds.append(perf_counter() - start)
    return 1000 * median(seconds)


def _json(message: dict[str, Any]) -> str:
    import json

    return json.dumps(message)


def test_how_soon_the_lab_answers() -> None:
    session = Session()
    print(f"\n{sys.platform}, Python {sys.version.split()[0]}")
    for name, settings in NETS.items():
        done(session, "make", net="a", **settings)
        done(session, "train", net="a", steps=20)
        start = perf_counter()
        seconds = done(session, "train", net="a", steps=100)["seconds"]
        whole = perf_counter() - start
        print(f"{name:<24} {100 / seconds:7.0f} steps a second, with the answer to 100 of them {100 / whole:7.0f}")
    done(session, "make", net="a", **NETS["pronouns, LSTM of 12"])
    done(session, "train", net="a", steps=100)
    code, levers = code_of("lstm"), {"f": "frozen at 1", "erase": [0]}
    for what, (do, arguments) in {
        "make": ("make", {"net": "b"}),
        "train, 10 steps": ("train", {"net": "b", "steps": 10}),
        "ask, 12 words": ("ask", {"net": "a", "text": TEXT}),
        "ask with levers": ("ask", {"net": "a", "text": TEXT, "levers": levers}),
        "microscope": ("microscope", {"net": "a", "text": TEXT}),
        "compile": ("compile", {"code": code}),
    }.items():
        print(f"{what:<24} {waited(session, do, **arguments):7.0f} ms")
