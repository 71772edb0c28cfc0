"""The session: messages in, plain data out. It does not know who carries them: a browser's worker, or a server."""

from __future__ import annotations

import inspect
import json
import logging
import warnings
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Literal

from ..compile import CannotCompile, source
from ..exchange.safe import parsed
from .cellcode import TRIED, at_its_line, compiled, shapes
from .learner import HIDDEN, Learner, Recipe, cell_drawing, choice
from .levers import Levers
from .measured import microscope, seen, sentence, told
from .offers import OFFERS, TEXT, TITLES, Read, code_of
from .takeaway import KINDS, Inquiry, exported
from .wordings import (
    LANGS,
    MISSING,
    NO_MESSAGE,
    NO_NET,
    NOT_JSON,
    PANIC,
    SLOW,
    TOO_LONG,
    TOO_MANY,
    UNKNOWN_FIELD,
    LabError,
    Lang,
    TookTooLong,
)

log = logging.getLogger(__name__)
WORDS = 64  # steps of a text that is asked about
MESSAGE = 200_000  # characters of a message
NETS = ("a", "b")


class Session:
    """What a page of the lab talks to: up to two nets, "a" and "b", and the language in which it answers.

    A message is {"id": …, "do": name, …arguments}, its answer {"id": …, "ok": …} or {"id": …, "error": {"message",
    "line", "field"}}: one sentence, the line of the user's code that is to blame, or the argument that is. Each method
    do_NAME answers the messages of that name; its keywords are their arguments. All is plain data, ready for JSON;
    numbers that are not finite are None.

    Args:
        engine: where this Python runs: "local", or "pyodide" for a browser.
    """

    def __init__(self, engine: Literal["local", "pyodide"] = "local") -> None:
        self.engine = engine
        self.lang: Lang = "en"
        self.nets: dict[str, Learner] = {}
        self.asked: dict[str, Any] = {}

    def answer_text(self, message: str) -> str:
        """The answer to a message, both as JSON text: what a carrier that knows no Python needs."""
        try:
            if len(message) > MESSAGE:
                raise LabError(TOO_LONG, field="message", most=MESSAGE, n=len(message))
            asked = parsed(message)
        except LabError as exc:
            return json.dumps({"id": None, "error": self._error(exc)}, ensure_ascii=False)
        except ValueError as exc:
            return json.dumps({"id": None, "error": self._error(LabError(NOT_JSON, why=exc))}, ensure_ascii=False)
        return json.dumps(self.answer(asked), ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def answer(self, message: Any) -> dict[str, Any]:
        """The answer to a message. It never raises: whatever goes wrong is an answer, too."""
        me = message.get("id") if isinstance(message, Mapping) else None
        try:
            return {"id": me, "ok": self._done(message)}
        except LabError as exc:
            return {"id": me, "error": self._error(exc)}
        except TookTooLong:
            return {"id": me, "error": self._error(LabError(SLOW))}
        except (ValueError, RuntimeError, ImportError, OSError) as exc:  # the package's own, which say what to do
            return {"id": me, "error": {"message": " ".join(str(exc).split()), "line": None, "field": None}}
        except Exception as exc:
            log.exception("a message was not answered")
            return {"id": me, "error": self._error(LabError(PANIC, kind=type(exc).__name__, why=exc))}

    def _error(self, exc: LabError) -> dict[str, Any]:
        return {"message": exc.said(self.lang), "line": exc.line, "field": exc.field}

    def _done(self, message: Any) -> Any:
        """Find the method by its name, hold its arguments against its keywords, and collect what it warns of."""
        methods = {name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")}
        do = message.get("do") if isinstance(message, Mapping) else None
        if do not in methods:
            raise LabError(NO_MESSAGE, field="do", known=", ".join(methods))
        given = {name: value for name, value in message.items() if name not in ("id", "do")}
        parameters = inspect.signature(methods[do]).parameters
        for name in given:
            if name not in parameters and "settings" not in parameters:
                raise LabError(UNKNOWN_FIELD, field=str(name), do=do, known=", ".join(parameters) or "–")
        for name, p in parameters.items():
            if p.default is p.empty and p.kind is p.KEYWORD_ONLY and name not in given:
                raise LabError(MISSING, field=name, do=do)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            with at_its_line():
                done = methods[do](**given)
        if said := [str(w.message) for w in caught if issubclass(w.category, UserWarning)]:
            done["notes"] = [*done.get("notes", []), *said]
        return done

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
                   "settings": dict(offer.settings), "net": dict(offer.net)}
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
        return {
            "parameters": sum(p.size for p in learner.model.parameters()),
            "words": list(learner.offer.task.vocabulary or ()),
            "examples": learner.offer.examples,
            "picture": learner.picture(),
            "baseline": learner.offer.baseline(),
            "reach": learner.reach(),
            "settings": vars(learner.recipe),
            "notes": learner.offer.task.notes(),
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
            "target": None if names is None or target is None else names[target],
            "sentence": sentence(learner, read, pulled, shown, plain, self.lang),
            "plain": usual,
            "notes": list(read.notes),
        }

    def do_microscope(self, *, net: str, text: str, levers: Any = None) -> dict[str, Any]:
        """The complete page of a question; with levers both ways stand in it, on one scale."""
        learner, read, pulled = self._question(net, text, levers)
        return {"html": microscope(learner, read, pulled, learner.target(read)).html()}

    def do_compile(self, *, code: str, base: str = "lstm") -> dict[str, Any]:
        """The picture of a cell's code, its backward pass as a program, and its parameters with their shapes."""
        cell = compiled(code, base)
        own = cell.kind(*TRIED, rng=0)
        try:
            text, note = source(own, lang=self.lang), None
        except CannotCompile as exc:
            text, note = None, str(exc)
        picture = cell_drawing(cell.layer(*TRIED, cell=cell.kind, rng=0)).svg()
        return {"picture": picture, "source": text, "parameters": shapes(cell), "notes": [note] if note else []}

    def do_export(self, *, net: str, kind: str, state: Any = None) -> dict[str, Any]:
        """A file to take along, of a net and its last question (or that of a state): see `takeaway`."""
        choice(kind, "kind", KINDS)
        ask = state.get("ask") if isinstance(state, Mapping) else self.asked
        if not ask:
            return exported(self._net(net), kind, None, self.lang)
        learner, read, levers = self._question(net, ask.get("text"), ask.get("levers"))
        return exported(learner, kind, Inquiry(ask["text"], read, levers), self.lang)

    def do_state(self) -> dict[str, Any]:
        """All that makes the same again: each net's settings and steps, the last question, the language."""
        nets = {name: {**vars(learner.recipe), "steps": learner.steps} for name, learner in self.nets.items()}
        return {"lang": self.lang, "nets": nets, "ask": self.asked}

    def do_restore(self, *, state: Any) -> dict[str, Any]:
        """Make, train and ask as a state says; the same numbers again."""
        if not isinstance(state, Mapping) or not isinstance(state.get("nets"), Mapping):
            raise LabError(MISSING, field="state.nets", do="restore")
        choice(state.get("lang", "en"), "state.lang", LANGS)
        self.lang = "zh" if state.get("lang") == "zh" else "en"
        self.nets, made = {}, {}
        for net, recipe in state["nets"].items():
            if not isinstance(recipe, Mapping):
                raise LabError(MISSING, field=f"state.nets.{net}.task", do="restore")
            steps = recipe.get("steps", 0)
            made[net] = {"made": self.do_make(net=net, **{k: v for k, v in recipe.items() if k != "steps"})}
            made[net]["trained"] = self.do_train(net=net, steps=steps)
            if (ask := state.get("ask")) and ask.get("text"):
                made[net]["asked"] = self.do_ask(net=net, text=ask["text"], levers=ask.get("levers"))
        return {"nets": made}

    def _question(self, net: Any, text: Any, levers: Any) -> tuple[Learner, Read, Levers]:
        """What a net is asked. Raises LabError and TaskError."""
        learner = self._net(net)
        if not isinstance(text, str) or len(text) > TEXT:
            raise LabError(TOO_LONG, field="text", most=TEXT, n=len(str(text)))
        read = learner.offer.read(text, self.lang)
        if len(read.words) > WORDS:
            raise LabError(TOO_MANY, field="text", most=WORDS, n=len(read.words))
        return learner, read, Levers.of(levers, len(read.words))
