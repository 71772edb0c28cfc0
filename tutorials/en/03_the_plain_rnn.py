# %% [markdown]
# # 3 · The plain RNN
#
# **The question.** A plain recurrent net has read fifty words, and the loss stands at the last. What share of its
# gradient arrives back at the start? And if almost nothing does, why does the gradient of the weights look healthy?
#
# You need tutorials 0 and 1, and that a matrix times a vector is a vector. About 45 minutes.

# %%
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import nn, optim, quiz
from tinygrad_lstm.nn.init import orthogonal

plt.style.use("tinygrad_lstm.drawn")


def with_recurrent(rnn, U):
    W = rnn.cells[0][0].W_h
    W.data = np.concatenate([U, W.numpy()[len(U) :]])
    return rnn


# %% [markdown]
# ## One step back
#
# $$h_t = \tanh([h_{t-1}\,;\,x_t]\,W_h + b_h) = \tanh(h_{t-1}U + x_tV + b_h)$$
#
# $U$ is the upper part of $W_h$, the rows that meet $h_{t-1}$; $V$ is the rest. Backwards, a gradient
# $\delta_t = \partial L/\partial h_t$ first passes the tanh, whose slope is $1-h_t^2$, then the matrix:
#
# $$\delta_{t-1} = \big(\delta_t\circ(1-h_t^2)\big)\,U^\top \qquad J_t = \frac{\partial h_t}{\partial h_{t-1}} = D(1-h_t^2)\;U^\top$$
#
# $$\frac{\partial h_T}{\partial h_t} = J_T\,J_{T-1}\cdots J_{t+1}$$
#
# ($J_t$ is the **Jacobian** of the step: its entry $[i,j]$ says how unit $j$ before the step moves unit $i$ after it.
# $D(v)$ is the diagonal matrix of $v$, and $\circ$ multiplies entry by entry.) Three steps of a net with two units, and the gradient on its way:

# %%
rng = np.random.default_rng(0)
small = nn.RNN(1, 2, rng=rng).astype(np.float64)
out = small(rng.normal(size=(1, 3, 1)))
trace = tl.trace(out.last.h.sum())
tl.draw(trace, follow="h", for_="notebook")

# %% [markdown]
# Each step back is one pass through tanh, then one through the matrix. The library measures the Jacobian of every
# step on the graph itself; the formula must give the same.

# %%
U = small.cells[0][0].W_h.numpy()[:2]
jacobians = trace.flow("h").jacobians()
for t in range(3):
    formula = np.diag(1 - out.h.numpy()[0, t] ** 2) @ U.T
    assert np.allclose(jacobians.steps[t, 0], formula, rtol=1e-12)
print(jacobians.steps[:, 0].round(3))

# %% [markdown]
# A gradient over many steps is a product of many matrices, and what becomes of such a product is the whole question.
# Three words are needed for it. A matrix makes some vectors longer and others shorter. Send all vectors of length 1
# through it, the grey circle below, and an ellipse comes out. Its half-axes, in red, are the largest and the smallest
# stretch: the **singular values** of the matrix. The largest is also called its **norm**, $\|M\|$: no vector is
# stretched by more. A matrix whose singular values are all 1 only turns (or mirrors): it is **orthogonal**.

# %%
M = np.array([[1.0, 0.8], [0.0, 0.5]])
turn = np.linspace(0, 2 * np.pi, 361)
circle = np.stack([np.cos(turn), np.sin(turn)])
ellipse = M @ circle
stretch = np.linalg.norm(ellipse, axis=0)
singular = np.linalg.svd(M, compute_uv=False)
print(f"stretched by {stretch.min():.3f} to {stretch.max():.3f}; singular values {singular.round(3)}")
assert np.allclose([stretch.max(), stretch.min()], singular, rtol=1e-3)
figure, axes = plt.subplots(figsize=(4, 2.4), layout="constrained")
axes.plot(*circle, color="#adb5bd")
axes.plot(*ellipse, color="#1f4e79")
for k in (stretch.argmax(), stretch.argmin()):
    axes.plot([0, ellipse[0, k]], [0, ellipse[1, k]], color="#bb2a3b")
