# %% [markdown]
# # 10 · 用到真实的数据上
#
# **问题。** 一个小 LSTM 把 Python 标准库的源码读上若干秒。它学会了“有开括号就要有闭括号”吗？这点知识放在哪里？只靠数频次，能不能预测得一样好？
#
# 需要的基础：[5 · 跟着 C 走](05_follow_c.ipynb) 和 [9 · 序列的实际用法](09_sequences_in_practice.ipynb)。大约 60 分钟；中间想歇一歇，可以停在太阳黑子之前。文本取自你自己的 Python，训练出来的数又随机器而变。对这个网络的断言（assert），试过的八个种子都成立；更细的描述说的是某一次运行，与你的不同时，以你自己的图为准。

# %%
import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import quiz, tasks
from tinygrad_lstm import SequenceModel, evaluate, fit, make_optimizer

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
# 先不用网络，立一个过硬的基线。只统计训练部分里每 n 个字符之后出现过什么，用它来预测，留出集的一个字符要花多少比特？长的上文更准，但见到的次数少；所以每个计数都与较短的上文所说的混合，后者相当于十次观察：
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
# 现在轮到网络：96 个单元，训练 600 步，每步 16 行，每行 {{text.steps}} 个字符；再用较小的学习率走 200 步。状态从一块带到下一块。
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
# 这个比较要两面看。上文取五个字符时，计数要存 {{stored:,}} 种不同的接续；网络只有 {{sum(w.size for w in model.parameters()):,}} 个参数，而且训练若干秒就停了。但是“神经网络胜过计数”并不是什么定律，那要花时间，也要够大；只拿字母频率来比，说明不了什么。
#
# </details>

# %%
model.eval()
model.rnn.fused = False
sample = model.generate(text.encode("    def "), 240, np.random.default_rng(0), temperature=0.7)
print("    def " + text.decode(sample))

# %% [markdown]
# Python 长什么样，它学会了。长得像很容易。所以我们来问一件需要记忆的事。
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
# 网络是知道的，在这里描述的这次运行里，相差 {{ratio:.0f}} 倍。（换一个种子、换一段文本，这么短的时间里也可能学到的少得多。）要看它记在哪里，就从这个 `)` 的损失往回走，看每个字符下面的 ∂L/∂C。
#
# </details>

# %%
line = "    return len(self.name"
shown = list(line.replace(" ", "·"))
loss = tl.nn.cross_entropy(model(text.encode(line)[None]).y[:, -1], text.encode(")"))
flow = tl.trace(loss).flow("C")
at = line.index("(") + 1
print(f"‖∂L/∂C‖：括号之后 {flow.norm[at]:.3f}，括号之前 {flow.norm[at - 1]:.3f}")
tl.draw(flow.trace, view="strip", labels=shown)

# %% [markdown]
# 从右往左看第一行。在这里描述的这次运行里，梯度穿过 `self.name`，损失不大，一直到 `(`，在那里落了下去：括号之前 C 里是什么，对闭括号已经不大要紧。
#
# ## 三个问题，容易当成一个
#
# 梯度说的是：C **稍变一点**会怎样。`flow.weights()` 说的是：每个字符往 C 里**写**了什么，经过遗忘门还剩下的部分，乘以终点处的梯度。抹去说的是：如果在某一个字符处什么也不写，**结果**会怎样。那里的 C̃ 置为 0，这一行的其余部分照常读。

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
three = {"梯度 ‖∂L/∂C‖": flow.norm[1:], "写入，支持 ')'": written, "抹去后的损失": without}
for ax, (name, values) in zip(rows, three.items(), strict=True):
    ax.bar(range(len(line)), values, color="#1f4e79")
    ax.set_ylabel(name)
    ax.axhline(0, color="black", linewidth=0.5)
rows[-1].set_xticks(range(len(line)), shown)
plt.show()
assert written[at - 1] > np.abs(written[: at - 1]).max()

