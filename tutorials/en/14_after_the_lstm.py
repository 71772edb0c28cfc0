# %% [markdown]
# # 14 · After the LSTM
#
# **The question.** In many of the nets that came after the LSTM the gates no longer see h. What is gained by that? And what can such a net not do any more?
#
# You need [5 · Follow C](05_follow_c.ipynb): the ways of the gradient, and the ledger. About 40 minutes.

# %%
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import nn, optim, quiz, sigmoid

# %% [markdown]
# ## One line
#
# Much of what came after the LSTM can be read as a change of one line,
#
# $$C_t = f_t ∘ C_{t-1} + i_t ∘ \tilde C_t .$$
#
# Its weak point is not the line but what feeds it: f, i and C̃ look at $h_{t-1}$, so step t cannot begin before step t − 1 has ended. *If the gates were known beforehand*, the line would be linear in C, and two steps would make one step of the same form. Then all steps can be done in rounds, and in each round a step reaches twice as far back. This is a *parallel scan*:

# %%
def scan(f, w):
    """All C_t of C_t = f_t ∘ C_{t−1} + w_t, from C_0 = 0; and the number of rounds."""
    rounds, reach = 0, 1
    while reach < len(f):
        w = np.concatenate([w[:reach], w[reach:] + f[reach:] * w[:-reach]])
        f = np.concatenate([f[:reach], f[reach:] * f[:-reach]])
        rounds, reach = rounds + 1, 2 * reach
    return w, rounds


# %% [markdown]
# **Predict.** How many rounds do 1,024 steps take?

# %%
my_guess = None

# %%
rng = np.random.default_rng(0)
f, w = rng.uniform(size=(1024, 4)), rng.normal(size=(1024, 4))
C, one_by_one = np.zeros(4), []
for t in range(1024):
    C = f[t] * C + w[t]
    one_by_one.append(C)
doubled, rounds = scan(f, w)
assert np.allclose(doubled, one_by_one, rtol=0, atol=1e-12)
quiz.reveal(my_guess, rounds)

x = rng.normal(size=(1, 50, 3)).astype(np.float32)
steps = nn.LSTM(3, 4, rng=0)(x).steps
gates = [np.array([getattr(step, name).numpy()[0] for step in steps]) for name in ("f", "i", "C_new", "C")]
again, _ = scan(gates[0], gates[1] * gates[2])
print(f"C of an LSTM from its gates, in rounds: off by {np.abs(again - gates[3]).max():.0e}")
assert np.allclose(again, gates[3], atol=1e-5)

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{rounds}} rounds instead of {{len(f):,}} steps, and within a round a parallel machine does everything at once. (In all it is more work than the loop; better scans combine only about twice as many pairs as the loop does, Blelloch 1990.) The second check takes the gates that an LSTM had: given these, its C comes out of the same scan. What cannot be had beforehand is the gates. So one asks what they need $h_{t-1}$ for.
#
# </details>
#
# ## What the line has become
#
# | name | the line becomes | gates see | why |
# |---|---|---|---|
# | LSTM (1997; forget gate 2000) | $C_t = f_t ∘ C_{t-1} + i_t ∘ \tilde C_t$ | $h_{t-1}, x_t$ | keep a gradient |
# | minLSTM (2024) | $C_t = f'_t ∘ C_{t-1} + i'_t ∘ \tilde C_t$ with $f' = \frac{f}{f+i}$, $i' = \frac{i}{f+i}$ | $x_t$ | a scan; no tanh |
# | minGRU (2024) | $C_t = (1-z_t) ∘ C_{t-1} + z_t ∘ \tilde C_t$ | $x_t$ | a scan, one gate |
# | sLSTM in xLSTM (2024) | the same line, $i = e^{\cdot}$, read as $C_t / n_t$, $n_t = f_t ∘ n_{t-1} + i_t$ | $h_{t-1}, x_t$ | revise what is stored |
# | mLSTM in xLSTM (2024) | $C_t = f_t C_{t-1} + i_t\, v_t k_t^⊤$, a matrix, read by $C_t q_t$ | $x_t$ | more memory, a scan |
# | S4 (2021) | $C_t = \bar A\, C_{t-1} + \bar B\, x_t$ | (no gates) | one long convolution |
# | Mamba (2023) | $C_t = e^{Δ_t A} ∘ C_{t-1} + \bar B_t\, x_t$ | $x_t$ | S4 that selects |
# | linear attention (2020) | $C_t = C_{t-1} + v_t k_t^⊤$ | (no gates) | attention with a fixed memory |
# | attention (2014, 2017) | no line: all $(k_s, v_s)$ are kept | $x_s, x_t$ | any step in one hop |
#
# Read down the second column. **Exponential gates** (sLSTM): with $i = e^{\cdot}$ a new write may weigh any number of times what is stored, and the normaliser $n_t$ keeps what is read in bounds. **Matrix memory** (mLSTM, linear attention): a vector of d numbers becomes d × d, written as an outer product of value and key and read with a query, so that several things lie side by side. **No gates at all** (S4): a fixed $\bar A$ makes each $C_t$ a sum of all inputs so far with weights that depend on their distance alone, a convolution; its starting values (HiPPO, 2020) are chosen so that the state sums up the past. **Gates from x alone** (minLSTM, minGRU, mLSTM, Mamba): a scan, with forgetting that depends on the input; in Mamba by a step width $Δ_t > 0$ that is computed from x. **Attention** folds nothing: what it holds grows with every step, and so does the work of a step. (Left out are what keeps numbers in range in mLSTM and linear attention, and whatever stands around the line.)
#
# How close they are is shown by a special case in the Mamba paper (its Theorem 1): with one state, $A = -1$, $B = 1$ and $Δ = \mathrm{softplus}(z) = \ln(1 + e^z)$, its step is a gate and nothing else. $e^{ΔA} = 1 - σ(z)$ and $\bar B = (e^{ΔA} - 1)\,B / A = σ(z)$, which is the line of minGRU:

# %%
z = np.linspace(-20, 20, 401)
delta = tl.softplus(z)
assert np.allclose(np.exp(-delta), 1 - sigmoid(z), rtol=0, atol=1e-12)
assert np.allclose(-np.expm1(-delta), sigmoid(z), rtol=0, atol=1e-12)

# %% [markdown]
# ## The way back, when gates see x alone
#
# Here is the minGRU as a cell of our own. Its state is h; there is no tanh, and no h but the one that is kept:

# %%
class MinGRU(nn.Cell):
    """z and n see x alone: h ← (1 − z) ∘ h + z ∘ n."""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.gate = nn.Linear(input_size, hidden_size, rng=self._rng)
        self.content = nn.Linear(input_size, hidden_size, rng=self._rng)

    def step(self, x, state):
        z = sigmoid(self.gate(x)).named("z")
        n = self.content(x).named("n")
        return nn.Step(z=z, n=n, h=((1 - z) * state.h + z * n).named("h"))


# %% [markdown]
# The ledger of an LSTM's C has six entries, that of a GRU's h five. Here there are four: the highway, what the loss reads there directly, z and n.
#
# **Predict.** We look from the last step to the one before. On how many of the four ways does any gradient come back?

# %%
my_guess = None

# %%
x, ledgers = np.random.default_rng(0).normal(size=(1, 6, 3)).astype(np.float32), {}
for kind, state in ((nn.LSTMCell, "C"), (nn.GRUCell, "h"), (MinGRU, "h")):
    net = nn.Recurrent(3, 4, cell=kind, rng=0)
    flow = tl.trace(net(x).last.h.sum()).flow(state)
    ledgers[kind.__name__] = {way: np.linalg.norm(share) for way, share in flow.ledger(6).items()}
open_ways = {name: sum(norm > 1e-12 for norm in ledger.values()) for name, ledger in ledgers.items()}
quiz.reveal(my_guess, open_ways["MinGRU"])
for name, ledger in ledgers.items():
    print(f"{name:9}" + "  ".join(f"{way} {norm:.3f}" for way, norm in ledger.items()))
