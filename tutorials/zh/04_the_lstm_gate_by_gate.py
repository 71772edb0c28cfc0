# %% [markdown]
# # 4 · 一个门一个门地看 LSTM
#
# **问题。** “mary lost her keys and then john slowly sold …”，接下来是 *his* 还是 *her*？要答对，网络得记住最近一个名字的性别。中间的词与性别无关，不能把它冲掉；换了名字，又得放下旧的。这样的记忆可以手工搭出来，每个词只要四个数。训练出来的网络也是这么搭的吗？
#
# 需要的基础：第 3 篇，知道 $\sigma$ 和 $\tanh$ 长什么样。大约 50 分钟。

# %%
import inspect
import re
from textwrap import dedent

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, concat, nn, no_grad, quiz, sigmoid, tanh, tasks, what_if
from tinygrad_lstm import SequenceModel, evaluate, fit, make_optimizer, survey, weigh
from tinygrad_lstm.training import Question, switching

tl.language("zh")

# %% [markdown]
# ## 一个元胞，手工设门
#
# 记忆是一个数 $C$，叫作元胞状态（cell state）。每读一个词，元胞做两件事：更新记忆，再把记忆的一部分作为 $h$ 露出来。$h$ 叫作隐藏状态（hidden state）。
#
# $$C_t = f\cdot C_{t-1} + i\cdot\tilde C \qquad\qquad h_t = o\cdot\tanh C_t$$
#
# 三个**门**（gate）都在 0 和 1 之间，管的是“多少”。遗忘门 $f$ 决定旧记忆留下多少，它开着的意思是保留；输入门 $i$ 决定写入多少；输出门 $o$ 决定露出多少。**候选值** $\tilde C$ 在 −1 和 1 之间，管的是“写什么”。约定 $+1$ 表示 her，$-1$ 表示 his。遇到名字：忘掉旧的，写入性别。遇到动词，后面就是代词：露出来。其余的词：保留，不写，不露。普通词也会提出自己的候选值，但 $i$ 关着，写不进去。

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
# 读完 lost，$h$ 为正：*her*。读完 sold，$h$ 为负：*his*。其余时候 $h$ 是 0，谁来读 $h$ 都不受打扰。
#
# **先猜。** 拿掉遗忘门：每个词都令 `f = 1`，什么也不忘。读完 sold，$C$ 里是多少？

# %%
my_guess = None

# %%
never_forget = {word: (1, *gate[1:]) for word, gate in gates.items()}
without_f = remember(never_forget)[-1][0]
quiz.reveal(my_guess, without_f)

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 是 {{without_f:g}}。新名字加在了旧名字上，而 $+1-1$ 说不出任何性别：不会忘，记忆就只是一个和，性别相反的名字在和里抵消。
#
# </details>
#
# 三个门都可以这样拿掉试试：

# %%
for k, gate in ((0, "f"), (1, "i"), (3, "o")):
    stuck = {word: (*values[:k], 1, *values[k + 1 :]) for word, values in gates.items()}
    rows = remember(stuck)
    spoken = ", ".join(f"{words[t]} {rows[t][1]:+.2f}" for t in (1, 3, 8))
    print(f"{gate} 恒为 1：最后的 C 是 {rows[-1][0]:+.1f}；h 在 {spoken}")

# %% [markdown]
# $f$ 卡在 1，两个名字互相抵消。$i$ 卡在 1，每个词都往记忆里乱写，到 sold 处答成了 her。$o$ 卡在 1，记忆没有错，两处回答也对，但是读到 keys 时没有人问，$h$ 也在说。在网络里，$h$ 下一步要送回所有的门，所以这不是小事。
#
# ## 让元胞自己算门
#
# 门由谁来设？由元胞自己，根据它看到的东西：新的输入 $x_t$，和上一步露出的 $h_{t-1}$。两者并排成一行 $hx_t = [h_{t-1}\,;\,x_t]$，每个门做一次矩阵乘法：
#
# $$f = \sigma(hx_t W_f + b_f)\quad i = \sigma(hx_t W_i + b_i)\quad o = \sigma(hx_t W_o + b_o)\quad \tilde C = \tanh(hx_t W_C + b_C)$$
#
# 把词分成四类：女名、男名、动词、其他。这样权重就能直接写出来。每个 $W$ 有一行给 $h$，四行给 $x$；这里的门暂时都不看 $h$。

