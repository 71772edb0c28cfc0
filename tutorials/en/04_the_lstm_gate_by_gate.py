# %% [markdown]
# # 4 · The LSTM, gate by gate
#
# **The question.** "mary lost her keys and then john slowly sold …": *his* car or *her* car? To answer, a net must keep the gender of the last name over words that say nothing about it, and give it up when another name comes.
# Four numbers a word are enough to build such a memory by hand. Does a trained net build it the same way?
#
# You need tutorial 3, what $\sigma$ and $\tanh$ look like, and 50 minutes.

# %%
import inspect
import re
from textwrap import dedent

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, concat, nn, no_grad, quiz, sigmoid, tanh, tasks, what_if
from tinygrad_lstm import SequenceModel, evaluate, fit, make_optimizer, survey, weigh
from tinygrad_lstm.training import Question, switching

# %% [markdown]
# ## One cell, with gates set by hand
#
# A memory is a number $C$. At each word the cell does two things: it renews the memory, and it shows some of it as $h$.
#
# $$C_t = f\cdot C_{t-1} + i\cdot\tilde C \qquad\qquad h_t = o\cdot\tanh C_t$$
#
# Three **gates** between 0 and 1 say how much: $f$ how much of the old memory stays (the *forget* gate, which keeps when it is open), $i$ how much is written, $o$ how much is shown. The **candidate** $\tilde C$ between −1 and 1
# says *what* could be written. Let $+1$ stand for "her" and $-1$ for "his". At a name: forget, and write the gender. At a verb, before the pronoun: show. At every other word: keep, write nothing, show nothing.
# Ordinary words propose something as well, and a closed $i$ ignores it.

# %%
words = "mary lost her keys and then john slowly sold".split()
#        f  i  C̃    o
gates = dict.fromkeys(words, (1, 0, 0.6, 0))
gates["mary"], gates["john"] = (0, 1, +1, 0), (0, 1, -1, 0)
gates["lost"] = gates["sold"] = (1, 0, 0.6, 1)


def remember(gates):
    C, rows = 0.0, []
    for word in words:
        f, i, C_new, o = gates[word]
        C = f * C + i * C_new
        rows.append((C, 0.0 + o * np.tanh(C)))
    return rows


for word, (C, h) in zip(words, remember(gates)):
    print(f"{word:<7}" + "{:>5}{:>5}{:>6}{:>5}".format(*gates[word]) + f"   C = {C:+.1f}   h = {h:+.2f}")

# %% [markdown]
# After "lost" $h$ is positive: *her*. After "sold" it is negative: *his*. In between $h$ is 0, and whatever reads $h$ is left in peace.
#
# **Predict.** Take the forget gate away: `f = 1` at every word, so that nothing is ever forgotten. What does $C$ hold when "sold" has been read?

# %%
my_guess = None

# %%
never_forget = {word: (1, *gate[1:]) for word, gate in gates.items()}
without_f = remember(never_forget)[-1][0]
quiz.reveal(my_guess, without_f)

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# It holds {{without_f:g}}. The new name was added to the old one, and $+1-1$ is no gender at all: without forgetting, the memory is a sum, and a sum of opposite names cancels.
#
# </details>
#
# Each of the three gates can be taken away like this:

# %%
for k, gate in ((0, "f"), (1, "i"), (3, "o")):
    stuck = {word: (*values[:k], 1, *values[k + 1 :]) for word, values in gates.items()}
    rows = remember(stuck)
    spoken = ", ".join(f"{words[t]} {rows[t][1]:+.2f}" for t in (1, 3, 8))
    print(f"{gate} = 1 always: C at the end {rows[-1][0]:+.1f}; h at {spoken}")

# %% [markdown]
# With $f$ stuck the names cancel. With $i$ stuck every word scribbles into the memory: at "sold" it says "her". With $o$ stuck the memory is right and both answers are as well, but $h$ now speaks at "keys", where nobody asked.
# In a net $h$ also goes back into all gates at the next word, so that matters.
#
# ## Gates that are computed
#
# Who sets the gates? The cell itself, from what it sees: the new input $x_t$ and what it showed before, $h_{t-1}$, side by side in one row $hx_t = [h_{t-1}\,;\,x_t]$. One product each:
#
# $$f = \sigma(hx_t W_f + b_f)\quad i = \sigma(hx_t W_i + b_i)\quad o = \sigma(hx_t W_o + b_o)\quad \tilde C = \tanh(hx_t W_C + b_C)$$
#
# Let each word be one of four kinds: a female name, a male name, a verb, another word. Then the weights can be written down. Each $W$ has one row for $h$ and four for $x$; here nothing depends on $h$ yet.

