# %% [markdown]
# # 10 · 用到真实的数据上
#
# **问题。** 一个小 LSTM 读了一小会儿 Python 标准库的源码。它学会了“有开括号就要有闭括号”吗？这点知识放在哪里？只靠数频次，能不能预测得一样好？
#
# 需要的基础：[5 · 跟着 C 走](05_follow_c.ipynb) 和 [9 · 序列的实际用法](09_sequences_in_practice.ipynb)。大约 45 分钟。文本取自你自己的 Python，训练出来的数又随机器而变。我们细看的只是一个网络；所说的与你的不同时，以你自己的图为准。另外四个种子的结果，靠近末尾有一张表。

# %%
import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import quiz, tasks
from tinygrad_lstm import SequenceModel, evaluate, fit, make_optimizer
from tinygrad_lstm.course.longer_runs import measured

tl.language("zh")

plt.style.use("tinygrad_lstm.drawn")

# %% [markdown]
# ## 一段文本，数频次能知道多少
#
# 任务是预测下一个字符。文本的最后十分之一作留出集。

# %%
text = tasks.stdlib()
tokens, V = text.encode(text.text), len(text.vocabulary)
cut = len(tokens) - round(len(tokens) * text.held_out)
train, test = tokens[:cut], tokens[cut:]
print(f"训练 {len(train):,} 个字符，留出 {len(test):,} 个，共 {V} 种")
print(text.text[200_000:200_300])

# %% [markdown]
# 先不用网络，立一个过硬的基线。模型给一个字符的概率是 p，这个字符就花 $-\log_2 p$ 比特：存下它要用这么多。如果只统计训练部分里每 n 个字符之后出现过什么，用它来预测，留出集的一个字符平均要花多少？长的上文更准，但见到的次数少；所以每个计数都与较短的上文所说的混合，后者相当于十次观察：
#
# $$p_n(c) = \frac{\mathrm{count}(\mathrm{context}_n, c) + 10\, p_{n-1}(c)}{\mathrm{count}(\mathrm{context}_n) + 10}, \qquad p_{-1} = \frac1V$$

# %%
def key(x, n):
    """每个位置之前的 n 个字符，编成一个数。"""
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
    print(f"上文 {n} 个字符：每字符 {counted[n]:.2f} 比特")
stored = len(np.unique(before * V + train))

# %% [markdown]
# 均匀地瞎猜，要花 $\log_2 V$，即 {{np.log2(V):.1f}} 比特。不看上文（只看字母频率，一元模型）是 {{counted[0]:.1f}}；看一个字符（二元模型）是 {{counted[1]:.1f}}。
#
# 现在轮到网络：96 个单元，训练 600 步，每步 16 行，每行 {{text.steps}} 个字符；再用较小的学习率走 200 步。状态从一块带到下一块。（网络的损失以纳特为单位，用的是 ln，不是 $\log_2$；除以 ln 2 就是比特。）
#
# **先猜。** 网络在留出集上，一个字符要花多少比特？

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
# <details><summary>答案与原因</summary>
#
# 网络要 {{net_bits:.1f}} 比特，远好于一元和二元模型。但是上文取长一些，数频次可以降到 {{min(counted):.1f}}：与网络一样好，或者更好。
#
# 这个比较要两面看。上文取五个字符时，计数要存 {{stored:,}} 种不同的接续；网络只有 {{sum(w.size for w in model.parameters()):,}} 个参数，而且只训练了一小会儿。但是“神经网络胜过计数”并不是什么定律，那要花时间，也要够大；只拿字母频率来比，说明不了什么。
#
# </details>

# %%
model.eval()
model.rnn.fused = False
sample = model.generate(text.encode("    def "), 240, np.random.default_rng(0), temperature=0.7)
print("    def " + text.decode(sample))

