"""Boxes and arrows, carrying the numbers that `flow` measured: capture, lay out, draw."""

from ..flow.edge import Edge
from .capture import Graph, Source, source_of
from .render import Drawing, Engine, Renderer, engine_info, use_renderer
from .views import draw

__all__ = [
    "Drawing",
    "Edge",
    "Engine",
    "Graph",
    "Renderer",
    "Source",
    "draw",
    "engine_info",
    "source_of",
    "use_renderer",
]
