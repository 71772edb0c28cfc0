"""How parameters move: SGD, RMSprop, Adagrad, Adam and AdamW, with PyTorch's defaults and exact rules, and three clips.

An optimizer holds one memory for each parameter and a rule, `change`, that says what to subtract from it. Arrays are
never written to: a step replaces them, so that a backward through the old values is noticed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict, Unpack

import numpy as np

from .habits import advice
from .numerics import norm
from .tensor import Array, Tensor

__all__ = [
    "OPTIMIZERS", "SGD", "Adagrad", "Adam", "AdamW", "ClipReport", "CosineAnnealingLR", "ExponentialLR", "LambdaLR",
    "LinearLR", "Optimizer", "RMSprop", "Schedule", "StepLR", "clip_gradients",
]  # fmt: skip

Memory = dict[str, Array]


class Clips(TypedDict, total=False):
    """The clips that every optimizer takes, at most one of them; names and meaning are those of Keras."""

    clipvalue: float | None
    clipnorm: float | None
    global_clipnorm: float | None


CLIPS = tuple(Clips.__annotations__)


@dataclass(frozen=True, repr=False)
class ClipReport:
    """How often an optimizer has clipped.

    Attributes:
        kind, threshold: which clip and its threshold; None where there is none.
        steps, clipped: steps so far, and in how many of them a gradient was changed.
        last_norm, mean_norm: the norm of all gradients together before clipping: at the last step, and over all steps.
    """

    kind: str | None
    threshold: float | None
    steps: int
    clipped: int
    last_norm: float
    mean_norm: float

    @property
    def share(self) -> float:
        """Of all steps, how many were clipped: 0 to 1."""
        return self.clipped / self.steps if self.steps else 0.0

    def __repr__(self) -> str:
        clip = f"{self.kind}={self.threshold:g}" if self.kind else "no clip"
        if not self.steps:
            return f"{clip}: no step yet"
        rate = f"{self.clipped} of {self.steps} steps clipped ({self.share:.0%})"
        norms = f"gradient norm before: last {self.last_norm:.3g}, mean {self.mean_norm:.3g}"
        return f"{clip}: {rate if self.kind else f'{self.steps} steps'}; {norms}"


class Optimizer:
    """What all optimizers share: which parameters, clipping, counting, saving.

    Args:
        params: Tensors that need a gradient, or pairs (name, Tensor) as `module.named_parameters()` gives them; the
            names make errors clearer. A parameter given twice is moved once.
        lr: the learning rate, above 0; it may be changed between steps.
        clipvalue: keep each entry of each gradient within ± this. Changes the direction.
        clipnorm: scale the gradient of each parameter down to this norm.
        global_clipnorm: scale all gradients together down to this norm. Keeps the direction (Pascanu, Mikolov, Bengio
            2013, "On the difficulty of training recurrent neural networks", algorithm 1).

    The three clips have the names and the meaning of Keras; at most one of them.
    Raises ValueError for no parameters, one that is no leaf, and bad settings, TypeError for what is no Tensor.
    """

    slots: tuple[str, ...] = ()  # what is remembered of each parameter: arrays of its shape
    numbers: ClassVar[tuple[str, ...]] = ()  # the rule's own settings, beside lr

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[tuple[str, Tensor]],
        lr: float,
        **clip: Unpack[Clips],
    ) -> None:
        name = type(self).__name__
        self.names, self.params = listed(name, params)
        _positive(name, "lr", lr)
        self.lr = float(lr)
        self.clip, self.threshold = _one_clip(name, clip, ("lr", *self.numbers))
        self.memories: list[Memory] = [
            {slot: np.full_like(p.numpy(), self.start(slot)) for slot in self.slots} for p in self.params
        ]
        self.times = [0] * len(self.params)  # how often each parameter was moved
        self.steps = self.clipped = 0
        self._norms = 0.0  # their sum
        self._last_norm = 0.0

    def start(self, slot: str) -> float:
        """What a memory is filled with before the first step."""
        return 0.0

    def change(self, p: Array, g: Array, memory: Memory, t: int) -> Array:
        """What to subtract from a parameter p whose (clipped) gradient is g, at its t-th step, counted from 1."""
        raise TypeError(f"{type(self).__name__} does not say how it moves a parameter: define change(p, g, memory, t).")

    def step(self) -> None:
        """Move every parameter that has a gradient; one without is passed over and remembers what it did.

        Raises FloatingPointError that names the parameter whose gradient is not finite, and ValueError where a gradient
        has another shape than its parameter; then nothing was changed.
        """
        self._least("lr", self.lr)
        gradients = self._clipped({k: p.grad for k, p in enumerate(self.params) if p.grad is not None})
        self.steps += 1
        for k, g in gradients.items():
            p = self.params[k]
            self.times[k] += 1
            new = p.numpy() - self.change(p.numpy(), g, self.memories[k], self.times[k])
            new = new.astype(p.dtype, copy=False)  # a memory may be older than an astype of the module
            new.setflags(write=False)
            p._data = new  # ours already: `p.data = new` would copy it

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients. They are not filled with 0: a parameter without a gradient is passed over by `step`."""
        if not set_to_none:
            raise ValueError("zero_grad: gradients are forgotten (None), never filled with 0. Leave set_to_none out.")
        for p in self.params:
            p.grad = None

    def clip_report(self) -> ClipReport:
        """How often the gradients were clipped so far, and how long they were before."""
        mean = self._norms / self.steps if self.steps else 0.0
        return ClipReport(self.clip, self.threshold, self.steps, self.clipped, self._last_norm, mean)

    def settings(self) -> dict[str, Any]:
        """The keyword arguments that make an optimizer with the same rule, ready for JSON."""
        own = {name: getattr(self, name) for name in ("lr", *self.numbers)}
        settings = {name: list(x) if isinstance(x, tuple) else x for name, x in own.items()}
        return {**settings, **({self.clip: self.threshold} if self.clip else {})}

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on as if nothing had happened.

        `kind`, `settings` and `counts` are ready for JSON; `arrays` holds the memory of parameter k under "slot/k".
        """
        counts = {name: getattr(self, name) for name in ("steps", "clipped", "_norms", "_last_norm")}
        memories = enumerate(self.memories)
        return {
            "kind": type(self).__name__,
            "settings": self.settings(),
            "counts": {**counts, "times": list(self.times)},
            "arrays": {f"{slot}/{k}": array for k, memory in memories for slot, array in memory.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state, with its learning rate and all other settings, or raise ValueError and change nothing."""
        own = self.state_dict()
        if state.get("kind") != own["kind"]:
            raise ValueError(f"load_state_dict: the state is of {state.get('kind')}, this optimizer is {own['kind']}.")
        settings, counts, arrays = (dict(state.get(part, {})) for part in ("settings", "counts", "arrays"))
        clip = next((kind for kind in CLIPS if kind in settings), None)
        known = {"lr", *self.numbers, *([clip] if clip else [])}
        if settings.keys() != known or counts.keys() != own["counts"].keys() or arrays.keys() != own["arrays"].keys():
            raise ValueError("load_state_dict: the state does not hold what this optimizer remembers.")
        for name, array in own["arrays"].items():
            if np.shape(arrays[name]) != array.shape or np.asarray(arrays[name]).dtype.kind != "f":
                there = f"{np.shape(arrays[name])} of {np.asarray(arrays[name]).dtype}"
                raise ValueError(f"load_state_dict: {name} is {array.shape} of {array.dtype} here, but {there} there.")
        times = counts.pop("times")
        if len(times) != len(self.params) or not all(isinstance(n, int | np.integer) and n >= 0 for n in times):
            raise ValueError(f"load_state_dict: times must be {len(self.params)} counts, not {times!r:.80}.")
        self._least("lr", settings["lr"])  # 0 too, as a schedule may have it
        settings = {name: tuple(x) if isinstance(x, list) else x for name, x in settings.items()}
        same = vars(type(self)(self.params, **{**settings, "lr": 1.0}))  # raises ValueError for a bad setting
        vars(self).update(same | counts | {"lr": settings["lr"], "names": self.names, "times": list(times)})
        self.memories = [
            {slot: np.array(arrays[f"{slot}/{k}"]) for slot in self.slots} for k in range(len(self.params))
        ]

    def _clipped(self, gradients: dict[int, Array]) -> dict[int, Array]:
        """The gradients after the clip, by the number of their parameter; counts, and notes their norm before."""
        for k, g in gradients.items():
            if g.shape != self.params[k].shape:
                raise ValueError(f"step: {self.names[k]} is {self.params[k].shape}, but its gradient {g.shape}.")
        before = list(gradients.values())
        norms = _finite_norms("step", [self.names[k] for k in gradients], before, bool(self.clip))
        after = _clip(before, norms, self.clip, self.threshold)
        self.clipped += any(a is not b for a, b in zip(before, after, strict=True))
        self._last_norm = math.hypot(*norms)
        self._norms += self._last_norm
        return dict(zip(gradients, after, strict=True))

    def _share(self, name: str, value: float) -> None:
        if not _is_number(value) or not 0 <= value < 1:
            raise ValueError(f"{type(self).__name__}: {name} must be a number in [0, 1), not {value!r}.")

    def _least(self, name: str, value: float) -> None:
        if not _is_number(value) or not 0 <= value < math.inf:
            raise ValueError(f"{type(self).__name__}: {name} must be a number of at least 0, not {value!r}.")

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.settings().items())
        return f"{type(self).__name__}({len(self.params)} parameters, {settings})"


