"""The boxes "The same in Keras, in PyTorch" of the tutorials: their code runs there, and does what ours does."""

import re
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lstm import Tensor, nn, optim
from tinygrad_lstm.exchange import from_keras, from_torch

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own

COURSE = Path(__file__).resolve().parents[1] / "tutorials"
SUMMARY = re.compile(r"# <details><summary>(?:The same in Keras, in PyTorch|在 Keras、PyTorch 中怎样写)")
FENCE = re.compile(r"# ```python\n(.*?)# ```\n", re.DOTALL)
BOXES = {  # the place of each in its tutorial
    "activations": ("07", 0), "clips": ("07", 1), "states": ("09", 0), "chunks": ("09", 1), "masks": ("09", 2),
}  # fmt: skip
CLOSE = {"rtol": 0, "atol": 2e-6}  # both frameworks compute in float32 here


def boxes(lang, number):
    """The code of each box of a tutorial: Keras, PyTorch, and perhaps ours."""
    (path,) = (COURSE / lang).glob(f"{number}_*.py")
    texts = SUMMARY.split(path.read_text(encoding="utf-8"))[1:]
    return [
        [re.sub(r"(?m)^# ?", "", code) for code in FENCE.findall(text.partition("# </details>")[0])] for text in texts
    ]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def run(name, which, **given):
    number, place = BOXES[name]
    names = dict(given)
    exec(boxes("en", number)[place][which], names)
    return names


def in_keras(name, **given):
    pytest.importorskip("keras", reason="Keras is an extra oracle")
    return run(name, 0, **given)


def in_torch(name, **given):
    torch = pytest.importorskip("torch", reason="PyTorch is an extra oracle")
    torch.manual_seed(0)
    return run(name, 1, **{key: torch.from_numpy(value) for key, value in given.items()})


def array(value):
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def test_both_languages_have_the_same_boxes():
    for number in {number for number, _ in BOXES.values()}:
        en, zh = boxes("en", number), boxes("zh", number)
        assert en == zh and len(en) == sum(number == own for own, _ in BOXES.values())
        assert all("import keras" in box[0] and "torch" in box[1] for box in en)


@pytest.mark.parametrize(("framework", "ours"), [(in_keras, from_keras), (in_torch, from_torch)])
def test_states_stacking_and_an_encoder_with_its_decoder(rng, framework, ours):
    x, y = normal(rng, 2, 5, 3), normal(rng, 2, 7, 2)
    there = framework("states", x=x, y=y)
    out = ours(there["layer"])(x)
    for name, value in (("h", out.h), ("h_T", out.last.h), ("C_T", out.last.C)):
        np.testing.assert_allclose(array(there[name]), value.numpy(), **CLOSE)
    encoder, decoder = ours(there["encoder"]), ours(there["decoder"])
    assert array(there["answer"]).shape == (2, 7, 4)
    np.testing.assert_allclose(array(there["answer"]), decoder(y, encoder(x).last).h.numpy(), **CLOSE)
    cold = decoder(y, nn.LSTMState(encoder(x).last.h, Tensor(np.zeros((2, 4), np.float32)))).h.numpy()
    assert np.abs(array(there["answer"]) - cold).max() > 1e-3  # h alone is not the state
    if framework is in_keras:
        last = ours(there["above"])(ours(there["below"])(x).h).last.h
    else:
        last = ours(there["stacked"])(x).as_keras()
    np.testing.assert_allclose(array(there["last"]), last.numpy(), **CLOSE)


def test_our_own_line_of_the_box(rng):
    x, y = normal(rng, 2, 5, 3), normal(rng, 2, 7, 2)
    there = run("states", 2, nn=nn, x=x, y=y)
    assert there["answer"].shape == (2, 7, 4) and there["stacked"](x).h.shape == (2, 5, 4)


