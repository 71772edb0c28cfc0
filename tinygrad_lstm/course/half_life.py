"""Tutorial 6 as a film: how many steps back half of a gradient is left on the highway, and what a bias does to it."""

from __future__ import annotations

from collections.abc import Callable
from math import log10

import numpy as np

from ..flow.trace import trace
from ..nn import LSTM
from .film import GREY, INK, PALE, Film, Language, Point

BIASES = {0.0: "#d95f02", 1.0: "#7570b3", 3.0: "#1b7837", 5.0: "#1f78b4"}  # of the forget gate, and their colours
STEPS = 100
LEFT, RIGHT, TOP, LOW = 130.0, 1010.0, 120.0, 560.0  # of the chart
DECADES = 15  # of its second axis
SAID = {
    "en": {
        "title": "The half-life of a gradient on the highway",
        "begin": "All weights 0: then only the highway is left, and each forget gate is σ(b).\n"
        "The default bias is b = 1. Ten steps back, how much of a gradient is left?",
        "bars": "Each step back multiplies by f = σ(1) = {f:.3f}: one half is left after {half:.1f} steps.",
        "quarter": "A quarter is left after twice as many, an eighth after three times as many.\n"
        "After ten steps it is {ten:.1%}.",
        "curves": "Here the bias alone decides: the half-life is ln ½ / ln σ(b). The first hundred steps.",
        "log": "The same on a logarithmic axis: straight lines, and each bias has its slope.",
        "end": "After {steps} steps {one:.1e} is left at b = 1, and {five:.0%} at b = 5.\n"
        "An LSTM keeps a gradient while its forget gates are open, not by its name.",
        "steps": "steps back",
        "left": "left of the gradient",
        "life": "b = {b:g}: half-life {half:.3g}",
    },
    "zh": {
        "title": "高速通道上梯度的半衰期",
        "begin": "所有权重为 0：只剩下高速通道，每个遗忘门都是 σ(b)。\n默认的偏置是 b = 1。往回十步，梯度还剩多少？",
        "bars": "每往回一步，乘以 f = σ(1) = {f:.3f}：{half:.1f} 步之后剩下一半。",
        "quarter": "再过同样多步剩下四分之一，再过同样多步剩下八分之一。\n十步之后剩下 {ten:.1%}。",
        "curves": "这里只由偏置决定：半衰期是 ln ½ / ln σ(b)。这是前一百步。",
        "log": "换成对数坐标：都是直线，每个偏置有自己的斜率。",
        "end": "{steps} 步之后，b = 1 时剩下 {one:.1e}，b = 5 时剩下 {five:.0%}。\n"
        "LSTM 能保住梯度，是因为遗忘门开着，而不是因为它叫 LSTM。",
        "steps": "往回的步数",
        "left": "剩下的梯度",
        "life": "b = {b:g}：半衰期 {half:.3g} 步",
    },
}


def measured() -> dict[float, list[float]]:
    """What is left of a gradient 0, 1 … 100 steps back, for each bias, in cells whose weights are all 0."""
    found = {}
    for bias in BIASES:
        lstm = LSTM(1, 1, forget_bias=bias, initializer="zeros", recurrent_initializer="zeros").astype(np.float64)
        norms = trace(lstm(np.zeros((1, STEPS, 1))).last.C.sum()).flow("C").norm[::-1]
        found[bias] = [float(norm / norms[0]) for norm in norms]
    return found


