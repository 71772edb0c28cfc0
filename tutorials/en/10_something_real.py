# %% [markdown]
# # 10 · Something real
#
# **The question.** A small LSTM reads the source of Python's standard library for some seconds. Has it learned that an
# open bracket must be closed? Where does that knowledge sit? And would plain counting have predicted as well?
#
# Read before: [5 · Follow C](05_follow_c.ipynb) and [9 · Sequences in practice](09_sequences_in_practice.ipynb). Time:
# 45 minutes. The text is that of your own Python, and trained numbers differ from machine to machine. We look closely at
# one net; where yours differs from what is told, trust your pictures. What four other seeds gave stands in a table near
# the end.

# %%
import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import quiz, tasks
from tinygrad_lstm import SequenceModel, evaluate, fit, make_optimizer
from tinygrad_lstm.course.longer_runs import measured

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
# Before any net, the honest baseline. A character to which a model gave the probability p costs $-\log_2 p$ bits: that
# many it would take to store it. How many does a held-out character cost on average if one merely counts what came after
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
# rate. The state is carried from chunk to chunk. (Its loss is in nats, with ln in place of $\log_2$; over ln 2 it is in bits.)
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
# (`temperature` divides the logits before the softmax: below 1, what is likely is drawn more often still.) It has learned
# what Python looks like. Looking like it is cheap. So we ask for one thing that needs a memory.
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
# The net knows, in the run described here by a factor of {{ratio:.0f}}.
#
# </details>
#
# To see where it has noted the bracket, go back from the loss of that `)` and look at ∂L/∂C under each character.

# %%
line = "    return len(self.name"
shown = list(line.replace(" ", "·"))
loss = tl.nn.cross_entropy(model(text.encode(line)[None]).y[:, -1], text.encode(")"))
flow = tl.trace(loss).flow("C")
at = line.index("(") + 1
print(f"‖∂L/∂C‖ after the bracket: {flow.norm[at]:.3f}, before it: {flow.norm[at - 1]:.3f}")
tl.draw(flow.trace, view="strip", labels=shown)

# %% [markdown]
# Follow the first row from right to left. In the run described here the gradient comes through
# `self.name` and reaches the `(` with {{flow.norm[at] / flow.norm[-1]:.0%}} of its norm. There it falls to {{flow.norm[at - 1] / flow.norm[-1]:.0%}}:
# what C held before the bracket hardly matters for the closing one.
#
# ## Three questions that are easily taken for one
#
# The gradient says what a *small change* of C would do. `flow.weights()` says what each character *wrote* into C, as
# the forget gates have left it, times the gradient at the end; we turn its sign, so that what lowers the loss, and so
# speaks for `)`, points up. And an erasure says what *happens* if the cell writes
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
three = {"gradient ‖∂L/∂C‖": flow.norm[1:], "written, for ')'": written, "Δ loss if erased": without}
for ax, (name, values) in zip(rows, three.items(), strict=True):
    ax.bar(range(len(line)), values, color="#1f4e79")
    ax.set_ylabel(name)
    ax.axhline(0, color="black", linewidth=0.5)
rows[-1].set_xticks(range(len(line)), shown)
plt.show()
assert written[at - 1] > np.abs(written[: at - 1]).max()

# %% [markdown]
# What the `(` wrote speaks for `)`, more than anything written before it, and erasing it costs much. Letters
# after it weigh as well, and erasing one of them can cost more than erasing the bracket: not because it holds
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
mean_f = quick.record["f"][0].mean(), fine.record["f"][-1].mean()
quiz.reveal(my_guess, mean_f[1])
kept = [np.linalg.norm(flow.ledger(t)["highway"]) / flow.norm[t] for t in range(1, flow.T + 1)]
units = [float(next(x for x in flow.named(t) if x.name == "f").numpy().mean()) for t in range(1, flow.T + 1)]
figure, ax = plt.subplots(figsize=(8, 3), layout="constrained")
ax.plot(units, "o-", label="mean of f over all units")
ax.plot(kept, "s-", label="‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖")
ax.set_xticks(range(len(line)), shown)
ax.set_ylim(0, 1.05)
ax.legend(loc="lower left")
plt.show()
inner = kept[at:-1]
print(f"‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖ inside the bracket: {np.mean(inner):.2f}, under the bracket itself: {kept[at - 1]:.2f}")
assert mean_f[1] < 0.85

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# *A net that remembers has open forget gates* is wrong, or at least says nothing about the mean: it went from
# {{mean_f[0]:.2f}} to {{mean_f[1]:.2f}}. Most of the {{model.config()["hidden"]}} units have no reason to keep
# anything; they follow the current word.
#
# </details>
#
# The curve of the mean stays near that number. The other asks the same of the units that the gradient of this one `)` runs through. Inside the
# bracket f, weighted by that gradient, is mostly close to 1, far above the mean. Under the `(` itself it falls nearly
# to 0 where the net replaces: there it throws away what the unit held, and writes anew. Open where something is kept, shut where it is replaced: that is what
# a forget gate is for, and it takes the gradient to see it. (Left of the `(` there is hardly any gradient to weigh by.)
#
# ## Four other seeds
#
# All of this was one net. The same training with other first weights takes some seconds each, too long for here;
# `tests/benchmarks/brackets.py` in the project did it with `tl.sweep`, which runs one
# function with several seeds, and this is what it found with the text of one Python:

