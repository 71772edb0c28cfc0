# %% [markdown]
# # 9 · Sequences in practice
#
# **The question.** You know the cell. Around it stand four questions that cost more evenings than the cell itself. What
# exactly does the layer return? What happens to the gradient where one chunk of a long text ends? What does padding do
# to the loss? And why does a net whose weights were moved to another library run without any error and answer nonsense?
#
# Read before: [4 · The LSTM, gate by gate](04_the_lstm_gate_by_gate.ipynb) and [5 · Follow C](05_follow_c.ipynb). Time:
# 55 minutes.

# %%
from itertools import permutations

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import nn, quiz
from tinygrad_lstm.optim import Adam

plt.style.use("tinygrad_lstm.drawn")

# %% [markdown]
# ## What comes out
#
# One layer, two rows of five steps, four units. Our result is one object with everything in it; `as_keras` and
# `as_torch` hand out what the layers of Keras and PyTorch would return.

# %%
lstm = nn.LSTM(3, 4, rng=np.random.default_rng(0)).astype(np.float64)
x = np.random.default_rng(1).normal(size=(2, 5, 3))
out = lstm(x)
for sequences in (False, True):
    for state in (False, True):
        got = out.as_keras(return_sequences=sequences, return_state=state)
        shapes = [part.shape for part in got] if state else got.shape
        print(f"return_sequences={sequences!s:5}  return_state={state!s:5}  {shapes}")
both = np.concatenate([part.numpy().ravel() for part in got])

# %% [markdown]
# **Predict.** With both switches on, the list holds {{both.size}} numbers. How many of them are different from each
# other?

# %%
my_guess = None

# %%
distinct = np.unique(both).size
quiz.reveal(my_guess, distinct)

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# There are {{distinct}}: the last row of the sequence is there twice, since the state is the pair (h, C) and its h is
# $h_T$.
#
# | `return_sequences` | `return_state` | what Keras returns | shapes |
# |---|---|---|---|
# | False | False | $h_T$ | (batch, hidden) |
# | True | False | $h_1 … h_T$ | (batch, time, hidden) |
# | False | True | $[h_T, h_T, C_T]$ | three times (batch, hidden) |
# | True | True | $[h_1 … h_T, h_T, C_T]$ | (batch, time, hidden), twice (batch, hidden) |
#
# PyTorch has no switches. It returns `output, (h_n, c_n)`, and its states carry a leading axis for layers and
# directions. (Its sequences are (time, batch, features) unless one asks for `batch_first=True`; the states are not
# touched by that switch.)
#
# </details>

# %%
output, (h_n, c_n) = out.as_torch()
sequence, h_last, C_last = (part.numpy() for part in got)
assert np.array_equal(sequence[:, -1], h_last) and np.array_equal(out.as_keras().numpy(), h_last)
assert np.array_equal(output.numpy(), sequence)
assert np.array_equal(h_n.numpy()[0], h_last) and np.array_equal(c_n.numpy()[0], C_last)
assert np.array_equal(out.C.numpy()[:, -1], C_last)
print(output.shape, h_n.shape, c_n.shape, "| out.C:", out.C.shape, "| out.steps[2].f:", out.steps[2].f.shape)

