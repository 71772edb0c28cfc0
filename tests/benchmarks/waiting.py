"""What a learner waits for: `python tests/benchmarks/waiting.py`: the median of five fresh processes.

Each line is a program of its own, from the start of Python to its end.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from statistics import median
from time import perf_counter

NET = """
import numpy as np, tinygrad_lstm as tl
from tinygrad_lstm import nn
def loss(steps, **settings):
    x = np.random.default_rng(1).normal(size=(1, steps, 3)).astype(np.float32)
    return nn.LSTM(3, 8, rng=np.random.default_rng(0), **settings)(x).last.h.sum()
"""
PROGRAMS = {
    "import numpy": "import numpy",
    "import tinygrad_lstm": "import tinygrad_lstm",
    "first picture: 3 steps of an LSTM as SVG": NET + "tl.draw(loss(3)).svg()",
    "trace of 100 steps, and its ledger": NET + "tl.trace(loss(100)).flow('C').table()",
    "page of 50 steps": NET + "tl.draw(loss(50)).html()",
    "time view of 1,000 steps as SVG": NET + "tl.draw(loss(1000)).svg()",
    "compare, five nets": "import tinygrad_lstm as tl; tl.compare('rnn,irnn,gru,lstm:1,lstm:5').draw().svg()",
    "demo": "from tinygrad_lstm.cli import main; import sys; sys.argv = ['', 'demo']; main()",
}


def seconds(program: str, folder: str) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, program in PROGRAMS.items():
            print(f"{median(seconds(program, folder) for _ in range(5)):7.2f} s  {name}", flush=True)


if __name__ == "__main__":
    main()
