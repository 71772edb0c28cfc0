"""Where everything stands in one time step of an LSTM, a GRU and an RNN: tables to read and to change.

A *role* is a place in the picture: "f" is the forget gate's box, "f ←" the linear part that feeds it, "C-" and "h-" the
state before the step. Units are points, y goes up; the step's box has its lower left corner at (0, 0).

A *route* says how an edge bends: "" goes straight; "x" horizontally and then vertically; "y62" vertically to y = 62,
then horizontally, then vertically; "x-20 y-8" horizontally to x = -20, vertically to y = -8, and on. The numbers count
from the corner of the step (and layer) in which the edge ends: x = -20 is the lane between two steps. "@30,90" goes
straight to a point, and "@" straight to the end.
"""

from __future__ import annotations

from typing import NamedTuple

from .picture import Point


class Rule(NamedTuple):
    """A tensor has this role if it was made in this room, by this op ("" for any), from tensors with these roles."""

    role: str
    room: str = ""
    op: str = ""
    uses: tuple[str, ...] = ()


class CellPlan(NamedTuple):
    """One kind of cell. `named`: tensors whose name is their role; `rules`: for the others, the first that fits."""

    title: str
    named: tuple[str, ...]
    typical: frozenset[str]  # a layer with these names is of this kind
    width: float
    height: float
    nodes: dict[str, tuple[float, float, str]]
    rules: tuple[Rule, ...]
    routes: dict[tuple[str, str], str]
    numbers: dict[tuple[str, str], Point]  # where a share is printed
    totals: dict[str, Point]  # where ∂L/∂C and ∂L/∂h are printed
    captions: dict[str, tuple[float, float, str]]
    follow: dict[str, frozenset[str]]
    states: dict[str, Point]  # the initial states, left of the first step
    readout: float  # y of the box that reads h: above or below the step
    sizes: dict[str, Point] = {}  # noqa: RUF012 — never changed; of a cell that was placed by `tiles`
    lines: tuple[str, ...] = ("C",)  # states that run straight through the picture
    named_only: bool = False


LSTM = CellPlan(
    title="LSTM",
    named=("f", "i", "C̃", "C", "o", "h"),
    typical=frozenset({"C"}),
    width=440,
    height=340,
    nodes={
        "fC": (70, 285, "point"),                                "C": (240, 285, "point"),
                                                                 "iC": (240, 222, "point"),
        "f": (70, 150, "gate"),      "i": (155, 150, "gate"),    "C̃": (240, 150, "gate"),    "o": (325, 150, "gate"),
        "f ←": (70, 92, "linear"),   "i ←": (155, 92, "linear"), "C̃ ←": (240, 92, "linear"), "o ←": (325, 92, "linear"),
        "[h ; x]": (155, 30, "join"),
        "x": (155, -48, "state"),
        "tanh C": (400, 222, "act"), "h": (400, 150, "point"),                               # right of the gates
        "C pad": (465, 285, "point"), "h pad": (465, 150, "point"),                          # where rows have ended
    },
    rules=(
        Rule("[h ; x]", "", "concat"),
        Rule("f ←", "forget gate"),
        Rule("i ←", "input gate"),
        Rule("C̃ ←", "candidate"),
        Rule("o ←", "output gate"),
        Rule("fC", "cell state", "mul", ("f",)),
        Rule("iC", "cell state", "mul", ("C̃",)),
        Rule("tanh C", "hidden state"),
    ),
    routes={
        ("C-", "fC"): "", ("fC", "C"): "", ("C-", "C"): "", ("iC", "C"): "", ("C̃", "iC"): "", ("f", "fC"): "",
        ("i", "iC"): "y", ("f", "i"): "", ("C", "tanh C"): "x", ("C", "h"): "x", ("tanh C", "h"): "", ("o", "h"): "",
        ("[h ; x]", "f ←"): "y60", ("[h ; x]", "i ←"): "", ("[h ; x]", "C̃ ←"): "y60", ("[h ; x]", "o ←"): "y60",
        ("h-", "[h ; x]"): "x-22", ("x", "[h ; x]"): "",
        ("C-", "f ←"): "x16", ("C-", "i ←"): "x16 y70 x112", ("C", "o ←"): "x280",
        ("C-", "C pad"): "x16 y308", ("C", "C pad"): "", ("h-", "h pad"): "x-22 y9", ("h", "h pad"): "",
        ("below", "[h ; x]"): "x430 y-24",
    },
    numbers={
        ("fC", "C"): (155, 297), ("f", "fC"): (44, 222), ("i", "iC"): (128, 190), ("C̃", "iC"): (209, 190),
        ("iC", "C"): (267, 252), ("C", "tanh C"): (376, 256), ("tanh C", "h"): (376, 190), ("o", "h"): (362, 168),
        ("C-", "C"): (155, 297), ("h-", "[h ; x]"): (60, 40), ("x", "[h ; x]"): (177, -12), ("f", "i"): (112, 170),
    },
    totals={"C": (320, 298), "h": (361, 124)},
    captions={
        "f": (48, 121, "forget"), "i": (135, 121, "input"), "C̃": (210, 121, "candidate"), "o": (303, 121, "output"),
    },
    follow={
        "C": frozenset({"C-", "fC", "C", "C pad", "end C"}),
        "h": frozenset({"h-", "[h ; x]", "f ←", "i ←", "C̃ ←", "o ←", "f", "i", "C̃", "o", "h", "h pad", "end h",
                        "below"}),
    },
    states={"C": (-62, 285), "h": (-62, 30)},
    readout=-48,
)  # fmt: skip