# %% [markdown]
# <details><summary>The same in Keras, in PyTorch: which switch one needs, and when</summary>
#
# | what comes next | of this layer it needs | Keras | PyTorch |
# |---|---|---|---|
# | one answer for the sequence (a class) | $h_T$ | neither switch | `h_n[-1]` |
# | an answer at each step (a tag, the next word) | $h_1 … h_T$ | `return_sequences=True` | `output` |
# | another recurrent layer (stacking) | $h_1 … h_T$ | `return_sequences=True` in every layer but the last | `num_layers=2` |
# | another net that goes on from here (encoder–decoder) | $(h_T, C_T)$ | `return_state=True`, then `initial_state=` | `decoder(y, (h_n, c_n))` |
# | the same, and the decoder looks back (attention) | all of it | both switches | `output, (h_n, c_n)` |
#
# A decoder that is given $h_T$ alone starts with an empty cell state. `x` has the shape `(2, 5, 3)` below, `y` `(2, 7, 2)`. Keras:
#
# ```python
# import keras
#
# layer = keras.layers.LSTM(4, return_sequences=True, return_state=True)
# h, h_T, C_T = layer(x)
#
# below = keras.layers.LSTM(4, return_sequences=True)
# above = keras.layers.LSTM(4)
# last = above(below(x))
#
# encoder = keras.layers.LSTM(4, return_state=True)
# decoder = keras.layers.LSTM(4, return_sequences=True)
# _, *state = encoder(x)
# answer = decoder(y, initial_state=state)
# ```
#
# PyTorch:
#
# ```python
# import torch
#
# layer = torch.nn.LSTM(3, 4, batch_first=True)
# h, (h_n, c_n) = layer(x)
# h_T, C_T = h_n[-1], c_n[-1]
#
# stacked = torch.nn.LSTM(3, 4, num_layers=2, batch_first=True)
# _, (h_n, c_n) = stacked(x)
# last = h_n[-1]
#
# encoder = torch.nn.LSTM(3, 4, batch_first=True)
# decoder = torch.nn.LSTM(2, 4, batch_first=True)
# _, state = encoder(x)
# answer, _ = decoder(y, state)
# ```
#
# Here `out.h` and `out.last` are always there:
#
# ```python
# stacked = nn.LSTM(3, 4, num_layers=2)
# encoder, decoder = nn.LSTM(3, 4), nn.LSTM(2, 4)
# answer = decoder(y, encoder(x).last).h
# ```
#
# </details>

# %% [markdown]
# Neither of them returns C at every step; whoever wants it there loops over a single cell. Here it is `out.C`, and
# `out.steps[t]` has every gate.
#
# ## A long text in chunks
#
# A text of a million characters does not fit into one graph. One reads it in chunks and carries the state along
# (`stateful=True` in Keras; in PyTorch one passes `(h_n, c_n)` back in). The first attempt of nearly everybody:

# %%
first = lstm(x[:, :3])
first.h.sum().backward()
second = lstm(x[:, 3:], first.last)
try:
    second.h.sum().backward()
except RuntimeError as error:
    print(error)

# %% [markdown]
# PyTorch's message begins "Trying to backward through the graph a second time". The state still hangs on the first
# chunk's graph, and the first backward has given that graph back.
#
# A tempting way out is to keep the graph (`keep_graph=True` here, `retain_graph=True` there). Then every chunk goes
# back to the beginning of the text:

# %%
state, visited = None, []
for t in range(5):
    chunk = lstm(x[:, t : t + 1], state)
    state = chunk.last
    visited.append(len(tl.trace(chunk.h.sum()).tensors))
print("tensors in the backward of each chunk:", visited)
assert np.ptp(np.diff(visited)) == 0

# %% [markdown]
# The work grows with every chunk, and as soon as an optimizer has changed the weights in between, the kept graph no
# longer fits them: this library refuses such a backward, as PyTorch does where the weights were changed in place.
#
# The remedy is `state = chunk.last.detach()`: the same numbers without their history. This is truncated backpropagation
# through time.

# %% [markdown]
# <details><summary>The same in Keras, in PyTorch: a long text in chunks</summary>
#
# In Keras the layer keeps its state itself, row by row of the batch: row 2 of the next chunk must go on where row 2 of this one ended, so the batch must keep its size and must not be shuffled. `reset_state` belongs at the beginning of each text. The gradient always ends at the chunk, as after `detach`.
#
# ```python
# import keras
#
# layer = keras.layers.LSTM(4, return_sequences=True, stateful=True)
# first = layer(x[:, :3])
# second = layer(x[:, 3:])
# layer.reset_state()
# ```
#
# In PyTorch the state is yours, and so is the `detach`:
#
# ```python
# import torch
#
# layer = torch.nn.LSTM(3, 4, batch_first=True)
# first, (h_n, c_n) = layer(x[:, :3])
# state = h_n.detach(), c_n.detach()
# second, _ = layer(x[:, 3:], state)
# ```
#
# </details>
#
# What does truncation cost? Take a net that has to add up its input, 48 steps long, with a forget bias of 3.