# %%
nets = measured("brackets")
print("seed   bits ')' likelier by   f before   f after   kept inside   at the '('")
for net in nets:
    print(f"{net['seed']:4} {net['bits']:6.2f} {net['ratio']:15.1f} {net['f before']:10.2f} {net['f after']:9.2f}"
          f" {net['kept inside']:13.2f} {net['kept at the bracket']:12.2f}")
least, *_, most = sorted(nets, key=lambda net: net["ratio"])
adds = max(nets, key=lambda net: net["kept at the bracket"])

# %% [markdown]
# (The last two columns are ‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖ as above.) All five predict about as well, within a tenth of a bit.
# What they know of the bracket differs widely: the factor is {{least["ratio"]:.1f}} in the worst, {{most["ratio"]:.0f}} in
# the best. Seed {{least["seed"]}} has learned next to nothing of it; nor has the mean of its forget gates gone down. In
# the other four it has. And the last column tells apart who replaces at the bracket, and who adds there (seed
# {{adds["seed"]}}). So *a small LSTM learns the bracket in this time* would be too much said:
# {{sum(net["ratio"] > 2 for net in nets)}} of {{len(nets)}} did. And whoever shows one net has chosen it, knowingly or
# not; ours happens to be the best of the five.
#
# ## What it has not learned
#
# A demonstration that only shows successes is an advertisement. Three short tests:

# %%
def among_names(before, character):
    return np.exp(np.mean([np.log(chance(f"{before}self.{name}", character)) for name in names]))


for opened in "([{":
    row = [f"{character} {among_names(f'    x = call{opened}', character):6.2%}" for character in ")]}"]
    print(f"{text.text.count(opened):6,} {opened} in the text; after an open one it expects  " + "  ".join(row))
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
#   of the three, and after the rare `{` not much of that: round brackets are the most frequent, and what it has is mostly a feeling for `)`.
# - *How many.* In the three printed lines none, one and two brackets are still open. A net that counts would expect one
#   more far less in the first line. Ours hardly tells the three apart.
# - *For how long.* Where the two curves meet, the net no longer knows whether there was a bracket; and where the lower
#   one rises, it begins to believe in one that never was. The dotted line stands at the chunk of {{text.steps}}
#   characters: no gradient of the training has ever run further. What holds beyond it is the work of gates that go on
#   as they did within.
#
# More time and size would help with all three. The tests are worth asking of a large model too.
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
# **10.3** The second of the three questions, by hand. `f` and `w` are (T, units): the forget gates, and what each step
# writes, $w_t = i_t ∘ \tilde C_t$, so $C_t = f_t ∘ C_{t-1} + w_t$. `g` (units,) is the gradient at $C_T$. Return T numbers:
# what each step wrote, as the later forget gates have left it, times `g`, summed over the units.

# %%
def written_by(f, w, g):
    return None


quiz.check("10.3", written_by)

# %% [markdown]
# ## What to take away
#
# - Put a count model beside every language model. Here it held its own.
# - The `(` is noted in C and carried by open gates. Gradient, written and erased answer different questions, and may
#   disagree; a contrast of two lines answers the one you mean.
# - Means over all units hide what is learned. The forget gate is open in the units and at the steps where something is
#   kept.
# - One net is an anecdote, also a well-dissected one: the next seed may not have learned what you explain.
#
# How many nets a claim needs, and what must stand beside a number, is asked in [What papers
# print](13_what_papers_print.ipynb); what came after the LSTM in [After the LSTM](14_after_the_lstm.ipynb). [The
# mistake hunt](11_mistake_hunt.ipynb) comes next: it shows backward passes with a mistake in each, and asks you which.
#
# ## References
#
# - C. E. Shannon (1951). *Prediction and entropy of printed English.*
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to forget.*
# - A. Karpathy, J. Johnson, L. Fei-Fei (2015). *Visualizing and understanding recurrent networks.* arXiv:1506.02078: units
#   that follow quotes, brackets and the length of a line.