class SGD(Optimizer):
    """p ← p − lr · v, with v ← momentum · v + g (and v = g at the first step, and without momentum).

    Momentum: Polyak 1964, in PyTorch's form, where lr stands outside v. `nesterov` subtracts lr · (g + momentum · v)
    instead (Sutskever, Martens, Dahl, Hinton 2013, equations 3 and 4, in that form).
    """

    numbers: ClassVar[tuple[str, ...]] = ("momentum", "nesterov")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        nesterov: bool = False,
        **clip: Unpack[Clips],
    ) -> None:
        self._share("momentum", momentum)
        self.momentum, self.nesterov = momentum, nesterov
        self.slots = ("v",) if momentum else ()
        super().__init__(params, lr, **clip)
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov=True needs a momentum above 0.")

    def change(self, p: Array, g: Array, memory: Memory, t: int) -> Array:
        if not self.momentum:
            return self.lr * g
        v = memory["v"] = self.momentum * memory["v"] + g
        return self.lr * (g + self.momentum * v if self.nesterov else v)


class RMSprop(Optimizer):
    """s ← alpha · s + (1 − alpha) · g²,  p ← p − lr · g / (√s + eps).

    Tieleman, Hinton 2012, "Neural Networks for Machine Learning", lecture 6.5; eps outside the root, as in PyTorch.
    With momentum, g / (√s + eps) goes through v ← momentum · v + that, and lr · v is subtracted.
    """

    numbers: ClassVar[tuple[str, ...]] = ("alpha", "eps", "momentum")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        **clip: Unpack[Clips],
    ) -> None:
        self._share("momentum", momentum)
        self.alpha, self.eps, self.momentum = alpha, eps, momentum
        self.slots = ("s", "v") if momentum else ("s",)
        super().__init__(params, lr, **clip)
        self._share("alpha", alpha)
        self._least("eps", eps)

    def change(self, p: Array, g: Array, memory: Memory, t: int) -> Array:
        s = memory["s"] = self.alpha * memory["s"] + (1 - self.alpha) * g * g
        scaled = g / (np.sqrt(s) + self.eps)
        if self.momentum:
            scaled = memory["v"] = self.momentum * memory["v"] + scaled
        return self.lr * scaled


