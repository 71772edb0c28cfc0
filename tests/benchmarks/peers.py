"""One LSTM, one question, several frameworks: forward and backward of the sum over all h.

Each peer is a function of (batch, steps, hidden) that returns a function to be timed; hidden = number of features,
float32, gradients of x and of all weights, states that start at 0. As a program, `python peers.py NAME` answers on
standard output each line of standard input that says "batch steps hidden runs" with the milliseconds of each run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import metadata
from os import cpu_count, environ
from time import perf_counter
from typing import Any

import numpy as np

Run = Callable[[], Any]
GATES = "fiCo"
OTHERS = ("peephole", "coupled", "minimal gated", "own cell")  # see cells.py
THREADS = int(environ.get("OPENBLAS_NUM_THREADS", 0)) or cpu_count() or 1  # the same for all


def data(batch: int, steps: int, hidden: int) -> tuple[Any, dict[str, Any]]:
    """x (batch, steps, hidden), and W_f, b_f, … as in our LSTMCell."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, steps, hidden)).astype(np.float32)
    weights = {f"W_{g}": rng.normal(size=(2 * hidden, hidden)).astype(np.float32) * hidden**-0.5 for g in GATES}
    return x, weights | {f"b_{g}": np.zeros(hidden, np.float32) for g in GATES}


# — ours ————————————————————————————————————————————————————————————————————————————————————————————————


def _ours(name: str, fused: Any) -> Callable[[int, int, int], Run]:
    def prepare(batch: int, steps: int, hidden: int) -> Run:
        from tinygrad_lstm import Tensor, nn

        x = Tensor(data(batch, steps, hidden)[0], requires_grad=True)
        net = getattr(nn, name)(hidden, hidden, fused=fused, rng=np.random.default_rng(0))

        def run() -> None:
            net.zero_grad()
            x.grad = None
            net(x).h.sum().backward()

        return run

    return prepare


def _our_cell(name: str, fused: Any) -> Callable[[int, int, int], Run]:
    """A cell without an op of its own."""

    def prepare(batch: int, steps: int, hidden: int) -> Run:
        from cells import CELLS

        from tinygrad_lstm import Tensor, nn

        x = Tensor(data(batch, steps, hidden)[0], requires_grad=True)
        net = nn.Recurrent(hidden, hidden, cell=CELLS[name][0], fused=fused, rng=0)

        def run() -> None:
            net.zero_grad()
            x.grad = None
            net(x).h.sum().backward()

        return run

    return prepare


def _torch_loop(name: str) -> Callable[[int, int, int], Run]:
    """The same ops in a loop."""

    def prepare(batch: int, steps: int, hidden: int) -> Run:
        import torch
        from cells import CELLS

        torch.set_num_threads(THREADS)
        kind, step = CELLS[name]
        x = torch.tensor(data(batch, steps, hidden)[0], requires_grad=True)
        cell = kind(hidden, hidden, rng=0)
        w = {path: torch.tensor(p.numpy().copy(), requires_grad=True) for path, p in cell.named_parameters()}

        def run() -> None:
            for p in (x, *w.values()):
                p.grad = None
            state = tuple(torch.zeros(batch, hidden) for _ in kind.State._fields)
            hs = []
            for t in range(steps):
                state = step(torch, x[:, t], state, w)
                hs.append(state[0])
            torch.stack(hs, 1).sum().backward()

        return run

    return prepare


# — PyTorch —————————————————————————————————————————————————————————————————————————————————————————————


def _torch_layer(name: str) -> Callable[[int, int, int], Run]:
    def prepare(batch: int, steps: int, hidden: int) -> Run:
        import torch

        torch.set_num_threads(THREADS)
        x = torch.tensor(data(batch, steps, hidden)[0], requires_grad=True)
        net = getattr(torch.nn, name)(hidden, hidden, batch_first=True)

        def run() -> None:
            net.zero_grad()
            x.grad = None
            net(x)[0].sum().backward()

        return run

    return prepare


def torch_cell(batch: int, steps: int, hidden: int) -> Run:
    """A loop over nn.LSTMCell."""
    import torch

    torch.set_num_threads(THREADS)
    x = torch.tensor(data(batch, steps, hidden)[0], requires_grad=True)
    cell = torch.nn.LSTMCell(hidden, hidden)

    def run() -> None:
        cell.zero_grad()
        x.grad = None
        h = C = torch.zeros(batch, hidden)
        hs = []
        for t in range(steps):
            h, C = cell(x[:, t], (h, C))
            hs.append(h)
        torch.stack(hs, 1).sum().backward()

    return run


def torch_composed(batch: int, steps: int, hidden: int) -> Run:
    """The very ops of our LSTMCell.step: four gates, and [h ; x] joined."""
    import torch

    torch.set_num_threads(THREADS)
    x, arrays = data(batch, steps, hidden)
    x = torch.tensor(x, requires_grad=True)
    w = {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}

    def run() -> None:
        for p in (x, *w.values()):
            p.grad = None
        h = C = torch.zeros(batch, hidden)
        hs = []
        for t in range(steps):
            hx = torch.cat([h, x[:, t]], 1)
            f = torch.sigmoid(hx @ w["W_f"] + w["b_f"])
            i = torch.sigmoid(hx @ w["W_i"] + w["b_i"])
            new = torch.tanh(hx @ w["W_C"] + w["b_C"])
            C = f * C + i * new
            o = torch.sigmoid(hx @ w["W_o"] + w["b_o"])
            h = o * torch.tanh(C)
            hs.append(h)
        torch.stack(hs, 1).sum().backward()

    return run


# — others ——————————————————————————————————————————————————————————————————————————————————————————————


