"""A module is an object with parameters; they are found by walking its attributes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from inspect import CO_VARARGS, Signature, signature
from typing import Any, ParamSpec, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from ..tensor import Array, Tensor

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class Forward(Protocol[P, R]):
    """What has a `forward`: a call takes what it takes and returns what it returns."""

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class OwnSignature:
    """What editors show of a module: for an object the arguments of `forward`, for a class those of its constructor."""

    def __get__(self, module: Module | None, kind: type) -> Signature:
        if module is not None:
            return signature(module.forward)
        own = signature(kind.__init__)  # type: ignore[misc]
        return own.replace(parameters=list(own.parameters.values())[1:])


class Module:
    """Base of everything that learns. Subclasses set Tensors, Modules, or lists and dicts of them as attributes, and
    define `forward`. Attributes that begin with an underscore are private and not walked.
    """

    training = True
    __signature__ = OwnSignature()

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Raise TypeError, with what to do, where more is given by position than the constructor takes."""
        code = getattr(cls.__init__, "__code__", cls.__new__.__code__)
        by_position, by_name = code.co_varnames[1 : code.co_argcount], code.co_varnames[code.co_argcount :]
        if code.co_kwonlyargcount and not code.co_flags & CO_VARARGS and len(args) > len(by_position):
            raise TypeError(
                f"{cls.__name__}: {len(args)} arguments are given by position, but all after {', '.join(by_position)} "
                f"are given by name, such as {by_name[0]}=."
            )
        return super().__new__(cls)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{type(self).__name__} does not say what it computes: define forward(self, x).")

    def __call__(self: Forward[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return self.forward(*args, **kwargs)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Each parameter once, with its path: `("cells.0.W_f", Tensor(…))`.

        Raises ValueError where two parameters have one path, as an attribute called "a.b" beside the b of a module a.
        """
        seen: set[int] = set()
        paths: set[str] = set()
        for name, value in _walk(self, ""):
            if isinstance(value, Tensor) and id(value) not in seen:
                if name in paths:
                    raise ValueError(f"{type(self).__name__}: two parameters have the path {name!r}; rename one.")
                seen.add(id(value))
                paths.add(name)
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

    def _facts(self) -> str:
        """What `repr` says of this module beside its parameters."""
        return ""

    def __repr__(self) -> str:
        """A tree: each module inside, how many numbers it holds, and its own parameters with their shapes."""
        return "\n".join(_tree(self))


HOLDERS = (Tensor, Module, list, tuple, dict)  # what a walk stops at: most attributes are settings


def _tree(module: Module, head: str = "", below: str = "") -> Iterator[str]:
    """The line of a module, and those of the modules inside it."""
    modules, shapes = {}, defaultdict(list)
    for name, item in _walk(module, "", deep=False):
        if isinstance(item, Module):
            modules[name] = item
        else:
            shapes[f"{item.shape}{'' if item.requires_grad else ' frozen'}"].append(name)
    facts, count = module._facts(), sum(p.size for p in module.parameters())
    words = [f"{type(module).__name__}({facts})" if facts else type(module).__name__]
    words += [f"{count:,} parameter{'s' * (count != 1)}"] if count else []
    words += [f"{' '.join(names)} {shape}" for shape, names in shapes.items()]
    yield head + " · ".join(words)
    for k, (name, inner) in enumerate(modules.items(), 1):
        last = k == len(modules)
        yield from _tree(inner, f"{below}{'└' if last else '├'} {name}: ", below + ("  " if last else "│ "))


def _walk(value: Any, path: str, above: tuple[Any, ...] = (), *, deep: bool = True) -> Iterator[tuple[str, Any]]:
    """All Tensors and Modules inside a module, a list or a dict, with their paths; `above` keeps it out of circles.

    Where it is not `deep`, what stands inside another module is left to that.
    """
    inside: Mapping[Any, Any] = {}
    if isinstance(value, Module):
        inside = {key: v for key, v in vars(value).items() if not key.startswith("_")}
    elif isinstance(value, list | tuple):
        inside = dict(enumerate(value))
    elif isinstance(value, dict):
        inside = value
    for key, item in inside.items():
        if not isinstance(item, HOLDERS):
            continue
        name = f"{path}.{key}" if path else str(key)
        if isinstance(item, Tensor | Module):
            yield name, item
        leaf = isinstance(item, Tensor if deep else Tensor | Module)
        if not leaf and not any(item is outer for outer in (value, *above)):
            yield from _walk(item, name, (value, *above), deep=deep)
