"""Messages to an object: each finds its method by name, and whatever goes wrong is an answer, too."""

from __future__ import annotations

import inspect
import json
import logging
import re
import warnings
from collections.abc import Mapping
from typing import Any

from ..exchange.safe import parsed
from .cellcode import at_its_line
from .wordings import (
    MISSING,
    NO_MESSAGE,
    NOT_JSON,
    PANIC,
    SLOW,
    TOO_LONG,
    UNKNOWN_FIELD,
    LabError,
    Lang,
    TookTooLong,
)

log = logging.getLogger(__name__)
MESSAGE = 200_000  # characters of a message
HALF = re.compile("[\ud800-\udfff]")  # half of a pair, which no encoding can carry


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


class Messages:
    """What answers messages. Subclasses have a method do_NAME for each; its keywords are the message's arguments.

    A message is {"id": …, "do": name, …arguments}, its answer {"id": …, "ok": …} or {"id": …, "error": {"message",
    "line", "field"}}: one sentence, and the line of the user's code or the argument that is to blame. All is plain
    data, ready for JSON.
    """

    lang: Lang = "en"

    def answer_text(self, message: str) -> str:
        """The answer to a message, both as JSON text: what a carrier that knows no Python needs."""
        try:
            if len(message) > MESSAGE:
                raise LabError(TOO_LONG, field="message", most=MESSAGE, n=len(message))
            answer = self.answer(parsed(message, parse_constant=_refused))
        except LabError as exc:
            answer = {"id": None, "error": self._error(exc)}
        except ValueError as exc:
            answer = {"id": None, "error": self._error(LabError(NOT_JSON, why=exc))}
        text = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text if text.isascii() or not HALF.search(text) else json.dumps(answer, allow_nan=False)

    def answer(self, message: Any) -> dict[str, Any]:
        """The answer to a message. It never raises: whatever goes wrong is an answer, too."""
        given = message.get("id") if isinstance(message, Mapping) else None
        me = given if isinstance(given, str | int) else None
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
        if not isinstance(do, str) or do not in methods:
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
        said = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
        if said := [text for text in said if not text.startswith("recurrent_activation=")]:  # see `unbounded`
            done["notes"] = [*done.get("notes", []), *said]
        return done
