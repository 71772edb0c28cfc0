# %% [markdown]
# # 6 · C 也有靠不住的时候
#
# **问题。** “RNN 有梯度消失的毛病，LSTM 没有。”这句话到处读得到。拿一个刚造好、没训练过的 LSTM，让梯度往回走一百步，能到达多少？
#
# 需要的基础：第 5 篇的高速通道、纯高速通道和账本。大约 40 分钟。

# %%
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, forget_bias_for, nn, quiz, what_if

tl.language("zh")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %% [markdown]
# ## 最干净的情形
#
# 把权重全部设为零，只留偏置。这时什么也不依赖输入或 $h$，每个遗忘门在每一步都是 $\sigma(b_f)$，除了高速通道没有别的路。所以在每个单元里，$\partial C_T/\partial C_0=\sigma(b_f)^T$，严格成立。过多少步还剩一半，叫做**半衰期**：$\ln\frac12/\ln\sigma(b_f)$。
#
# **先猜。** `forget_bias=1`，Keras 和本库的默认值。100 步之后，梯度还剩多少？（猜一个 10 的幂就行，比如 `1e-3`。）

# %%
my_guess = None

# %%
x = np.random.default_rng(1).normal(size=(1, 100, 3))


def flow_of(forget_bias, x=x, seed=0, **settings):
    net = nn.LSTM(x.shape[2], 8, forget_bias=forget_bias, rng=np.random.default_rng(seed), **settings).astype(x.dtype)
    return tl.trace(net(x).last.C.sum()).flow("C")


blank = {b: flow_of(b, initializer="zeros", recurrent_initializer="zeros") for b in (0.0, 1.0, 2.0, 3.0, 5.0)}
left = {b: float(flow.norm[0] / flow.norm[-1]) for b, flow in blank.items()}
quiz.reveal(my_guess, left[1.0])
print("b_f   实测        σ(b_f)^100      半衰期")
for b, measured in left.items():
    print(f"{b:g}     {measured:.3e}   {sigmoid(b) ** 100:.3e}   {blank[b].half_life:9.2f}")
    assert abs(measured / sigmoid(b) ** 100 - 1) < 1e-12

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 是 {{left[1.0]:.1e}}。半衰期是 {{blank[1.0].half_life:.1f}} 步；过十个词，只剩 {{sigmoid(1.0) ** 10:.0%}}。$b_f=0$ 时半衰期是一步，因为 $\sigma(0)=\frac12$。后一种情形并不只在书上才有：PyTorch 的 `nn.LSTM` 把所有偏置都取成 0 附近的均匀随机数。
#
# </details>
#
# 把公式反过来用：要让梯度过 $n$ 步还剩一半，$b_f$ 该取多大？

# %%
for n in (10, 30, 100, 300, 1000):
    print(f"{n:>5} 步：forget_bias = {forget_bias_for(n):.2f}, f = {sigmoid(forget_bias_for(n)):.4f}")

# %% [markdown]
# $f$ 与 1 的差距不能超过 $0.7/n$ 左右。超过几百步，门就到了 $\sigma$ 的饱和段，几乎学不动了。
#
# ## 真实的权重
#
# 有了权重，就有两点不同：$f$ 随单元、随时间步而变；账本里的另外五条路也通了。每个偏置取五个种子，初始化就用库的默认。

# %%
rows = {}
for b in left:
    flows = [flow_of(b, seed=seed) for seed in range(5)]
    rows[b] = np.array([(f.highway[0] / f.highway[-1], f.norm[0] / f.norm[-1], f.highway[0] / f.norm[0]) for f in flows])
print("        100 步之后梯度剩下多少，五个种子中的最小与最大")
print("b_f     只走高速通道            所有的路                只走高速通道 / 所有的路")
for b, row in rows.items():
    print(f"{b:g}   " + "".join(f"{low:12.1e}{high:10.1e}  " for low, high in zip(row.min(axis=0), row.max(axis=0))).rstrip())
assert rows[1.0][:, 1].max() < 1e-4 and rows[5.0][:, 1].min() > 0.1

