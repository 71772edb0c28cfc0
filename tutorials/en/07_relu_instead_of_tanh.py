# %% [markdown]
# # 7 · ReLU instead of tanh
#
# **The question.** In deep networks ReLU took the place of tanh, because its slope is 1 wherever it is on. May an LSTM do the same? And if its numbers then explode,
# does clipping the gradient mend it? Both answers are "partly", and this tutorial measures which part.
#
# You need tutorials 3 (the plain RNN) and 5 (the ledger of $\partial L/\partial C$). It takes 50 minutes.

# %%
import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn, optim, quiz, tasks, what_if
from tinygrad_lstm import SequenceModel, TrainingError, fit

plt.style.use("tinygrad_lstm.drawn")

# %% [markdown]
# ## First the plain RNN: masks between matrices
#
# $h_t = \mathrm{relu}(h_{t-1}W + x_tW_x)$. The slope of ReLU is 1 where a unit is on and 0 where it is off, so one step back multiplies the gradient
# by a mask $D_t$ of ones and zeros and then by $W^\top$:
#
# $$\frac{\partial L}{\partial h_0} = \frac{\partial L}{\partial h_T}\, D_T W^\top\, D_{T-1} W^\top \cdots D_1 W^\top .$$
#
# Let $W$ be `ρ` times an orthogonal matrix, which alone multiplies every norm by exactly `ρ` a step.

# %%
def relu_rnn(ρ, T=50, units=16):
    rnn = nn.RNN(1, units, activation="relu", rng=np.random.default_rng(0)).astype(np.float64)
    W = rnn.cells[0][0].W_h
    W.data = np.concatenate([ρ * W.data[:units], W.data[units:]])   # rows of h first
    out = rnn(np.random.default_rng(1).normal(size=(1, T, 1)))
    return W.data[:units], out.h.numpy()[0], tl.trace(out.last.h.sum()).flow("h")

W, h, flow = relu_rnn(ρ=1.0)
step = flow.jacobians().steps[9, 0]                                 # ∂h₁₀/∂h₉
assert np.allclose(step, (h[9] > 0)[:, None] * W.T)                 # a mask, then Wᵀ

# %% [markdown]
# A common belief: *slope 1 and an orthogonal $W$, so the gradient is kept.*
#
# **Predict.** How much of it is left after 50 steps, as a factor?

# %%
my_guess = None

# %%
left = flow.norm[0] / flow.norm[50]
quiz.reveal(my_guess, left)
on = (h > 0).mean()
assert left < 1e-3

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{left:.1e}}. $W$ keeps the norm, the masks do not: on average {{on:.0%}} of the units are on, and what stands at the others is thrown away at
# each step. So make $W$ larger to make up for it?
#
# </details>

# %%
factor = {}
for ρ in (0.5, 1.0, 1.2, 1.5, 2.0):
    h, flow = relu_rnn(ρ)[1:]
    factor[ρ] = flow.norm[0] / flow.norm[50]
    print(f"ρ = {ρ}: largest h at the end {h[-1].max():8.2g}, gradient after 50 steps × {factor[ρ]:.1e}")

# %% [markdown]
# It dies, or it explodes, and tanh, which would at least hold $h$ within (−1, 1), is gone. From `ρ = 1.0` to `1.2`, a fifth more, the result
# changes {{factor[1.2] / factor[1.0]:.0e}}-fold: somewhere between lies a good value for this input, and nothing holds a net there while it learns.
#
# ## One start that works, and its edge
#
# With $W = I$, $b = 0$ a unit that is on hands its value on unchanged: the IRNN. Below, 32 units with the same random input, over 50 steps.

# %%
comparison = tl.compare("rnn,relu-rnn,irnn", steps=50)
kept = {net.name: net.rows[0].norm[0] for net in comparison.nets}
comparison.draw()

