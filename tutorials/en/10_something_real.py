# %% [markdown]
# # 10 · Something real
#
# **The question.** A small LSTM reads the source of Python's standard library for some seconds. Has it learned that an
# open bracket must be closed? Where does that knowledge sit? And would plain counting have predicted as well?
#
# Read before: [5 · Follow C](05_follow_c.ipynb) and [9 · Sequences in practice](09_sequences_in_practice.ipynb). Time:
# 60 minutes; a good place for a break is before the sunspots. The text is that of your own Python, and trained numbers differ from machine to machine. What is
# asserted of the net below held for eight seeds; the finer description is that of one run, and where yours differs,
# trust your pictures.

# %%
import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import quiz, tasks
from tinygrad_lstm import SequenceModel, evaluate, fit, make_optimizer

plt.style.use("tinygrad_lstm.drawn")

# %% [markdown]
# ## A text, and what counting knows of it
#
# The task is to predict the next character. The last tenth of the text is held out.

# %%
text = tasks.stdlib()
tokens, V = text.encode(text.text), len(text.vocabulary)
cut = len(tokens) - round(len(tokens) * text.held_out)
train, test = tokens[:cut], tokens[cut:]
print(f"{len(train):,} characters to learn from, {len(test):,} held out, {V} different ones")
print(text.text[200_000:200_300])

# %% [markdown]
# Before any net, the honest baseline. How many bits does a held-out character cost if one merely counts what came after
# the last n characters in the training part? A long context is precise and rarely seen; so each count is mixed with
# what the shorter contexts say, which weighs as much as ten observations:
#
# $$p_n(c) = \frac{\mathrm{count}(\mathrm{context}_n, c) + 10\, p_{n-1}(c)}{\mathrm{count}(\mathrm{context}_n) + 10}, \qquad p_{-1} = \frac1V$$

# %%
def key(x, n):
    """One number for the n characters before each place."""
    return sum((np.append(np.zeros(k, int), x[:-k]) * V ** (k - 1) for k in range(1, n + 1)), np.zeros(len(x), int))


def count(seen, asked):
    kinds, times = np.unique(seen, return_counts=True)
    place = np.searchsorted(kinds, asked).clip(max=len(kinds) - 1)
    return np.where(kinds[place] == asked, times[place], 0)


p, counted = 1 / V, []
for n in range(6):
    before, asked = key(train, n), key(test, n)
    p = (count(before * V + train, asked * V + test) + 10 * p) / (count(before, asked) + 10)
    counted.append(-np.log2(p).mean())
    print(f"{n} characters of context: {counted[n]:.2f} bits a character")
stored = len(np.unique(before * V + train))

# %% [markdown]
# Guessing evenly would cost $\log_2 V$, {{np.log2(V):.1f}} bits. With no context (letter frequencies, a unigram model)
# it is {{counted[0]:.1f}}; with one character (a bigram model) {{counted[1]:.1f}}.
#
# Now the net: 96 units, 600 steps of 16 rows times {{text.steps}} characters, and 200 more with a smaller learning
# rate. The state is carried from chunk to chunk.
#
# **Predict.** How many bits will a held-out character cost it?

# %%
my_guess = None

# %%
model = SequenceModel.for_task(text, hidden=96, seed=0)
model.rnn.fused = True
optimizer = make_optimizer("adam", model, 0.01, global_clipnorm=1.0)
quick = fit(model, text, steps=600, batch=16, optimizer=optimizer, record=100, progress=False)
optimizer.lr = 0.002
fine = fit(model, text, steps=200, batch=16, optimizer=optimizer, record=100, progress=False)
net_bits = evaluate(model, text).loss / np.log(2)
quiz.reveal(my_guess, net_bits)
assert net_bits < counted[1] and min(counted) < net_bits + 0.3

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# The net needs {{net_bits:.1f}} bits. That beats letters and pairs of letters by far. Counting with longer contexts
# comes down to {{min(counted):.1f}}: as good as the net, or better.
#
# The comparison has two sides. With five characters of context, counting had to store {{stored:,}} different
# continuations; the net has {{sum(w.size for w in model.parameters()):,}} parameters and was stopped after some
# seconds. But *a neural net beats counting* is no law. It takes time and size to get there, and whoever compares a net
# with letter frequencies alone has shown little.
#
# </details>

# %%
model.eval()
model.rnn.fused = False
sample = model.generate(text.encode("    def "), 240, np.random.default_rng(0), temperature=0.7)
print("    def " + text.decode(sample))