def jax_scan(batch: int, steps: int, hidden: int) -> Run:
    """jit of the gradient of a lax.scan, all four gates in one product."""
    import jax
    import jax.numpy as jnp

    x, arrays = data(batch, steps, hidden)
    W = jnp.asarray(np.concatenate([arrays[f"W_{g}"] for g in GATES], axis=1))
    b = jnp.zeros(4 * hidden)

    def loss(x: Any, W: Any, b: Any) -> Any:
        def step(state: Any, row: Any) -> Any:
            h, C = state
            f, i, new, o = jnp.split(jnp.concatenate([h, row], 1) @ W + b, 4, axis=1)
            C = jax.nn.sigmoid(f) * C + jax.nn.sigmoid(i) * jnp.tanh(new)
            h = jax.nn.sigmoid(o) * jnp.tanh(C)
            return (h, C), h

        zero = jnp.zeros((batch, hidden))
        return jax.lax.scan(step, (zero, zero), x.swapaxes(0, 1))[1].sum()

    gradient = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))
    x = jnp.asarray(x)
    return lambda: jax.block_until_ready(gradient(x, W, b))


def autograd_composed(batch: int, steps: int, hidden: int) -> Run:
    """HIPS autograd, with the ops of our step."""
    import autograd.numpy as anp
    from autograd import grad

    x, arrays = data(batch, steps, hidden)

    def σ(z: Any) -> Any:
        return 0.5 * (anp.tanh(0.5 * z) + 1)

    def loss(both: Any) -> Any:
        x, w = both
        h = C = np.zeros((batch, hidden), np.float32)
        total = 0.0
        for t in range(steps):
            hx = anp.concatenate([h, x[:, t]], axis=1)
            f, i = σ(anp.dot(hx, w["W_f"]) + w["b_f"]), σ(anp.dot(hx, w["W_i"]) + w["b_i"])
            C = f * C + i * anp.tanh(anp.dot(hx, w["W_C"]) + w["b_C"])
            h = σ(anp.dot(hx, w["W_o"]) + w["b_o"]) * anp.tanh(C)
            total = total + anp.sum(h)
        return total

    gradient = grad(loss)
    return lambda: gradient((x, arrays))


def tinygrad_jit(batch: int, steps: int, hidden: int) -> Run:
    """The tinygrad project (no relation), jitted: minutes of compiling, with a C compiler (clang)."""
    from tinygrad import Tensor, TinyJit

    x, arrays = data(batch, steps, hidden)
    x, w = Tensor(x).realize(), {name: Tensor(array).realize() for name, array in arrays.items()}
    leaves = [x, *w.values()]

    @TinyJit
    def gradient() -> Any:
        h = C = Tensor.zeros(batch, hidden)
        hs = []
        for t in range(steps):
            hx = h.cat(x[:, t], dim=1)
            f, i = (hx @ w["W_f"] + w["b_f"]).sigmoid(), (hx @ w["W_i"] + w["b_i"]).sigmoid()
            C = f * C + i * (hx @ w["W_C"] + w["b_C"]).tanh()
            h = (hx @ w["W_o"] + w["b_o"]).sigmoid() * C.tanh()
            hs.append(h)
        found = Tensor.stack(*hs, dim=1).sum().gradient(*leaves)
        return Tensor.realize(*found)

    return lambda: [g.numpy() for g in gradient()]


PEERS: dict[str, tuple[Callable[[int, int, int], Run], str]] = {
    "LSTM fused": (_ours("LSTM", True), "tinygrad-lstm"),
    "LSTM composed": (_ours("LSTM", False), "tinygrad-lstm"),
    "LSTM compiled": (_ours("LSTM", "numba"), "numba"),
    "GRU compiled": (_ours("GRU", "numba"), "numba"),
    "RNN compiled": (_ours("RNN", "numba"), "numba"),
    "GRU fused": (_ours("GRU", True), "tinygrad-lstm"),
    "RNN fused": (_ours("RNN", True), "tinygrad-lstm"),
    "torch nn.LSTM": (_torch_layer("LSTM"), "torch"),
    "torch nn.GRU": (_torch_layer("GRU"), "torch"),
    "torch nn.RNN": (_torch_layer("RNN"), "torch"),
    "torch LSTMCell": (torch_cell, "torch"),
    "torch composed": (torch_composed, "torch"),
    **{f"{name} fused": (_our_cell(name, True), "tinygrad-lstm") for name in OTHERS},
    **{f"{name} compiled": (_our_cell(name, "numba"), "numba") for name in OTHERS},
    **{f"{name} composed": (_our_cell(name, False), "tinygrad-lstm") for name in OTHERS},
    **{f"torch {name}": (_torch_loop(name), "torch") for name in OTHERS},
    "jax scan": (jax_scan, "jax"),
    "autograd": (autograd_composed, "autograd"),
    "tinygrad": (tinygrad_jit, "tinygrad"),
}


def version(name: str) -> str:
    """The version of the package behind a peer. Raises PackageNotFoundError where it is not installed."""
    return metadata.version(PEERS[name][1])


def main() -> None:
    prepare = PEERS[sys.argv[1]][0]
    made: dict[tuple[int, int, int], Run] = {}
    for line in sys.stdin:
        *size, runs = map(int, line.split())
        batch, steps, hidden = size
        if (batch, steps, hidden) not in made:
            made.clear()
            run = made[batch, steps, hidden] = prepare(batch, steps, hidden)
            run(), run()  # compiles, fills caches
        times = []
        for _ in range(runs):
            start = perf_counter()
            run()
            times.append((perf_counter() - start) * 1e3)
        print(*times, flush=True)


if __name__ == "__main__":
    main()
