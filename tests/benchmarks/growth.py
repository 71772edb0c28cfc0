"""Does a step cost the same at any length? `python tests/benchmarks/growth.py`: an LSTM of 8 units, batch 1.

For each number of steps: microseconds a step for forward and backward (the best of three runs), kilobytes a step that
the history holds before backward (tracemalloc), and kilobytes that are left after it. The last lines say what one
recorded op costs: the bytes that y = x * x adds for a single number.
"""

from __future__ import annotations

import argparse
import gc
import tracemalloc
from time import perf_counter

import numpy as np

from tinygrad_lstm import Tensor, nn


def held(make: object) -> tuple[object, float]:
    """What `make()` returns, and the bytes that it added."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    made = make()  # type: ignore[operator]
    return made, tracemalloc.get_traced_memory()[0] - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-gc", action="store_true", help="without garbage collection")
    parser.add_argument("--steps", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    args = parser.parse_args()
    if args.no_gc:
        gc.disable()
    print(f"{'':10} {'steps':>8} {'µs a step':>10} {'kB a step':>10} {'kB after backward':>18}")
    for fused in (False, True):
        net = nn.LSTM(8, 8, fused=fused, rng=np.random.default_rng(0))
        for steps in args.steps:
            x = np.random.default_rng(1).normal(size=(1, steps, 8)).astype(np.float32)
            times = []
            for _ in range(3):
                net.zero_grad()
                start = perf_counter()
                net(x).h.sum().backward()
                times.append(perf_counter() - start)
            tracemalloc.start()
            net.zero_grad()
            net(x[:, :2]).h.sum().backward()  # the gradients and, fused, the arrays of the last run are there
            gc.collect()
            base = tracemalloc.get_traced_memory()[0]
            loss, size = held(lambda: net(x).h.sum())  # noqa: B023
            loss.backward()  # type: ignore[attr-defined]
            del loss
            gc.collect()
            after = (tracemalloc.get_traced_memory()[0] - base) / 1e3
            tracemalloc.stop()
            name = "fused" if fused else "composed"
            print(f"{name:10} {steps:8,} {min(times) / steps * 1e6:10.1f} {size / steps / 1e3:10.2f} {after:18.1f}")
    tracemalloc.start()
    x = Tensor(1.0, requires_grad=True)
    ys: list[Tensor] = [x]

    def record() -> None:
        for _ in range(1000):
            ys.append(ys[-1] * x)

    print(f"one recorded op: {held(record)[1] / 1000:.0f} bytes, of which 4 are its number")


if __name__ == "__main__":
    main()
