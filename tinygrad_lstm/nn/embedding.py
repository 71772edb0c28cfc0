"""Tokens to vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import embed
from ..scope import scope
from ..tensor import Tensor
from .init import Initializer, InitializerName, Seed, initializer_of
from .module import Module


class Embedding(Module):
    """One learned row of W (num_embeddings, size) for each token: integers (…) become vectors (…, size)."""

    def __init__(
        self,
        num_embeddings: int,
        size: int,
        *,
        initializer: InitializerName | Initializer = "glorot_uniform",
        rng: Seed = None,
    ) -> None:
        values = initializer_of(initializer)((num_embeddings, size), np.random.default_rng(rng))
        self.W = Tensor(values, requires_grad=True, name="W", dtype=np.float32)

    def forward(self, tokens: Any) -> Tensor:
        with scope("embedding"):
            return embed(self.W, index=tokens)
