# %% [markdown]
# # 14 · LSTM 之后
#
# **问题。** LSTM 之后的许多网络里，门不再看 h 了。这样做换来了什么？又有什么是这样的网络再也做不到的？
#
# 需要的基础：[5 · 跟着 C 走](05_follow_c.ipynb)，即梯度走哪几条路，以及账本。大约 40 分钟。

# %%
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import nn, optim, quiz, sigmoid

tl.language("zh")

# %% [markdown]
# ## 就是一行
#
# LSTM 之后的许多结构，都可以看作对这一行的改动：
#
# $$C_t = f_t ∘ C_{t-1} + i_t ∘ \tilde C_t .$$
#
# 弱点不在这一行，而在送进来的东西：f、i 和 C̃ 要看 $h_{t-1}$，所以第 t − 1 步没做完，第 t 步就不能开始。**假如门事先已知**，这一行对 C 就是线性的，两步可以合成形式相同的一步。于是可以一轮一轮地做，每做一轮，每一步往回够到的距离就翻一倍。这叫**并行扫描**（parallel scan）：

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

x = rng.normal(size=(1, 50, 3)).astype(np.float32)
steps = nn.LSTM(3, 4, rng=0)(x).steps
gates = [np.array([getattr(step, name).numpy()[0] for step in steps]) for name in ("f", "i", "C_new", "C")]
again, _ = scan(gates[0], gates[1] * gates[2])
print(f"由门一轮一轮地算出 LSTM 的 C：相差 {np.abs(again - gates[3]).max():.0e}")
assert np.allclose(again, gates[3], atol=1e-5)

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# {{rounds}} 轮，代替 {{len(f):,}} 步；一轮之内，并行的机器可以同时全部算完。（总工作量比循环大；更好的扫描，合并的对数只有循环的两倍左右，见 Blelloch 1990。）第二个检验取的是一个 LSTM 实际用过的门：门给定之后，同样的扫描就算得出它的 C。无法事先知道的只是门。于是人们就问：门为什么非看 $h_{t-1}$ 不可？
#
# </details>
#
# ## 这一行后来变成了什么
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
# | 注意力（2014，2017） | 没有这一行：所有 $(k_s, v_s)$ 都留着 | $x_s, x_t$ | 任何一步都能直接看到 |
#
# 顺着第二列往下读。**指数门**（sLSTM）：$i = e^{\cdot}$，新写入的内容，分量可以是已存内容的任意多倍，归一化项 $n_t$ 让读出的值有界。**矩阵记忆**（mLSTM、线性注意力）：d 个数的向量变成 d × d 的矩阵，以值和键的外积写入，用查询读出，几样东西可以并排存放。**没有门**（S4）：$\bar A$ 固定，$C_t$ 就是此前所有输入的加权和，权重只取决于隔了多远，也就是一次卷积；$\bar A$ 的初值（HiPPO，2020）经过选择，使状态能够概括过去。**门只看 x**（minLSTM、minGRU、mLSTM、Mamba）：可用扫描，忘不忘仍由输入决定；Mamba 靠的是由 x 算出的步长 $Δ_t > 0$。**注意力**什么也不压缩：留下的东西一步比一步多，每一步的工作量也随之增加。（mLSTM 和线性注意力里防止数值过大的部分，以及这一行之外的结构，这里都略去了。）
#
# 这些结构有多近，Mamba 论文中的一个特例（定理 1）可以说明：只有一个状态，$A = -1$，$B = 1$，$Δ = \mathrm{softplus}(z) = \ln(1 + e^z)$ 时，它的一步就是一个门，别无其他。$e^{ΔA} = 1 - σ(z)$，$\bar B = (e^{ΔA} - 1)\,B / A = σ(z)$，这正是 minGRU 的那一行：

# %%
z = np.linspace(-20, 20, 401)
delta = tl.softplus(z)
assert np.allclose(np.exp(-delta), 1 - sigmoid(z), rtol=0, atol=1e-12)
assert np.allclose(-np.expm1(-delta), sigmoid(z), rtol=0, atol=1e-12)

# %% [markdown]
# ## 门只看 x 时，梯度怎样往回走
#
# 下面把 minGRU 写成自己的元胞。它的状态就是 h；没有 tanh，除了保留下来的那一份，哪里也不用 h：

# %%
class MinGRU(nn.Cell):
    """z 和 n 只看 x：h ← (1 − z) ∘ h + z ∘ n。"""

    def __init__(self, input_size, hidden_size, **settings):
        super().__init__(input_size, hidden_size, **settings)
        self.gate = nn.Linear(input_size, hidden_size, rng=self._rng)
        self.content = nn.Linear(input_size, hidden_size, rng=self._rng)

    def step(self, x, state):
        z = sigmoid(self.gate(x)).named("z")
        n = self.content(x).named("n")
        return nn.Step(z=z, n=n, h=((1 - z) * state.h + z * n).named("h"))


