"""What the names of PyTorch and NumPy are called here: an error for a missing name says it. And names as texts.

One table for `t.name` of a Tensor t, for `tl.name` and for `np.name(t)`; in it `tl` is tinygrad_lstm and `np` NumPy.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NoReturn

import numpy as np

_DTYPE = "t.astype(np.float32) or t.astype(np.float64)"
_DEVICE = "t as it is: all arrays are NumPy's, there is no other device"
_VALUES = "t.data = new values: they are replaced, never changed in place"
_MADE = "tl.Tensor(numbers): any array of NumPy's that holds floats becomes a Tensor"
_RANDOM = "tl.Tensor(rng.standard_normal(shape)) with rng = np.random.default_rng(seed)"
_INTEGERS = "t.numpy(): what gives integers or bools carries no gradient"

HABITS = {
    # shapes
    **dict.fromkeys(("view", "view_as", "reshape_as"), "t.reshape(shape)"),
    **dict.fromkeys(("flatten", "ravel"), "tl.flatten(t), or tl.flatten(t, start=1) to keep the first axis"),
    **dict.fromkeys(("unsqueeze", "expand_dims", "newaxis"), "tl.unsqueeze(t, axis=…), or None in an index"),
    **dict.fromkeys(("permute", "moveaxis", "movedim"), "tl.transpose(t, axes=(…))"),
    **dict.fromkeys(("t", "mT", "H", "matrix_transpose"), "t.T, or t.swapaxes(-1, -2) for a batch of matrices"),
    **dict.fromkeys(("expand", "expand_as", "tile", "repeat"), "tl.broadcast_to(t, shape=…)"),
    "contiguous": "t as it is",
    "dim": "t.ndim",
    "numel": "t.size",
    "squeeze": "tl.squeeze(t)",
    # joining and cutting
    **dict.fromkeys(("cat", "concatenate", "hstack"), "tl.concat(a, b, axis=-1)"),
    **dict.fromkeys(("vstack", "dstack", "row_stack", "column_stack"), "tl.concat or tl.stack, with axis="),
    **dict.fromkeys(("chunk", "array_split", "unbind", "unstack"), "tl.split(t, sections, axis=-1), or iterate over t"),
    **dict.fromkeys(("gather", "index_select", "select", "narrow", "take_along_axis"), "t[index]"),
    **dict.fromkeys(("masked_fill", "masked_select"), "tl.where(condition, a, b)"),
    **dict.fromkeys(("flip", "fliplr", "flipud"), "tl.flip(t, axis=…)"),
    "roll": "t[::-1] and tl.concat",
    # arithmetic
    "subtract": "tl.sub(a, b)",
    "multiply": "tl.mul(a, b)",
    **dict.fromkeys(("divide", "true_divide"), "tl.div(a, b)"),
    "negative": "tl.neg(t)",
    "absolute": "tl.abs(t)",
    "pow": "a ** b",
    "square": "t * t",
    "prod": "tl.prod(t)",
    **dict.fromkeys(("remainder", "fmod"), "a % b"),
    **{name: f"tl.{name}(t)" for name in ("sin", "cos", "tril", "triu")},
    "log1p": "tl.log(1 + t)",
    "log2": "tl.log(t) / np.log(2)",
    "log10": "tl.log(t) / np.log(10)",
    "expm1": "tl.exp(t) - 1",
    "exp2": "2 ** t",
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "inner", "outer", "vdot"), "a @ b"),
    **dict.fromkeys(("einsum", "tensordot"), 'tl.einsum("ij,kj->ik", a, b) or tl.tensordot(a, b, axes=1)'),
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max", "fmin", "fmax"), "tl.clip(t, low=…, high=…)"),
    **dict.fromkeys(("amax", "amin"), "t.max() or t.min()"),
    "cumsum": "tl.cumsum(t, axis=0)",
    **dict.fromkeys(("norm", "vector_norm"), "tl.norm(t)"),
    "std": "tl.std(t)",
    "var": "tl.var(t)",
    "average": "tl.mean(t)",
    **dict.fromkeys(("argmax", "argmin", "argsort", "sort", "topk", "nonzero"), _INTEGERS),
    # values
    **dict.fromkeys(("cpu", "cuda", "to", "device", "set_default_device"), _DEVICE),
    **dict.fromkeys(("half", "float", "double", "type", "float32", "float64", "set_default_dtype"), _DTYPE),
    **dict.fromkeys(("long", "int", "bool"), _INTEGERS),
    **dict.fromkeys(("clone", "copy"), "t itself: its values never change in place; t.detach() has no history"),
    "tolist": "t.numpy().tolist()",
    **dict.fromkeys(
        ("add_", "sub_", "mul_", "div_", "copy_", "fill_", "clamp_", "normal_", "uniform_", "fill"), _VALUES
    ),
    "zero_": "t.grad = None, or zero_grad() of the module or the optimizer",
    # gradients
    "requires_grad_": "t.requires_grad = True, or tl.Tensor(data, requires_grad=True)",
    "retain_grad": "t.keep_grad()",
    "detach_": "t = t.detach()",
    "grad_fn": "t.op and t.inputs",
    "is_leaf": "t.op is None",
    "register_hook": "tl.trace(loss).grad(t)",
    "autograd": "tl.grad(y, xs) and y.backward()",
    "enable_grad": "tl.no_grad() around what needs none",
    "functional": "tl and tl.nn",
    # settings of optimizers
    "weight_decay": "optim.AdamW(params, weight_decay=…), or add w · (p * p).sum() / 2 to the loss",
    "learning_rate": "lr=",
    **dict.fromkeys(("beta_1", "beta_2", "beta1", "beta2"), "betas=(β₁, β₂)"),
    "epsilon": "eps=",
    "rho": "alpha=",
    **dict.fromkeys(("max_norm", "clip_grad_norm", "clip_grad_norm_"), "global_clipnorm= of the optimizer"),
    **dict.fromkeys(("clip_value", "clip_grad_value", "clip_grad_value_"), "clipvalue= of the optimizer"),
    # settings of layers
    "batch_first": "x of shape (batch, time, features), always",
    "nonlinearity": "activation=",
    "units": "hidden_size=, after input_size=",
    **dict.fromkeys(("return_sequences", "return_state"), "out.h and out.last, or out.as_keras(return_sequences=…)"),
    "stateful": "lstm(x, state.detach()) with the state that the last call left: out.last",
    "kernel_initializer": "initializer=",
    "unit_forget_bias": "forget_bias=1.0, or 0.0",
    "proj_size": "an nn.Linear after the layer",
    "use_bias": "bias=",
    "zero_output_for_mask": "out.h * mask[..., None]",
    # making Tensors
    **dict.fromkeys(("tensor", "as_tensor", "asarray", "array", "from_numpy", "FloatTensor", "Variable"), _MADE),
    **dict.fromkeys(("zeros", "ones", "full", "eye", "arange", "linspace", "empty"), _MADE),
    **dict.fromkeys(("zeros_like", "ones_like", "full_like", "empty_like"), "np.zeros_like(t.numpy()) or its like"),
    **dict.fromkeys(("randn", "rand", "randint", "randn_like", "rand_like", "normal"), _RANDOM),
    **dict.fromkeys(("manual_seed", "random"), "rng=np.random.default_rng(seed), which every layer takes"),
}


def text(name: Any) -> str:
    """The name. Raises TypeError where it is no text."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a text, not {name!r} of type {type(name).__name__}. Write {str(name)!r}.")
    return name


