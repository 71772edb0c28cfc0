# %% [markdown]
# # 8 · The gate lab
#
# **The question.** ReLU may replace tanh in an LSTM, with care (tutorial 7). May it replace the σ of the gates too? No, and the reason is not the one that is often given.
# At the end you try a gate of your own.
#
# You need tutorials 4 (the gates) and 5 (the highway of $C$). It takes 45 minutes.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, detach, nn, optim, quiz, tasks, what_if
from tinygrad_lstm import SequenceModel, TrainingError, evaluate, fit

plt.style.use("tinygrad_lstm.drawn")

# %% [markdown]
# ## A gate says how much
#
# $C_t = f \circ C_{t-1} + i \circ \tilde C_t$: $f$ is *how much* of the old $C$ stays, a share. The highway multiplies these shares. `what_if` sets them: below,
# every $f$ of an LSTM is replaced by one number, and $h$ is detached so that the highway is the only way back.

# %%
x = np.random.default_rng(1).normal(size=(1, 50, 3))
lstm = nn.LSTM(3, 4, rng=np.random.default_rng(0)).astype(np.float64)

def highway(f, T=50):
    with what_if(f=f, h=detach):
        flow = tl.trace(lstm(x[:, :T]).last.C.sum()).flow("C")
    return flow.norm[0] / flow.norm[T]

for f in (0.0, 0.5, 0.9, 1.0):
    print(f"f = {f}: × {highway(f):.2g} after 50 steps")

# %% [markdown]
# And `f = 1.1`, "a tenth more than all of it"?
#
# **Predict.** By which factor does a gradient change over 50 steps?

# %%
my_guess = None

# %%
grown = highway(1.1)
quiz.reveal(my_guess, grown)
assert np.isclose(grown, 1.1**50)

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{grown:.0f}}, and what $C$ holds grows like that on the way forward. Three of these steps: each number on the highway is `1.1` times the one to its right.
#
# </details>

# %%
with what_if(f=1.1, h=detach):
    loss = lstm(x[:, :3]).last.C.sum()
tl.draw(loss, view="cells", follow="C", show="grad", for_="notebook")

# %% [markdown]
# ## ReLU as a gate: two failures
#
# A gate computes a number $z = hx\,W + b$ and squeezes it. Take some $z$, and look at the value and at the slope, for σ and for ReLU.

# %%
z = Tensor([-2.0, -0.3, 0.0, 0.7, 1.1, 3.0], requires_grad=True)
for gate in (tl.sigmoid, tl.relu):
    y = gate(z)
    slope = tl.grad(y.sum(), [z])[0].numpy()
    print(f"{gate.name:8} value", np.round(y.numpy(), 2))
    print(f"{'':8} slope", np.round(slope, 2))

# %% [markdown]
# On the right $f > 1$: "more than all". On the left $f = 0$ with slope 0, a dead gate: it erases $C$, and since
#
# $$\frac{\partial L}{\partial z_f} = \frac{\partial L}{\partial C_t} \circ C_{t-1} \circ f'(z)$$
#
# it learns nothing from it, however wrong it was to erase. σ at $z = -2$ nearly closes too, but its slope is not 0.
#
# The library lets you, and says what it thinks (once in a session):

# %%
def make(gate, forget_bias=1.0):
    return nn.LSTM(8, 32, recurrent_activation=gate, forget_bias=forget_bias, rng=np.random.default_rng(0)).astype(np.float64)

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    make("relu")
print(*(warning.message for warning in caught))

# %%
x = np.random.default_rng(1).normal(size=(8, 100, 8))

def forgets(gate, forget_bias=1.0):
    """All values of f, (steps, batch, units), and the flow of C."""
    out = make(gate, forget_bias)(x)
    return np.array([step.f.numpy() for step in out.steps]), tl.trace(out.last.C.sum()).flow("C")

F, flow = forgets("relu")
print(f"f from {F.min():.2f} to {F.max():.2f}, mean {F.mean():.2f}; exactly 0: {(F == 0).mean():.1%}, above 1: {(F > 1).mean():.1%}")