axes.set_aspect("equal")
plt.show()

# %% [markdown]
# An **eigenvalue** says something else: there is a direction that the matrix does not turn, and stretches by so much.
# (Where it is complex, the matrix turns a plane, and its absolute value is the stretch of a step on average.) One step is ruled by the singular values, and many equal steps by the
# eigenvalues, as we shall see. Two nets in which all of it is known exactly come first.
#
# ## Two nets without secrets
#
# **Linear, with $U = \rho\,Q$**, $Q$ orthogonal. Without tanh every $J_t$ is $\rho\,Q^\top$; an orthogonal matrix
# keeps every length. So over $k$ steps the norm is multiplied by exactly $\rho^k$.
#
# **Predict.** With $\rho = 0.9$, what share of the gradient is left after 50 steps?

# %%
my_guess = None

# %%
T = 50
Q = orthogonal((8, 8), rng)
kept = {}
for rho in (0.9, 1.0, 1.1):
    linear = with_recurrent(nn.RNN(1, 8, activation="linear", rng=rng).astype(np.float64), rho * Q)
    flow = tl.trace(linear(rng.normal(size=(1, T, 1))).last.h.sum()).flow("h")
    kept[rho] = flow.norm[0] / flow.norm[T]
    assert np.isclose(kept[rho], rho**T, rtol=1e-12)
quiz.reveal(my_guess, kept[0.9])
for rho in kept:
    print(f"ρ = {rho}: kept {kept[rho]:.6g}, which is ρ^{T} within {abs(kept[rho] / rho**T - 1):.0e}")

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# A factor of `0.9` sounds mild. It leaves {{kept[0.9]:.1%}}, and `1.1` multiplies by {{kept[1.1]:.0f}}. There is no
# comfortable range: over many steps only a factor of 1 keeps a gradient. The **half-life** of a factor $r$ is
# $\ln\frac12/\ln r$, for `0.9` that is {{np.log(0.5) / np.log(0.9):.1f}} steps.
#
# </details>
#
# **tanh, without input, at $h = 0$.** There the slope is 1, so the Jacobian of $k$ steps is the $k$-th power of
# $U^\top$, whatever $U$ is.

# %%
U = rng.normal(size=(3, 3))
still = with_recurrent(nn.RNN(1, 3, rng=rng).astype(np.float64), U)
jacobians = tl.trace(still(np.zeros((1, 6, 1))).last.h.sum()).flow("h").jacobians()
assert (jacobians.steps == U.T).all()
assert np.allclose(jacobians.products[6, 0], np.linalg.matrix_power(U.T, 6), rtol=1e-12)
print(f"largest |eigenvalue| of U: {jacobians.spectral_radius[0, 0]:.3f}")
print("growth of the product per step:", (jacobians.norms[1:, 0] / jacobians.norms[:-1, 0]).round(3))

# %% [markdown]
# The largest singular value of $U$ is the growth of the first step; it is a bound for every step. In the long run the
# growth is, on average, the largest |eigenvalue|. The two can differ for a while: in exercise 3.2 you make a net whose
# eigenvalues say "vanishes" and whose gradient first grows.
#
# ## A net as it is when you make it
#
# Now `nn.RNN` with its default initialisation: an orthogonal $U$, so all its singular values are 1, and random inputs
# of 8 features into 32 units. The only other factor is the slope of tanh.
#
# **Predict.** What share of the gradient at $h_{50}$ reaches $h_0$?

# %%
my_guess = None