# %% [markdown]
# 有三点值得注意。第一，$b_f=1$ 时，经过各个门带回来的梯度远多于高速通道带回来的（看最后一栏：纯高速通道约为到达总量的 {{np.median(rows[1.0][:, 2]):.0e}}），可是两者都消失了：五个网络里最好的也只有 {{rows[1.0][:, 1].max():.0e}}。第二，$b_f=5$ 时，梯度确实传得到最初一步，而纯高速通道那部分的长度，最多也只有到达总量的 {{rows[5.0][:, 2].max():.0%}}。第三，到达的可以大于 1：从各个门来的梯度会累加，没有什么规定它不许变大。
#
# ## 与别的元胞相比
#
# 有记忆的不止 LSTM。**GRU** 只有一个状态 $h$ 和两个门：**更新门** $z$ 管旧的 $h$ 留下多少，**重置门** $r$ 管候选值 $n$ 能看到旧的 $h$ 的多少：
#
# $$z, r = \sigma(hx\,W + b)\qquad n = \tanh\big(x\,W_n + r\circ(h_{t-1}U_n)\big)\qquad h_t = z\circ h_{t-1} + (1-z)\circ n$$
#
# （$hx$ 就是第 4 篇的 $[h_{t-1}\,;\,x_t]$；$z$ 和 $r$ 各有自己的权重；$n$ 的偏置没有写出。）它的高速通道是 $\prod z$，而且保留和写入是**耦合**（coupled）的：一个等于 1 减另一个。LSTM 也可以这样耦合，$i=1-f$（`nn.CoupledLSTMCell`），于是 $|C|$ 不会超过 1。带**窥视孔**（peephole）的 LSTM 让门除了 $h$ 和 $x$ 还能看到 $C$（`nn.PeepholeLSTMCell`）：这样，梯度从门到 $C$ 就不必绕道 $h$。
#
# `tl.compare` 给几个网络同样的输入、同样的损失梯度，用 float64 来测。`"lstm:5"` 指遗忘门偏置为 5 的 LSTM。
#
# **先猜。** 五个没训练过的网络：`"rnn"`（普通 RNN，正交初始化）、`"lstm:0"`、`"lstm:1"`、`"lstm:5"`、`"gru"`。往回 100 步，在充当记忆的状态上（LSTM 是 $C$，其余是 $h$），哪一个剩得最少？

# %%
my_guess = None

# %%
found = tl.compare("rnn,lstm:0,lstm:1,lstm:5,gru", steps=100)
kept = {net.name: net.rows[-1].norm[0] / net.rows[-1].norm[-1] for net in found.nets}
quiz.reveal(my_guess, min(kept, key=kept.get))
print(found.table())
assert kept["lstm:0"] < kept["rnn"] < kept["lstm:1"] < kept["lstm:5"]
found.draw()

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# $b_f=0$ 的 LSTM 剩下 {{kept["lstm:0"]:.0e}}，比普通 RNN 的 {{kept["rnn"]:.0e}} 还少。普通 RNN 的正交矩阵不缩也不放，损耗只来自 tanh（损耗多少，取决于输入的大小）。GRU 也好不到哪里去：它管保留的门同样从 $\sigma(0)$ 附近开始。一个带门的元胞，训练开始时能留住多少，从名字上看不出来；主要看管保留的那个门的偏置，但不全看它：$b_f=1$ 时，上面五个种子剩下的就从 {{rows[1.0][:, 1].min():.1e}} 到 {{rows[1.0][:, 1].max():.1e}} 不等。
#
# （图中的黑色标记表示：从那里往前，梯度已不到终点处的 $10^{-7}$。这已接近 float32 的极限：往大小为 1 的数上加，小于 {{np.finfo(np.float32).eps / 2:.0e}} 的数就加不进去了，见下文。）
#
# </details>
#
# ## 问问网络自己
#
# `diagnose` 用句子说出网络有什么毛病。对健康的网络，它无话可说：

# %%
for b in (1.0, 5.0):
    found_here = flow_of(b, x[:, :60]).diagnose()
    print(f"b_f = {b:g}，60 步：\n{found_here}\n")
longer = flow_of(5.0).diagnose()
print(f"b_f = 5，100 步：\n{longer}")
assert not found_here and longer

# %% [markdown]
# 门一直开着也有代价：从来不忘，东西就越积越多。$b_f=5$ 时，60 步之内它无话可说；到 100 步，同一个网络得到的诊断是 $C$ 在增长。$|C|$ 很大，$\tanh C$ 就到了饱和段，$h$ 不再显示 $C$ 里装着什么。没有哪个偏置对所有长度都合适。`forget_bias_for(n)` 是记忆 $n$ 步的一个起点。`diagnose(memory=n)` 则按**你**需要记住的步数来诊断，它可以比序列短得多。
#
# ## 梯度小，作用大
#
# 在路上消失是一回事。还有一种情形：门（或候选值）太**肯定**，梯度也会很小。来看一个记性别的单元。它的输入是（性别，是不是名字）；第一个词是名字，后面还有九个词。