# %% [markdown]
# With the forget bias 1, ReLU gates start at 1 on average: {{F.mean():.2f}}. That looks like a perfect memory. A single zero ends it; so look
# at a (row, unit) pair that never met one. The next cell prints its mean.
#
# **Predict.** What is the product of its 100 values?

# %%
alive = F[:, (F > 0).all(axis=0)]                       # (steps, pairs that never hit 0)
lucky = alive[:, np.abs(alive.mean(axis=0) - 1).argmin()]
print(f"{alive.shape[1]} of {8 * 32} pairs never hit 0; the mean of this one is {lucky.mean():.3f}")
my_guess = None

# %%
product = lucky.prod()
quiz.reveal(my_guess, product)
assert product < 0.1

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{product:.1e}}. A product is governed by the mean of $\ln f$, not of $f$: `1.5 · 0.5` is less than `1 · 1`. So more forget bias? Here is the highway over 100 steps, all units together:
#
# </details>

# %%
highways = {}
for bias in (0.0, 1.0, 2.0, 3.0):
    F, flow = forgets("relu", bias)
    highways[bias] = flow.highway[0] / flow.highway[100]
    print(f"forget_bias {bias}: exactly 0: {(F == 0).mean():6.2%}, above 1: {(F > 1).mean():6.1%}, highway × {highways[bias]:.1e}")
assert highways[0.0] < 1e-6 and highways[3.0] > 1e6

# %% [markdown]
# It dies or it explodes, and nothing holds it at the point between. With σ no forget bias can do more than keep everything.
#
# ## Dead gates, counted
#
# A gate that is 0 at one step may come back at the next one. One that is 0 for all inputs at all steps gets no gradient at all. With $b_f = -2$, as a training may leave it:

# %%
for gate in ("sigmoid", "hard_sigmoid", "relu"):
    lstm = make(gate, forget_bias=-2.0)
    out = lstm(x)
    closed = (np.array([step.f.numpy() for step in out.steps]) == 0).all(axis=(0, 1))
    trace = tl.trace(out.last.h.sum())
    db = trace.grad(lstm.cells[0][0].b_f)
    print(f"{gate:12} always 0: {closed.sum():2} of 32 units; largest gradient at b_f {np.abs(db).max():.1e}")
assert closed.any() and not db[closed].any()
print(tl.diagnose(trace))

# %% [markdown]
# {{closed.sum()}} ReLU gates get exactly 0 from any loss; only a change of their inputs could open them. hard_sigmoid has a flat part as well, but it starts at $z = -3$ and not at 0.
#
# ## hard_sigmoid: a legal gate with two definitions
#
# A straight line, cut at 0 and 1. It is a gate: it says "how much". But which line?
#
# | | slope | 0 below | 1 above |
# |---|---|---|---|
# | PyTorch, Keras 3, here | $1/6$ | $-3$ | $3$ |
# | Keras 1 and 2, the default of ONNX | $0.2$ | $-2.5$ | $2.5$ |

# %%
def old(z):
    return tl.hard_sigmoid(z, slope=0.2)

for z in (-3.0, -1.0, 0.0, 1.0, 2.0, 2.5):
    new_f, old_f = (float(gate(np.float64(z))) for gate in (tl.hard_sigmoid, old))
    print(f"z = {z:4}: {new_f:.3f} or {old_f:.3f}; over 100 steps {new_f**100:.1e} or {old_f**100:.1e}")

# %% [markdown]
# The two never differ by more than $1/12$, and nothing complains when weights move from one program to another. Train a small LSTM to add two marked numbers out of
# ten with the one, and run it with the other.
#
# **Predict.** How many times larger is its squared error? (The median of five nets.)

# %%
my_guess = None

# %%
task = tasks.Adding(length=10)
seeds = range(5)

def trained(gate, seed, steps, fused=True):
    model = SequenceModel.for_task(task, hidden=16, recurrent_activation=gate, forget_bias=1.0, seed=seed).astype(np.float64)
    model.rnn.fused = fused  # the same sums, faster
    adam = optim.Adam(model.named_parameters(), lr=0.02, global_clipnorm=1.0)
    fit(model, task, steps=steps, seed=seed, optimizer=adam, progress=False)
    return model