# %%
rnn = nn.RNN(8, 32, rng=np.random.default_rng(0)).astype(np.float64)
x = np.random.default_rng(1).normal(size=(1, T, 8))
out = rnn(x)
trace = tl.trace(out.last.h.sum())
flow = trace.flow("h")
share = flow.norm[0] / flow.norm[T]
quiz.reveal(my_guess, share)
print(f"half-life {flow.half_life:.2f} steps")
tl.draw(trace, view="strip")

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{share:.0e}} is left, a half-life of {{flow.half_life:.2f}} steps. Read the strip from right to left; the colours
# are on a logarithmic scale, and they change at an even pace. This net has learned nothing yet and has nothing wrong
# with it.
#
# </details>
#
# ## Why the bound did not see it
#
# The classical argument bounds the product by the product of the bounds:
# $\|J_T\cdots J_1\| \le \prod_t \|J_t\| \le (\gamma\,\|U\|)^T$, with $\gamma$ the steepest slope, 1 for tanh and ¼
# for the logistic function. With $\|U\| < 1/\gamma$ the gradient *must* vanish. Here $\|U\| = 1$, and the bound says:
# nothing need be lost. Let us see each step's own largest singular value.

# %%
jacobians = flow.jacobians()
bound = np.prod(jacobians.singular_values[:, 0, 0])
product = jacobians.norms[T, 0]
print(f"largest singular value of one step: {jacobians.singular_values[:, 0, 0].min():.3f} to 1")
print(f"over {T} steps: their product {bound:.3f}, the product's own largest one {product:.1e}")
assert bound > 0.8 and product < 1e-5

# %% [markdown]
# Every single step has a direction that passes almost undamped (that of a unit with $h\approx 0$), so the product of
# the step norms is {{bound:.2f}}. The norm of the product is {{product:.0e}}. **Fifty steps which each keep something
# do not keep anything together**: $U$ turns the gradient, and a direction that was spared in one step falls on other
# units in the next. If it is spread evenly over the units, a step multiplies the norm by the root mean square of the
# slopes.

# %%
slopes = 1 - out.h.numpy()[0] ** 2
expected = np.sqrt((slopes**2).mean(axis=1))
measured = flow.norm[:-1] / flow.norm[1:]
print(f"factor a step: from the slopes alone {np.exp(np.log(expected).mean()):.3f}, measured {share ** (1 / T):.3f}")


def half_life(seed):
    other = nn.RNN(8, 32, rng=np.random.default_rng(seed)).astype(np.float64)
    return tl.trace(other(x).last.h.sum()).flow("h").half_life


lives = [half_life(seed) for seed in range(5)]
print(f"half-life of five such nets: {min(lives):.2f} to {max(lives):.2f} steps")
assert min(lives) > 1.5 and max(lives) < 4

# %% [markdown]
# That explains it: the factor is set by how far the units are from 0, and other weights of the same kind (seeds 0 to 4)
# make little difference. The stronger the inputs, the deeper the
# saturation, and the sooner the gradient is gone. $U$ takes nothing away, it keeps every norm; tanh does.
#
# ## Then make the weights larger
#
# If the slope takes {{1 - share ** (1 / T):.0%}} a step, a larger $U$ should give it back. Take $U = \rho\,Q$ again,
# now with tanh. The bound on growth is $\rho^{50}$.
#
# **Predict.** With $\rho = 2$ the bound is $2^{50}\approx 10^{15}$. By which factor does the gradient really change
# over 50 steps?

# %%
my_guess = None

# %%
Q = orthogonal((32, 32), np.random.default_rng(0))


def grown(rho, x):
    out = with_recurrent(rnn, rho * Q)(x)
    norm = tl.trace(out.last.h.sum()).flow("h").norm
    return norm[0] / norm[T], (1 - out.h.numpy() ** 2).mean()


quiz.reveal(my_guess, grown(2, x)[0])
print("  ρ     bound   measured   a step   mean slope   with half the input")
for rho in (0.5, 1.0, 1.5, 1.6, 1.7, 2.0, 4.0):
    (factor, slope), (other, _) = grown(rho, x), grown(rho, x / 2)
    print(f"{rho:>4}   {rho**T:>6.0e}   {factor:>8.1e}   {factor ** (1 / T):>6.3f}   {slope:>10.2f}   {other:>19.1e}")
