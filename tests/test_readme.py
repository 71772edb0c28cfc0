"""What the README prints is what its lines print."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / ".github" / "README.zh.md").read_text(encoding="utf-8")


def test_the_lines_print_what_stands_below_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser = doctest.DocTestParser()
    code = README.split("```python\n")[1].split("```")[0]
    runner = doctest.DocTestRunner()
    runner.run(parser.get_doctest(code, {}, "README.md", None, 0))
    assert runner.tries > 10 and runner.failures == 0
    assert (tmp_path / "lstm.png").stat().st_size > 10_000


@pytest.mark.parametrize("path", sorted(set(re.findall(r"[`(]((?:tinygrad_lstm|tutorials|\.github)/[^`)]*)", README))))
def test_files_that_it_names_are_there(path):
    assert (ROOT / path).exists()


def test_the_chinese_one_gives_the_same_commands_and_the_same_code():
    """Its words are its own; what is typed, and what that prints, is the README's to the letter, comments apart."""

    def typed(text):
        blocks = re.findall(r"(?s)^```(\w+)\n(.*?)^```", text, re.MULTILINE)
        return [(kind, re.sub(r"(?m) *#.*$", "", lines)) for kind, lines in blocks]

    assert typed(CHINESE) == typed(README) and len(typed(CHINESE)) > 8


def test_the_chinese_one_leads_to_the_same_places():
    theirs = {link for link in re.findall(r"\]\(([^)]*)\)", README) if not link.endswith("README.zh.md")}
    ours = {link.removeprefix("../") for link in re.findall(r"\]\(([^)]*)\)", CHINESE)}
    assert ours == theirs | {"README.md"}
    assert all((ROOT / ".github" / link).exists() for link in re.findall(r"\]\(([^)]*)\)", CHINESE))


def test_it_says_first_that_it_is_independent():
    assert "independent" in "\n".join(README.splitlines()[:6])


def test_the_cell_of_ones_own_runs():
    names: dict = {}
    exec("from tinygrad_lstm import concat, nn, sigmoid, tanh", names)
    exec(README.split("```python\n")[2].split("```")[0], names)
    assert names["net"](np.ones((2, 5, 3), np.float32)).h.shape == (2, 5, 8)
