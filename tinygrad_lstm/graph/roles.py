"""Which tensor plays which role: the steps of each recurrent layer, found by scope, name and op."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..flow.edge import Edge
from ..flow.recurrence import place_of, recurrences
from ..tensor import Tensor
from .capture import MOVES, Graph, leaf_behind, moved_from, parameter_behind
from .cells import CELLS, CellPlan
from .tiles import Part, tiled

ENTRIES = ("h-", "x", "C-")  # the roles of what enters a step, in the order of [h ; x]
POINTWISE = {"add", "sub", "mul", "div", "neg", "power", "where", "maximum", "minimum"}
SQUASHING = {"sigmoid", "tanh", "relu", "hard_sigmoid", "leaky_relu", "softplus"}


class Link(NamedTuple):
    """A tensor that plays `to` was made from x, which plays `role`; perhaps through others, which play none."""

    role: str
    to: str
    x: Tensor
    out: Tensor
    edge: Edge  # by which `out` was made
    plain: bool  # whether only sums, products and the like are on the way


class StepRoles:
    """One time step of one layer: `roles` maps births to roles, `tensors` roles to the tensor that plays them."""

    def __init__(self, t: int, made: list[Tensor]) -> None:
        self.t = t
        self.made = made  # in this step, oldest first
        self.roles: dict[int, str] = {}
        self.tensors: dict[str, Tensor] = {}  # the newest of each role
        self.parameters: dict[str, dict[int, Tensor]] = defaultdict(dict)  # used by each role
        self.links: list[Link] = []

    def forget(self) -> None:
        for found in (self.roles, self.tensors, self.parameters, self.links):
            found.clear()

    def play(self, role: str, tensor: Tensor) -> None:
        self.roles[tensor.birth] = role
        self.tensors[role] = tensor

    def state(self, name: str) -> Tensor | None:
        """The state that this step hands on."""
        return self.tensors.get(f"{name} pad", self.tensors.get(name))


class Rail:
    """A recurrent layer in one direction: its steps in order of time, its kind of cell, how often it was called."""

    def __init__(self, name: str, steps: list[StepRoles], cell: CellPlan, calls: int) -> None:
        self.name, self.steps, self.cell, self.calls = name, steps, cell, calls
        self.at = {step.t: step for step in steps}
        self.way = way_of(steps)

    @property
    def root(self) -> str:
        """The recurrent module's name, without layer and direction."""
        parts = self.name.split("/")
        while parts and (parts[-1] in ("forward", "backward") or parts[-1].startswith("layer ")):
            parts.pop()
        return "/".join(parts)

    def before(self, step: StepRoles) -> StepRoles | None:
        """The step that ran before this one: in the backward direction, the next in time."""
        return self.at.get(step.t - self.way)

    def after(self, step: StepRoles) -> StepRoles | None:
        return self.at.get(step.t + self.way)


def way_of(steps: list[StepRoles]) -> int:
    """1 where the steps ran in order of time, -1 where they ran backward."""
    return 1 if steps[0].made[0].birth <= steps[-1].made[0].birth else -1


def rails_of(graph: Graph, *, named: bool = False) -> list[Rail]:
    """All recurrent layers, oldest first. Of a layer that was called several times, the last call.

    Their cells are those of `cells` where one fits, else placed by `tiles`; `named`: all are, of named tensors alone.
    """
    rails = []
    for path, recurrence in recurrences(graph.tensors).items():
        for steps in reversed(recurrence.passes):  # the last one may be no layer, but a head that reads each step
            in_time = [StepRoles(t, made) for t, made in sorted(steps.items())]
            cell = _by_hand(graph, in_time)
            if cell is None or named:
                cell = _by_rows(graph, in_time, named, cell.title if cell else "cell")
            if cell is not None:
                rails.append(Rail(path, in_time, cell, len(recurrence.passes)))
                break
    return [rail for rail in rails if rail.cell.states] or rails  # a head at a single step hands nothing on


def kind_of(tensor: Tensor) -> str:
    """What a tensor looks like: the key of its look in `picture.LOOKS`."""
    if tensor.op is None:
        return "state" if tensor.requires_grad else "table"
    name = tensor.op.name
    if name in ("matmul", *SQUASHING):
        return "linear" if name == "matmul" else "gate"
    return "point" if name in POINTWISE else "join" if name in MOVES | {"concat", "stack", "embed"} else "act"


