"""The style of plots: it looks as the drawings do, reads well in a notebook, and is there where it is named."""

import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm import nn
from tinygrad_lstm.graph.picture import LOOKS, STOPS

matplotlib = pytest.importorskip("matplotlib", reason='pip install "tinygrad-lstm[plot]"')
style = pytest.importorskip("matplotlib.style")
COURSE = Path(__file__).parents[1] / "tutorials"
STYLE = "tinygrad_lstm.drawn"


def test_the_colours_are_those_of_the_drawings():
    rc = matplotlib.rc_params_from_file(str(Path(tl.__file__).with_name("drawn.mplstyle")), use_default_template=False)
    cycle = rc["axes.prop_cycle"].by_key()["color"]
    drawn = {border for *_, border in LOOKS.values()} | {*STOPS}
    assert set(cycle) <= drawn and len(set(cycle)) == 6
    assert not any(key.startswith("font.") for key in rc), "fonts are those that the language asks for"


def test_text_has_nine_pixels_at_least_as_a_notebook_shows_it():
    with style.context(STYLE):
        rc = matplotlib.rcParams
        sizes = [rc[key] for key in ("xtick.labelsize", "ytick.labelsize", "axes.labelsize", "legend.fontsize")]
        assert min(sizes) * rc["figure.dpi"] / 72 >= 9


def test_a_flow_is_plotted_in_this_style_and_leaves_no_trace_of_it():
    before = dict(matplotlib.rcParams)
    out = nn.LSTM(2, 3, rng=0)(np.ones((1, 4, 2), np.float32))
    axes = tl.trace(out.h.sum()).flow("C").plot().axes[0]
    assert not axes.spines["top"].get_visible()
    assert axes.get_facecolor() == (1, 1, 1, 1) and dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "path", sorted(COURSE.glob("*/[0-9][0-9]_*.py")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_every_tutorial_with_plots_uses_it_and_no_smaller_text(path):
    text = path.read_text(encoding="utf-8")
    assert ("plt.subplots(" in text) == (f'plt.style.use("{STYLE}")' in text)
    assert all(float(size) * 80 / 72 >= 9 for size in re.findall(r"fontsize=([\d.]+)", text))