# %% [markdown]
# The IRNN keeps {{kept['irnn']:.0%}} of the gradient, the ReLU RNN {{kept['relu-rnn']:.1e}}. (Not all of it: an input can switch a unit off.) But
# the identity is a knife edge. Change it by a tenth, as training may do in a few steps:

# %%
edge = {}
rnn = nn.RNN(1, 4, activation="relu", recurrent_initializer="identity").astype(np.float64)
identity = rnn.cells[0][0].W_h.data
for scale in (0.9, 1.0, 1.1):
    rnn.cells[0][0].W_h.data = scale * identity
    flow = tl.trace(rnn(np.zeros((1, 100, 1)), np.ones((1, 4))).last.h.sum()).flow("h")
    edge[scale] = flow.norm[0] / flow.norm[100]
    print(f"{scale} · I: after 100 steps × {edge[scale]:.3g}")

# %% [markdown]
# ## Dead units
#
# A unit that is off for *every* input at *every* step gets the gradient 0 from all of them: nothing can switch it on again but a change elsewhere.
# Two steps of gradient descent that are too large suffice. What `diagnose` says below is about the last of these five nets.

# %%
batch = tasks.Adding(length=8).batch(32, np.random.default_rng(0))
dead = []
for seed in range(5):
    rng = np.random.default_rng(seed)
    rnn, head = nn.RNN(2, 8, activation="relu", rng=rng), nn.Linear(8, 1, rng=rng)
    sgd = optim.SGD([*rnn.parameters(), *head.parameters()], lr=0.5)
    counts = []
    for step in range(3):
        out = rnn(batch.x)
        off = (out.h.numpy() <= 0).all(axis=(0, 1))      # for all rows, at all steps
        counts.append(off.sum())
        loss = nn.mse_loss(head(out.last.h), batch.target[:, -1])
        if step < 2:
            sgd.zero_grad()
            loss.backward()
            sgd.step()
    dead.append(counts[-1])
    print(f"seed {seed}: dead units after 0, 1 and 2 steps: {counts[0]}, {counts[1]}, {counts[2]} of 8")

# %%
trace = tl.trace(loss)
dW = trace.grad(rnn.cells[0][0].W_h)
assert min(dead) >= 4 and not dW[:, off].any()            # exactly 0
print(tl.diagnose(trace))

# %% [markdown]
# ## Now the LSTM
#
# With ReLU, $\tilde C = \mathrm{relu}(\dots) \ge 0$ and $h = o \circ \mathrm{relu}(C)$. The highway of $C$ (tutorial 5) is what it was: with fixed gates,
# $\partial C_t/\partial C_{t-1} = f$, and $f$ is still a sigmoid. So the product $\prod f$ cannot explode. Is all well, then?
#
# One unit, gates that are constant, `f = 0.95`, `i = o = 0.5`, input `x = 1`, and one recurrent weight `u = 0.4` in the candidate,
# $\tilde C_t = \varphi(u\,h_{t-1} + x_t)$, where $\varphi$ is the activation: here ReLU. Over the 100 steps from $C_{101}$ back to $C_1$ the highway keeps $0.95^{100}$.
#
# **Predict.** What is the whole $\partial C_{101}/\partial C_1$?

# %%
def one_unit(activation, T, **settings):
    lstm = nn.LSTM(1, 1, activation=activation, **settings).astype(np.float64)
    cell = lstm.cells[0][0]
    for W in (cell.W_f, cell.W_i, cell.W_o):
        W.data = np.zeros((2, 1))                        # constant gates: i = o = σ(0)
    cell.b_f.data = np.array([np.log(0.95 / 0.05)])      # σ of this is 0.95
    cell.W_C.data = np.array([[0.4], [1.0]])             # rows: h, x
    return lstm(np.ones((1, T, 1)))

flow = tl.trace(one_unit("relu", T=101).last.C.sum()).flow("C")
highway = flow.highway[1] / flow.highway[101]
print(f"the highway alone: {highway:.4f}")
my_guess = None

