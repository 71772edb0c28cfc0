# %% [markdown]
# # 5 · Follow C
#
# **The question.** "In an LSTM the gradient flows along $C$, so it does not vanish." How much of it does? A gradient arrives at $C_{t-1}$ by six ways, not by one. This tutorial computes each of them with numbers small enough for
# a pencil, and then asks what share the famous one carries over one step, and over many.
#
# You need tutorials 3 and 4. About 50 minutes; the middle part is arithmetic, and worth doing line by line.

# %%
from math import sqrt, tanh
from textwrap import fill

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import detach, nn, quiz, what_if


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %% [markdown]
# ## One unit, two steps
#
# The smallest LSTM that has all six ways: one unit, one input, two steps, and a loss that reads $h$ at both, $L=h_1+h_2$. All weights are given as numbers.

# %%
#        h     x     b
w = {"f": (0.8, -0.5, 1.0), "i": (-0.6, 0.9, 0.2), "C": (1.1, 0.7, -0.1), "o": (0.5, 0.4, 0.3)}
x1, x2 = 1.0, -0.5

lstm = nn.LSTM(1, 1, rng=np.random.default_rng(0)).astype(np.float64)
cell = lstm.cells[0][0]
for gate, (w_h, w_x, bias) in w.items():
    getattr(cell, f"W_{gate}").data = np.array([[w_h], [w_x]])
    getattr(cell, f"b_{gate}").data = np.array([bias])
out = lstm(np.array([[[x1], [x2]]]))
loss = out.h.sum()
flow = tl.trace(loss).flow("C")
tl.draw(flow.trace, for_="notebook")

# %% [markdown]
# The gradient comes from the right. On the line of $C$ it passes $\times f_2$ on its way to $C_1$: that is the **highway**. But $C_1$ has another user, $\tanh C_1$, which makes $h_1$; and $h_1$ is read by the loss (the **readout**) and by $f$, $i$, $\tilde C$ and $o$ of step 2 (through $[h\,;\,x]$). So:
#
# $$\frac{\partial L}{\partial C_1}=\underbrace{f_2\,\frac{\partial L}{\partial C_2}}_{\text{highway}}+B_1\Big(\underbrace{\frac{\partial L}{\partial h_1}\Big|_{\text{read}}}_{\text{readout}}+\underbrace{\delta f_2\,W_{fh}}_{\text{through }f}+\underbrace{\delta i_2\,W_{ih}}_{\text{through }i}+\underbrace{\delta\tilde C_2\,W_{Ch}}_{\text{through }\tilde C}+\underbrace{\delta o_2\,W_{oh}}_{\text{through }o}\Big)$$
#
# with $B=\partial h/\partial C=o\,(1-\tanh^2 C)$. $\delta g$ is the gradient *before* the gate's $\sigma$ or $\tanh$, and $W_{gh}$ is the weight by which the gate sees $h$.
#
# ## By hand
#
# Forward, in plain Python floats:

# %%
def forward(x, h, C):
    z = {gate: w_h * h + w_x * x + bias for gate, (w_h, w_x, bias) in w.items()}
    f, i, C_new, o = sigmoid(z["f"]), sigmoid(z["i"]), tanh(z["C"]), sigmoid(z["o"])
    C = f * C + i * C_new
    return f, i, C_new, o, C, o * tanh(C)


f1, i1, new1, o1, C1, h1 = forward(x1, 0.0, 0.0)
f2, i2, new2, o2, C2, h2 = forward(x2, h1, C1)
print(f"C1 = {C1:.6f}   h1 = {h1:.6f}\nC2 = {C2:.6f}   h2 = {h2:.6f}")
assert abs(h1 + h2 - loss.item()) < 1e-15

# %% [markdown]
# **Predict.** Six terms will add up to $\partial L/\partial C_1$. Which is the largest: `"highway"`, `"readout"`, `"f"`, `"i"`, `"C̃"` or `"o"`?

# %%
my_guess = None

# %% [markdown]
# Backward. Nothing comes after step 2, so all that $C_2$ gets comes through $h_2$. The slope of $\sigma$ is $f(1-f)$, that of $\tanh$ is $1-\tilde C^2$.