# %% [markdown]
# It has learned what Python looks like. Looking like it is cheap. So we ask for one thing that needs a memory.
#
# ## Who carries the bracket?
#
# After `    return len(self.name` a `)` may come, after `    return self.name` it may not. The last nine characters are
# the same; the lines differ further back.
#
# **Predict.** How many times as likely does the net hold `)` in the first line (geometric mean over five names)?

# %%
my_guess = None

# %%
names = ("name", "path", "value", "_data", "size")


def chance(line, character):
    with tl.no_grad():
        logits = model(text.encode(line)[None]).y[0, -1]
    return tl.softmax(logits).numpy()[text.vocabulary.index(character)]


ratio = np.exp(np.mean([np.log(chance(f"    return len(self.{n}", ")") / chance(f"    return self.{n}", ")")) for n in names]))
quiz.reveal(my_guess, ratio)
for name in names:
    inside, outside = (chance(f"    return {call}self.{name}", ")") for call in ("len(", ""))
    print(f"{name:6} ')' inside a bracket {inside:6.1%}, without one {outside:6.1%}")
assert ratio > 1

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# The net knows, in the run described here by a factor of {{ratio:.0f}}. (With another seed or another text it may have
# learned much less of it in so short a time.) To see where, go back from the loss of that `)` and look at ∂L/∂C under each character.
#
# </details>

# %%
line = "    return len(self.name"
shown = list(line.replace(" ", "·"))
loss = tl.nn.cross_entropy(model(text.encode(line)[None]).y[:, -1], text.encode(")"))
flow = tl.trace(loss).flow("C")
at = line.index("(") + 1
print(f"‖∂L/∂C‖ after the bracket: {flow.norm[at]:.3f}, before it: {flow.norm[at - 1]:.3f}")
tl.draw(flow.trace, view="strip", labels=shown)

# %% [markdown]
# Follow the first row from right to left. In the run described here the gradient passes `self.name` with little loss and
# reaches the `(`. There it falls: what C held before the bracket hardly matters for the closing one.
#
# ## Three questions that are easily taken for one
#
# The gradient says what a *small change* of C would do. `flow.weights()` says what each character *wrote* into C, as
# the forget gates have left it, times the gradient at the end. And an erasure says what *happens* if the cell writes
# nothing at one character: C̃ set to 0 there, the rest of the line read as always.

# %%
def erased(line, target):
    """By how much the loss of `target` grows if C̃ is 0 at one character, for each character."""
    tokens, rows = text.encode(line), np.arange(len(line) + 1)[:, None]

    def silence(C_new):
        t = int(C_new.scope.split("t=")[1].split("/")[0])
        return C_new * (rows != t - 1)

    with tl.no_grad(), tl.what_if({"C̃": silence}):
        logits = model(np.repeat(tokens[None], len(line) + 1, axis=0)).y[:, -1]
    losses = -tl.log_softmax(logits).numpy()[:, text.vocabulary.index(target)]
    return losses[:-1] - losses[-1]


without = erased(line, ")")
figure, rows = plt.subplots(3, 1, figsize=(9, 4.5), sharex=True, layout="constrained")
written = -flow.weights()
three = {"gradient ‖∂L/∂C‖": flow.norm[1:], "written, for ')'": written, "loss if erased": without}
for ax, (name, values) in zip(rows, three.items(), strict=True):
    ax.bar(range(len(line)), values, color="#1f4e79")
    ax.set_ylabel(name)
    ax.axhline(0, color="black", linewidth=0.5)
rows[-1].set_xticks(range(len(line)), shown)
plt.show()
assert written[at - 1] > np.abs(written[: at - 1]).max()

# %% [markdown]
# What the `(` wrote speaks for `)`, more than anything written before it, and erasing it costs much. The dot and the
# letters of the name weigh as well, and erasing a letter can cost more than erasing the bracket: not because it holds
# the bracket, but because a net that no longer knows which word it is in no longer expects the word to end. An erasure
# shows all that hangs on a character. Only the comparison of the two lines is about the bracket alone.
#
# And the fall of the gradient is one way among others. The net described here *replaces* something at the `(`: it
# forgets, and writes. Other trainings of the same net *add* the bracket to what a unit holds. Then the gradient runs on to the left
# through an open gate, the first row shows no step at all, and only the second one points at the bracket. So never
# conclude from one of the three alone.
#
# ## Did the forget gate open?
#
# The net has learned to keep something for ten steps. The forget bias was 1, so the gates began near $σ(1)$,
# {{tl.sigmoid(np.array(1.0)):.2f}}.
#
# **Predict.** What is their mean after training?

# %%
my_guess = None