# %%
note = nn.LSTM(2, 1, rng=np.random.default_rng(0)).astype(np.float64)
cell = note.cells[0][0]
weights = {"f": (0, 0, 0, 8.0), "i": (0, 0, 16, -8.0), "C": (0, 8, 0, 0.0), "o": (0, 0, 0, 8.0)}  # h，性别，名字，偏置
for gate, (*w, b) in weights.items():
    getattr(cell, f"W_{gate}").data, getattr(cell, f"b_{gate}").data = np.array(w, float)[:, None], np.array([b])


def told(gender):
    words = np.zeros((1, 10, 2))
    words[0, 0] = gender, 1
    return Tensor(words, requires_grad=True)


she = told(1.0)
answer_she = note(she).last.h.sum()
trace = tl.trace(answer_she)
print(f"答案 h_10 = {answer_she.item():+.4f}")

# %% [markdown]
# **先猜。** 答案是 {{answer_she.item():.2f}}。它对第一个词的性别的梯度，隔着十步，有多大？

# %%
my_guess = None

# %%
gradient = float(trace.grad(she)[0, 0, 0])
quiz.reveal(my_guess, gradient)
note_written = float(trace.flow("C").weights()[0])
with what_if({"t=1/C̃": 0.0}):
    erased = answer_she.item() - note(she).last.h.item()
change = note(told(-1.0)).last.h.item() - answer_she.item()
elsewhere = float(trace.grad(she)[0, 1, 0])
print(f"性别处的梯度                        {gradient:.2e}   （第二个词的性别处 {elsewhere:.2e}）")
print(f"照此，从 +1 改到 -1 应当只变        {-2 * gradient:+.2e}")
print(f"实际变了                            {change:+.4f}")
print(f"名字处写入的内容，乘以 ∂h/∂C        {note_written:+.4f}")
print(f"抹去这份写入，答案减少              {erased:+.4f}")
assert abs(gradient) < 1e-5 and change < -1
tl.draw(trace, view="strip", labels="小芳 打开 了 那只 旧 盒子 然后 慢慢 卖掉 它".split())

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 图中 $\partial L/\partial C$ 从终点到起点都是深色，名字处的 $\tilde C$ 把它全部接住，别的词的候选值一点也没有接到。可是它在那里碰上了 $\tanh$ 的饱和段。传到名字的性别上的，比传到其他词的性别上的还少，而那些词的 $i$ 关着，根本写不进去：后者是前者的 {{elsewhere / gradient:.0f}} 倍。（图中 $x$ 那一行是两个输入合起来的范数，看不出这一点；数值见上面的打印。）
#
# 梯度说只会变 {{abs(2 * gradient):.0e}}，答案却从 {{answer_she.item():+.2f}} 翻到 {{answer_she.item() + change:+.2f}}。两个都没错：在 +1 处，候选值是 $\tanh 8$，很平，性别变**一点点**，什么也不变；要到 −1，得越过中间那段陡坡，而梯度看不到那么远。路上什么也没有消失：九步下来，高速通道保留了 {{trace.flow("C").highway[1] / trace.flow("C").highway[10]:.3f}}。名字写下的东西还在，起作用的就是它。（它的权重 {{note_written:.2f}} 也是一阶近似，不过取在 $C_T$ 处，不在饱和的候选值处，所以大小是对的。）因此，门饱和的地方不要只看梯度，要看**写入**（或者抹去试试），并且说清楚展示的是哪一个。
#
# 不过，学习靠的是梯度：这个单元这么肯定，一时是改不过来的。
#
# </details>
#
# ## 元胞状态的梯度过 20 步就是 0，是不是有 bug？
#
# 这个问题常有人问，背后可能是四种不同的情况。取 $b_f=1$ 的空白元胞，float32，400 步。

# %%
silence = np.zeros((1, 400, 1), np.float32)
blank32 = flow_of(1.0, silence, initializer="zeros", recurrent_initializer="zeros")
at20 = blank32.trace.grad(blank32.state(380))[0]
print("往回 20 步的 dL/dC：", at20[:2], f" 只留两位小数：{at20[0]:.2f}")

# %% [markdown]
# **其一：打印出来是 0。** 它是 $\sigma(1)^{20}=$ {{float(at20[0]):.1e}}，没有错。
#
# **其二：范数算出来是 0。** 往回看 {{400 - 150}} 步：

# %%
at250 = blank32.trace.grad(blank32.state(150))[0]
print(f"元素 {at250[0]:.1e}   np.linalg.norm {np.linalg.norm(at250):.1e}   flow.norm {blank32.norm[150]:.1e}")