# %% [markdown]
# `(` 写入的内容支持 `)`，比它之前写入的任何内容都有力；抹去它，代价很大。点号和名字里的字母也有分量，抹去一个字母，代价可能比抹去括号还大。这不是因为它记着括号，而是因为网络一旦不知道自己读到哪个词，也就不指望这个词要结束了。抹去一个字符，看到的是依赖它的一切。只有拿两行来对比，问的才单单是括号。
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
looks = [*quick.record.steps, *(600 + step for step in fine.record.steps[1:])]
mean_f, where_needed = (
    np.concatenate([quick.record[name], fine.record[name][1:]]).mean(axis=1) for name in ("f", "f∘∂C")
)
quiz.reveal(my_guess, mean_f[-1])
kept = [np.linalg.norm(flow.ledger(t)["highway"]) / flow.norm[t] for t in range(1, flow.T + 1)]
units = [float(next(x for x in flow.named(t) if x.name == "f").numpy().mean()) for t in range(1, flow.T + 1)]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained", width_ratios=[2, 3])
left.plot(looks, mean_f, "o-", label="f 的均值")
left.plot(looks, where_needed, "s-", label="‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖")
left.set(xlabel="训练步数", ylim=(0, 1.05))
left.legend(loc="lower left")
right.plot(units, "o-", label="所有单元的 f 的均值")
right.plot(kept, "s-", label="‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖")
right.set_xticks(range(len(line)), shown)
right.set_ylim(0, 1.05)
right.legend(loc="lower left")
plt.show()
inner = kept[at:-1]
print(f"‖f ∘ ∂L/∂C‖ / ‖∂L/∂C‖：括号之内 {np.mean(inner):.2f}，括号本身处 {kept[at - 1]:.2f}")
assert mean_f[-1] < 0.85

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# “记得住的网络，遗忘门是开着的。”这句话不对，至少从平均值上看不出来：平均值从 {{mean_f[0]:.2f}} 变到了 {{mean_f[-1]:.2f}}。{{model.config()["hidden"]}} 个单元里，大多数没有什么要保留的，只跟着当前的词走。
#
# 右图问的是同一个问题，但只问这一个 `)` 的梯度所经过的那些单元。在括号里面，按梯度加权的 f 大多接近 1，远高于平均值。如果网络在 `(` 处是换掉，那么到了 `(` 本身，它几乎落到 0：网络在那里扔掉单元原来的内容，重新写。要保留的地方开着，要替换的地方关上，遗忘门就是做这个用的；而要看到这一点，得借助梯度。
#
# </details>
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
# - **哪一种括号。** 开着 `[`，网络应当等 `]`；开着 `{`，应当等 `}`。我们的网络在三种括号之后最期待的都是 `)`：圆括号最常见，它有的主要是对 `)` 的感觉。
# - **几层括号。** 打印出来的三行里，还开着的括号分别是零个、一个、两个。会数数的网络，给第一行的概率应当与另外两行明显不同。
# - **记多久。** 两条曲线会合之处，网络已不知道有没有过括号；下面那条往上走，就是它开始相信一个从来没有过的括号。虚线在 {{text.steps}} 个字符处，即一块的长度：训练时没有梯度走得比这更远。超过虚线还成立的，是门按块内学到的样子继续工作的结果。
#
# 多花时间、加大网络，三项都会好一些。这些测验，拿去问大模型也值得。
#
# ## 一个序列：太阳黑子
#
# 太阳黑子的多少有大约十一年的起伏。1700 年到 2008 年的年值随本库提供，最后五分之一作留出集。两种天真的预测：“与去年一样”，“与十一年前一样”。还有一个经典方法，Yule 的自回归：前 p 年的加权和，用最小二乘来拟合。
#
# LSTM 读 24 年，预测下一年。
#
# **先猜。** 它的误差是“与去年一样”的误差的多少倍？（均方根误差，在留出的年份上。）

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
    """在训练的年份上作最小二乘，用前 p 年的值和一个常数。"""
    table = np.lib.stride_tricks.sliding_window_view(values, p + 1)
    inputs, goals = np.insert(table[:, :-1], 0, 1.0, axis=1), table[:, -1]
    fitted = np.linalg.lstsq(inputs[: first - p], goals[: first - p])[0]
    return inputs[first - p :] @ fitted