# %%
kinds = {"mary": 0, "john": 1, "lost": 2, "sold": 2}
x = np.eye(4)[[kinds.get(word, 3) for word in words]]
#             h  she   he  verb other
W = {"f": [0, -12, -12, 0, 0], "i": [0, 12, 12, 0, 0], "C": [0, 3, -3, 0.7, 0.7], "o": [0, 0, 0, 12, 0]}
b = {"f": 6.0, "i": -6.0, "C": 0.0, "o": -6.0}
W = {gate: Tensor(np.array(w, float)[:, None], requires_grad=True) for gate, w in W.items()}
b = {gate: Tensor(np.array([value]), requires_grad=True) for gate, value in b.items()}


def step(x, h, C):
    hx = concat(h, x)
    f = sigmoid(hx @ W["f"] + b["f"])
    i = sigmoid(hx @ W["i"] + b["i"])
    C_new = tanh(hx @ W["C"] + b["C"])
    C = f * C + i * C_new
    o = sigmoid(hx @ W["o"] + b["o"])
    return o * tanh(C), C


h, C = np.zeros((1, 1)), np.zeros((1, 1))
for word, features in zip(words, x):
    h, C = step(features[None], h, C)
    print(f"{word:<7} C = {C.item():+.3f}   h = {h.item():+.3f}")
by_equations = h.item(), C.item()

# %% [markdown]
# The same story, now with gates that are nearly and never quite 0 or 1: $\sigma(6)$ is {{float(sigmoid(6.0)):.4f}}. The library's cell is written the same way. This is all of it, without its comments:

# %%
code = inspect.getsource(nn.LSTMCell.step)
print(dedent(re.sub(r" +#.*", "", code)))

# %% [markdown]
# `∘` in formulas is `*` here, gate by gate and unit by unit. `.named("f")` and the scopes change no number: they are how a picture, a trace or a what-if finds the forget gate again. With the same weights it gives the same numbers.

# %%
lstm = nn.LSTM(4, 1, rng=np.random.default_rng(0)).astype(np.float64)
cell = lstm.cells[0][0]
for gate in "fiCo":
    getattr(cell, f"W_{gate}").data, getattr(cell, f"b_{gate}").data = W[gate].data, b[gate].data
out = lstm(x[None])
assert (out.last.h.item(), out.last.C.item()) == by_equations

# %% [markdown]
# ## The cell in five pictures
#
# A step of the cell once more, as a graph: what enters stands at the left and below, what leaves at the right. One gate at a time is lit: what it is made from, and what it acts on. First the **forget gate** $f$. From $h_{t-1}$ and $x_t$ it makes a number between 0 and 1, by which the old $C$ is multiplied: *how much stays*.

# %%
tl.draw(out.last.h.sum(), steps=(9, 9), light="f", backward=False, parameters=False)

# %% [markdown]
# The **input gate** $i$ is made in the same way, with weights of its own. It does not touch the old $C$ at all. It multiplies the candidate: *how much is written*.

# %%
tl.draw(out.last.h.sum(), steps=(9, 9), light="i", backward=False, parameters=False)

# %% [markdown]
# The **candidate** $\tilde C$ is no gate. Its $\tanh$ goes from −1 to 1, since it says *what* is written, and that has a sign. What $i$ lets through is added.

# %%
tl.draw(out.last.h.sum(), steps=(9, 9), light="C̃", backward=False, parameters=False)

# %% [markdown]
# The **output gate** $o$ acts last, on $\tanh C_t$: *how much is shown*. What is not shown is still there.

# %%
tl.draw(out.last.h.sum(), steps=(9, 9), light="o", backward=False, parameters=False)

# %% [markdown]
# And this is what all four work on. $C$ passes from step to step like goods on a **conveyor belt**: a gate takes something off (×), a gate puts something on (+), and between the two nothing happens to it. No matrix lies on the belt, and no squashing function.

# %%
tl.draw(out.last.h.sum(), steps=(7, 8), labels=words, follow="C", backward=False, parameters=False, for_="notebook")

# %% [markdown]
# Now the way back, from "sold" to "john", in two rows.

# %%
tl.draw(out.last.h.sum(), steps=(7, 9), labels=words, for_="notebook")