class Adagrad(Optimizer):
    """s ← s + g²,  p ← p − lr / (1 + (t − 1) · lr_decay) · g / (√s + eps).

    Duchi, Hazan, Singer 2011, "Adaptive Subgradient Methods", figure 1 with diagonal matrices.
    """

    slots = ("s",)
    numbers: ClassVar[tuple[str, ...]] = ("lr_decay", "initial_accumulator_value", "eps")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        **clip: Unpack[Clips],
    ) -> None:
        self.lr_decay, self.initial_accumulator_value, self.eps = lr_decay, initial_accumulator_value, eps
        super().__init__(params, lr, **clip)
        for name in self.numbers:
            self._least(name, getattr(self, name))

    def start(self, slot: str) -> float:
        return self.initial_accumulator_value

    def change(self, p: Array, g: Array, memory: Memory, t: int) -> Array:
        s = memory["s"] = memory["s"] + g * g
        return self.lr / (1 + (t - 1) * self.lr_decay) * g / (np.sqrt(s) + self.eps)


class Adam(Optimizer):
    """m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  p ← p − lr · m̂ / (√v̂ + eps), m̂ and v̂ freed of their start at 0.

    Kingma, Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1.
    """

    slots = ("m", "v")
    numbers: ClassVar[tuple[str, ...]] = ("betas", "eps")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        **clip: Unpack[Clips],
    ) -> None:
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise ValueError(f"{type(self).__name__}: betas must be two numbers, (β₁, β₂), not {betas!r:.80}.")
        self.betas, self.eps = (betas[0], betas[1]), eps
        super().__init__(params, lr, **clip)
        self._share("betas[0]", betas[0])
        self._share("betas[1]", betas[1])
        self._least("eps", eps)

    def change(self, p: Array, g: Array, memory: Memory, t: int) -> Array:
        β1, β2 = self.betas
        m = memory["m"] = β1 * memory["m"] + (1 - β1) * g
        v = memory["v"] = β2 * memory["v"] + (1 - β2) * g * g
        return self.lr / (1 - β1**t) * m / (np.sqrt(v) / math.sqrt(1 - β2**t) + self.eps)


