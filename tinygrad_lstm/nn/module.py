"""A module is an object with parameters; they are found by walking its attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..tensor import Array, Tensor


class Module:
    """Base of everything that learns. Subclasses set Tensors, Modules, or lists and dicts of them as attributes, and
    define `forward`. Attributes that begin with an underscore are private and not walked.
    """

    training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{type(self).__name__} does not say what it computes: define forward(self, x).")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Each parameter once, with its path: `("cells.0.W_f", Tensor(…))`."""
        seen: set[int] = set()
        for name, value in _walk(self, ""):
            if isinstance(value, Tensor) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def parameters(self) -> list[Tensor]:
        return [p for _, p in self.named_parameters()]

    def modules(self) -> Iterator[Module]:
        """This module and all inside it."""
        yield self
        yield from (value for _, value in _walk(self, "") if isinstance(value, Module))

    def state_dict(self) -> dict[str, Array]:
        """The values of all parameters by name."""
        return {name: p.numpy() for name, p in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Replace all parameters, or none.

        Raises LookupError for missing or unknown names, ValueError where a shape differs, TypeError for a wrong dtype.
        """
        own = dict(self.named_parameters())
        if missing := sorted(own.keys() - state.keys()):
            raise LookupError(f"load_state_dict: missing {', '.join(missing)}.")
        if unknown := sorted(state.keys() - own.keys()):
            raise LookupError(f"load_state_dict: this module has no {', '.join(unknown)}.")
        for name, p in own.items():
            if np.shape(state[name]) != p.shape:
                raise ValueError(f"load_state_dict: {name} is {p.shape} here, but {np.shape(state[name])} there.")
        new = {name: Tensor(state[name]) for name in own}  # refuses wrong dtypes before anything is replaced
        for name, p in own.items():
            p.data = new[name].numpy()

    def train(self, mode: bool = True) -> Self:
        """Switch dropout on (or off) in this module and all inside it."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        return self.train(False)

    def zero_grad(self) -> None:
        for p in self.parameters():
            p.grad = None

    def astype(self, dtype: DTypeLike) -> Self:
        """Convert all parameters to float32 or float64, in place."""
        for p in self.parameters():
            p.data, p.grad = p.numpy().astype(dtype), None
        return self

    def summary(self) -> str:
        """A table of all parameters: name, shape, number of entries, and whether it is frozen."""
        rows = [("parameter", "shape", "entries")]
        rows += [
            (name, str(p.shape) + ("" if p.requires_grad else " frozen"), f"{p.size:,}")
            for name, p in self.named_parameters()
        ]
        rows.append(("total", "", f"{sum(p.size for p in self.parameters()):,}"))
        wide = [max(len(row[k]) for row in rows) for k in range(3)]
        lines = [f"{name:<{wide[0]}}  {shape:<{wide[1]}}  {entries:>{wide[2]}}" for name, shape, entries in rows]
        return "\n".join([f"{type(self).__name__}", *lines])


def _walk(value: Any, path: str, above: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """All Tensors and Modules inside a module, a list or a dict, with their paths; `above` keeps it out of circles."""
    inside: Mapping[Any, Any] = {}
    if isinstance(value, Module):
        inside = {key: v for key, v in vars(value).items() if not key.startswith("_")}
    elif isinstance(value, list | tuple):
        inside = dict(enumerate(value))
    elif isinstance(value, dict):
        inside = value
    for key, item in inside.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(item, Tensor | Module):
            yield name, item
        if isinstance(item, Module | list | tuple | dict) and not any(item is outer for outer in (value, *above)):
            yield from _walk(item, name, (value, *above))
