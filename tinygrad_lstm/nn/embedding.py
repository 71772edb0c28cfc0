"""Tokens to vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import embed, where
from ..scope import scope
from ..tensor import Tensor
from .init import Initializer, InitializerName, Seed, initializer_of
from .module import Module


class Embedding(Module):
    """One learned row of W (num_embeddings, size) for each token: integers (…) become vectors (…, size).

    The row `padding_idx`, where one is given, is 0 and not learned: it stands for what fills up short sequences.
    Raises ValueError for a `padding_idx` that is no row.
    """

    def __init__(
        self,
        num_embeddings: int,
        size: int,
        *,
        padding_idx: int | None = None,
        initializer: InitializerName | Initializer = "glorot_uniform",
        rng: Seed = None,
    ) -> None:
        values = initializer_of(initializer)((num_embeddings, size), np.random.default_rng(rng))
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx must be a row, 0 to {num_embeddings - 1}, not {padding_idx}.")
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        if self.padding_idx is not None:
            values[self.padding_idx] = 0
        self.W = Tensor(values, requires_grad=True, name="W", dtype=np.float32)

    def forward(self, tokens: Any) -> Tensor:
        with scope("embedding"):
            vectors = embed(self.W, index=tokens)
            if self.padding_idx is None:
                return vectors
            return where((np.asarray(tokens) != self.padding_idx)[..., None], vectors, 0.0)
