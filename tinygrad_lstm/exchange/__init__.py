"""What goes in and out of files."""

from .checkpoint import Checkpoint, CheckpointError, check_place, load, read, read_meta, save

__all__ = ["Checkpoint", "CheckpointError", "check_place", "load", "read", "read_meta", "save"]
