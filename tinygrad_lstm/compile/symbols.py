"""Arrays that write down what is done to them: an op's forward function and its rules, run on these, become text."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import lru_cache, partialmethod
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..numerics import is_basic, unpacked
from ..tensor import Array

OPERATORS = {
    "negative": "-", "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**",
    "bitwise_and": "&", "bitwise_or": "|", "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=",
    "greater": ">", "greater_equal": ">=",
}  # fmt: skip


class CannotCompile(ValueError):
    """A step, or an op in it, does what cannot be written as straight-line code; the message says which line."""


class Expr(NamedTuple):
    """A formula: a template, and what stands in its gaps.

    A formula without a template is a name that is not chosen yet: `leaf` says what for.
    """

    template: str = ""
    parts: tuple[Any, ...] = ()
    leaf: Any = None

    def leaves(self) -> list[Any]:
        """What the formula is made from, as often as it stands there."""
        return [self.leaf] if self.leaf else [leaf for part in self.parts for leaf in part.leaves()]

    def text(self, name: Callable[[Any], str]) -> str:
        """The formula as text, with no more brackets than it needs; `name` gives that of each leaf."""
        return tidy(self._filled(name))

    def _filled(self, name: Callable[[Any], str]) -> str:
        if self.leaf:
            return name(self.leaf)
        texts = ((part._filled(name), part) for part in self.parts)  # a slice cannot stand in brackets
        return self.template.format(*(f"({t})" if part.parts or ":" not in t else t for t, part in texts))

    @property
    def is_simple(self) -> bool:
        """Whether it is one operation on names and numbers, and no formula of formulas."""
        return all(not part.parts or part.template[0] in "([" for part in self.parts)


@lru_cache(1024)
def tidy(text: str) -> str:
    return text if text.isidentifier() else ast.unparse(ast.parse(text, mode="eval"))


class Symbol(NDArrayOperatorsMixin):
    """An example array and the formula that made it. What NumPy does with it makes the next one.

    Raises CannotCompile where a number is asked for, since a formula has none.
    """

    __hash__ = object.__hash__

    def __init__(self, array: Array, expr: Expr, rows: int) -> None:
        self.array, self.expr, self.rows = np.asarray(array), expr, rows

    shape, ndim, size = (property(attrgetter(f"array.{name}")) for name in ("shape", "ndim", "size"))
    dtype = property(lambda self: Expr("{}.dtype", (self.expr,)))  # only handed on, to `.astype`
    T = property(lambda self: Symbol(self.array.T, Expr("{}.T", (self.expr,)), self.rows))

    def __len__(self) -> int:
        return len(self.array)

    def __bool__(self) -> bool:
        raise CannotCompile("it asks for a number, to decide or to count by it")

    __float__ = __int__ = __index__ = __bool__

    def __getitem__(self, index: Any) -> Symbol:
        template, parts, _ = index_of(index, self.rows)
        expr = Expr("{}" + template[template.index("[") :], (self.expr, *parts))
        return Symbol(self.array[index], expr, self.rows)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Symbol:
        if method != "__call__" or "out" in settings:
            raise CannotCompile(f"np.{ufunc.__name__} writes into an array")
        if ufunc.__name__ not in OPERATORS:
            return self.__array_function__(ufunc, (), inputs, settings)
        sign, parts = OPERATORS[ufunc.__name__], tuple(written(x, self.rows) for x in inputs)
        expr = Expr(f"{{}} {sign} {{}}" if len(inputs) == 2 else f"{sign}{{}}", parts)
        return Symbol(ufunc(*map(_arrays, inputs), **settings), expr, self.rows)

    def __array_function__(self, function: Any, types: Any, inputs: Any, settings: dict[str, Any]) -> Symbol:
        expr = call(f"np.{function.__name__}", inputs, _told(settings), self.rows)
        return Symbol(function(*map(_arrays, inputs), **settings), expr, self.rows)

    def _method(self, name: str, *inputs: Any, **settings: Any) -> Symbol:
        expr = call("{}." + name, inputs, _told(settings), self.rows, self.expr)
        return Symbol(getattr(self.array, name)(*inputs, **settings), expr, self.rows)

    sum, max = partialmethod(_method, "sum"), partialmethod(_method, "max")
    squeeze = partialmethod(_method, "squeeze")

    def reshape(self, *shape: Any) -> Symbol:
        return self._method("reshape", *unpacked(shape))

    def swapaxes(self, a: int, b: int) -> Symbol:
        return self.T if self.ndim == 2 and {a % 2, b % 2} == {0, 1} else self._method("swapaxes", a, b)

    def transpose(self, axes: Any = None) -> Symbol:
        return self.T if axes is None else self._method("transpose", axes)

    def astype(self, dtype: Any) -> Symbol:
        array = self.array.astype(np.float64 if isinstance(dtype, Expr) else dtype)
        return Symbol(array, call("{}.astype", (dtype,), {}, self.rows, self.expr), self.rows)


def _told(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of NumPy's but those that have no effect."""
    return {key: value for key, value in settings.items() if value is not None and value is not False}


