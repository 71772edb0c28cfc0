"""Right and typically wrong answers to the exercises of tutorial 4: for the tests, not for learners."""

import numpy as np

LOGIT = np.log(99)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def memory(word):
    return {"not": (0, 1, 1, 1), ".": (0, 0, 0, 1)}.get(word, (1, 0, 0, 1))


def never_wiped(word):
    return (1, 1, 1, 1) if word == "not" else (1, 0, 0, 1)


def leaking(word):
    return {"not": (0, 1, 1, 1), ".": (0, 0, 0, 1)}.get(word, (0.95, 0, 0, 1))


def forgetful(word):
    return (0, 1, 1, 1) if word == "not" else (0, 0, 0, 1)


def not_written(word):
    return (1, 0, 1, 1)


def always_writing(word):
    return {".": (0, 0, 0, 1)}.get(word, (1, 1, 0.5, 1))


def out_of_range(word):
    return (2, 0, 0, 1)


def step(x, h, C, W, b):
    hx = np.concatenate([h, x], axis=-1)
    f, i, o = (sigmoid(hx @ W[g] + b[g]) for g in "fio")
    C = f * C + i * np.tanh(hx @ W["C"] + b["C"])
    return o * np.tanh(C), C


def x_first(x, h, C, W, b):
    hx = np.concatenate([x, h], axis=-1)
    f, i, o = (sigmoid(hx @ W[g] + b[g]) for g in "fio")
    C = f * C + i * np.tanh(hx @ W["C"] + b["C"])
    return o * np.tanh(C), C


def sigmoid_candidate(x, h, C, W, b):
    hx = np.concatenate([h, x], axis=-1)
    f, i, new, o = (sigmoid(hx @ W[g] + b[g]) for g in "fiCo")
    C = f * C + i * new
    return o * np.tanh(C), C


def old_memory(x, h, C, W, b):
    hx = np.concatenate([h, x], axis=-1)
    f, i, o = (sigmoid(hx @ W[g] + b[g]) for g in "fio")
    return o * np.tanh(C), f * C + i * np.tanh(hx @ W["C"] + b["C"])


def no_tanh(x, h, C, W, b):
    hx = np.concatenate([h, x], axis=-1)
    f, i, o = (sigmoid(hx @ W[g] + b[g]) for g in "fio")
    C = f * C + i * np.tanh(hx @ W["C"] + b["C"])
    return o * C, C


def turned_round(*args):
    return step(*args)[::-1]


RIGHT = {"4.1": (-2 * LOGIT, LOGIT), "4.2": memory, "4.3": step}
WRONG = {
    "4.1": [(-LOGIT, LOGIT), (LOGIT, -2 * LOGIT), (2 * LOGIT, -LOGIT), (0.0, 0.99), (-1.0, LOGIT)],
    "4.2": [never_wiped, leaking, forgetful, not_written, always_writing, out_of_range],
    "4.3": [x_first, sigmoid_candidate, old_memory, no_tanh, turned_round],
}
