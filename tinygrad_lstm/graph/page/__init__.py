"""The page: one HTML file in which a reader walks the backward pass: a picture as data, its numbers, and scripts.

`drawn` has the picture's boxes and wires, which the page's scripts draw; `scene` says what they stand for, `numbers`
what the page shows of them, and `document` puts it all into one file. The page's own files stand in assets/.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...flow.edge import Edge
from ...op import Op
from ..layout import View, answered
from ..picture import Scale
from ..picture import cleaned as clean
from ..sheets import Sheet, scale_of, stacked
from .document import LEVELS, document, rounded
from .drawn import Drawn, drawn, placed_by_engine
from .numbers import Numbers, Where
from .scene import PATHS, Scene, scene_of, scene_of_ops

WINDOW = 50  # steps in one page at most, and as many as there are with this many tensors; the strip shows all
WINDOW_TENSORS = 1150
Group = tuple[list[tuple[int, int]], int | None, list[dict[str, Any]]]  # [(sheet, layer)], t, ops


def drawn_steps(sheets: Sequence[Sheet], window: tuple[int, int] | None = None) -> list[int]:
    """The steps in the picture of a page: the last ones, where all would be too many."""
    times = sorted({step.t for sheet in sheets for step in sheet.rails[-1].steps})
    first, last = window or (times[0], times[-1])
    a_step = sum(max(len(step.made) for step in rail.steps) for sheet in sheets for rail in sheet.rails)
    return [t for t in times if first <= t <= last][-min(WINDOW, max(1, WINDOW_TENSORS // a_step)) :]


def page_of(
    sheets: Sequence[Sheet], *, follow: str | None = None, window: tuple[int, int] | None = None,
    labels: Sequence[str] | None = None,
) -> str:  # fmt: skip
    """The page of one graph with time steps, or of several, one below the other, on one scale."""
    steps = drawn_steps(sheets, window)
    times = sorted({step.t for sheet in sheets for step in sheet.rails[-1].steps})
    words = labels if labels is not None and len(labels) == times[-1] else None
    bare = [sheet._replace(answer=()) for sheet in sheets]  # the page says it above the picture
    unrolled = stacked(bare, View(steps[0], steps[-1], None, ("shape", "grad"), words))
    scale = scale_of(unrolled)
    assert scale is not None
    paths = list(dict.fromkeys(path for one in unrolled for path in one.rails[-1].cell.follow))[:PATHS]
    scenes = [scene_of(one, scale, paths) for one in unrolled]
    classes = {me: own for scene in scenes for me, own in scene.classes.items()}
    return _written(
        sheets, scenes, scale, drawn(unrolled[0].picture, classes), times=times,
        window=[steps[0], steps[-1]], follow=paths.index(follow) if follow in paths else None,
        paths=[clean(path, 24) for path in paths], labels=words and [clean(str(words[t - 1]), 24) for t in times],
    )  # fmt: skip


def page_of_ops(
    sheet: Sheet, svg: str, ids: dict[int, str], edges: Sequence[tuple[Edge, float | None]], scale: Scale,
    numbered: set[str],
) -> str:  # fmt: skip
    """The page of a graph in the view of all ops, which graphviz has laid out: see `scene_of_ops`."""
    scene = scene_of_ops(sheet.graph, ids, edges, scale, numbered)
    picture = placed_by_engine(svg, scene.classes, numbered)
    return _written([sheet], [scene], scale, picture, times=[], window=None, labels=None, follow=None, paths=[])


def _written(
    sheets: Sequence[Sheet], scenes: Sequence[Scene], scale: Scale, picture: Drawn, **more: Any
) -> str:  # fmt: skip
    table: list[dict[str, Any]] = []
    lines: list[list[Any]] = []
    numbers = [Numbers(scene, table, lines, k) for k, scene in enumerate(scenes)]
    groups = _merged([one.ops() for one in numbers], [len(sheet.rails) for sheet in sheets])
    ops: list[dict[str, Any]] = []
    ends = []
    for places, t, mine in groups:
        ops += mine
        boxes = [scenes[k].frames[layer, t] for k, layer in places if t is not None]
        ends.append({"t": t, "end": len(ops), "at": places, "boxes": boxes})
    made: dict[str, Op] = {x.op.name: x.op for sheet in sheets for x in sheet.graph.tensors if x.op is not None}
    data = {
        **more, "low": rounded(scale.low), "high": rounded(scale.high), "levels": LEVELS,
        "rules": {name: op.formulas for name, op in made.items()},
        "inputs": {name: [] if op.variadic else op.inputs for name, op in made.items()},
        "ops": ops, "groups": ends,
        "nodes": {me: one.add(x) for one in numbers for me, x in one.scene.tensors.items()},
        "wires": {strand.me: [one.add(strand.edges[0].x), rounded(one.sent(strand))] for one in numbers
                  for strand in one.scene.strands if strand.edges and strand.share is not None},
        "sheets": [one.facts(sheet.name, more["times"], list(sheet.notes),
                             answered(sheet.answer, more["labels"]))
                   for one, sheet in zip(numbers, sheets, strict=True)],
        "tensors": table, "lines": lines, "picture": picture,
    }  # fmt: skip
    title = f"{' · '.join(clean(sheet.name, 40) for sheet in sheets)}: the backward pass"
    return document("page", title, data)


def _merged(sides: Sequence[Iterable[tuple[Where, list[dict[str, Any]]]]], layers: Sequence[int]) -> list[Group]:
    """The groups of several graphs as one list, each in its own order; what has the same t, and the same layer from
    the top, is one group."""
    groups: list[Group] = []
    keys: list[Any] = []
    for k, side in enumerate(sides):
        at = -1  # where in the list this side has come to
        for n, (where, ops) in enumerate(side):
            layer, t = where or (None, None)
            key = ("alone", n) if where is None and n else None if layer is None else (layers[k] - layer, t)
            same = next((j for j in range(at + 1, len(keys)) if keys[j] == key), None)
            places = [] if layer is None else [(k, layer)]
            if same is None:
                same = at + 1
                keys.insert(same, key)
                groups.insert(same, (places, t, ops))
            else:
                groups[same] = groups[same][0] + places, t, groups[same][2] + ops
            at = same
    return groups
