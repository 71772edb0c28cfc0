"""The text: the helper functions, the step forward, and its way back, line by line with the rule that gives each."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections import defaultdict
from textwrap import dedent, fill
from typing import Any

from ..op import Op
from ..tensor import Tensor
from .derive import Share, computed, shares
from .naming import Names
from .symbols import ATOM, CannotCompile, Expr
from .tape import Recorded
from .wording import BACKWARD, FORWARD, Language, located, placed, said

WIDTH, INDENT = 120, "    "
SHORT = {"add", "sub", "mul", "div", "neg", "take"}
Line = tuple[str, str]  # code and comment


class Writer:
    """One recorded step as the text of two functions, `forward` and `backward`, after those that they call."""

    def __init__(self, step: Recorded, lang: Language) -> None:
        self.step, self.lang = step, lang
        self.formulas = {tensor.birth: computed(step, tensor) for tensor in step.made}
        called = [(t.op, self.formulas[t.birth].template) for t in step.made if t.op is not None]
        self.helpers = {op.name: op for op, template in called if template.startswith(f"{op.name}(")}
        self.arrived: dict[int, list[Share]] = defaultdict(list)
        self.aliases: dict[int, tuple[str, int]] = {}  # what stands for gradients that have no line
        self.passed: dict[int, list[str]] = {}  # and the rules in it
        for field, tensor in step.outputs.items():
            self.arrived[tensor.birth].append(Share(Expr(f"d{field}"), "from later steps and the loss", ""))
        for tensor in reversed(step.made):
            for x, share in shares(step, tensor) if self.arrived[tensor.birth] else []:
                self.arrived[x.birth].append(share)
        self.names = Names(step, {*self.helpers, "forward", "backward"})
        self.inputs = [self.names[tensor.birth] for tensor in step.inputs.values()]
        found = {leaf for sent in self.arrived.values() for share in sent for leaf in share.expr.leaves()}
        kept = {birth for kind, birth in found if not kind}
        kept |= {birth for birth, sent in self.arrived.items() if any(share.at for share in sent)}
        self.short = {t.birth for t in step.made if self._is_short(t)}
        for tensor in reversed(step.made):  # what is short is not kept, but what it is made from
            if tensor.birth in kept & self.short:
                kept.remove(tensor.birth)
                kept |= {birth for _, birth in self.formulas[tensor.birth].leaves()}
        self.kept = [self.names[t.birth] for t in step.made if t.birth in kept]
        outputs = {step.twins.get(t.birth, t).birth for t in step.outputs.values()}
        self.lines = {
            t.birth for t in step.made
            if t.birth in kept | outputs
            or self.names.is_own(t) or (len(self.names.users[t.birth]) > 1 and t.birth not in self.short)
        }  # fmt: skip

    def _is_short(self, tensor: Tensor) -> bool:
        """Whether it is written anew where it is needed: `1 - z`, `W[:4]`, of what has a name, and nameless itself."""
        moving = [x for x in tensor.inputs if x.ndim or x.requires_grad]
        named = len(moving) == 1 and (moving[0].op is None or self.names.is_own(moving[0]))
        is_output = any(tensor is output for output in self.step.outputs.values())
        cheap = tensor.op is not None and tensor.op.name in SHORT and tensor.op.name not in self.helpers
        return named and cheap and not is_output and not self.names.is_own(tensor)

    def text(self) -> str:
        """All of it."""
        parts = [
            "import numpy as np\n",
            *(helper(op) for op in self.helpers.values()),
            self._forward(),
            self._backward(),
        ]
        return "\n\n".join(part + "\n" for part in parts).replace("\n\n\n\n", "\n\n\n")

    def _name(self, leaf: tuple[str, int]) -> tuple[str, int]:
        """What stands for a value or a gradient: its name, or the formula of what has no line of its own."""
        kind, birth = leaf
        if kind:
            return self.aliases.get(birth, (f"d{self.names[birth]}", ATOM))
        if birth in self.formulas and birth not in self.lines:
            return self.formulas[birth].text(self._name)
        return self.names[birth], ATOM

    def _forward(self) -> str:
        doc = said(FORWARD, self.lang).format(self.step.cell)
        lines = [
            (f"{self.names[t.birth]} = {self.formulas[t.birth].text(self._name)[0]}", located(t.scope, self.lang))
            for t in self.step.made if t.birth in self.lines
        ]  # fmt: skip
        results = [self.names.of(t) for t in self.step.outputs.values()]
        kept = f"({', '.join(self.kept)}{',' * (len(self.kept) == 1)})"
        returned = listed("return ", [*results, kept], "", INDENT)
        return "\n".join([listed("def forward(", self.inputs, "):"), documented(doc), *commented(lines), returned])

    def _backward(self) -> str:
        """From the newest tensor to the oldest; a parameter's gradient as soon as all its users are behind us."""
        left = {birth: len(users) for birth, users in self.names.users.items()}
        given = {tensor.birth: tensor for tensor in self.step.inputs.values()}
        lines: list[Line] = []
        for tensor in reversed(self.step.made):
            lines += self._arriving(tensor)
            for x in tensor.inputs:
                origin = self.step.twins.get(x.birth, x)
                left[origin.birth] = left.get(origin.birth, 1) - 1
                if origin.birth in given and not left[origin.birth]:
                    lines += self._arriving(given.pop(origin.birth))
        lines += [line for tensor in given.values() for line in self._arriving(tensor)]
        kept = [listed("", self.kept, f"{',' * (len(self.kept) == 1)} = kept", INDENT)] if self.kept else []
        parts = [
            listed("def backward(", [*(f"d{field}" for field in self.step.outputs), "kept", *self.inputs], "):"),
            documented(said(BACKWARD, self.lang)),
            *kept,
            *commented(lines),
            listed("return ", [f"d{name}" for name in self.inputs], "", INDENT),
        ]
        return "\n".join(parts)

    def _arriving(self, tensor: Tensor) -> list[Line]:
        """The lines that give a tensor's gradient: the sum of its shares."""
        sent, name = self.arrived[tensor.birth], self.names[tensor.birth]
        if not sent:
            none = [(f"d{name} = np.zeros_like({name})", said("no gradient returns", self.lang))]
            return none if tensor.op is None else []
        terms = [(*share.expr.text(self._name), placed(share.scope, self._rules(share), self.lang)) for share in sent]
        if any(share.at for share in sent):
            outside = [comment for text, _, comment in terms if text == f"d{name}"]  # what the function was given
            first = (
                [(f"d{name} = np.array(d{name})", outside[0])]
                if outside
                else [(f"d{name} = np.zeros_like({name})", "")]
            )
            return first + [
                (self._added(f"d{name}", share, text), comment)
                for share, (text, _, comment) in zip(sent, terms, strict=True)
                if text != f"d{name}"
            ]
        if len(terms) == 1:
            (text, binds, comment), expr = terms[0], sent[0].expr
            if text == f"d{name}":
                return []
            if tensor.op is not None and (expr.leaf or not expr.parts or tensor.birth in self.short):  # needs no name
                self.aliases[tensor.birth] = text, binds
                self.passed[tensor.birth] = [] if expr.leaf else self._rules(sent[0])
                return []
            return [(f"d{name} = {text}", comment)]
        signed = [f"- {text[1:]}" if text[0] == "-" else f"+ {text}" for text, _, _ in terms]
        signed[0] = terms[0][0]
        lines = [(f"{INDENT}{text}", term[2]) for text, term in zip(signed, terms, strict=True)]
        return [(f"d{name} = (", ""), *lines, (")", "")]

    def _rules(self, share: Share) -> list[str]:
        """The rules in a share: its own, after those of gradients that stand in it without a line."""
        inside = [rule for kind, birth in share.expr.leaves() if kind for rule in self.passed.get(birth, [])]
        return [*inside, share.rule]

    def _added(self, name: str, share: Share, text: str) -> str:
        """A share added in place, to all of a gradient or to a part of it."""
        if share.at is None:
            return f"{name} = {name} + {text}"
        index = share.at.text(self._name)[0]
        return f"{name}[{index}] += {text}" if share.is_basic else f"np.add.at({name}, np.s_[{index}], {text})"


