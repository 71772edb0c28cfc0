# %% [markdown]
# # 6 · When C fails, too
#
# **The question.** "RNNs suffer from vanishing gradients, LSTMs do not." You can read it in many places. Take an LSTM as a library makes it, untrained, and send a gradient back over a hundred steps. How much arrives?
#
# You need tutorial 5: the highway, the pure path, the ledger. About 40 minutes.

# %%
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, forget_bias_for, nn, quiz, what_if


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %% [markdown]
# ## The cleanest case
#
# Set all weights to zero and keep the biases. Then nothing depends on the input or on $h$; every forget gate is $\sigma(b_f)$ at every step; no way but the highway is left. So $\partial C_T/\partial C_0=\sigma(b_f)^T$ in each unit, exactly. The number of steps after which half is left is called the **half-life**: $\ln\frac12/\ln\sigma(b_f)$.
#
# **Predict.** `forget_bias=1`, the default in Keras and here. What is left of a gradient after 100 steps? (Any power of ten is a fine guess: `1e-3`, say.)

# %%
my_guess = None

# %%
x = np.random.default_rng(1).normal(size=(1, 100, 3))


def flow_of(forget_bias, x=x, seed=0, **settings):
    net = nn.LSTM(x.shape[2], 8, forget_bias=forget_bias, rng=np.random.default_rng(seed), **settings).astype(x.dtype)
    return tl.trace(net(x).last.C.sum()).flow("C")


blank = {b: flow_of(b, initializer="zeros", recurrent_initializer="zeros") for b in (0.0, 1.0, 2.0, 3.0, 5.0)}
left = {b: float(flow.norm[0] / flow.norm[-1]) for b, flow in blank.items()}
quiz.reveal(my_guess, left[1.0])
print("b_f   measured    σ(b_f)^100   half-life")
for b, measured in left.items():
    print(f"{b:g}     {measured:.3e}   {sigmoid(b) ** 100:.3e}   {blank[b].half_life:9.2f}")
    assert abs(measured / sigmoid(b) ** 100 - 1) < 1e-12

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{left[1.0]:.1e}}. The half-life is {{blank[1.0].half_life:.1f}} steps; after ten words {{sigmoid(1.0) ** 10:.0%}} is left. At $b_f=0$ it is one step, since $\sigma(0)=\frac12$. That second case does occur: PyTorch's `nn.LSTM` draws all biases evenly around 0.
#
# </details>
#
# Turn the formula round: which $b_f$ keeps half of a gradient over $n$ steps?

# %%
for n in (10, 30, 100, 300, 1000):
    print(f"{n:>5} steps: forget_bias = {forget_bias_for(n):.2f}, f = {sigmoid(forget_bias_for(n)):.4f}")

# %% [markdown]
# $f$ must come within about $0.7/n$ of 1. Beyond a few hundred steps that is a gate at the flat end of its $\sigma$, which hardly learns any more.
#
# ## Real weights
#
# With weights, two things change: $f$ differs from unit to unit and step to step, and the other five ways of the ledger open. Five seeds for each bias, as a library would make them.

# %%
rows = {}
for b in left:
    flows = [flow_of(b, seed=seed) for seed in range(5)]
    rows[b] = np.array([(f.highway[0] / f.highway[-1], f.norm[0] / f.norm[-1], f.highway[0] / f.norm[0]) for f in flows])
print("        left of the gradient after 100 steps, lowest and highest of five seeds")
print("b_f     highway alone           all ways                highway alone / all")
for b, row in rows.items():
    print(f"{b:g}   " + "".join(f"{low:12.1e}{high:10.1e}  " for low, high in zip(row.min(axis=0), row.max(axis=0))).rstrip())
assert rows[1.0][:, 1].max() < 1e-4 and rows[5.0][:, 1].min() > 0.1