# %% [markdown]
# Time runs to the right, the gradient (the coloured line, wide where it is large) to the left. Follow it back along the belt from "sold": two words pass it on almost
# whole, since $f$ is open there, and before "john" it is gone. The cell has forgotten what was before, so nothing before can matter.
#
# ## Two mistakes, one of them silent
#
# The state of an LSTM is a pair. Hand over $h$ alone, as for a plain RNN, and it says so. Put $x$ before $h$, and nothing is said: the shapes fit.

# %%
try:
    cell(x[:1], np.zeros((1, 1)))
except ValueError as exc:
    print(exc)

h = np.zeros((1, 1))
right, swapped = (sigmoid(row @ W["f"] + b["f"]).item() for row in (concat(h, x[:1]), concat(x[:1], h)))
print(f"f at 'mary': {right:.4f} with [h ; x], {swapped:.4f} with [x ; h]")

# %% [markdown]
# A weight matrix of shape (hidden + input, hidden) does not say which rows are whose. Here the rows of $h$ come first; where weights move between libraries, check that and the order of the gates against known numbers, as the assertion above does.
#
# ## A net that learns its gates
#
# Now nobody chooses. The task `pronouns` makes sentences of one or two clauses; the net reads them word by word through an **embedding** (a table with a row of numbers for each word, trained with the rest), and is asked for the next word where that is a pronoun. Eight units, 250 steps of Adam.
# Nets A start with open forget gates (`forget_bias=3`) and no recurrent weights, so that at first only $C$ leads from word to word; nets B start as Keras starts. Of each there are five, with the seeds 0 to 4.

# %%
steps = 250
lists = dict(female=("mary", "anna"), male=("john", "paul"), verbs=("lost", "sold", "found"),
             nouns=("keys", "car", "box"), adjectives=("old", "red"), adverbs=("slowly", "calmly"))
task = tasks.pronouns(distance=(2, 8), **lists)


def trained(seed, **settings):
    net = SequenceModel.for_task(task, cell="lstm", hidden=8, embedding=8, seed=seed, **settings).astype(np.float64)
    net.rnn.fused = True  # the same sums, faster; to look inside, step by step again
    adam = make_optimizer("adam", net, 0.03, global_clipnorm=1.0)
    fit(net, task, steps=steps, seed=seed, progress=False, optimizer=adam)
    net.rnn.fused = False
    return net.eval()


starts = {"A": {"forget_bias": 3.0, "recurrent_initializer": "zeros"}, "B": {"forget_bias": 1.0}}
nets = {(start, seed): trained(seed, **settings) for start, settings in starts.items() for seed in range(5)}
accuracy = {key: evaluate(net, task, batch=100, batches=1).accuracy for key, net in nets.items()}
for start in starts:
    print(*(f"{start}{seed}: {accuracy[start, seed]:.1%}" for seed in range(5)), sep="   ")
assert min(accuracy.values()) > 0.95

# %% [markdown]
# All ten answer held-out sentences (nearly) without a mistake. Training runs in float64 here, so that other machines find the same numbers.
#
# Look inside one of them, A0, for an example. `written()` says what each word has left in $C_T$; times $\partial\text{margin}/\partial C_T$ it says which unit the answer rests on (the **margin** is the score of the right pronoun minus that of the wrong one, before the softmax: the difference of their logits, here *his* minus *her*). Take the heaviest unit at "john".

# %%
said = task.read("mary lost her keys and then john found the old box and slowly sold his car .")
question = Question.of(task, said)
net = nets["A", 0]
prediction = net(question.tokens[None])
margin = question.margin(prediction).sum()
flow = tl.trace(margin).flow("C")
weight = (flow.written() * flow.trace.grad(flow.state(flow.T)))[:, 0]
unit = int(np.abs(weight[question.name]).argmax())
seen = prediction.out.steps
values = {name: np.array([getattr(s, name).numpy()[0, unit] for s in seen]) for name in ("f", "i", "C_new", "C")}

# %% [markdown]
# **Predict.** At which word is this unit's forget gate most nearly closed? Type the word.

# %%
my_guess = None

# %%
closes = question.words[int(values["f"].argmin())]
quiz.reveal(my_guess, closes)
print(f"unit {unit}     f     i     C̃      C")
for word, *row in zip(question.words, *values.values()):
    print(f"{word:<8}" + "{:>6.2f}{:>6.2f}{:>7.2f}{:>7.2f}".format(*row))

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# By hand we forgot *at* the name. This unit forgets at "{{closes}}" ($f=$ {{values["f"].min():.3f}}), one word early: in these sentences "and then" always announces a new subject, so the memory can be wiped before it comes. At "john"
# itself $f$ is {{values["f"][question.name]:.2f}}, but there is nothing left to keep. Its $i$ is open at both names. And its signs are the other way round: here "his" is positive. Nobody told it which.
#
# </details>
#
# Here is the gradient of the margin on its way back: "found", "john" and the word before.

