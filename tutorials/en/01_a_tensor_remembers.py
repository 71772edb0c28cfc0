# %% [markdown]
# # 1 · A tensor remembers
#
# **The question.** You compute a number `y`, call `y.backward()`, and every input knows by how much a small change in
# it would change `y`. Nobody has told `y` what it was made from. How does the gradient find its way back? And in an
# LSTM of a hundred steps there are more ways back than anyone could walk: how does it take all of them in a fraction
# of a second?
#
# You need the chain rule and a little NumPy; of an LSTM only that it is a net which goes from step to step (tutorial
# 0). About 45 minutes.

# %%
import heapq
from textwrap import fill

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, nn, quiz
from tinygrad_lstm.engine import shares_of


def leaf(value, name):
    return Tensor(value, requires_grad=True, name=name, dtype=np.float64)


# %% [markdown]
# ## What it remembers
#
# Three numbers, two operations.

# %%
a, b, c = leaf(2.0, "a"), leaf(-3.0, "b"), leaf(5.0, "c")
y = a * b + c
y

# %% [markdown]
# The value is there, and beside it stands `op='add'`: the tensor knows which op made it. It also keeps the inputs of
# that op, `.inputs` in the table, each with its name (or the op that made it) and its shape. They are tensors, so they
# know where they come from, too. (`.grad`, the gradient, is a dash: none has been asked for yet.)

# %%
product = y.inputs[0]
print(f"y was made by {y.op.name} from", *y.inputs, sep="\n    ")
print(f"its first input was made by {product.op.name} from", [x.name for x in product.inputs])
print(f"a was made by {a.op} from", a.inputs)

# %% [markdown]
# `a` is a **leaf**: nothing made it. By following `.inputs` from `y` to the leaves you reach everything that `y`
# depends on. That is the graph, and there is no other record of it. (Where no input wants a gradient, or inside
# `with tl.no_grad():`, nothing is remembered.)
#
# The way back needs one more thing: for each input of an op, a **rule** which says what to send there. A rule gets
# `dy`, the gradient that has arrived at the op's output.

# %%
for op in (tl.add, tl.mul, tl.tanh):
    print(f"{op.name:>5}: ", ",  ".join(f"to {name}: {op.formula(k)}" for k, name in enumerate(op.inputs)))

# %% [markdown]
# A sum passes the gradient on unchanged. A product multiplies it by the *other* input. No rule looks further than its
# own op. In the picture each arrow carries its rule and the number that it sends; the arrows point the way the
# gradient travels, from `y` (there called L, since it has no name) back to the leaves. The larger what an arrow sends,
# the wider and darker it is; the bar below the graph is the scale.

# %%
tl.draw(y, view="ops")

# %% [markdown]
# **Predict.** Now a tanh is put behind it: `y = tanh(a·b + c)`, with the same numbers. What is
# $\partial y/\partial a$? (The sum is $-1$, and $\tanh(-1)^2$ is a little above one half.)

# %%
my_guess = None

# %%
z = (a * b + c).named("z")
y = z.tanh().named("y")
slope, a_grad = 1 - y.item() ** 2, tl.grad(y, a)[0].item()
quiz.reveal(my_guess, a_grad)
tl.draw(y, view="ops")

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# tanh lets {{slope:.2f}} of the gradient pass (its slope $1-y^2$), the sum hands that on unchanged, the product
# multiplies it by $b=-3$: {{slope:.3f}} · (−3) = {{a_grad:.3f}}. A chain of ops is a product of local slopes.
#
# </details>
#
# ## Where shares meet
#
# What if a tensor is used more than once? Here `s` is used three times: twice by the product, once by the sum.

# %%
x = leaf(0.5, "x")
s = x.tanh().named("s")
y = (s * s + s).named("y")
trace = tl.trace(y)
tl.draw(trace, view="ops")

# %% [markdown]
# `tl.trace(y)` runs one backward pass, changes nothing, and keeps all its numbers. What flows along one edge is a
# **share**; the gradient of a tensor is the sum of the shares that arrive there.

# %%
square = y.inputs[0]
from_square, from_sum = trace.share(s, square), trace.share(s, y)
print(f"into s from × (two edges): {from_square:.4f}   from +: {from_sum:.4f}   gradient of s: {trace.grad(s):.4f}")

# %% [markdown]
# This is the chain rule for several variables, and it has a second reading: **a gradient is a sum over paths**. Each
# path from `y` back to `x` contributes the product of the local slopes along it. There are three: through the left
# input of the product, through its right input, and directly.

# %%
slope = 1 - s.item() ** 2
paths = [s.item() * slope, s.item() * slope, slope]
right = trace.grad(x).item()
print("one number a path:", np.round(paths, 4))
print(f"their sum: {sum(paths):.6f}   the gradient: {right:.6f}")
assert np.isclose(sum(paths), right, rtol=1e-14)