# %% [markdown]
# （`temperature` 是温度，logits 先除以它，再做 softmax：小于 1 时，本来可能性大的抽到得更多。）Python 长什么样，它学会了。长得像很容易。所以我们来问一件需要记忆的事。
#
# ## 括号由谁记着？
#
# 在 `    return len(self.name` 之后，可以来一个 `)`；在 `    return self.name` 之后就不可以。两行的最后九个字符相同，差别在更前面。
#
# **先猜。** 网络认为第一行后面出现 `)` 的概率，是第二行的多少倍？（对五个名字取几何平均。）

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
    print(f"{name:6} 后面是 ')'：在括号内 {inside:6.1%}，没有括号 {outside:6.1%}")
assert ratio > 1

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 网络是知道的：在这里描述的这次运行里，前者是后者的 {{ratio:.0f}} 倍。
#
# </details>
#
# 要看它把括号记在哪里，就从这个 `)` 的损失往回走，看每个字符下面的 ∂L/∂C。

# %%
line = "    return len(self.name"
shown = list(line.replace(" ", "·"))
loss = tl.nn.cross_entropy(model(text.encode(line)[None]).y[:, -1], text.encode(")"))
flow = tl.trace(loss).flow("C")
at = line.index("(") + 1
print(f"‖∂L/∂C‖：括号之后 {flow.norm[at]:.3f}，括号之前 {flow.norm[at - 1]:.3f}")
tl.draw(flow.trace, view="strip", labels=shown)

# %% [markdown]
# 从右往左看第一行。在这里描述的这次运行里，梯度穿过 `self.name`，到了 `(` 的右边，范数还剩 {{flow.norm[at] / flow.norm[-1]:.0%}}；一过 `(`，就只剩 {{flow.norm[at - 1] / flow.norm[-1]:.0%}} 了。括号之前 C 里是什么，对闭括号已经不大要紧。
#
# ## 三个问题，容易当成一个
#
# 梯度说的是：C **稍变一点**会怎样。`flow.weights()` 说的是：每个字符往 C 里**写**了什么，经过遗忘门还剩下的部分，乘以终点处的梯度；这里把符号反过来，于是让损失变小的，也就是支持 `)` 的，朝上。抹去说的是：如果在某一个字符处什么也不写，**结果**会怎样。那里的 C̃ 置为 0，这一行的其余部分照常读。

# %%
def erased(line, target):
    """逐个字符：如果那里的 C̃ 是 0，`target` 的损失会增加多少。"""
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
three = {"梯度 ‖∂L/∂C‖": flow.norm[1:], "写入，支持 ')'": written, "抹去后损失增量": without}
for ax, (name, values) in zip(rows, three.items(), strict=True):
    ax.bar(range(len(line)), values, color="#1f4e79")
    ax.set_ylabel(name)
    ax.axhline(0, color="black", linewidth=0.5)
rows[-1].set_xticks(range(len(line)), shown)
plt.show()
assert written[at - 1] > np.abs(written[: at - 1]).max()

# %% [markdown]
# `(` 写入的内容支持 `)`，比它之前写入的任何内容都有力；抹去它，代价很大。它后面的字母也有分量，抹去其中一个，代价可能比抹去括号还大。这不是因为它记着括号，而是因为网络一旦不知道自己读到哪个词，也就不指望这个词要结束了。抹去一个字符，看到的是依赖它的一切。只有拿两行来对比，问的才单单是括号。
#
# 另外，梯度在括号处落下去，只是多种做法中的一种。这里描述的网络，在 `(` 处是**换掉**：先忘，再写。同样的网络，换一次训练，也可能把括号**加**到某个单元已有的内容上。那时门开着，梯度一路往左走，第一行看不出台阶，只有第二行指着括号。所以，三者之中，绝不要只凭一个下结论。
#
# ## 遗忘门打开了吗？
#
# 网络学会了把一件事记住十步。遗忘门偏置是 1，所以门一开始在 $σ(1)$ 附近，即 {{tl.sigmoid(np.array(1.0)):.2f}}。
#
# **先猜。** 训练之后，遗忘门的平均值是多少？