# %%
T = 48
x_long = np.random.default_rng(2).normal(size=(8, T, 3))
target = np.tanh(np.cumsum(x_long[:, :, 0], axis=1) / 4)


def in_chunks(layer, size):
    """The loss, the gradient of all parameters, and ‖∂L/∂C_t‖, read in chunks of `size` steps."""
    layer.zero_grad()
    state, total, norms = None, 0.0, []
    for start in range(0, T, size):
        out = layer(x_long[:, start : start + size], state)
        loss = ((out.h[:, :, 0] - target[:, start : start + size]) ** 2).sum()
        norms.append(tl.trace(loss).flow("C").norm[1:])
        loss.backward()
        state, total = out.last.detach(), total + loss.item()
    return total, np.concatenate([p.grad.ravel() for p in layer.parameters()]), np.concatenate(norms)


def adder(forget_bias):
    return nn.LSTM(3, 8, forget_bias=forget_bias, rng=np.random.default_rng(0)).astype(np.float64)


whole_loss, whole, whole_norms = in_chunks(adder(3.0), T)
chunk_loss, chunked, chunk_norms = in_chunks(adder(3.0), 12)
assert abs(chunk_loss / whole_loss - 1) < 1e-12
print(f"loss: {whole_loss:.10f} in one piece, {chunk_loss:.10f} in chunks of 12")

# %% [markdown]
# The loss does not notice. The gradient does.
#
# **Predict.** How large is ‖chunked − whole‖ / ‖whole‖ for chunks of 12 steps? (0: nothing is lost. 1: as far off as if
# there were no gradient at all.)

# %%
my_guess = None

# %%
lost = np.linalg.norm(chunked - whole) / np.linalg.norm(whole)
quiz.reveal(my_guess, lost)
figure, (saw, trade) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
saw.semilogy(range(1, T + 1), whole_norms, label="in one piece")
saw.semilogy(range(1, T + 1), chunk_norms, ".-", label="chunks of 12")
saw.set(xlabel="time step t", ylabel="‖∂L/∂Cₜ‖", title="Each chunk starts with nothing from the next")
sizes = [1, 2, 3, 4, 6, 8, 12, 16, 24, 48]
for bias in (0.0, 1.0, 3.0):
    full = in_chunks(adder(bias), T)[1]
    errors = [np.linalg.norm(in_chunks(adder(bias), size)[1] - full) / np.linalg.norm(full) for size in sizes]
    trade.plot(sizes, errors, "o-", markersize=3, label=f"forget bias {bias:g}")
trade.set(xlabel="steps in a chunk", ylabel="error of the gradient", title="What truncation loses")
saw.legend()
trade.legend()
plt.show()

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# On the left the blue line is what each C should hear from all that comes after it. The red saw falls at the end of
# every chunk to what a single step's loss says. With chunks of 12 the gradient is {{lost:.0%}} off.
#
# On the right stands the trade: **the better a net keeps, the more a chunk border cuts off.** At forget bias 0 half of
# what travels along C is gone after one step anyway, and a border cuts off little; at 3 even two chunks of 24 miss
# {{errors[-2]:.0%}}. So what is measured on a fresh net tells nothing about a trained one that has learned to keep.
#
# A plausible belief: *with chunks of 12, everything up to 12 steps back is learned.* Not so. What is written at s and
# read at t is cut whenever a border lies between them, and for two neighbours that happens at every border too.
# Exercise 9.2 asks how often.
#
# The other direction is a half-truth as well: *nothing further back than a chunk can be learned.* No gradient says so,
# but the state is carried forward, and what it happens to hold can be used.
#
# </details>

