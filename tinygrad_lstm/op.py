"""What happens: an op is one forward function plus one gradient rule per input, in one place.

    @op("×", "y = a · b", broadcasts=True)
    def mul(a, b): return a * b
    mul.wrt("a", "dy · b", lambda dy, y, a, b: dy * b)

A rule gets dy = dL/dy, the output y, the inputs and the settings, and returns dL/d(input). It may use only what arrays
and Tensors share (operators, `.reshape`, `.swapaxes`, `.sum`, `[]`, other ops): it runs on arrays while training, and
on Tensors when the gradient itself is to be differentiated or drawn.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from .habits import advice
from .numerics import add_at, extent, own
from .scope import anomaly, recording, scope_path
from .tensor import Array, Shape, Tensor, values

Rule = Callable[..., Any]
registry: dict[str, Op] = {}
NUMPY = {"subtract": "sub", "multiply": "mul", "divide": "div", "negative": "neg", "absolute": "abs"}  # else the same
HARMLESS = (  # what these give carries no gradient
    "equal not_equal less less_equal greater greater_equal isfinite isnan isinf signbit shape ndim size count_nonzero "
    "argmax argmin argsort any all allclose isclose array_equal array_repr array_str array2string"
)
OURS = {Tensor.named.__code__.co_filename, __file__}  # a call from these files is made for a caller further out


class Op:
    """A function of arrays whose results, given Tensors, remember how they were made.

    Called with arrays and numbers only, it returns an array; with a Tensor among its inputs, a Tensor. Positional
    arguments are data that may carry gradient, keyword arguments are settings.
    `label` is what the drawing prints in the box, `formulas` what it prints on the edges, `inputs` are their names;
    `broadcasts` says that inputs may be smaller than the output, so that their shares are summed back; `pieces` that
    the op is linear in pieces: which slope it has depends on the inputs, and the slope's own derivative is 0;
    `takes_pieces` that its rule wants the gradient as it came, a `Piece` where no more than one has arrived.
    Raises ValueError, TypeError or IndexError that names the op, the shapes, the scope and the remedy.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        label: str,
        doc: str,
        *,
        broadcasts: bool = False,
        pieces: bool = False,
        hint: str = "",
    ) -> None:
        parameters = inspect.signature(forward).parameters.values()
        self.forward, self.name, self.label = forward, forward.__name__, label
        self.broadcasts, self.pieces, self.takes_pieces, self.hint = broadcasts, pieces, False, hint
        self.inputs = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.__signature__ = inspect.Signature([p.replace(annotation=p.empty) for p in parameters])
        self.signature = f"{self.name}{self.__signature__}"
        self.rules: list[Rule | None] = [partial(_undeclared, self.name, name) for name in self.inputs]
        self.formulas = [""] * len(self.inputs)
        self.joint_rule: Rule | None = None
        self.__name__, self.__module__, self.__doc__ = self.name, forward.__module__, doc or forward.__doc__

    def wrt(self, name: str, formula: str, rule: Rule | None) -> None:
        """Declare the gradient rule of one input, or with None that the input carries no gradient."""
        k = self.inputs.index(name)
        self.rules[k], self.formulas[k] = rule, formula

    def joint(self, formula: str, rule: Rule) -> None:
        """Declare one rule for all inputs, returning a share for each: for ops of many inputs, or with shared work."""
        self.joint_rule, self.formulas = rule, [formula] * len(self.inputs)

    def formula(self, k: int) -> str:
        """The formula of input k's gradient."""
        return self.formulas[0 if self.variadic else k]

    @overload
    def __call__(self, x: Tensor | Sequence[Tensor], /, *rest: Any, **settings: Any) -> Tensor: ...
    @overload
    def __call__(self, x: Any, y: Tensor, /, *rest: Any, **settings: Any) -> Tensor: ...
    @overload
    def __call__(self, condition: Any, x: Any, y: Tensor, /, *rest: Any, **settings: Any) -> Tensor: ...
    @overload
    def __call__(self, *inputs: ArrayLike, **settings: Any) -> Array: ...
    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        arrays, needed = [], False
        for x in inputs:
            if not isinstance(x, Tensor):
                return self._of_others(inputs, settings)
            arrays.append(x._data)
            needed = needed or x.requires_grad
        try:
            y = self.forward(*arrays, **settings)
        except (ValueError, TypeError, IndexError) as exc:
            raise self._explained(exc, arrays, settings) from None
        if type(y) is not np.ndarray:
            y = np.asarray(y)  # NumPy returns a scalar where the shape is ()
        y.setflags(write=False)
        if anomaly.get() and not np.isfinite(y).all():
            ranges = " and ".join(map(extent, arrays))
            raise FloatingPointError(self._where(f"{self.name} made {extent(y)} from {ranges}", arrays, settings))
        tensor = Tensor.__new__(Tensor)
        if needed and recording.get():
            if settings:  # a copy, so that an index array changed later cannot change the gradient
                settings = {key: _frozen(value) for key, value in settings.items()}
            caller: Any = sys._getframe(1)  # whose line it is: `a * b` calls Tensor.__mul__, which calls the op
            while caller.f_code.co_filename in OURS:
                caller = caller.f_back
            return tensor._become(y, True, self, inputs, (y, *arrays), settings, (caller.f_code, caller.f_lasti))
        return tensor._become(y, False)

    def _of_others(self, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """The same where not all inputs are Tensors: an array if none is, else what is none becomes one."""
        if self.variadic and inputs and isinstance(inputs[0], list | tuple):
            if len(inputs) > 1:
                raise TypeError(f"{self.name}: after a list of inputs come settings by name. Use {self.signature}.")
            inputs = tuple(inputs[0])
        if any(isinstance(x, Tensor) for x in inputs):
            return self(*self._adopt(inputs), **settings)
        arrays = [np.asarray(x) if isinstance(x, list | tuple) else x for x in inputs]
        try:
            return self.forward(*arrays, **settings)
        except (ValueError, TypeError, IndexError) as exc:
            raise self._explained(exc, arrays, settings) from None

    def _adopt(self, inputs: Sequence[Any]) -> tuple[Tensor, ...]:
        """Make constants of what is no Tensor: float arrays keep their dtype, all else takes the first Tensor's."""
        first = next(x.dtype for x in inputs if isinstance(x, Tensor))
        dtypes = [None if isinstance(x, np.ndarray) and x.dtype.kind not in "iub" else first for x in inputs]
        try:
            pairs = zip(inputs, dtypes, strict=True)
            return tuple(x if isinstance(x, Tensor) else Tensor.wrap(own(x, dtype)) for x, dtype in pairs)
        except TypeError as exc:
            raise TypeError(self._where(f"{self.name}: {exc}", inputs, {})) from None

    def _explained(self, exc: Exception, inputs: Sequence[Any], settings: dict[str, Any]) -> Exception:
        kind = next(k for k in (ValueError, TypeError, IndexError) if isinstance(exc, k))  # of a subclass, too
        return kind(self._where(f"{self.name}: {exc}", inputs, settings))

    def _where(self, what: str, inputs: Sequence[Any], settings: dict[str, Any]) -> str:
        """An error message: what went wrong, and where, with which shapes, and how the op is used."""
        facts = [f"in {scope_path.get()}"] * bool(scope_path.get()) + [
            "inputs of shape " + ", ".join(str(np.shape(values(x))) for x in inputs),
            *(f"{key}={value!r:.40}" for key, value in settings.items()),
        ]
        return f"{what} ({'; '.join(facts)}). Use {self.signature}. {self.hint}".rstrip()

    def __repr__(self) -> str:
        return f"<op {self.signature}>"

    def __reduce__(self) -> str:
        return self.name  # as of a function: a copy is the op itself, a pickle holds its module and name


def op(
    label: str, doc: str = "", *, broadcasts: bool = False, pieces: bool = False, hint: str = ""
) -> Callable[[Callable[..., Any]], Op]:
    """Make an Op of a forward function and enter it in the registry."""

    def enter(forward: Callable[..., Any]) -> Op:
        registry[forward.__name__] = Op(forward, label, doc, broadcasts=broadcasts, pieces=pieces, hint=hint)
        return registry[forward.__name__]

    return enter


def _undeclared(op: str, name: str, *_: Any, **settings: Any) -> Any:
    raise RuntimeError(
        f"backward: {op} has no rule for the gradient of its input {name}. Declare it: "
        f'{op}.wrt("{name}", formula, rule), with None as the rule if the input carries no gradient.'
    )


def of_numpy(name: str, function: Callable[..., Any], inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """What a function of NumPy gives for Tensors: our op of that name, otherwise an array.

    Raises TypeError where an array would lose a gradient, and for out= and +=, which write into an array.
    """
    if "out" in settings:
        raise TypeError(f"np.{name}: an array cannot take in a Tensor. Make a new one: a = a + t instead of a += t.")
    if ours := registry.get(NUMPY.get(name, name)):
        return ours(*inputs, **settings)
    tensors: list[Tensor] = []
    arrays, options = _arrays(inputs, tensors), {key: _arrays(value, tensors) for key, value in settings.items()}
    for t in tensors:
        if t.requires_grad and name not in HARMLESS.split():
            raise TypeError(
                f"np.{name}: {t.describe()} needs a gradient, which an array would lose.{advice(name)} "
                "If you mean the array: .numpy()."
            )
    return function(*arrays, **options)


def _arrays(x: Any, tensors: list[Tensor]) -> Any:
    """The same with arrays in place of Tensors, in lists and tuples too; the Tensors are noted."""
    if isinstance(x, list | tuple):
        return (tuple if isinstance(x, tuple) else list)(_arrays(part, tensors) for part in x)
    tensors += [x] if isinstance(x, Tensor) else []
    return values(x)


class Piece:
    """The gradient of `x[index]`: values that belong at an index, not a full array of zeros around them."""

    __slots__ = ("index", "shape", "values")

    def __init__(self, values: Any, index: Any, shape: Shape) -> None:
        self.values, self.index, self.shape = values, index, shape

    def add_to(self, total: Array) -> None:
        """Add the values in place; an index that occurs twice counts twice."""
        add_at(total, self.index, self.values)


def sum_to(x: Any, shape: Shape) -> Any:
    """Undo broadcasting: sum `x` over the axes along which `shape` was stretched."""
    if x.size == prod(shape):  # a batch of one has nothing to add up
        return x.reshape(shape)
    new = x.ndim - len(shape)
    stretched = [new + k for k, n in enumerate(shape) if n == 1 != x.shape[new + k]]
    return x.sum(axis=(*range(new), *stretched), keepdims=True).reshape(shape)


def _frozen(setting: Any) -> Any:
    if hasattr(setting, "__array__"):  # a Series, too
        return np.array(setting)
    return type(setting)([_frozen(part) for part in setting]) if type(setting) in (tuple, list) else setting
