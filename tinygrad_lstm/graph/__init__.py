"""Boxes and arrows, carrying the numbers that `flow` measured: capture, lay out, draw."""

from .capture import Edge, Graph, Source, source_of
from .render import Drawing, Engine, engine_info
from .views import draw

__all__ = ["Drawing", "Edge", "Engine", "Graph", "Source", "draw", "engine_info", "source_of"]
