# %% [markdown]
# # 0 · A net with a memory
#
# **The question.** "mary lost her keys" and "john lost his keys": what decides between *her* and *his* stands two
# words back, and whoever looks at "lost" alone cannot know it. What must a net carry from word to word, and how does
# it learn what to carry?
#
# Here the course begins. You need a little NumPy, and what training is: a loss, and weights that are moved against
# its gradient. About 40 minutes.

# %%
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import nn, optim, quiz

# %% [markdown]
# ## A note that is handed on
#
# A **recurrent net** reads a sequence one element at a time, and carries a note with it: a row of numbers called the
# **hidden state**, $h$. At each **step** it writes the note anew, from the old note and from what it reads:
#
# $$h_t = \tanh(h_{t-1}\,U + x_t\,V + b)$$
#
# Each number of $h$ is a **unit**. With a single unit, $U$, $V$ and $b$ are plain numbers, and the whole net is a loop
# of one line.

# %%
def read(sequence, u, v=1.0, b=0.0):
    h, notes = 0.0, []
    for x in sequence:
        h = np.tanh(u * h + v * x + b)
        notes.append(h)
    return np.array(notes)


for first in (+1, -1):
    sequence = [first, 0, 0, 0, 0, 0]
    print(f"read {sequence}: h =", read(sequence, u=2.0).round(3))

# %% [markdown]
# Both sequences end in the same five zeros. A net without a note, which sees the last element alone, must give both
# the same answer. Here $h$ still says at the end how each of them began: that is what a recurrent net is for.
#
# **Predict.** Take $u = 0.5$ instead of 2, and read the first sequence again. What is $h$ after the sixth step? (After
# the first it is $\tanh(1)\approx 0.76$.)

# %%
my_guess = None

# %%
faded = read([1, 0, 0, 0, 0, 0], u=0.5)
quiz.reveal(my_guess, faded[-1])
print(faded.round(3))

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{faded[-1]:.3f}}. With $u=0.5$ the note loses at least half of itself at each step. With $u=2$ it is held: $2h$ grows
# as fast as tanh presses it down again, and both agree where $h=\tanh(2h)$, at {{read([1] + [0] * 50, u=2.0)[-1]:.3f}}.
#
# So *that* there is a note does not mean that it lasts. A weight decides it, and training has to find that weight.
#
# </details>
#
# ## One step, drawn once or T times
#
# `nn.RNN` is the same net for any number of units. It puts $h_{t-1}$ and $x_t$ side by side, as $[h\,;\,x]$, and $U$
# on top of $V$ in one matrix `W_h`: the same sums. With our numbers in it, it must say what the loop said.

# %%
rnn = nn.RNN(1, 1, rng=np.random.default_rng(0)).astype(np.float64)
cell = rnn.cells[0][0]
cell.W_h.data = np.array([[2.0], [1.0]])  # u, the row of h; then v, the row of x
cell.b_h.data = np.array([0.0])
out = rnn(np.array([1.0, 0, 0, 0]).reshape(1, 4, 1))  # (batch, time, features)
assert np.allclose(out.h.numpy()[0, :, 0], read([1, 0, 0, 0], u=2.0), rtol=1e-12)
tl.draw(out.last.h, view="rolled", backward=False, parameters=False)

# %% [markdown]
# This is the net **rolled** up: its step is drawn once, and the line below it brings $h$ back to where the next step
# begins. What one draws in a book is often this loop. What a computer does is the same thing **unrolled**; the picture
# below is made from the same `out`:

# %%
tl.draw(out.last.h, backward=False, for_="notebook")

# %% [markdown]
# Time runs to the right. Four boxes, one for each step, and the note goes from box to box; there is no loop any more,
# only a long chain. That is why a gradient can go back through it as through any other net.
#
# The table below the boxes has one `W_h` and one `b_h`. All four steps use these same two: the four boxes are not four
# layers with weights of their own.
#
# **Predict.** A net that reads 3 numbers a step with 5 units, `nn.RNN(3, 5)`, has $(5+3)\cdot5+5$ parameters. How many
# must it have to read sequences of 400 steps?

# %%
my_guess = None