def visible(text: Any) -> str:
    """A text whose control characters are shown and not obeyed: ESC as "␛"; line ends and tabs stay."""
    return "".join(map(_shown, str(text)))


UNSEEN = ((0x202A, 0x202F), (0x2066, 0x206A), (0xD800, 0xE000))  # overrides of direction, and halves of characters


def _shown(sign: str) -> str:
    code = ord(sign)
    if code < 32 and sign not in "\n\t":
        return chr(0x2400 + code)
    if code == 127:
        return "␡"
    if 128 <= code < 160 or any(code in range(*pair) for pair in UNSEEN):
        return f"\\x{code:02x}" if code < 160 else f"\\u{code:04x}"
    return sign


DRAWN = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {127: 0x2421} | dict.fromkeys(
    (*range(128, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), 0xFFFD
)  # fmt: skip


def drawable(text: str) -> str:
    """A text as a file of XML or HTML may hold it: control characters as signs, and what is no character as "�"."""
    return text.translate(DRAWN)


def advice(name: str) -> str:
    """The end of an error message, " Use ….", for a name that has another here; else nothing."""
    return f" Use {HABITS[name]}." if name in HABITS else ""


class Missing:
    """An attribute of a class of ours that only other libraries have: asking for it says what it is called here."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, kind: type) -> Missing:
        if instance is None:
            return self
        text = f"a {kind.__name__} has no attribute {self.name!r}.{advice(self.name)}"
        raise AttributeError(text, name=self.name, obj=instance)

    def __repr__(self) -> str:
        return f"<no attribute.{advice(self.name)}>"


class ReadOnly(np.ndarray[Any, np.dtype[Any]]):
    """The array that `t.data` hands out: writing into it says what to do instead. What is computed of it is plain."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: Any, *inputs: Any, **settings: Any) -> Any:
        for array in settings.get("out", ()):
            _writable(array)
        settings |= {"out": _plain(settings["out"])} if "out" in settings else {}
        return getattr(ufunc, method)(*_plain(inputs), **settings)

    def __repr__(self) -> str:
        return repr(self.view(np.ndarray))

    def __setitem__(self, index: Any, value: Any) -> None:
        _writable(self)
        super().__setitem__(index, value)


def _plain(arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(array.view(np.ndarray) if type(array) is ReadOnly else array for array in arrays)


def _writable(array: Any) -> None:
    if type(array) is ReadOnly and not array.flags.writeable:
        raise ValueError(
            "t.data is read-only: what was computed of it would have wrong gradients. Replace it: "
            "t.data = t.data - lr * t.grad instead of t.data -= lr * t.grad, or let an optimizer of tl.optim do it."
        )


class Uncallable(ModuleType):
    """A module whose name is a function elsewhere, `tensor`: a call says what it is here."""

    def __call__(self, *args: Any, **settings: Any) -> NoReturn:
        raise TypeError(f"{self.__name__} is a module, no function.{advice(self.__name__.rpartition('.')[2])}")