assert grown(1.5, x)[0] < 1 < grown(1.5, x / 2)[0]

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# tanh fights back: larger weights drive the units into saturation, the slopes fall, and the growth stays far below
# the bound. It still explodes in the end. Somewhere between the two regimes a $\rho$ happens to keep the norm of
# *this* gradient on *this* input. It is no remedy: at `1.5` the gradient shrinks on our input, and grows when the
# same input is half as strong.
#
# </details>
#
# ## What clipping cures
#
# An exploding gradient is one that is too long. That can be repaired after it has been computed: shorten it, keep its
# direction. `clip_effect` says what the optimizers' `global_clipnorm` would do.

# %%
target = np.random.default_rng(2).normal(size=(1, T, 32))
nn.mse_loss(with_recurrent(rnn, 3 * Q)(x).h, target).backward()
clipped = tl.clip_effect(rnn, global_clipnorm=1.0)["all"]
print(f"norm {clipped.before:.3g} → {clipped.after:.3g}, turned by {clipped.angle:.0e} degrees")

# %% [markdown]
# From {{clipped.before:.0f}} to 1 without turning (but for rounding). The step is bounded, and training goes on. That
# is all that a clip does; it does not make a direction good which comes from an exploding product. And it needs a
# number to shorten. In float32, with larger weights and 300 steps, the loss is an ordinary number and the gradient is
# none:

# %%
deep = with_recurrent(nn.RNN(8, 32, rng=np.random.default_rng(0)), (4 * Q).astype(np.float32))
loss = deep(np.random.default_rng(1).normal(size=(1, 300, 8)).astype(np.float32)).last.h.sum()
with np.errstate(all="ignore"):
    loss.backward()
print("loss", round(loss.item(), 3))
try:
    optim.SGD(deep.parameters(), lr=0.1, global_clipnorm=1.0).step()
except FloatingPointError as error:
    print(fill(str(error), 80))

# %% [markdown]
# This is the error to expect of an exploding net. (Many optimizers raise none, and write NaN into the weights.) A clip
# cannot help here, though one was set: it helps only before, at the steps that lead weights to such a place.
#
# A vanished gradient looks like the mirror image: too short, so make it longer. Why that fails needs one more
# observation.
#
# ## The healthy weight gradient
#
# Back to the default net, now over 100 steps with a target at every step, as in a language model. Look at what people
# look at:

# %%
T = 100
rnn = nn.RNN(8, 32, rng=np.random.default_rng(0)).astype(np.float64)
x, target = (np.random.default_rng(seed).normal(size=(1, T, n)) for seed, n in ((1, 8), (2, 32)))
W = rnn.cells[0][0].W_h
trace = tl.trace(nn.mse_loss(rnn(x).h, target))
flow = trace.flow("h")
weight_norm = np.linalg.norm(trace.grad(W))
print(f"|dL/dW_h| = {weight_norm:.3f}")
print("|dL/dh_t| at t = 1, 25, 50, 75, 100:", flow.norm[[1, 25, 50, 75, 100]].round(4))

# %% [markdown]
# No trace of vanishing: the norm of the weight's gradient is of an ordinary size, and $|\partial L/\partial h_t|$ is
# as large at the beginning as at the end. But each $h_t$ feeds a loss of its own, close by, and a sum does not say
# where it comes from.
#
# Split it by **lag**. Let $G_k$ be the part that comes from losses read $k$ steps after the weight was used; then
# $\partial L/\partial W = \sum_k G_k$, exactly.

# %%
by_lag = flow.weight_gradient(W, by="lag")
assert np.allclose(by_lag.sum(axis=0), trace.grad(W), rtol=1e-10)
lengths = np.linalg.norm(by_lag, axis=(1, 2))
far = np.linalg.norm(by_lag[20:].sum(axis=0)) / weight_norm
print(f"lags 20 and more together: {far:.1e} of the gradient's norm")
figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
axes.semilogy(lengths, ".-")
axes.set(xlabel="lag k", ylabel="norm of G_k", title=f"|dL/dW_h| = {weight_norm:.2f}, split by lag")
plt.show()