def call(function: str, inputs: Any, settings: dict[str, Any], rows: int, *of: Expr) -> Expr:
    """`f(x, axis=1)`; `{}.f` is a method of a formula."""
    gaps = ", ".join(["{}"] * len(inputs) + [f"{key}={{}}" for key in settings])
    parts = tuple(written(x, rows) for x in (*inputs, *settings.values()))
    return Expr(f"{function}({gaps})", (*of, *parts))


def index_of(index: Any, rows: int) -> Expr:
    """`_[:, 0]`, or `np.s_[…]` where it may have a place twice."""
    inside = index if isinstance(index, tuple) and index else (index,)
    template = f"{'_' if is_basic(index) else 'np.s_'}[{', '.join(['{}'] * len(inside))}]"
    return Expr(template, tuple(written(part, rows) for part in inside))


def written(x: Any, rows: int) -> Expr:
    """What stands in a formula: a symbol's own, a number, an index or a list of these; so many rows are `len(x)`."""
    if isinstance(x, Symbol | Expr):
        return x.expr if isinstance(x, Symbol) else x
    if isinstance(x, list | tuple):
        parts = tuple(written(part, rows) for part in x)
        inside = ", ".join(["{}"] * len(parts)) + "," * (isinstance(x, tuple) and len(parts) == 1)
        return Expr(f"[{inside}]" if isinstance(x, list) else f"({inside})", parts)
    if isinstance(x, slice):
        from_first = x.start == 0 and x.step is None
        ends = [None if from_first else x.start, x.stop] + [x.step] * (x.step is not None)
        return Expr(":".join("" if end is None else _number(end, rows) for end in ends))
    if isinstance(x, np.ndarray) and x.ndim:
        return Expr(f"np.array({x.tolist()})")
    text = "..." if x is Ellipsis else f"np.{x}" if isinstance(x, np.dtype) else _number(x, rows)
    return Expr(text.replace("{", "{{").replace("}", "}}"))


def _number(x: Any, rows: int) -> str:
    """A number as it is written: the shortest text that gives it back, in its own precision."""
    x = x[()] if isinstance(x, np.ndarray) else x
    if isinstance(x, int | np.integer) and not isinstance(x, bool):
        return "len(x)" if x == rows else str(x)
    if isinstance(x, float | np.floating):
        if not np.isfinite(x):
            return f'float("{x}")'
        return str(int(x)) if float(x).is_integer() and abs(float(x)) < 1e6 else str(x)
    if x is None or isinstance(x, bool | np.bool_ | str):
        return repr(x)
    raise CannotCompile(f"source: {x!r:.60} is no number, so it has no place in a formula.")


def _arrays(x: Any) -> Any:
    """The same with the example arrays in place of symbols, in lists and tuples too."""
    if isinstance(x, list | tuple):
        return type(x)(map(_arrays, x))
    return x.array if isinstance(x, Symbol) else x