# %%
whole = flow.norm[1] / flow.norm[101]
quiz.reveal(my_guess, whole)
assert np.isclose(whole, (0.95 + 0.5 * 0.4 * 0.5) ** 100)

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{whole:.1f}}. There is a second way from $C_{t-1}$ to $C_t$: out through $o$ into $h$, and back in through $\tilde C$ and $i$. With tanh both of its doors
# close as $C$ grows. With ReLU they are straight lines, the output activation is the identity (it only ever sees $C \ge 0$), and
#
# $$C_t = (f + i\,u\,o)\,C_{t-1} + i\,x_t, \qquad f + i\,u\,o = 0.95 + 0.5\cdot 0.4\cdot 0.5 = 1.05 .$$
#
# The ledger shows it at any step, here from step 50 back to 49: `highway` and `C̃`. So does the picture, where at $t=2$ a second arrow comes back into $C$ from below.
#
# </details>

# %%
dC50 = flow.trace.grad(flow.state(50))
shares = {path: (share / dC50).item() for path, share in flow.ledger(50).items()}
print({path: round(share, 3) for path, share in shares.items()})
tl.draw(one_unit("relu", T=3).last.C.sum(), steps=(2, 3), show="grad", for_="notebook")

# %% [markdown]
# Values and gradient grow by the same factor, so this is first of all a disaster of the forward pass:

# %%
print("       1      10      50     101  C after so many steps")
for name, out in {
    "tanh": one_unit("tanh", T=101),
    "relu": one_unit("relu", T=101),
    "relu, output tanh": one_unit("relu", T=101, output_activation="tanh"),
}.items():
    print("".join(f"{C:8.2f}" for C in out.C.numpy()[0, [0, 9, 49, 100], 0]), f"  {name}")

# %% [markdown]
# tanh stays below $i/(1-f) = 10$. The last line is the cure: a bounded *output* opens the loop ($h < 1$, so $\tilde C \le u + x$),
# and a ReLU candidate is then harmless as long as $f < 1$: at most $i(u + x)/(1-f) = 14$.
#
# ## A whole layer
#
# 32 units, `forget_bias=5`, random weights and input, 100 steps. Four runs with the same weights; in one of them $h$ is set to 0, which cuts the loop.

# %%
x = np.random.default_rng(1).normal(size=(4, 100, 8)).astype(np.float32)

def layer(forget_bias=5.0, **settings):
    return nn.LSTM(8, 32, forget_bias=forget_bias, rng=np.random.default_rng(0), **settings)

relu = layer(activation="relu")
runs = {"tanh": layer()(x), "relu": relu(x), "relu, output tanh": layer(activation="relu", output_activation="tanh")(x)}
with what_if(h=lambda h: 0 * h):
    runs["relu, h = 0"] = relu(x)
C = runs["relu"].C.numpy()
assert (C >= 0).all() and np.array_equal(tl.relu(C), C)      # the output ReLU is the identity

# %%
sizes = {name: np.abs(out.C.numpy()).mean(axis=(0, 2)) for name, out in runs.items()}
figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
for (name, size), style in zip(sizes.items(), ("-", "-", "--", ":"), strict=True):
    axis.semilogy(np.arange(1, 101), size, style, label=name)
axis.set(xlabel="t", ylabel="mean |C|")
axis.legend()
plt.show()

# %%
assert sizes["relu"][-1] > 1e3 * sizes["relu, h = 0"][-1]
print(tl.diagnose(runs["relu"].last.h.sum()))

# %% [markdown]
# Without the loop, $C$ is only added to and reaches {{sizes['relu, h = 0'][-1]:.2g}} on average: a straight climb, and for that $f$ must be near 1. With the loop $C$ reaches {{sizes['relu'][-1]:.1e}}, and then $f$ need not be near 1 at all. At the default forget bias:

# %%
out = layer(forget_bias=1.0, activation="relu")(x)
mild = np.abs(out.C.numpy()).mean(axis=(0, 2))
mean_f = np.mean([step.f.numpy().mean() for step in out.steps])
print(f"mean f {mean_f:.2f}; mean |C| after 10, 50, 100 steps:", *(f"{C:.3g}" for C in mild[[9, 49, 99]]))
assert mild[-1] > 100

# %% [markdown]
# ## What other libraries let you replace
#
# | | candidate $\tilde C$ | output | gates |
# |---|---|---|---|
# | Keras `LSTM` | `activation` | `activation` too: one setting for both | `recurrent_activation` |
# | PyTorch `nn.LSTM` | tanh, fixed | tanh, fixed | σ, fixed |
# | here | `activation` | `output_activation`, else as `activation` | `recurrent_activation` |
#
# So in Keras `activation="relu"` closes the loop that you have just seen; "ReLU inside, tanh outside" needs a cell of your own. In PyTorch only the plain
# `nn.RNN` has a choice (`nonlinearity="relu"`).

# %% [markdown]
# <details><summary>The same in Keras, in PyTorch: other activations</summary>
#
# Keras:
#
# ```python
# import keras
#
# layer = keras.layers.LSTM(4, activation="relu", recurrent_activation="hard_sigmoid", return_sequences=True)
# h = layer(x)
# ```
#
# (Its `hard_sigmoid` has the slope `1/6` since version 3, and had `0.2` before; tutorial 8 shows both.) PyTorch, where only the plain RNN can:
#
# ```python
# import torch
#
# layer = torch.nn.RNN(3, 4, nonlinearity="relu", batch_first=True)
# h, _ = layer(x)
# ```
#
# </details>

# %% [markdown]
# ## Three clips, by hand
#
# The usual remedy is to clip the gradient. There are three ways, here with Keras's names. Take `W` with the gradient (3, 4), whose norm is 5, and `b`
# with the gradient 12. `clipvalue=1` cuts each entry of (3, 4) to 1.
#
# **Predict.** By how many degrees does it turn this gradient?

# %%
W = Tensor([0.0, 0.0], requires_grad=True, name="W")
b = Tensor(0.0, requires_grad=True, name="b")
(3 * W[0] + 4 * W[1] + 12 * b).backward()
print(W.grad, b.grad)
my_guess = None

# %%
turned = tl.clip_effect([("W", W)], clipvalue=1.0)["W"].angle
quiz.reveal(my_guess, turned)

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{turned:.1f}}°: (3, 4) has become (1, 1). It depends on the gradient: (3, 0) would not turn at all, `(300, 2)` by almost $45°$. The other two clips scale: `clipnorm`
# scales each parameter's gradient down to the limit on its own, `global_clipnorm` all of them together.
#
# </details>

# %%
for clip in ("clipvalue", "clipnorm", "global_clipnorm"):
    print(f"{clip}=2")
    for name, e in tl.clip_effect([("W", W), ("b", b)], **{clip: 2.0}).items():
        print(f"    {name:3}: norm {e.before:2.0f} → {e.after:.3f}, turned by {e.angle:4.1f}°")

# %% [markdown]
# `clipvalue` turns `W` itself. `clipnorm` keeps the direction of each, and yet the step as a whole has turned, because `W` and `b` are equally long now. Only `global_clipnorm`
# keeps the direction of all: it is the clip of Pascanu, Mikolov and Bengio. Two at once would hide which one acted:

# %%
try:
    optim.SGD([W, b], lr=0.1, clipnorm=1.0, global_clipnorm=1.0)
except ValueError as error:
    print(error)

