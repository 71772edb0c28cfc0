"""Jozefowicz, Zaremba & Sutskever (2015), "An Empirical Exploration of Recurrent Network Architectures", ICML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import nn
from ..optim import Adam
from .nets import SmallNet, side_by_side
from .pascanu2013 import order


def forget_bias(
    seeds: Sequence[int], *, bias: float, length: int, hidden: int, updates: int, rate: float = 0.003
) -> list[dict[str, Any]]:
    """Temporal order with an LSTM whose forget bias begins at 0 or at 1: what else is the same, seed by seed."""
    rngs = [np.random.default_rng([seed, 0]) for seed in seeds]
    nets = side_by_side([SmallNet(nn.LSTMCell(8, hidden, forget_bias=bias, rng=rng), 4, rng=rng) for rng in rngs])
    return order(nets, Adam(nets.parameters(), rate), rngs, length, 1.0, updates, look=100)