# %% [markdown]
# Three things to see. At $b_f=1$ the ways through the gates bring back far more than the highway does (the last column: the pure highway is about {{np.median(rows[1.0][:, 2]):.0e}} of what arrives), but both have vanished: {{rows[1.0][:, 1].max():.0e}} in the best of five nets. At $b_f=5$ the first step is still heard,
# and even here the pure highway has at most {{rows[5.0][:, 2].max():.0%}} of the length of what arrives. And more than 1 can arrive: what comes through the gates adds up, and nothing forbids it to grow.
#
# ## Next to other cells
#
# Other cells have a memory, too. The **GRU** has one state, $h$, and two gates: an *update* gate $z$, which says how much of the old $h$ stays, and a *reset* gate $r$, which says how much of it the candidate $n$ sees:
#
# $$z, r = \sigma(hx\,W + b)\qquad n = \tanh\big(x\,W_n + r\circ(h_{t-1}U_n)\big)\qquad h_t = z\circ h_{t-1} + (1-z)\circ n$$
#
# ($hx$ is $[h_{t-1}\,;\,x_t]$, as in tutorial 4; $z$ and $r$ have weights of their own, and the biases of $n$ are left out.) Its highway is $\prod z$, and what is kept and what is written are **coupled**: one is 1 minus the other. An LSTM can be coupled in the same way, $i=1-f$ (`nn.CoupledLSTMCell`), so that $|C|$ stays at most 1. An LSTM with **peepholes** lets its gates see $C$ as well, beside $h$ and $x$ (`nn.PeepholeLSTMCell`): then a gradient comes from the gates to $C$ without the detour by $h$.
#
# `tl.compare` gives several nets the same input and the same loss gradient, and measures in float64. `"lstm:5"` is an LSTM with forget bias 5.
#
# **Predict.** Five untrained nets: `"rnn"` (plain, orthogonal), `"lstm:0"`, `"lstm:1"`, `"lstm:5"`, `"gru"`. Which one has least left after 100 steps, at the state that is its memory ($C$ of an LSTM, $h$ of the others)?

# %%
my_guess = None

# %%
found = tl.compare("rnn,lstm:0,lstm:1,lstm:5,gru", steps=100)
kept = {net.name: net.rows[-1].norm[0] / net.rows[-1].norm[-1] for net in found.nets}
quiz.reveal(my_guess, min(kept, key=kept.get))
print(found.table())
assert kept["lstm:0"] < kept["rnn"] < kept["lstm:1"] < kept["lstm:5"]
found.draw()

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# With $b_f=0$ the LSTM keeps less ({{kept["lstm:0"]:.0e}}) than the plain RNN ({{kept["rnn"]:.0e}}), whose orthogonal matrix neither shrinks nor stretches, so that only its tanh takes a toll (how much depends on the size of the input). The GRU fares no better: the gate by which it keeps
# starts at $\sigma(0)$ as well. What a gated cell keeps at the start of training is not in its name. The bias of the gate that keeps decides most of it, and not all: at $b_f=1$ the five seeds above reach from {{rows[1.0][:, 1].min():.1e}} to {{rows[1.0][:, 1].max():.1e}}.
#
# (The black mark says where less than $10^{-7}$ of the end's gradient is left. That is close to the limit of float32: next to a number of size 1, what is below {{np.finfo(np.float32).eps / 2:.0e}} is lost when it is added, see below.)
#
# </details>
#
# ## Ask the net itself
#
# `diagnose` says in sentences what ails a net. It finds nothing to say of a healthy one:

# %%
for b in (1.0, 5.0):
    found_here = flow_of(b, x[:, :60]).diagnose()
    print(f"b_f = {b:g}, 60 steps:\n{found_here}\n")
longer = flow_of(5.0).diagnose()
print(f"b_f = 5, 100 steps:\n{longer}")
assert not found_here and longer

# %% [markdown]
# Open gates have a price: what is never forgotten piles up. With $b_f=5$ there is nothing to say over 60 steps; over 100 the same net is told that its $C$ grows. Large $|C|$ means $\tanh C$ at its flat end, so that $h$ no longer shows what $C$ holds. There is no bias that is right for all lengths. `forget_bias_for(n)` is a start for a memory of $n$ steps, and
# `diagnose(memory=n)` asks for the memory that *you* need, which may be much shorter than the sequence.
#
# ## Small gradient, large effect
#
# Vanishing on the way is one thing. A gradient may also be tiny because a gate is *sure*. One unit that notes a gender: its input is (gender, is it a name). The first word is a name, nine others follow.

