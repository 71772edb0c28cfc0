"""Right and wrong answers to the exercises of tutorial 9."""

import numpy as np


def converted(order="ifCo", transpose=True, h_first=True, both=True):
    def from_torch(weight_ih, weight_hh, bias_ih, bias_hh):
        found = {}
        bias = bias_ih + bias_hh if both else bias_ih
        for gate, x, h, b in zip(order, *(np.split(a, 4) for a in (weight_ih, weight_hh, bias)), strict=True):
            parts = [h, x] if h_first else [x, h]
            found[f"W_{gate}"] = np.concatenate([part.T if transpose else part for part in parts])
            found[f"b_{gate}"] = b
        return found

    return from_torch


def incomplete(weight_ih, weight_hh, bias_ih, bias_hh):
    right = converted()(weight_ih, weight_hh, bias_ih, bias_hh)
    return {name: array for name, array in right.items() if name[0] == "W"}


def beside(weight_ih, weight_hh, bias_ih, bias_hh):
    right = converted()(weight_ih, weight_hh, bias_ih, bias_hh)
    return {name: array.T if name[0] == "W" else array for name, array in right.items()}


def for_three_units(weight_ih, weight_hh, bias_ih, bias_hh):
    found = {}
    for k, gate in enumerate("ifCo"):
        part = slice(3 * k, 3 * k + 3)
        found[f"W_{gate}"] = np.concatenate([weight_hh[part].T, weight_ih[part].T])
        found[f"b_{gate}"] = bias_ih[part] + bias_hh[part]
    return found


RIGHT = {
    "9.1": (4, 8, 16),
    "9.2": lambda k, K: max(0, K - k) / K,
    "9.3": converted(),
}
WRONG = {
    "9.1": [(8, 4, 16), (2, 8, 16), (2, 8, 32), (4, 8, 32), (8, 20, 32), (8, 16), 4],
    "9.2": [
        lambda k, K: float(k < K),
        lambda k, K: 1 - k / K,
        lambda k, K: max(0, K - k - 1) / K,
        lambda k, K: k / K,
        lambda k, K: max(0, 1 - k / K) ** 2,
    ],
    "9.3": [
        converted(order="fiCo"),
        converted(order="ioCf"),
        converted(transpose=False),
        converted(h_first=False),
        converted(both=False),
        incomplete,
        beside,
        for_three_units,
        lambda weight_ih, weight_hh, bias_ih, bias_hh: weight_ih,
        lambda *arrays: tuple(converted()(*arrays).values()),
    ],
}