# %%
tl.draw(flow.trace, follow="C", steps=(6, 8), labels=question.words, parameters=False, for_="notebook")

# %% [markdown]
# And the whole sentence at a glance, one column a word:

# %%
tl.draw(flow.trace, view="strip", labels=question.words)

# %% [markdown]
# ## Which word decides? Three questions, three answers
#
# - **gradient**: what would a *small* change of the word's vector do to the margin?
# - **written**: what did the word put into $C$, how much of that have the forget gates left, and how heavily does the margin weigh it, to first order?
# - **erased**: how much margin is lost when what is written at that word *alone* is set to 0, and the sentence is read again?
#
# **Predict.** One of these columns has its largest entry not at "john". Which? Type its name.

# %%
my_guess = None

# %%
weights = weigh(net, question)
names = ("gradient", "written", "erased")
top = {name: question.words[int(np.abs(column).argmax())] for name, column in zip(names, weights)}
quiz.reveal(my_guess, next(name for name, word in top.items() if word != "john"))
print(f"margin {margin.item():.2f}\n{'':<8}gradient  written   erased")
for word, *row in zip(question.words, *weights):
    print(f"{word:<8}" + "".join(f"{value:>9.2f}" for value in row))
assert top["written"] == top["erased"] == "john" != top["gradient"]

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# The gradient is largest at "{{top["gradient"]}}", {{weights.gradient.max() / weights.gradient[question.name]:.0f}} times that at "john". "john" stands on the flat ends of $\sigma$ and $\tanh$ (see its $i$ and $\tilde C$ above), where a small
# change of its vector changes next to nothing. "{{top["gradient"]}}" stands on a slope, and the answer does not depend on it. Erase what was written at "john", and the margin falls by {{weights.erased[question.name]:.1f}}, below 0: the answer turns round.
#
# So a heat map of gradients is not a map of what decided. It answers its own question, and it is the right one when you ask which words *training* will move.
#
# </details>
#
# ## Is that a law?
#
# One sentence proves little, and one net as little: with another seed training finds another. So take all ten, and let `survey` erase, in each, every word of 30 held-out sentences in which the last name has another gender than the one before.
#
# **Predict.** In what share of the sentences does the answer turn round when the last name's writing is erased, on average over the ten nets? (0 to 1.)

# %%
my_guess = None

# %%
found = {key: survey(net, task, sentences=30) for key, net in nets.items()}
name_flips = np.array([[found[start, seed].name_flips for seed in range(5)] for start in starts])
other_flips = max(f.other_flips for f in found.values())
written_first = [f.written_first for f in found.values()]
quiz.reveal(my_guess, name_flips.mean())
print("net   name hurts most   it flips   any other flips   name written most")
for (start, seed), f in found.items():
    print(f"{start}{seed}{f.name_first:>17.0%}{f.name_flips:>11.0%}{f.other_flips:>18.1%}{f.written_first:>20.0%}")
assert other_flips < 0.05 and name_flips.min() < 0.2 and name_flips.max() > 0.5

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# {{name_flips.mean():.0%}} on average, and from {{name_flips.min():.0%}} to {{name_flips.max():.0%}}, among ten nets which all have learned the task. One thing holds in all of them: erasing any *other* word turns {{other_flips:.1%}} of the answers at most. If a word's writing decides, it is the name's.
# The other half is no law: often erasing the name turns nothing. An emptied memory answers something too, and where it happens to lean to the right pronoun, nothing turns. And erasing $\tilde C$ leaves the gates as they are: the name can still *forget*.
#
# </details>
#
# Ask the other way round, too: leave the writing alone, and forbid the name to forget, $f=1$ at that one word. Male and female names apart:

# %%
def flips(net, gender, **at_name):
    turned = []
    for sentence in switching(task, np.random.default_rng(0), 30):
        q = Question.of(task, sentence)
        if sentence.genders[-1] == gender:
            with no_grad(), what_if({f"t={q.name + 1}/{name}": value for name, value in at_name.items()}):
                turned.append(q.margin(net(q.tokens[None])).item() < 0)
    return float(np.mean(turned))