# %%
looks = [*quick.record.steps, *(600 + step for step in fine.record.steps[1:])]
mean_f, where_needed = (
    np.concatenate([quick.record[name], fine.record[name][1:]]).mean(axis=1) for name in ("f", "f∘∂C")
)
quiz.reveal(my_guess, mean_f[-1])
kept = [np.linalg.norm(flow.ledger(t)["highway"]) / flow.norm[t] for t in range(1, flow.T + 1)]
units = [float(next(x for x in flow.named(t) if x.name == "f").numpy().mean()) for t in range(1, flow.T + 1)]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained", width_ratios=[2, 3])
left.plot(looks, mean_f, "o-", label="mean of f")
left.plot(looks, where_needed, "s-", label="‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖")
left.set(xlabel="training step", ylim=(0, 1.05))
left.legend(loc="lower left")
right.plot(units, "o-", label="mean of f over all units")
right.plot(kept, "s-", label="‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖")
right.set_xticks(range(len(line)), shown)
right.set_ylim(0, 1.05)
right.legend(loc="lower left")
plt.show()
inner = kept[at:-1]
print(f"‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖ inside the bracket: {np.mean(inner):.2f}, under the bracket itself: {kept[at - 1]:.2f}")
assert mean_f[-1] < 0.85

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# *A net that remembers has open forget gates* is wrong, or at least says nothing about the mean: it went from
# {{mean_f[0]:.2f}} to {{mean_f[-1]:.2f}}. Most of the {{model.config()["hidden"]}} units have no reason to keep
# anything; they follow the current word.
#
# On the right the same question is asked of the units that the gradient of this one `)` runs through. Inside the
# bracket f, weighted by that gradient, is mostly close to 1, far above the mean. Under the `(` itself it falls nearly
# to 0 where the net replaces: there it throws away what the unit held, and writes anew. Open where something is kept, shut where it is replaced: that is what
# a forget gate is for, and it takes the gradient to see it.
#
# </details>
#
# ## What it has not learned
#
# A demonstration that only shows successes is an advertisement. Three short tests:

# %%
def among_names(before, character):
    return np.exp(np.mean([np.log(chance(f"{before}self.{name}", character)) for name in names]))


for opened in "([{":
    row = [f"{character} {among_names(f'    x = call{opened}', character):6.2%}" for character in ")]}"]
    print(f"{text.text.count(opened):6,} {opened} in the text; after an open one the net expects  " + "  ".join(row))
print()
for before in ("len(self.name)", "len(int(self.name)", "len(int(abs(self.name)"):
    print(f"return {before:24} one more ')': {chance('    return ' + before, ')'):.1%}")

# %%
repeats = 8 * np.arange(26)
figure, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
for call in ("len(", ""):
    start = f"    return {call}self."
    with tl.no_grad():
        p = tl.softmax(model(text.encode(start + "name_of_" * 26)[None]).y[0]).numpy()
    after_name = len(start) + 3 + repeats
    ax.plot(9 + repeats, p[after_name, text.vocabulary.index(")")], ".-", label=f"return {call}self.name_of_name_of_…name")
ax.axvline(text.steps, color="grey", linestyle=":")
ax.set(xlabel="characters since the bracket, or since its place", ylabel="probability of ')'")
ax.set_ylim(bottom=0)
ax.legend()
plt.show()

# %% [markdown]
# - *Which bracket.* After an open `[` the net should expect `]`, and after `{` expect `}`. Ours expects `)` most after each
#   of the three: round brackets are the most frequent, and what it has is mostly a feeling for `)`.
# - *How many.* In the three printed lines none, one and two brackets are still open. A net that counts would give the
#   first line a chance of its own.
# - *For how long.* Where the two curves meet, the net no longer knows whether there was a bracket; and where the lower
#   one rises, it begins to believe in one that never was. The dotted line stands at the chunk of {{text.steps}}
#   characters: no gradient of the training has ever run further. What holds beyond it is the work of gates that go on
#   as they did within.
#
# More time and size would help with all three. The tests are worth asking of a large model too.
#
# ## A series: sunspots
#
# Sunspots come in waves of about eleven years. The yearly numbers from 1700 to 2008 ship with the package; the last
# fifth is held out. Two naive forecasts: *the same as last year*, and *the same as eleven years ago*. And a classic,
# Yule's autoregression: a weighted sum of the last p years, fitted by least squares.
#
# The LSTM reads 24 years and predicts the next.
#
# **Predict.** What is its error, as a share of the error of "same as last year"? (Root mean square, held-out years.)

# %%
my_guess = None

# %%
series = tasks.series(window=24)
values = series.values
first = len(values) - round(len(values) * series.held_out)
true = values[first:]