past = np.array([values[year - 24 : year] for year in range(first, len(values))])
forecasts = {"去年": values[first - 1 : -1], "11 年前": values[first - 11 : -11]}
forecasts |= {f"线性，{p} 年": linear(p) for p in (2, 9, 24)}
for seed in range(5):
    net = SequenceModel.for_task(series, hidden=16, seed=seed)
    net.rnn.fused = True
    fit(net, series, steps=300, seed=seed, optimizer=make_optimizer("adam", net, global_clipnorm=1.0), progress=False)
    with tl.no_grad():
        forecasts[f"LSTM，种子 {seed}"] = series.decode(net(series.encode(past.ravel()).reshape(-1, 24, 1)).y.numpy()[:, -1])
errors = {name: rms(prediction) for name, prediction in forecasts.items()}
best, *_, worst = sorted(error for name, error in errors.items() if name.startswith("LSTM"))
quiz.reveal(my_guess, errors["LSTM，种子 0"] / errors["去年"])
print("\n".join(f"误差 {error:5.1f}   {name}" for name, error in errors.items()))
figure, ax = plt.subplots(figsize=(9, 3), layout="constrained")
ax.plot(range(1700 + first, 2009), true, "k", label="实测")
for name in ("LSTM，种子 0", "线性，9 年"):
    ax.plot(range(1700 + first, 2009), forecasts[name], ".--", label=name)
ax.set_ylabel("太阳黑子数")
ax.legend()
plt.show()
assert errors["LSTM，种子 0"] < 0.8 * errors["去年"] < errors["11 年前"]

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 网络的误差大约是“与去年一样”的 {{errors["LSTM，种子 0"] / errors["去年"]:.0%}}。（“十一年前”比“去年”还差，因为起伏没有那么规则。）如果只与天真的预测比，这算是成功。可是前九年加一个常数，一共拟合十个数，也做得到：留出的 {{len(true)}} 年上误差是 {{errors["线性，9 年"]:.1f}}，网络的五个种子是 {{best:.1f}} 到 {{worst:.1f}}。能学的数据只有 {{first}} 个，本该料到如此。所以：种子要多取几个，每个网络旁边都要放一个线性模型。
#
# </details>
#
# ## 更大的模型后来怎么做
#
# LSTM 之后的各种结构，都可以读作对这一行的改动：
#
# $$C_t = f_t ∘ C_{t-1} + i_t ∘ \tilde C_t .$$
#
# 弱点不在这一行，而在送进来的东西：f、i 和 C̃ 要看 $h_{t-1}$，所以第 t − 1 步没做完，第 t 步就不能开始。**假如门事先已知**，这一行对 C 就是线性的，两步可以合成形式相同的一步。于是可以一轮一轮地做，每一轮跨度翻倍，把所有步都算出来：

# %%
def scan(f, w):
    """从 C_0 = 0 起，C_t = f_t ∘ C_{t−1} + w_t 的所有 C_t；以及轮数。"""
    rounds, reach = 0, 1
    while reach < len(f):
        w = np.concatenate([w[:reach], w[reach:] + f[reach:] * w[:-reach]])
        f = np.concatenate([f[:reach], f[reach:] * f[:-reach]])
        rounds, reach = rounds + 1, 2 * reach
    return w, rounds


