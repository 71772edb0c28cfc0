"""What is different in a browser, where there are no programs, no threads, and a standard library in a zip."""

import os
import sys
import zipfile

import numpy as np
import pytest

from tinygrad_lstm import nn, tasks
from tinygrad_lstm.graph import draw, engine_info, use_renderer
from tinygrad_lstm.tasks.text import _unpacked
from tinygrad_lstm.training.fit import fit
from tinygrad_lstm.training.model import SequenceModel

SVG = b'<svg width="10pt" height="10pt" viewBox="0.00 0.00 10.00 10.00" xmlns="http://www.w3.org/2000/svg"/>'


@pytest.fixture
def loss():
    return nn.RNN(2, 3, rng=np.random.default_rng(0))(np.ones((1, 2, 2), np.float32)).last.h.sum()


@pytest.fixture
def browser(monkeypatch):
    monkeypatch.setattr(sys, "platform", "emscripten")


@pytest.fixture
def no_renderer():
    before = use_renderer(None)
    yield
    use_renderer(before)


def test_a_drawing_says_what_to_do_instead(loss, browser, no_renderer, tmp_path):
    with pytest.raises(RuntimeError, match=r"a browser runs no drawing programs\. Save \.html.*use_renderer"):
        engine_info()
    drawing = draw(loss)
    with pytest.raises(RuntimeError, match="a browser runs no drawing programs"):
        drawing.svg()
    assert drawing.save(tmp_path / "x.gv").read_text(encoding="utf-8") == drawing.dot
    assert drawing.save(tmp_path / "x.html").stat().st_size > 10_000, "the page draws itself"
    with pytest.raises(ValueError, match=r"cannot save"):
        drawing.save(tmp_path / "x.jpg")


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_a_renderer_of_the_page_is_asked_for_svg_alone(suffix, loss, browser, tmp_path, monkeypatch):
    from tinygrad_lstm.graph import render

    monkeypatch.setattr(render, "has_press", lambda: False)
    asked = []
    before = use_renderer(lambda dot, layout, kind: asked.append(kind) or SVG)
    try:
        assert draw(loss).save(tmp_path / "x.svg").read_bytes() == SVG
        with pytest.raises(RuntimeError, match=r"Instead of PNG and PDF: open \.html or \.svg and print it"):
            draw(loss).save(tmp_path / f"x.{suffix}")
    finally:
        use_renderer(before)
    assert {*asked} == {"svg"} and sorted(os.listdir(tmp_path)) == ["x.svg"]


def test_progress_is_in_lines_where_a_bar_would_need_a_thread(browser, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    task = tasks.copying()
    fit(SequenceModel.for_task(task, seed=0, hidden=4), task, steps=3, batch=4)
    assert capsys.readouterr().out.startswith("step 1: loss ")


def test_a_standard_library_in_a_zip_is_read(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "python.zip", "w") as archive:
        for name in ("os.py", "json/tool.py", "test/not_this.py", "site-packages/nor_that.py", "words.txt"):
            archive.writestr(name, f"# the source of {name}\n" * 40)
    monkeypatch.setattr(os, "__file__", str(tmp_path / "python.zip" / "os.py"))
    task = tasks.stdlib(held_out=0.1)
    assert {line.split()[-1] for line in task.text.splitlines()} == {"os.py", "json/tool.py"}
    assert task.text.count("\n") == 80 and not task.skipped
    assert _unpacked(tmp_path / "python.zip") == _unpacked(tmp_path / "python.zip"), "once"
