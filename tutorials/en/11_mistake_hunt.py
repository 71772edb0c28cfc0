# %% [markdown]
# # 11 · The mistake hunt
#
# **The question.** You wrote the backward pass of an LSTM by hand, the loss falls, the samples look better every minute. Is the gradient right?
#
# Here are three backward passes of a dozen lines. Each has one mistake, of a kind that has stood in public code and in the questions of those who wrote it. All of them run, and each can lower a loss. Find them, and learn what kind of evidence points to which line.
#
# You need tutorial 2 (what gradcheck is) and tutorial 5 (the ledger of $\partial L/\partial C$). It takes about 45 minutes.

# %%
from collections import namedtuple
from textwrap import fill

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, concat, nn, optim, quiz, sigmoid, split, tanh
from tinygrad_lstm.course.fingerprints import draw_fingerprints
from tinygrad_lstm.op import op
from tinygrad_lstm.testing import gradcheck

# %% [markdown]
# ## The scene
#
# One matrix `W` holds the weights of f, i, C̃ and o side by side, in this order. Most implementations do so, each in an order of its own:
#
# $$z = [h_{t-1} ; x_t] \cdot W + b, \qquad f, i, o = \sigma(z), \quad \tilde C = \tanh(z), \qquad C_t = f \circ C_{t-1} + i \circ \tilde C, \qquad h_t = o \circ \tanh C_t$$
#
# The ops of the library take arrays as well as Tensors. So this one forward pass serves the hand-written backward passes, which get arrays, and the autograd engine, which gets Tensors and gives us the truth.

# %%
Step = namedtuple("Step", "hx z f i C_new o C_old C h")