# %%
note = nn.LSTM(2, 1, rng=np.random.default_rng(0)).astype(np.float64)
cell = note.cells[0][0]
weights = {"f": (0, 0, 0, 8.0), "i": (0, 0, 16, -8.0), "C": (0, 8, 0, 0.0), "o": (0, 0, 0, 8.0)}  # h, gender, name, bias
for gate, (*w, b) in weights.items():
    getattr(cell, f"W_{gate}").data, getattr(cell, f"b_{gate}").data = np.array(w, float)[:, None], np.array([b])


def told(gender):
    words = np.zeros((1, 10, 2))
    words[0, 0] = gender, 1
    return Tensor(words, requires_grad=True)


she = told(1.0)
answer_she = note(she).last.h.sum()
trace = tl.trace(answer_she)
print(f"answer h_10 = {answer_she.item():+.4f}")

# %% [markdown]
# **Predict.** The answer is {{answer_she.item():.2f}}. How large is its gradient with respect to the gender at the first word, ten steps back?

# %%
my_guess = None

# %%
gradient = float(trace.grad(she)[0, 0, 0])
quiz.reveal(my_guess, gradient)
note_written = float(trace.flow("C").weights()[0])
with what_if({"t=1/C̃": 0.0}):
    erased = answer_she.item() - note(she).last.h.item()
change = note(told(-1.0)).last.h.item() - answer_she.item()
elsewhere = float(trace.grad(she)[0, 1, 0])
print(f"gradient at the gender              {gradient:.2e}   (of the second word: {elsewhere:.2e})")
print(f"so a change from +1 to -1 should do {-2 * gradient:+.2e}")
print(f"it does                             {change:+.4f}")
print(f"written at the name, times ∂h/∂C    {note_written:+.4f}")
print(f"lost when that writing is erased    {erased:+.4f}")
assert abs(gradient) < 1e-5 and change < -1
tl.draw(trace, view="strip", labels="mary opened the old box and then slowly sold it".split())

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# In the picture $\partial L/\partial C$ is dark from the end to the start, and $\tilde C$ of the name gets it whole, as the only candidate that does. There it meets the flat end of a $\tanh$. What comes out at the gender of the name is less than at the gender of any other word, whose
# writing the closed $i$ keeps out: {{elsewhere / gradient:.0f}} times less. (The row of $x$ does not show it: it is the norm of both inputs together, gender and name. The printed numbers do.)
#
# The gradient says {{abs(2 * gradient):.0e}}; the answer turns round from {{answer_she.item():+.2f}} to {{answer_she.item() + change:+.2f}}. Both are right: at +1 the candidate is $\tanh 8$, which is flat, so a *small* change of the gender does nothing; the way to −1 leads over the steep middle, and a gradient does not see it. Nothing has vanished on the way here: the highway
# keeps {{trace.flow("C").highway[1] / trace.flow("C").highway[10]:.3f}} over the nine steps. What the name has written is there, and decides. (Its weight of {{note_written:.2f}} is a first-order number as well, taken at $C_T$ and not at the saturated candidate; hence the right size.) So where gates saturate, look at *written* (or erase) and not at the gradient alone, and say which you show.
#
# For learning the gradient is what counts, though: this unit cannot unlearn its sureness quickly.
#
# </details>
#
# ## "My cell gradient is 0 after 20 steps. Is that a bug?"
#
# A frequent question, and four different things may have happened. Take the blank cell at $b_f=1$, in float32, over 400 steps.

# %%
silence = np.zeros((1, 400, 1), np.float32)
blank32 = flow_of(1.0, silence, initializer="zeros", recurrent_initializer="zeros")
at20 = blank32.trace.grad(blank32.state(380))[0]
print("dL/dC, 20 steps back:", at20[:2], f" with two digits: {at20[0]:.2f}")

# %% [markdown]
# **One: it was printed as 0.** It is $\sigma(1)^{20}=$ {{float(at20[0]):.1e}}, and correct.
#
# **Two: its norm was computed as 0.** Look {{400 - 150}} steps back:

# %%
at250 = blank32.trace.grad(blank32.state(150))[0]
print(f"entry {at250[0]:.1e}   np.linalg.norm {np.linalg.norm(at250):.1e}   flow.norm {blank32.norm[150]:.1e}")

