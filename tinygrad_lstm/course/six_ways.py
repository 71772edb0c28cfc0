"""Tutorial 5 as a film: the six ways by which a gradient comes to C₁, one after another, with their values."""

from __future__ import annotations

import numpy as np

from ..flow.plot import COLOURS
from ..flow.trace import trace
from ..nn import LSTM
from .film import GREY, INK, PALE, Film, Language, Point

WEIGHTS = {  # tutorial 5's cell of one unit: of h, of x, and the bias
    "f": (0.8, -0.5, 1.0), "i": (-0.6, 0.9, 0.2), "C": (1.1, 0.7, -0.1), "o": (0.5, 0.4, 0.3),
}  # fmt: skip
STATES: dict[str, Point] = {"C₁": (150, 150), "C₂": (760, 150), "h₁": (150, 470), "h₂": (760, 470), "L": (880, 560)}
C1, C2, H1, H2, L = STATES.values()
TIMES_F, PLUS, TIMES_I, TIMES_O = (340, 150), (490, 150), (490, 265), (760, 355)
GATES: dict[str, Point] = {"f": (340, 380), "i": (440, 380), "C̃": (540, 380), "o": (650, 380)}
HOME: list[Point] = [H1, C1]  # from h₁ up, past o₁ and tanh
TO_C2: list[Point] = [L, (880, 470), H2, C2]
WAYS: dict[str, list[Point]] = {
    "highway": [*TO_C2, C1],
    "readout": [L, (150, 560), *HOME],
    "f": [*TO_C2, TIMES_F, GATES["f"], (340, 470), *HOME],
    "i": [*TO_C2, PLUS, TIMES_I, GATES["i"], (440, 470), *HOME],
    "C̃": [*TO_C2, PLUS, TIMES_I, GATES["C̃"], (540, 470), *HOME],
    "o": [L, (880, 470), H2, TIMES_O, GATES["o"], (650, 470), *HOME],
}
SAID = {
    "en": {
        "title": "Six ways back to C₁",
        "begin": "One unit, two steps, and a loss that reads h at both: L = h₁ + h₂.\n"
        "How does a gradient come from L to C₁?",
        "highway": "The highway: from C₂ straight to C₁, times the forget gate f₂ and nothing else.",
        "readout": "The readout: the loss reads h₁, too, and h₁ shows C₁.",
        "f": "Through f₂: the forget gate was computed from h₁, and h₁ from C₁.",
        "i": "Through i₂: so was the input gate. Its share is the smallest here.",
        "C̃": "Through C̃₂: what could be written was computed from h₁ as well.",
        "o": "Through o₂: this way does not touch C₂ at all.",
        "end": "Six terms, and nothing is missing: their sum is ∂L/∂C₁.\n"
        "The highway brought {share:.0%} of it. The rest went through h₁.",
        "sum": "sum",
        "engine": "engine",
    },
    "zh": {
        "title": "回到 C₁ 的六条路",
        "begin": "一个单元，两步，损失在两步都读取 h：L = h₁ + h₂。\n梯度怎样从 L 来到 C₁？",
        "highway": "高速通道：从 C₂ 直接到 C₁，只乘以遗忘门 f₂。",
        "readout": "读出：损失也读取 h₁，而 h₁ 露出 C₁。",
        "f": "经过 f₂：遗忘门由 h₁ 算出，h₁ 由 C₁ 算出。",
        "i": "经过 i₂：输入门也由 h₁ 算出，这里它的一份最小。",
        "C̃": "经过 C̃₂：可以写入的内容同样由 h₁ 算出。",
        "o": "经过 o₂：这条路完全不碰 C₂。",
        "end": "六项，一项不缺：它们的和就是 ∂L/∂C₁。\n高速通道只带来其中的 {share:.0%}，其余都经过 h₁。",
        "sum": "和",
        "engine": "引擎",
    },
}
NAMES = {"en": {"highway": "highway", "readout": "readout"}, "zh": {"highway": "高速通道", "readout": "读出"}}
FIRST, EACH = 7.0, 7.0  # seconds: where the first way begins, and for each


