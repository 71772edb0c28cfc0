"""The house: its order, its circles, its sizes, the public names, and what an import must not load."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tinygrad_lstm
from tinygrad_lstm.moved import MOVED

HOUSE = Path(tinygrad_lstm.__file__).parent
CORE = ("tensor", "op", "ops", "engine", "scope")
ORDER = ["habits", "collector", "numerics", "chinese", "spoken", *CORE, "functions", "testing", "tasks", "compile"]
ORDER += ["nn", "optim", "flow", "exchange", "graph", "sweeps", "training", "published", "course", "lab", "cli"]
ORDER += ["__main__", "memory", "moved", "__init__"]
ASIDE = {"tasks": set(CORE), "exchange": {"tasks"}}  # data alone; a file of numbers knows no task
FILES = sorted(HOUSE.rglob("*.py"))
STATEMENTS = 740  # of the core together: one sitting

FUNCTIONS = {
    "squeeze", "cumsum", "norm", "std", "var", "sin", "cos", "flip", "flatten", "unsqueeze", "prod", "tril", "triu",
    "einsum", "tensordot",
}  # fmt: skip

CIRCLES = {  # modules that import each other, with the reason
    "engine op ops tensor": "the core: a Tensor's methods reach the ops and the engine, which make Tensors",
}
LARGE = {  # classes of more than 200 lines, functions of more than 50, outside the core, with the reason
    "sweeps.sweep.sweep": "its arguments, too",
    "training.fit.fit": "its arguments: each has a line in the signature and one that says what it means",
}


def room(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def module(path: Path) -> str:
    """`"nn.lstm"`, and `"nn"` for its `__init__`; that of the whole package is `""`."""
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def imported(name: str, *, for_types: bool = False) -> set[str]:
    """The modules of this package that a module imports, at its head or in a function; if asked, for types too."""
    tree = ast.parse(ast.unparse(MODULES[name]))
    package = name.split(".") if (HOUSE / name.replace(".", "/")).is_dir() else name.split(".")[:-1]
    package = ["tinygrad_lstm", *filter(None, package)]
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not for_types:
            node.body = []
    places = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            places += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            places += [(".".join([*base, *([node.module] if node.module else [])]), alias.name) for alias in node.names]
    inside = [
        (place.removeprefix("tinygrad_lstm").removeprefix("."), attribute)
        for place, attribute in places
        if place.split(".")[0] == "tinygrad_lstm"
    ]
    return {sub if (sub := f"{place}.{attribute}".strip(".")) in MODULES else place for place, attribute in inside}


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """The sets of modules of which each leads to each other."""
    reach = {name: set(graph[name]) for name in graph}
    for middle in graph:  # Warshall 1962, "A theorem on Boolean matrices"
        for name in graph:
            if middle in reach[name]:
                reach[name] |= reach[middle]
    return {frozenset(other for other in graph if other in reach[name] and name in reach[other]) for name in graph} - {
        frozenset()
    }


def sizes(node: ast.AST, prefix: str) -> dict[str, int]:
    """By how many lines each class and function below a node is longer than it may be."""
    over = {}
    for child in ast.iter_child_nodes(node):
        name = prefix
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}.{child.name}"
            most = 200 if isinstance(child, ast.ClassDef) else 50
            over[name] = child.end_lineno - child.lineno + 1 - most
        over |= sizes(child, name)
    return over


def test_every_file_has_its_room():
    assert {room(path) for path in FILES} <= set(ORDER)
    assert {room(path) for path in FILES} >= {*CORE, "habits", "functions", "memory", "moved"}
    assert imported("nn.lstm") >= {"ops", "scope", "tensor", "nn.recurrent"}
    assert "graph.dot" not in imported("") and "tensor" in imported("")


@pytest.mark.parametrize("name", MODULES)
def test_a_room_uses_only_what_stands_above_it(name):
    mine = name.split(".")[0] or "__init__"
    above = ORDER[: ORDER.index(mine)] if mine not in CORE else ["habits", "collector", "numerics", *CORE]
    rooms = {place.split(".")[0] or "__init__" for place in imported(name)} - {mine}
    rooms -= {"__init__"} if mine in ("cli", "lab") else set()  # both use the public names, as a user does
    assert rooms <= set(above) - ASIDE.get(mine, set())


def test_no_circle_of_imports_but_those_with_a_reason():
    rings = circles({name: imported(name, for_types=True) & MODULES.keys() for name in MODULES})
    assert {" ".join(sorted(ring)) for ring in rings} == CIRCLES.keys()


def test_circles_are_found():
    rings = circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"e"}})
    assert rings == {frozenset("bc"), frozenset("e")}


def test_nothing_is_long_without_a_reason():
    over = {name: lines for place, tree in MODULES.items() for name, lines in sizes(tree, place).items()}
    long = {name for name, lines in over.items() if lines > 0 and name.split(".")[0] not in CORE}
    assert long == LARGE.keys(), f"too long: {long - LARGE.keys()}; no exception any more: {LARGE.keys() - long}"
    assert sizes(ast.parse("def f():\n" + "    x = 1\n" * 50), "m") == {"m.f": 1}


def test_one_class_a_name_and_one_file_but_for_commands():
    places: dict[str, list[str]] = {}
    for place, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(place)
    assert not {name: found for name, found in places.items() if len(found) > 1}
    names = [path.stem for path in FILES if path.stem != "__init__" and path.parent.name != "cli"]
    assert len(names) == len(set(names))


def test_the_core_is_read_in_one_sitting():
    statements = {name: sum(isinstance(node, ast.stmt) for node in ast.walk(MODULES[name])) for name in CORE}
    assert sum(statements.values()) <= STATEMENTS, statements


def test_nothing_heavy_is_loaded_early():
    code = "import sys, tinygrad_lstm; print(*sorted(m.split('.')[0] for m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(run.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"graphviz", "typer", "rich", "matplotlib", "torch", "keras", "IPython"}


def test_the_public_face_is_there():
    assert all(hasattr(tinygrad_lstm, name) for name in tinygrad_lstm.__all__)
    promised = """
        Tensor grad jacobian no_grad scope what_if detach detect_anomaly trace nn tasks
        add sub mul div neg power exp log sqrt abs maximum minimum clip where sigmoid tanh relu softplus hard_sigmoid
        leaky_relu matmul sum mean max min logsumexp softmax log_softmax reshape transpose swapaxes broadcast_to take
        concat stack split embed dropout
    """
    assert set(promised.split()) <= set(tinygrad_lstm.__all__)


def test_every_promised_name_is_found_where_the_stub_says():
    import tinygrad_lstm as tl

    stub = ast.parse((HOUSE / "__init__.pyi").read_text(encoding="utf-8"))
    lines = [(node.module, alias) for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(alias.name for _, alias in lines) == tl.__all__ == dir(tl), "each name once, and nothing else"
    for place, alias in lines:
        assert alias.asname == alias.name, "this is how a stub hands a name on"
        where = import_module(f"tinygrad_lstm.{place or alias.name}")
        assert getattr(tl, alias.name) is (getattr(where, alias.name) if place else where)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = tl.nothing


@pytest.mark.parametrize(
    "first", ["import tinygrad_lstm.scope", "from tinygrad_lstm import nn", "from tinygrad_lstm import *"]
)
def test_scope_is_the_function_whatever_is_imported_first(first):
    code = f"{first}\nimport pickle, tinygrad_lstm as tl\nwith tl.scope('a'): assert tl.Tensor(1.0).scope == 'a'\n"
    code += "for name in ('Tensor', 'scope', 'fit', 'History', 'trace', 'var'):\n"
    code += "    assert pickle.loads(pickle.dumps(getattr(tl, name))) is getattr(tl, name)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_name_of_another_library_is_answered_with_ours():
    import tinygrad_lstm as tl
    from tinygrad_lstm.habits import HABITS, advice

    habits = {"cat": r"tl\.concat", "zeros": r"tl\.Tensor", "randn": r"tl\.Tensor.*default_rng", "expand_dims": "None"}
    for name, ours in habits.items():
        with pytest.raises(AttributeError, match=rf"no attribute '{name}'\. Use .*{ours}"):
            getattr(tl, name)
    with pytest.raises(TypeError, match=r"tensor is a module, no function\. Use tl\.Tensor"):
        tl.tensor([1.0])
    assert advice("nothing") == "" and advice("cat").startswith(" Use ")
    mentioned = {word for text in HABITS.values() for word in re.findall(r"\btl\.(\w+)", text)}
    assert mentioned <= set(tl.__all__), "a hint names what exists"
    assert not HABITS.keys() & set(tl.__all__) - FUNCTIONS, "these are functions alone"


@pytest.mark.parametrize(("old", "new"), MOVED.items(), ids=list(MOVED))
def test_an_old_path_is_an_alias(old, new):
    assert import_module(f"tinygrad_lstm.{old}") is import_module(f"tinygrad_lstm.{new}")
    code = (  # the old name first, in a Python that knows neither yet
        f"from importlib import import_module as get; a, b = get('tinygrad_lstm.{old}'), get('tinygrad_lstm.{new}'); "
        f"assert a is b and a.__name__ == a.__spec__.name == 'tinygrad_lstm.{new}'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
