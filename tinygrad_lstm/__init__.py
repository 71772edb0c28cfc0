"""tinygrad_lstm: an autograd framework from scratch on NumPy that shows how a gradient travels back through an LSTM.

The public names stand in `__init__.pyi`, with the module of each. The core is loaded at once, all else when it is first
asked for, so that the import costs little.
"""

import ast as _ast
import sys as _sys
from importlib import import_module as _import_module
from typing import Any as _Any

from . import tensor  # the core is a circle that opens here: a Tensor's methods reach the ops, and these make Tensors
from .habits import Uncallable as _Uncallable
from .habits import advice as _advice
from .memory import drop_one_by_one as _drop_one_by_one
from .memory import keep_freed as _keep_freed
from .moved import forward as _forward

with open(f"{__path__[0]}/__init__.pyi", encoding="utf-8") as _stub:
    _imports = [node for node in _ast.parse(_stub.read()).body if isinstance(node, _ast.ImportFrom)]
_PLACES = {alias.name: node.module for node in _imports for alias in node.names}  # None: a module of this package

__all__ = sorted(_PLACES)


def __getattr__(name: str) -> _Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{_advice(name)}", name=name)
    place = _PLACES[name]
    value = _import_module(f".{place or name}", __name__)
    globals()[name] = value = getattr(value, name) if place else value
    return value


def __dir__() -> list[str]:
    return __all__


_import_module(".functions", __name__)  # its ops answer NumPy's names, such as np.cumsum(t)
for _name, _place in _PLACES.items():
    if f"{__name__}.{_place}" in _sys.modules:
        __getattr__(_name)  # the core's; so that `scope` is not the module of that name, but what is in it

tensor.__class__ = _Uncallable
_forward()
_keep_freed()
if _sys.platform == "emscripten":  # elsewhere it would cost a fiftieth of a training step, for nothing
    _drop_one_by_one(tensor.Tensor)
