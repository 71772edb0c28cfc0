"""Right and typically wrong answers to the exercises of tutorial 2: for the tests, not for learners."""

import numpy as np


def summed(share, shape):
    share = share.sum(axis=tuple(range(share.ndim - len(shape))))
    return share.sum(axis=tuple(k for k, n in enumerate(shape) if n == 1), keepdims=True)


def division(dy, a, b):
    return summed(dy / b, a.shape), summed(-dy * a / b**2, b.shape)


RIGHT = {
    "2.1": 5e-3,
    "2.2": division,
    "2.3": lambda dy, y: y * (dy - (dy * y).sum(axis=-1, keepdims=True)),
}
WRONG = {
    "2.1": [1e-5, 2.4e-4, 1e-8, 0.1, 0.0, "small"],
    "2.2": [
        lambda dy, a, b: (dy / b, -dy * a / b**2),
        lambda dy, a, b: (summed(dy / b, a.shape), summed(dy * a / b**2, b.shape)),
        lambda dy, a, b: (summed(dy * b, a.shape), summed(dy * a, b.shape)),
        lambda dy, a, b: (summed(dy / b, a.shape), summed(-dy / b**2, b.shape)),
        lambda dy, a, b: dy / b,
    ],
    "2.3": [
        lambda dy, y: dy * y * (1 - y),
        lambda dy, y: y * (dy - (dy * y).sum()),
        lambda dy, y: dy - y * dy.sum(axis=-1, keepdims=True),
        lambda dy, y: dy * y,
        lambda dy, y: (dy * y).sum(axis=-1),
        lambda dy, y: y * (np.roll(dy, 1, axis=-1) - (np.roll(dy, 1, axis=-1) * y).sum(axis=-1, keepdims=True)),
    ],
}
