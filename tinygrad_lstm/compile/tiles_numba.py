"""Products of a few rows with weights that stay the same for a whole sequence, for numba.

A BLAS packs the weights anew at each call, which for some tens of rows takes as long as the product. Here they are
packed once: `panel` columns side by side, row after row, as they are read. A tile of the result, some rows times one
panel, stays in the registers of the processor while it grows (Goto, van de Geijn 2008, "Anatomy of High-Performance
Matrix Multiplication", section 4; here without their blocks for the caches, since rows are few).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

BYTES = 64  # of a vector, the widest there is; narrower processors take it in parts
VECTORS = 2  # side by side in a panel


def _tile(rows: int, wide: int = 1) -> Any:
    """The function for a tile of so many rows and panels."""

    @intrinsic
    def tile(typingctx, left, x, step, panels, p, depth, out, y, stride, added):
        """out[y:] of some rows, `stride` apart, = left[x:], `step` apart, · panels[p:], (depth, panel); or + it."""
        if not all(isinstance(array, types.Array) for array in (left, panels, out)):
            raise TypingError("tiles are made of arrays")
        number, n = panels.dtype, types.intp

        def made(context, builder, signature, args):
            return _code(context, builder, number, (rows, wide * VECTORS), signature, args)

        return types.void(left, n, n, panels, n, n, out, n, n, types.boolean), made

    return tile


def _code(context: Any, builder: Any, number: Any, size: tuple[int, int], signature: Any, args: Any) -> Any:
    """The instructions: sums in registers, one for each row and vector; weights and x are read once for all of them."""
    (rows, vectors), width = size, number.bitwidth // 8
    lanes = BYTES // width
    vector = ir.VectorType(context.get_value_type(number), lanes)
    index = ir.IntType(32)
    left, panels, out = (
        context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 3, 6)
    )
    _, x, step, _, p, depth, _, y, stride, added = args

    def at(data: Any, *terms: Any) -> Any:
        place = terms[0]
        for term in terms[1:]:
            place = builder.add(place, term)
        return builder.gep(data, [place])

    def of(k: int, distance: Any) -> Any:
        return builder.mul(distance, ir.Constant(distance.type, k))

    def vector_at(place: Any) -> Any:
        return builder.bitcast(place, vector.as_pointer())

    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{lanes}f{number.bitwidth}"
    )
    zero = ir.Constant(vector, [0.0] * lanes)
    sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(vectors)] for _ in range(rows)]
    a_panel = of(VECTORS * lanes, depth)
    with cgutils.for_range(builder, depth) as loop:
        start = builder.add(p, of(VECTORS * lanes, loop.index))
        weights = [
            builder.load(vector_at(at(panels, start, of(p, a_panel), ir.Constant(start.type, v * lanes))), align=width)
            for p, v in (divmod(v, VECTORS) for v in range(vectors))
        ]
        for r in range(rows):
            one = builder.load(at(left, x, of(r, step), loop.index))
            first = builder.insert_element(ir.Constant(vector, ir.Undefined), one, ir.Constant(index, 0))
            same = builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(index, lanes), [0] * lanes))
            for v in range(vectors):
                builder.store(builder.call(fma, [same, weights[v], builder.load(sums[r][v])]), sums[r][v])
    for r in range(rows):
        for v in range(vectors):
            place = vector_at(at(out, y, of(r, stride), ir.Constant(y.type, v * lanes)))
            before = builder.select(added, builder.load(place, align=width), zero)
            builder.store(builder.fadd(before, builder.load(sums[r][v])), place, align=width)
    return context.get_dummy_value()


TILES = _eight, _four, _two, _one = tuple(_tile(rows) for rows in (8, 4, 2, 1))
_one_by_four = _tile(1, 4)  # so that as many sums grow side by side, each of which waits for its own last term


@njit(nogil=True)
def packed(W):
    """Weights (depth, n) as panels (so many, depth, panel), the last one filled with zeros."""
    depth, n = W.shape
    panel = VECTORS * BYTES // W.itemsize
    panels = np.zeros((-(-n // panel), depth, panel), W.dtype)
    for p in range(len(panels)):
        width = min(panel, n - p * panel)
        for d in range(depth):
            panels[p, d, :width] = W[d, p * panel : p * panel + width]
    return panels


@njit(nogil=True)
def _rows(left, x, step, panels, p, out, y, stride, rows, added):
    """All rows of one panel."""
    depth, r = panels.shape[1], 0
    while r + 8 <= rows:
        _eight(left, x + r * step, step, panels, p, depth, out, y + r * stride, stride, added)
        r += 8
    if r + 4 <= rows:
        _four(left, x + r * step, step, panels, p, depth, out, y + r * stride, stride, added)
        r += 4
    if r + 2 <= rows:
        _two(left, x + r * step, step, panels, p, depth, out, y + r * stride, stride, added)
        r += 2
    if r < rows:
        _one(left, x + r * step, step, panels, p, depth, out, y + r * stride, stride, added)


@njit(nogil=True)
def matrix_product(left, i, panels, out, j, n, added, first, last):
    """left[:, i:…] · W, put into the n columns out[:, j:…] or added to them, in the rows from first to last.

    W as `packed` gives it; all arrays are contiguous.
    """
    rows, panel = last - first, panels.shape[2]
    step, stride, size, rest = left.shape[1], out.shape[1], panels.shape[1] * panel, n % panel
    x, y, k = first * step + i, first * stride + j, 0
    if rows == 1:
        while k + 4 <= n // panel:
            _one_by_four(left, x, step, panels, k * size, panels.shape[1], out, y + k * panel, stride, added)
            k += 4
    while k < n // panel:
        _rows(left, x, step, panels, k * size, out, y + k * panel, stride, rows, added)
        k += 1
    if rest:
        end = np.empty((rows, panel), panels.dtype)
        _rows(left, x, step, panels, k * size, end, 0, panel, rows, False)
        for r in range(rows):
            for c in range(rest):
                before = out[first + r, j + k * panel + c] if added else end.dtype.type(0)
                out[first + r, j + k * panel + c] = before + end[r, c]


@njit(nogil=True)
def product_ahead(left, t, panels, out, n, first, last):
    """left[t] · W for the rows from first to last, put into out[t]; where they are few, now and then for many steps."""
    T, rows = left.shape[0], left.shape[1]
    many = max(1, 32 // rows) if last - first == rows else 1
    if t % many == 0:
        xs, ys = left.reshape(T * rows, left.shape[2]), out.reshape(T * rows, out.shape[2])
        matrix_product(xs, 0, panels, ys, 0, n, False, t * rows + first, (min(t + many, T) - 1) * rows + last)
