"""Right and typical wrong answers to the exercises of tutorial 8."""

import numpy as np

import tinygrad_lstm as tl


def _softsign(z):
    return 0.5 + 0.5 * z / (1 + tl.abs(z))


RIGHT = {"8.1": 73, "8.2": 5 / 6, "8.3": _softsign}
WRONG = {
    "8.1": [72, 72.48, 72.5, 10_000, 30, 7, "many"],
    "8.2": [1.2, 1 / 6 - 0.2, 1.0, "5/6"],
    "8.3": [
        tl.sigmoid,
        tl.relu,
        tl.hard_sigmoid,
        lambda z: 0.5 + z / 20,
        lambda z: tl.sigmoid(-z / 4),
        lambda z: tl.sigmoid(z / 4) / 2,
        lambda z: 1 / (1 + np.exp(-z.numpy())),
        lambda z: tl.sigmoid(z / 4).sum(),
        lambda z: 0.5,
    ],
}
