"""Right and wrong answers to the exercises of tutorial 14."""


RIGHT = {
    "14.1": 9217,
    "14.2": lambda swaps: (1 - 2 * swaps, 0 * swaps),
    "14.3": lambda first, second: (second[0] * first[0], second[0] * first[1] + second[1]),
}
WRONG = {
    "14.1": [10240, 1023, 10, 10230, 8705, 9216, 5000],
    "14.2": [
        lambda swaps: (2 * swaps - 1, 0 * swaps),
        lambda swaps: ((1 - 2 * swaps).cumprod(), 0 * swaps),
        lambda swaps: (0 * swaps, (1 - 2 * swaps).cumprod()),
        lambda swaps: (1 - swaps, swaps),
        lambda swaps: (1 - 2 * swaps, swaps),
        lambda swaps: (-1, 0),
        lambda swaps: 1 - 2 * swaps,
    ],
    "14.3": [
        lambda first, second: (first[0] * second[0], first[0] * second[1] + first[1]),
        lambda first, second: (first[0] * second[0], first[1] + second[1]),
        lambda first, second: (first[0] + second[0], first[1] + second[1]),
        lambda first, second: (first[0] * second[0], first[1] * second[1]),
        lambda first, second: (second[0], second[1]),
        lambda first, second: first[0] * second[0],
    ],
}
