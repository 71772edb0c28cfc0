"""Lines that both ways have: the head of a loop through arrays of all steps, and a result put into an array."""

from __future__ import annotations

import re
from collections.abc import Callable
from textwrap import fill

from .symbols import OPERATORS, Expr
from .write import WIDTH, listed

INTO = {sign: f"np.{name}" for name, (sign, _) in OPERATORS.items()}


def loop(through: dict[str, str], over: str, after: str, indent: str) -> list[str]:
    """`for gone, f, … in zip(over, f_all, …, strict=True):`, in brackets where it is long."""
    arrays = [f"{array}{after}" for array in [over, *through.values()]]
    line = f"{indent}for {', '.join(['gone', *through])} in zip({', '.join(arrays)}, strict=True):"
    if len(line) <= WIDTH:
        return [line]
    names = listed("for ", ["gone", *through], " in zip(", indent)
    kept = ", ".join(array.replace(" ", "\0") for array in [*arrays, "strict=True"])  # no line ends within one of them
    inner = fill(kept, WIDTH, initial_indent=f"{indent}        ", subsequent_indent=f"{indent}        ")
    return [names, inner.replace("\0", " "), f"{indent}):"]


def into(target: str, expr: Expr, text: Callable[[Expr], str]) -> str:
    """The line that computes a formula into an array that is there, if it can without another one on the way."""
    sign = expr.template[3:-3] if re.fullmatch(r"\{\} \S+ \{\}", expr.template) else ""
    if sign in INTO and sign not in ("&", "|"):
        return f"{INTO[sign]}({', '.join(map(text, expr.parts))}, out={target})"
    if re.fullmatch(r"(sigmoid|np\.(tanh|exp|maximum|minimum|abs|sqrt|logaddexp))\(.*\)", expr.template):
        return f"{text(expr)[:-1]}, out={target})"
    return f"{target}[...] = {text(expr)}"
