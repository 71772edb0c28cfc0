# %% [markdown]
# # 13 · What papers print
#
# **The question.** A paper has a table: so many nets, so many of them learned it, after so many sequences. What do you get when you run it yourself? And what must stand beside a number so that somebody else can tell?
#
# You need [7 · ReLU instead of tanh](07_relu_instead_of_tanh.ipynb) (clipping) and [10 · Something real](10_something_real.ipynb). About 35 minutes.

# %%
import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import SequenceModel, fit, make_optimizer, quiz, tasks
from tinygrad_lstm.published import results
from tinygrad_lstm.published.pascanu2013 import clipping
from tinygrad_lstm.published.shelf import ROWS
plt.style.use("tinygrad_lstm.drawn")

# %% [markdown]
# ## A number needs another one beside it
#
# Sunspots come in waves of about eleven years. The yearly numbers from 1700 to 2008 ship with the package; the last fifth is held out: nothing is fitted to it. Two naive forecasts: *the same as last year*, and *the same as eleven years ago*. And a classic, Yule's autoregression: a weighted sum of the last p years, fitted by least squares (the weights with the smallest squared errors).
#
# The LSTM reads 24 years and predicts the next. Five seeds.
#
# **Predict.** What is its error, with seed 0, as a share of the error of "same as last year"? (The root of the mean square, over the held-out years.)

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
# ## One row, run again
#
# In 2013 Pascanu, Mikolov and Bengio recommended clipping the norm of the gradient. Part of their evidence was a tanh RNN on *temporal order*: among many symbols that mean nothing there are two that are X or Y, far apart, and after the last symbol the net says which they were, in their order. There are four answers. With clipping more of their nets learned it, and for longer sequences, than without.
#
# A small part of that: sequences of about `20` symbols, fifty units, plain gradient descent, five nets with a clip at norm 1 and the same five without. A net has learned it when of `1000` new sequences less than one in a hundred is answered wrongly. The budget is 1,000 updates of 20 sequences each, some seconds; the paper had five million updates.
#
# **Predict.** How many of the five nets *without* a clip learn it within this budget?

# %%
my_guess = None

# %%
clipped, free = (clipping(range(5), length=20, clip=clip, updates=1000) for clip in (1.0, None))
quiz.reveal(my_guess, sum(net["solved"] for net in free))
for name, nets in (("clip at norm 1", clipped), ("no clip", free)):
    after = "  ".join(f"{net['sequences']:>6,}" if net["solved"] else "     –" for net in nets)
    print(f"{name}\n  learned after {after}\n  right at end  " + "  ".join(f"{net['right']:6.0%}" for net in nets))
assert sum(net["solved"] for net in clipped) >= 3 > sum(net["solved"] for net in free)

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# Without a clip {{sum(net["solved"] for net in free)}} of {{len(free)}}, with one {{sum(net["solved"] for net in clipped)}} of {{len(clipped)}}. The claim came out, at this length and with this budget. Was it luck? Five against five is not much; exercise 13.3 asks how likely such a split is if a clip does nothing.
#
# Look at the dashes, too. A net that has not learned it yet may do so later: "fails" is always "has failed so far". And a net without success has no number of sequences. Whoever takes the mean over the others has the mean of the lucky ones (exercise 13.2).
#
# </details>
#
# ## All rows
#
# The package has {{len(ROWS)}} such rows, from papers between 1997 and 2016: what was printed, the task, its sizes, the criterion, and a function that runs it again. `tinygrad-lstm reproduce --quick` runs all of them, in about ten minutes of one core (`pip install "tinygrad-lstm[sweep,data,fast]"`), with budgets that are far below those of the papers. What the project itself got so is in the package:

# %%
trials = results.kept(results.SHIPPED)
lines = [line for line in results.every_line(list(ROWS.values()), trials, quick=True) if line[2]]
verdicts = [claim.verdict(found, row.value).en for row, claim, found in lines]
compared = [words for words in verdicts if not words.startswith("nothing")]

# %% [markdown]
# Those are {{len(lines)}} kinds of nets. For {{len(compared)}} of them something was printed or claimed, or (once, of a control) expected, that can be compared.
#
# Some names in the table below: `b_f` is the bias of the forget gate, and *chrono* a way to draw it for long memories. The IRNN is from tutorial 7. In the *adding* problem two marked numbers of a long row are to be added. *Reber* strings come from a small grammar of seven letters; *embedded*, the last letter but one repeats the second, and *continual*, they have no end.
#
# **Predict.** For how many of these {{len(compared)}} did it come out?

# %%
my_guess = None

# %%
came_out = sum(words in ("reproduced", "within a factor of two") for words in compared)
quiz.reveal(my_guess, came_out)
print(results.overview(lines, tl.spoken.current()))