# — a cell that was placed by hand ————————————————————————————————————————————————————————————————————————


def _by_hand(graph: Graph, steps: list[StepRoles]) -> CellPlan | None:
    """The first of CELLS in which all has a place that leads to these steps' states."""
    names = {tensor.name for step in steps for tensor in step.made}
    for cell in CELLS:
        if cell.typical <= names and all(_assign(graph, step, cell) for step in steps):
            return cell
    return None


def _assign(graph: Graph, step: StepRoles, cell: CellPlan) -> bool:
    """Find the roles of a step's tensors, of what enters it, and of its parameters; False where they are others."""
    step.forget()
    for tensor in step.made:
        place = place_of(tensor.scope)
        room = place.room if place else ""
        if tensor.name in cell.named:
            step.play(tensor.name + (" pad" if room == "padding" else ""), tensor)
        elif tensor.op is not None and parameter_behind(graph, tensor) is None:
            used = {step.roles.get(x.birth) for x in graph.inputs(tensor)}
            for rule in cell.rules:
                if rule.room == room and rule.op in ("", tensor.op.name) and used.issuperset(rule.uses):
                    step.play(rule.role, tensor)
                    break
            if step.roles.get(tensor.birth) == "[h ; x]":
                for entry, x in zip(ENTRIES, graph.inputs(tensor), strict=False):
                    step.play(entry, x)
    keeper = step.tensors.get("fC", step.tensors.get("C"))
    for x in graph.inputs(keeper) if keeper is not None else ():
        if x.birth not in step.roles:
            step.play("C-", x)
    needed = {x.birth for x in step.tensors.values()}
    for tensor in reversed(step.made):
        if tensor.birth in needed:
            if tensor.birth not in step.roles and tensor.op is not None and tensor.op.name not in MOVES:
                return False
            needed.update(x.birth for x in graph.inputs(tensor) if parameter_behind(graph, x) is None)
    for tensor in step.made:
        if (to := step.roles.get(tensor.birth)) and to not in ENTRIES:
            for k, x in enumerate(graph.inputs(tensor)):
                role = step.roles.get(x.birth)
                if role and role != to:
                    step.links.append(Link(role, to, x, tensor, Edge(x, tensor, k), True))
                elif not role and (parameter := parameter_behind(graph, x)) is not None:
                    step.parameters[to][parameter.birth] = parameter
    return True


# — any other cell ————————————————————————————————————————————————————————————————————————————————————————


class Trail(NamedTuple):
    """A link whose role is not known yet, and the inputs' numbers along which it was found, from `link.out` back."""

    step: StepRoles
    link: Link
    inputs: tuple[int, ...]

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        """What is the same in each step."""
        return self.link.to, self.inputs


Owners = dict[int, tuple[StepRoles, str]]  # by birth: the step in which a tensor was made, and its role there


def _by_rows(graph: Graph, steps: list[StepRoles], named: bool, title: str) -> CellPlan | None:
    """A cell of which nothing is known but its names, scopes and ops. None where no state goes from step to step."""
    owner = _owners(graph, steps, named)
    trails = list(_trails(graph, steps, owner))
    way = way_of(steps)
    states = {}  # what comes from the step before along a trail
    for trail in trails:
        from_step, role = owner.get(trail.link.x.birth, (None, ""))
        if from_step is not None and from_step.t == trail.step.t - way:
            states[trail.key] = role.removesuffix(" pad")
    sums = {  # a loss that is summed up along the way is no state
        state for trail in trails if (state := states.get(trail.key)) == trail.link.to and len(trail.inputs) == 1
        and trail.link.out.ndim == 0 and kind_of(trail.link.out) == "point"
    }  # fmt: skip
    _link(graph, trails, owner, states, many=len(steps) > 1)
    carried = [state for state in dict.fromkeys(states.values()) if state not in sums]
    if not carried and len(steps) > 1:
        return None
    return _core(graph, steps, carried, sums, named, title)


def _owners(graph: Graph, steps: list[StepRoles], named: bool) -> Owners:
    """Give each tensor its role."""
    owner: Owners = {}
    for step in steps:
        step.forget()
        count: Counter[str] = Counter()
        for tensor in step.made:
            if role := _role(graph, tensor, named, count):
                step.play(role, tensor)
                owner[tensor.birth] = step, role
    return owner