# %% [markdown]
# What the weight did 20 or more steps before a loss makes {{far:.1%}} of the gradient. Here the short lags train the
# weight; the norm of its gradient says nothing about the long ones. **So do not judge memory by a weight's
# gradient.**
#
# And now scale it up. Every factor multiplies all lags alike, the ratio stays. In float32, in which one trains, it is
# worse: a sum keeps about seven digits.

# %%
running = np.add.accumulate(by_lag.astype(np.float32))
changes = (running[1:] != running[:-1]).any(axis=(1, 2))
silent = int(np.flatnonzero(changes).max()) + 2
print(f"from lag {silent} on, not one bit of the {W.size:,} entries of dL/dW_h changes")
assert silent < T - 10

# %% [markdown]
# Added up in the order of the lags, what the lags from {{silent}} on have to say is gone before any optimizer sees
# it. What is left of the others could be raised only lag by lag, once the gradient is taken apart as above, and that
# takes one backward for each step that is read. **Clipping cures an explosion after the fact. Nothing cures vanishing after
# the fact**: the net itself must carry the gradient better. `diagnose` says so, too.

# %%
print(*tl.trace(rnn(x).last.h.sum()).flow("h").diagnose(), sep="\n")

# %% [markdown]
# ## Exercises
#
# **3.1** A linear RNN with $U = \rho\,Q$ shall keep half of a gradient over 100 steps. Which $\rho$ is needed? (To
# five digits.)

# %%
answer = None
quiz.check("3.1", answer)

# %% [markdown]
# **3.2** Give a 2 × 2 matrix $U$ for a linear RNN whose eigenvalues are both at most `0.9` in size, so that every
# gradient vanishes in the end, but where some gradient is more than 10 times as long after 5 steps.

# %%
answer = None
quiz.check("3.2", answer)

# %% [markdown]
# **3.3** Backpropagation through time without any library. Given `h` of shape (T, hidden), the states
# $h_1 \ldots h_T$ of a tanh RNN, its `U` (hidden, hidden) and `delta` (hidden,), the gradient at $h_T$: return the
# gradients at $h_0, h_1 \ldots h_T$ as an array of shape (T + 1, hidden).

# %%
def through_time(h, U, delta):
    return None


quiz.check("3.3", through_time)

# %% [markdown]
# ## What to take away
#
# Over many steps a gradient is multiplied by many matrices, and only a factor very near 1 keeps it. In a tanh RNN the
# matrix stretches, the slope shrinks, and the balance depends on the input: a net as it is made loses half of a
# gradient every few steps. Norms of single steps do not show it, nor does the gradient of a weight; the product does,
# and the split by lag.
#
# Where it stops being true: this is the net before training. Training can move the weights to a place where some
# direction is kept, and short tasks need no long memory. A small part of a gradient is not a useless one, either: if
# it points the same way in every batch while the rest averages out, it counts. What rounding has taken does not. And
# with other choices (relu and an identity matrix, Le et al. 2015) the starting point is another.
#
# What one would like is a path on which a gradient is multiplied by something that the net can hold near 1 whenever
# it wants. The next tutorial builds it, gate by gate.
#
# ## References
#
# - J. Elman (1990). *Finding structure in time.* Cognitive Science 14.
# - S. Hochreiter (1991). *Untersuchungen zu dynamischen neuronalen Netzen*. Diploma thesis, TU München.
# - Y. Bengio, P. Simard, P. Frasconi (1994). *Learning long-term dependencies with gradient descent is difficult.*
#   IEEE Transactions on Neural Networks 5.
# - R. Pascanu, T. Mikolov, Y. Bengio (2013). *On the difficulty of training recurrent neural networks.* ICML.
# - A. Saxe, J. McClelland, S. Ganguli (2014). *Exact solutions to the nonlinear dynamics of learning in deep linear
#   neural networks.* ICLR.
# - Q. Le, N. Jaitly, G. Hinton (2015). *A simple way to initialize recurrent networks of rectified linear units.*
#   arXiv:1504.00941.