# %% [markdown]
# ## Rows of different lengths
#
# Rows of a batch are padded to the longest one. `lengths` says where each row ends; from there on its state is carried
# on unchanged. The test that every such implementation must pass: each row gives what it gives alone, even where the
# padding holds garbage.

# %%
lengths = np.array([12, 4, 2])
x_rows = np.random.default_rng(3).normal(size=(3, 12, 3))
valid = np.arange(12) < lengths[:, None]
x_rows[~valid] = 99.0
padded = lstm(x_rows, lengths=lengths)
alone = [lstm(x_rows[k : k + 1, :n]).last for k, n in enumerate(lengths)]
for k, state in enumerate(alone):
    assert np.allclose(padded.last.h.numpy()[k], state.h.numpy()[0], rtol=0, atol=1e-12)
    assert np.allclose(padded.last.C.numpy()[k], state.C.numpy()[0], rtol=0, atol=1e-12)
off = np.abs(lstm(x_rows).last.h.numpy() - padded.last.h.numpy()).max(axis=1)
print("without lengths the last h of each row is off by", off.round(3))

# %% [markdown]
# The loss has a trap of its own. A common recipe multiplies the loss of padded steps by 0 and then takes the mean over
# the whole array.
#
# **Predict.** What is the ratio of that loss to the mean over the valid steps, for these three lengths? (Give wrong /
# right.)

# %%
my_guess = None

# %%
h, goal = padded.h[:, :, 0], np.ones((3, 12))
right = nn.mse_loss(h, goal, mask=valid)
wrong = ((h - goal) ** 2 * valid).mean()
factor = wrong.item() / right.item()
quiz.reveal(my_guess, factor)
assert abs(factor - valid.mean()) < 1e-12

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# It is the share of steps that are valid: {{valid.sum()}} of {{valid.size}}, {{factor:.2f}}. The gradient shrinks by
# the same factor, so this loss has a learning rate that changes with how unequal the rows of a batch happen to be.
# (Adam hides a constant factor, not one that changes from batch to batch.) A third mean, first over each row and then
# over rows, counts a step of a short row more: here {{lengths[0] // lengths[2]}} times as much in the shortest as in
# the longest. That can be what one wants; it should not happen by accident.
#
# `out.h[:, -1]` is safe here, since padded steps repeat the last state, as Keras's own loop does with a mask. With
# PyTorch's packed sequences the padded outputs are 0, and the last states stand in `h_n` alone.
#
# </details>

# %% [markdown]
# <details><summary>The same in Keras, in PyTorch: rows of different lengths</summary>
#
# In Keras a mask travels along with the array, from `Masking` or from `Embedding(mask_zero=True)`, and each layer that understands it hands it on. At padded steps h is the last one again. (A step counts as padding if *all* of its features are the mask value: choose one that no datum has.)
#
# ```python
# import keras
#
# masked = keras.layers.Masking(mask_value=99.0)(x_rows)
# layer = keras.layers.LSTM(4, return_sequences=True)
# h = layer(masked)
# last = h[:, -1]
# ```
#
# PyTorch packs the rows by their lengths. At padded steps h is 0, so take the last one from `h_n`:
#
# ```python
# import torch
# from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
#
# layer = torch.nn.LSTM(3, 4, batch_first=True)
# packed = pack_padded_sequence(x_rows, lengths, batch_first=True, enforce_sorted=False)
# output, (h_n, c_n) = layer(packed)
# h, _ = pad_packed_sequence(output, batch_first=True, total_length=x_rows.shape[1])
# last = h_n[-1]
# ```
#
# </details>

# %% [markdown]
# ## Both directions
#
# A bidirectional layer is two layers with weights of their own. One reads from the left, one from the right, and at
# each step their h stand side by side.