# %% [markdown]
# **先猜。** 1,024 步要做几轮？

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
print(f"由门用翻倍法算出我们网络的 C：相差 {np.abs(again - gates[3]).max():.0e}")
assert np.allclose(again, gates[3], atol=1e-5)

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# {{rounds}} 轮，代替 {{len(f):,}} 步；一轮之内，并行的机器可以同时全部算完。（翻倍法的总工作量比循环大；更好的扫描（scan）不必如此，见 Blelloch 1990。）第二个检验取的，是我们的网络读 `    return len(self.name` 时的门：门给定之后，同样的扫描就算得出它的 C。无法事先知道的只是门。于是人们就问：门为什么非看 $h_{t-1}$ 不可？
#
# | 名称 | 这一行变成 | 门看什么 | 为了什么 |
# |---|---|---|---|
# | LSTM（1997；遗忘门 2000） | $C_t = f_t ∘ C_{t-1} + i_t ∘ \tilde C_t$ | $h_{t-1}, x_t$ | 留住梯度 |
# | minLSTM（2024） | $C_t = f'_t ∘ C_{t-1} + i'_t ∘ \tilde C_t$，其中 $f' = \frac{f}{f+i}$，$i' = \frac{i}{f+i}$ | $x_t$ | 可用扫描；没有 tanh |
# | minGRU（2024） | $C_t = (1-z_t) ∘ C_{t-1} + z_t ∘ \tilde C_t$ | $x_t$ | 可用扫描，只有一个门 |
# | xLSTM 中的 sLSTM（2024） | 同一行，$i = e^{\cdot}$，读出 $C_t / n_t$，$n_t = f_t ∘ n_{t-1} + i_t$ | $h_{t-1}, x_t$ | 改写已存的内容 |
# | xLSTM 中的 mLSTM（2024） | $C_t = f_t C_{t-1} + i_t\, v_t k_t^⊤$，是矩阵，读出 $C_t q_t$ | $x_t$ | 记忆更大，可用扫描 |
# | S4（2021） | $C_t = \bar A\, C_{t-1} + \bar B\, x_t$ | （没有门） | 一次长卷积 |
# | Mamba（2023） | $C_t = e^{Δ_t A} ∘ C_{t-1} + \bar B_t\, x_t$ | $x_t$ | 会选择的 S4 |
# | 线性注意力（2020） | $C_t = C_{t-1} + v_t k_t^⊤$ | （没有门） | 记忆大小固定的注意力 |
# | 注意力（2014，2017） | 没有这一行：所有 $(k_s, v_s)$ 都留着 | $x_s, x_t$ | 一跳就到任何一步 |
#
# 顺着第二列往下读。**指数门**（sLSTM）：$i = e^{\cdot}$，新写入的内容可以是已存内容的任意多倍重，归一化项 $n_t$ 让读出的值有界。**矩阵记忆**（mLSTM、线性注意力）：d 个数的向量变成 d × d 的矩阵，以值和键的外积写入，用查询读出，几样东西可以并排存放。**没有门**（S4）：$\bar A$ 固定，整个序列就成了一次卷积；$\bar A$ 的初值（HiPPO，2020）取得让状态能概括过去。**门只看 x**（minLSTM、mLSTM、Mamba）：可用扫描，忘不忘仍由输入决定。**注意力**什么也不折叠：每一步留下的东西都在增加，每一步的工作量也随之增加。
#
# 这些结构有多近，Mamba 论文中的一个特例（定理 1）可以说明：只有一个状态，$A = -1$，$B = 1$，$Δ = \mathrm{softplus}(z)$ 时，它的一步就是一个门，别无其他。
#
# </details>

# %%
z = np.linspace(-20, 20, 401)
delta = tl.softplus(z)
assert np.allclose(np.exp(-delta), 1 - tl.sigmoid(z), rtol=0, atol=1e-12)
assert np.allclose(-np.expm1(-delta), tl.sigmoid(z), rtol=0, atol=1e-12)

