"""Products and sums over all steps, in the text of a sequence, as work that threads share."""

from __future__ import annotations

import ast


def shared(text: str) -> str:
    """The text whose `a @ b` and `x.sum(axis=(0, 1))` are calls of `Later`, finished before a line needs a result."""
    tree = ast.parse(text)
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and function.name in ("forward", "backward"):
            function.body = Lines().all(function.body)
    return ast.unparse(tree)


def _names(node: ast.AST | None) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} if node else set()


def _is_another_name(line: ast.stmt) -> bool:
    """Whether a line only names a value, or a part of it; a result may have another shape, since it is contiguous."""
    value = line.value if isinstance(line, ast.Assign) else None
    is_result = isinstance(value, ast.Call) and ast.unparse(value).startswith("shared_")
    return is_result or isinstance(value, ast.Name | ast.Subscript)


class Lines(ast.NodeTransformer):
    """The lines of a function, in an order in which as much as can be is done at once.

    `waiting` are names of what is not there yet: results, other names for them, and what lines that are held back add
    them to.
    """

    def __init__(self) -> None:
        self.body, self.held, self.waiting = ast.parse("later = Later()").body, list[ast.stmt](), set[str]()
        self.made, self.count = list[ast.Assign](), 0

    def all(self, lines: list[ast.stmt]) -> list[ast.stmt]:
        for line in lines:
            self._add(line)
        return self.body

    def _add(self, line: ast.stmt) -> None:
        line, made, self.made = self.visit(line), self.made, []
        for one in made:
            if _names(one.value) & self.waiting:
                self._finish()
            self.body.append(one)
            self.waiting |= _names(one.targets[0])
        target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
        if not _names(line) & self.waiting:
            self.body.append(line)
        elif _is_another_name(line):
            self.body.append(line)
            self.waiting |= _names(target)
        elif made and target:
            self.held.append(line)
            self.waiting |= _names(target)
        else:
            self._finish()
            self.body.append(line)

    def _finish(self) -> None:
        self.body += [*ast.parse("later.finish()").body, *self.held]
        self.held, self.waiting = [], set()

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return self._later("product", node.left, node.right) if isinstance(node.op, ast.MatMult) else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        is_total = isinstance(node.func, ast.Attribute) and ast.unparse(node).endswith(".sum(axis=(0, 1))")
        return self._later("total", node.func.value) if is_total else node  # type: ignore[attr-defined]

    def _later(self, name: str, *of: ast.expr) -> ast.AST:
        """The name of a result, which a line of its own makes."""
        self.count += 1
        result = f"shared_{self.count}"
        call = ast.Call(ast.Attribute(ast.Name("later"), name), list(of), [])
        self.made.append(ast.Assign([ast.Name(result)], call, lineno=0))
        return ast.Name(result)