# %% [markdown]
# LSTM 的 C 的账本有六项，GRU 的 h 有五项。这里有四项：高速通道、损失在那里直接读取的、z、n。
#
# **先猜。** 从最后一步往前看一步：四条路里，有几条真的带回了梯度？

# %%
my_guess = None

# %%
x, ledgers = np.random.default_rng(0).normal(size=(1, 6, 3)).astype(np.float32), {}
for kind, state in ((nn.LSTMCell, "C"), (nn.GRUCell, "h"), (MinGRU, "h")):
    net = nn.Recurrent(3, 4, cell=kind, rng=0)
    flow = tl.trace(net(x).last.h.sum()).flow(state)
    ledgers[kind.__name__] = {way: np.linalg.norm(share) for way, share in flow.ledger(6).items()}
open_ways = {name: sum(norm > 1e-12 for norm in ledger.values()) for name, ledger in ledgers.items()}
quiz.reveal(my_guess, open_ways["MinGRU"])
for name, ledger in ledgers.items():
    print(f"{name:9}" + "  ".join(f"{way} {norm:.3f}" for way, norm in ledger.items()))
tl.draw(flow.trace, steps=(5, 6), for_="notebook")

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# {{open_ways["MinGRU"]}} 条：高速通道，即 $(1 - z)$。门没有通向前一个 h 的箭头。所以第 5 篇里要一项项相加、第 6 篇里只能估计的，在这里就是一个乘积，而且分毫不差：隔多少步的梯度，在每个单元里就是多少个 $1 - z$ 的乘积，不多也不少。1997 年的 LSTM 要截断经过门的那些路才做到这一点；这里没有什么可截断。
#
# 反向传播得到的好处就是这个：在一层之内，梯度不会爆炸，也不会绕路。可是也没有别的路来救它：$1 - z$ 放掉的，就没有了。
#
# </details>
#
# ## 两个杯子
#
# 代价呢？一个球扣在两个杯子之一的下面。每一步，两个杯子或者对调，或者不动；球现在在哪个杯子下面？记忆只要一个比特，但是这个比特要随着看到的东西**改变**，怎么改又取决于它自己。旁边放一个容易些的任务：第一步给你看球在哪里，后面全是噪声。那个比特只要留住就行。

# %%
def drawn(task, rng, length, rows):
    """x（行数，长度，2），以及每一步球在哪个杯子下面：只在第一步给看（“look”），或者不断对调（“swap”）。"""
    bits = rng.integers(2, size=(rows, length))
    x = np.zeros((rows, length, 2), np.float32)
    if task == "swap":
        x[:, :, 0] = 2 * bits - 1
        return x, bits.cumsum(axis=1) % 2
    x[:, :, 0] = rng.normal(size=(rows, length))
    x[:, 0] = np.stack([2 * bits[:, 0] - 1, np.ones(rows)], axis=1)
    return x, np.repeat(bits[:, :1], length, axis=1)


def learned(task, kind, seed, length=12, updates=300):
    """500 行新数据中，最后一步答对的比例：长度与训练时相同，以及四倍长。"""
    rng = np.random.default_rng(seed)
    net, head = nn.Recurrent(2, 16, cell=kind, rng=seed, fused=True), nn.Linear(16, 2, rng=seed)
    adam = optim.Adam([*net.parameters(), *head.parameters()], lr=0.02)
    for _ in range(updates):
        x, ball = drawn(task, rng, length, 32)
        adam.zero_grad()
        nn.cross_entropy(head(net(x).h).reshape(-1, 2), ball.ravel()).backward()
        adam.step()
    shares = []
    for longer in (length, 4 * length):
        x, ball = drawn(task, np.random.default_rng(99), longer, 500)
        with tl.no_grad():
            answer = head(net(x).h).numpy()[:, -1].argmax(axis=1)
        shares.append((answer == ball[:, -1]).mean())
    return shares


# %% [markdown]
# 每个网络有 16 个单元，训练时看 12 步，每一步之后都告诉它球在哪里。
#
# **先猜。** 五个 minGRU 里，有几个学得会跟踪对调？（第 12 步上，答错的不到百分之一。）

# %%
my_guess = None

# %%
kinds, tasks = (nn.LSTMCell, MinGRU), ("look", "swap")
right = {(task, kind): np.array([learned(task, kind, seed) for seed in range(5)]) for task in tasks for kind in kinds}
quiz.reveal(my_guess, int((right["swap", MinGRU][:, 0] > 0.99).sum()))
print("任务  元胞      12 步，种子 0 到 4                 48 步")
for (task, kind), found in right.items():
    rows = ["  ".join(f"{share:4.0%}" for share in column) for column in found.T]
    print(f"{task:6}{kind.__name__:10}{rows[0]}     {rows[1]}")