# %%
kinds = {"mary": 0, "john": 1, "lost": 2, "sold": 2}
x = np.eye(4)[[kinds.get(word, 3) for word in words]]
#             h 女名 男名  动词  其他
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
# 情节没有变，只是门很接近 0 或 1，却从不等于 0 或 1：$\sigma(6)$ 是 {{float(sigmoid(6.0)):.4f}}。本库的元胞也是这样写的，去掉注释，全文如下：

# %%
code = inspect.getsource(nn.LSTMCell.step)
print(dedent(re.sub(r" +#.*", "", code)))

# %% [markdown]
# 公式里的 `∘` 在代码里就是 `*`，逐单元相乘。`.named("f")` 和 `scope` 不改变任何数值，它们是给图、追踪和 `what_if` 找遗忘门用的。用同样的权重，它算出同样的数。

# %%
lstm = nn.LSTM(4, 1, rng=np.random.default_rng(0)).astype(np.float64)
cell = lstm.cells[0][0]
for gate in "fiCo":
    getattr(cell, f"W_{gate}").data, getattr(cell, f"b_{gate}").data = W[gate].data, b[gate].data
out = lstm(x[None])
assert (out.last.h.item(), out.last.C.item()) == by_equations

# %% [markdown]
# ## 五张图看一个元胞
#
# 再看一步，这次画成计算图：从左边和下边进来，从右边出去。每张图点亮一个门：它由什么算出，又作用在什么上。先看**遗忘门** $f$。它根据 $h_{t-1}$ 和 $x_t$ 算出一个 0 到 1 之间的数，旧的 $C$ 要乘上它：**留下多少**。

# %%
tl.draw(out.last.h.sum(), steps=(9, 9), light="f", backward=False, parameters=False)

# %% [markdown]
# **输入门** $i$ 的算法一样，只是用自己的权重。旧的 $C$ 它碰都不碰，它乘的是候选值：**写入多少**。

# %%
tl.draw(out.last.h.sum(), steps=(9, 9), light="i", backward=False, parameters=False)

# %% [markdown]
# **候选值** $\tilde C$ 不是门。它的 $\tanh$ 从 −1 到 1，因为它管的是**写什么**，而这是有正负的。通过 $i$ 的那一部分，加到记忆上。

# %%
tl.draw(out.last.h.sum(), steps=(9, 9), light="C̃", backward=False, parameters=False)

# %% [markdown]
# **输出门** $o$ 最后起作用，作用在 $\tanh C_t$ 上：**露出多少**。没露出来的，仍然在里面。

# %%
tl.draw(out.last.h.sum(), steps=(9, 9), light="o", backward=False, parameters=False)

# %% [markdown]
# 四样东西都是为它服务的。$C$ 一步一步往前走，就像**传送带**上的货物：有的门从上面拿走一些（×），有的门往上面放一些（+），两处之间，货物原样不动。带子上没有矩阵，也没有压缩函数。

# %%
tl.draw(out.last.h.sum(), steps=(7, 8), labels=words, follow="C", backward=False, parameters=False, for_="notebook")

# %% [markdown]
# 再看回程，从 sold 走到 john，分两行画。

# %%
tl.draw(out.last.h.sum(), steps=(7, 9), labels=words, for_="notebook")

# %% [markdown]
# 时间往右走，梯度往左走：彩色的线就是梯度，越大越宽。沿着传送带从 sold 往回看：slowly 和 sold 两个词处 $f$ 开着，梯度几乎原样通过；到了 john，再往前就没有了。元胞把之前的忘了，之前的也就影响不到结果。
#
# ## 两个错误，其中一个悄无声息
#
# LSTM 的状态是一对。如果像普通 RNN 那样只给 $h$，它会报错。如果把 $x$ 放在 $h$ 前面，它什么也不说：形状正好对得上。

