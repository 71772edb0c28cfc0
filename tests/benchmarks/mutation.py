"""Would a test notice? The command and what came of it stand in MUTATION.md.

A mutant is the package with one small change: an operator, a comparison, a number, a condition, a statement or a result
(the sufficient operators of Offutt et al. 1996, "An experimental determination of sufficient mutant operators", and
deletion of statements). It is killed if a test fails, or takes far too long. Mutants are drawn at random, half of them
from the core, nn and optim; each runs against those tests of its own room that execute its line, in a process forked
from one that has everything but the package loaded. Needs `pip install coverage`, POSIX, and the other frameworks
(without them most tests of exchange are skipped).

A tool of our own, since a third of the core is lambdas at the head of a module: tools that switch mutants inside
functions never change them, and those that start pytest anew for each need hours.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib
import json
import os
import random
import resource
import sys
import time
from collections import Counter
from importlib.abc import MetaPathFinder
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import pytest

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "tinygrad_lstm"
CORE = "tensor op ops engine scope functions numerics"
ROOMS = {  # the modules and the tests of each room; the first three are to reach 97 %, the others 92 %
    "core": (CORE, "ops engine tensor functions scope edges numerics testing settings fused"),
    "nn": ("nn", "nn cells settings edges fused sequence"),
    "optim": ("optim", "optim settings edges"),
    "flow": ("flow", "flow flow_numbers flow_backward_only diagnose scope edges"),
    "graph": ("graph", "graph_capture graph_draw page edges"),
    "tasks": ("tasks", "tasks tasks_files tasks_words edges faults"),
    "exchange": ("exchange", "exchange exchange_keras exchange_onnx exchange_torch"),
}
FIRST, OTHERS = ("core", "nn", "optim"), [("flow",), ("graph",), ("tasks",), ("exchange",)]
SLOW = "test_a_signal or test_a_training_is or test_no_print or killed or notebook"  # processes: no line is seen there
SECONDS = 45.0  # of tests, by their times when nothing is changed, for one mutant

GUARDS = ("strict", "stacklevel")  # zip's guard against what cannot happen, and whose line a warning shows
SWAPS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or,
    ast.Or: ast.And, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


class Mutant(NamedTuple):
    file: str  # below the package
    line: int
    column: int
    kind: str
    before: str
    after: str
    number: int  # among the file's mutants

    @property
    def room(self) -> str:
        first = self.file.split("/")[0].removesuffix(".py")
        return next(room for room, (modules, _) in ROOMS.items() if first in modules.split())


# — making them ——————————————————————————————————————————————————————————————————————————————————————————
def changed(node: ast.AST) -> list[tuple[str, ast.AST]]:
    """What a node may become: the kind of change, and the node that takes its place."""
    found: list[tuple[str, ast.AST]] = []

    def put(kind: str, **fields: Any) -> None:
        other = copy.copy(node)
        for name, value in fields.items():
            setattr(other, name, value)
        found.append((kind, other))

    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in SWAPS:
        put("operator", op=SWAPS[type(node.op)]())
    elif isinstance(node, ast.Compare):
        for k, sign in enumerate(node.ops):
            put("comparison", ops=[*node.ops[:k], SWAPS[type(sign)](), *node.ops[k + 1 :]])
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        put("constant", value=not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        put("constant", value=node.value + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        found.append(("sign", node.operand))
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        put("condition", test=ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test))
    elif isinstance(node, ast.Return) and node.value is not None and ast.unparse(node.value) != "None":
        put("result", value=ast.copy_location(ast.Constant(None), node.value))
    deleted = isinstance(node, ast.Raise | ast.AugAssign | ast.Continue | ast.Break | ast.Expr)
    if deleted and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        found.append(("statement", ast.copy_location(ast.Pass(), node)))
    return found


def places(tree: ast.AST) -> list[tuple[ast.AST, str, int | None, ast.AST]]:
    """Each node that may be changed, with its parent and where it stands there; types are left out."""
    found = []
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            if isinstance(parent, ast.keyword) and parent.arg in GUARDS:
                continue
            for k, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST):
                    found.append((parent, name, k, child))
    return found


def typed(tree: ast.AST) -> set[ast.AST]:
    """All nodes that speak of types: annotations, aliases, `isinstance`, `if TYPE_CHECKING`."""
    heads: list[ast.AST] = []
    for node in ast.walk(tree):
        heads += [x for x in (getattr(node, "annotation", None), getattr(node, "returns", None)) if x]
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass", "cast", "TypeVar"):
            heads += node.args
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            heads.append(node)
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(x) == "overload" for x in node.decorator_list):
            heads.append(node)
    heads += [node.value for node in tree.body if isinstance(node, ast.Assign) and "|" in ast.unparse(node.value)]  # type: ignore[attr-defined]
    return {node for head in heads for node in ast.walk(head)}


def mutants(file: str, wanted: int | None = None) -> tuple[list[Mutant], ast.AST]:
    """All mutants of a file; if one is wanted, the tree is changed to be that one."""
    tree = ast.parse((HOUSE / file).read_text(encoding="utf-8"))
    types, found = typed(tree), []
    for parent, name, k, child in places(tree):
        if child in types or parent in types or not hasattr(child, "lineno"):
            continue
        for kind, other in changed(child):
            texts = [ast.unparse(x).split("\n")[0][:90] for x in (child, other)]
            found.append(Mutant(file, child.lineno, child.col_offset, kind, texts[0], texts[1], len(found)))
            if found[-1].number == wanted:
                ast.copy_location(other, child)
                setattr(parent, name, other) if k is None else getattr(parent, name).__setitem__(k, other)
                return found, ast.fix_missing_locations(tree)
    return found, tree


class Changed(MetaPathFinder, SourceFileLoader):
    """Loads one module of the package from a changed tree."""

    def __init__(self, file: str, tree: Any) -> None:
        name = "tinygrad_lstm." + file.removesuffix(".py").replace("/", ".")
        super().__init__(name.removesuffix(".__init__"), str(HOUSE / file))
        self.tree = tree

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        return spec_from_file_location(fullname, self.path, loader=self) if fullname == self.name else None

    def get_code(self, fullname: str) -> Any:
        return compile(self.tree, self.path, "exec")


# — running tests ——————————————————————————————————————————————————————————————————————————————————————————
def forked(work: Any, seconds: float) -> int:
    """The exit status of `work()` in a child of this process, without its output; negative: ended by a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
    os.setsid()
    status = 70
    try:
        status = int(work())
    finally:
        os._exit(status)