tl.draw(flow.trace, steps=(5, 6), for_="notebook")

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# On {{open_ways["MinGRU"]}}: the highway, $(1 - z)$. The gates have no arrow to the h before. So what tutorial 5 had to add up, and tutorial 6 to estimate, is a product here, and it is exact: the gradient over many steps is the product of as many numbers $1 - z$ in each unit, neither more nor less. The LSTM of 1997 cut the ways through the gates to get there; here there is nothing to cut.
#
# That is the gain in the backward pass: within a layer the gradient can neither explode nor take a detour. Nor can it be rescued by one: what $1 - z$ lets go is gone.
#
# </details>
#
# ## Two cups
#
# And the price? A ball lies under one of two cups. At each step the cups are swapped, or they are not; where is the ball now? One bit of memory is enough, but it must be *changed* by what is seen, depending on what it is. Beside it an easier task: the ball's place is shown at the first step, then noise follows. That bit must only be kept.

# %%
def drawn(task, rng, length, rows):
    """x (rows, length, 2), and under which cup the ball is at each step: shown at first (“look”), or swapped."""
    bits = rng.integers(2, size=(rows, length))
    x = np.zeros((rows, length, 2), np.float32)
    if task == "swap":
        x[:, :, 0] = 2 * bits - 1
        return x, bits.cumsum(axis=1) % 2
    x[:, :, 0] = rng.normal(size=(rows, length))
    x[:, 0] = np.stack([2 * bits[:, 0] - 1, np.ones(rows)], axis=1)
    return x, np.repeat(bits[:, :1], length, axis=1)


def learned(task, kind, seed, length=12, updates=300):
    """The share of 500 new rows that is right at the last step, at the length of the training and at four times that."""
    rng = np.random.default_rng(seed)
    net, head = nn.Recurrent(2, 16, cell=kind, rng=seed, fused=True), nn.Linear(16, 2, rng=seed)
    adam = optim.Adam([*net.parameters(), *head.parameters()], lr=0.02)
    for _ in range(updates):
        x, ball = drawn(task, rng, length, 32)
        adam.zero_grad()
        nn.cross_entropy(head(net(x).h).reshape(-1, 2), ball.ravel()).backward()
        adam.step()
    shares = []
    for longer in (length, 4 * length):
        x, ball = drawn(task, np.random.default_rng(99), longer, 500)
        with tl.no_grad():
            answer = head(net(x).h).numpy()[:, -1].argmax(axis=1)
        shares.append((answer == ball[:, -1]).mean())
    return shares


# %% [markdown]
# Each net has 16 units, sees 12 steps, and after each step is told where the ball is.
#
# **Predict.** Of five minGRUs, how many learn to follow the swaps (less than one in a hundred wrong at step 12)?

# %%
my_guess = None

# %%
kinds, tasks = (nn.LSTMCell, MinGRU), ("look", "swap")
right = {(task, kind): np.array([learned(task, kind, seed) for seed in range(5)]) for task in tasks for kind in kinds}
quiz.reveal(my_guess, int((right["swap", MinGRU][:, 0] > 0.99).sum()))
print("task  cell      12 steps, seeds 0 to 4            48 steps")
for (task, kind), found in right.items():
    rows = ["  ".join(f"{share:4.0%}" for share in column) for column in found.T]
    print(f"{task:6}{kind.__name__:10}{rows[0]}     {rows[1]}")