# %% [markdown]
# $e^{ΔA} = 1 - σ(z)$，$\bar B = σ(z)$：这正是 minGRU 的那一行。
#
# **什么时候仍然该用 LSTM。** 数据一步一步地来（传感器、麦克风），记忆大小必须固定。数据少，序列短。网络小，机器也小。还有，状态必须一步步**跟踪**的时候，例如五个杯子一连串地两两交换，要知道最后的次序。门看得到 $h_{t-1}$，就做得到；对角的或固定的线性递推（S4、Mamba），层数固定时，在复杂性理论的一个常用假设之下，已经证明不能对任意长度都做到（Merrill、Petty 与 Sabharwal，2024）。扫描的代价，就付在这里。
#
# ## 练习
#
# **10.1** 一个网络的损失是每字符 `1.7` 纳特。用它的预测来存一段 `1000` 个字符的文本，要多少比特？

# %%
answer = None
quiz.check("10.1", answer)

# %% [markdown]
# **10.2** 写出二元模型的基线：给定两个词元数组，值都小于 V；用前一个词元预测后一个，`test[1:]` 平均每个词元要花多少比特？在 `train` 里统计词元对，V × V 个计数各加 1。

# %%
def bigram_bits(train, test, V):
    return None


quiz.check("10.2", bigram_bits)

# %% [markdown]
# **10.3** 各种扫描的核心。一步 (f, w) 表示 $C \mapsto f ∘ C + w$。写出这样的一步：它的作用等于先做 `first`，再做 `second`。

# %%
def combine(first, second):
    return None


quiz.check("10.3", combine)

# %% [markdown]
# ## 小结
#
# - 每个语言模型旁边放一个计数模型，每个预测旁边放一个线性模型。在这里，两者都没有输。
# - `(` 记在 C 里，由开着的门带下去。梯度、写入、抹去回答不同的问题，答案可以不一致；要回答你想问的那个问题，就拿两行来对比。
# - 对所有单元求平均，会把学到的东西盖住。遗忘门在有东西要保留的单元里、有东西要保留的时间步上，是开着的。
# - 后来的结构，改的是 $C_t = f ∘ C_{t-1} + i ∘ \tilde C$ 里谁可以看谁：看得少一些，所有的步就可以一起算。
#
# 这里只是一个网络、一段文本、若干秒的训练；换一个种子，管用的单元不同，失败的地方也不同。接下来是 [追查错误](11_mistake_hunt.ipynb)：那里有几个坏了的网络，要你说出坏在哪里。
#
# ## 参考文献
#
# - G. U. Yule (1927). *On a method of investigating periodicities in disturbed series, with special reference to Wolfer's sunspot numbers.*
# - C. E. Shannon (1951). *Prediction and entropy of printed English.*
# - S. Hochreiter, J. Schmidhuber (1997). *Long short-term memory.* F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to forget.*
# - D. Bahdanau, K. Cho, Y. Bengio (2014). *Neural machine translation by jointly learning to align and translate.* A. Vaswani et al. (2017). *Attention is all you need.*
# - G. E. Blelloch (1990). *Prefix sums and their applications.*
# - A. Katharopoulos, A. Vyas, N. Pappas, F. Fleuret (2020). *Transformers are RNNs.*
# - A. Gu, T. Dao, S. Ermon, A. Rudra, C. Ré (2020). *HiPPO.* A. Gu, K. Goel, C. Ré (2021). *Efficiently modeling long sequences with structured state spaces.*
# - A. Gu, T. Dao (2023). *Mamba: Linear-time sequence modeling with selective state spaces.*
# - M. Beck et al. (2024). *xLSTM: Extended long short-term memory.*
# - L. Feng, F. Tung, M. O. Ahmed, Y. Bengio, H. Hajimirsadeghi (2024). *Were RNNs all we needed?* minLSTM 与 minGRU。
# - W. Merrill, J. Petty, A. Sabharwal (2024). *The illusion of state in state-space models.*
# - 太阳黑子数：WDC-SILSO，比利时皇家天文台，布鲁塞尔。