class AdamW(Adam):
    """Adam, and lr · weight_decay · p is subtracted too, beside the gradient and not through it.

    Loshchilov, Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
    """

    numbers: ClassVar[tuple[str, ...]] = ("betas", "eps", "weight_decay")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        **clip: Unpack[Clips],
    ) -> None:
        self.weight_decay = weight_decay
        super().__init__(params, lr, betas, eps, **clip)
        self._least("weight_decay", weight_decay)

    def change(self, p: Array, g: Array, memory: Memory, t: int) -> Array:
        return self.lr * self.weight_decay * p + super().change(p, g, memory, t)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.__name__.lower(): cls for cls in (SGD, RMSprop, Adagrad, Adam, AdamW)
}


def clip_gradients(gradients: Mapping[str, Array], **clip: Unpack[Clips]) -> dict[str, Array]:
    """Gradients after one of the optimizers' clips, by name; one that the clip leaves alone is the same array.

        clip_gradients({name: p.grad for name, p in module.named_parameters()}, global_clipnorm=1.0)

    Raises ValueError for more than one clip or a threshold that is no number above 0, TypeError for another keyword,
    FloatingPointError that names a gradient which is not finite.
    """
    kind, threshold = _one_clip("clip_gradients", clip)
    arrays = list(gradients.values())
    norms = _finite_norms("clip_gradients", list(gradients), arrays, bool(kind))
    return dict(zip(gradients, _clip(arrays, norms, kind, threshold), strict=True))


def _finite_norms(where: str, names: Sequence[str], gradients: Sequence[Array], clipped: bool) -> list[float]:
    """The norm of each gradient. Raises FloatingPointError that names one which is not finite."""
    norms = [norm(g) for g in gradients]
    for name, g, length in zip(names, gradients, norms, strict=True):
        if not math.isfinite(length):
            remedy = "smaller weights" if clipped else "a smaller lr or a clip"  # no clip can mend ∞
            raise FloatingPointError(
                f"{where}: the gradient of {name} is not finite ({(~np.isfinite(g)).sum()} of {g.size} entries). "
                f"Nothing was changed. detect_anomaly() finds where it began; {remedy} may prevent it."
            )
    return norms


def _one_clip(
    where: str, clip: Mapping[str, Any], settings: tuple[str, ...] = ()
) -> tuple[str | None, float | None]:
    """The kind of the clip and its threshold, or None and None; `settings` are what else there is, for the error."""
    for key in clip:
        if key not in CLIPS:
            raise TypeError(f"{where}: there is no {key}=.{advice(key)} It takes {', '.join((*settings, *CLIPS))}.")
    kinds = [kind for kind in CLIPS if clip.get(kind) is not None]
    if len(kinds) > 1:
        raise ValueError(f"{where}: {kinds[0]} and {kinds[1]} were given; take one clip at a time.")
    if not kinds:
        return None, None
    _positive(where, kinds[0], clip[kinds[0]])
    return kinds[0], float(clip[kinds[0]])


