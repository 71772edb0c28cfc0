"""Right and typically wrong answers to the exercises of tutorial 6: for the tests, not for learners."""

from math import exp, log


def inverse(steps, kept):
    f = kept ** (1 / steps)
    return log(f / (1 - f))


def only_f(steps, kept):
    return kept ** (1 / steps)


def turned(steps, kept):
    return -inverse(steps, kept)


def half_only(steps, kept):
    return inverse(steps, 0.5)


def one_step(steps, kept):
    return log(kept / (1 - kept))


def nearly(steps, kept):
    return -log(1 - kept ** (1 / steps))


F4, F1 = 1 / (1 + exp(-4)), 1 / (1 + exp(-1))
RIGHT = {"6.1": log(0.5) / log(F4), "6.2": inverse, "6.3": (0.99**200 / 2) ** 0.5}
WRONG = {
    "6.1": [F4, log(0.5) / log(F1), -log(0.5) / log(F4), 0.5 / (1 - F4), -1 / log(F4), 100],
    "6.2": [only_f, turned, half_only, one_step, nearly],
    "6.3": [0.745**100, 0.99**100, 0.99**100 / 2, (0.99 * 0.5) ** 50, 0.5],
}
