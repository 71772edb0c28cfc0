"""`tinygrad-lstm doctor`: is everything here, and does it work?"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec

import typer

from .console import say
from .tutorials import WHEEL, notebooks


def doctor() -> None:
    """Print versions, try the gradients, and draw a test picture. Exit code 1 if something does not work."""
    healthy = True
    for name, check in (
        ("python", lambda: f"{platform.python_version()} on {platform.platform()}"),
        ("packages", _packages),
        ("BLAS", _blas),
        ("gradients", _gradients),
        ("saving", _saving),
        ("drawing engine", _engine),
        ("tutorials", _course),
        ("test picture", _picture),
    ):
        line, works = _tried(check)
        healthy &= works
        say(f"{'ok  ' if works else 'FAIL'}  {name:15} {line}")
    if not healthy:
        raise typer.Exit(1)


def _tried(check: Callable[[], str]) -> tuple[str, bool]:
    """What a check says and that it works, or what went wrong. A doctor goes on after a bad finding, whatever it is."""
    try:
        return check(), True
    except Exception as exc:
        return f"{type(exc).__name__}: {' '.join(str(exc).split())}", False


def _packages() -> str:
    names = ("tinygrad-lstm", "numpy", "graphviz", "graphviz-pure", "safetensors", "typer", "rich")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _course() -> str:
    """Whether the tutorials can run; they are no part of what has to work."""
    lacking = [name for name in ("matplotlib", "jupyterlab") if find_spec(name) is None]
    if lacking:
        return f'they need {" and ".join(lacking)}: pip install "tinygrad-lstm[course]"'
    if not notebooks("en"):
        return f"all they need is here, but not they themselves: pip install {WHEEL}"
    return "all they need is here"


def _blas() -> str:
    """Which library multiplies matrices, and with how many threads: for small ones, one thread is often fastest."""
    import numpy as np

    config = np.show_config(mode="dicts")
    built = (config or {}).get("Build Dependencies", {}).get("blas", {})
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    settings = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    threads = ", ".join(settings) or (
        f"as many threads as processors ({os.cpu_count()}); where others use them too, OPENBLAS_NUM_THREADS=1 is faster"
    )
    return f"{built.get('name', 'unknown')} {built.get('version', '')}, {threads}"


def _gradients() -> str:
    import numpy as np

    from .. import nn
    from ..testing import gradcheck

    rng = np.random.default_rng(0)
    cell = nn.LSTMCell(2, 3, rng=rng).astype(np.float64)
    h, C = rng.standard_normal((2, 1, 3))
    gradcheck(lambda x, h, C: cell(x, (h, C)).C.sum(), [rng.standard_normal((1, 2)), h, C], order=1)
    return "an LSTM cell's agree with central differences"


def _saving() -> str:
    import numpy as np

    from .. import nn
    from ..exchange import load, save

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.safetensors")
        model = nn.Linear(2, 3, rng=np.random.default_rng(0))
        save(path, model)
        load(path, model)
        return f"a model was written to {tempfile.gettempdir()} and read again"


def _engine() -> str:
    from ..graph import engine_info

    engine = engine_info()
    return f"{engine.version} at {os.path.normpath(engine.path)}"


def _picture() -> str:
    import numpy as np

    from .. import nn
    from ..graph import draw

    out = nn.LSTM(1, 2, rng=np.random.default_rng(0))(np.ones((1, 2, 1), dtype=np.float32))
    with tempfile.TemporaryDirectory() as folder:
        sizes = []
        for ending in ("svg", "png"):
            path = os.path.join(folder, f"test.{ending}")
            draw(out.last.h.sum()).save(path)
            sizes.append(f"{ending} {os.path.getsize(path):,} bytes")
    return f"two steps of an LSTM: {', '.join(sizes)}"