# %%
my_guess = None

# %%
mean_f = quick.record["f"][0].mean(), fine.record["f"][-1].mean()
quiz.reveal(my_guess, mean_f[1])
kept = [np.linalg.norm(flow.ledger(t)["highway"]) / flow.norm[t] for t in range(1, flow.T + 1)]
units = [float(next(x for x in flow.named(t) if x.name == "f").numpy().mean()) for t in range(1, flow.T + 1)]
figure, ax = plt.subplots(figsize=(8, 3), layout="constrained")
ax.plot(units, "o-", label="所有单元的 f 的均值")
ax.plot(kept, "s-", label="‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖")
ax.set_xticks(range(len(line)), shown)
ax.set_ylim(0, 1.05)
ax.legend(loc="lower left")
plt.show()
inner = kept[at:-1]
print(f"‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖：括号之内 {np.mean(inner):.2f}，括号本身处 {kept[at - 1]:.2f}")
assert mean_f[1] < 0.85

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# “记得住的网络，遗忘门是开着的。”这句话不对，至少从平均值上看不出来：平均值从 {{mean_f[0]:.2f}} 变到了 {{mean_f[1]:.2f}}。{{model.config()["hidden"]}} 个单元里，大多数没有什么要保留的，只跟着当前的词走。
#
# </details>
#
# 均值的曲线一直在这个数附近。另一条曲线问的是同一个问题，但只问这一个 `)` 的梯度所经过的那些单元。在括号里面，按梯度加权的 f 大多接近 1，远高于平均值。如果网络在 `(` 处是换掉，那么到了 `(` 本身，它几乎落到 0：网络在那里扔掉单元原来的内容，重新写。要保留的地方开着，要替换的地方关上，遗忘门就是做这个用的；而要看到这一点，得借助梯度。（在 `(` 的左边，几乎已没有梯度可以用来加权。）
#
# ## 另外四个种子
#
# 以上都是一个网络。同样的训练换一组初始权重，每个要好几秒，放在这里太久；项目里的 `tests/benchmarks/brackets.py` 用 `tl.sweep`（同一个函数，换着种子各跑一遍）跑过，文本取自某一个 Python，结果如下：

# %%
nets = measured("brackets")
print("种子   比特    ')' 概率之比   训练前 f  训练后 f    括号内保留   '(' 处保留")
for net in nets:
    print(f"{net['seed']:4} {net['bits']:6.2f} {net['ratio']:15.1f} {net['f before']:10.2f} {net['f after']:9.2f}"
          f" {net['kept inside']:13.2f} {net['kept at the bracket']:12.2f}")
least, *_, most = sorted(nets, key=lambda net: net["ratio"])
adds = max(nets, key=lambda net: net["kept at the bracket"])

# %% [markdown]
# （最后两列是上面的 ‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖。）五个网络预测得差不多好，相差不到十分之一比特。可是对括号知道多少，差别就大了：最差的只有 {{least["ratio"]:.1f}} 倍，最好的 {{most["ratio"]:.0f}} 倍。种子 {{least["seed"]}} 几乎什么也没学到，它的遗忘门平均值也没有降；另外四个都降了。最后一列还分得出谁在括号处换掉，谁是往上加（种子 {{adds["seed"]}}）。所以，“这么点时间，一个小 LSTM 就学会了括号”就说得过头了：{{len(nets)}} 个里学会了的是 {{sum(net["ratio"] > 2 for net in nets)}} 个。只拿一个网络给人看，就是挑过的，不管有意无意；这里细看的这一个，恰好是五个里最好的。
#
# ## 它没有学会什么
#
# 只给人看成功的例子，那是广告。下面三个小测验：

# %%
def among_names(before, character):
    return np.exp(np.mean([np.log(chance(f"{before}self.{name}", character)) for name in names]))