turned = {
    (*key, gender, gate): flips(net, gender, **{gate: value})
    for key, net in nets.items() for gender in "mf" for gate, value in (("C̃", 0.0), ("f", 1.0))
}
print("       last name male        last name female\nnet    C̃ = 0     f = 1      C̃ = 0     f = 1")
for start, seed in nets:
    row = (turned[start, seed, gender, gate] for gender in "mf" for gate in ("C̃", "f"))
    print(f"{start}{seed}" + "{:>10.0%}{:>10.0%}{:>11.0%}{:>10.0%}".format(*row))
writing = {key: sorted(turned[*key, gender, "C̃"] for gender in "mf") for key in nets}
forgetting = {key: max(turned[*key, gender, "f"] for gender in "mf") for key in nets}
one_sided = [key for key, (low, high) in writing.items() if low < 0.1 and high >= 0.5]
forgetful = [key for key, share in forgetting.items() if share >= 0.5]
neither = [key for key in nets if max(*writing[key], forgetting[key]) < 0.25]
assert one_sided and forgetful and neither

# %% [markdown]
# Hardly two are alike. In {{len(one_sided)}} of the ten the writing counts for one gender only: there erasing it turns at least half of the answers, and for the other gender less than a tenth, as if an empty memory stood for that one. In {{len(forgetful)}} the message is in the forgetting: keep the name from closing $f$, and at least half of the answers for one gender turn;
# the old content stays, and the net answers as if the old subject were still there. In {{len(neither)}} neither of the two changes turns a quarter: these have a way that both erasures do not find. What is removed can say as much as what is written, and a method that looks at writing alone does not see it.
# (By *written* the name ranks first in {{min(written_first):.0%}} to {{max(written_first):.0%}} of the sentences: that says what lies in $C$, and not what the answer would be without it.)
#
# Same task, same size, same accuracy, several mechanisms. Does the start decide which? Writing turns {{name_flips[0].min():.0%}} to {{name_flips[0].max():.0%}} of the answers of the nets A, {{name_flips[1].min():.0%}} to {{name_flips[1].max():.0%}} of the nets B: the start of A makes it likelier, and the ranges overlap. One net of each, chosen by its seed, would have told any story one likes.
#
# ## Exercises
#
# **4.1** A gate depends on one input that is 1 at a name and 0 elsewhere: $f=\sigma(w\,x+b)$. Choose $w$ and $b$ so that $f$ is `0.99` at ordinary words and `0.01` at names. Give the pair `(w, b)`.

# %%
answer = None
quiz.check("4.1", answer)

# %% [markdown]
# **4.2** Build by hand a cell that knows whether the word "not" has been read *in this sentence*: after every word $h$ must be above `0.5` if so, and within `0.05` of 0 if not. "." ends a sentence; at "." itself the new sentence has begun. Return `(f, i, C_new, o)` for a word, each gate in [0, 1] and $\tilde C$ in [−1, 1].

# %%
def gates_for(word):
    return None


quiz.check("4.2", gates_for)

# %% [markdown]
# **4.3** Write one step for any number of units, in NumPy. `W` and `b` are dicts with the keys `"f"`, `"i"`, `"C"`, `"o"`; each `W[gate]` has the rows of $h$ first. Return `(h, C)`.

# %%
def lstm_step(x, h, C, W, b):
    return None


quiz.check("4.3", lstm_step)

# %% [markdown]
# ## What to take away
#
# An LSTM is one sum, $C_t=f\circ C_{t-1}+i\circ\tilde C$, and three gates that it computes from what it sees: $f$ keeps, $i$ writes, $o$ shows. Without $f$ a memory cannot be replaced, without $i$ it is scribbled over, without $o$ it cannot be silent.
# Gradient, writing and erasure answer three different questions about the same word; say which one you asked. An erasure is causal, but only about what it erased: a net may put the message into what it forgets.
# What a trained net does inside is not settled by its task, nor by its start: look at several before you say "the LSTM does". Why the gradient on the line of $C$ comes back at all, and by how many other ways, is the next tutorial.
#
# ## References
#
# - S. Hochreiter, J. Schmidhuber (1997). *Long Short-Term Memory.* Neural Computation 9(8).
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to Forget: Continual Prediction with LSTM.* Neural Computation 12(10): the forget gate.
# - K. Greff, R. K. Srivastava, J. Koutník, B. R. Steunebrink, J. Schmidhuber (2017). *LSTM: A Search Space Odyssey.* IEEE Transactions on Neural Networks and Learning Systems 28(10): what each gate is worth.
