"""The view "ledger": each term's way has its own colour, the values are those of the flow, and the rest is faint."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import nn
from tinygrad_lstm.flow.plot import COLOURS
from tinygrad_lstm.graph.capture import Graph
from tinygrad_lstm.graph.ledger_view import SHARED, ways_of

FAINT = "#e9ecef"


def traced(kind=nn.LSTM, hidden=1, T=3, every=True, **settings):
    out = kind(2, hidden, rng=np.random.default_rng(0), **settings).astype(np.float64)(
        np.random.default_rng(1).normal(size=(1, T, 2))
    )
    return tl.trace(out.h.sum() if every else out.last.h.sum())


def coloured(dot):
    """The colours of the wide lines, by what they say on hover: {"f₃ → fC": "#…"}."""
    found = re.findall(r'^\w+ -> \w+ \[id=g\d+.*color="(#\w+)".*tooltip="([^"]*) · ', dot, re.M)
    assert found
    return {hover: colour for colour, hover in found}


def test_every_way_has_its_colour_from_where_it_leaves_the_others():
    trace = traced()
    colours = coloured(tl.draw(trace, view="ledger").dot)
    wanted = {
        "C₂ → fC": "highway", "f₃ → fC": "f", "f ← → f": "f", "[h ; x] → f ←": "f", "i₃ → iC": "i", "i ← → i": "i",
        "C̃₃ → iC": "C̃", "[h ; x] → C̃ ←": "C̃", "o₃ → h": "o", "[h ; x] → o ←": "o", "h → what reads it": "readout",
    }  # fmt: skip
    assert {hover: colours[hover] for hover in wanted} == {hover: COLOURS[name] for hover, name in wanted.items()}
    shared = ("h₂ → [h ; x]", "tanh C → h", "iC → C", "fC → C")
    assert [colours[hover] for hover in shared] == [SHARED] * len(shared)
    assert not any("C₁" in hover or "x₃ →" in hover for hover in colours), "no way of the gradient at C₂ is there"


def test_a_way_ends_where_its_gradient_is_split_by_the_ledger():
    """Summed over the users of h₂ and C₂, what flows along the ways is the gradient: none is missing, none is twice."""
    trace = traced(hidden=3)
    flow, graph = trace.flow("C"), Graph.of(trace)
    ways = ways_of(graph, flow, 3)
    assert set(ways) == set(flow.ledger(3))
    target, h = flow.state(2), flow.state(2, "h")
    into_C = {edge.out.birth for edge in graph.users(target)}
    assert {out for way in ways.values() for x, out in way if x == target.birth} == into_C
    into_h = {edge.out.birth for edge in graph.users(h)}
    assert {out for way in ways.values() for x, out in way if x == h.birth} == into_h
    assert {out for x, out in ways["readout"] if x == h.birth} | {
        out for x, out in ways["f"] if x == h.birth
    } == into_h, "what reads h₂: the loss and [h ; x]"


def test_single_numbers_have_their_sign_and_more_have_norms_and_shares():
    trace = traced()
    ledger = trace.flow("C").ledger(3)
    dot = tl.draw(trace, view="ledger").dot
    for name, term in ledger.items():
        shown = name if name in ("highway", "readout") else f"through {name}"
        assert f'"{shown} {term.item():+.3g}\\l"' in dot
    total = sum(term.item() for term in ledger.values())
    assert f"∂L/∂C₂ = {total:+.3g} is the sum of 6 terms" in dot
    trace = traced(hidden=4)
    ledger = trace.flow("C").ledger(2)
    dot, total = tl.draw(trace, view="ledger", steps=(2, 2)).dot, sum(ledger.values())
    shares = {name: (term * total).sum() / (total * total).sum() for name, term in ledger.items()}
    for name, term in ledger.items():
        assert f"{name} {np.linalg.norm(term):.3g}, {shares[name]:.0%}" in dot
    assert sum(shares.values()) == pytest.approx(1)


def test_a_term_that_is_not_there_has_no_line():
    colours = set(coloured(tl.draw(traced(every=False), view="ledger").dot).values())
    assert COLOURS["readout"] not in colours and COLOURS["highway"] in colours and FAINT not in colours


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"steps": (2, 3)}, r"one step, as in steps=\(3, 3\), not \(2, 3\)"),
        ({"steps": (4, 4)}, "no step 4 whose ledger could be drawn; steps run from 1 to 3"),
        ({"follow": "f"}, r"follow='f' is no state of this LSTM. States: C, h"),
        ({"labels": ["one"]}, "1 labels for 3 steps"),
        ({"backward": False}, "a ledger splits a gradient"),
    ],
)
def test_what_cannot_be_split_is_refused(asked, said):
    with pytest.raises(ValueError, match=said):
        tl.draw(traced().root, view="ledger", **asked)


def test_the_step_before_the_first_and_the_words():
    dot = tl.draw(traced(), view="ledger", steps=(1, 1), labels=["mary", "lost", "her"]).dot
    assert "t = 1 · mary" in dot and "t = 2" not in dot and "∂L/∂C₀ = " in dot
