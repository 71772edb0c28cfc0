"""The peers one by one under pytest-benchmark: `pytest tests/benchmarks/bench_lstm.py`. For ratios: `table.py`."""

from __future__ import annotations

from importlib import metadata

import pytest
from peers import PEERS, version

pytest.importorskip("pytest_benchmark", reason="needs pytest-benchmark: pip install '.[bench]'")


@pytest.mark.parametrize("size", [(1, 100, 32), (32, 50, 64)], ids=str)
@pytest.mark.parametrize("name", PEERS)
def test_forward_and_backward(benchmark, name, size):
    try:
        version(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name}: its package is not installed (pip install '.[bench]')")
    benchmark(PEERS[name][0](*size))
