# %% [markdown]
# # 2 · Build the engine
#
# **The question.** How much code is a backward pass? Here you build one, about sixty lines of it, and let it compute
# an LSTM step. Then comes the harder question: how would you know that its gradients are right?
#
# You need tutorial 1: shares, and the newest tensor first. About 50 minutes.

# %%
import operator
from heapq import heappop, heappush
from itertools import count
from textwrap import fill

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn, quiz
from tinygrad_lstm.op import op
from tinygrad_lstm.testing import gradcheck

# %% [markdown]
# ## One: what is remembered
#
# A node holds its value, its inputs, one rule for each input, and its birth number. A rule is a function: it gets
# `dy`, what has arrived at this node, and returns the share of that input.

# %%
births = count(1)


class Node:
    def __init__(self, data, inputs=(), rules=()):
        self.data = np.array(data, dtype=np.float64)
        self.inputs, self.rules = inputs, rules
        self.grad, self.birth = None, next(births)

    def __add__(self, other):
        return add(self, other)

    def __mul__(self, other):
        return mul(self, other)

    def __matmul__(self, other):
        return matmul(self, other)


# %% [markdown]
# ## Two: the ops and their rules
#
# Five are enough for an LSTM. The rules are closures, so they hold on to the values they need. Those of the matrix
# product can be found by shapes alone: `dy` has the shape of `a @ b`, the share of `a` must have that of `a`. (For
# matrices; the library's `@` also takes vectors and batches of matrices.)

# %%
def add(a, b):
    return Node(a.data + b.data, (a, b), (lambda dy: dy, lambda dy: dy))


def mul(a, b):
    return Node(a.data * b.data, (a, b), (lambda dy: dy * b.data, lambda dy: dy * a.data))


def matmul(a, b):
    return Node(a.data @ b.data, (a, b), (lambda dy: dy @ b.data.T, lambda dy: a.data.T @ dy))


def tanh(x):
    y = np.tanh(x.data)
    return Node(y, (x,), (lambda dy: dy * (1 - y * y),))


def sigmoid(x):
    y = 1 / (1 + np.exp(-x.data))
    return Node(y, (x,), (lambda dy: dy * y * (1 - y),))


# %% [markdown]
# Try one rule by hand before anything is built on it.

# %%
a, b = Node([[1.0, 2.0]]), Node([[3.0], [4.0]])
product = a @ b
to_a, to_b = product.rules
print("value", product.data, "  to a:", to_a(np.ones((1, 1))), "  to b:", to_b(np.ones((1, 1))).T)

# %% [markdown]
# ## Three: undo the broadcasting
#
# NumPy adds a bias of shape (3,) to a batch of shape (4, 3): it uses each entry of the bias four times. A tensor used
# several times receives a share from each use, and they add up. So a share that has grown is summed over the axes
# along which its input was stretched.

# %%
def unbroadcast(share, shape):
    if share.shape == shape:
        return share
    share = share.sum(axis=tuple(range(share.ndim - len(shape))))
    stretched = tuple(axis for axis, n in enumerate(shape) if n == 1)
    return share.sum(axis=stretched, keepdims=True)


for shape in ((3,), (1, 3), (4, 1), ()):
    print(shape, "→", unbroadcast(np.ones((4, 3)), shape).tolist())

# %% [markdown]
# ## Four: the newest first
#
# The loop of tutorial 1, with arrays. A gradient that is complete goes on by the rules; at a leaf, it is added to
# `.grad`. (`plus` is a parameter for the sake of an experiment below.)

# %%
def backward(y, plus=operator.add):
    if y.data.size != 1:
        raise ValueError(f"backward starts from one number, not from shape {y.data.shape}")
    arrived, waiting = {y.birth: np.ones_like(y.data)}, [(-y.birth, y)]
    while waiting:
        node = heappop(waiting)[1]
        dy = arrived.pop(node.birth)
        if not node.inputs:
            node.grad = dy if node.grad is None else node.grad + dy
        for x, rule in zip(node.inputs, node.rules, strict=True):
            share = unbroadcast(rule(dy), x.data.shape)
            if x.birth in arrived:
                arrived[x.birth] = plus(arrived[x.birth], share)
            else:
                arrived[x.birth] = share
                heappush(waiting, (-x.birth, x))


a, b, c = Node(2.0), Node(-3.0), Node(5.0)
backward(tanh(a * b + c))
print(f"∂y/∂a = {a.grad:.3f}, ∂y/∂b = {b.grad:.3f}, ∂y/∂c = {c.grad:.3f}")