def rms(prediction):
    return np.sqrt(np.mean((prediction - true) ** 2))


def linear(p):
    """Least squares on the training years, with the last p values and a constant."""
    table = np.lib.stride_tricks.sliding_window_view(values, p + 1)
    inputs, goals = np.insert(table[:, :-1], 0, 1.0, axis=1), table[:, -1]
    fitted = np.linalg.lstsq(inputs[: first - p], goals[: first - p])[0]
    return inputs[first - p :] @ fitted


past = np.array([values[year - 24 : year] for year in range(first, len(values))])
forecasts = {"last year": values[first - 1 : -1], "11 years ago": values[first - 11 : -11]}
forecasts |= {f"linear, {p} years": linear(p) for p in (2, 9, 24)}
for seed in range(5):
    net = SequenceModel.for_task(series, hidden=16, seed=seed)
    net.rnn.fused = True
    fit(net, series, steps=300, seed=seed, optimizer=make_optimizer("adam", net, global_clipnorm=1.0), progress=False)
    with tl.no_grad():
        forecasts[f"LSTM, seed {seed}"] = series.decode(net(series.encode(past.ravel()).reshape(-1, 24, 1)).y.numpy()[:, -1])
errors = {name: rms(prediction) for name, prediction in forecasts.items()}
best, *_, worst = sorted(error for name, error in errors.items() if name.startswith("LSTM"))
quiz.reveal(my_guess, errors["LSTM, seed 0"] / errors["last year"])
print("\n".join(f"{name:18} {error:5.1f}" for name, error in errors.items()))
figure, ax = plt.subplots(figsize=(9, 3), layout="constrained")
ax.plot(range(1700 + first, 2009), true, "k", label="measured")
for name in ("LSTM, seed 0", "linear, 9 years"):
    ax.plot(range(1700 + first, 2009), forecasts[name], ".--", label=name)
ax.set_ylabel("sunspot number")
ax.legend()
plt.show()
assert errors["LSTM, seed 0"] < 0.8 * errors["last year"] < errors["11 years ago"]

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# The net makes about {{errors["LSTM, seed 0"] / errors["last year"]:.0%}} of the error of "same as last year". (And
# eleven years ago is a worse guess than last year, since the waves are not that regular.) Against the naive forecasts
# alone this looks like a success. But ten fitted numbers, from nine years and a constant, do it as well:
# {{errors["linear, 9 years"]:.1f}} against {{best:.1f}} to {{worst:.1f}} over five seeds, with {{len(true)}} held-out
# years. With {{first}} numbers to learn from, that is what one should expect. So: several seeds, and a linear model
# beside every net.
#
# </details>
#
# ## What a bigger tool would do next
#
# Everything after the LSTM can be read as a change of one line,
#
# $$C_t = f_t ∘ C_{t-1} + i_t ∘ \tilde C_t .$$
#
# Its weak point is not the line but what feeds it: f, i and C̃ look at $h_{t-1}$, so step t cannot begin before step t
# − 1 has ended. *If the gates were known beforehand*, the line would be linear in C, and two steps would make one step
# of the same form. Then all steps can be done in rounds, by doubling:

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

steps = model(text.encode(line)[None]).out.steps
gates = [np.array([getattr(step, name).numpy()[0] for step in steps]) for name in ("f", "i", "C_new", "C")]
again, _ = scan(gates[0], gates[1] * gates[2])
print(f"C of our net from its gates, by doubling: off by {np.abs(again - gates[3]).max():.0e}")
assert np.allclose(again, gates[3], atol=1e-5)

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{rounds}} rounds instead of {{len(f):,}} steps, and within a round a parallel machine does everything at once.
# (Doubling does more work in all than the loop; better scans need not, Blelloch 1990.) The second check takes the gates
# that our net had on the line above: given these, its C comes out of the same scan. What cannot be had beforehand is
# the gates. So one asks what they need $h_{t-1}$ for.
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
# Read down the second column. **Exponential gates** (sLSTM): with $i = e^{\cdot}$ a new write may weigh any number of
# times what is stored, and the normaliser $n_t$ keeps what is read in bounds. **Matrix memory** (mLSTM, linear
# attention): a vector of d numbers becomes d × d, written as an outer product of value and key and read with a query,
# so that several things lie side by side. **No gates at all** (S4): a fixed $\bar A$ makes the whole sequence a
# convolution, and its starting values (HiPPO, 2020) are chosen so that the state sums up the past. **Gates from x
# alone** (minLSTM, mLSTM, Mamba): a scan, with forgetting that depends on the input. **Attention** folds nothing: what
# it holds grows with every step, and so does the work of a step.
#
# How close they are is shown by a special case in the Mamba paper (its Theorem 1): with one state, $A = -1$, $B = 1$
# and $Δ = \mathrm{softplus}(z)$, its step is a gate and nothing else.
#
# </details>