# %%
try:
    cell(x[:1], np.zeros((1, 1)))
except ValueError as exc:
    print(exc)

h = np.zeros((1, 1))
right, swapped = (sigmoid(row @ W["f"] + b["f"]).item() for row in (concat(h, x[:1]), concat(x[:1], h)))
print(f"mary 处的 f：用 [h ; x] 是 {right:.4f}，用 [x ; h] 是 {swapped:.4f}")

# %% [markdown]
# 权重矩阵的形状是 (hidden + input, hidden)，从形状看不出哪些行属于谁。这里 $h$ 的行在前。在不同的库之间搬权重时，行的次序和门的次序都要拿已知的数核对，就像上面那句 `assert`。
#
# ## 让网络自己学门
#
# 现在没有人替它设门了。任务 `pronouns` 造出一到两个分句的句子；网络经过**嵌入层**（一张表，每个词对应一行数，和别的权重一起训练）逐词读入，凡是下一个词是代词的地方，就要它回答是哪个。8 个单元，Adam 走 250 步。A 组网络的遗忘门一开始就开着（`forget_bias=3`），也没有循环权重，所以起初只有 $C$ 能从一个词通到下一个词。B 组按 Keras 的默认方式开始。每组五个网络，随机种子从 0 到 4。

# %%
steps = 250
lists = dict(female=("mary", "anna"), male=("john", "paul"), verbs=("lost", "sold", "found"),
             nouns=("keys", "car", "box"), adjectives=("old", "red"), adverbs=("slowly", "calmly"))
task = tasks.pronouns(distance=(2, 8), **lists)


def trained(seed, **settings):
    net = SequenceModel.for_task(task, cell="lstm", hidden=8, embedding=8, seed=seed, **settings).astype(np.float64)
    net.rnn.fused = True  # 同样的计算，更快；要看里面，再改回逐步运行
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
# 在没见过的句子上，十个网络都答得（几乎）全对。这里用 float64 训练，好让别的机器得到相同的数。
#
# 打开其中的 A0 看看，当作一个例子。`written()` 给出每个词在 $C_T$ 里留下了多少；乘上 $\partial\text{间隔}/\partial C_T$，就知道答案靠的是哪个单元。**间隔**（margin）是 softmax 之前正确代词的得分（logit）减去另一个的，这句话里就是 *his* 减 *her*。取在 john 处分量最重的那个单元。

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
# **先猜。** 在哪个词上，这个单元的遗忘门关得最紧？请填那个词。

# %%
my_guess = None

# %%
closes = question.words[int(values["f"].argmin())]
quiz.reveal(my_guess, closes)
print(f"单元 {unit}    f     i     C̃      C")
for word, *row in zip(question.words, *values.values()):
    print(f"{word:<8}" + "{:>6.2f}{:>6.2f}{:>7.2f}{:>7.2f}".format(*row))

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 手工搭的时候，我们**在**名字处忘。这个单元在 {{closes}} 处就忘了（$f=$ {{values["f"].min():.3f}}），早了一个词：这些句子里，and then 后面总是新的主语，所以可以提前清空记忆。到了 john，$f$ 是 {{values["f"][question.name]:.2f}}，但已经没有什么可保留的了。$i$ 在两个名字处都开着。它的正负号也与我们的相反：正的表示 his。没有人告诉过它该用哪一种。
#
# </details>
#
# 下面是间隔的梯度往回走：经过 found、john 和它前面的那个词。

# %%
tl.draw(flow.trace, follow="C", steps=(6, 8), labels=question.words, parameters=False, for_="notebook")

# %% [markdown]
# 整个句子放在一张图里，一列一个词：

# %%
tl.draw(flow.trace, view="strip", labels=question.words)