# %%
two_ways = nn.LSTM(3, 2, bidirectional=True, rng=np.random.default_rng(0)).astype(np.float64)
out = two_ways(x[:1, :3])
print("h:", out.h.shape, " last.h:", out.last.h.shape, " as_keras():", out.as_keras().shape)
last = np.concatenate([out.h.numpy()[:, -1, :2], out.h.numpy()[:, 0, 2:]], axis=1)
assert np.array_equal(out.as_keras().numpy(), last)
small = nn.RNN(3, 2, bidirectional=True, rng=np.random.default_rng(0)).astype(np.float64)(x[:1, :3])
tl.draw(small.h[:, 1].sum(), view="cells", show="grad", parameters=False, for_="notebook")

# %% [markdown]
# The picture shows a plain RNN, whose steps need less room; with an LSTM it is the same. The loss (drawn once in each
# half) reads h at the middle step alone. In the upper half its gradient travels to the left, in the lower half to the
# right: together they reach every step. Two things follow.
#
# **The last state of the backward half stands at the first step.** `out.h[:, -1]` joins a forward half that has read
# everything with a backward half that has read one step; what one wants to classify a sequence with is `as_keras()`, or
# `h_n`.
#
# **Nothing that is to be predicted may stand to the right.** Here two nets learn to predict the next symbol of *pure
# noise*: four symbols, each as likely as the others. An honest net cannot get below $\ln 4$.