# %% [markdown]
# <details><summary>The same in Keras, in PyTorch: three clips</summary>
#
# In Keras they are arguments of every optimizer, one of them at a time:
#
# ```python
# import keras
#
# by_value = keras.optimizers.SGD(learning_rate=1.0, clipvalue=1.0)
# by_norm = keras.optimizers.SGD(learning_rate=1.0, clipnorm=2.0)
# by_global_norm = keras.optimizers.SGD(learning_rate=1.0, global_clipnorm=2.0)
# ```
#
# In PyTorch they are functions, called between `loss.backward()` and `optimizer.step()`. Its `clip_grad_norm_` of all parameters is `global_clipnorm`, not `clipnorm`:
#
# ```python
# from torch.nn.utils import clip_grad_norm_, clip_grad_value_
#
# def by_value(parameters):
#     clip_grad_value_(parameters, 1.0)
#
# def by_norm(parameters):
#     for parameter in parameters:
#         clip_grad_norm_([parameter], 2.0)
#
# def by_global_norm(parameters):
#     clip_grad_norm_(parameters, 2.0)
# ```
#
# </details>

# %% [markdown]
# ## What clipping does for a ReLU LSTM
#
# The task: add the two marked ones of 40 numbers; always answering 1 has the error 1/6. Plain gradient descent, 100 steps, first without a clip.

# %%
def train(seed, **clip):
    task = tasks.Adding(length=40)
    model = SequenceModel.for_task(task, hidden=16, activation="relu", forget_bias=5.0, seed=seed)
    model.rnn.fused = True
    optimizer = optim.SGD(model.named_parameters(), lr=0.1, **clip)
    try:
        history = fit(model, task, steps=100, seed=seed, optimizer=optimizer, progress=False)
    except TrainingError as error:
        print(f"seed {seed}: overflow in step {error.step}, the loss before was {error.before:.4g}")
        return None
    report = optimizer.clip_report()
    print(f"seed {seed}: loss {history.loss[0]:.3g} → {history.recent('loss'):.2f}, {report.clipped} of 100 steps clipped")
    return history.recent("loss"), report.clipped

unclipped = [train(seed) for seed in range(5)]
assert not any(unclipped)

# %%
ends, clipped = np.array([train(seed, global_clipnorm=1.0) for seed in range(5)]).T
assert ends.max() < 1

# %% [markdown]
# Without a clip one or two updates are enough, with every seed: the next forward pass overflows. (Where it does so in step 2, the loss before is still that of the untrained net, which can be large by itself: values and gradient grow together.) With a clip all five nets live. They learn slowly, and not all: the errors end at {{ends.min():.1f}} to {{ends.max():.1f}}, below the 1/6 of always answering 1 in {{(ends < 1 / 6).sum()}} of 5.
# {{clipped.min():.0f}} to {{clipped.max():.0f}} of the 100 steps were clipped, so it is mostly the clip, not the gradient, that sets the size of the step. That is what clipping limits: **the step**.
#
# ## What it cannot cure
#
# **A forward overflow.** The untrained layer from above, on 500 steps instead of 100. No step has been made yet that a clip could have shortened.

# %%
long = np.random.default_rng(1).normal(size=(4, 500, 8)).astype(np.float32)
with np.errstate(all="ignore"):
    relu(long).last.h.mean().backward()
    try:
        optim.SGD(relu.named_parameters(), lr=0.1, global_clipnorm=1.0).step()
    except FloatingPointError as error:
        print(error)
    try:
        with tl.detect_anomaly():
            relu(long)
    except FloatingPointError as error:
        print("\n" + str(error))

# %% [markdown]
# NaN times a small number is NaN: the optimizer refuses, and tells you whom to ask next. `detect_anomaly` stops at the first value that is not finite. It is the sum in the cell state,
# and both of its terms are still finite: the loop has driven $C$ out of the range of float32, which ends at {{float(np.finfo(np.float32).max):.1e}}.
#
# **Vanishing.** If a clip shortens what is too long, why not lengthen what is too short? Take a ReLU RNN and split $\partial L/\partial W$ by lag: how many steps
# before the end each part comes from.

