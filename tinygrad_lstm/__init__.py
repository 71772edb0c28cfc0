"""tinygrad_lstm: an autograd framework from scratch on NumPy that shows how a gradient travels back through an LSTM."""

# First, because the core is a circle that opens here: a Tensor's methods reach the ops, and the ops make Tensors.
from .tensor import Tensor, detach  # isort: split

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import nn, optim
from .engine import grad
from .flow.jacobian import jacobian
from .flow.trace import Trace, trace
from .flow.what_if import what_if
from .moved import forward as _forward
from .nn import dropout
from .ops import (
    abs,
    add,
    broadcast_to,
    clip,
    concat,
    div,
    embed,
    exp,
    hard_sigmoid,
    leaky_relu,
    log,
    log_softmax,
    logsumexp,
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    mul,
    neg,
    power,
    relu,
    reshape,
    sigmoid,
    softmax,
    softplus,
    split,
    sqrt,
    stack,
    sub,
    sum,
    swapaxes,
    take,
    tanh,
    transpose,
    where,
)
from .scope import detect_anomaly, no_grad, scope

if TYPE_CHECKING:
    from . import exchange, tasks
    from .course import quiz
    from .exchange import load, save
    from .flow.backward_only import backward_only
    from .flow.clips import clip_effect
    from .flow.diagnose import diagnose
    from .flow.findings import forget_bias_for
    from .graph import Drawing, Graph, draw
    from .training.compare import Comparison, compare

_forward()

# Where the rest is found: it is imported when it is first asked for, so that the import costs little.
_LATER = {
    "Comparison": "training.compare",
    "Drawing": "graph",
    "Graph": "graph",
    "backward_only": "flow.backward_only",
    "clip_effect": "flow.clips",
    "compare": "training.compare",
    "diagnose": "flow.diagnose",
    "draw": "graph",
    "exchange": "",
    "forget_bias_for": "flow.findings",
    "load": "exchange",
    "quiz": "course",
    "save": "exchange",
    "tasks": "",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = _LATER[name]
    found = getattr(import_module(f".{place}", __name__), name) if place else import_module(f".{name}", __name__)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__all__ = [
    "Comparison",
    "Drawing",
    "Graph",
    "Tensor",
    "Trace",
    "abs",
    "add",
    "backward_only",
    "broadcast_to",
    "clip",
    "clip_effect",
    "compare",
    "concat",
    "detach",
    "detect_anomaly",
    "diagnose",
    "div",
    "draw",
    "dropout",
    "embed",
    "exchange",
    "exp",
    "forget_bias_for",
    "grad",
    "hard_sigmoid",
    "jacobian",
    "leaky_relu",
    "load",
    "log",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mul",
    "neg",
    "nn",
    "no_grad",
    "optim",
    "power",
    "quiz",
    "relu",
    "reshape",
    "save",
    "scope",
    "sigmoid",
    "softmax",
    "softplus",
    "split",
    "sqrt",
    "stack",
    "sub",
    "sum",
    "swapaxes",
    "take",
    "tanh",
    "tasks",
    "trace",
    "transpose",
    "what_if",
    "where",
]