# %%
wide = nn.RNN(3, 5, rng=np.random.default_rng(0))
count = sum(parameter.size for parameter in wide.parameters())
short, long = (wide(np.zeros((1, length, 3), np.float32)).h.shape for length in (4, 400))
quiz.reveal(my_guess, count)
print(f"the same net reads 4 steps: h has the shape {short}; and 400: {long}")

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{count}}, for 4 steps, for 400, or for any number. Since the weights are shared by all steps, a recurrent net reads
# sequences of every length, and what it has learned at one place it knows at every other.
#
# What is shared is trained by all who share it. Each step says how it would like `W_h` to change, and the gradient of
# `W_h` is the sum of these wishes.
#
# </details>
#
# What does each step want of `W_h`? Its gradient, taken apart by step:

# %%
flow = tl.trace(out.last.h.sum()).flow("h")
wishes = flow.weight_gradient(cell.W_h, by="step")[:, :, 0]
for t, (for_u, for_v) in enumerate(wishes, 1):
    print(f"step {t}: {for_u:+.4f} for u, {for_v:+.4f} for v")
print(f"sum:    {wishes[:, 0].sum():+.4f} for u, {wishes[:, 1].sum():+.4f} for v")
assert np.allclose(wishes.sum(axis=0), flow.trace.grad(cell.W_h)[:, 0], rtol=1e-12)

# %% [markdown]
# (Step 1 says nothing about $u$: there $h_0=0$, and whatever $u$ is, $u\cdot0=0$. After it $x$ is 0, so only step 1
# says something about $v$. How a gradient finds its way back through such a chain is the subject of tutorial 1.)
#
# ## Two notes: hidden state and cell state
#
# The best-known recurrent net, the **LSTM**, carries two notes. One is $h$ as before. The other is $C$, the **cell
# state**: a memory that nobody outside of the cell reads, and of which the cell shows as much as it wants in $h$.

# %%
lstm = nn.LSTM(1, 2, rng=np.random.default_rng(0)).astype(np.float64)
seen = lstm(np.array([1.0, 0, 0, 0]).reshape(1, 4, 1))
for t, (h, C) in enumerate(zip(seen.h.numpy()[0], seen.C.numpy()[0], strict=True), 1):
    print(f"step {t}: hidden state h = {h.round(3)}, cell state C = {C.round(3)}")
tl.draw(seen.last.h.sum(), view="rolled", follow="C", backward=False, parameters=False)

# %% [markdown]
# The way of $C$ is the dark line on top: it passes a × and a +, and no matrix. Why anyone would build that, and what
# the boxes below it do, is the subject of tutorials 3 to 6. The words, once and for all:
#
# | word | what it is |
# |---|---|
# | **step** | one element is read: $t = 1 \ldots T$ |
# | **hidden state** $h_t$ | the note after step $t$: it goes to step $t+1$, and to whatever reads the net |
# | **cell state** $C_t$ | the second note, of an LSTM: it goes to step $t+1$, and outside only through $h_t$ |
# | **unit** | one number of $h$ (and of $C$); "8 units" is also called *hidden size* 8 |
# | **cell** | what happens in one step: the formulas and their weights |
# | **layer** | a cell, run over all steps of a sequence |
#
# ## A training loop
#
# Now the net shall find its weights itself. The task: read a number that is $+1$ or $-1$, then noise, and say at the
# end how it began.

# %%
def batch(rng, length, rows=32):
    first = rng.choice([-1.0, 1.0], size=(rows, 1, 1))
    noise = 0.5 * rng.normal(size=(rows, length - 1, 1))
    return np.concatenate([first, noise], axis=1), first[:, 0]


def trained(layer, seed, length, steps=200, show=False, **settings):
    rng = np.random.default_rng(seed)
    net = layer(1, 8, rng=rng, fused=True, **settings).astype(np.float64)
    head = nn.Linear(8, 1, rng=rng).astype(np.float64)  # from the last h to an answer
    adam = optim.Adam([*net.parameters(), *head.parameters()], lr=0.01, global_clipnorm=1.0)
    for step in range(steps):
        x, wanted = batch(rng, length)
        answer = head(net(x).last.h)  # forward: through all steps of time
        loss = nn.mse_loss(answer, wanted)
        adam.zero_grad()  # or the gradients of the last round are added to these
        loss.backward()  # back, through all steps of time
        adam.step()  # each weight moves a little against its gradient
        if show and step % 40 == 0:
            print(f"round {step:>3}: loss {loss.item():.3f}")
    x, wanted = batch(np.random.default_rng(1000), length, rows=500)  # sequences that it has not seen
    return float((np.sign(head(net(x).last.h).numpy()) == wanted).mean())


