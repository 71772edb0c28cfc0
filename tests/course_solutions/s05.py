"""Right and typically wrong answers to the exercises of tutorial 5: for the tests, not for learners."""

import numpy as np


def right(dC, C_old, f, B_old, W_fh):
    return B_old * ((dC * C_old * f * (1 - f)) @ W_fh.T)


def no_slope(dC, C_old, f, B_old, W_fh):
    return B_old * ((dC * C_old) @ W_fh.T)


def slope_of_tanh(dC, C_old, f, B_old, W_fh):
    return B_old * ((dC * C_old * (1 - f**2)) @ W_fh.T)


def times_f(dC, C_old, f, B_old, W_fh):
    return B_old * ((dC * f * f * (1 - f)) @ W_fh.T)


def no_memory(dC, C_old, f, B_old, W_fh):
    return B_old * ((dC * f * (1 - f)) @ W_fh.T)


def not_transposed(dC, C_old, f, B_old, W_fh):
    return B_old * ((dC * C_old * f * (1 - f)) @ W_fh)


def only_to_h(dC, C_old, f, B_old, W_fh):
    return (dC * C_old * f * (1 - f)) @ W_fh.T


def entry_by_entry(dC, C_old, f, B_old, W_fh):
    return B_old * (dC * C_old * f * (1 - f)) * W_fh


def summed(dC, C_old, f, B_old, W_fh):
    return np.sum(dC)


RIGHT = {"5.1": 0.9**10 * 0.5, "5.2": right, "5.3": 2 + 3**0.5}
WRONG = {
    "5.1": [0.9**10, 0.9**9 * 0.5, 9.5 / 11, (9.5 / 11) ** 11, 0.45],
    "5.2": [no_slope, slope_of_tanh, times_f, no_memory, not_transposed, only_to_h, entry_by_entry, summed],
    "5.3": [(5 + 21**0.5) / 2, 3, 4, 1, 2.0],
}
