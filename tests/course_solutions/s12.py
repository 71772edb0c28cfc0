"""Right and typically wrong answers to the exercises of tutorial 12: for the tests, not for learners."""

import numpy as np


def shares(dy, f, h, n):
    return dy * (n - h), dy * (1 - f), dy * f


def one_product(hs, da):
    return hs.reshape(-1, hs.shape[-1]).T @ da.reshape(-1, da.shape[-1])


RIGHT = {"12.1": shares, "12.2": 1 / 3, "12.3": one_product}
WRONG = {
    "12.1": [
        lambda dy, f, h, n: dy,
        lambda dy, f, h, n: (dy * n, dy * (1 - f), dy * f),
        lambda dy, f, h, n: (dy * (h - n), dy * (1 - f), dy * f),
        lambda dy, f, h, n: (dy, dy * (1 - f), dy * f),
        lambda dy, f, h, n: (dy * (n - h), dy * f, dy * (1 - f)),
        lambda dy, f, h, n: (dy * (n - h), dy, dy * f),
        lambda dy, f, h, n: (dy * (n - h), dy * (1 - f), dy),
    ],
    "12.2": [2 / 3, 0.5, 0.25, 33.3, 32],
    "12.3": [
        lambda hs, da: one_product(da, hs),
        lambda hs, da: hs.swapaxes(1, 2) @ da,
        lambda hs, da: one_product(hs, da) / len(hs),
        lambda hs, da: np.zeros(3),
    ],
}
