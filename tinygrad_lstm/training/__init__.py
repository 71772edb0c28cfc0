"""Nets that learn: the sequence model, the loop, what is recorded on the way, and the questions one asks afterwards.

`fit`, `evaluate`, `SequenceModel` and the like stand in `tinygrad_lstm` itself; here is what asks about pronouns.
"""

from .erasure import Erasures, Question, Weights, switching

__all__ = ["Erasures", "Question", "Weights", "switching"]
