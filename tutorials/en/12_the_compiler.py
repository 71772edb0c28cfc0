# %% [markdown]
# # 12 · The compiler
#
# **The question.** You have a cell of your own. The picture shows where its gradient goes, and the ledger how much of it. But what is the *code* of its backward pass, the lines that somebody would have to write by hand? And could it be fast?
#
# You need tutorials 2 (the tape, the rules) and 4 (gates). About 35 minutes.

# %%
import time

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, concat, nn, quiz, sigmoid, tanh
from tinygrad_lstm.compile.values import LOOP, Values, graph_of, in_order
from tinygrad_lstm.compile.passes import PASSES
from tinygrad_lstm.compile.tape import record


class Mine(nn.Cell):
    """A minimal gated unit (Zhou, Wu, Zhang, Zhou 2016): one gate, which forgets and writes."""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.W_f, self.b_f = self.weight("W_f"), self.bias("b_f", 1.0)
        self.W_n, self.b_n = self.weight("W_n"), self.bias("b_n")

    def step(self, x, state):
        h = state.h
        f = sigmoid(concat(h, x) @ self.W_f + self.b_f).named("f")
        n = tanh(concat(f * h, x) @ self.W_n + self.b_n).named("n")
        return nn.Step(f=f, n=n, h=((1 - f) * h + f * n).named("h"))


cell = Mine(3, 4, rng=0)

# %% [markdown]
# ## The tape of one step
#
# A cell is composed from ops, and each op has written down what it computes and what it sends back. So one step is enough: whatever the step does, it does at every $t$. Run it once on random numbers and look at the tape.

# %%
step = record(cell, rows=11)
for tensor in step.made:
    print(f"{tensor.op.name:>8}  {tensor.scope or ''}{tensor.name or ''}")
print(f"{len(step.made)} ops")
x = np.random.default_rng(0).normal(size=(11, 1, 3))
tl.draw(nn.Recurrent(3, 4, cell=Mine, rng=0)(x).last.h.sum(), show="grad", parameters=False, for_="notebook")

# %% [markdown]
# {{len(step.made)}} ops. (In the picture a product and its bias share a box.) The order on the tape is the order of the forward pass; the backward pass visits them from the last to the first, in the picture from above, and asks each for its rules. A rule is a function of arrays. What if it is not given arrays, but *names*? Then `dy * b` does not become a number: it becomes the text `dh * n`.
#
# **Predict.** The printed backward pass of this cell: how many matrix products, `@`, stand in it? (Forward there are two.)

# %%
my_guess = None

# %%
text = tl.source(cell)
backward = text[text.index("def backward") :]
quiz.reveal(my_guess, backward.count(" @ "))
print(text)

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# Four: each of the two products has two inputs, and each input gets one, by the rules "dy · bᵀ" and "aᵀ · dy". Read the backward pass from the top down. It begins at `dh`, what comes from later steps and from the loss. Each line is the gradient of one tensor, the sum of what its users send, and its comment says which rule that is. Some lines have several terms: `f` is used three times, `h_prev` three times as well, `x` twice. Line by line this is the chain rule, and nothing else.
#
# </details>
#
# That is a program. It runs, and it agrees with the engine:

# %%
program = {}
exec(text, program)
rng = np.random.default_rng(1)
x, h = rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
weights = [p.numpy().astype(float) for p in cell.parameters()]
h_new, kept = program["forward"](x, h, *weights)
by_text = program["backward"](np.ones((2, 4)), kept, x, h, *weights)

double = Mine(3, 4, rng=0).astype(float)
leaves = [Tensor(x, requires_grad=True), Tensor(h, requires_grad=True), *double.parameters()]
by_engine = tl.grad(double.step(leaves[0], nn.RNNState(leaves[1])).h.sum(), leaves)
off = max(np.abs(a - b.numpy()).max() for a, b in zip(by_text, by_engine))
print(f"largest difference from the engine: {off:.0e}")
assert off < 1e-12

# %% [markdown]
# ## A loop, and what is slow in it
#
# For a whole sequence one puts a loop around `forward`, keeps what each step has kept, and goes back. That is what happens step by step, and there is much in it that need not be in the loop. A gate computes $[h\,;x]\,W$; but $[h\,;x]\,W = h\,W_h + x\,W_x$, and the second product does not need $h$: it can be done for *all* steps at once, in one large product. Large products are what a processor is good at.
#
# **Predict.** An LSTM has four gates with one product each. After that trick, and any other that leaves the result as it is: how many products have to stay in the loop?

# %%
my_guess = None

# %%
def in_the_loop(cell):
    """After each pass: how many ops are left in the loop, and how many of them are products."""
    values, step = Values(), record(cell, rows=11)
    _, graph = graph_of(step, values)
    rows = []
    for one in (None, *PASSES):
        graph = one(values, graph) if one else graph
        ops = [node.op for node in in_order(graph) if node.stage == LOOP and node.inputs and not node.columns]
        rows.append((one.__name__.replace("_", " ") if one else "as it is", len(ops), ops.count("matmul")))
    return rows


lstm = in_the_loop(nn.LSTMCell(3, 4))
quiz.reveal(my_guess, lstm[-1][2])
print("LSTM, after the pass    ops in the loop    products")
for name, ops, products in lstm:
    print(f"{name:<24}{ops:>15}{products:>12}")