# %% [markdown]
# The numbers of tutorial 1. That is the engine.
#
# ## An LSTM step, twice
#
# The same step by the library and by your nodes: batch 4, two inputs, three hidden units, all in float64. The library
# multiplies one long row `[h ; x]` by one matrix; here the matrix is cut into its rows for h (`U`) and for x (`V`),
# which gives the same numbers.
#
# $$f, i, o = \sigma(h_0U + xV + b) \qquad \tilde C = \tanh(h_0U_C + xV_C + b_C)$$
#
# $$C_1 = f\circ C_0 + i\circ \tilde C \qquad h_1 = o\circ\tanh C_1$$

# %%
rng = np.random.default_rng(0)
lstm = nn.LSTM(2, 3, rng=rng).astype(np.float64)
cell = lstm.cells[0][0]
x, h0, C0, weights = (rng.normal(size=shape) for shape in ((4, 2), (4, 3), (4, 3), (3, 1)))

start = [Tensor(h0, requires_grad=True), Tensor(C0, requires_grad=True)]
theirs = (lstm(x[:, None], start).last.h @ weights).sum()
tl.draw(theirs)

# %% [markdown]
# C runs along the top; f, i, C̃ and o stand below it, and the gradient comes in from the loss on the right. (What they
# are for is the subject of tutorial 4; here they are only arithmetic.) Now the same with your nodes.

# %%
theirs.backward()
U = {g: Node(getattr(cell, f"W_{g}").numpy()[:3]) for g in "fiCo"}
V = {g: Node(getattr(cell, f"W_{g}").numpy()[3:]) for g in "fiCo"}
bias = {g: Node(getattr(cell, f"b_{g}").numpy()) for g in "fiCo"}
h, C = Node(h0), Node(C0)


def step_loss():
    f, i, o = (sigmoid(h @ U[g] + Node(x) @ V[g] + bias[g]) for g in "fio")
    C_new = tanh(h @ U["C"] + Node(x) @ V["C"] + bias["C"])
    h_next = o * tanh(f * C + i * C_new)
    return Node(np.ones((1, 4))) @ h_next @ Node(weights)


mine = step_loss()
backward(mine)
pairs = {f"W_{g}": (np.concatenate([U[g].grad, V[g].grad]), getattr(cell, f"W_{g}").grad) for g in "fiCo"}
pairs |= {f"b_{g}": (bias[g].grad, getattr(cell, f"b_{g}").grad) for g in "fiCo"}
pairs |= {"h₀": (h.grad, start[0].grad), "C₀": (C.grad, start[1].grad)}
worst = max(np.abs(one - other).max() for one, other in pairs.values())
print(f"loss {mine.data.item():.6f} and {theirs.item():.6f}; {len(pairs)} gradients, largest difference {worst:.0e}")
assert worst < 1e-12

# %% [markdown]
# All ten gradients agree, to {{worst:.0e}}: the rounding of float64.
#
# ## A bug that waits
#
# Somebody finds that `arrived + share` makes a new array each time, and adds in place instead: `arrived += share`.
# That is what `operator.iadd` does. The LSTM step comes out as before:

# %%
for node in (*U.values(), *V.values(), *bias.values(), h, C):
    node.grad = None
backward(step_loss(), plus=operator.iadd)
still = max(np.abs(U[g].grad - getattr(cell, f"W_{g}").grad[:3]).max() for g in "fiCo")
print(f"largest difference in dL/dU: {still:.0e}")
assert still < 1e-12

# %% [markdown]
# Tested on the net that one cares about, and an array saved each time. Now a smaller graph: `y` sums the entries of `(a + b) + a`, so
# in each entry the gradient of `a` is 2 and that of `b` is 1.

# %%
a, b = Node([[1.0, 2.0]]), Node([[3.0, 4.0]])
backward(((a + b) + a) @ Node([[1.0], [1.0]]), plus=operator.iadd)

# %% [markdown]
# **Predict.** What does it say for the gradient of `b`?

# %%
my_guess = None

# %%
quiz.reveal(my_guess, b.grad[0, 0])
print("a.grad =", a.grad, " b.grad =", b.grad)
assert b.grad[0, 0] == 2

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# The rule of `+` returns `dy` itself, twice: *one* array arrives at both inputs. What is added in place for `a` is
# added for `b` as well. In the LSTM step each input of a sum is used nowhere else, so nothing went wrong there. The
# library does add in place, but only into arrays which the engine itself has made.
#
# </details>
#
# ## Is it right? Central differences
#
# Agreement with another engine is no proof: both could have the same wrong rule. The derivative itself can
# be asked directly, entry by entry:
#
# $$\frac{\partial y}{\partial x} \approx \frac{y(x+\varepsilon) - y(x-\varepsilon)}{2\varepsilon}$$

