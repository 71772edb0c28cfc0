"""What becomes of memory that is no longer needed: it stays with the process, and a long history goes in a loop."""

from __future__ import annotations

import numpy as np

from .tensor import Tensor


def keep_freed() -> None:
    """Let glibc keep up to 64 MB of freed memory for the next step, instead of returning it page by page.

    A fifth of a training step is not spent on asking for it again.
    Once an array of just under 32 MB was freed, glibc raises its thresholds to its size and twice that (mallopt(3),
    M_MMAP_THRESHOLD and M_TRIM_THRESHOLD). The array is never written to, so it takes no memory. Elsewhere this does
    nothing.
    """
    np.empty(2**25 - 2**14, np.uint8)


def drop_one_by_one(kind: type[Tensor]) -> None:
    """Let a tensor that dies hand on what it was made from, so that a long history goes in a loop.

    Elsewhere a tensor frees its inputs, these free theirs, and so on, and CPython itself sees to it that this does not
    nest too deep. In a browser it cannot: the stack is the browser's, ends without notice after some thousand tensors
    ("Maximum call stack size exceeded"), and takes the interpreter with it.
    """
    waiting: list[tuple[Tensor, ...]] = []
    emptying = False

    def hand_on(self: Tensor) -> None:
        nonlocal emptying
        if inputs := getattr(self, "inputs", ()):  # a tensor that was refused has none
            waiting.append(inputs)
            self.inputs = ()
            del inputs
        if waiting and not emptying:
            emptying = True
            while waiting:
                waiting.pop()  # what dies by this comes back here and only adds to the list
            emptying = False

    kind.__del__ = hand_on  # type: ignore[attr-defined]
