"""The line that made a tensor: named by file and number, and never by a folder."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tinygrad_lstm import Tensor
from tinygrad_lstm.graph import source_of


def here():
    frame = sys._getframe(1)
    return SimpleNamespace(made_at=(frame.f_code, frame.f_lasti))


def test_a_line_is_found_from_the_code_and_the_instruction():
    x = here()  # this very line
    file, line, text = source_of(x)
    assert file == "test_graph_source.py" and text == "x = here()  # this very line"
    assert Path(__file__).read_text("utf-8").splitlines()[line - 1].strip() == text


@pytest.mark.parametrize("path", ["/home/me/secret/cell.py", r"C:\\Users\\me\\cell.py"])
def test_folders_are_nobody_s_business_and_a_file_may_be_gone(path):
    found = {"here": here}
    exec(compile("x = 1\ny = here()\n", path, "exec"), found)
    assert source_of(found["y"]) == ("cell.py", 2, "")


def test_a_leaf_was_made_by_no_op():
    assert source_of(Tensor(1.0)) is None