# %%
B1, B2 = o1 * (1 - tanh(C1) ** 2), o2 * (1 - tanh(C2) ** 2)
dh2 = 1.0
dC2 = dh2 * B2
δf = dC2 * C1 * f2 * (1 - f2)
δi = dC2 * new2 * i2 * (1 - i2)
δC = dC2 * i2 * (1 - new2**2)
δo = dh2 * tanh(C2) * o2 * (1 - o2)
by_hand = {
    "highway": f2 * dC2,
    "readout": B1 * 1.0,
    "f": B1 * δf * w["f"][0],
    "i": B1 * δi * w["i"][0],
    "C̃": B1 * δC * w["C"][0],
    "o": B1 * δo * w["o"][0],
}
quiz.reveal(my_guess, max(by_hand, key=by_hand.get))
for path, term in by_hand.items():
    print(f"{term:+.6f}  {path}")
print(f"{sum(by_hand.values()):+.6f}  sum")

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# The readout is larger than the highway here: a loss that reads $h$ at every step feeds $C$ at every step.
#
# </details>
#
# Does the engine find the same?

# %%
total = flow.trace.grad(out.steps[0].C).item()
ledger = {path: share.item() for path, share in flow.ledger(2).items()}
worst = max(abs(ledger[path] - by_hand[path]) for path in by_hand)
print(f"engine: {total:+.6f}; largest difference of a term from the hand's: {worst:.0e}")
assert worst < 1e-12 and abs(sum(by_hand.values()) - total) < 1e-12

# %% [markdown]
# Nothing is missing. Here are the six on the graph, each in its colour from where it leaves the others to where it meets them again, and wide where it carries much. (Black are the parts that several of them share.)

# %%
tl.draw(flow.trace, view="ledger")

# %% [markdown]
# Only one of the six, in green, stays on the line of $C$. The other five come in together, by $h_1$ and through $\tanh C_1$, and here they are the larger part.
#
# `flow.ledger(t)` splits $\partial L/\partial C_{t-1}$ exactly so, for any number of units and any loss. It does not use the formula above: it follows the recorded graph and counts what arrives by which way. Two such
# different computations agree to the last digits, and each checks the other.
#
# A third witness knows nothing of gradients: push $C_1$ a little, and see how $L$ moves.

# %%
def loss_if(push):
    with what_if({"t=1/C": lambda C: C + push}):
        return lstm(np.array([[[x1], [x2]]])).h.sum().item()


pushed = (loss_if(1e-5) - loss_if(-1e-5)) / 2e-5
print(f"by pushing C {pushed:+.8f}, by the engine {total:+.8f}")
assert abs(pushed - total) < 1e-8

# %% [markdown]
# ## What a first attempt looks like
#
# "I called `backward()`, and `C.grad` is `None`." And then, at the second attempt:

# %%
loss.backward()
print("C1.grad is", out.steps[0].C.grad)
try:
    loss.backward()
except RuntimeError as exc:
    print(fill(str(exc), 80))

# %% [markdown]
# `backward` leaves gradients in *leaves*, the parameters. $C_1$ was computed on the way; its gradient was used and dropped, as in PyTorch. And the history was freed behind it. `tl.trace(loss)` is the tool for looking: it keeps every gradient and every
# share, touches no `.grad`, and frees nothing. (`C.keep_grad()` before `backward` keeps one.) Ask a trace for its ledgers before you call `backward`: they follow the history, which `backward` frees.
#
# ## Eight units, thirty steps
#
# Now a layer as it is made: random weights, forget bias 3, random input, and a loss that reads $h_{30}$ alone. Each step has its ledger. How much of it is highway? We project: the share of a term is the part of it that points along the total, so that the six shares sum to 1.

# %%
deep = nn.LSTM(3, 8, forget_bias=3.0, rng=np.random.default_rng(0)).astype(np.float64)
x = np.random.default_rng(1).normal(size=(1, 30, 3))
out = deep(x)
flow = tl.trace(out.last.h.sum()).flow("C")


def share(term, whole):
    return float((term * whole).sum() / (whole * whole).sum())


per_step = []
for t in range(2, 31):
    terms = flow.ledger(t)
    per_step.append(share(terms["highway"], sum(terms.values())))