# %% [markdown]
# The entries are {{float(at250[0]):.0e}}, but a norm squares them first, and the square is below the smallest number of float32. The library's own norms are scaled before they are squared.
#
# **Three: it is too small to be added.** The gradient of a weight is a sum over all steps. After how many steps is a share too small to change a sum of size 1?

# %%
def absorbed(kind, factor):
    return next(n for n in range(1, 10_000) if kind(1) + kind(factor**n) == kind(1))


for kind in (np.float32, np.float64):
    after = ", ".join(f"b_f = {b:g}: {absorbed(kind, sigmoid(b))}" for b in (0.0, 1.0, 5.0))
    print(f"{kind.__name__}: steps until it is lost, at {after}")

# %% [markdown]
# At $b_f=1$ in float32 that is after {{absorbed(np.float32, sigmoid(1.0))}} steps: what comes from further back is in no digit of such a sum, although the gradient at $C$ there is not 0. This happens long before anything underflows.
#
# **Four: it really is 0.** By underflow? The smallest positive float32 is {{float(np.finfo(np.float32).smallest_subnormal):.1e}}.

# %%
half32 = flow_of(0.0, silence, initializer="zeros", recurrent_initializer="zeros")
zero_at = next((400 - t for t in range(400, -1, -1) if half32.norm[t] == 0), None)
print(f"f = 0.5:  exactly 0 from {zero_at} steps back on")
late, later = (float(blank32.trace.grad(blank32.state(t))[0, 0]) for t in (1, 0))
print(f"f = σ(1): after 399 steps {late:.1e}, after 400 {later:.1e}; the truth is {sigmoid(1.0) ** 400:.1e}")

# %% [markdown]
# At $f=\frac12$ it becomes 0, after far more than 20 steps. At $f=\sigma(1)$ it gets stuck at the smallest number there is: {{sigmoid(1.0):.2f}} of it is rounded back up to it, for ever. (On a processor that flushes such numbers to zero it is 0.) That last digit is rounding and no gradient.
#
# If $\partial L/\partial C$ is exactly 0 after 20 steps, then look for something else: a gate that is 0 (a relu as gate), a mask, a $\tanh$ that is flat in all its bits. And if it is `None`, or "–" in a picture, no gradient was ever computed: a `detach` or `no_grad` cuts the way. That is not the same as 0.
#
# ## Exercises
#
# **6.1** What is the half-life, in steps, of the pure highway at $b_f=4$?

# %%
answer = None
quiz.check("6.1", answer)

# %% [markdown]
# **6.2** Write a function that gives the forget bias at which the pure highway keeps the share `kept` of a gradient over `steps` steps.

# %%
def bias_for(steps, kept):
    return None


quiz.check("6.2", bias_for)

# %% [markdown]
# **6.3** A cell has two units. In one $f=0.99$ at every step, in the other $f=0.5$. The gradient at $C_{100}$ is 1 in both. By what factor has its norm shrunk at $C_0$, along the pure highway? (The mean of $f$ is `0.745`.)

# %%
answer = None
quiz.check("6.3", answer)

# %% [markdown]
# ## What to take away
#
# An LSTM can keep a gradient; it does so only while its forget gates are open. Along the pure highway $\sigma(b_f)^n$ is left after $n$ steps: {{left[1.0]:.1e}} of 1 after a hundred at the usual bias 1, about half at 5. The ways through the gates bring back more than that, and at small $b_f$ still next to nothing.
# Before you call a gradient vanished, ask whether it was printed, squared or absorbed away, whether a sure gate made it small on the spot, or whether it was never computed.
# All this is about the start of training and says nothing of its end: a net that has learned its task may have opened its gates by itself, as net B of tutorial 4 has. The bias decides how hard it is to get there. Would another function than tanh help? That is the next tutorial.
#
# ## References
#
# - S. Hochreiter (1991). *Untersuchungen zu dynamischen neuronalen Netzen.* Diploma thesis, Technische Universität München. Y. Bengio, P. Simard, P. Frasconi (1994). *Learning long-term dependencies with gradient descent is difficult.* IEEE Transactions on Neural Networks 5(2).
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to Forget: Continual Prediction with LSTM.* Neural Computation 12(10).
# - R. Jozefowicz, W. Zaremba, I. Sutskever (2015). *An Empirical Exploration of Recurrent Network Architectures.* ICML: a forget bias of 1 as the default.