for opened in "([{":
    row = [f"{character} {among_names(f'    x = call{opened}', character):6.2%}" for character in ")]}"]
    print(f"文本中有 {text.text.count(opened):6,} 个 {opened}；开着一个时，网络期待  " + "  ".join(row))
print()
for before in ("len(self.name)", "len(int(self.name)", "len(int(abs(self.name)"):
    print(f"return {before:24} 再来一个 ')'：{chance('    return ' + before, ')'):.1%}")

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
ax.set(xlabel="距括号（或它本来的位置）多少个字符", ylabel="')' 的概率")
ax.set_ylim(bottom=0)
ax.legend()
plt.show()

# %% [markdown]
# - **哪一种括号。** 开着 `[`，网络应当等 `]`；开着 `{`，应当等 `}`。我们的网络在三种括号之后最期待的都是 `)`，在少见的 `{` 之后连它也不怎么期待：圆括号最常见，它有的主要是对 `)` 的感觉。
# - **几层括号。** 打印出来的三行里，还开着的括号分别是零个、一个、两个。会数数的网络，给第一行的概率应当小得多。我们的网络几乎分不出这三行。
# - **记多久。** 两条曲线会合之处，网络已不知道有没有过括号；下面那条往上走，就是它开始相信一个从来没有过的括号。虚线在 {{text.steps}} 个字符处，即一块的长度：训练时没有梯度走得比这更远。超过虚线还成立的，是门按块内学到的样子继续工作的结果。
#
# 多花时间、加大网络，三项都会好一些。这些测验，拿去问大模型也值得。
#
# ## 练习
#
# **10.1** 一个网络的损失是每字符 `1.7` 纳特。用它的预测来存一段 `1000` 个字符的文本，要多少比特？

# %%
answer = None
quiz.check("10.1", answer)

# %% [markdown]
# **10.2** 写出二元模型的基线：`train` 和 `test` 是词元的数组，词元是小于 V 的整数，一个字符一个。`test[1:]` 里的每个词元，都由它前面的那一个来预测：平均每个要花多少比特？在 `train` 里统计词元对，V × V 个计数各加 1。

# %%
def bigram_bits(train, test, V):
    return None


quiz.check("10.2", bigram_bits)

# %% [markdown]
# **10.3** 三个问题中的第二个，亲手算一遍。`f` 和 `w` 各有 T 行，每个单元一列：遗忘门，以及每一步写入的内容 $w_t = i_t ∘ \tilde C_t$，于是 $C_t = f_t ∘ C_{t-1} + w_t$。`g`（每个单元一个数）是 $C_T$ 处的梯度。返回 T 个数：每一步写入的，经过后面的遗忘门还剩下的部分，乘以 `g`，再对单元求和。

# %%
def written_by(f, w, g):
    return None


quiz.check("10.3", written_by)

# %% [markdown]
# ## 小结
#
# - 每个语言模型旁边都放一个计数模型。在这里，它没有输。
# - `(` 记在 C 里，由开着的门带下去。梯度、写入、抹去回答不同的问题，答案可以不一致；要回答你想问的那个问题，就拿两行来对比。
# - 对所有单元求平均，会把学到的东西盖住。遗忘门在有东西要保留的单元里、有东西要保留的时间步上，是开着的。
# - 一个网络只是个例，剖析得再细也是：换一个种子，你解释的东西它可能根本没有学会。
#
# 一个说法要用多少个网络来支持，一个数旁边该写些什么，见 [论文里的数字](13_what_papers_print.ipynb)；LSTM 之后又有了什么，见 [LSTM 之后](14_after_the_lstm.ipynb)。接下来是 [追查错误](11_mistake_hunt.ipynb)：那里有几段反向传播，各有一个错，要你说出错在哪里。
#
# ## 参考文献
#
# - C. E. Shannon (1951). *Prediction and entropy of printed English.*
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to forget.*
# - A. Karpathy, J. Johnson, L. Fei-Fei (2015). *Visualizing and understanding recurrent networks.* arXiv:1506.02078：跟踪引号、括号和行长的单元。