# %%
def train_on_noise(bidirectional, seed):
    rng = np.random.default_rng(seed)
    embedding, head = nn.Embedding(4, 8, rng=rng), nn.Linear(32 if bidirectional else 16, 4, rng=rng)
    layer = nn.LSTM(8, 16, bidirectional=bidirectional, fused=True, rng=rng)
    optimizer = Adam([*embedding.parameters(), *layer.parameters(), *head.parameters()], lr=0.02)
    losses = []
    for _ in range(300):
        noise = rng.integers(4, size=(32, 9))
        loss = nn.cross_entropy(head(layer(embedding(noise[:, :-1])).h), noise[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.mean(losses[-20:])


one_way, both_ways = (np.array([train_on_noise(both, seed) for seed in range(5)]) for both in (False, True))
print(f"ln 4 = {np.log(4):.3f}; the losses with five seeds")
print("one way:  ", one_way.round(3))
print("both ways:", both_ways.round(3))
assert one_way.min() > 1.3 and both_ways.max() < 0.5

# %% [markdown]
# The second net has predicted noise, to a loss of {{both_ways.max():.1f}} at most. It has learned to copy: the answer to step t is
# the input of step t + 1, which the backward half has just read. (What is left comes from the last step, whose answer
# stands nowhere: that one alone costs $\ln 4$, an eighth of which is {{np.log(4) / 8:.2f}}.) Fine for tagging a word in
# a finished sentence; not for predicting what comes next, nor for anything that must answer while it reads.

# %% [markdown]
# ## The same weights in another library
#
# Four matrices, three other layouts. $X$ and $H$ are the numbers of features and of units; "stacked" means one under
# the other; the g of PyTorch and the c in these orders are our C̃.
#
# | | gates in the order | product | shapes | biases |
# |---|---|---|---|---|
# | here | one array each | `[h ; x] @ W` | $(H + X, H)$, rows of h first | one |
# | PyTorch | `i f g o`, stacked | `x @ weight_ih.T`, `h @ weight_hh.T` | $(4H, X)$, $(4H, H)$ | two, added |
# | Keras | `i f c o`, side by side | `x @ kernel`, `h @ recurrent_kernel` | $(X, 4H)$, $(H, 4H)$ | one |
# | ONNX | `i o f c`, stacked | `x @ W.T`, `h @ R.T` | $(1, 4H, X)$, $(1, 4H, H)$ | two in $(1, 8H)$ |
#
# We write each layout by hand, with its own reference step in plain NumPy.

# %%
H, cell = 4, lstm.cells[0][0]
W = {gate: getattr(cell, f"W_{gate}").numpy() for gate in "fiCo"}
b = {gate: np.random.default_rng(4).normal(size=H) + k for k, gate in enumerate("fiCo")}
for gate in "fiCo":
    getattr(cell, f"b_{gate}").data = b[gate]


def rows(order, part):
    return np.concatenate([W[gate][part].T for gate in order])


def biases(order):
    return np.concatenate([b[gate] for gate in order])


of_h, of_x = slice(None, H), slice(H, None)
torch = {"w_ih": rows("ifCo", of_x), "w_hh": rows("ifCo", of_h), "b_ih": biases("ifCo"), "b_hh": np.zeros(4 * H)}
keras = {"kernel": rows("ifCo", of_x).T, "recurrent": rows("ifCo", of_h).T, "bias": biases("ifCo")}
onnx = {"W": rows("iofC", of_x)[None], "R": rows("iofC", of_h)[None]}
onnx["B"] = np.concatenate([biases("iofC"), np.zeros(4 * H)])[None]

# %%
def σ(a):
    return 1 / (1 + np.exp(-a))


def torch_step(x, h, c, p):
    i, f, g, o = np.split(x @ p["w_ih"].T + p["b_ih"] + h @ p["w_hh"].T + p["b_hh"], 4, axis=1)
    c = σ(f) * c + σ(i) * np.tanh(g)
    return σ(o) * np.tanh(c), c


def keras_step(x, h, c, p):
    i, f, g, o = np.split(x @ p["kernel"] + h @ p["recurrent"] + p["bias"], 4, axis=1)
    c = σ(f) * c + σ(i) * np.tanh(g)
    return σ(o) * np.tanh(c), c


def onnx_step(x, h, c, p):
    i, o, f, g = np.split(x @ p["W"][0].T + h @ p["R"][0].T + p["B"][0].reshape(2, -1).sum(axis=0), 4, axis=1)
    c = σ(f) * c + σ(i) * np.tanh(g)
    return σ(o) * np.tanh(c), c


def run(step, p):
    h = c = np.zeros((len(x), H))
    for t in range(x.shape[1]):
        h, c = step(x[:, t], h, c, p)
    return h


ours = lstm(x).last.h.numpy()
for step, p in ((torch_step, torch), (keras_step, keras), (onnx_step, onnx)):
    print(f"{step.__name__}: off by {np.abs(run(step, p) - ours).max():.0e}")
    assert np.allclose(run(step, p), ours, rtol=0, atol=1e-12)

# %% [markdown]
# Now the mistake. Stack the gates in any other order: all shapes fit, nothing complains.

# %%
wrong_by = {}
for order in map("".join, permutations("ifCo")):
    p = {"w_ih": rows(order, of_x), "w_hh": rows(order, of_h), "b_ih": biases(order), "b_hh": np.zeros(4 * H)}
    wrong_by[order] = np.abs(run(torch_step, p) - ours).max()
orders = sorted(wrong_by, key=wrong_by.get)
best, second = orders[:2]
print(f"{len(orders)} orders; {best}: off by {wrong_by[best]:.0e}, the next best, {second}: {wrong_by[second]:.2f}")
print(f"the order of ONNX (iofC) read as PyTorch's: {wrong_by['iofC']:.2f}")
assert best == "ifCo" and wrong_by[second] > 0.01

# %% [markdown]
# So compare outputs, not shapes: one random input through both nets is the whole test. Two more traps hide in the
# biases.
#
# *Two biases that are added* compute no more than one. But each of them gets the gradient of their sum, so under SGD
# the sum moves twice as far at each step. And whoever sets the forget bias of both to 1 starts at 2.
#
# *A GRU's two biases are not of this kind.* With `reset_after=True` (the default in Keras, the only variant in PyTorch
# and cuDNN) the candidate is $n = \tanh(x W_{n,x} + b_n + r ∘ (h W_{n,h} + b_{rn}))$: the second bias stands inside the
# reset and cannot be merged into the first. Those of z and r can. With `reset_after=False` (Cho et al. 2014) r
# multiplies h before the product, and no rearrangement turns weights of one variant into those of the other.

# %%
gru = nn.GRU(3, H, rng=np.random.default_rng(5)).astype(np.float64)
g = gru.cells[0][0]
g.b_rn.data = np.ones(H)


def gru_last(b_n, b_rn):
    h, (W_z, W_r, W_n) = np.zeros((len(x), H)), (w.numpy() for w in (g.W_z, g.W_r, g.W_n))
    for t in range(x.shape[1]):
        hx = np.concatenate([h, x[:, t]], axis=1)
        z, r = σ(hx @ W_z + g.b_z.numpy()), σ(hx @ W_r + g.b_r.numpy())
        h = z * h + (1 - z) * np.tanh(x[:, t] @ W_n[H:] + b_n + r * (h @ W_n[:H] + b_rn))
    return h


right_h = gru(x).last.h.numpy()
assert np.allclose(gru_last(g.b_n.numpy(), g.b_rn.numpy()), right_h, rtol=0, atol=1e-12)
merged = np.abs(gru_last(g.b_n.numpy() + g.b_rn.numpy(), np.zeros(H)) - right_h).max()
print(f"b_rn merged into b_n: off by {merged:.2f}")

# %% [markdown]
# (The orders of the GRU's gates: PyTorch `r z n`, Keras and ONNX `z r h`; our z is theirs, it keeps the old h. ONNX
# calls the variant `linear_before_reset`.)
#
# ## Exercises
#
# **9.1** A bidirectional LSTM of 2 layers with 16 units reads x of shape (8, 20, 5), batch first. Which shape has
# PyTorch's `h_n`? Answer with a tuple.

# %%
answer = None
quiz.check("9.1", answer)

# %% [markdown]
# **9.2** A very long text is read in chunks of K steps. Take all pairs of a step s, where something is written, and the
# step s + k, where it is read. Which share of them lies within one chunk, so that the gradient may pass? Write it as a
# function of k and K.

# %%
def kept(k, K):
    return None


quiz.check("9.2", kept)

# %% [markdown]
# **9.3** Now the way back. Write a function that takes PyTorch's four arrays `weight_ih` (4H, X), `weight_hh` (4H, H),
# `bias_ih` and `bias_hh` (4H,) and returns a dict of our eight: `"W_f"`, `"W_i"`, `"W_C"`, `"W_o"` and `"b_f"`,
# `"b_i"`, `"b_C"`, `"b_o"`. It is checked on random arrays.

# %%
def from_torch(weight_ih, weight_hh, bias_ih, bias_hh):
    return None


quiz.check("9.3", from_torch)

# %% [markdown]
# ## What to take away
#
# - A layer returns the sequence of h, and the last state. C at every step you get from neither Keras nor PyTorch; what
#   stands at `[:, -1]` depends on padding and direction.
# - `detach` between chunks leaves the forward pass as it is and removes from the gradient every path that crosses a
#   border. The loss is exact, the gradient is not, and the error grows with how well the net keeps.
# - Divide by the number of valid steps. Compare a padded row with the row alone.
# - A wrong gate order raises no error. Only equal outputs prove that weights have arrived.
#
# All equalities here are of float64; in float32 the same ones hold to about six or seven digits. The next tutorial puts
# the parts together on real text and asks what the net has learned, and whether counting would have done as well.
#
# ## References
#
# - R. J. Williams, J. Peng (1990). *An efficient gradient-based algorithm for on-line training of recurrent network
#   trajectories*: truncated backpropagation.
# - M. Schuster, K. K. Paliwal (1997). *Bidirectional recurrent neural networks.*
# - K. Cho et al. (2014). *Learning phrase representations using RNN encoder–decoder for statistical machine translation*:
#   the GRU.
# - C. Tallec, Y. Ollivier (2017). *Unbiasing truncated backpropagation through time*: what truncation does to the
#   expected gradient.
# - The documentation of `torch.nn.LSTM` and `torch.nn.GRU`, of `keras.layers.LSTM`, and the operators `LSTM` and `GRU`
#   of ONNX.