def _trails(graph: Graph, steps: list[StepRoles], owner: Owners) -> Iterator[Trail]:
    """From each tensor that has a role, back to those that have one or are from outside."""
    from_here = set(owner)
    for tensor in graph.tensors:
        if tensor.birth not in from_here and any(x.birth in from_here for x in graph.inputs(tensor)):
            from_here.add(tensor.birth)
    for step in steps:
        inside = {x.birth for x in step.made}
        for out in [x for x in step.made if x.birth in owner]:
            for inputs, x, plain in _sources(graph, out, owner, from_here, inside):
                edge = Edge(graph.inputs(out)[inputs[0]], out, inputs[0])
                yield Trail(step, Link("", step.roles[out.birth], x, out, edge, plain), inputs)


def _link(
    graph: Graph, trails: list[Trail], owner: Owners, states: dict[tuple[str, tuple[int, ...]], str], many: bool
) -> None:
    """Enter the links into their steps, each with the role of what it comes from; parameters are no links."""
    leaves: dict[Any, set[Any]] = defaultdict(set)  # what arrives along a trail, in all steps
    for trail in trails:
        x, leaf = trail.link.x, leaf_behind(graph, trail.link.x)
        leaves[trail.key].add((leaf.birth, leaf is x or repr(x.settings)) if leaf is not None else x.birth)
    entries: dict[tuple[int, int], str] = {}
    taken: Counter[int] = Counter()
    for trail in trails:
        step, link, _ = trail
        if link.x.birth in owner and owner[link.x.birth][0] is step:
            role = owner[link.x.birth][1]
        elif state := states.get(trail.key):
            role = f"{state}-"
        elif (leaf := _same_in_all(graph, link.x, len(leaves[trail.key]) == 1, many)) is not None:
            step.parameters[link.to][leaf.birth] = leaf
            continue
        else:
            if (step.t, link.x.birth) not in entries:
                taken[step.t] += 1
                entries[step.t, link.x.birth] = f"→ {taken[step.t]}"
            role = entries[step.t, link.x.birth]
        step.links.append(link._replace(role=role))


def _same_in_all(graph: Graph, x: Tensor, alone: bool, many: bool) -> Tensor | None:
    """The leaf behind x where it is a parameter: the same in each step, and no initial state."""
    leaf = leaf_behind(graph, x)
    if leaf is None or not alone or not (many or leaf is x) or (leaf.name or "").endswith("₀"):
        return None
    return leaf if leaf.name or leaf.requires_grad else None


def _role(graph: Graph, tensor: Tensor, named: bool, count: Counter[str]) -> str:
    """A role that the same tensor has in each step: its name, or its room, its op and a number. "" for none."""
    place = place_of(tensor.scope)
    room = place.room if place else ""
    if tensor.op is None:  # it enters the step
        return ""
    if tensor.name:
        base = tensor.name + "′" if tensor.name in ("x", "below") else tensor.name  # these are roles of their own
        base = base.replace("-", "−").replace("→", "⇾") + (" pad" if room == "padding" else "")
    elif (
        named or tensor.op.name in MOVES or parameter_behind(graph, tensor) is not None
        or (tensor.op.name == "matmul" and _has_bias(graph, tensor))
    ):  # fmt: skip
        return ""
    else:
        base = f"{room} · {tensor.op.name}"
    count[base] += 1
    return base if count[base] == 1 else f"{base} {count[base]}"


def _has_bias(graph: Graph, product: Tensor) -> bool:
    """Whether a product is used for nothing else than to add a parameter: both are drawn as one."""
    users = graph.users(product)
    if len(users) != 1 or (op := users[0].out.op) is None or op.name != "add":
        return False
    return parameter_behind(graph, graph.inputs(users[0].out)[1 - users[0].k]) is not None


def _sources(
    graph: Graph, out: Tensor, owner: Owners, from_here: set[int], inside: set[int]
) -> Iterator[tuple[tuple[int, ...], Tensor, bool]]:
    """What a tensor was made from, going back to tensors with a role or from outside; and on which trail of inputs."""
    waiting: list[tuple[tuple[int, ...], Tensor, bool]] = [((), out, True)]
    seen: set[int] = set()
    while waiting:
        trail, x, plain = waiting.pop()
        if x is not out:
            if x.birth in seen and len(trail) > 1:
                continue
            seen.add(x.birth)
            whole = moved_from(graph, x)
            if x.birth in owner or (x.birth not in from_here and (whole.op is None or whole.birth not in inside)):
                if x.size > 1 or x.requires_grad or x.birth in owner:  # a number, as in 1 − z, is no input
                    yield trail, x, plain
                continue
        plain = plain and x.op is not None and x.op.name in POINTWISE | MOVES
        masked = x.op is not None and x.op.name == "where"  # its first input says where, and is no number
        inputs = list(enumerate(graph.inputs(x)))[masked:]
        waiting += [((*trail, k), y, plain) for k, y in reversed(inputs)]


