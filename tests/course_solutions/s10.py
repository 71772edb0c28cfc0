"""Right and wrong answers to the exercises of tutorial 10."""

import math

import numpy as np


def bigram(smooth=1.0, axis=1, log=np.log2, reduce=np.mean, swapped=False, own=False):
    def bigram_bits(train, test, V):
        pairs = np.full((V, V), smooth)
        seen = test if own else train
        np.add.at(pairs, (seen[:-1], seen[1:]), 1)
        pairs = pairs.T if swapped else pairs
        p = pairs / pairs.sum(axis=axis, keepdims=True)
        with np.errstate(divide="ignore"):
            return -reduce(log(p[test[:-1], test[1:]]))

    return bigram_bits


def each_pair_once(train, test, V):
    pairs = np.ones((V, V))
    pairs[train[:-1], train[1:]] += 1
    p = pairs / pairs.sum(axis=1, keepdims=True)
    return -np.log2(p[test[:-1], test[1:]]).mean()


def unigram(train, test, V):
    p = np.bincount(train, minlength=V) + 1.0
    return -np.log2(p / p.sum())[test[1:]].mean()


def seen_only(train, test, V):
    return bigram()(train, test, int(train.max()) + 1)


def written(first=1, later=True, next_alone=False, weigh=True, total=True):
    def written_by(f, w, g):
        found = []
        for t in range(len(f)):
            gates = f[t + first :] if later else f[:t]
            left = (gates[:1] if next_alone else gates).prod(axis=0)
            found.append(left * w[t] * (g if weigh else 1))
        return [share.sum() for share in found] if total else found

    return written_by


RIGHT = {
    "10.1": 1700 / math.log(2),
    "10.2": bigram(),
    "10.3": written(),
}
WRONG = {
    "10.1": [1700, 1700 * math.log(2), 1.7 / math.log(2), 1700 / math.log(10), 8000],
    "10.2": [
        bigram(smooth=0.0),
        bigram(log=np.log),
        bigram(reduce=np.sum),
        bigram(swapped=True),
        bigram(axis=None),
        bigram(own=True),
        bigram(smooth=0.5),
        unigram,
        each_pair_once,
        seen_only,
        lambda train, test, V: -bigram()(train, test, V),
        2.3,
    ],
    "10.3": [
        written(first=0),
        written(later=False),
        written(next_alone=True),
        written(weigh=False),
        written(total=False),
        lambda f, w, g: (w * g).sum(axis=1),
        lambda f, w, g: (f * w * g).sum(),
        lambda f, w, g: np.zeros(len(f)),
    ],
}