assert (right["look", MinGRU][:, 0] > 0.99).all() and (right["swap", nn.LSTMCell] > 0.99).all()
assert (right["swap", MinGRU] < 0.7).all()

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 一个也没有。两种长度、五个种子，全是瞎猜：{{right["swap", MinGRU].min():.0%}} 到 {{right["swap", MinGRU].max():.0%}}。LSTM 用哪个种子都跟得住杯子，长到训练时的四倍也照样跟得住。只要留住给看的东西，在 12 步上两者都容易。到了 48 步，LSTM 还记得，最差的种子也对 {{right["look", nn.LSTMCell][:, 1].min():.0%}}；minGRU 只对 {{right["look", MinGRU][:, 1].min():.0%}} 到 {{right["look", MinGRU][:, 1].max():.0%}}。z 永远不会恰好是零，最初看到的内容每一步都要乘上 $1 - z$，越来越淡；而除了高速通道，没有别的路来传这个比特。
#
# 多训练也没有用。minGRU 的一个单元做的是 $h \mapsto (1-z)\,h + z\,n$，z 在 0 与 1 之间，而且不管 h 是多少，z 和 n 都一样。取“左”“右”两个状态：两个数里大的那个始终大，只是彼此越来越近。可是对调要把它们换过来。门看得到 h，这就不难：h 大时加一个数，h 小时加另一个数。（忘得快慢不同的几个单元可以互相补救若干步，但终究有限。）
#
# 多叠几层，可以把麻烦推迟到更长的序列。它不会消失，这一点已有证明。两个杯子的情形：只要所有的 $f ≥ 0$，数的精度又有限，无论叠多少层，都跟不住任意长的序列（Grazzi 等，2024）。即使 f 可以是负数：对角的或固定的线性递推（S4、Mamba），层数固定时，像五个杯子任意换位这样的任务，在复杂性理论的一个常用假设之下，不能对任意长度都做到（Merrill、Petty 与 Sabharwal，2024）。扫描的代价，就付在这里。只有两个杯子时，有一条便宜的出路，见练习 14.2。
#
# </details>
#
# ## 什么时候仍然该用 LSTM
#
# 数据一步一步地来（传感器、麦克风），记忆大小必须固定。数据少，序列短。网络小，机器也小。还有，状态必须一步步**跟踪**的时候。前几条对 minGRU 和 Mamba 也成立，最后一条则不然。
#
# ## 练习
#
# **14.1** `scan` 做的是两两合并：每一轮里，凡是前面隔 `reach` 个位置还有一步的，就与那一步合并。`1024` 步，各轮一共要合并多少对？（循环需要 `1023` 对。）

# %%
answer = None
quiz.check("14.1", answer)

# %% [markdown]
# **14.2** 如果 f 可以是负数，一个单元就管得了两个杯子。`swaps` 是由 0 和 1 组成的数组，每步一个。返回 f 和 w，两个与它等长的数组，使得 $C_t = f_t\, C_{t-1} + w_t$ 从 $C_0 = 1$ 起，球还在原来那个杯子下面时是 $1$，在另一个杯子下面时是 $-1$。一步的 f 和 w 只能取决于这一步对不对调。

# %%
def gates_of(swaps):
    return None


quiz.check("14.2", gates_of)

# %% [markdown]
# **14.3** 各种扫描的核心。一步 (f, w) 表示 $C \mapsto f ∘ C + w$。写出这样的一步：它的作用等于先做 `first`，再做 `second`。

# %%
def combine(first, second):
    return None


quiz.check("14.3", combine)

# %% [markdown]
# ## 小结
#
# - 后来的结构，改的是 $C_t = f ∘ C_{t-1} + i ∘ \tilde C$ 里谁可以看谁：看得少一些，所有的步就可以一起算。
# - 门只看 x，梯度就只剩一条路可以往回走。这条路恰好是一个乘积，再没有别的路来帮忙。
# - 失去的是前向传播里的一种能力：状态不能再决定自己怎样变。两个杯子就看得出来，五个网络个个如此。
#
# ## 参考文献
#
# - G. E. Blelloch (1990). *Prefix sums and their applications.*
# - S. Hochreiter, J. Schmidhuber (1997). *Long short-term memory.* F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to forget.*
# - D. Bahdanau, K. Cho, Y. Bengio (2014). *Neural machine translation by jointly learning to align and translate.* A. Vaswani et al. (2017). *Attention is all you need.*
# - A. Katharopoulos, A. Vyas, N. Pappas, F. Fleuret (2020). *Transformers are RNNs.*
# - A. Gu, T. Dao, S. Ermon, A. Rudra, C. Ré (2020). *HiPPO.* A. Gu, K. Goel, C. Ré (2021). *Efficiently modeling long sequences with structured state spaces.*
# - A. Gu, T. Dao (2023). *Mamba: Linear-time sequence modeling with selective state spaces.*
# - M. Beck et al. (2024). *xLSTM: Extended long short-term memory.*
# - L. Feng, F. Tung, M. O. Ahmed, Y. Bengio, H. Hajimirsadeghi (2024). *Were RNNs all we needed?* minLSTM 与 minGRU。
# - W. Merrill, J. Petty, A. Sabharwal (2024). *The illusion of state in state-space models.*
# - R. Grazzi et al. (2024). *Unlocking state-tracking in linear RNNs through negative eigenvalues.*
