"""Puts the course's notebooks into the wheel, for `tinygrad-lstm tutorials`: of tutorials/ the .ipynb files alone."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Notebooks(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":  # there the command finds them in the checkout
            tutorials = Path(self.root, "tutorials")
            for path in tutorials.glob("*/*.ipynb"):
                place = f"tinygrad_lstm/course/notebooks/{path.relative_to(tutorials).as_posix()}"
                build_data["force_include"][str(path)] = place