print(np.round(per_step[::-1], 2))
mean_share, product = float(np.mean(per_step)), float(np.prod(per_step))

# %% [markdown]
# From step 30 back to step 2, on average {{mean_share:.0%}} of what arrives at $C_{t-1}$ came by the highway, and in no step less than {{min(per_step):.0%}}. (More than 1 is possible: then the other ways point against the total.)
#
# **Predict.** Follow the highway alone, and nothing else, from $C_{30}$ to $C_1$: 29 steps. How long is what arrives, as a share of $|\partial L/\partial C_1|$?

# %%
my_guess = None

# %%
pure = flow.highway[1] / flow.norm[1]
projected = flow.highway_shares(1)[-1]
quiz.reveal(my_guess, pure)
print(f"|dL/dC_1| = {flow.norm[1]:.3f}, by the pure highway {flow.highway[1]:.4f}")
print(f"that is {pure:.1%} of its length; along the total {projected:.1%}")
assert mean_share > 0.9 and pure < 0.1

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{mean_share:.0%}} a step, and {{pure:.0%}} over 29 steps ({{projected:.1%}}, if again only the part along the total counts). Small losses compound: the product of the 29 shares is {{product:.1%}}. (It is not exactly the share of the product, since the
# total turns its direction from step to step.) Both numbers are true, and the one usually quoted is the first. Show both.
#
# </details>

# %%
flow.plot()

# %% [markdown]
# Above, the blue line is the whole gradient at each $C_t$ and the green one the pure highway: for a dozen steps they run together (where the highway is above, the other ways point against it), and then they part.
# Below, the ledger of each step. Its bars compare the lengths of the six terms; nothing is projected, so they are not the shares printed above.
#
# Where is the rest? On all ways that leave the highway somewhere and come back. Count the ways, op by op, from the loss to $C_t$:

# %%
ways = [flow.path_count(t) for t in (30, 29, 28, 27, 26, 1)]
print(ways)
growth = flow.path_count(1) / flow.path_count(2)
print(f"each step multiplies them by {growth:.6f}; (5 + √21) / 2 = {(5 + sqrt(21)) / 2:.6f}")

# %% [markdown]
# From $h_{30}$ there are {{ways[-1]:.1e}} ways back to $C_1$, and exactly one of them is the pure highway. The factor is the one that tutorial 1 has measured, and now it can be computed. Let $c$ ways arrive at $C_t$ and $d$ at $h_t$. $h_{t-1}$ is
# seen by $f$, $i$ and $\tilde C$, all on the way from $C_t$, and by $o$, on the way from $h_t$: $3c+d$ ways arrive there. At $C_{t-1}$ these arrive too, through $\tanh$, and the $c$ of the highway:
#
# $$d'=3c+d\qquad\quad c'=c+d'=4c+d$$
#
# Once the growth is steady, both are multiplied by the same $\lambda$: $\lambda c=4c+d$ and $\lambda d=3c+d$, so $(\lambda-4)(\lambda-1)=3$. The larger solution is $(5+\sqrt{21})/2$.
#
# The engine never walks the ways one by one (tutorial 1); but it can sort them. `highway_shares(1)` splits $\partial L/\partial C_1$ by how many of the 29 steps were taken on the highway:

# %%
shares = flow.highway_shares(1)
print("steps on the highway    share of dL/dC_1")
for k in range(29, 17, -1):
    print(f"{k:>20}    {shares[k]:+.3f}  {'█' * round(60 * max(shares[k], 0))}")
print(f"{'fewer':>20}    {shares[:18].sum():+.3f}")
assert abs(shares.sum() - 1) < 1e-9
most = int(shares.argmax())

# %% [markdown]
# The largest group uses the highway in {{most}} of 29 steps and another way in the rest. So the honest sentence is: the gradient goes back *mostly* along $C$, and *hardly any of it* only along $C$.
#
# ## When the highway is everything
#
# In 1997 there was no forget gate, and the gradient was cut at $h$. Both can be had by asking "what if": $f=1$ in every step, and $h$ passes its value on, but no gradient.

# %%
with what_if(f=1.0, h=detach):
    ideal = deep(x)
    carousel = tl.jacobian(ideal.last.C, ideal.steps[0].C)[0, :, 0]
exact = np.array_equal(carousel, np.eye(8))
print("∂C_30/∂C_1 is the identity, bit by bit:", exact)
assert exact

# %% [markdown]
# Here "the gradient on $C$ does not vanish" is a theorem, and this is what the inventors called the constant error carousel. `nn.LSTM1997Cell` is that cell (`nn.LSTM(3, 8, cell=nn.LSTM1997Cell)`). It had a price: a memory that cannot forget, so that three years later the forget gate came, and with it $\prod f$.
#
# ## The product in the textbook
#
# Many derivations write $\partial C_T/\partial C_k=\prod_t\big(D(f_t)+A_tB_{t-1}\big)$: each step the highway, plus the way out to $h_{t-1}$ by $B$ and back into $C_t$ through $f$, $i$ and $\tilde C$ by $A_t=\partial C_t/\partial h_{t-1}$. It looks complete. Let us build it.

# %%
H = 8
U = {gate: getattr(deep.cells[0][0], f"W_{gate}").numpy()[:H].T for gate in "fiCo"}
D = np.diag


def parts(t):
    step, before = out.steps[t - 1], out.steps[t - 2]
    f, i, new, o = (getattr(step, name).numpy()[0] for name in ("f", "i", "C_new", "o"))
    C, C_old, o_old = step.C.numpy()[0], before.C.numpy()[0], before.o.numpy()[0]
    A = D(C_old * f * (1 - f)) @ U["f"] + D(new * i * (1 - i)) @ U["i"] + D(i * (1 - new**2)) @ U["C"]
    K = D(np.tanh(C) * o * (1 - o)) @ U["o"]
    return D(f), A, D(o * (1 - np.tanh(C) ** 2)), D(o_old * (1 - np.tanh(C_old) ** 2)), K


def textbook(k, T=30):
    J = np.eye(H)
    for t in range(k + 1, T + 1):
        F, A, _, B_old, _ = parts(t)
        J = (F + A @ B_old) @ J
    return J


# %% [markdown]
# **Predict.** Over one step, from $C_{29}$ to $C_{30}$, this is exact. By how many percent is it off over ten, from $C_{20}$ to $C_{30}$? (The norm of the difference over the norm of the truth; the truth is `tl.jacobian`.)

# %%
my_guess = None

# %%
def off(J, k):
    truth = tl.jacobian(out.last.C, out.steps[k - 1].C)[0, :, 0]
    return float(np.linalg.norm(J - truth) / np.linalg.norm(truth))


errors = {30 - k: off(textbook(k), k) for k in (29, 28, 25, 20, 10)}
quiz.reveal(my_guess, 100 * errors[10])
for lag, error in errors.items():
    print(f"over {lag:>2} step{'s' if lag > 1 else ' '} the textbook product is off by {error:.1%}")
assert errors[1] < 1e-12 < 0.005 < errors[2]

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# One step is right; from two on something is missing. $h_{t-1}$ does not act through $C_t$ alone: it also sets the *output gate* of step $t$, and so $h_t$, and so the gates of step $t+1$. The way $C\to h\to o\to h\to$ gates passes a whole step without touching $C_t$, and a product of
# $C$-to-$C$ factors has no place for it. Two matrices must be carried, $J^C_t=\partial C_t/\partial C_k$ and $J^h_t=\partial h_t/\partial C_k$ (`J_C` and `J_h` below). With $F_t=D(f_t)$:
#
# $$J^C_k=I,\quad J^h_k=B_k,\qquad J^C_t=F_t\,J^C_{t-1}+A_t\,J^h_{t-1},\qquad J^h_t=B_t\,J^C_t+K_t\,J^h_{t-1},\qquad K_t=D\big(\tanh C_t\circ o(1-o)\big)\,U_o$$
#
# </details>

# %%
def recursion(k, T=30):
    J_C, J_h = np.eye(H), parts(k + 1)[3]
    for t in range(k + 1, T + 1):
        F, A, B, _, K = parts(t)
        J_C = F @ J_C + A @ J_h
        J_h = B @ J_C + K @ J_h
    return J_C


exact_errors = {30 - k: off(recursion(k), k) for k in (29, 28, 25, 20, 10, 1)}
print({lag: f"{error:.0e}" for lag, error in exact_errors.items()})
assert max(exact_errors.values()) < 1e-12

# %% [markdown]
# Exact at every distance. And where $K=0$, that is, where the output gate does not look at $h$, the textbook product is exact as well:

# %%
W_o, seeing = deep.cells[0][0].W_o, out
W_o.data = np.vstack([np.zeros((H, H)), W_o.numpy()[H:]])
U["o"], out = np.zeros((H, H)), deep(x)
blind_error = off(textbook(20), 20)
out = seeing
print(f"output gate blind for h: off by {blind_error:.0e}")
assert blind_error < 1e-12

# %% [markdown]
# That is the boundary of the formula.
#
# ## What C holds
#
# So much for the way back. Forward, $C_T$ can be taken apart without a remainder:
#
# $$C_T=\sum_t\Big(\prod_{k>t}f_k\Big)\circ i_t\circ\tilde C_t+\Big(\prod_k f_k\Big)\circ C_0$$

# %%
written = flow.written()
rest = np.abs(written.sum(axis=0) + flow.carried() - out.last.C.numpy()).max()
half = next(n for n in range(1, 31) if np.linalg.norm(written[-n:].sum(axis=0)) > 0.5 * np.linalg.norm(written.sum(axis=0)))
print(f"30 written parts and the initial state sum to C_30 to {rest:.0e}")
print(f"the last {half} steps alone make up half of its length")
assert rest < 1e-14

# %% [markdown]
# This is a statement about the *content* of the memory with the gates as they were. It does not say that step 3 "caused" its part alone: the gates that let it in and kept it have read $h$, too. Tutorial 4 has shown where the two differ.
#
# ## Exercises
#
# **5.1** A unit keeps with $f=0.9$ at ten steps and with $f=0.5$ at one. How much of a gradient at its $C$ is left along the pure highway over these eleven steps?

# %%
answer = None
quiz.check("5.1", answer)

# %% [markdown]
# **5.2** Write the term "through $f$" for any number of units. Given are $\partial L/\partial C_t$, $C_{t-1}$, $f_t$ and $B_{t-1}$, all of shape (hidden,), and `W_fh`, the rows of $h$ in $W_f$, of shape (hidden, hidden), so that the gate's pre-activation is `h @ W_fh + …`.

# %%
def through_f(dC, C_old, f, B_old, W_fh):
    return None


quiz.check("5.2", through_f)

# %% [markdown]
# **5.3** Leave out the forget gate, $C_t=C_{t-1}+i\circ\tilde C$, and do not cut $h$. The number of ways back, op by op, grows again by a fixed factor a step in the long run. Which? (Let $c$ ways arrive at $C_t$ and $d$ at $h_t$, and ask how many
# arrive at $C_{t-1}$ and $h_{t-1}$; or let the library count: `nn.NoForgetLSTMCell`.)

# %%
answer = None
quiz.check("5.3", answer)

# %% [markdown]
# ## What to take away
#
# $\partial L/\partial C_{t-1}$ is the sum of six terms, each of which you have computed by hand: highway, readout, and one through each of $f$, $i$, $\tilde C$ and $o$. A highway that carries nine tenths of a step can still carry a small part of the whole, since small losses compound; the rest is spread over an
# astronomical number of other ways. Only with $f=1$, and either $h$ cut or no recurrent weights, is $\partial C_T/\partial C_k=I$ in general, and the popular product for it drops a way through the output gate.
# The numbers here are those of one untrained layer; how they depend on the forget bias, and when the gradient on $C$ vanishes after all, is the next tutorial.
#
# ## References
#
# - S. Hochreiter, J. Schmidhuber (1997). *Long Short-Term Memory.* Neural Computation 9(8): the constant error carousel and the truncated gradient.
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to Forget: Continual Prediction with LSTM.* Neural Computation 12(10).
# - A. Graves, J. Schmidhuber (2005). *Framewise phoneme classification with bidirectional LSTM and other neural network architectures.* Neural Networks 18: the full, untruncated gradient.
