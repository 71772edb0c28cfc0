"""The norm against Python's own exact sums."""

import math

import numpy as np
import pytest

from tinygrad_lstm.numerics import norm


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [0.0, 1e-38, 1e-25, 1e-12, 1.0, 1e15, 1e37])
def test_a_norm_is_that_of_exact_arithmetic(dtype, scale):
    x = (np.random.default_rng(0).normal(size=(7, 11)) * scale).astype(dtype)
    expected = math.hypot(*map(float, x.ravel()))
    assert norm(x) == pytest.approx(expected, rel=1e-6 if dtype is np.float32 else 1e-14)
    assert norm(x[:3], x[3:]) == pytest.approx(expected, rel=1e-6 if dtype is np.float32 else 1e-14)


def test_what_is_not_finite_stays_so_and_nothing_is_zero():
    assert norm() == norm(np.zeros(0)) == norm(np.zeros((2, 0))) == 0.0
    assert norm(np.array(-3.0)) == 3.0
    assert norm(np.array([1.0, -np.inf])) == math.inf
    assert math.isnan(norm(np.array([1.0, np.nan]))) and math.isnan(norm(np.array([np.nan]), np.array([np.inf])))
    assert norm(np.array([1e-200, 0.0])) == pytest.approx(1e-200)
    assert norm(np.full(4, 1e200)) == pytest.approx(2e200)


def test_a_vanished_float32_keeps_its_smallest_entries():
    assert norm(np.full(100, 1e-42, np.float32)) == pytest.approx(1e-41, rel=1e-2)  # denormal: few digits are there