# %% [markdown]
# Both readings give {{right:.4f}}. Adding shares where they meet, or adding up whole paths: the numbers agree, the
# work does not. That is the rest of this tutorial.
#
# ## A recursion which looks right
#
# The shortest backward one can think of: when a share arrives, add it to what is there, and pass the gradient on.
# (`shares_of` asks a tensor's op what it sends to each input.)

# %%
def eager(tensor, gradient, totals):
    totals[tensor] = totals.get(tensor, 0.0) + gradient
    if tensor.op is not None:
        for source, share in shares_of(tensor, totals[tensor]):
            eager(source, share, totals)


totals = {}
eager(y, np.float64(1), totals)

# %% [markdown]
# **Predict.** The gradient of `x` is {{right:.4f}}. What does this recursion say? Follow it by hand in the picture
# above: `s` receives {{s.item():.3f}}, {{s.item():.3f}} and 1, one after the other.

# %%
my_guess = None

# %%
wrong = totals[x].item()
quiz.reveal(my_guess, wrong)
print(f"gradient of s: {totals[s]:.4f} (right: {trace.grad(s):.4f})   gradient of x: {wrong:.4f} (right: {right:.4f})")

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# The gradient of `x` comes out {{wrong / right:.2f}} times too large, while that of `s` is right. `s` passed on
# {{s.item():.3f}}, then the running total {{2 * s.item():.3f}}, then {{2 * s.item() + 1:.3f}}: its first share
# reached `x` three times. A test which looks only at the tensor with several users passes. **What was passed on
# before all shares had arrived is the mistake.**
#
# It can be mended in one line: pass on the *share* that has just arrived, not the total. Then each path is walked
# once. We let it count its visits.
#
# </details>

# %%
def per_path(tensor, gradient, totals):
    totals[tensor] = totals.get(tensor, 0.0) + gradient
    if tensor.op is None:
        return 1
    return 1 + sum(per_path(source, share, totals) for source, share in shares_of(tensor, gradient))


totals = {}
visits = per_path(y, np.float64(1), totals)
print(f"gradient of x: {totals[x]:.4f}, after {visits} visits to {len(totals)} tensors")
assert np.isclose(totals[x], right)

# %% [markdown]
# Right, but with more visits than there are tensors. How bad can that become? Double a number $n$ times by
# `s = s + s`: a chain of $n$ diamonds.

# %%
def diamonds(n):
    x = leaf(1.0, "x")
    s = x
    for _ in range(n):
        s = s + s
    return x, s


for n in (1, 2, 4, 8, 16):
    x, s = diamonds(n)
    totals = {}
    visits = per_path(s, np.float64(1), totals)
    print(f"{n:>2} diamond{'s' if n > 1 else ' '}: {len(totals):>2} tensors, gradient {totals[x]:>7,.0f}, visits {visits:>7,}")

# %% [markdown]
# Every diamond doubles the number of paths, so the visits are $2^{n+1}-1$. The gradient itself is $2^n$, since each
# path contributes exactly 1. At $n = 60$ this recursion would be at work for thousands of years.
#
# ## The newest first
#
# What we want: visit each tensor **once, after all its users**. No sorting beforehand is needed for that. Every
# tensor gets a **birth number** when it is made, and an input is always born before what is made from it. So among
# the tensors that wait with a gradient, take the newest.

# %%
def newest_first(y):
    totals, waiting, visits = {y: np.float64(1)}, [(-y.birth, y)], 0
    while waiting:
        tensor = heapq.heappop(waiting)[1]
        visits += 1
        for source, share in shares_of(tensor, totals[tensor]) if tensor.op else ():
            if source not in totals:
                heapq.heappush(waiting, (-source.birth, source))
            totals[source] = totals.get(source, 0.0) + share
    return totals, visits


x, s = diamonds(60)
totals, visits = newest_first(s)
print(f"60 diamonds: gradient {totals[x]:,.0f} in {visits} visits")
assert totals[x] == 2**60 and visits == 61

# %% [markdown]
# {{visits}} visits for {{totals[x]:.1e}} paths. Why is the newest one's gradient complete? Suppose a user of it were
# still to be visited. On the way from `y` down to that user, take the first tensor not yet visited: the one before it
# has been visited and has sent it a share, so it waits. But it is at least as new as that user, so newer than the
# tensor we took, which was the newest. So there is no such user.
#
# The order, then, was written down when the forward pass ran, and a heap finds it again. There is no recursion either, so
# a chain of a hundred thousand ops cannot overflow Python's stack.
#
# ## How many paths has an LSTM?
#
# You need not know how an LSTM works yet: it carries two arrays from step to step, the hidden state `h` and the cell
# state `C`. Here is a small one, over 20 steps.

# %%
lstm = nn.LSTM(1, 2, rng=np.random.default_rng(0))
sequence = np.random.default_rng(1).normal(size=(1, 20, 1)).astype(np.float32)
trace = tl.trace(lstm(sequence).last.h.sum())
flow = trace.flow("C")
print(f"{len(trace.tensors)} tensors with a gradient, each visited once")

