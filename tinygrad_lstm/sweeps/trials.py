"""One trial: a run with its settings and its seed, and what came of it. As a line of JSON it is a row of a file."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # for what JSON has no number, as in protobuf's
FIRST = b'{"key": "'  # how every row begins


@dataclass(frozen=True)
class Trial:
    """One row of a sweep.

    Attributes:
        name: of the function that was run.
        settings, seed: what it was given.
        versions: of what decides its numbers: tinygrad_lstm, NumPy, and what the caller has added.
        result: what it returned, a table of names and values; None where it failed.
        error: "type", "message" and "traceback" of what it raised; None where it did not.
        seconds: how long it took.
    """

    name: str
    settings: dict[str, Any]
    seed: int
    versions: dict[str, str]
    result: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    seconds: float = 0.0

    @cached_property
    def key(self) -> str:
        """A digest of name, settings, seed and versions: two trials of one key would give the same numbers."""
        asked = _canonical([self.name, self.settings, self.seed, self.versions])
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def solved(self) -> bool:
        """Whether its result says so; what failed is not solved."""
        return bool(self.result and self.result.get("solved"))

    def line(self) -> bytes:
        """The row, with its line break."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        if self.result is not None:
            fields["result"] = _worded(self.result)
        return json.dumps({"key": self.key, **fields}, ensure_ascii=False, allow_nan=False).encode() + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Self:
        """The trial of a row. Raises ValueError, with the reason, where the line is none."""
        try:
            fields = json.loads(line)
            key = fields.pop("key")
            if isinstance(fields.get("result"), dict):
                fields["result"] = _numbered(fields["result"])
            trial = cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise ValueError("it is none of a sweep's rows") from None
        if not (isinstance(trial.settings, dict) and (isinstance(trial.result, dict) or isinstance(trial.error, dict))):
            raise ValueError("it lacks settings, or what came of them")
        if key != trial.key:
            raise ValueError("its key does not belong to its settings: somebody has changed them")
        return trial


def plain(value: Any, where: str) -> Any:
    """A value as JSON holds it: NumPy's become Python's. Raises TypeError, beginning with `where`, for what is none."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [plain(part, where) for part in value]
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: plain(part, f"{where}.{name}") for name, part in value.items()}
    raise TypeError(
        f"{where} is of the type {type(value).__name__}, which no line of JSON holds. Give numbers, texts, or lists "
        "and tables of them; for a function or an object its name, and look that up in the run."
    )


def _canonical(value: Any) -> Any:
    """The same value in one writing alone: 1.0 is 1."""
    if isinstance(value, list):
        return [_canonical(part) for part in value]
    if isinstance(value, dict):
        return {name: _canonical(part) for name, part in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _worded(value: Any) -> Any:
    if isinstance(value, list):
        return [_worded(part) for part in value]
    if isinstance(value, dict):
        return {name: _worded(part) for name, part in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _numbered(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbered(part) for part in value]
    if isinstance(value, dict):
        return {name: _numbered(part) for name, part in value.items()}
    return WORDS.get(value, value) if isinstance(value, str) else value
