"""What flows: an array that remembers how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from html import escape
from itertools import count
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .habits import HABITS, Missing, ReadOnly, text, visible
from .numerics import own, unpacked
from .scope import hooks, scope_path

Array = NDArray[Any]
Shape = tuple[int, ...]
Axis = int | tuple[int, ...] | None

births = count(1)  # next() on it is atomic, so threads may share it


class Tensor:
    """An array of float32 or float64 that remembers the op and the inputs that made it.

    Args:
        data: numbers of any shape; they are copied.
        requires_grad: whether gradients are wanted for it, and so recorded for all that is made from it.
        name: what the drawing prints and what `trace(…).flow(name)` finds.
        dtype: np.float32 or np.float64; by default that of a float array, and float32 for Python numbers and lists.
    Raises TypeError where the data is of another kind (see `own`).
    """

    __slots__ = (  # noqa: RUF023 — in the order of their meaning
        "__weakref__",
        "_data",
        "_grad",
        "keeps_grad",
        "name",
        "requires_grad",
        "birth",  # counts up: an input is always older than what was made from it
        "scope",  # where it was made: "lstm/t=3/forget gate"
        "op",  # what made it, with the two below: None, () and None for a leaf
        "inputs",
        "settings",
        "_saved",  # the arrays (y, *inputs) as they were when the op ran; None once the history is freed
        "made_at",  # the code and the instruction that called the op: `graph.source_of` finds the line
    )
    __hash__ = object.__hash__

    def __init__(
        self, data: Any, *, requires_grad: bool = False, name: str | None = None, dtype: DTypeLike | None = None
    ) -> None:
        self._become(own(data, dtype), requires_grad, name=None if name is None else text(name))

    def _become(
        self,
        data: Array,
        requires_grad: bool,
        op: Any = None,
        inputs: tuple[Tensor, ...] = (),
        saved: tuple[Array, ...] | None = None,
        settings: Any = None,
        made_at: Any = None,
        name: str | None = None,
    ) -> Tensor:
        self._data, self.requires_grad = data, requires_grad
        self.op, self.inputs, self._saved, self.settings, self.made_at = op, inputs, saved, settings, made_at
        self._grad: Array | None = None
        self.name, self.keeps_grad = name, False
        self.scope, self.birth = scope_path.get(), next(births)
        return self

    @classmethod
    def wrap(cls, array: Array) -> Tensor:
        """A leaf around an array that is already ours: it is not copied, and becomes read-only."""
        array = np.asarray(array)
        array.setflags(write=False)
        return cls.__new__(cls)._become(array, False)

    # — what it holds ————————————————————————————————————————————————————————————————————————————————————
    @property
    def data(self) -> Array:
        """The read-only array. Assigning replaces it (a copy, with the new array's dtype)."""
        return self._data.view(ReadOnly)

    @data.setter
    def data(self, value: Any) -> None:
        self._data = own(value)

    @property
    def grad(self) -> Array | None:
        """dL/d(self) as an array of its shape, or None. Raises ValueError where something of another shape is set."""
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None and np.shape(values(value)) != self.shape:
            raise ValueError(f"grad: {self.describe()} cannot have a gradient of shape {np.shape(values(value))}.")
        self._grad = value if value is None else np.asarray(values(value), self.dtype)

    @property
    def shape(self) -> Shape:
        return self._data.shape

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype

    @property
    def T(self) -> Tensor:
        return self.transpose()

    def numpy(self) -> Array:
        """The values as a read-only array, whether or not a gradient is needed."""
        return self._data.view()  # a view, since only an array's owner can make it writable

    def item(self) -> float:
        """The only entry, as a Python number. Raises ValueError where there is not exactly one."""
        if self.size != 1:
            raise ValueError(f"item: {self.describe()} has {self.size} entries; only one entry can be a number.")
        return float(self._data.item())

    def __float__(self) -> float:
        return self.item()

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __round__(self, digits: int | None = None) -> float:
        return round(self.item(), digits)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        return of_numpy(name, getattr(ufunc, method), inputs, settings)

    def __array_function__(self, function: Any, types: Any, inputs: Any, settings: Any) -> Any:
        return of_numpy(function.__name__, function, inputs, settings)

    if not TYPE_CHECKING:  # a type checker would take array * Tensor for an array

        def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
            if self.requires_grad:
                raise TypeError(
                    f"{self.describe()} needs a gradient, which an array would lose. If you mean it: .numpy()."
                )
            return np.array(self._data, dtype=dtype, copy=copy)

    def __reduce__(self) -> Any:  # a copy is a new leaf: it has a birth number of its own, and no history
        return partial(Tensor, self._data, requires_grad=self.requires_grad, name=self.name), ()

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self)} - HABITS.keys())

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def describe(self) -> str:
        """A short phrase for error messages: what it is called, what made it, where, and its shape."""
        origin = f" made by {self.op.name}" if self.op else ""
        place = f" in {self.scope}" if self.scope else ""
        return visible(f"tensor {self.name + ' ' if self.name else ''}of shape {self.shape}{origin}{place}")

    def __repr__(self) -> str:
        values = np.array2string(self._data, prefix="Tensor(", threshold=100, precision=4)
        facts = [f"shape={self.shape}", f"dtype={self.dtype}"]
        facts += [f"name={self.name!r}"] if self.name else []
        facts += [f"op={self.op.name!r}"] if self.op else ["requires_grad=True"] if self.requires_grad else []
        return f"Tensor({values}, {', '.join(facts)})"

    def _repr_html_(self) -> str:
        """For notebooks: the same, with where it was made, from what, and its gradient: in names of the code."""
        values = "–" if self.grad is None else np.array2string(self.grad, threshold=100, precision=4)
        made = (f"{visible(x.name or (x.op.name if x.op else 'leaf'))} {x.shape}" for x in self.inputs)
        facts = {".scope": self.scope, ".inputs": ", ".join(made)} | ({".grad": values} if self.requires_grad else {})
        rows = "".join(f"<tr><th>{key}</th><td>{escape(fact)}</td></tr>" for key, fact in facts.items() if fact)
        return f"<pre>{escape(repr(self))}</pre><table>{rows}</table>"

    # — names and gradients ——————————————————————————————————————————————————————————————————————————
    def named(self, name: str) -> Tensor:
        """Give it a name and return it; inside `what_if`, return what stands in its place."""
        tensor = self
        for hook in hooks.get():
            tensor = hook(tensor, name)
        tensor.name = text(name)
        return tensor

    def keep_grad(self) -> Self:
        """Ask `backward` to store its gradient in `.grad` although it is no leaf."""
        self.keeps_grad = True
        return self

    def detach(self) -> Tensor:
        """The same values (shared, not copied) without history: no gradient passes this point."""
        return Tensor.wrap(self._data)

    def backward(self, seed: Any = None, *, keep_graph: bool = False, keep_grads: bool = False) -> None:
        """Add d(self)/d(leaf) to `.grad` of every leaf that needs it. See `engine.backward`."""
        engine.backward(self, seed, keep_graph=keep_graph, keep_grads=keep_grads)

    # — operators: each is an op of the table in ops.py ————————————————————————————————————————————————
    def __add__(self, other: Any) -> Tensor:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return ops.sub(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return ops.sub(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return ops.mul(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return ops.mul(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return ops.div(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ops.div(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return ops.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return ops.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return ops.matmul(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return registry["mod"](self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return registry["mod"](other, self)

    def __pos__(self) -> Tensor:
        return self

    def __neg__(self) -> Tensor:
        return ops.neg(self)

    def __abs__(self) -> Tensor:
        return ops.abs(self)

    def __getitem__(self, index: Any) -> Tensor:
        return ops.take(self, index=index)

    # Comparisons give arrays of bool: they carry no gradient.
    def __eq__(self, other: object) -> Array:  # type: ignore[override]
        return self._data == values(other)

    def __ne__(self, other: object) -> Array:  # type: ignore[override]
        return self._data != values(other)

    def __lt__(self, other: Any) -> Array:
        return self._data < values(other)

    def __le__(self, other: Any) -> Array:
        return self._data <= values(other)

    def __gt__(self, other: Any) -> Array:
        return self._data > values(other)

    def __ge__(self, other: Any) -> Array:
        return self._data >= values(other)

    # — the same ops as methods, spelled as arrays spell them ————————————————————————————————————————————
    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return ops.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return ops.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return ops.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return ops.min(self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        return ops.reshape(self, shape=unpacked(shape))

    def transpose(self, *axes: Any) -> Tensor:
        return ops.transpose(self, axes=unpacked(axes) or None)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        return ops.swapaxes(self, axis1=axis1, axis2=axis2)

    def astype(self, dtype: DTypeLike) -> Tensor:
        return ops.cast(self, dtype=np.dtype(dtype))

    def exp(self) -> Tensor:
        return ops.exp(self)

    def log(self) -> Tensor:
        return ops.log(self)

    def sqrt(self) -> Tensor:
        return ops.sqrt(self)

    def abs(self) -> Tensor:
        return ops.abs(self)

    def tanh(self) -> Tensor:
        return ops.tanh(self)

    def sigmoid(self) -> Tensor:
        return ops.sigmoid(self)

    def relu(self) -> Tensor:
        return ops.relu(self)

    def clip(self, low: float | None = None, high: float | None = None) -> Tensor:
        return ops.clip(self, low=low, high=high)


X = TypeVar("X", Tensor, Array)  # what goes in comes out

for habit in HABITS:  # not by __getattr__: it would make every attribute slower
    setattr(Tensor, habit, Missing(habit))


def values(x: Any) -> Any:
    """The array of a Tensor, and anything else as it is."""
    return x._data if isinstance(x, Tensor) else x


detach = Tensor.detach  # as a function, for what_if(h=detach)

from . import engine, ops  # noqa: E402 — last, because these need Tensor, and Tensor's methods need them
from .op import of_numpy, registry  # noqa: E402
