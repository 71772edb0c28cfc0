"""A cell that nobody placed by hand: rows by depth, what enters below, the states on straight lines at the top.

Left to right by depth within the step. An edge over several rows passes each through a gap between its nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from .cells import CellPlan
from .picture import LOOKS, Point

PITCH = 60.0  # from row to row
BOX = (62.0, 30.0)
Pairs = dict[tuple[str, str], bool]  # edges between roles, and whether only sums, products and the like are on them


class Part(NamedTuple):
    """One place in the picture of a step."""

    role: str
    kind: str
    name: str
    given: bool  # from outside of the steps


class _Spot:
    """A node, a bend of a long edge, or the place at the left where a state enters."""

    def __init__(self, role: str, row: int, wide: float, part: float) -> None:
        self.role, self.row, self.wide = role, row, wide
        self.part = part  # in its row: -1 at the left, 1 right of what does not hang from the top, 2 last
        self.near: list[_Spot] = []
        self.x = self.order = 0.0


class StepPlan(NamedTuple):
    """The spots of a step, with their x and row: of its parts, and along each edge of the bends."""

    spots: dict[str, _Spot]
    chains: dict[tuple[str, str], list[_Spot]]
    lines: dict[str, list[str]]  # states that only sums and products carry on: each has a line of its own
    doors: list[str]  # the other states: they enter at the left, one below the other

    def at(self, spot: _Spot) -> Point:
        state = spot.role[:-1]
        low = 11.0 * self.doors.index(state) if state in self.doors and spot.part < 0 else 0.0
        return round(spot.x, 1), 34 + PITCH * spot.row - low


def tiled(
    title: str, parts: list[Part], edges: Pairs, states: list[str], outs: list[str], named: bool
) -> CellPlan:  # fmt: skip
    """Place the parts of a step; `states` enter again as "name-", `outs` are read from outside."""
    looks = {part.role: _look(part, part.role in states, named) for part in parts if not part.role.endswith("-")}
    inner: dict[str, list[str]] = defaultdict(list)  # role: what it was made from, within the step
    for role, to in edges:
        if role in looks and to in looks:
            inner[to].append(role)
    order = _sorted(list(looks), inner)
    plan = _planned(order, inner, edges, states, {part.role for part in parts if part.given}, looks)
    spots, lines = plan.spots, plan.lines
    right = max(spots[role].x + spots[role].wide / 2 for role in order)
    width = max([right + 24, *(spots[role].x + spots[role].wide / 2 + 116 for role in outs if role in spots)])
    top = max(spots[role].row for role in order)
    return CellPlan(
        title=title, named=tuple(part.name for part in parts if part.name), typical=frozenset(),
        width=round(width), height=34 + PITCH * top + 62,
        nodes={role: (*plan.at(spots[role]), looks[role][0]) for role in order}, rules=(),
        routes=_routes(plan, order), numbers=_numbers(lines, spots, plan.at),
        totals={
            role: (spots[role].x + spots[role].wide / 2 + 45, plan.at(spots[role])[1] + 11)
            for role in outs if role in spots
        },
        captions={}, follow={state: _path(state, edges, lines) for state in states},
        states={state: (-62.0, plan.at(spots[f"{state}-"])[1]) for state in states if f"{state}-" in spots},
        readout=-44, sizes={role: size for role, (_, size) in looks.items()}, lines=tuple(lines), named_only=named,
    )  # fmt: skip


def _planned(
    order: list[str], inner: dict[str, list[str]], edges: Pairs, states: list[str], given: set[str],
    looks: dict[str, tuple[str, Point]],
) -> StepPlan:  # fmt: skip
    """Rows by depth, then an x for each spot."""
    lines: dict[str, list[str]] = {}
    for state in states:
        line = _line(state, edges)
        if line and not any(set(line) & set(other) for other in lines.values()):
            lines[state] = line
    rows, hanging = _rows(order, inner, lines, states, given)
    spots = {
        role: _Spot(role, rows[role], looks[role][1][0], 2 if role in states else int(role in hanging))
        for role in order
    }
    for state in states:
        if any(role == f"{state}-" for role, _ in edges):
            row = rows[lines[state][0]] if state in lines else 0
            spots[f"{state}-"] = _Spot(f"{state}-", row, 8.0, -1)
    for role in (role for line in lines.values() for role in line):
        spots[role].wide += 34  # room for a number
    chains = _chains(edges, spots, lines)
    for spot in spots.values():  # what is read in its own row stands beside its reader
        if spot.part == 0 and any(x.row == spot.row and x.part > 0 for x in spot.near):
            spot.part = 0.5
    bends = [bend for chain in chains.values() for bend in chain]
    _arrange([*spots.values(), *bends], lines, spots)
    left = min(spot.x - spot.wide / 2 for spot in spots.values())
    for spot in {*spots.values(), *bends}:
        spot.x += 34 - left
    return StepPlan(spots, chains, lines, [state for state in states if state not in lines])


def _routes(plan: StepPlan, order: list[str]) -> dict[tuple[str, str], str]:
    """How each edge bends, in the words of `cells`."""
    spots, at, routes = plan.spots, plan.at, {}
    for (role, to), chain in plan.chains.items():
        bends = [at(bend) for bend in chain]
        start = ""
        if role.endswith("-"):
            state, place = role[:-1], at(spots[role])
            if state in plan.lines and to == plan.lines[state][0]:
                routes[role, to] = ""
                continue
            door = state in plan.doors
            start = f"x{-30 + 7 * plan.doors.index(state)} y{place[1]:g} " if door else f"x{place[0]:g} "
            bends = [place, *bends]
        elif not bends and spots[role].row == spots[to].row and _between(spots, role, to):
            y = at(spots[to])[1] + PITCH / 2
            bends = [(spots[role].x + 30, y), (spots[to].x - 30, y)]
        routes[role, to] = start + "".join(f"@{x:g},{y:g} " for x, y in bends) + "@"
    for role in order:  # into the x of an upper layer, from the h below
        if role.startswith("→"):
            routes["below", role] = f"y-30 x{at(spots[role])[0]:g}"
    return routes


def _look(part: Part, state: bool, named: bool) -> tuple[str, Point]:
    if part.given or (named and state and len(part.name) < 4):
        return "state", LOOKS["state"][:2]
    if part.kind == "point" and (not part.name or state) and not named:
        return "point", LOOKS["point"][:2]
    return "act" if part.kind in ("point", "state", "table") else part.kind, BOX


def _sorted(roles: list[str], inner: dict[str, list[str]]) -> list[str]:
    """Each after what it was made from; where steps disagree, as they come."""
    done: dict[str, None] = {}
    waiting = [(role, False) for role in reversed(roles)]
    entered: set[str] = set()
    while waiting:
        role, ready = waiting.pop()
        if ready:
            done.setdefault(role)
        elif role not in entered:
            entered.add(role)
            waiting.append((role, True))
            waiting += [(x, False) for x in reversed(inner[role])]
    return list(done)


def _line(state: str, edges: Pairs) -> list[str]:
    """The shortest way from a state to the next that passes sums and products alone."""
    ways = [[f"{state}-"]]
    seen = set()
    while ways:
        way = ways.pop(0)
        for (role, to), plain in edges.items():
            if role == way[-1] and plain and to not in seen:
                if to == state:
                    return [*way[1:], to]
                seen.add(to)
                ways.append([*way, to])
    return []


def _rows(
    order: list[str], inner: dict[str, list[str]], lines: dict[str, list[str]], states: list[str], given: set[str]
) -> tuple[dict[str, int], set[str]]:  # fmt: skip
    """The row of each role, and which of them hang from a line: they come down again at the right."""
    on_line = {role for line in lines.values() for role in line}
    rows: dict[str, int] = {}
    fall: dict[str, int] = {}  # how far below the line
    for role in order:
        above = [fall[x] + 1 for x in inner[role] if x in fall]
        if role in on_line:
            fall[role] = 0
        elif above:
            fall[role] = max(above)
        else:
            rows[role] = 0 if role in given else max([rows[x] + 1 for x in inner[role] if x in rows], default=1)
    top = max(rows.values(), default=0)
    for role, far in fall.items():
        if role not in on_line:
            rows[role] = max(1, top + 1 - far)
    for k, line in enumerate(lines.values()):
        rows.update(dict.fromkeys(line, top + 1 + k))
    taken: set[int] = set()
    for state in states:  # each leaves at the right in a row of its own
        while rows.get(state) in taken:
            rows[state] += 1
        taken.add(rows.get(state, 0))
    return rows, set(fall) - on_line


def _chains(edges: Pairs, spots: dict[str, _Spot], lines: dict[str, list[str]]) -> dict[tuple[str, str], list[_Spot]]:
    """For each edge its bends, one in each row that it passes; neighbours along it know each other."""
    chains = {}
    for role, to in edges:
        if role not in spots or to not in spots:
            continue
        a, b = spots[role], spots[to]
        way = 1 if b.row > a.row else -1
        part = min(1, max(0, a.part, b.part)) if a.part >= 0 else 0
        chain = [_Spot("", row, 10.0, part) for row in range(a.row + way, b.row, way)]
        for x, y in zip([a, *chain], [*chain, b], strict=True):
            x.near.append(y)
            y.near.append(x)
        chains[role, to] = chain
    return chains


def _arrange(spots: list[_Spot], lines: dict[str, list[str]], named: dict[str, _Spot]) -> None:
    """Give each spot an x: near its neighbours, in rows without overlaps."""
    rows: dict[int, list[_Spot]] = defaultdict(list)
    for spot in spots:
        rows[spot.row].append(spot)
    rank = {role: k for line in lines.values() for k, role in enumerate(line)}
    for row in rows.values():
        for k, spot in enumerate(row):
            spot.order = float(k)
    for _ in range(12):
        for row in (rows[y] for y in sorted(rows)):
            for spot in row:
                others = [x.order for x in spot.near if x.row != spot.row]
                spot.order = sum(others) / len(others) if others else spot.order
            on_line = sorted((spot for spot in row if spot.role in rank), key=lambda spot: rank[spot.role])
            for a, b in pairwise(on_line):  # the line keeps its direction
                b.order = max(b.order, a.order + 0.01)
            row.sort(key=lambda spot: (spot.part, spot.order) if spot.role not in rank else (0, spot.order))
            for k, spot in enumerate(row):
                spot.order = float(k) - len(row) / 2
    for row in rows.values():
        _settle(row, [spot.order * 70 for spot in row])
    for turn in range(24):
        for y in sorted(rows, reverse=turn % 2 == 1):
            wanted = []
            for spot in rows[y]:
                others = [x.x for x in spot.near if x.part >= 0 or not x.row] or [spot.x]
                wanted.append(sum(others) / len(others))
            _settle(rows[y], wanted)
    left = min(spot.x - spot.wide / 2 for spot in spots if spot.part >= 0)
    for spot in spots:
        if spot.part < 0 and spot.row:  # a line begins at the border
            spot.x = left - 12


def _settle(row: list[_Spot], wanted: list[float]) -> None:
    """Move each as near to where it wants to be as the others allow, all in their order."""
    offsets = [0.0]
    for a, b in pairwise(row):
        offsets.append(offsets[-1] + (a.wide + b.wide) / 2 + 16)
    blocks: list[tuple[float, int]] = []  # where a block of neighbours begins, and how many they are
    for goal, offset in zip(wanted, offsets, strict=True):
        place, count = goal - offset, 1
        while blocks and blocks[-1][0] > place:
            other, n = blocks.pop()
            place, count = (other * n + place * count) / (n + count), n + count
        blocks.append((place, count))
    places = [place for place, count in blocks for _ in range(count)]
    for spot, place, offset in zip(row, places, offsets, strict=True):
        spot.x = place + offset


def _between(spots: dict[str, _Spot], role: str, to: str) -> bool:
    low, high = sorted((spots[role].x, spots[to].x))
    return any(spot.row == spots[to].row and low < spot.x < high for spot in spots.values())


def _numbers(
    lines: dict[str, list[str]], spots: dict[str, _Spot], at: Callable[[_Spot], Point]
) -> dict[tuple[str, str], Point]:  # fmt: skip
    """On the lines, where there is room for them."""
    numbers = {}
    for line in lines.values():
        for role, to in pairwise(line):
            (x, y), (u, _) = at(spots[role]), at(spots[to])
            if u - x > 75:
                numbers[role, to] = (x + u) / 2, y + 11
    return numbers


def _path(state: str, edges: Pairs, lines: dict[str, list[str]]) -> frozenset[str]:
    """The roles on a state's way to the next step: its line, or all ways."""
    if state in lines:
        return frozenset({f"{state}-", *lines[state], f"{state} pad", f"end {state}"})
    reached = []
    for start, k in ((f"{state}-", 0), (state, 1)):
        seen, waiting = {start}, [start]
        while waiting:
            here = waiting.pop()
            new = {edge[1 - k] for edge in edges if edge[k] == here} - seen
            seen |= new
            waiting += new
        reached.append(seen)
    return frozenset((reached[0] & reached[1]) | {f"{state}-", state, f"{state} pad", f"end {state}"})
