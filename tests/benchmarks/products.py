"""Products of a few rows with weights that stay: `python tests/benchmarks/products.py` (needs the extra `fast`).

Our tiles of packed weights against NumPy's BLAS at one thread, in turns: the best of nine rounds, and the median of
the ratios within rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np

from tinygrad_lstm.compile import one_thread
from tinygrad_lstm.compile.tiles_numba import matrix_product, packed

SIZES = ((1, 32, 128), (8, 128, 512), (16, 64, 256), (16, 128, 512), (16, 512, 128), (32, 512, 2048), (64, 128, 512))
ROUNDS, MULTIPLICATIONS = 9, 10**8  # so many in one timing


def microseconds(run: Callable[[], object], times: int) -> float:
    start = perf_counter()
    for _ in range(times):
        run()
    return (perf_counter() - start) / times * 1e6


def main() -> None:
    rng = np.random.default_rng(0)
    print("rows × depth × columns     ours, µs   BLAS, µs   ratio")
    for rows, depth, columns in SIZES:
        left = rng.normal(size=(rows, depth)).astype(np.float32)
        weights = rng.normal(size=(depth, columns)).astype(np.float32)
        out, panels = np.empty((rows, columns), np.float32), packed(weights)
        times = max(1, MULTIPLICATIONS // (rows * depth * columns))
        both = [
            (
                microseconds(lambda: matrix_product(left, 0, panels, out, 0, columns, False, 0, rows), times),  # noqa: B023
                microseconds(lambda: np.matmul(left, weights, out=out), times),  # noqa: B023
            )
            for _ in range(ROUNDS)
        ]
        ours, blas = map(min, zip(*both, strict=True))
        ratio = median(a / b for a, b in both)
        print(f"{f'{rows} × {depth} × {columns}':<24}{ours:>11.1f}{blas:>11.1f}{ratio:>8.2f}")


if __name__ == "__main__":
    with one_thread():
        main()