# %% [markdown]
# **Predict.** How many paths lead from the result, after step 20, back to `C` at step 1? (A guess to within a factor
# of a thousand is a good one.)

# %%
my_guess = None

# %%
counts = [flow.path_count(t) for t in range(20, 0, -1)]
quiz.reveal(my_guess, counts[-1])
for lag in (0, 1, 2, 3, 4, 19):
    factor = f"   × {counts[lag] / counts[lag - 1]:.4f}" if lag else ""
    print(f"C_{20 - lag:<2}: paths from the end: {counts[lag]:>17,}{factor}")

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{counts[-1]:,}}. The factor settles at {{counts[-1] / counts[-2]:.4f}} a step: from each step several ways lead
# to the step before, and each of them goes on by as many again. Where this number comes from is computed in tutorial 5,
# when you know what the ways are.
#
# </details>

# %%
growth = counts[-1] / counts[-2]
print(f"over 100 steps: {growth**100:.1e} paths")
assert np.isclose(growth, counts[-2] / counts[-3], rtol=1e-9)

# %% [markdown]
# Over 100 steps that makes {{growth**100:.0e}} paths, and a backward pass of about {{5 * len(trace.tensors):,}}
# visits. Of all these paths, one alone uses nothing but the direct way from $C_t$ to $C_{t-1}$. What that one is
# worth is the subject of tutorial 5.
#
# The count is that of the ops as the library records them. Where the same function is written with other ops, the
# number of paths differs; the gradient does not.
#
# ## `backward`: three things that everyone meets
#
# `tl.grad` and `tl.trace` leave the tensors alone. `y.backward()` does not: it *adds* to `.grad` of every leaf, and
# on its way it frees the history, so that memory is given back.

# %%
a, b = leaf(2.0, "a"), leaf(-3.0, "b")
y = (a * b).named("y")
y.backward()
print("a.grad =", a.grad)
try:
    y.backward()
except RuntimeError as error:
    print(fill(str(error), 80))

# %% [markdown]
# The error is the first of the three, and names both remedies. The second comes without an error: a new forward pass,
# and `.grad` is not what one expects.

# %%
for _ in range(2):
    (a * b).backward()
    print("a.grad =", a.grad)

# %% [markdown]
# The gradient is $-3$ each time, yet `.grad` went on to {{a.grad:.0f}}: **`.grad` accumulates**. That is wanted where
# one loss is computed in several parts. In a training loop call `optimizer.zero_grad()` before each backward (for a
# single tensor: `a.grad = None`), or each step also takes all gradients before it.
#
# The third: a gradient starts from one number. From several, one must say how they are weighed.

# %%
pair = a * np.array([1.0, 10.0])
try:
    pair.backward()
except ValueError as error:
    print(fill(str(error), 80))
a.grad = None
pair.backward(seed=[1.0, 0.5])
print("a.grad =", a.grad)

# %% [markdown]
# ## Exercises
#
# **1.1** Let `y = (x * x + x) * x` at `x = 3`. How much flows into `x` along the edge from the `+` (not from either
# `×`)? Try it on paper, then with `trace.share`.

# %%
answer = None
quiz.check("1.1", answer)

# %% [markdown]
# **1.2** Repeat `s = s + s + s` ten times. How many paths lead from the end back to the start?

# %%
answer = None
quiz.check("1.2", answer)

# %% [markdown]
# **1.3** Write `count_paths(y, x)`: the number of paths from `y` back to `x`. It gets objects with `.inputs` (a
# tuple; empty for a leaf) and `.birth`, as tensors have them, and may look at the inputs of each only a few times:
# walking every path is not allowed. An input that stands twice in the tuple counts twice.

# %%
def count_paths(y, x):
    return None


quiz.check("1.3", count_paths)

# %% [markdown]
# ## What to take away
#
# A tensor remembers the op and the inputs that made it; that alone is the graph. Each op knows one rule for each
# input, and what a rule sends along its edge is a share. A gradient is the sum of the shares at a tensor, and equally
# the sum over all paths; but there may be exponentially many paths, so a backward pass must visit each tensor once,
# after all its users. Birth numbers give that order.
#
# Where it stops being true: the graph is that of *this* run. An `if` that went the other way, or an index that was
# chosen, leaves no edge, so no gradient tells you of the way not taken.
#
# The next tutorial asks whether you can build all of this yourself, in about sixty lines, and how you would know that
# your gradients are right.
#
# ## References
#
# - S. Linnainmaa (1976). *Taylor expansion of the accumulated rounding error.* BIT 16.
# - D. Rumelhart, G. Hinton, R. Williams (1986). *Learning representations by back-propagating errors.* Nature 323.
# - A. Griewank, A. Walther (2008). *Evaluating Derivatives*, second edition. SIAM.
# - A. Baydin, B. Pearlmutter, A. Radul, J. Siskind (2018). *Automatic differentiation in machine learning: a survey.*
#   Journal of Machine Learning Research 18.