# %%
z = np.linspace(-20, 20, 401)
delta = tl.softplus(z)
assert np.allclose(np.exp(-delta), 1 - tl.sigmoid(z), rtol=0, atol=1e-12)
assert np.allclose(-np.expm1(-delta), tl.sigmoid(z), rtol=0, atol=1e-12)

# %% [markdown]
# $e^{ΔA} = 1 - σ(z)$ and $\bar B = σ(z)$: that is the line of minGRU.
#
# **When an LSTM is still the right choice.** Where the data come one step at a time, from a sensor or a microphone, and
# memory must stay fixed. Where data are few and sequences short. Where a small net must run on a small machine. And
# where a state must be *followed*, such as the order of five cups through a long row of swaps. Gates that see $h_{t-1}$
# can do that; for a fixed number of layers of diagonal or fixed linear lines (S4, Mamba) it is proven, under a common
# assumption of complexity theory, that they cannot at every length (Merrill, Petty and Sabharwal 2024). This is where
# the price of the scan is paid.
#
# ## Exercises
#
# **10.1** A net's loss is `1.7` nats a character. How many bits does it take to store a text of `1000` characters with
# its predictions?

# %%
answer = None
quiz.check("10.1", answer)

# %% [markdown]
# **10.2** Write the bigram baseline. `train` and `test` are arrays of tokens, whole numbers below V, one a character.
# Each token of `test[1:]` is predicted from the one before it: how many bits does it cost on average? Count pairs in
# `train`, and add 1 to each of the V × V counts.

# %%
def bigram_bits(train, test, V):
    return None


quiz.check("10.2", bigram_bits)

# %% [markdown]
# **10.3** The heart of every scan. A step (f, w) stands for $C \mapsto f ∘ C + w$. Write the one step that does what
# `first` and then `second` do.

# %%
def combine(first, second):
    return None


quiz.check("10.3", combine)

# %% [markdown]
# ## What to take away
#
# - Put a count model beside every language model and a linear one beside every forecast. Here both held their own.
# - The `(` is noted in C and carried by open gates. Gradient, written and erased answer different questions, and may
#   disagree; a contrast of two lines answers the one you mean.
# - Means over all units hide what is learned. The forget gate is open in the units and at the steps where something is
#   kept.
# - What came later changes who may look at whom in $C_t = f ∘ C_{t-1} + i ∘ \tilde C$: less of it, and all steps can be
#   computed at once.
#
# These are one net, one text and some seconds; another seed gives other units and other failures. [The mistake
# hunt](11_mistake_hunt.ipynb) comes next: it shows broken nets, and asks you what is wrong.
#
# ## References
#
# - G. U. Yule (1927). *On a method of investigating periodicities in disturbed series, with special reference to
#   Wolfer's sunspot numbers.*
# - C. E. Shannon (1951). *Prediction and entropy of printed English.*
# - S. Hochreiter, J. Schmidhuber (1997). *Long short-term memory.* F. A. Gers, J. Schmidhuber, F. Cummins (2000).
#   *Learning to forget.*
# - D. Bahdanau, K. Cho, Y. Bengio (2014). *Neural machine translation by jointly learning to align and translate.* A.
#   Vaswani et al. (2017). *Attention is all you need.*
# - G. E. Blelloch (1990). *Prefix sums and their applications.*
# - A. Katharopoulos, A. Vyas, N. Pappas, F. Fleuret (2020). *Transformers are RNNs.*
# - A. Gu, T. Dao, S. Ermon, A. Rudra, C. Ré (2020). *HiPPO.* A. Gu, K. Goel, C. Ré (2021). *Efficiently modeling long
#   sequences with structured state spaces.*
# - A. Gu, T. Dao (2023). *Mamba: Linear-time sequence modeling with selective state spaces.*
# - M. Beck et al. (2024). *xLSTM: Extended long short-term memory.*
# - L. Feng, F. Tung, M. O. Ahmed, Y. Bengio, H. Hajimirsadeghi (2024). *Were RNNs all we needed?* The minLSTM and the
#   minGRU.
# - W. Merrill, J. Petty, A. Sabharwal (2024). *The illusion of state in state-space models.*
# - The sunspot numbers: WDC-SILSO, Royal Observatory of Belgium, Brussels.