# %% [markdown]
# ## 哪个词说了算？三个问题，三个回答
#
# - **梯度**（gradient）：这个词的向量稍变一点，间隔变多少？
# - **写入**（written）：这个词往 $C$ 里写了什么，经过后面的遗忘门还剩多少，间隔又（按一阶近似）给它多大的权重？
# - **抹去**（erased）：**只**把这个词写入的内容置为 0，重读一遍句子，间隔少了多少？
#
# **先猜。** 三列之中，有一列的最大值不在 john 处。是哪一列？请填列名。

# %%
my_guess = None

# %%
weights = weigh(net, question)
names = ("梯度", "写入", "抹去")
top = {name: question.words[int(np.abs(column).argmax())] for name, column in zip(names, weights)}
quiz.reveal(my_guess, next(name for name, word in top.items() if word != "john"))
print(f"间隔 {margin.item():.2f}\n{'':<8}     梯度     写入     抹去")
for word, *row in zip(question.words, *weights):
    print(f"{word:<8}" + "".join(f"{value:>9.2f}" for value in row))
assert top["写入"] == top["抹去"] == "john" != top["梯度"]

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 梯度最大的词是 {{top["梯度"]}}，是 john 处的 {{weights.gradient.max() / weights.gradient[question.name]:.0f}} 倍。john 处在 $\sigma$ 和 $\tanh$ 的饱和段（看上面它的 $i$ 和 $\tilde C$），词向量稍变一点，几乎什么也不会变。{{top["梯度"]}} 处在斜坡上，可是答案并不靠它。把 john 写入的内容抹去，间隔减少 {{weights.erased[question.name]:.1f}}，降到 0 以下：答案翻了过来。
#
# 所以，梯度热图画的不是“哪个词说了算”。它回答的是它自己的问题；如果你问的是**训练**会改动哪些词，那么该看的正是它。
#
# </details>
#
# ## 这是规律吗？
#
# 一个句子证明不了什么，一个网络也一样：换个种子，训练出来的就是另一个网络。所以十个都要看。`survey` 取 30 个没见过的句子，每句最后一个名字的性别都与前一个不同，然后在每个网络里逐词抹去。
#
# **先猜。** 抹去最后一个名字写入的内容，答案在多大比例的句子里会翻转？取十个网络的平均。（0 到 1 之间的数。）

# %%
my_guess = None

# %%
found = {key: survey(net, task, sentences=30) for key, net in nets.items()}
name_flips = np.array([[found[start, seed].name_flips for seed in range(5)] for start in starts])
other_flips = max(f.other_flips for f in found.values())
written_first = [f.written_first for f in found.values()]
quiz.reveal(my_guess, name_flips.mean())
print("网络   名字影响最大   答案翻转      抹别的词翻转        名字写得最多")
for (start, seed), f in found.items():
    print(f"{start}{seed}{f.name_first:>17.0%}{f.name_flips:>11.0%}{f.other_flips:>18.1%}{f.written_first:>20.0%}")