def forward(x, W, b):
    h = C = np.zeros((len(x), W.shape[1] // 4))
    steps = []
    for t in range(x.shape[1]):
        hx = concat(h, x[:, t])
        z = hx @ W + b
        z_f, z_i, z_C, z_o = split(z, 4)
        f, i, C_new, o = sigmoid(z_f), sigmoid(z_i), tanh(z_C), sigmoid(z_o)
        C_old, C = C, f * C + i * C_new
        h = o * tanh(C)
        steps.append(Step(hx, z, f, i, C_new, o, C_old, C, h))
    return steps

# %% [markdown]
# A backward pass gets the steps, `dh` = $\partial L/\partial h_T$ (the loss reads the last h alone) and `W`. It returns dW, db, and a trail: for each step the gradients of C, of h and of z, oldest step first.
#
# The smallest scene that shows all mistakes: 4 steps, 3 units, 2 inputs, one sequence. The weights are those of a layer of the library, so that its ledger can be asked later. The picture has two of the four steps: each suspect below loses or misplaces one of these arrows.

# %%
T, H = 4, 3
rng = np.random.default_rng(0)
lstm = nn.LSTM(2, H, rng=rng).astype(np.float64)
cell = lstm.cells[0][0]
W = np.concatenate([w.numpy() for w in (cell.W_f, cell.W_i, cell.W_C, cell.W_o)], axis=1)
b = np.concatenate([bias.numpy() for bias in (cell.b_f, cell.b_i, cell.b_C, cell.b_o)])
x = rng.normal(size=(1, T, 2))
steps, dh_end = forward(x, W, b), np.ones((1, H))

W_, b_ = Tensor(W, requires_grad=True), Tensor(b, requires_grad=True)
made = forward(x, W_, b_)
trace = tl.trace(made[-1].h, seed=dh_end)
exact = trace.grad(W_), trace.grad(b_), [(trace.grad(s.C), trace.grad(s.h), trace.grad(s.z)) for s in made]
flow = tl.trace(lstm(x).last.h.sum()).flow("C")
assert np.allclose([np.linalg.norm(dC) for dC, _, _ in exact[2]], flow.norm[1:])
tl.draw(flow.trace, steps=(3, 4), for_="notebook")

# %% [markdown]
# ## A case worked out
#
# Somebody moved weights from a library that keeps the gates in the order i, f, C̃, o. The forward pass was adapted, the backward pass was not:

# %%
def gate_order(steps, dh, W):
    dW, db, dC, trail = np.zeros_like(W), np.zeros(W.shape[1]), np.zeros_like(dh), []
    for s in reversed(steps):
        dC = dC + dh * s.o * (1 - np.tanh(s.C) ** 2)
        df, di, dC_new, do = dC * s.C_old, dC * s.C_new, dC * s.i, dh * np.tanh(s.C)
        dz = np.concatenate([di * s.i * (1 - s.i), df * s.f * (1 - s.f), dC_new * (1 - s.C_new**2), do * s.o * (1 - s.o)], axis=1)
        trail.append((dC, dh, dz))
        dW, db = dW + s.hx.T @ dz, db + dz.sum(axis=0)
        dh, dC = (dz @ W.T)[:, : dh.shape[1]], dC * s.f
    return dW, db, trail[::-1]

# %% [markdown]
# Two of the four blocks have changed places: `W` has {{W.size}} entries, and half of them belong to f and i.
#
# **Predict.** How many of the {{W.size}} entries of dW are wrong?

# %%
my_guess = None

# %% [markdown]
# `gradcheck` wants a function of Tensors. An op of our own is one: its forward is ours, and its rule is the backward pass to be judged.

# %%
def judged(backward):
    @op(backward.__name__, "h_T of a hand-written LSTM")
    def by_hand(W, b):
        return forward(x, W, b)[-1].h

    # one rule gives the gradients of all inputs at once
    by_hand.joint("by hand", lambda dy, y, W, b: backward(forward(x, W, b), dy, W)[:2])
    try:
        return gradcheck(by_hand, [W, b], order=1)
    except AssertionError as error:
        return str(error)


wrong = int((~np.isclose(gate_order(steps, dh_end, W)[0], exact[0], rtol=1e-6, atol=1e-9)).sum())
quiz.reveal(my_guess, wrong)
print(fill(judged(gate_order), 80))

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# `gradcheck` finds {{wrong}} of {{W.size}}. A mistake in two gates at the last step goes back through h into every gate of the step before, and all steps share one `W`. That is why staring at dW rarely helps: **the place where a number is wrong is not the place where it became wrong.** Go to the step where it began.
#
# </details>
#
# A *fingerprint* compares the trail with the truth, newest step first, then W and b. Each number is the distance of the two gradients in percent of the longer one; the darker, the farther off. (It exceeds a hundred where the two point apart.) Where there is no number, they agree to nine digits; W and b have none under C and h.

# %%
def off(got, want):
    return np.linalg.norm(got - want) / max(np.linalg.norm(got), np.linalg.norm(want), 1e-300)


def fingerprint(backward):
    """Rows: steps T … 1, then W and b. Columns: C, h, and f, i, C̃, o before their activation."""
    dW, db, trail = backward(steps, dh_end, W)
    rows = [
        [off(C, C_), off(h, h_), *map(off, np.split(z, 4, axis=1), np.split(z_, 4, axis=1))]
        for (C, h, z), (C_, h_, z_) in zip(trail[::-1], exact[2][::-1])
    ]
    return np.array(rows + [[np.nan, np.nan, *map(off, np.split(a, 4, -1), np.split(a_, 4, -1))] for a, a_ in ((dW, exact[0]), (db, exact[1]))])


draw_fingerprints({"gate_order": fingerprint(gate_order)})

# %% [markdown]
# Read it from the top. At step 4 the gradients of C and h are right, those of C̃ and o too; f and i are not. So the mistake lies between dC and dz, in these two gates. One look at the numbers:

# %%
got, want = gate_order(steps, dh_end, W)[2][-1][2], exact[2][-1][2]
print("got  f, i:", got[0, : 2 * H].round(4))
print("want f, i:", want[0, : 2 * H].round(4))
assert np.allclose(got[0, :H], want[0, H : 2 * H])

# %% [markdown]
# The right values in the wrong place: case solved. The order of work was: *is* it wrong (gradcheck), *where* does it begin (fingerprint, from the newest step), *what* is wrong there (the numbers).
#
# ## The three suspects
#
# Three people wrote these, each in a style of their own. Read them, but do not trust your eyes yet.

# %%
def suspect_1(steps, dh_next, W):
    hidden, dC_next = dh_next.shape[1], np.zeros_like(dh_next)
    dW, db, trail = 0, 0, []
    for hx, _, f, i, g, o, _, c, _ in reversed(steps):
        dh = dh_next
        dc = dC_next + o * dh * (1 - np.tanh(c) ** 2)
        do = dh * np.tanh(c) * o * (1 - o)
        df, di, dg = dc * c * f * (1 - f), dc * g * i * (1 - i), dc * i * (1 - g * g)
        dz = np.concatenate((df, di, dg, do), axis=1)
        dW, db = dW + hx.T @ dz, db + dz.sum(0)
        trail = [(dc, dh, dz), *trail]
        dh_next, dC_next = (dz @ W.T)[:, :hidden], f * dc
    return dW, db, trail

# %%
def suspect_2(steps, dh, W):
    slope = {"sigmoid": lambda y: y * (1 - y), "tanh": lambda y: 1 - y**2}
    dW, db, dC_next, trail = np.zeros_like(W), np.zeros(W.shape[1]), np.zeros_like(dh), []
    for t in range(len(steps) - 1, -1, -1):
        s, dC = steps[t], dC_next
        memory = np.tanh(s.C)
        dC = dh * s.o * slope["tanh"](memory)
        parts = dC * s.C_old * slope["sigmoid"](s.f), dC * s.C_new * slope["sigmoid"](s.i), dC * s.i * slope["tanh"](s.C_new)
        dz = np.hstack([*parts, dh * memory * slope["sigmoid"](s.o)])
        trail.insert(0, (dC, dh, dz))
        dW, db = dW + s.hx.T @ dz, db + dz.sum(0)
        dC_next = dC * s.f
        dh = (dz @ W.T)[:, : dh.shape[1]]
    return dW, db, trail

# %%
def suspect_3(steps, dh, W):
    dW, db, dC, trail = np.zeros_like(W), np.zeros(W.shape[1]), np.zeros_like(dh), []
    for s in reversed(steps):
        dC = dC + dh * s.o * (1 - np.tanh(s.C) ** 2)
        gates = dC * s.C_old, dC * s.C_new, dC * s.i, dh * np.tanh(s.C)
        slopes = s.f * (1 - s.f), s.i * (1 - s.i), 1 - s.C_new**2, s.o * (1 - s.o)
        dz = np.concatenate([d * slope for d, slope in zip(gates, slopes)], axis=1)
        trail = [(dC, dh, dz), *trail]
        dW, db, dC = dW + s.hx.T @ dz, db + dz.sum(axis=0), dC * s.f
        dh = np.zeros_like(dh)
    return dW, db, trail


suspects = [suspect_1, suspect_2, suspect_3]

# %% [markdown]
# ## First evidence: does the loss fall?
#
# The test that everybody makes first. A sequence opens with $+1$ or $-1$, noise follows, and after the last step the sum of h shall be the number that stood first. Always to answer 0 costs $1/2$. Each suspect trains 8 units by Adam with five seeds, which are the same weights and the same batches for all. Once the number must be kept for 3 steps, once for 20.

# %%
def train(backward, length, seed, hidden=8, batch=16):
    rng, start = np.random.default_rng(100 + seed), np.random.default_rng(seed)
    W = Tensor(start.normal(size=(hidden + 2, 4 * hidden)) / np.sqrt(hidden + 2), requires_grad=True)
    b = Tensor(np.repeat([1.0, 0.0, 0.0, 0.0], hidden), requires_grad=True)
    adam, losses = optim.Adam([W, b], lr=0.02), []
    for _ in range(200):
        x = rng.uniform(-1, 1, size=(batch, length, 2)) * [1, 0]
        x[:, 0] = np.stack([rng.choice([-1.0, 1.0], batch), np.ones(batch)], axis=1)
        run = forward(x, W.numpy(), b.numpy())
        error = run[-1].h.sum(axis=1) - x[:, 0, 0]
        losses.append(float((error**2).mean()) / 2)
        W.grad, b.grad, _ = backward(run, np.repeat(error[:, None] / batch, hidden, axis=1), W.numpy())
        adam.step()
    return np.mean(losses[-20:])

# %% [markdown]
# **Predict.** Over 20 steps that makes five trainings for each of three wrong gradients. How many of these trainings bring the loss below a tenth of $1/2$ within 200 updates?

# %%
my_guess = None

# %%
ends = np.array([[[train(suspect, length, seed) for seed in range(5)] for length in (3, 20)] for suspect in suspects])
learned = (ends < 0.05).sum(axis=2)  # of five seeds: (suspect, length)
g = np.concatenate([exact[0].ravel(), exact[1]])
given = [np.concatenate([part.ravel() for part in suspect(steps, dh_end, W)[:2]]) for suspect in suspects]
angles = [np.degrees(np.arccos(d @ g / np.linalg.norm(d) / np.linalg.norm(g))) for d in given]
quiz.reveal(my_guess, learned[:, 1].sum())
print("           angle  after 3 steps, seeds 0 to 4     after 20 steps, seeds 0 to 4")
for suspect, angle, rows in zip(suspects, angles, ends):
    print(f"{suspect.__name__}{angle:6.1f}°  " + "   ".join(" ".join(f"{loss:.3f}" for loss in row) for row in rows))
assert (learned[:, 0] == 5).all() and sorted(learned[:, 1]) == [0, 5, 5] and max(angles) < 90

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# Over 3 steps all learn, with every seed. Over 20 steps {{learned[:, 1].sum()}} of {{5 * len(learned)}} trainings succeed: two of the gradients with every seed, one with none. By *"it learns, so the gradient is right"* all would have been acquitted in the one case, and two in the other. One reason stands in the first column, measured on the small scene: the closest is off by {{min(angles):.1f}} degrees, the farthest by {{max(angles):.0f}}, and a small enough step downhill needs less than 90°. But that does not explain the one that never learns, whose angle is below 90° as well; and Adam, which trains here, rescales every entry, so its step is not even that direction.
#
# And the other way round, does a loss that stays where it is prove a mistake? In tutorial 0 all gradients were right, and over the longer sequences not one of the plain nets learned; most of the LSTMs did not, either.
#
# **A falling loss does not acquit, a standing one does not convict.** Only a comparison with an independent derivative does.
#
# </details>
#
# ## Second evidence: gradcheck

# %%
verdicts = [judged(backward) for backward in suspects]
for backward, verdict in zip(suspects, verdicts):
    print(fill(f"{backward.__name__}: {verdict[verdict.index('input') :]}", 80, subsequent_indent=" " * 11))
assert all("entries differ" in verdict for verdict in verdicts)

# %% [markdown]
# All are caught, at once, by central differences. What `gradcheck` does not say is where it began: it sees only what comes in and what goes out.
#
# ## Third evidence: the fingerprints

# %%
draw_fingerprints({suspect.__name__: fingerprint(suspect) for suspect in suspects})

# %% [markdown]
# How to read a fingerprint:
#
# - **One gate wrong in the top row**: the mistake is in that gate's own line. **Top row clean**: the mistake is in what one step hands to the next, or in what is summed.
# - **C wrong in the top row**: the way from h into C.
# - **Steps right, W wrong, b right**: nothing is wrong with the gradients; ask how they are added.
# - Everything below the first wrong row is a consequence. Do not search there.
#
# ## Fourth evidence: the ledger
#
# What a step hands on can be lost on two ways: along C, or through h. The ledger knows what each way carried into $C_3$. So take what a suspect lacks there, and see whether it has a name: what is left of the lack if the share of one way is taken off?

# %%
ledger = flow.ledger(4)
gates = ledger["f"] + ledger["i"] + ledger["C̃"] + ledger["o"]
print("  ".join(f"{path} {np.linalg.norm(share):.4f}" for path, share in ledger.items()))
print(f"f, i, C̃ and o together {np.linalg.norm(gates):.4f}\n")
print("              lacks   less the highway   less the gates")
for backward in suspects:
    lack = exact[2][2][0] - backward(steps, dh_end, W)[2][2][0]
    rest = [np.linalg.norm(lack - part) for part in (ledger["highway"], gates)]
    print(f"{backward.__name__} {np.linalg.norm(lack):9.4f} {rest[0]:18.4f} {rest[1]:16.4f}")

# %% [markdown]
# A zero in the last two columns is a confession: what is lacking is one term of the ledger, to the last digit.
#
# ## Exercises
#
# Name the mistake of suspects 1 and 2 by its letter.
#
# | | what was done |
# |---|---|
# | a | the gates stand in another order in the gradient than in W |
# | b | dC is overwritten, so that what came back along C is lost |
# | c | the forget gate's gradient takes $C_t$ in place of $C_{t-1}$ |
# | d | the slope of tanh is taken at $\tanh C$ in place of $C$ |
# | e | what came back through h from the next step's gates is dropped |
# | f | dW is overwritten, so that only one step of it remains |
# | g | the forget gate's gradient lacks the slope of σ |
# | h | the output gate's gradient lacks $\tanh C$ |
#
# **11.1** What did `suspect_1` do?

# %%
answer = None
quiz.check("11.1", answer)

# %% [markdown]
# **11.2** What did `suspect_2` do?

# %%
answer = None
quiz.check("11.2", answer)

# %% [markdown]
# **11.3** Repair `suspect_3`. It is tried on other sizes, with several sequences at once. (One published LSTM makes this "mistake" on purpose: which, and what does it gain by it?)

# %%
def repaired(steps, dh_end, W):
    return None


quiz.check("11.3", repaired)

# %% [markdown]
# ## What to take away
#
# A wrong gradient usually learns, and a right one may not: training is no test of a derivative. Central differences are, on a small net in float64, and they cost seconds. To find the line, compare step by step from the end of the sequence and stop at the first step that is off; below it all is consequence. Where this stops: central differences see the function that you wrote, so a mistake in the *forward* pass passes every gradcheck. Against that helps only a second implementation, or data whose answer you know.
#
# Your own cell can be judged by the same three steps: write its forward with the ops of the library, and let the engine be the witness. Or never write a backward pass again: [The compiler](12_the_compiler.ipynb) prints it for you. Those who like hunting plant a mistake of their own, d or f say, and have somebody else find it.
#
# ## References
#
# - P. J. Werbos (1990). *Backpropagation through time: what it does and how to do it.* Proceedings of the IEEE 78.
# - S. Hochreiter, J. Schmidhuber (1997). *Long short-term memory.* Neural Computation 9: the truncated gradient.
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to forget: continual prediction with LSTM.* Neural Computation 12.