def measured() -> tuple[dict[str, float], float]:
    """The six terms of tutorial 5's cell by the ledger, and the whole gradient by the engine."""
    lstm = LSTM(1, 1, rng=np.random.default_rng(0)).astype(np.float64)
    cell = lstm.cells[0][0]
    for gate, (of_h, of_x, bias) in WEIGHTS.items():
        getattr(cell, f"W_{gate}").data = np.array([[of_h], [of_x]])
        getattr(cell, f"b_{gate}").data = np.array([bias])
    out = lstm(np.array([[[1.0], [-0.5]]]))
    flow = trace(out.h.sum()).flow("C")
    terms = {way: float(term.item()) for way, term in flow.ledger(2).items()}
    return terms, float(np.asarray(flow.trace.grad(out.steps[0].C)).item())


def film(lang: Language) -> Film:
    """The film in one language, 60 seconds."""
    terms, total = measured()
    made, said = Film(SAID[lang]["title"], lang), SAID[lang]
    made.text((640, 60), said["title"], 36, anchor="middle", weight=600)
    _wires(made)
    begin = {way: FIRST + EACH * k for k, way in enumerate(WAYS)}
    made.say(said["begin"], 0.0, FIRST)
    for k, (way, start) in enumerate(begin.items()):
        aside = 7 * (k - 2.5)  # so that ways which share an edge run side by side
        made.line([(x + aside, y + aside) for x, y in WAYS[way]], COLOURS[way], 6, start + 0.5, EACH - 2.5)
        made.say(said[way], start, start + EACH)
    _boxes(made)
    for k, way in enumerate(WAYS):
        arrived = begin[way] + EACH - 2.0
        y, length = 150 + 52 * k, 150 * abs(terms[way]) / max(terms.values())
        made.bar((980, y + 8), (length, 12), COLOURS[way], arrived, 1.0)
        made.text((980, y), NAMES[lang].get(way, f"{way}₂"), 24, start=arrived)
        made.text((1240, y), f"{terms[way]:+.4f}", 24, anchor="end", start=arrived)
    end = FIRST + EACH * len(WAYS)
    made.line([(980, 452), (1240, 452)], INK, 2, end)
    for k, (name, value) in enumerate((("sum", sum(terms.values())), ("engine", total))):
        made.text((980, 490 + 40 * k), said[name], 24, start=end + 2 * k)
        made.text((1240, 490 + 40 * k), f"{value:+.4f}", 24, anchor="end", weight=600, start=end + 2 * k)
    made.say(said["end"].format(share=terms["highway"] / total), end)
    return made


def _wires(made: Film) -> None:
    """The way forward, thin and grey."""
    wires: list[list[Point]] = [
        [C1, C2], [C1, H1], [C2, H2], [H1, (150, 560), L], [H2, (880, 470), L], [H1, (650, 470), GATES["o"], TIMES_O],
        *([(x, 470), (x, y)] for x, y in (GATES["f"], GATES["i"], GATES["C̃"])),
        [GATES["f"], TIMES_F], [GATES["i"], TIMES_I], [GATES["C̃"], TIMES_I], [TIMES_I, PLUS],
    ]  # fmt: skip
    for points in wires:
        made.line(points, PALE, 3)


def _boxes(made: Film) -> None:
    """States as circles, ops and gates as boxes, over the lines."""
    for name, (x, y) in STATES.items():
        made.add(f'<circle cx="{x}" cy="{y}" r="30" fill="#fff" stroke="{INK}" stroke-width="3"/>')
        made.text((x, y + 9), name, 26, anchor="middle", weight=600)
    ops: list[tuple[Point, str]] = [
        (TIMES_F, "×"), (PLUS, "+"), (TIMES_I, "×"), (TIMES_O, "×"), ((760, 250), "tanh"), ((150, 250), "tanh"),
        ((150, 355), "× o₁"), *((at, f"{gate}₂") for gate, at in GATES.items()),
    ]  # fmt: skip
    for (x, y), name in ops:
        wide = 44 if len(name) < 4 else 72
        look = f'width="{wide}" height="40" rx="8" fill="#f8f9fa" stroke="{GREY}" stroke-width="2"'
        made.add(f'<rect x="{x - wide / 2:g}" y="{y - 20:g}" {look}/>')
        made.text((x, y + 8), name, 23, anchor="middle")