def _clip(gradients: Sequence[Array], norms: Sequence[float], kind: str | None, threshold: float | None) -> list[Array]:
    """The gradients, whose norms are known, after a clip."""
    limit = threshold or math.inf
    if kind == "clipvalue":
        return [np.clip(g, -limit, limit) if np.abs(g).max(initial=0) > limit else g for g in gradients]
    if kind == "global_clipnorm":
        norms = [math.hypot(*norms)] * len(norms)
    return [g * (limit / length) if length > limit else g for g, length in zip(gradients, norms, strict=True)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _positive(where: str, name: str, value: Any) -> None:
    if not _is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{where}: {name} must be a number above 0, not {value!r}.")


def listed(name: str, params: Iterable[Any]) -> tuple[list[str], list[Tensor]]:
    """Names (for errors) and Tensors, each Tensor once."""
    if isinstance(params, Tensor):
        raise TypeError(f"{name}: params is one Tensor; give a list of them, such as module.parameters().")
    pairs: dict[int, tuple[str, Tensor]] = {}
    for k, item in enumerate(params):
        named = isinstance(item, tuple) and len(item) == 2
        label, p = item if named else (f"parameter {k}", item)
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: {label} is no Tensor but {type(p).__name__}.")
        if p.op is not None:
            raise ValueError(f"{name}: {label} was computed ({p.describe()}); only leaves can be moved.")
        pairs.setdefault(id(p), (str(label) if named else f"{label} ({p.describe()})", p))
    if not pairs:
        raise ValueError(f"{name}: there are no parameters to move.")
    return [label for label, _ in pairs.values()], [p for _, p in pairs.values()]


class Schedule:
    """The learning rate of an optimizer as a function of time: call `step()` after each of the optimizer's steps.

    Names, arguments and values are PyTorch's (`torch.optim.lr_scheduler`). `t` counts the steps, `base` is the rate at
    which it began; `factor(t)` says what becomes of it.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.base, self.t = optimizer, optimizer.lr, 0
        optimizer.lr = self.base * self.factor(0)

    def factor(self, t: int) -> float:
        raise TypeError(f"{type(self).__name__} does not say how the rate changes: define factor(t).")

    def step(self) -> None:
        self.t += 1
        self.optimizer.lr = self.base * self.factor(self.t)

    def _need(self, name: str, value: Any, holds: bool) -> None:
        if not holds:
            raise ValueError(f"{type(self).__name__}: {name} cannot be {value!r}.")


class LambdaLR(Schedule):
    """lr = base · lr_lambda(t)."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        self.factor = lr_lambda  # type: ignore[assignment, method-assign]
        super().__init__(optimizer)


class StepLR(Schedule):
    """The rate times gamma after every `step_size` steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self._need("step_size", step_size, _is_number(step_size) and step_size >= 1)
        self._need("gamma", gamma, _is_number(gamma) and gamma >= 0)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return float(self.gamma ** (t // self.step_size))


class ExponentialLR(StepLR):
    """The rate times gamma after every step."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        super().__init__(optimizer, 1, gamma)


class CosineAnnealingLR(Schedule):
    """From the rate down to eta_min in T_max steps, along half a cosine (Loshchilov, Hutter 2017, equation 5)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self._need("T_max", T_max, _is_number(T_max) and T_max >= 1)
        self._need("eta_min", eta_min, _is_number(eta_min) and eta_min >= 0)
        self.T_max, self.least = T_max, eta_min / optimizer.lr
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return self.least + (1 - self.least) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class LinearLR(Schedule):
    """From start_factor to end_factor of the rate in total_iters steps: a warm-up."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        self._need("total_iters", total_iters, _is_number(total_iters) and total_iters >= 1)
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * min(t, self.total_iters) / self.total_iters