def pytest_run(files: list[str], plugin: Any, *options: str) -> int:
    paths = [str(ROOT / "tests" / f"test_{name}.py") for name in files]
    options = ("-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning", *options)
    return pytest.main([*options, "-k", f"not ({SLOW})", *paths], plugins=[plugin])


class Watch:
    """Which test executes which line of the package, and how long each takes."""

    def __init__(self, coverage: Any) -> None:
        self.coverage, self.times = coverage, {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.passed or report.when != "call":
            self.times[report.nodeid] = self.times.get(report.nodeid, 0.0) + report.duration
        if not report.passed:
            self.times[report.nodeid] = float("inf")  # skipped or failing anyhow: kills nothing

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [x for x in items if "visit" not in x.fixturenames]  # a browser runs what is not changed here

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        self.coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.coverage.switch_context("")


def survey(room: str, path: Path) -> None:
    """Write which tests of a room execute which line of its modules, the quickest first."""
    import coverage

    cover = coverage.Coverage(data_file=None, source=[str(HOUSE)], messages=False)
    watch = Watch(cover)
    cover.start()
    pytest_run(ROOMS[room][1].split(), watch)
    cover.stop()
    data = cover.get_data()
    lines: dict[str, dict[int, list[str]]] = {}
    for file in data.measured_files():
        by_line = data.contexts_by_lineno(file)
        lines[str(Path(file).relative_to(HOUSE))] = {
            line: [name for name in names if name and watch.times.get(name, float("inf")) < 60]
            for line, names in by_line.items()
        }
    path.write_text(json.dumps({"lines": lines, "times": watch.times}))


class Chosen:
    """Runs these tests alone, in this order."""

    def __init__(self, names: list[str]) -> None:
        self.order = {name: k for k, name in enumerate(names)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted((x for x in items if x.nodeid in self.order), key=lambda x: self.order[x.nodeid])


def tests_for(mutant: Mutant, seen: dict[str, Any]) -> list[str]:
    """The tests that execute a mutant's line, or else its statement or function: quick ones first, and not all day."""
    lines = {int(k): v for k, v in seen["lines"].get(mutant.file, {}).items()}
    names = set(lines.get(mutant.line, ()))
    tree = ast.parse((HOUSE / mutant.file).read_text(encoding="utf-8"))
    around = [x for x in ast.walk(tree) if isinstance(x, ast.stmt) and x.lineno <= mutant.line <= (x.end_lineno or 0)]
    for node in sorted(around, key=lambda x: (x.end_lineno or 0) - x.lineno):
        if names:
            break
        for line in range(node.lineno, (node.end_lineno or 0) + 1):
            names |= set(lines.get(line, ()))
    if mutant.line not in lines or not lines[mutant.line]:  # what runs while a module is loaded, such as a default
        names |= {name for name, seconds in seen["times"].items() if seconds < 60}
    chosen, total = [], 0.0
    for name in sorted(names, key=lambda x: (seen["times"][x], x)):
        total += seen["times"][name]
        if total > SECONDS and chosen:
            break
        chosen.append(name)
    return chosen


def verdict(mutant: Mutant, seen: dict[str, Any]) -> str:
    names = tests_for(mutant, seen)
    if not names:
        return "survived (no test runs it)"
    files = sorted({name.split("::")[0].split("test_", 1)[1].removesuffix(".py") for name in names})

    def work() -> int:
        sys.meta_path.insert(0, Changed(mutant.file, mutants(mutant.file, mutant.number)[1]))
        return pytest_run(files, Chosen(names), "-x")

    status = forked(work, 30 + 5 * sum(seen["times"][name] for name in names))
    return f"survived ({len(names)} tests)" if status == 0 else "killed"


# — the sample, and what is said of it ——————————————————————————————————————————————————————————————————————————
def drawn(sample: int, seed: int, leave_out: list[str]) -> list[Mutant]:
    """Half from the core, nn and optim together, an eighth from each of the other rooms."""
    files = [str(path.relative_to(HOUSE)) for path in sorted(HOUSE.rglob("*.py"))]
    modules = {name for names, _ in ROOMS.values() for name in names.split()}
    files = [x for x in files if x.split("/")[0].removesuffix(".py") in modules and x not in leave_out]
    every = [mutant for file in files for mutant in mutants(file)[0]]
    rng = random.Random(seed)
    groups = {room: [x for x in every if x.room in rooms] for rooms in (FIRST, *OTHERS) for room in [rooms[0]]}
    share = {room: sample // (2 if room == FIRST[0] else 2 * len(OTHERS)) for room in groups}
    return [x for room, group in groups.items() for x in sorted(rng.sample(group, min(share[room], len(group))))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--leave-out", nargs="*", default=[], help="files that are not changed, such as nn/fused.py")
    parser.add_argument("--survey", type=Path, required=True, help="a folder: which test runs which line, kept there")
    parser.add_argument("--check", action="store_true", help="first see that the tests pass when nothing is changed")
    parser.add_argument("--again", type=Path, help="only the survivors of that result, to see whether they still do")
    parser.add_argument("--part", default="1/1", help="2/3: the second of three parts of the sample, for as many cores")
    parser.add_argument("--out", type=Path, required=True, help="the result, one mutant a line, as JSON")
    args = parser.parse_args()
    os.chdir(ROOT)
    hypothesis.settings.register_profile("mutation", derandomize=True, database=None, deadline=None)
    hypothesis.settings.load_profile("mutation")
    args.survey.mkdir(parents=True, exist_ok=True)
    for room in ROOMS:
        if not (path := args.survey / f"{room}.json").exists():
            print(f"{room}: {forked(lambda: survey(room, path) or 0, 3600) or 'surveyed'}", flush=True)  # noqa: B023
    seen = {room: json.loads((args.survey / f"{room}.json").read_text()) for room in ROOMS}
    for room, (_, files) in ROOMS.items() if args.check else ():
        names = [name for name, seconds in seen[room]["times"].items() if seconds < 60]
        status = forked(lambda: pytest_run(files.split(), Chosen(names)), 3600)  # noqa: B023
        print(f"{room}: {len(names)} tests of code that is not changed {'fail' if status else 'pass'}", flush=True)
    chosen = drawn(args.sample, args.seed, args.leave_out)
    if args.again:
        old = [json.loads(line) for line in args.again.read_text().splitlines()]
        alive = {(x["file"], x["before"], x["after"]) for x in old if x["verdict"] != "killed"}
        files = sorted({file for file, _, _ in alive})
        chosen = [x for file in files for x in mutants(file)[0] if (file, x.before, x.after) in alive]
    part, parts = map(int, args.part.split("/"))
    chosen = chosen[part - 1 :: parts]
    tally: Counter[tuple[str, bool]] = Counter()
    with args.out.open("w") as out:
        for k, mutant in enumerate(chosen, 1):
            start = time.perf_counter()
            said = verdict(mutant, seen[mutant.room])
            tally[mutant.room, said == "killed"] += 1
            out.write(json.dumps({**mutant._asdict(), "verdict": said}, ensure_ascii=False) + "\n")
            out.flush()
            if said != "killed":
                print(f"{mutant.file}:{mutant.line}: {mutant.before}  →  {mutant.after}  {said}", flush=True)
            if k % 20 == 0:
                print(f"— {k} of {len(chosen)}, the last in {time.perf_counter() - start:.1f} s", flush=True)
    for room in ROOMS:
        dead, alive_ = tally[room, True], tally[room, False]
        print(f"{room:9} {dead:4} of {dead + alive_:4} killed")


if __name__ == "__main__":
    for heavy in ("numpy", "rich.console", "typer", "matplotlib.figure", "torch", "keras", "onnx", "numba"):
        with contextlib.suppress(ImportError):
            importlib.import_module(heavy)  # here, so that no child has to
    main()
