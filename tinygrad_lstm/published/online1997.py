"""Learning symbol by symbol, as Hochreiter & Schmidhuber (1997) do, appendix A.1: no way back through time is needed.

Since only C carries the truncated gradient, and ∂C_t/∂C_{t−1} = 1, ∂C_t/∂W is a running sum. It goes forward with the
net, so that the weights can change after every symbol. While they do not, the sum of these steps is what
backpropagation through time gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Array
from .nets import SmallNet


class SymbolBySymbol:
    """Nets side by side whose cells and gates see one another; each learns at every symbol from ½ the squared error.

    `W` is (nets, sources, [input gates, cells, output gates]), its sources h, x, the gates and a 1 for the gates'
    biases; `V` (nets, cells, outputs) and `c` (nets, 1, outputs), which learns if the nets' outputs have biases.
    """

    def __init__(self, nets: SmallNet) -> None:
        cell, head = nets.cell, nets.head
        self.nets, self.n = nets, cell.hidden_size
        parts = {name: p.numpy() for name, p in cell.named_parameters()}
        no_bias = np.zeros_like(parts["b_i"])
        biases = [parts["b_i"], no_bias, parts["b_o"]]
        weights = [parts["W_i"], parts["W_C"], parts["W_o"]]
        self.W = np.concatenate([np.concatenate(pair, axis=1) for pair in zip(weights, biases, strict=True)], axis=2)
        self.V, self.biased = head.W.numpy().copy(), head.b is not None
        self.c = np.zeros((len(self.V), 1, self.V.shape[2]), np.float32) if head.b is None else head.b.numpy().copy()
        shape = len(self.W), self.n
        self.h, self.C, self.i, self.o = (np.zeros(shape, np.float32) for _ in range(4))
        self.sums = np.zeros((*self.W.shape[:2], 2 * self.n), np.float32)  # ∂C/∂W of the input gates, and of the cells

    def step(self, x: Array, target: Array, begins: Array) -> Any:
        """One symbol of each net, x and target (nets, symbols): the gradients of W, V and c at this symbol.

        Where a string begins, all activations are 0 first.
        """
        for held in (self.h, self.C, self.i, self.o, self.sums):
            held[begins] = 0
        n, one = self.n, np.ones((len(x), 1), np.float32)
        source = np.concatenate([self.h, x, self.i, self.o, one], axis=1)[:, :, None]
        a = (source * self.W).sum(axis=1)
        self.i, self.o = _sigmoid(a[:, :n]), _sigmoid(a[:, 2 * n :])
        new = 2 * np.tanh(a[:, n : 2 * n] / 2)
        slopes = np.concatenate([new * self.i * (1 - self.i), self.i * (1 - new * new / 4)], axis=1)
        self.C = self.C + self.i * new
        self.sums += source * slopes[:, None]
        shown = np.tanh(self.C / 2)
        self.h = self.o * shown
        y = _sigmoid((self.h[:, :, None] * self.V).sum(axis=1) + self.c[:, 0])
        dz = (y - target) * y * (1 - y)
        dh = (self.V * dz[:, None]).sum(axis=2)
        dC = dh * self.o * (1 - shown * shown) / 2
        of_o = source * (dh * shown * self.o * (1 - self.o))[:, None]
        dW = np.concatenate([self.sums * np.concatenate([dC, dC], axis=1)[:, None], of_o], axis=2)
        dW[:, -1, n : 2 * n] = 0  # cells have no bias
        return dW, self.h[:, :, None] * dz[:, None], dz[:, None]

    def learn(self, rates: Array, *symbol: Array) -> None:
        """One symbol, as `step` has it, and one step down its gradient, each net at its own rate."""
        rate, (dW, dV, dc) = rates.astype(np.float32)[:, None, None], self.step(*symbol)
        self.W -= rate * dW
        self.V -= rate * dV
        self.c -= rate * dc * self.biased

    def given_back(self) -> SmallNet:
        """The nets, with the weights of now."""
        n, cell, head = self.n, self.nets.cell, self.nets.head
        for k, name in enumerate(("i", "C", "o")):
            own = self.W[:, :, k * n : (k + 1) * n]
            getattr(cell, f"W_{name}").data = own[:, :-1]
            if name != "C":
                getattr(cell, f"b_{name}").data = own[:, -1:]
        head.W.data = self.V
        if head.b is not None:
            head.b.data = self.c
        return self.nets


def _sigmoid(a: Array) -> Array:
    s: Array = 0.5 + 0.5 * np.tanh(0.5 * a)
    return s
