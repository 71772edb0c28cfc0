"""What the site shows of the package: the microscope of its front page, and the gallery. All of it is run here."""

from __future__ import annotations

import html
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from notebooks import code

HERE = Path(__file__).resolve().parent
ORDER = "steps gate follow strip beside compare history cells rolled gru diamond second".split()
SENTENCE = "mary lost her box and then john very calmly opened"
SECONDS = 120  # the longest that a picture may take
NET = """
import tinygrad_lstm as tl
task = tl.tasks.pronouns(clauses=(1, 2), distance=(2, 24))
start = {"forget_bias": 3.0, "recurrent_initializer": "zeros"}
model = tl.SequenceModel.for_task(task, seed=0, embedding=8, hidden=8, cell="lstm", **start)
model.rnn.fused = True
optimizer = tl.make_optimizer("adam", model, 0.02, global_clipnorm=1.0)
tl.fit(model, task, steps=400, seed=0, optimizer=optimizer, progress=False)
tl.save_model("model.safetensors", model)
"""  # the first net of `tinygrad-lstm demo`


class PictureError(Exception):
    """A picture that cannot be made: which, and why."""


class Picture(NamedTuple):
    """One piece of the gallery: what it shows in both languages, its lines, and the file that they make."""

    stem: str
    title: dict[str, str]
    lines: str

    @classmethod
    def read(cls, stem: str) -> Picture:
        """From its script: two comments, the titles in English and 中文, and then the code."""
        en, zh, lines = (HERE / "gallery" / f"{stem}.py").read_text(encoding="utf-8").split("\n", 2)
        return cls(stem, {"en": en.removeprefix("# "), "zh": zh.removeprefix("# ")}, lines.strip())

    def make(self, folder: Path) -> Path:
        """Run its lines in a folder. Raises PictureError."""
        run(["-c", self.lines], folder, self.stem)
        made = sorted(folder.glob(f"{self.stem}.*"))
        if len(made) != 1:
            raise PictureError(f"gallery/{self.stem}.py must save one file {self.stem}.…, not {len(made)}")
        return made[0]


def run(arguments: list[str], folder: Path, what: str) -> None:
    """This Python in a folder, with this package. Raises PictureError with the end of what it said."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        raise PictureError(f"{what}: {done.stderr.strip()[-800:]}")


def microscope(folder: Path) -> None:
    """Train a net and write the page of one sentence, as the command `trace` writes it: microscope.html."""
    run(["-c", NET], folder, "the net of the front page")
    trace = ["-m", "tinygrad_lstm", "trace", "model.safetensors", "--text", SENTENCE, "--out", "microscope.html"]
    run(trace, folder, "the microscope of the front page")


def gallery(language: str, made: dict[str, Path], words: dict[str, str]) -> str:
    """The Markdown of the gallery, whose files lie in the folder "pictures" of the site's root."""
    up = "" if language == "en" else "../"
    parts = ["---\nhide: [navigation, toc]\n---", f"# {words['gallery']}", words["gallery_lead"]]
    for stem in ORDER:
        picture, file = Picture.read(stem), f"{up}pictures/{made[stem].name}"
        title = html.escape(picture.title[language])
        shown = f'<a href="{file}"><img src="{file}" loading="lazy" alt="{title}"></a>'
        if file.endswith(".html"):
            shown = frame(f"{file}#lang={language}", title)
        parts.append(f'## {title} {{ #{stem} }}\n\n<div class="picture">{shown}</div>\n\n{code(picture.lines)}')
    return "\n\n".join(parts) + "\n"


def frame(address: str, title: str) -> str:
    """A page of the package in a frame: it may run its own script, and nothing else."""
    return (
        f'<iframe class="microscope" src="{address}" title="{title}" sandbox="allow-scripts" loading="lazy"></iframe>'
    )