def _core(
    graph: Graph, steps: list[StepRoles], states: list[str], sums: set[str], named: bool, title: str
) -> CellPlan | None:  # fmt: skip
    """Keep what leads to a state or has a name, and place it."""
    before: dict[str, dict[str, bool]] = defaultdict(dict)
    parts: dict[str, Part] = {}
    for step in steps:
        for link in step.links:
            before[link.to][link.role] = before[link.to].get(link.role, False) or link.plain
    outs = list(states)
    within = {x.birth for step in steps for x in step.made}
    kept = set(states)
    for step in steps:
        for role, tensor in step.tensors.items():
            read = any(edge.out.birth not in within for edge in graph.users(tensor))
            if tensor.name and role not in sums and (named or read):
                kept.add(role)
                if read and role.removesuffix(" pad") not in outs:
                    outs.append(role.removesuffix(" pad"))
    if not kept:
        kept = {role for step in steps for role in step.tensors}
    waiting = [*kept, *(f"{role} pad" for role in kept)]
    while waiting:
        for role in before[waiting.pop()]:
            if role not in kept:
                kept.add(role)
                waiting.append(role)
    for step in steps:
        for role, tensor in list(step.tensors.items()):
            if role not in kept and role.removesuffix(" pad") not in kept:
                del step.tensors[role], step.roles[tensor.birth]
        step.links = [link for link in step.links if link.to in step.tensors]
        for link in step.links:
            if link.role not in step.tensors:
                step.play(link.role, link.x)
        for role, tensor in step.tensors.items():
            if role not in parts:
                kind = "linear" if step.parameters[role] and kind_of(tensor) == "point" else kind_of(tensor)
                parts[role] = Part(role, kind, tensor.name or "", role.startswith("→ "))
    edges = {(role, to): plain for to, roles in before.items() if to in parts for role, plain in roles.items()}
    return tiled(title, list(parts.values()), edges, states, outs, named)


def edges_of(graph: Graph, step: StepRoles) -> Iterator[tuple[str, str, list[Edge], float | None]]:
    """The edges of a step between two roles: those of the graph, and the norm of the gradient that flows back."""
    folded: dict[tuple[str, str], list[Link]] = defaultdict(list)
    sources: dict[int, list[Tensor]] = defaultdict(list)
    through = set()  # what was made from some of its sources through other tensors
    for link in step.links:
        folded[link.role, link.to].append(link)
        sources[link.out.birth].append(link.x)
        if link.edge.x is not link.x:
            through.add(link.out.birth)
    sent = {link.out.birth: graph.through(link.out, sources[link.out.birth]) for link in step.links
            if link.out.birth in through}  # fmt: skip
    for (role, to), links in folded.items():
        edges, out, x = [link.edge for link in links], links[0].out.birth, links[0].x.birth
        yield role, to, edges, sent[out].get(x) if out in through else graph.share(edges)


def lit_by(graph: Graph, rail: Rail, gate: str) -> frozenset[str]:
    """The roles of a gate, of what it is made from within its step, and of what it acts on.

    Raises ValueError where no named tensor of the cell is called so.
    """
    step = rail.steps[-1]
    named = {x.name: role for role, x in step.tensors.items() if x.name and x.op is not None}
    if gate not in named:
        raise ValueError(f"draw: light={gate!r} is no gate of this {rail.cell.title}. There are: {', '.join(named)}.")
    tensor = step.tensors[named[gate]]
    reached = [tensor, *(edge.out for edge in graph.users(tensor))]
    waiting = [*graph.inputs(tensor)]
    while waiting:  # back to the states and the input of the step, but not through another gate
        reached.append(x := waiting.pop())
        if not x.name and (place := place_of(x.scope)) is not None and place.t == step.t:
            waiting += graph.inputs(x)
    return frozenset(step.roles[x.birth] for x in reached if x.birth in step.roles)
