"""What goes in and out of files."""

from .checkpoint import CheckpointError, check_place, load, read, read_meta, save

__all__ = ["CheckpointError", "check_place", "load", "read", "read_meta", "save"]
