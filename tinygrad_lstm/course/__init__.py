"""The course: what its notebooks ask, and the checks of their exercises (one file tNN.py for each tutorial)."""

from . import quiz

__all__ = ["quiz"]