# %%
grads = {}
for dtype in (np.float64, np.float32):
    rnn = nn.RNN(4, 16, activation="relu", rng=np.random.default_rng(0)).astype(dtype)
    data = np.random.default_rng(1).normal(size=(8, 100, 4)).astype(np.float32).astype(dtype)
    trace = tl.trace(rnn(data).last.h.mean())
    grads[dtype] = trace.grad(rnn.cells[0][0].W_h)
    if dtype is np.float64:
        parts = trace.flow("h").weight_gradient(rnn.cells[0][0].W_h, by="lag")
lags = np.linalg.norm(parts, axis=(1, 2))
rounding = np.linalg.norm(grads[np.float32] - grads[np.float64])
print(*(f"lag {k}: {lags[k]:.1e}" for k in (0, 50, 99)), sep=", ")
print(f"error of the whole in float32: {rounding:.1e}")
assert lags[99] < rounding

# %% [markdown]
# The part from the first input is {{lags[99]:.0e}}, the rounding error of the whole in float32 {{rounding:.0e}}. A factor that brings the former up to 1 makes the error
# {{rounding / lags[99]:.0e}} and the part of lag 0 {{lags[0] / lags[99]:.0e}}. A factor changes no ratio: scaling up a direction that is lost scales noise.
# (In float64, and split by lag, the small part is there to be seen; the optimizer only gets the sum.)
#
# ## Exercises
#
# **7.1** One ReLU unit as above, with `f = 0.9`, `i = 0.5`, `o = 0.8`. For which recurrent weight `u` does $C$ neither grow nor shrink by itself?

# %%
answer = None
quiz.check("7.1", answer)

# %% [markdown]
# **7.2** Write `global_clipnorm`: a function of a list of arrays and a limit that returns the list of clipped arrays.

# %%
def global_clip(gradients, limit):
    return None

quiz.check("7.2", global_clip)

# %% [markdown]
# **7.3** Whatever the gates do within [0, 1], the ReLU unit shall never grow by itself. With free gates only $u \le 0$ is safe, since $f = i = o = 1$ is possible.
# Now couple them, so that what is written takes the place of what is forgotten: $i = 1 - f$ (`nn.CoupledLSTMCell`). What is the largest safe `u`?

# %%
answer = None
quiz.check("7.3", answer)

# %% [markdown]
# ## What to take away
#
# A ReLU RNN multiplies masked copies of $W$: it dies or explodes, and the identity start only balances on the edge. In a ReLU LSTM the highway is still $\prod f$ and harmless; what
# explodes is the loop $C \to h \to \tilde C \to C$: together with the highway it multiplies by $f + i\,u\,o$ a step, values and gradient alike. So an LSTM may take ReLU for its candidate, if its output stays bounded. Clipping limits the step, so it can save a training
# from long gradients; it mends neither an overflow on the way forward nor a gradient that has vanished. All of this is about long sequences:
# over ten steps, or with recurrent weights that stay small, a ReLU LSTM can train well with ReLU in both places.
#
# The gates have been sigmoids all along. Tutorial 8 asks why, and lets you try others.
#
# ## References
#
# - Q. V. Le, N. Jaitly, G. Hinton (2015). *A Simple Way to Initialize Recurrent Networks of Rectified Linear Units*: the IRNN.
# - R. Pascanu, T. Mikolov, Y. Bengio (2013). *On the difficulty of training recurrent neural networks*, algorithm 1: clipping by the norm of the whole gradient.
# - X. Glorot, A. Bordes, Y. Bengio (2011). *Deep Sparse Rectifier Neural Networks*: ReLU, and units that are off.
# - S. Hochreiter, J. Schmidhuber (1997). *Long Short-Term Memory.*
# - K. Greff, R. K. Srivastava, J. Koutník, B. R. Steunebrink, J. Schmidhuber (2017). *LSTM: A Search Space Odyssey*: coupled gates.