# %%
def central(f, x, eps):
    slopes = np.empty_like(x.data)
    for entry in np.ndindex(x.data.shape):
        kept = x.data[entry]
        x.data[entry] = kept + eps
        above = f().data.item()
        x.data[entry] = kept - eps
        slopes[entry] = (above - f().data.item()) / (2 * eps)
        x.data[entry] = kept
    return slopes


found = central(step_loss, U["C"], 1e-3)
difference = np.abs(found - U["C"].grad).max()
print(f"dL/dU_C: largest entry {np.abs(found).max():.3f}, largest difference {difference:.0e}")
assert difference < 1e-5

# %% [markdown]
# With $\varepsilon=10^{-3}$ the two agree to {{difference:.0e}}, and this time nothing was shared between them but the
# forward pass. For more digits, should one not make $\varepsilon$ as small as it goes?
#
# **Predict.** Which of the steps `1e-1`, `1e-2`, …, `1e-13` gives the smallest error? Type that number.

# %%
my_guess = None

# %%
errors = {}
for k in range(1, 14):
    errors[10.0**-k] = np.abs(central(step_loss, U["C"], 10.0**-k) - U["C"].grad).max()
best = min(errors, key=errors.get)
quiz.reveal(my_guess, best)
for eps, error in errors.items():
    print(f"eps {eps:.0e}   error {error:.1e}   " + "▪" * round(2 * (15 + np.log10(error))))

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# Two errors pull in opposite directions. Cutting the Taylor series off costs $\varepsilon^2 |f'''|/6$: a step ten
# times smaller makes it a hundred times smaller. Rounding costs about $u|f|/\varepsilon$, where
# $u \approx 1.1\cdot 10^{-16}$ is the rounding unit of float64: the two values of $y$ differ only in their last
# digits, and those are noise. The sum is smallest near $(3u|f|/|f'''|)^{1/3}$, for ordinary functions about
# $10^{-5}$. A smaller step is not a better step: at `1e-13` the error is {{errors[10.0**-13]:.0e}}, worse than at
# `1e-2`. And in float32 no step gives many digits, so **check in float64**.
#
# </details>
#
# ## The library's check
#
# `gradcheck` does this for any function of Tensors: all inputs, all entries, with random weights on the outputs, in
# float64, and once more for the second derivatives. An op of your own is a forward function and a rule for each
# input. A rule gets `dy`, the output `y`, and the inputs. Take $y = x\,\sigma(x)$.

# %%
@op("swish", "y = x · σ(x).")
def swish(x):
    return x * tl.sigmoid(x)


swish.wrt("x", "dy · (σ + y · (1 − σ))", lambda dy, y, x: dy * (tl.sigmoid(x) + y * (1 - tl.sigmoid(x))))
points = np.array([-2.0, 0.0, 1.0])
gradcheck(swish, [points])

# %% [markdown]
# Right. Now the rule that one writes in haste, as if σ(x) were a constant.

# %%
swish.wrt("x", "dy · σ", lambda dy, y, x: dy * tl.sigmoid(x))
try:
    gradcheck(swish, [points])
except AssertionError as error:
    print(fill(str(error), 80))

# %% [markdown]
# The message names the function, the input, the entry, both numbers, and how many entries differ. Two of three: at
# $x=0$ the forgotten term is 0 and the wrong rule is right. **A check knows only the points that it was given.**
# Random ones are better than round ones.
#
# ## What ours does differently, and why
#
# **Rules run on arrays, and on Tensors too.** While training they run on plain arrays, which is fast. With
# `create_graph=True` the same rules run on Tensors, so the gradient has a graph of its own and can be differentiated
# again. So a rule may use what both know: operators, the library's functions, and those of NumPy which Tensors take,
# such as `np.exp`. With another one it can do only the first. (`np.expm1(z)` is $e^z-1$.)

# %%
swish.wrt("x", "…", lambda dy, y, x: dy * (y + (1 - y) / (2 + np.expm1(-x))))
print(f"first order: {gradcheck(swish, [points], order=1)}")
try:
    gradcheck(swish, [points], order=2)
