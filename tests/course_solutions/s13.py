"""Right and wrong answers to the exercises of tutorial 13."""

from math import comb, inf
from statistics import mean, median


def typical(middle=median, never=inf, lucky=False, low=False):
    def typical_count(counts):
        late = [never if count is None else count for count in counts if not (lucky and count is None)]
        return sorted(late)[(len(late) - 1) // 2] if low else middle(late)

    return typical_count


def luck(more=True, first=0, scale=1.0, coins=False):
    def by_lot(nets, a, b):
        both = a + b
        ends = range(a + first, min(nets, both) + 1) if more else range(max(0, both - nets), a + 1)
        if coins:
            return sum(comb(both, k) for k in range(a, both + 1)) / 2**both
        return scale * sum(comb(nets, k) * comb(nets, both - k) for k in ends) / comb(2 * nets, both)

    return by_lot


RIGHT = {"13.1": 0.05**0.2, "13.2": typical(), "13.3": luck()}
WRONG = {
    "13.1": [0.05**5, 0.95**0.2, 1 - 0.05**0.2, 0.01, 0.99, 0.9, 55],
    "13.2": [
        typical(middle=mean, lucky=True),
        typical(lucky=True),
        typical(never=0),
        typical(low=True),
        typical(never=100),
        typical(middle=mean),
        lambda counts: counts,
    ],
    "13.3": [
        luck(more=False),
        luck(first=1),
        luck(scale=2),
        luck(coins=True),
        lambda nets, a, b: sum(comb(nets, k) * comb(nets, a + b - k) for k in range(a, nets + 1)),  # k > a + b
        lambda nets, a, b: comb(nets, a) * comb(nets, b) / comb(2 * nets, a + b),
        lambda nets, a, b: a / (a + b),
    ],
}