GRU = CellPlan(
    title="GRU",
    named=("z", "r", "n", "h"),
    typical=frozenset({"z", "n"}),
    width=400,
    height=350,
    nodes={
        "zh": (70, 295, "point"),                                                            "h": (345, 295, "point"),
                                     "1 − z": (207, 232, "act"),                             "zn": (345, 232, "point"),
        "z": (70, 165, "gate"),      "r": (160, 165, "gate"),                                "n": (345, 165, "gate"),
        "z ←": (70, 95, "linear"),   "r ←": (160, 95, "linear"),
        "rn": (252, 112, "point"),   "n +": (345, 112, "point"),                             # reset after
        "nh ←": (252, 60, "linear"), "n ←": (345, 60, "linear"),
        "n′ ←": (345, 92, "linear"), "rh": (252, 28, "point"),  "[rh ; x]": (345, 28, "join"),  # reset before
        "[h ; x]": (115, 20, "join"),
        "x": (115, -58, "state"),    "h pad": (400, 295, "point"),
    },
    rules=(
        Rule("[h ; x]", "", "concat"),
        Rule("z ←", "update gate"),
        Rule("r ←", "reset gate"),
        Rule("rh", "candidate", "mul", ("r", "h-")),
        Rule("rn", "candidate", "mul", ("r",)),
        Rule("[rh ; x]", "candidate", "concat"),
        Rule("n′ ←", "candidate", "", ("[rh ; x]",)),
        Rule("n′ ←", "candidate", "", ("n′ ←",)),
        Rule("n +", "candidate", "add", ("rn",)),
        Rule("nh ←", "candidate", "", ("h-",)),
        Rule("nh ←", "candidate", "", ("nh ←",)),
        Rule("n ←", "candidate"),
        Rule("zh", "hidden state", "mul", ("h-",)),
        Rule("zn", "hidden state", "mul", ("n",)),
        Rule("1 − z", "hidden state"),
    ),
    routes={
        ("h-", "zh"): "", ("zh", "h"): "", ("zn", "h"): "", ("z", "zh"): "", ("z", "1 − z"): "y", ("1 − z", "zn"): "",
        ("n", "zn"): "", ("r", "rn"): "x", ("r", "rh"): "x", ("rn", "n +"): "", ("n +", "n"): "", ("n ←", "n +"): "",
        ("n′ ←", "n"): "", ("nh ←", "rn"): "", ("rh", "[rh ; x]"): "", ("[rh ; x]", "n′ ←"): "",
        ("h-", "[h ; x]"): "x-22", ("h-", "nh ←"): "x-22 y-12", ("h-", "rh"): "x-22 y-12",
        ("x", "[h ; x]"): "", ("x", "n ←"): "x", ("x", "[rh ; x]"): "x",
        ("[h ; x]", "z ←"): "y58", ("[h ; x]", "r ←"): "y58", ("below", "[h ; x]"): "y-36",
        ("below", "n ←"): "y-36", ("below", "[rh ; x]"): "y-36", ("h-", "h pad"): "x16 y318", ("h", "h pad"): "",
    },
    numbers={
        ("zh", "h"): (207, 307), ("z", "zh"): (46, 205), ("z", "1 − z"): (127, 243), ("n", "zn"): (373, 200),
        ("r", "rn"): (214, 176), ("r", "rh"): (214, 176), ("zn", "h"): (371, 263),
        ("h-", "[h ; x]"): (45, 30), ("x", "[h ; x]"): (137, -26),
    },
    totals={"h": (300, 307)},
    captions={"z": (49, 135, "update"), "r": (141, 135, "reset"), "n": (316, 139, "cand.")},
    follow={"h": frozenset({"h-", "zh", "h", "h pad", "end h"})},
    states={"h": (-62, 295)},
    readout=392,
)  # fmt: skip

RNN = CellPlan(
    title="RNN",
    named=("h",),
    typical=frozenset({"h"}),
    width=180,
    height=215,
    nodes={
        "h": (90, 155, "gate"), "h ←": (90, 92, "linear"), "[h ; x]": (90, 30, "join"), "x": (90, -48, "state"),
        "h pad": (165, 155, "point"),
    },
    rules=(Rule("[h ; x]", "", "concat"), Rule("h ←", "hidden state")),
    routes={
        ("h-", "[h ; x]"): "x-22", ("x", "[h ; x]"): "", ("[h ; x]", "h ←"): "", ("h ←", "h"): "",
        ("below", "[h ; x]"): "y-36", ("h-", "h pad"): "x-22 y9", ("h", "h pad"): "",
    },
    numbers={
        ("h-", "[h ; x]"): (38, 40), ("x", "[h ; x]"): (113, -12),
        ("h ←", "h"): (113, 123), ("[h ; x]", "h ←"): (113, 60),
    },
    totals={"h": (150, 170)},
    captions={},
    follow={"h": frozenset({"h-", "[h ; x]", "h ←", "h", "h pad", "end h", "below"})},
    states={"h": (-62, 30)},
    readout=257,
)  # fmt: skip

CELLS = (LSTM, GRU, RNN)  # the first whose typical names a layer has