ratios = []
for seed in seeds:
    model = trained("hard_sigmoid", seed, steps=300)
    right = evaluate(model, task, batches=2).loss
    model.rnn.fused = False
    model.rnn.cells[0][0].recurrent_activation = old
    ratios.append(evaluate(model, task, batches=2).loss / right)
quiz.reveal(my_guess, np.median(ratios))
print("times larger, seeds 0 to 4:", *(f"{ratio:.1f}" for ratio in ratios))
assert min(ratios) > 3

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{np.median(ratios):.0f}} times in the median, {{min(ratios):.0f}} to {{max(ratios):.0f}} times from net to net. The shapes fit, no warning comes, the output looks plausible: a bug that only a number shows. (Exercise 8.2 mends it without any training.)
#
# </details>
#
# ## Bounded is the point, saturating is not
#
# Plausible: *σ is good because it saturates, so that a gate can stay open or closed.* Take the two properties apart. `twice` saturates as σ does, but at 2. `zigzag` stays within [0, 1]
# and never flattens: a triangle wave whose slope is ±¼ everywhere.

# %%
def twice(z):
    return 2 * tl.sigmoid(z)

def zigzag(z):
    tooth = np.floor(np.asarray(z.data) / 8 + 0.75)     # a constant: which tooth z is on
    return tl.abs(z / 4 + 0.5 - 2 * tooth)

def clip01(z):
    return tl.clip(z + 0.5, low=0.0, high=1.0)