accuracy = trained(nn.RNN, seed=0, length=10, show=True)
print(f"right on {accuracy:.0%} of 500 new sequences of 10 steps")
assert accuracy > 0.99

# %% [markdown]
# Every training in this course is these five lines in other clothes: **forward, loss, forget the old gradients,
# backward, step**. (`fused=True` runs the same cell faster. Adam is a way to choose how far a weight moves, and
# `global_clipnorm` shortens a gradient that is very long; tutorial 7 says when that helps.)
#
# How long may the noise last? One net proves little: another **seed** gives other weights at the start, and other
# sequences. So take five seeds each time, and count a net as successful if its share of right answers is at least
# `0.9`.
#
# **Predict.** With 60 steps instead of 10, how many of the five plain nets (`nn.RNN`) succeed?

# %%
my_guess = None

# %%
kinds = {"RNN": (nn.RNN, {}), "LSTM": (nn.LSTM, {}), "LSTM, b_f = 3": (nn.LSTM, {"forget_bias": 3.0})}
found = {
    (name, length): [trained(layer, seed, length, **settings) for seed in range(5)]
    for name, (layer, settings) in kinds.items() for length in (10, 60)
}
success = {key: sum(accuracy >= 0.9 for accuracy in five) for key, five in found.items()}
quiz.reveal(my_guess, success["RNN", 60])
print("net             steps   the share of right answers, seeds 0 to 4   successful")
for (name, length), five in found.items():
    row = "  ".join(f"{accuracy:.2f}" for accuracy in five)
    print(f"{name:<15}{length:>6}   {row}                   {success[name, length]} of 5")
assert success["RNN", 10] == 5 and max(success["RNN", 60], success["LSTM", 60]) < success["LSTM, b_f = 3", 60]

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{success["RNN", 60]}} of 5. (One half is what a coin gets.) Over 10 steps all of them learn it; 60 are another matter.
# The formula and the loop are the same, and a note that lasts *can* be written, as our $u=2$ has shown. What is missing is a gradient that reaches the beginning from the end, and says so.
#
# Do not conclude that one need only take an LSTM: as it is made, it succeeds in {{success["LSTM", 60]}} of 5. With one
# number at the start changed, the bias of its forget gate, it succeeds in {{success["LSTM, b_f = 3", 60]}}. What that
# number does, and why it matters so much, takes six tutorials to say truly. They are the heart of this course.
#
# </details>
#
# ## Exercises
#
# **0.1** How many parameters has `nn.RNN(10, 20)`, which reads 10 numbers a step with `20` units?

# %%
answer = None
quiz.check("0.1", answer)

# %% [markdown]
# **0.2** Find three numbers `(u, v, b)` for a net of one unit that reads zeros and ones and notices whether there has
# been a 1 at all: $h$ must be above `0.5` from the first 1 on, even `100` steps later, and below `0.1` before it.

# %%
answer = None
quiz.check("0.2", answer)

# %% [markdown]
# **0.3** Write the plain recurrent net for any number of units, in NumPy: `x` has the shape (T, inputs), `U` (hidden,
# hidden), `V` (inputs, hidden), `b` (hidden,), and $h_0=0$. Return $h_1\ldots h_T$ as an array of shape (T, hidden).

# %%
def states(x, U, V, b):
    return None


quiz.check("0.3", states)

# %% [markdown]
# ## What to take away
#
# A recurrent net carries a hidden state from step to step and writes it anew with the same weights each time. Rolled,
# it is a loop; unrolled, a chain as long as the sequence, and that is what a gradient travels. An LSTM carries a second
# note, the cell state. A training is forward, loss, forget, backward, step.
#
# Where it stops being true: a net *can* keep a note for as long as one wants, and a training need not find out how.
# The table above is one task and one number of rounds; with more rounds some of the failures become successes.
#
# The next tutorial goes back to the smallest piece: how does a gradient find its way at all?
#
# ## References
#
# - J. Elman (1990). *Finding structure in time.* Cognitive Science 14: the plain recurrent net.
# - P. Werbos (1990). *Backpropagation through time: what it does and how to do it.* Proceedings of the IEEE 78.
# - S. Hochreiter, J. Schmidhuber (1997). *Long short-term memory.* Neural Computation 9: hidden state and cell state.
