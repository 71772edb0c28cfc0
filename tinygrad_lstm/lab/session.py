"""The session: messages in, plain data out. It does not know who carries them: a browser's worker, or a server."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any, Literal

from .. import nn
from ..compile import CannotCompile, source
from .cellcode import TRIED, compiled, shapes
from .learner import HIDDEN, STEPS, Learner, Recipe, cell_drawing, choice, number
from .levers import Levers, unbounded
from .measured import microscope, seen, sentence, side_by_side, told
from .messages import Messages
from .offers import OFFERS, TEXT, TITLES, Read, code_of
from .takeaway import KINDS, Inquiry, exported
from .wordings import (
    LANGS,
    MISSING,
    NO_NET,
    OTHER_STEPS,
    TOO_LONG,
    TOO_MANY,
    LabError,
)

WORDS = 64  # steps of a text that is asked about
LONGEST = 20_000  # training steps in a state
NETS = ("a", "b")


class Session(Messages):
    """What a page of the lab talks to: up to two nets, "a" and "b", and the language in which it answers.

    Each method do_NAME answers the messages of that name: see `Messages`. Numbers that are not finite are None.

    Args:
        engine: where this Python runs: "local", or "pyodide" for a browser.
    """

    def __init__(self, engine: Literal["local", "pyodide"] = "local") -> None:
        self.engine = engine
        self.nets: dict[str, Learner] = {}
        self.asked: dict[str, Any] = {}

    def _net(self, net: Any) -> Learner:
        choice(net, "net", NETS)
        if net not in self.nets:
            raise LabError(NO_NET, field="net", net=net)
        return self.nets[net]

    # — messages —

    def do_hello(self, *, lang: str = "en") -> dict[str, Any]:
        """Who is here, in the language that is used from now on: cells, tasks and limits."""
        choice(lang, "lang", LANGS)
        self.lang = "zh" if lang == "zh" else "en"
        cells = {name: {"title": title.said(self.lang), "code": code_of(name)} for name, title in TITLES.items()}
        tasks = {
            name: {"title": offer.title.said(self.lang), "needs_text": offer.needs_text, "text": offer.text,
                   "settings": dict(offer.settings), "most": dict(offer.most), "net": dict(offer.net)}
            for name, offer in OFFERS.items()
        }  # fmt: skip
        return {
            "version": metadata.version("tinygrad-lstm"), "engine": self.engine, "cells": cells, "tasks": tasks,
            "limits": {"words": WORDS, "hidden": HIDDEN, "text": TEXT},
        }  # fmt: skip

    def do_make(self, *, net: str, **settings: Any) -> dict[str, Any]:
        """A new net, "a" or "b", by the settings of a `Recipe`."""
        choice(net, "net", NETS)
        for name in settings:
            choice(name, "make", tuple(Recipe.__dataclass_fields__))
        learner = self.nets[net] = Learner(Recipe.of(settings))
        picture, note = pictured(learner.model.rnn)
        return {
            "parameters": sum(p.size for p in learner.model.parameters()),
            "words": list(learner.offer.task.vocabulary or ()),
            "examples": learner.offer.examples,
            "picture": picture,
            "baseline": learner.offer.baseline(),
            "reach": learner.reach(),
            "settings": vars(learner.recipe),
            "notes": [*learner.offer.task.notes(), *unbounded(learner.recipe.gate_activation, self.lang), *note],
        }

    def do_train(self, *, net: str, steps: int) -> dict[str, Any]:
        """Some more steps: the loss of each, accuracies, and how far the gradient reaches back now."""
        return self._net(net).train(steps)

    def do_ask(self, *, net: str, text: str, levers: Any = None) -> dict[str, Any]:
        """What the net answers after a text, and what goes back from it; `plain` is the same without the levers."""
        learner, read, pulled = self._question(net, text, levers)
        target = learner.target(read)
        plain = seen(learner, read, Levers(), target)
        shown = seen(learner, read, pulled, target) if pulled else plain
        names = learner.offer.task.answers
        self.asked = {"text": text, "levers": dict(levers or {})}
        usual = told(learner, read, plain)
        return {
            "words": read.words,
            **(told(learner, read, shown) if pulled else usual),
            "target": None if names is None or target is None else learner.offer.shown(names[target]),
            "sentence": sentence(learner, read, pulled, shown, plain, self.lang),
            "plain": usual,
            "notes": [*read.notes, *unbounded(pulled.gate_activation, self.lang)],
        }

    def do_microscope(self, *, net: str, text: str, levers: Any = None, beside: str | None = None) -> dict[str, Any]:
        """The complete page of a question; with levers both ways stand in it, on one scale.

        `beside` is another net that is asked the same: then both stand in it, each with the levers.
        """
        learner, read, pulled = self._question(net, text, levers)
        if beside is None:
            return {"html": microscope(learner, read, pulled, learner.target(read)).html()}
        other, same, _ = self._question(beside, text, levers)
        if len(same.words) != len(read.words):
            raise LabError(OTHER_STEPS, field="beside", one=len(read.words), other=len(same.words))
        nets = {f"{name} · {one.cell}": (one, pulled, one.target(one_read))
                for name, one, one_read in ((net, learner, read), (beside, other, same))}  # fmt: skip
        return {"html": side_by_side(nets, read).html()}

    def do_compile(self, *, code: str, base: str = "lstm") -> dict[str, Any]:
        """The picture of a cell's code, its backward pass as a program, and its parameters with their shapes."""
        cell = compiled(code, base)
        own = cell.kind(*TRIED, rng=0)
        picture, notes = pictured(cell.layer(*TRIED, cell=cell.kind, rng=0))
        try:
            text = source(own, lang=self.lang)
        except CannotCompile as exc:
            text, notes = None, [*notes, str(exc)]
        return {"picture": picture, "source": text, "parameters": shapes(cell), "notes": notes}

    def do_export(self, *, net: str, kind: str, state: Any = None) -> dict[str, Any]:
        """A file to take along, of a net and its last question (or that of a state): see `takeaway`."""
        choice(kind, "kind", KINDS)
        ask = state.get("ask") if isinstance(state, Mapping) else self.asked
        if not ask or not isinstance(ask, Mapping):
            return exported(self._net(net), kind, None, self.lang)
        learner, read, levers = self._question(net, ask.get("text"), ask.get("levers"))
        return exported(learner, kind, Inquiry(ask["text"], read, levers), self.lang)

    def do_state(self) -> dict[str, Any]:
        """All that makes the same again: each net's settings and steps, the last question, the language."""
        nets = {name: {**vars(learner.recipe), "steps": learner.steps} for name, learner in self.nets.items()}
        return {"lang": self.lang, "nets": nets, "ask": self.asked}

    def do_restore(self, *, state: Any) -> dict[str, Any]:
        """Make, train and ask as a state says: the same numbers again, with those of the last steps under "trained"."""
        if not isinstance(state, Mapping) or not isinstance(state.get("nets"), Mapping):
            raise LabError(MISSING, field="state.nets", do="restore")
        choice(state.get("lang", "en"), "state.lang", LANGS)
        before, self.nets = (self.lang, self.nets), {}
        try:
            self.lang = "zh" if state.get("lang") == "zh" else "en"
            return {
                "nets": {net: self._restored(net, recipe, state.get("ask")) for net, recipe in state["nets"].items()}
            }
        except Exception:  # then all is as it was
            self.lang, self.nets = before
            raise

    def _restored(self, net: str, recipe: Any, ask: Any) -> dict[str, Any]:
        """One net of a state. What cannot be asked of this net, as an erasure of an RNN, is an error in its place."""
        if not isinstance(recipe, Mapping):
            raise LabError(MISSING, field=f"state.nets.{net}.task", do="restore")
        steps = recipe.get("steps", 0)
        number(steps, f"state.nets.{net}.steps", 0, LONGEST, whole=True, needed=True)
        done = {"made": self.do_make(net=net, **{k: v for k, v in recipe.items() if k != "steps"})}
        for portion in [STEPS] * (steps // STEPS) + [steps % STEPS]:
            done["trained"] = self.do_train(net=net, steps=portion)
        if isinstance(ask, Mapping) and ask.get("text"):
            reply = self.answer({"do": "ask", "net": net, "text": ask["text"], "levers": ask.get("levers")})
            done["asked"] = reply.get("ok") or {"error": reply["error"]}
        return done

    def _question(self, net: Any, text: Any, levers: Any) -> tuple[Learner, Read, Levers]:
        """What a net is asked. Raises LabError and TaskError."""
        learner = self._net(net)
        if not isinstance(text, str) or len(text) > TEXT:
            raise LabError(TOO_LONG, field="text", most=TEXT, n=len(str(text)))
        read = learner.offer.read(text, self.lang)
        if len(read.words) > WORDS:
            raise LabError(TOO_MANY, field="text", most=WORDS, n=len(read.words))
        return learner, read, Levers.of(levers, len(read.words))


def pictured(layer: nn.Recurrent[Any]) -> tuple[str | None, list[str]]:
    """One step of a layer's cell as SVG; where that cannot be drawn None, and why."""
    try:
        return cell_drawing(layer).svg(), []
    except (ValueError, RuntimeError) as exc:
        return None, [str(exc)]
