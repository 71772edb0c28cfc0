"""Writing DOT: a picture for graphviz, with an exact place for everything; and names made harmless."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache

from .curves import backward, forward
from .picture import FAINT, INK, LOOKS, Box, Frame, Label, Picture, Point, Tile, Wire, cleaned

FONT = "Helvetica"
SPECIAL = frozenset('\\"&<>')


@lru_cache(maxsize=1 << 14)
def quoted(*lines: str, cut: int = 40, left: bool = False) -> str:
    """Text of any origin as a DOT string that shows exactly this text, one line for each argument."""
    if len(lines) == 1 and not left and len(lines[0]) <= cut and lines[0].isprintable() and not SPECIAL & {*lines[0]}:
        return f'"{lines[0]}"'
    from graphviz import escape, nohtml  # type: ignore[import-untyped]
    from graphviz.quoting import quote  # type: ignore[import-untyped]

    text = "\\n".join(escape(cleaned(line, cut).replace("&", "&amp;")) for line in lines)
    return str(quote(nohtml(text + "\\l" if left else text)))


@lru_cache(maxsize=1 << 14)
def tooltip(text: str) -> str:
    """Text for a tooltip: backslashes are expanded twice there, so there are none."""
    return quoted(text.replace("\\", "∖"), cut=400)


def dot_of(picture: Picture, background: str = "white") -> str:
    """The DOT text of a picture."""
    nodes: dict[str, list[str]] = defaultdict(list)  # by their look, which is written once
    for box in picture.boxes:
        nodes[_look(box)].append(_box(box))
    tiles: dict[str, list[str]] = defaultdict(list)
    for tile in picture.tiles:
        tiles[_tile_look(tile)].append(_tile(tile))
    # Of the edges that leave a node, those to the nodes written last lie on top: to the circles, as along C.
    nodes = dict(sorted(nodes.items(), key=lambda group: "shape=circle" in group[0]))
    return "\n".join([
        "digraph G {",
        f'graph [outputorder=edgesfirst, splines=true, bgcolor={background}, pad=0.15, fontname="{FONT}"]',
        f'node [fontname="{FONT}", fixedsize=true, margin=0.02, penwidth=1.1]',
        *_grouped(nodes), *map(_frame, picture.frames),
        "edge [class=gradient, dir=back]", *(_gradient(wire) for wire in picture.wires if wire.has_gradient),
        "edge [class=forward, dir=forward, arrowsize=0.6]",
        *(_edge(wire) for wire in picture.wires if not (wire.has_gradient and wire.single)),
        *_grouped(tiles),
        'node [shape=plaintext, style="", width=0, height=0, margin=0, fixedsize=false]',
        *map(_text, picture.texts), "}", "",
    ])  # fmt: skip


def _grouped(statements: dict[str, list[str]]) -> Iterator[str]:
    for look, group in statements.items():
        yield f"node [{look}]"
        yield from group


def _pos(points: Iterable[Point]) -> str:
    return " ".join(["%.1f,%.1f" % point for point in points])  # noqa: UP031 — twice as fast, for 1,000 steps


def _hover(text: str) -> str:
    return f", tooltip={tooltip(text)}" if text else ""


def _look(box: Box) -> str:
    *_, shape, fill, border = LOOKS[box.kind]
    if box.faint:
        fill, border = "#ffffff", FAINT
    return (
        f'width={box.size[0] / 72:.3f}, height={box.size[1] / 72:.3f}, shape={shape}, fillcolor="{fill}", '
        f'color="{border}", style="filled{",rounded" if shape == "box" else ""}", fontsize={box.fontsize:g}, '
        f'fontcolor="{"#adb5bd" if box.faint else "#212529"}"'
    )


def _box(box: Box) -> str:
    tags = f', class="{box.kind}{box.tags}"' if box.tags else ""
    label = quoted(*box.lines, *([] if box.number is None else [box.number]))
    return f'{box.me} [id={box.me}{tags}, pos="{_pos([box.at])}", label={label}{_hover(box.hover)}]'


def _text(text: Label) -> str:
    (x, y), look = text.at, f'fontsize={text.size:g}, fontcolor="{text.colour}"'
    label = quoted(*text.lines, cut=text.cut, left=text.left)
    if text.left:
        fixed = f"width={text.width / 72:.3f}, height=0.2, fixedsize=true, "
        return f'{text.me} [pos="{_pos([(x + text.width / 2, y)])}", {fixed}{look}, label={label}]'
    return f'{text.me} [pos="{_pos([text.at])}", {look}, label={label}]'


def _tile_look(tile: Tile) -> str:
    wide, high = tile.size
    return f'width={wide / 72:.3f}, height={high / 72:.3f}, shape=box, style=filled, penwidth=0, label=""'


def _tile(tile: Tile) -> str:
    return f'{tile.me} [id={tile.me}, pos="{_pos([tile.at])}", fillcolor="{tile.fill}"{_hover(tile.hover)}]'


def _frame(frame: Frame) -> str:
    (x, y), (u, v) = frame.low, frame.high
    middle = x + 10 + 0.26 * frame.fontsize * len(frame.title)
    return (
        f"subgraph cluster_{frame.me.removeprefix('box')} {{ id={frame.me}; class=step; "
        f'bb="{x:.1f},{y:.1f},{u:.1f},{v:.1f}"; style="rounded,filled"; fillcolor="#f8f9fa"; color="#adb5bd"; '
        f'fontsize={frame.fontsize:g}; fontcolor="#495057"; '
        f'label={quoted(frame.title)}; lp="{middle:.1f},{v - 0.5 * frame.fontsize - 6.5:.1f}"; '
        f"{'; '.join(frame.members)} }}"
    )


def _edge(wire: Wire) -> str:
    """The thin line: with an arrowhead of its own, unless it lies on the gradient's."""
    colour, thin = (FAINT, 1.0) if wire.faint else (INK, 1.1)
    pos = _pos(forward(wire))
    if wire.has_gradient:
        return f'{wire.a} -> {wire.b} [id={wire.me}, dir=none, pos="{pos}", color="{colour}", penwidth={thin}]'
    pos = f"e,{_pos(wire.corners[-1:])} {pos}"
    return f'{wire.a} -> {wire.b} [id={wire.me}, pos="{pos}", color="{colour}", penwidth={thin}{_hover(wire.hover)}]'


def _gradient(wire: Wire) -> str:
    assert wire.scale is not None and wire.share is not None
    points, size = backward(wire)
    tint = "#e9ecef" if wire.faint else wire.scale.colour(wire.share)
    dashed = ", style=dashed" if wire.scale.below(wire.share) else ""
    return (
        f'{wire.a} -> {wire.b} [id=g{wire.me[1:]}, pos="s,{_pos(wire.corners[:1])} {_pos(points)}", '
        f'arrowsize={size:.2f}, color="{tint}", penwidth={wire.scale.width(wire.share):.2f}{dashed}'
        f"{_hover(wire.hover)}]"
    )