assert (right["look", MinGRU][:, 0] > 0.99).all() and (right["swap", nn.LSTMCell] > 0.99).all()
assert (right["swap", MinGRU] < 0.7).all()

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# None; they guess, at both lengths and with all five seeds: {{right["swap", MinGRU].min():.0%}} to {{right["swap", MinGRU].max():.0%}}. The LSTM follows the cups with every seed, and goes on doing so at four times the length of its training. To keep what was shown is easy for both at 12 steps. At 48 the LSTM still has it (right in {{right["look", nn.LSTMCell][:, 1].min():.0%}} with the worst seed); the minGRUs have {{right["look", MinGRU][:, 1].min():.0%}} to {{right["look", MinGRU][:, 1].max():.0%}}. A z is never quite zero, so what was shown at first fades at each step by $1 - z$, and no way but the highway carries the bit.
#
# More training does not mend it. A unit of a minGRU does $h \mapsto (1-z)\,h + z\,n$ with z between 0 and 1, and z and n are the same whatever h is. Take two states, "left" and "right". Whichever of the two numbers is larger stays the larger one, and they come nearer to each other. But a swap has to exchange them. With gates that see h that is no problem: to a large h add something else than to a small one. (Units that forget at different rates can help one another out for some steps, not for ever.)
#
# Several layers can put the trouble off to longer rows. That it does not go away is proven: for two cups, as long as all $f ≥ 0$, for any number of layers and numbers of finite precision (Grazzi et al. 2024); and also for negative f, for a fixed number of layers of diagonal or fixed linear lines (S4, Mamba), for tasks such as five cups in any order and under a common assumption of complexity theory (Merrill, Petty and Sabharwal 2024). This is where the price of the scan is paid. For two cups there is a cheap way out: exercise 14.2.
#
# </details>
#
# ## When an LSTM is still the right choice
#
# Where the data come one step at a time, from a sensor or a microphone, and memory must stay fixed. Where data are few and sequences short. Where a small net must run on a small machine. And where a state must be *followed*. The first reasons hold for a minGRU or Mamba, too; the last does not.
#
# ## Exercises
#
# **14.1** `scan` combines pairs: in each round, every step that has one `reach` places before it, with that one. How many pairs are that for `1024` steps, in all rounds together? (The loop needs `1023`.)

# %%
answer = None
quiz.check("14.1", answer)

# %% [markdown]
# **14.2** Two cups with one unit, if f may be negative. `swaps` is an array of 0 and 1, one a step. Return f and w, two arrays of its length, such that $C_t = f_t\, C_{t-1} + w_t$ from $C_0 = 1$ is $1$ while the ball is where it was at first, and $-1$ while it is under the other cup. f and w of a step may depend on that step's swap alone.

# %%
def gates_of(swaps):
    return None


quiz.check("14.2", gates_of)

# %% [markdown]
# **14.3** The heart of every scan. A step (f, w) stands for $C \mapsto f ∘ C + w$. Write the one step that does what `first` and then `second` do.

# %%
def combine(first, second):
    return None


quiz.check("14.3", combine)

# %% [markdown]
# ## What to take away
#
# - What came later changes who may look at whom in $C_t = f ∘ C_{t-1} + i ∘ \tilde C$: less of it, and all steps can be computed at once.
# - Gates that see x alone leave the gradient one way back. That way is a product, exactly, and nothing else helps out.
# - What is lost is on the way forward: a state that decides what becomes of it. Two cups are enough to see it, in five nets of five.
#
# ## References
#
# - G. E. Blelloch (1990). *Prefix sums and their applications.*
# - S. Hochreiter, J. Schmidhuber (1997). *Long short-term memory.* F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to forget.*
# - D. Bahdanau, K. Cho, Y. Bengio (2014). *Neural machine translation by jointly learning to align and translate.* A. Vaswani et al. (2017). *Attention is all you need.*
# - A. Katharopoulos, A. Vyas, N. Pappas, F. Fleuret (2020). *Transformers are RNNs.*
# - A. Gu, T. Dao, S. Ermon, A. Rudra, C. Ré (2020). *HiPPO.* A. Gu, K. Goel, C. Ré (2021). *Efficiently modeling long sequences with structured state spaces.*
# - A. Gu, T. Dao (2023). *Mamba: Linear-time sequence modeling with selective state spaces.*
# - M. Beck et al. (2024). *xLSTM: Extended long short-term memory.*
# - L. Feng, F. Tung, M. O. Ahmed, Y. Bengio, H. Hajimirsadeghi (2024). *Were RNNs all we needed?* The minLSTM and the minGRU.
# - W. Merrill, J. Petty, A. Sabharwal (2024). *The illusion of state in state-space models.*
# - R. Grazzi et al. (2024). *Unlocking state-tracking in linear RNNs through negative eigenvalues.*