def helper(op: Op) -> str:
    """An op's own forward function as text. Raises CannotCompile where that needs more than NumPy."""
    try:
        function = ast.parse(dedent(inspect.getsource(op.forward))).body[0]
        if not isinstance(function, ast.FunctionDef):
            raise TypeError("it is no def")
    except (OSError, TypeError, SyntaxError) as exc:
        raise CannotCompile(f"source: the text of the op {op.name} is not at hand ({exc}).") from None
    function.decorator_list = [d for d in function.decorator_list if not is_entry(d)]
    function.returns = None
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg):
        if argument is not None:
            argument.annotation = None
    used = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    known = {node.id for node in used if isinstance(node.ctx, ast.Store)} | {"np", *dir(builtins)}
    known |= {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    if foreign := [node.id for node in used if node.id not in known]:
        raise CannotCompile(f"source: the op {op.name} uses {foreign[0]}, so it cannot be written with NumPy alone.")
    return ast.unparse(function) + "\n"


def is_entry(decorator: ast.expr) -> bool:
    """Whether it is the `@op(…)` that entered a function in the table."""
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func).split(".")[-1] == "op"


def documented(text: str) -> str:
    return fill(f'"""{text}"""', WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)


def listed(before: str, parts: Any, after: str, indent: str = "") -> str:
    """Names with commas between them, in brackets on lines of their own where one line is too short."""
    parts = list(parts)
    line = indent + before + ", ".join(parts) + after
    if len(line) <= WIDTH:
        return line
    inner = fill(", ".join(parts), WIDTH, initial_indent=indent + INDENT, subsequent_indent=indent + INDENT)
    opening, closing = ("", after) if before.endswith("(") else ("(", f"){after}")
    return f"{indent}{before}{opening}\n{inner}\n{indent}{closing or ')'}"


def commented(lines: list[Line]) -> list[str]:
    """Indented lines, with the comments of all in one column; that of a long line stands above it."""
    column = max((len(code) for code, comment in lines if comment and len(code) < 70), default=0)
    written = []
    for code, comment in lines:
        line = f"{code:{column}}  # {comment}" if comment else code
        indent = INDENT + " " * (len(code) - len(code.lstrip()))
        is_long = comment and len(line) + 2 * len(INDENT) > WIDTH
        written += [f"{indent}# {comment}", INDENT + code] if is_long else [INDENT + line]
    return written
