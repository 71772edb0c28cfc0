"""Sample inputs for every op of the registry: what each is checked with, by differences and against PyTorch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lstm.nn  # noqa: F401 — its ops enter the registry when it is imported
from tinygrad_lstm.op import Op, registry
from tinygrad_lstm.tensor import Array

draw = np.random.default_rng(7)


class Row(NamedTuple):
    """Inputs and settings of one call; the inputs numbered in `fixed` carry no gradient."""

    inputs: tuple[Array, ...]
    settings: dict[str, Any] = {}  # noqa: RUF012 — never changed
    fixed: tuple[int, ...] = ()

    def call(self, op: Op) -> Callable[..., Any]:
        """The op as a function of the inputs that carry gradient."""

        def called(*moving: Any) -> Any:
            rest = iter(moving)
            return op(*(x if k in self.fixed else next(rest) for k, x in enumerate(self.inputs)), **self.settings)

        called.__name__ = op.name
        return called

    @property
    def moving(self) -> list[Array]:
        return [x for k, x in enumerate(self.inputs) if k not in self.fixed]


def signed(*shape: int) -> Array:
    """Entries in ±[0.2, 2], so that none is near the corner of relu or abs, and the two signs are mixed."""
    return draw.uniform(0.2, 2, shape) * draw.choice([-1.0, 1.0], shape)


def positive(*shape: int) -> Array:
    return draw.uniform(0.5, 2, shape)


def apart(*shape: int) -> Array:
    """Entries of which no two are nearer than 0.1: no ties."""
    return (draw.permutation(int(np.prod(shape, dtype=int))) / 10 - 1).reshape(shape)


PAIRS = [
    ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), ()), ((2, 1), (1, 3)), ((1,), (2, 3)), ((4, 1, 2), (3, 1)), ((), ()),
]  # fmt: skip
SHAPES = [(3, 4), (), (2, 1, 3)]
AXES: list[Any] = [None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2)]
PRODUCTS = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((1, 3), (3, 1)),
    ((5, 2, 3), (3,)), ((5, 2, 3), (3, 4)), ((3,), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)), ((5, 2, 3), (1, 3, 4)), ((2, 1, 2, 3), (1, 3, 3, 4)), ((2, 1, 2, 3), (3, 3, 4)),
    ((2, 2, 2, 3), (3,)), ((3,), (2, 2, 3, 4)),
]  # fmt: skip
INDICES: list[Any] = [
    1, -1, np.int64(2), (1, 2), slice(1, 3), slice(None, None, -2), (slice(None), -1), (..., 0), (None, 1), None, ...,
    [0, 2, 0, 0], np.array([[1, 1], [3, 1]]), np.array([-1, 3, -1]), (np.array([0, 0, 2]), np.array([1, 1, 3])),
    (slice(None), [1, 1]), (np.array([1, 1]), slice(1, 3)), np.arange(4) % 2 == 0, np.arange(20).reshape(4, 5) % 3 == 0,
]  # fmt: skip


def unary(make: Callable[..., Array], **settings: Any) -> list[Row]:
    return [Row((make(*shape),), settings) for shape in SHAPES]


def binary(make_a: Callable[..., Array], make_b: Callable[..., Array]) -> list[Row]:
    return [Row((make_a(*a), make_b(*b))) for a, b in PAIRS]


def reduced(make: Callable[..., Array]) -> list[Row]:
    rows = [Row((make(2, 3, 4),), {"axis": axis, "keepdims": keep}) for axis in AXES for keep in (False, True)]
    return [*rows, Row((make(),)), Row((make(3),)), Row((make(3, 1),), {"axis": 1})]


ROWS: dict[str, list[Row]] = {
    "add": binary(signed, signed),
    "sub": binary(signed, signed),
    "mul": binary(signed, signed),
    "div": binary(signed, positive),
    "neg": unary(signed),
    "power": [
        *binary(positive, signed), *(Row((signed(4), np.array(b)), fixed=(1,)) for b in (-2.0, 0.0, 1.0, 2.0, 3.0)),
    ],
    "exp": unary(signed),
    "log": unary(positive),
    "sqrt": unary(positive),
    "abs": unary(signed),
    "maximum": binary(signed, signed),
    "minimum": binary(signed, signed),
    "clip": [*unary(apart, low=-0.75, high=-0.25), *unary(apart, low=-0.75), *unary(apart, high=-0.35)],
    "where": [Row((np.array([[True], [False]]), signed(*a), signed(*b)), fixed=(0,)) for a, b in PAIRS[:5]],
    "sin": unary(signed),
    "cos": unary(signed),
    "mod": [Row((np.array([0.3, 1.8, -2.3]), np.array([1.0, 0.7, -1.5]))), Row((np.array([2.3]), np.array(0.7)))],
    "einsum_of": [
        Row((signed(2, 3), signed(3, 4)), {"subscripts": "ij,jk->ik"}), Row((signed(2, 3),), {"subscripts": "ij->j"}),
        Row((signed(2, 3), signed(2, 3)), {"subscripts": "ij,ij"}), Row((signed(2), signed(3)), {"subscripts": "i,j"}),
        Row((signed(2), signed(3)), {"subscripts": "i,j->ji"}),
        Row((signed(2, 3), signed(3), signed(2)), {"subscripts": "ij,j,i->i"}),
    ],
    "chosen": [Row((signed(2, 3), signed(2, 3)))],
    "sigmoid": unary(signed),
    "tanh": unary(signed),
    "relu": unary(signed),
    "leaky_relu": [*unary(signed), *unary(signed, negative_slope=0.3)],
    "softplus": unary(signed),
    "hard_sigmoid": [Row((np.array([-4.0, -2.9, -0.5, 0.0, 1.2, 2.9, 3.1]),), s) for s in ({}, {"slope": 0.2})],
    "matmul": [Row((signed(*a), signed(*b))) for a, b in PRODUCTS],
    "sum": reduced(signed),
    "mean": reduced(signed),
    "max": reduced(apart),
    "min": reduced(apart),
    "logsumexp": reduced(signed),
    "cumsum": [Row((signed(2, 3, 4),), {"axis": axis}) for axis in (None, 0, 1, -1, -3)]
    + [Row((signed(3),)), Row((signed(),), {"axis": None})],
    "softmax": [Row((signed(2, 3, 4),), {"axis": axis}) for axis in (0, 1, -1)] + [Row((signed(3),))],
    "log_softmax": [Row((signed(2, 3, 4),), {"axis": axis}) for axis in (0, 1, -1)] + [Row((signed(3),))],
    "reshape": [Row((signed(2, 3, 4),), {"shape": shape}) for shape in ((6, 4), (-1,), (4, 1, -1), (2, 3, 4))],
    "transpose": [Row((signed(2, 3, 4),), {"axes": axes}) for axes in (None, (1, 2, 0), (-1, 0, 1), (0, 1, 2))],
    "swapaxes": [Row((signed(2, 3, 4),), {"axis1": a, "axis2": b}) for a, b in ((0, 1), (-1, 0), (1, 1))],
    "broadcast_to": [Row((signed(*a),), {"shape": b}) for a, b in (((3,), (2, 3)), ((2, 1), (2, 3)), ((), (2, 2)))],
    "take": [Row((signed(4, 5),), {"index": index}) for index in INDICES],
    "put": [
        Row((signed(*np.zeros((4, 5))[index].shape),), {"index": index, "shape": (4, 5)}) for index in INDICES
    ],
    "embed": [Row((signed(4, 2),), {"index": index}) for index in (2, [0, 3, 0], np.array([[1, 1], [2, 1]]))],
    "cast": [Row((signed(2, 3),), {"dtype": np.dtype(np.float64)})],
    "concat": [
        Row((signed(2, 1), signed(2, 3))), Row((signed(2, 3),)), Row((signed(3), signed(1), signed(2))),
        *(Row((signed(2, 3), signed(2, 3), signed(2, 3)), {"axis": axis}) for axis in (0, 1, -2)),
    ],
    "stack": [Row((signed(2, 3), signed(2, 3)), {"axis": axis}) for axis in (0, 1, 2, -1, -3)] + [Row((signed(),) * 3)],
}  # fmt: skip

SAMPLES = [(registry[name], row) for name, rows in ROWS.items() for row in rows]
LABELS = [f"{name}-{k}" for name, rows in ROWS.items() for k in range(len(rows))]

# A cell of one's own, as it is typed into the lab: Zhou, Wu, Zhang, Zhou 2016.
OWN_CLASS = """class Minimal(nn.Cell):
    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W_f, self.b_f = self.weight("W_f"), self.bias("b_f", 1.0)
        self.W_n, self.b_n = self.weight("W_n"), self.bias("b_n")
    def step(self, x, state):
        h = state.h
        f = sigmoid(concat(h, x) @ self.W_f + self.b_f).named("f")
        n = tanh(concat(f * h, x) @ self.W_n + self.b_n).named("n")
        return nn.Step(f=f, n=n, h=((1 - f) * h + f * n).named("h"))
"""