assert other_flips < 0.05 and name_flips.min() < 0.2 and name_flips.max() > 0.5

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 平均 {{name_flips.mean():.0%}}，从 {{name_flips.min():.0%}} 到 {{name_flips.max():.0%}} 不等，而十个网络都学会了任务。有一点十个都成立：抹去**别的**任何一个词，翻转的答案最多 {{other_flips:.1%}}。如果有哪个词写入的内容说了算，那就是名字。
#
# 反过来就不成立了：抹去名字，常常什么也不翻。空的记忆也会给出某个答案，碰巧偏向正确的代词时就不翻。再说，抹去 $\tilde C$，三个门都没有动：名字照样可以**忘**。
#
# </details>
#
# 反过来也问一问：写入照旧，但不许名字忘，只在这一个词上令 $f=1$。男名和女名分开看：

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
print("       最后是男名           最后是女名\n网络   C̃ = 0     f = 1      C̃ = 0     f = 1")
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
# 十个网络几乎各有各的办法。有 {{len(one_sided)}} 个只靠一种性别的写入：抹去这种名字写入的内容，至少一半答案翻转；抹去另一种，翻转的不到一成，仿佛记忆空着就代表那一种。有 {{len(forgetful)}} 个把消息藏在遗忘里：不让名字关上 $f$，其中一种性别的答案至少翻转一半；旧内容还在，网络照旧主语作答。还有 {{len(neither)}} 个，两种改动能翻转的都不到四分之一：它们另有办法，这两种抹法都找不到。清掉什么，和写入什么一样能传递消息；只看写入的方法看不到这一点。（按“写入”排，名字在 {{min(written_first):.0%}} 到 {{max(written_first):.0%}} 的句子里排第一。这说的是 $C$ 里装着什么，不是没有它答案会怎样。）
#
# 任务相同，大小相同，准确率相同，机制却有好几种。是初值决定的吗？抹去写入，A 组翻转 {{name_flips[0].min():.0%}} 到 {{name_flips[0].max():.0%}}，B 组翻转 {{name_flips[1].min():.0%}} 到 {{name_flips[1].max():.0%}}：A 组的初值让这种办法更容易出现，但两个范围有重叠。如果每组只挑一个网络，挑哪个种子，就能讲出哪种故事。
#
# ## 练习
#
# **4.1** 一个门只看一个输入，名字处为 1，其他词处为 0：$f=\sigma(w\,x+b)$。选 $w$ 和 $b$，让 $f$ 在普通词处是 `0.99`，在名字处是 `0.01`。答案写成 `(w, b)`。

# %%
answer = None
quiz.check("4.1", answer)

# %% [markdown]
# **4.2** 手工搭一个元胞，让它知道**这句话里**是否已经读到过 not：每读完一个词，读到过则 $h$ 大于 `0.5`，没有则 $h$ 与 0 相差不超过 `0.05`。“.”结束一句；读到“.”时就已经算新的一句。对每个词返回 `(f, i, C_new, o)`，门在 [0, 1] 内，$\tilde C$ 在 [−1, 1] 内。

# %%
def gates_for(word):
    return None


quiz.check("4.2", gates_for)

# %% [markdown]
# **4.3** 用 NumPy 写一步 LSTM，单元数任意。`W` 和 `b` 是字典，键为 `"f"`、`"i"`、`"C"`、`"o"`；每个 `W[gate]` 里 $h$ 的行在前。返回 `(h, C)`。

# %%
def lstm_step(x, h, C, W, b):
    return None


quiz.check("4.3", lstm_step)

# %% [markdown]
# ## 小结
#
# LSTM 就是一个和，$C_t=f\circ C_{t-1}+i\circ\tilde C$，加上三个由它自己根据输入算出的门：$f$ 管保留，$i$ 管写入，$o$ 管露出。没有 $f$，记忆换不掉；没有 $i$，记忆会写乱；没有 $o$，记忆不会沉默。
#
# 梯度、写入、抹去，对同一个词回答三个不同的问题；要说清楚问的是哪一个。抹去是因果性的检验，但只对抹去的那样东西有效：网络也可能把消息放在它忘掉的东西里。
#
# 训练好的网络内部怎么做，任务定不下来，初值也定不下来：多看几个，再说“LSTM 是这样做的”。沿 $C$ 这条线，梯度究竟为什么回得来，此外还有多少条别的路，是下一篇的内容。
#
# ## 参考文献
#
# - S. Hochreiter, J. Schmidhuber (1997). *Long Short-Term Memory.* Neural Computation 9(8).
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to Forget: Continual Prediction with LSTM.* Neural Computation 12(10)：遗忘门。
# - K. Greff, R. K. Srivastava, J. Koutník, B. R. Steunebrink, J. Schmidhuber (2017). *LSTM: A Search Space Odyssey.* IEEE Transactions on Neural Networks and Learning Systems 28(10)：每个门值多少。