def film(lang: Language) -> Film:
    """The film in one language, 60 seconds."""
    kept = measured()
    half = {bias: float(np.log(0.5) / np.log(left[1])) for bias, left in kept.items()}
    made, said = Film(SAID[lang]["title"], lang), SAID[lang]
    made.text((640, 60), said["title"], 36, anchor="middle", weight=600)
    made.text(((LEFT + RIGHT) / 2, LOW + 48), said["steps"], 22, GREY, "middle")
    made.text((LEFT - 60, TOP - 20), said["left"], 22, GREY)
    made.line([(LEFT, TOP), (LEFT, LOW), (RIGHT, LOW)], INK, 2)
    made.say(said["begin"], 0.0, 8.0)
    _bars(made, kept[1.0], half[1.0])
    made.say(said["bars"].format(f=kept[1.0][1], half=half[1.0]), 8.0, 16.0)
    made.say(said["quarter"].format(ten=kept[1.0][10]), 16.0, 24.0)
    _curves(made, kept, (24.0, 39.0), _linear)
    made.say(said["curves"], 24.0, 39.0)
    _curves(made, kept, (39.0, None), _logarithmic)
    for k, bias in enumerate(BIASES):
        text = said["life"].format(b=bias, half=half[bias])
        made.text((RIGHT + 24, 150 + 44 * k), text, 21, BIASES[bias], start=25.0 + 3 * k, weight=600)
    made.say(said["log"], 39.0, 50.0)
    made.say(said["end"].format(steps=STEPS, one=kept[1.0][STEPS], five=kept[5.0][STEPS]), 50.0)
    return made


def _bars(made: Film, left: list[float], half: float) -> None:
    """The first 20 steps as bars, one after another, and marks at the first three half-lives."""
    wide, end = (RIGHT - LEFT) / 21, 24.0
    for k in range(21):
        x, high = LEFT + wide * (k + 0.15), (LOW - TOP) * left[k]
        look = f'x="{x:.1f}" y="{LOW - high:.1f}" width="{0.7 * wide:.1f}" height="{high:.1f}" fill="{BIASES[1.0]}"'
        made.add(f"<rect {look}/>", 0.0 if k == 0 else 1.0 + 0.3 * k + 7.0 * (k > 3), end)
        made.text((x + 0.35 * wide, LOW + 22), str(k), 18, GREY, "middle", end=end)
    for k, name in enumerate(("½", "¼", "⅛"), 1):
        x, y = LEFT + wide * (k * half + 0.5), LOW - (LOW - TOP) / 2**k
        start = 9.0 if k == 1 else 16.0 + k
        dashes = f'stroke="{INK}" stroke-width="2" stroke-dasharray="6 5" fill="none"'
        made.add(f'<path d="M{LEFT},{y:.1f} L{x:.1f},{y:.1f} L{x:.1f},{LOW}" {dashes}/>', start, end)
        made.text((LEFT - 14, y + 8), name, 24, anchor="end", start=start, end=end)


def _linear(left: float) -> float:
    return LOW - (LOW - TOP) * left


def _logarithmic(left: float) -> float:
    return LOW - (LOW - TOP) * (1 + log10(left) / DECADES) if left else LOW


def _curves(
    made: Film, kept: dict[float, list[float]], times: tuple[float, float | None], at: Callable[[float], float]
) -> None:
    """A curve for each bias, drawn one after another on one of the two axes."""
    start, end = times
    logarithmic = at is _logarithmic
    scene = Film("", made.lang)
    for k in (0, 25, 50, 75, 100):
        scene.text((LEFT + (RIGHT - LEFT) * k / STEPS, LOW + 22), str(k), 18, GREY, "middle")
    marks = {1.0: "1", 1e-5: "10⁻⁵", 1e-10: "10⁻¹⁰", 1e-15: "10⁻¹⁵"} if logarithmic else {1.0: "1", 0.5: "½", 0.0: "0"}
    for value, name in marks.items():
        scene.text((LEFT - 14, at(value) + 7), name, 20, GREY, "end")
        scene.line([(LEFT, at(value)), (RIGHT, at(value))], PALE, 1)
    for k, (bias, left) in enumerate(kept.items()):
        points: list[Point] = [(LEFT + (RIGHT - LEFT) * n / STEPS, at(value)) for n, value in enumerate(left)]
        inside = [point for point in points if point[1] <= LOW + 0.5]
        scene.line(inside, BIASES[bias], 5, start + 1 + (2 if logarithmic else 3) * k, 2.0)
    made.ends += scene.ends
    made.add("".join(scene.parts), start, end)
