"""Derivatives of one tensor with respect to another, and of each step's state with respect to the state before."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise

import numpy as np

from ..engine import grad, vjp
from ..spoken import said
from ..tensor import Array, Tensor
from .states import StateHistory


def jacobian(y: Tensor, x: Tensor) -> Array:
    """dy/dx as an array of shape y.shape + x.shape: one backward for each entry of y.

    Raises RuntimeError where no path leads from x to y, or x needs no gradient.
    """
    rows = [grad(y, x, seed.reshape(y.shape))[0].numpy() for seed in np.eye(y.size, dtype=y.dtype)]
    return np.array(rows, dtype=x.dtype).reshape(y.shape + x.shape)


class StepJacobians:
    """J_t = ∂s_t/∂s_{t−1} at every step, for each row of the batch. Made by `flow.jacobians()`.

    Entry [i, j] says how unit j before the step moves unit i after it, so gradients travel as δ_{t−1} = δ_t · J_t. The
    state s is one state alone, the others held fixed, or with `joint` the pair [C ; h], as (n = 2 · hidden) units.
    The product of all steps is ∂s_T/∂s_{T−k} only where s is all that the cell carries: an RNN's or GRU's h, or the
    joint state of an LSTM. It costs n short backwards a step. Rows of the batch must not influence each other.

    Attributes:
        names: the states, in the order of their units.
        steps: (T, batch, n, n); [0] is the first step that the cell ran.
    """

    def __init__(self, history: StateHistory, names: tuple[str, ...]) -> None:
        self.names = names
        steps = []
        for before, t in pairwise(history.order):
            after, start = ([history.state(s, name) for name in names] for s in (t, before))
            steps.append(_step(after, start, history.states_at(before)))
        self.steps = np.array(steps)

    @cached_property
    def singular_values(self) -> Array:
        """(T, batch, n): how much each step stretches a gradient at most (first) and at least (last)."""
        return np.asarray(np.linalg.svd(self.steps, compute_uv=False))

    @cached_property
    def spectral_radius(self) -> Array:
        """(T, batch): the largest |eigenvalue| of each step; that of a repeated step decides in the long run."""
        return np.asarray(np.abs(np.linalg.eigvals(self.steps)).max(axis=-1))

    @cached_property
    def products(self) -> Array:
        """(T + 1, batch, n, n): J_T · J_{T−1} ⋯ J_{T−k+1} by lag k; the identity at lag 0."""
        products = [np.broadcast_to(np.eye(self.steps.shape[-1], dtype=self.steps.dtype), self.steps.shape[1:])]
        for step in self.steps[::-1]:
            products.append(products[-1] @ step)
        return np.array(products)

    @property
    def norms(self) -> Array:
        """(T + 1, batch): the largest singular value of each product: how much of a gradient can be left after k steps.

        It is at most the product of the steps' own largest ones (Hochreiter 1991; Pascanu, Mikolov, Bengio 2013).
        """
        return np.asarray(np.linalg.norm(self.products, ord=2, axis=(-2, -1)))

    def __repr__(self) -> str:
        T, batch, n, _ = self.steps.shape
        top = self.singular_values[..., 0]
        return said(
            "StepJacobians(of {names}: {T} steps, rows: {batch}, {n} units; largest singular value {low:.3g} to "
            "{high:.3g}, of the whole product {whole:.3g})",
            names=", ".join(self.names), T=T, batch=batch, n=n, low=top.min(), high=top.max(),
            whole=self.norms[-1].max(),
        )  # fmt: skip


def _step(after: list[Tensor], before: list[Tensor], fixed: list[Tensor]) -> Array:
    """(batch, n, n): the derivatives of all units after a step by all units before it; one seed serves all rows."""
    rows = []
    for state in after:
        for unit in range(state.shape[-1]):
            seed = np.zeros(state.shape, state.dtype)
            seed[..., unit] = 1
            sent = vjp(state, before, seed, stop=fixed)
            parts = [np.zeros(x.shape, x.dtype) if dx is None else dx for x, dx in zip(before, sent, strict=True)]
            rows.append(np.concatenate(parts, axis=-1))
    return np.stack(rows, axis=-2)
