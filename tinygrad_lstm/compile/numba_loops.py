"""What numba makes of the loops' text, and the two functions in it that are not NumPy's: tanh and σ of one number.

For float32 tanh is Eigen's rational approximation, since the C library's cannot be done for many numbers at a time: it
is right to 4e-7 (Eigen 3.4, `ptanh_float`). Its quotient is 1 exactly where it ends, so that a saturated gate passes
nothing back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from ..tensor import Array
from .numba_cache import compiled, kept_text
from .threads import in_threads, parts
from .tiles_numba import matrix_product, packed, product_ahead

# Coefficients of x, x³, … x¹³ and of 1, x², … x⁶, and where the quotient reaches 1.
ABOVE = tuple(np.float32([
    4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08,
    -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16,
]))  # fmt: skip
BELOW = tuple(np.float32([4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06]))
END, ONE, HALF = np.float32(7.90531110763549805), np.float32(1), np.float32(0.5)


def tanh(x: Any) -> Any:
    """tanh of one number, in its dtype."""


def sigmoid(x: Any) -> Any:
    """σ of one number: ½ + ½ tanh(x/2)."""


@overload(tanh)
def _tanh(x):
    if x is types.float64:
        return lambda x: math.tanh(x)

    def quotient(x):
        x = END if x > END else -END if x < -END else x
        s = x * x
        above = ((((ABOVE[6] * s + ABOVE[5]) * s + ABOVE[4]) * s + ABOVE[3]) * s + ABOVE[2]) * s + ABOVE[1]
        y = x * (above * s + ABOVE[0]) / (((BELOW[3] * s + BELOW[2]) * s + BELOW[1]) * s + BELOW[0])
        return ONE if x >= END else -ONE if x <= -END else y

    return quotient


@overload(sigmoid)
def _sigmoid(x):
    if x is types.float64:
        return lambda x: 0.5 + 0.5 * math.tanh(0.5 * x)
    return lambda x: HALF + HALF * tanh(HALF * x)


def functions(text: str, name: str) -> dict[str, Callable[..., Any]]:
    """The functions of a text, compiled at their first call, which takes seconds; kept on the disk where that can be.

    Each takes what `Kernel.call` gives it: the number of rows, which threads share, `over`, a dtype for all arrays,
    arrays, and sizes.
    """
    space: dict[str, Any] = {"tanh": tanh, "sigmoid": sigmoid, "np": np}
    space |= {"packed": packed, "matrix_product": matrix_product, "product_ahead": product_ahead}
    space["__name__"] = __name__  # by it numba finds what its cache has kept
    versions = "".join(file.read_text(encoding="utf-8") for file in sorted(Path(__file__).parent.glob("*numba*.py")))
    exec(compile(text, kept_text(text, name, versions), "exec"), space)
    return {name: _given(compiled(space[name])) for name in ("forward_steps", "backward_steps")}


_compiling = Lock()


def _given(function: Callable[..., Any]) -> Callable[..., Any]:
    known = set()  # dtypes for which it is compiled

    def call(rows: int, over: Array, dtype: Any, *given: Any) -> Any:
        given = tuple(_plain(x, dtype) if isinstance(x, np.ndarray) else x for x in given)
        if dtype not in known:
            with _compiling:  # for no rows, and by one thread at a time: numba's types are not safe from two
                function(0, 0, over, *given)
            known.add(dtype)
        return in_threads(lambda some: function(some.start, some.stop, over, *given), parts(rows))[0]

    return call


def _plain(x: Array, dtype: Any) -> Array:
    """The array in the one form for which the loops are compiled."""
    return x if x.dtype is dtype and x.flags.carray else np.require(x, dtype, ["C", "W"])