except TypeError as error:
    print(fill(f"second order: {error}", 72))

# %% [markdown]
# An array would lose the gradient's graph. With `tl.exp(-x) - 1` in the place of `np.expm1(-x)` both would pass. Your closures compute with `.data`, so your engine stops at
# first derivatives.
#
# **Pieces.** The rule of `x[t]` says: the gradient of `x` is `dy` at `t` and 0 elsewhere. Written as a full array
# that is $T$ arrays of $T$ steps. The library sends a *piece* instead, the values and their place.

# %%
T = 200
x_long = Tensor(np.zeros((1, T, 1)), requires_grad=True)
trace = tl.trace(nn.RNN(1, 2, rng=np.random.default_rng(0))(x_long).last.h.sum())
edges = [edge for edge in trace.edges if edge.x is x_long]
pieces, full = sum(edge.sent.values.size for edge in edges), sum(edge.share.size for edge in edges)
print(f"numbers sent to x: {pieces:,} in pieces, {full:,} as full arrays")

# %% [markdown]
# **Values cannot change behind its back.** The rules use the values of the forward pass. If an optimizer changes a
# weight between forward and backward, the gradient is that of no function at all. Yours does not notice.

# %%
a, w = Node([[2.0]]), Node([[3.0]])
y = a @ w
w.data[:] = 100.0
backward(y)
print("yours: ∂y/∂a =", a.grad.item(), "(right: 3.0)")

a, w = Tensor([[2.0]], requires_grad=True, name="a"), Tensor([[3.0]], requires_grad=True, name="w")
y = (a @ w).sum()
try:
    w.data[:] = 100.0
except ValueError as error:
    print(fill(f"ours, in place: {error}", 72))
w.data = np.array([[100.0]])
try:
    y.backward()
except RuntimeError as error:
    print(fill(f"ours, replaced: {error}", 72))

# %% [markdown]
# You will meet the last message when `optimizer.step()` comes between the forward pass and `loss.backward()`.
#
# **History is freed.** Your nodes stay alive as long as the loss does, and a second `backward` adds everything again
# without a word. Ours forgets each tensor's inputs once they have been used: memory is given back on the way, and
# going back twice is an error unless you asked for it.
#
# The rest is the same loop. You can read it in `tinygrad_lstm/engine.py`, function `travel`.
#
# ## Exercises
#
# **2.1** `central` again, but all in float32, where the rounding unit is $u\approx 6\cdot 10^{-8}$. Near which step
# $\varepsilon$ is the error smallest, for a function whose value and third derivative are of the order of 1? (Any
# number within a factor of 5 will do.)

# %%
answer = None
quiz.check("2.1", answer)

# %% [markdown]
# **2.2** Write the rules of division: for `y = a / b`, both shares of `dy`, each in the shape of its input. `a` and
# `b` may be broadcast against each other; `unbroadcast` is there.

# %%
def div_shares(dy, a, b):
    return None


quiz.check("2.2", div_shares)

# %% [markdown]
# **2.3** Softmax along the last axis, $y_j = e^{x_j}/\sum_k e^{x_k}$. Every output depends on every input of its row.
# Write the share of `x` from `dy` and `y` alone, both of shape (batch, n), without building an n × n matrix.

# %%
def softmax_share(dy, y):
    return None


quiz.check("2.3", softmax_share)

# %% [markdown]
# ## What to take away
#
# An engine is a record, a rule for each input of each op, the undoing of broadcasts, and a loop that takes the newest
# first. Its mistakes are silent: a wrong number looks like any other. So compare with central differences, in
# float64, with a step near $10^{-5}$, at points that are not special, and for every input.
#
# Where it stops being true: a check at a point says nothing about others, and at a kink (relu at 0) the difference
# and any rule may rightly disagree. For a function with large values or steep curvature the best step is another.
#
# You now trust gradients. The next tutorial follows one through fifty steps of a plain recurrent net, and asks what
# is left of it.
#
# ## References
#
# - A. Griewank, A. Walther (2008). *Evaluating Derivatives*, second edition. SIAM.
# - A. Baydin, B. Pearlmutter, A. Radul, J. Siskind (2018). *Automatic differentiation in machine learning: a survey.*
#   Journal of Machine Learning Research 18.
# - N. Higham (2002). *Accuracy and Stability of Numerical Algorithms*, second edition. SIAM.
# - P. Ramachandran, B. Zoph, Q. Le (2017). *Searching for activation functions.* arXiv:1710.05941. (The name swish.)
