"""What each op computes and what its rules send back, as formulas: the table of ops, run on symbols."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from textwrap import dedent
from typing import Any, NamedTuple

import numpy as np

from ..op import Piece, registry
from ..tensor import Shape
from .symbols import CannotCompile, Expr, Symbol, call, index_of
from .values import NUMBER, ONCE, STOP, Node, origin


class Share(NamedTuple):
    """What one op sends to one of its inputs, or to a part of it, `at` an index: the formula, the rule, the scope."""

    to: Node
    expr: Expr
    rule: str
    scope: str
    at: Expr | None = None


def symbol(node: Node, rows: int, kind: str = "", whole: bool = False) -> Any:
    """A value as a symbol (`kind` "d": its gradient), `whole` for all steps at once; or the number that it is."""
    node = origin(node)
    if node.op == NUMBER:
        return node.example
    array = np.ones_like(node.example) if kind else node.example
    if whole and node.stage != ONCE:
        array = np.broadcast_to(array, (2, *array.shape))
    return Symbol(array, Expr(leaf=(kind, node)), rows)


def computed(node: Node, rows: int, whole: bool = False, as_call: bool = True) -> Expr:
    """The formula that makes a value: NumPy's where it is a single operation, otherwise a call of the op's name."""
    inputs = [symbol(x, rows, "", whole) for x in node.inputs]
    try:
        traced = registry[node.op].forward(*inputs, **node.settings)
    except (CannotCompile, TypeError, ValueError, AttributeError):  # it does more than NumPy's functions
        traced = None
    if isinstance(traced, Symbol) and node.op != "sigmoid" and (traced.expr.is_simple or not as_call):
        return traced.expr
    return call(node.op, inputs, node.settings, rows)


def helpers_of(formulas: dict[Node, Expr]) -> list[str]:
    """The ops that are called by name."""
    return list(dict.fromkeys(node.op for node, expr in formulas.items() if expr.template.startswith(f"{node.op}(")))


def helper(name: str) -> str:
    """An op's own forward function as text. Raises CannotCompile where that needs more than NumPy."""
    try:
        function = ast.parse(dedent(inspect.getsource(registry[name].forward))).body[0]
        if not isinstance(function, ast.FunctionDef):
            raise TypeError("it is no def")
    except (OSError, TypeError, SyntaxError) as exc:
        raise CannotCompile(f"source: the text of the op {name} is not at hand ({exc}).") from None
    function.returns, known = None, {"np", *dir(builtins)}
    function.decorator_list = [d for d in function.decorator_list if not re.match(r"(\w+\.)*op\(", ast.unparse(d))]
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            node.annotation = None
            known.add(node.arg)
    used = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    known |= {node.id for node in used if isinstance(node.ctx, ast.Store)}
    if foreign := [node.id for node in used if node.id not in known]:
        raise CannotCompile(f"source: the op {name} uses {foreign[0]}, so it cannot be written with NumPy alone.")
    return ast.unparse(function) + "\n"


def shares(node: Node, rows: int, whole: bool = False) -> list[Share]:
    """What a value sends to each input that wants a gradient. Raises CannotCompile where a rule is no formula."""
    op, sent = registry[node.op], []
    given = [symbol(node, rows, "d", whole), symbol(node, rows, "", whole)]
    given += [symbol(x, rows, "", whole) for x in node.inputs]
    try:
        joint: Any = op.joint_rule and op.joint_rule(*given, **node.settings)
        for k, x in enumerate(node.inputs):
            rule = None if joint else op.rules[k]
            if x.op in (NUMBER, STOP) or not (joint or rule) or (node.op == "chosen" and k):
                continue
            share, at = rule(*given, **node.settings) if rule else joint[k], None
            if isinstance(share, Piece):
                share, at = share.values, index_of(share.index, rows)
            else:
                share = _fitted(share, (2, *x.shape) if whole and x.stage != ONCE else x.shape)
            sent.append(Share(x, share.expr, op.formula(k), node.scope, at))
    except (CannotCompile, TypeError, AttributeError) as exc:
        raise CannotCompile(f"source: the rule of {op.name} cannot be written as a formula: {exc}.") from None
    return sent


def shares_over_time(node: Node, rows: int) -> list[Share]:
    """The same of all steps at once, summed over what an input does not have: of a product it is one product."""
    sent = shares(node, rows, whole=node.stage != ONCE)
    if node.op != "matmul" or node.stage == ONCE:
        return sent
    dy, (left, right) = Expr(leaf=("d", node)), node.inputs
    to_left = f"({{}}.reshape(-1, {node.shape[-1]}) @ {{}}.T).reshape(T, -1, {left.shape[-1]})"
    to_right = f"{{}}.reshape(-1, {left.shape[-1]}).T @ {{}}.reshape(-1, {node.shape[-1]})"
    products = {
        left: Expr(to_left, (dy, Expr(leaf=("", origin(right))))),
        right: Expr(to_right, (Expr(leaf=("", origin(left))), dy)),
    }
    return [share._replace(expr=products[share.to]) for share in sent]


def _fitted(share: Symbol, shape: Shape) -> Symbol:
    """Undo broadcasting, as `op.sum_to` does, written as short as it may be."""
    new = share.ndim - len(shape)
    if new:
        share = share.sum(axis=0 if new == 1 else tuple(range(new)))
    stretched = tuple(k for k, n in enumerate(shape) if n == 1 != share.shape[k])
    return share.sum(axis=stretched, keepdims=True) if stretched else share