assert lstm[-1][2] == 1

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# One: the four products with $h$ laid side by side. From {{lstm[0][1]}} ops in the loop to {{lstm[-1][1]}}, in a few passes, each of them a dozen lines that one can read (`tinygrad_lstm/compile/passes.py`):
#
# - **split products**: $[h\,;x]\,W$ becomes $h\,W_h + x\,W_x$;
# - **sort sums**: what is known before the loop is added up there, so that one term is left to be added in it;
# - **merge products**: products with the same left factor become one;
# - **widen**: the same op on neighbouring columns, such as three $\sigma$ of three gates, becomes one op.
#
# None of them changes what is computed, only where. (A sum in another order may differ in its last digit.)
#
# The way back has the same freedom. The gradient of a weight is a sum over all steps: keep what arrives at each step, and take *one* product behind the loop. And what does not depend on a gradient, such as $1-n^2$, is made for many steps at once, before the gradients come.
#
# </details>

# %%
print(tl.source(cell, sequence=True))

# %% [markdown]
# This is the very text that runs when you write `fused=True`. You need not read all of it. Look for the two loops over time: above the first stand the products with $x$ for all steps, `xs.reshape(…)`, and in it only two `np.matmul`; below the second stand the gradients of the weights, each *one* product. Most lines in the loops you know from the one-step text above: the names are the same, and so are the rules in the comments. (What has to do with `over` and `gone` is for rows of different lengths, tutorial 9.)
#
# In your cell one product is left in the loop that the LSTM does not have: $n$ needs $f\circ h$, and $f$ needs $h$. One after the other; no pass can change that. What must wait, waits.
#
# ## Your cell, timed
#
# The same net step by step, and fused. A clock's numbers belong to the machine, so only their order stands here.

# %%
net = nn.Recurrent(32, 32, cell=Mine, rng=0)
batch = np.random.default_rng(2).normal(size=(4, 100, 32)).astype(np.float32)
found, seconds = {}, {}
for fused in (False, True):
    net.fused = fused
    net(batch)  # compiled at the first use
    start = time.process_time()
    for _ in range(5):
        net.zero_grad()
        net(batch).h.sum().backward()
    seconds[fused] = time.process_time() - start
    found[fused] = [p.grad for p in net.parameters()]
off = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found[True], found[False]))
print("fused is at least twice as fast:", seconds[True] * 2 < seconds[False])
assert off < 1e-4 and seconds[True] < seconds[False]

# %% [markdown]
# ## What cannot be compiled
#
# A step that is not the same at every $t$ has no such text. It is refused, with the line, and not computed wrongly:

# %%
class Tired(Mine):
    calls = 0

    def step(self, x, state):
        self.calls += 1
        return nn.Step(h=super().step(x, state).h / self.calls)


class Moody(Mine):
    def step(self, x, state):
        h = super().step(x, state).h
        return nn.Step(h=h if h.numpy().mean() > 0 else -h)


for kind in (Tired, Moody):
    try:
        nn.Recurrent(3, 4, cell=kind, fused=True)
    except ValueError as error:
        print(f"{kind.__name__}: {error}\n")

# %% [markdown]
# The first counts its calls, so two runs of its step differ; the second wants to see a number before it decides. Step by step both of them run, and are traced and drawn as any other. That is the trade: a compiler sees one step and must believe that it has seen all.
#
# ## Exercises
#
# **12.1** The last line of `Mine` is $h' = (1-f)\,h + f\,n$. Given `dh_new`, write what it sends to `f`, `h` and `n`, as a tuple in this order. (Only by this line: not through $f$ and $n$ further on.)

# %%
def back(dh_new, f, h, n):
    return None


quiz.check("12.1", back)

# %% [markdown]
# **12.2** An LSTM with `32` features and `64` hidden units. What share of the multiplications of its products $[h\,;x]\,W$ can leave the loop? (A number from 0 to 1.)

# %%
answer = None
quiz.check("12.2", answer)

# %% [markdown]
# **12.3** `hs` (T, batch, hidden) are the states before each step, `da` (T, batch, n) what arrived at the product $h\,W_h$ in each. Write the gradient of $W_h$ (hidden, n) as *one* product, without a loop over time.

# %%
def gradient_of_W(hs, da):
    return None


quiz.check("12.3", gradient_of_W)

# %% [markdown]
# ## What to take away
#
# The backward pass of a cell is not a second thing that somebody must know: it follows from the step, line by line, by the rules of its ops. So it can be *derived*, printed, checked, and made fast without being written a second time. What makes it fast is where things are computed, not what: whatever does not wait for $h$ leaves the loop, and small products become large ones. What waits for $h$ is the recurrence itself, and that is left.
#
# ## References
#
# - R. E. Wengert (1964). *A simple automatic derivative evaluation program.* Communications of the ACM 7(8): the tape. A. Griewank, A. Walther (2008). *Evaluating Derivatives*, 2nd edition, SIAM.
# - P. J. Werbos (1990). *Backpropagation through time: what it does and how to do it.* Proceedings of the IEEE 78(10).
# - J. Appleyard, T. Kočiský, P. Blunsom (2016). *Optimizing Performance of Recurrent Neural Networks on GPUs.* arXiv:1604.01946: the passes, by hand, for an LSTM.
# - G.-B. Zhou, J. Wu, C.-L. Zhang, Z.-H. Zhou (2016). *Minimal Gated Unit for Recurrent Neural Networks.* International Journal of Automation and Computing 13(3).