# %% [markdown]
# <details><summary>The answer, and why</summary>
#
# For {{came_out}} of {{len(compared)}}. Three things to notice in the table:
#
# - *What is compared.* Where a paper has a number, such as sequences until success, "within a factor of two" can be said. Where it says "solved" or "better", somebody has to draw a line, and here we did: so many of so many nets. Another line, another verdict: look at `continual-reber`, where our nets with a forget gate read all streams, but shorter ones than the paper's, of whose nets many failed. It is called reproduced, since the split is there: with a forget gate, not without. (In the full table, with more training, some nets without one manage it, too, and the words are "not reproduced".) And the tanh RNN of `temporal-order` is a control; of it nothing was printed.
# - *What did not come out.* Most of it is one task, the embedded Reber grammar: neither with the paper's own number of weights, initial ranges and learning rates nor with our cells do nearly all nets learn it, also where they get the larger budget of the full table, and we do not know why. That is no refutation, since something that no paper says may differ. But neither is it a reproduction, so it is said. And a tanh RNN has learned the adding problem once. One net refutes "no such net can". But whether the papers say that, we did not look up (their row says so): so it may be our mistake.
# - *How few nets there are.* With 3 of 3 nets little is known. With five it is better (exercise 13.1).
#
# </details>
#
# ## What must stand beside a number
#
# - **What something simple gets**: last year's value, a linear model, counting, a plain RNN of the same size and budget.
# - **How many of how many**, and how far apart the seeds lie; not the best one.
# - **The criterion**: learned means what, measured on what, looked at how often.
# - **The budget**: how long, and how many settings were tried before this one.
# - **What differs** from what it is compared with. Two cells of the same name need not have the same gates.
# - **The command**, so that it can be run again. And look printed numbers up where they were printed: a table of other people's numbers is a copy.
#
# The first line below prints most of this for one row. The second is for a table of your own: it runs a function for all settings and seeds, keeps every finished run as a line of a file, and goes on where it was stopped (`pip install "tinygrad-lstm[sweep]"`).
#
# ```text
# tinygrad-lstm reproduce clipping --quick      # a minute; what it says of itself, too
# ```
#
# ```python
# found = tl.sweep(run, {"clip": [None, 1.0]}, seeds=5, path="mine.jsonl")   # run(seed=…, clip=…) returns numbers
# print(found)                                                               # means, spreads, how many solved
# ```
#
# ## Exercises
#
# **13.1** If a recipe works with probability p, five nets of five learn with probability $p^5$. For which p is this `0.05`? (So after five of five, every p above it is still to be believed.)

# %%
answer = None
quiz.check("13.1", answer)

# %% [markdown]
# **13.2** How many sequences does it take, typically? `counts` has one entry for each net, `None` where it has not learned. The mean over those that have is silent about the others. The *median* need not be: count a net without success as infinitely late. Where the median is infinite, return `float("inf")`. (Of an even number of nets it is the mean of the two in the middle.)

# %%
def typical(counts):
    return None


quiz.check("13.2", typical)

# %% [markdown]
# **13.3** There are `nets` of each of two kinds; `a` of the first kind have learned, and `b` of the second. Suppose the kind makes no difference: then the `a + b` that learned were drawn by lot from all `2 * nets`. With what probability are `a` *or more* of them of the first kind? (`math.comb(n, k)` says in how many ways k can be drawn from n.)

# %%
def luck(nets, a, b):
    return None


quiz.check("13.3", luck)

# %% [markdown]
# ## What to take away
#
# - A number alone says nothing. A linear model may do what your net does.
# - "Learned" and "failed" are shares of nets, within a budget, by a criterion. A mean over those that learned hides the others.
# - Not reproduced is not refuted, and reproduced at one length is not shown for all. Say what differs.
#
# ## References
#
# - G. U. Yule (1927). *On a method of investigating periodicities in disturbed series, with special reference to Wolfer's sunspot numbers.*
# - R. A. Fisher (1935). *The design of experiments.* The chance of exercise 13.3.
# - S. Hochreiter, J. Schmidhuber (1997). *Long short-term memory.* F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to forget.*
# - M. Kudo, J. Toyama, M. Shimbo (1999). *Multidimensional curve classification using passing-through regions.* The vowels.
# - R. Pascanu, T. Mikolov, Y. Bengio (2013). *On the difficulty of training recurrent neural networks.*
# - R. Jozefowicz, W. Zaremba, I. Sutskever (2015). *An empirical exploration of recurrent network architectures.*
# - Q. V. Le, N. Jaitly, G. E. Hinton (2015). *A simple way to initialize recurrent networks of rectified linear units.* M. Arjovsky, A. Shah, Y. Bengio (2016). *Unitary evolution recurrent neural networks.*
# - C. Tallec, Y. Ollivier (2018). *Can recurrent neural networks warp time?* The start called chrono.
# - The sunspot numbers: WDC-SILSO, Royal Observatory of Belgium, Brussels.
