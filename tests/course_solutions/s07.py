"""Right and typical wrong answers to the exercises of tutorial 7."""

import numpy as np


def _global(gradients, limit):
    norm = np.sqrt(sum((g * g).sum() for g in gradients))
    return [g * (limit / norm) if norm > limit else g for g in gradients]


def _each(gradients, limit):
    return [g * min(1, limit / np.linalg.norm(g)) for g in gradients]


def _entries(gradients, limit):
    return [np.clip(g, -limit, limit) for g in gradients]


def _always(gradients, limit):
    norm = np.sqrt(sum((g * g).sum() for g in gradients))
    return [g * (limit / norm) for g in gradients]


def _no_zero(gradients, limit):
    norm = np.sqrt(sum((g * g).sum() for g in gradients))
    return [g / norm * min(norm, limit) for g in gradients]


def _in_place(gradients, limit):
    for k, g in enumerate(_global(gradients, limit)):
        gradients[k][...] = g
    return gradients


RIGHT = {"7.1": 0.25, "7.2": _global, "7.3": 1}
WRONG = {
    "7.1": [0.1, 0.2, 0.125, 0.04, 1.0, 0.4, "u"],
    "7.2": [_each, _entries, _always, _no_zero, _in_place, lambda g, limit: g[0], lambda g, limit: limit, 3],
    "7.3": [0, 2, -1, 0.5, "one"],
}
