"""A name for every tensor of a step: the cell's own, or one that says how it was made."""

from __future__ import annotations

import builtins
from collections import defaultdict
from keyword import iskeyword
from unicodedata import normalize

from ..tensor import Tensor
from .tape import Recorded

LONGEST = 20  # of a name that is put together


class Names:
    """Names by birth, each given once; `d` before it is its gradient's.

    `users` are the tensors made from each, by birth.
    """

    def __init__(self, step: Recorded, reserved: set[str]) -> None:
        self.step, self.users = step, defaultdict[int, list[Tensor]](list)
        for tensor in step.made:
            for x in tensor.inputs:
                self.users[step.twins.get(x.birth, x).birth].append(tensor)
        self._taken = {"np", "kept", "len", "float", *reserved, *(f"d{field}" for field in step.outputs)}
        self._chosen: dict[int, str] = {}
        for name, tensor in step.inputs.items():
            self._choose(tensor, name)
        for field, tensor in step.outputs.items():
            if tensor.birth not in self._chosen and tensor.op is not None:
                self._taken.discard(f"d{field}")  # its own: what arrives there from outside is added to
                self._choose(tensor, field)
        for tensor in step.made:
            if self.is_own(tensor) and tensor.birth not in self._chosen:
                self._choose(tensor, self._own(tensor))
        for tensor in step.made:
            if tensor.birth not in self._chosen:
                self._choose(tensor, self._put_together(tensor))

    def __getitem__(self, birth: int) -> str:
        return self._chosen[birth]

    def of(self, tensor: Tensor) -> str:
        """The name of a tensor, or of that whose values it has."""
        return self[self.step.twins.get(tensor.birth, tensor).birth]

    def is_own(self, tensor: Tensor) -> bool:
        """Whether the cell itself has given it a name."""
        return bool(self._own(tensor))

    def _own(self, tensor: Tensor) -> str:
        name = normalize("NFKC", self.step.names.get(tensor.birth, tensor.name) or "")
        return name if name.isidentifier() and not iskeyword(name) and not hasattr(builtins, name) else ""

    def _choose(self, tensor: Tensor, name: str) -> None:
        new, k = name, 1
        while {new, f"d{new}"} & self._taken:
            k += 1
            new = f"{name}_{k}"
        self._taken |= {new, f"d{new}"}
        self._chosen[tensor.birth] = new

    def _put_together(self, tensor: Tensor) -> str:
        """`a_f` before the activation that makes f, `tanh_C`, `one_minus_z`; otherwise a part of what it leads to."""
        assert tensor.op is not None
        users = self.users[tensor.birth]
        if len(users) == 1 and len(users[0].inputs) == 1 and self.is_own(users[0]):
            return f"a_{self[users[0].birth]}"
        inputs = [self.step.twins.get(x.birth, x) for x in tensor.inputs]
        names = [self._chosen.get(x.birth, "" if x.ndim or x.requires_grad else f"{x.item():g}") for x in inputs]
        if tensor.op.name == "sub" and names[0] == "1" and names[1]:
            return f"one_minus_{names[1]}"
        name = "_".join([tensor.op.name] * (len(names) == 1) + names)
        if all(names) and name.isidentifier() and len(name) <= LONGEST:
            return name
        while users and not self.is_own(users[0]):
            users = self.users[users[0].birth]
        return f"part_of_{self[users[0].birth]}" if users else tensor.op.name