@pytest.mark.parametrize(("framework", "ours"), [(in_keras, from_keras), (in_torch, from_torch)])
def test_a_text_in_chunks(rng, framework, ours):
    x = normal(rng, 2, 5, 3)
    there = framework("chunks", x=x)
    whole = ours(there["layer"])(x).h.numpy()
    np.testing.assert_allclose(array(there["first"]), whole[:, :3], **CLOSE)
    np.testing.assert_allclose(array(there["second"]), whole[:, 3:], **CLOSE)
    if framework is in_keras:  # and after reset_state it begins anew
        np.testing.assert_allclose(array(there["layer"](x[:, :3])), whole[:, :3], **CLOSE)


@pytest.mark.parametrize(("framework", "ours"), [(in_keras, from_keras), (in_torch, from_torch)])
def test_rows_of_different_lengths(rng, framework, ours):
    x, lengths = normal(rng, 3, 6, 3), np.array([6, 2, 4])
    x[np.arange(6) >= lengths[:, None]] = 99.0
    there = framework("masks", x_rows=x, lengths=lengths)
    mine = ours(there["layer"])(x, lengths=lengths)
    h = mine.h.numpy()
    if framework is in_torch:
        h = np.where((np.arange(6) < lengths[:, None])[..., None], h, 0)  # as the box says
    np.testing.assert_allclose(array(there["h"]), h, **CLOSE)
    np.testing.assert_allclose(array(there["last"]), mine.last.h.numpy(), **CLOSE)


@pytest.mark.parametrize(("framework", "ours"), [(in_keras, from_keras), (in_torch, from_torch)])
def test_other_activations(rng, framework, ours):
    x = normal(rng, 2, 5, 3)
    there = framework("activations", x=x)
    mine = ours(there["layer"]) if framework is in_keras else ours(there["layer"].state_dict(), activation="relu")
    np.testing.assert_allclose(array(there["h"]), mine(x).h.numpy(), **CLOSE)
    assert (mine(x).h.numpy() >= 0).all()


GRADIENTS = [np.array([3.0, 4.0], np.float32), np.array([12.0], np.float32)]
CLIPS = {"by_value": {"clipvalue": 1.0}, "by_norm": {"clipnorm": 2.0}, "by_global_norm": {"global_clipnorm": 2.0}}


def our_step(clip):
    """Minus the clipped gradients: what one step of SGD with lr 1 does to parameters of zeros."""
    parameters = [Tensor(np.zeros_like(g), requires_grad=True, name=f"p{k}") for k, g in enumerate(GRADIENTS)]
    for parameter, gradient in zip(parameters, GRADIENTS, strict=True):
        parameter.grad = gradient
    optim.SGD(parameters, lr=1.0, **clip).step()
    return [-parameter.numpy() for parameter in parameters]


@pytest.mark.parametrize("name", CLIPS)
def test_the_three_clips_in_keras(name):
    keras = pytest.importorskip("keras", reason="Keras is an extra oracle")
    variables = [keras.Variable(np.zeros_like(g)) for g in GRADIENTS]
    optimizer = in_keras("clips")[name]
    optimizer.build(variables)
    optimizer.apply([keras.ops.convert_to_tensor(g) for g in GRADIENTS], variables)
    for variable, mine in zip(variables, our_step(CLIPS[name]), strict=True):
        np.testing.assert_allclose(-array(variable.value), mine, rtol=1e-5)


@pytest.mark.parametrize("name", CLIPS)
def test_the_three_clips_in_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is an extra oracle")
    parameters = [torch.nn.Parameter(torch.zeros(g.shape)) for g in GRADIENTS]
    for parameter, gradient in zip(parameters, GRADIENTS, strict=True):
        parameter.grad = torch.from_numpy(gradient.copy())
    in_torch("clips")[name](parameters)
    for parameter, mine in zip(parameters, our_step(CLIPS[name]), strict=True):
        np.testing.assert_allclose(array(parameter.grad), mine, rtol=1e-5)