# %% [markdown]
# 各元素是 {{float(at250[0]):.0e}}，可是范数要先平方，而平方小于 float32 能表示的最小的数。本库自己的范数先缩放，再平方。
#
# **其三：小得加不进去。** 一个权重的梯度是对所有时间步求和。隔多少步之后，一份梯度就小得改变不了一个大小为 1 的和？

# %%
def absorbed(kind, factor):
    return next(n for n in range(1, 10_000) if kind(1) + kind(factor**n) == kind(1))


for kind in (np.float32, np.float64):
    after = "，".join(f"b_f = {b:g} 时 {absorbed(kind, sigmoid(b))}" for b in (0.0, 1.0, 5.0))
    print(f"{kind.__name__}：几步之后就加不进去，{after}")

# %% [markdown]
# $b_f=1$、float32 时，隔 {{absorbed(np.float32, sigmoid(1.0))}} 步就加不进去了：更远处传来的梯度，在这样的和里一位也留不下，虽然那里 $C$ 的梯度并不是 0。这比下溢要早得多。
#
# **其四：真的是 0。** 是因为下溢吗？float32 的最小正数是 {{float(np.finfo(np.float32).smallest_subnormal):.1e}}。

# %%
half32 = flow_of(0.0, silence, initializer="zeros", recurrent_initializer="zeros")
zero_at = next((400 - t for t in range(400, -1, -1) if half32.norm[t] == 0), None)
print(f"f = 0.5： 往回 {zero_at} 步起恰好是 0")
late, later = (float(blank32.trace.grad(blank32.state(t))[0, 0]) for t in (1, 0))
print(f"f = σ(1)：399 步之后 {late:.1e}，400 步之后 {later:.1e}；真值是 {sigmoid(1.0) ** 400:.1e}")

# %% [markdown]
# $f=\frac12$ 时它会变成 0，但那要远远超过 20 步。$f=\sigma(1)$ 时它停在最小的正数上：这个数的 {{sigmoid(1.0):.2f}} 倍又舍入回它自己，永远如此。（如果处理器把这么小的数直接清零，它就是 0。）这最后一位是舍入，不是梯度。
#
# 如果 $\partial L/\partial C$ 过 20 步就恰好是 0，那么该找别的原因：某个门是 0（用 relu 当门），有掩码，或者 $\tanh$ 平到了最后一个二进制位。如果它是 `None`，或者图里是“–”，那就是从来没有算过梯度：有 `detach` 或 `no_grad` 把路切断了。这与 0 不是一回事。
#
# ## 练习
#
# **6.1** $b_f=4$ 时，纯高速通道的半衰期是多少步？

# %%
answer = None
quiz.check("6.1", answer)

# %% [markdown]
# **6.2** 写一个函数，求出遗忘门偏置：让纯高速通道过 `steps` 步之后，梯度还剩 `kept` 这个比例。

# %%
def bias_for(steps, kept):
    return None


quiz.check("6.2", bias_for)

# %% [markdown]
# **6.3** 一个元胞有两个单元。一个每步 $f=0.99$，另一个每步 $f=0.5$。在 $C_{100}$ 处，两个单元的梯度都是 1。沿纯高速通道走到 $C_0$，梯度的范数变成原来的多少倍？（$f$ 的平均值是 `0.745`。）

# %%
answer = None
quiz.check("6.3", answer)

# %% [markdown]
# ## 小结
#
# LSTM 能留住梯度，但只在遗忘门开着的时候。沿纯高速通道，$n$ 步之后剩下 $\sigma(b_f)^n$：偏置取惯用的 1，一百步之后是 {{left[1.0]:.1e}}；取 5，大约一半。经过各个门的路带回来的比这多，但 $b_f$ 小的时候，仍然近乎没有。
#
# 说梯度消失之前，先问一问：是打印、平方或相加时丢掉的吗？是哪个门太肯定，就地把它压小了吗？还是根本没有算过？
#
# 以上都是训练开始时的情形，不说明结束时怎样。学会了任务的网络可能自己把门打开了，第 4 篇的网络 B 就是这样。偏置决定的是走到那一步有多难。不用 tanh，换别的函数，会不会好些？这是下一篇的问题。
#
# ## 参考文献
#
# - S. Hochreiter (1991). *Untersuchungen zu dynamischen neuronalen Netzen.* 慕尼黑工业大学学位论文。Y. Bengio, P. Simard, P. Frasconi (1994). *Learning long-term dependencies with gradient descent is difficult.* IEEE Transactions on Neural Networks 5(2).
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to Forget: Continual Prediction with LSTM.* Neural Computation 12(10).
# - R. Jozefowicz, W. Zaremba, I. Sutskever (2015). *An Empirical Exploration of Recurrent Network Architectures.* ICML：遗忘门偏置默认取 1。
