"""The order of the rooms: each may use only what stands above it; and what an import must not load."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tinygrad_lstm
from tinygrad_lstm.moved import MOVED

HOUSE = Path(tinygrad_lstm.__file__).parent
CORE = ("tensor", "op", "ops", "engine", "scope")
ORDER = [*CORE, "numerics", "testing", "tasks", "nn", "optim", "flow", "exchange", "graph", "training", "course", "cli"]
ORDER += ["__main__", "moved", "__init__"]
ASIDE = {"tasks": set(CORE), "exchange": {"tasks"}}  # data alone; a file of numbers knows no task
FILES = sorted(HOUSE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The rooms of this package that a file imports, at its head or inside a function; not for type checks alone."""
    tree, package = ast.parse(path.read_text(encoding="utf-8")), ["tinygrad_lstm", *path.relative_to(HOUSE).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [f"{module}.{alias.name}" for alias in node.names]
    inside = (name.split(".")[1] for name in found if name.startswith("tinygrad_lstm."))
    return {name for name in inside if (HOUSE / name).is_dir() or (HOUSE / f"{name}.py").exists()}


def test_every_file_has_its_room():
    assert {room(path) for path in FILES} <= set(ORDER)
    assert set(CORE) <= {room(path) for path in FILES}
    assert imported(HOUSE / "nn" / "lstm.py") == {"ops", "scope", "tensor", "nn"}


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(HOUSE)) for path in FILES])
def test_a_room_uses_only_what_stands_above_it(path):
    mine = room(path)
    below = set(ORDER[ORDER.index(mine) + 1 :]) if mine not in CORE else set(ORDER[len(CORE) :])
    forbidden = (below | ASIDE.get(mine, set())) - {mine}
    assert not imported(path) & forbidden


def test_the_core_is_read_in_one_sitting():
    lines = {name: len((HOUSE / f"{name}.py").read_text(encoding="utf-8").splitlines()) for name in CORE}
    assert sum(lines.values()) <= 900, lines


def test_nothing_heavy_is_loaded_early():
    code = "import sys, tinygrad_lstm; print(*sorted(m.split('.')[0] for m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(run.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"graphviz", "graphviz_pure", "typer", "rich", "matplotlib", "torch", "keras", "IPython"}


def test_the_public_face_is_there():
    assert all(hasattr(tinygrad_lstm, name) for name in tinygrad_lstm.__all__)
    promised = """
        Tensor grad jacobian no_grad scope what_if detach detect_anomaly trace nn tasks
        add sub mul div neg power exp log sqrt abs maximum minimum clip where sigmoid tanh relu softplus hard_sigmoid
        leaky_relu matmul sum mean max min logsumexp softmax log_softmax reshape transpose swapaxes broadcast_to take
        concat stack split embed dropout
    """
    assert set(promised.split()) <= set(tinygrad_lstm.__all__)


def test_every_promised_name_is_found():
    import tinygrad_lstm as tl

    assert all(getattr(tl, name) is not None for name in tl.__all__)
    assert set(tl.__all__) <= set(dir(tl))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = tl.nothing


@pytest.mark.parametrize(("old", "new"), MOVED.items(), ids=list(MOVED))
def test_an_old_path_is_an_alias(old, new):
    assert import_module(f"tinygrad_lstm.{old}") is import_module(f"tinygrad_lstm.{new}")
    code = (  # the old name first, in a Python that knows neither yet
        f"from importlib import import_module as get; a, b = get('tinygrad_lstm.{old}'), get('tinygrad_lstm.{new}'); "
        f"assert a is b and a.__name__ == a.__spec__.name == 'tinygrad_lstm.{new}'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
