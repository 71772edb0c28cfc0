"""What tutorial 10 finds in its net, in five nets: `python tests/benchmarks/brackets.py` (most of a minute a core).

A notebook has no time for five of them; it reads what this has measured, one row a seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.course.longer_runs import rows_of

NAMES = ("name", "path", "value", "_data", "size")
LINE = "    return len(self.name"


def brackets(seed: int, hidden: int, steps: int, fine: int) -> dict[str, Any]:
    """Train as the notebook does; how much likelier `)` is in a bracket, and the forget gates before and after."""
    text = tl.tasks.stdlib()
    model = tl.SequenceModel.for_task(text, hidden=hidden, seed=seed)
    model.rnn.fused = True
    optimizer = tl.make_optimizer("adam", model, 0.01, global_clipnorm=1.0)
    first = tl.fit(model, text, steps=steps, batch=16, optimizer=optimizer, record=100, progress=False)
    optimizer.lr = 0.002
    last = tl.fit(model, text, steps=fine, batch=16, optimizer=optimizer, record=100, progress=False)
    bits = tl.evaluate(model, text).loss / np.log(2)
    model.eval()
    model.rnn.fused = False

    def chance(line: str) -> float:
        with tl.no_grad():
            logits = model(text.encode(line)[None]).y[0, -1]
        return float(tl.softmax(logits).numpy()[text.vocabulary.index(")")])

    ratios = [chance(f"    return len(self.{name}") / chance(f"    return self.{name}") for name in NAMES]
    loss = tl.nn.cross_entropy(model(text.encode(LINE)[None]).y[:, -1], text.encode(")"))
    flow, at = tl.trace(loss).flow("C"), LINE.index("(") + 1
    kept = [float(np.linalg.norm(flow.ledger(t)["highway"]) / flow.norm[t]) for t in range(at, flow.T)]
    found = {
        "bits": bits, "ratio": np.exp(np.mean(np.log(ratios))), "fall": flow.norm[at - 1] / flow.norm[at],
        "f before": first.record["f"][0].mean(), "f after": last.record["f"][-1].mean(),
        "kept inside": np.mean(kept[1:]), "kept at the bracket": kept[0],
    }  # fmt: skip
    return {name: float(f"{value:.4g}") for name, value in found.items()}


if __name__ == "__main__":
    print(tl.sweep(brackets, [{"hidden": 96, "steps": 600, "fine": 200}], path=rows_of("brackets"), name="brackets"))