gates = {"sigmoid": tl.sigmoid, "hard_sigmoid": tl.hard_sigmoid, "clip01": clip01, "zigzag": zigzag, "twice": twice, "relu": tl.relu}
grid = np.linspace(-6, 6, 241)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for name, gate in gates.items():
    left.plot(grid, gate(grid), label=name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flow = forgets(gate, forget_bias=2.0)[1]
    right.semilogy(flow.highway / flow.highway[100], label=name)
left.set(xlabel="z", ylabel="gate", ylim=(-0.1, 2.6))
right.set(xlabel="t", ylabel="highway from C at 100 back to t")
left.legend()
plt.show()

# %% [markdown]
# In the right picture the gradient travels to the left, with the forget bias 2 for all. For the four gates that stay within [0, 1] it can only fall. For the other two it rises, whether they saturate or
# not. (A softmax over "keep" and "write" is bounded too, and nothing new: it is σ of the difference, with $i = 1 - f$.)

# %%
a, b = np.float64(0.3), np.float64(-1.1)
assert np.allclose(tl.softmax(np.array([a, b])), [tl.sigmoid(a - b), 1 - tl.sigmoid(a - b)])

# %% [markdown]
# ## The lab
#
# What a gate does, in one line: its range and the share of slopes that are exactly 0, on the $z$ that a gate meets at the start (normal, around the forget bias 1); the highway over 100 steps; then 150 training
# steps on adding among 10 numbers, with five seeds, and the errors on 10 and on 100 numbers: the median, and the smallest and the largest. Always answering 1 has the error 1/6.

# %%
def lab(name, gate, fused=True):
    z = Tensor(1 + np.random.default_rng(0).normal(size=10_000), requires_grad=True)
    f = gate(z)
    flat = (tl.grad(f.sum(), [z])[0].numpy() == 0).mean()
    print(f"{name:13}{f.numpy().min():.2f} … {f.numpy().max():.2f}{flat:5.0%}", end="")
    errors = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flow = forgets(gate)[1]
        print(f"{flow.highway[0] / flow.highway[100]:9.1e}", end="")
        for seed in seeds:
            try:
                model = trained(gate, seed, steps=150, fused=fused)
            except TrainingError as error:
                print(f"   seed {seed}: {error}")
                return None
            errors.append([evaluate(model, tasks.Adding(length=n), batches=1).loss for n in (10, 100)])
    for column, digits in zip(np.sort(errors, axis=0).T, (".3f", ".2g")):
        low, middle, high = (format(value, digits) for value in column[[0, 2, 4]])
        print(f"{middle:>7} {f'({low}…{high})':13}", end="")
    print()
    return np.array(errors)

print("             range       flat  highway  error on 10 numbers error on 100 numbers")
results = {name: lab(name, gate, fused=gate is not zigzag) for name, gate in gates.items()}
better = results["sigmoid"][:, 0] / results["clip01"][:, 0]  # seed by seed
bounded = max(results[name][:, 1].max() for name in ("sigmoid", "hard_sigmoid", "clip01", "zigzag"))
assert better.min() > 1 and results["relu"][:, 1].max() > 5 * bounded

# %% [markdown]
# Read it by columns. *On 10 numbers*, which is what was trained: `zigzag`, which never saturates, does about as well as σ; the ranges overlap. `clip01` does better than σ with each of the five seeds: its error is {{better.min():.1f}} to {{better.max():.1f}} times smaller, although it is flat for most of these $z$: a slope of 0 at $f = 1$ does little harm while other inputs still move the gate.
# ReLU gates learn this task too: over 10 steps no product gets very large. `twice` saturates, but at the wrong place: in the median its error is {{np.median(results['twice'][:, 0]):.2f}}, little less than that of the answer 1.
#
# *On 100 numbers*, the same nets carried on: σ is worse than the 1/6 of always answering 1 in {{(results['sigmoid'][:, 1] > 1 / 6).sum()}} of 5 nets, so what a bounded gate has learned over 10 steps need not reach to 100, either. But no net with a gate within [0, 1] is further off than {{bounded:.2g}}, and with ReLU gates the error reaches {{results['relu'][:, 1].max():.2g}}: nothing has told an
# $f > 1$ that it will be multiplied a hundred times. It need not happen (with another seed it is {{results['relu'][:, 1].min():.1g}}); it can, and nothing forbids it.
#
# Now a gate of your own: any function made of Tensor operations (with `fused=False` if it looks at `.data`, as `zigzag` does). What do you expect of `lambda z: z * 0 + 1`, a gate that is always open? Of `tl.tanh`, which is bounded, but to [−1, 1]?

# %%
def my_gate(z):
    return 0.5 + 0.5 * z / (1 + tl.abs(z))

results["my_gate"] = lab("my_gate", my_gate)

# %% [markdown]
# ## Exercises
#
# **8.1** With $f = 1.1$ at every step, after how many steps has a gradient on the highway for the first time grown more than a thousandfold?

# %%
answer = None
quiz.check("8.1", answer)

# %% [markdown]
# **8.2** A net was trained with the slope $1/6$; you must run it in a program whose hard_sigmoid has the slope $0.2$. By which number do you multiply the weights and the biases of its three gates
# to get the same outputs?

# %%
answer = None
quiz.check("8.2", answer)

# %% [markdown]
# **8.3** Write a gate that stays within [0, 1], gives ½ at 0, never falls as $z$ grows, and is less deaf than σ: at $z = \pm 10$ its slope is still at least `1e-3`
# (that of σ is below `1e-4`). It gets a Tensor.

# %%
def gate(z):
    return None

quiz.check("8.3", gate)

# %% [markdown]
# ## What to take away
#
# A gate is a share, so it must stay within [0, 1]: above 1 the product over time explodes, forward and backward, and a gate that is 0 with slope 0 for all inputs never opens again. Bounded is what matters; σ, hard_sigmoid and stranger
# functions all serve, and saturating is neither needed nor enough. Bounded gates protect the highway alone: through $h$ a gradient can still explode (tutorial 7), and a gate that is always below 1 still forgets.
# Over a few steps a ReLU gate may train as well as any; on longer sequences it may be far off, and with which seed it will be nobody can say beforehand.
#
# Tutorial 9 turns to sequences as they come in practice: several lengths in a batch, states carried from chunk to chunk, layers and directions.
#
# ## References
#
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to Forget: Continual Prediction with LSTM*: the forget gate, with σ.
# - S. Hochreiter, J. Schmidhuber (1997). *Long Short-Term Memory*: the adding problem, and gates as multipliers.
# - M. Courbariaux, Y. Bengio, J.-P. David (2015). *BinaryConnect*: a hard sigmoid (there with the slope ½).
