"""The same character model here (fused; compiled, where numba is installed) and in PyTorch.

    python tests/benchmarks/text.py [--seconds 120] [--hidden 128]

All start from the same weights, read the same chunks of the standard library's source (batch 32, 64 characters at a
time, state carried along), and use Adam with lr 0.01 and all gradients clipped to norm 1. They take turns, ten seconds
each, until each has had its time. Printed: characters a second, and bits a held-out character.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import numpy as np
import torch

from tinygrad_lstm import no_grad, optim, tasks
from tinygrad_lstm.compile import one_thread
from tinygrad_lstm.training.model import SequenceModel

BATCH, CHUNK, LR, CLIP, HELD_OUT, TURN = 32, 64, 0.01, 1.0, 64, 10.0
Step = Callable[[Any], None]


def endless(task: tasks.Text) -> Iterator[Any]:
    while True:
        yield from task.chunks(BATCH, CHUNK, 0)


def ours(model: SequenceModel, task: tasks.Text, fused: Any) -> tuple[Step, Callable[[], float]]:
    model.rnn.fused = fused
    mover, state = optim.Adam(model.parameters(), lr=LR, global_clipnorm=CLIP), [None]

    def step(batch: Any) -> None:
        with one_thread() if fused == "numba" else nullcontext():  # as `tl.fit` and `train` hold it all the time
            prediction = model(batch.x, state[0])
            loss = model.loss(prediction, batch)
            mover.zero_grad()
            loss.backward()
            mover.step()
        state[0] = prediction.out.last.detach()

    def bits() -> float:
        carried, losses = None, []
        with no_grad():
            for batch, _ in zip(task.chunks(BATCH, CHUNK, 0, split="test"), range(HELD_OUT), strict=False):
                prediction = model(batch.x, carried)
                carried = prediction.out.last
                losses.append(model.loss(prediction, batch).item())
        return float(np.mean(losses)) / math.log(2)

    return step, bits


def theirs(model: SequenceModel, task: tasks.Text) -> tuple[Step, Callable[[], float]]:
    embedding = torch.nn.Embedding.from_pretrained(torch.tensor(model.embedding.W.numpy()), freeze=False)
    features, hidden = model.rnn.input_size, model.rnn.hidden_size
    lstm, head = torch.nn.LSTM(features, hidden, batch_first=True), torch.nn.Linear(hidden, model.head.W.shape[1])
    cell = model.rnn.cells[0][0]
    W = np.concatenate([getattr(cell, f"W_{gate}").numpy() for gate in "ifCo"], axis=1)  # PyTorch's order
    b = np.concatenate([getattr(cell, f"b_{gate}").numpy() for gate in "ifCo"])
    with torch.no_grad():
        for parameter, array in (
            (lstm.weight_hh_l0, W[:hidden].T), (lstm.weight_ih_l0, W[hidden:].T), (lstm.bias_ih_l0, b),
            (lstm.bias_hh_l0, 0 * b), (head.weight, model.head.W.numpy().T), (head.bias, model.head.b.numpy()),
        ):  # fmt: skip
            parameter.copy_(torch.tensor(array))
    parameters = [*embedding.parameters(), *lstm.parameters(), *head.parameters()]
    mover, state = torch.optim.Adam(parameters, lr=LR), [None]

    def loss_of(batch: Any, carried: Any) -> tuple[Any, Any]:
        h, carried = lstm(embedding(torch.as_tensor(batch.x)), carried)
        target = torch.as_tensor(batch.target).flatten()
        return torch.nn.functional.cross_entropy(head(h).flatten(0, 1), target), carried

    def step(batch: Any) -> None:
        loss, carried = loss_of(batch, state[0])
        mover.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        mover.step()
        state[0] = tuple(part.detach() for part in carried)

    def bits() -> float:
        carried, losses = None, []
        with torch.no_grad():
            for batch, _ in zip(task.chunks(BATCH, CHUNK, 0, split="test"), range(HELD_OUT), strict=False):
                loss, carried = loss_of(batch, carried)
                losses.append(loss.item())
        return float(np.mean(losses)) / math.log(2)

    return step, bits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--hidden", type=int, default=128)
    args = parser.parse_args()
    task = tasks.stdlib()
    models = [SequenceModel.for_task(task, hidden=args.hidden, seed=0) for _ in range(3)]
    nets = {"torch": theirs(models[0], task), "fused": ours(models[1], task, True)}
    if find_spec("numba"):
        nets["compiled"] = ours(models[2], task, "numba")
    spent, steps = dict.fromkeys(nets, 0.0), dict.fromkeys(nets, 0)
    text = {name: endless(task) for name in nets}
    while min(spent.values()) < args.seconds:
        for name, (step, _) in nets.items():
            stop = min(args.seconds, spent[name] + TURN)
            while spent[name] < stop:
                batch = next(text[name])
                start = perf_counter()
                step(batch)
                spent[name] += perf_counter() - start
                steps[name] += 1
    for name, (_, bits) in nets.items():
        read = steps[name] * BATCH * CHUNK
        print(f"{name:14} {read / spent[name]:9,.0f} characters a second, {bits():.3f} bits a held-out one", end="")
        print(f" after {steps[name]:,} steps in {spent[name]:.0f} s")


if __name__ == "__main__":
    main()
