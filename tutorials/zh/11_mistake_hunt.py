# %% [markdown]
# # 11 · 追查错误
#
# **问题。** 你手写了 LSTM 的反向传播。损失在降，生成的样本一分钟比一分钟像样。梯度对吗？
#
# 下面有三段反向传播，每段十几行，各有一个错，都是公开代码里、作者们的提问里出现过的那种错。三段都能运行，都能让损失下降。请把错找出来，并且学会一点：什么样的证据指向哪一行。
#
# 需要的基础：第 2 篇（gradcheck 是什么）和第 5 篇（$\partial L/\partial C$ 的账本）。大约 45 分钟。

# %%
from collections import namedtuple
from textwrap import fill

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, concat, nn, optim, quiz, sigmoid, split, tanh
from tinygrad_lstm.course.fingerprints import draw_fingerprints
from tinygrad_lstm.op import op
from tinygrad_lstm.testing import gradcheck

tl.language("zh")

# %% [markdown]
# ## 现场
#
# 一个矩阵 `W` 并排装着 f、i、C̃、o 的权重，就按这个次序。多数实现都这样并排放，只是次序各不相同：
#
# $$z = [h_{t-1} ; x_t] \cdot W + b, \qquad f, i, o = \sigma(z), \quad \tilde C = \tanh(z), \qquad C_t = f \circ C_{t-1} + i \circ \tilde C, \qquad h_t = o \circ \tanh C_t$$
#
# 本库的运算既接受 Tensor，也接受数组。所以下面这一个前向计算有两个用处：给它数组，供手写的反向传播用；给它 Tensor，供自动微分引擎用，由引擎给出真值。

# %%
Step = namedtuple("Step", "hx z f i C_new o C_old C h")


def forward(x, W, b):
    h = C = np.zeros((len(x), W.shape[1] // 4))
    steps = []
    for t in range(x.shape[1]):
        hx = concat(h, x[:, t])
        z = hx @ W + b
        z_f, z_i, z_C, z_o = split(z, 4)
        f, i, C_new, o = sigmoid(z_f), sigmoid(z_i), tanh(z_C), sigmoid(z_o)
        C_old, C = C, f * C + i * C_new
        h = o * tanh(C)
        steps.append(Step(hx, z, f, i, C_new, o, C_old, C, h))
    return steps

# %% [markdown]
# 反向传播拿到的是各步 `steps`、`dh` = $\partial L/\partial h_T$（损失只读最后的 h）和 `W`。它返回 dW、db 和一份行踪记录（trail）：每一步里 C、h 和 z 的梯度，从最早的一步排起。
#
# 几个错都看得见的最小现场是：4 步，3 个单元，2 个输入，一个序列。权重取自本库的一个层，以便后面查它的账本。图中是四步里的两步：下面每个嫌疑人，都让其中某个箭头丢失或放错了地方。

# %%
T, H = 4, 3
rng = np.random.default_rng(0)
lstm = nn.LSTM(2, H, rng=rng).astype(np.float64)
cell = lstm.cells[0][0]
W = np.concatenate([w.numpy() for w in (cell.W_f, cell.W_i, cell.W_C, cell.W_o)], axis=1)
b = np.concatenate([bias.numpy() for bias in (cell.b_f, cell.b_i, cell.b_C, cell.b_o)])
x = rng.normal(size=(1, T, 2))
steps, dh_end = forward(x, W, b), np.ones((1, H))

W_, b_ = Tensor(W, requires_grad=True), Tensor(b, requires_grad=True)
made = forward(x, W_, b_)
trace = tl.trace(made[-1].h, seed=dh_end)
exact = trace.grad(W_), trace.grad(b_), [(trace.grad(s.C), trace.grad(s.h), trace.grad(s.z)) for s in made]
flow = tl.trace(lstm(x).last.h.sum()).flow("C")
assert np.allclose([np.linalg.norm(dC) for dC, _, _ in exact[2]], flow.norm[1:])
tl.draw(flow.trace, steps=(3, 4), for_="notebook")

# %% [markdown]
# ## 先办一个案子
#
# 有人从一个库搬来权重，那个库里门的次序是 i、f、C̃、o。前向改过来了，反向没有改：

# %%
def gate_order(steps, dh, W):
    dW, db, dC, trail = np.zeros_like(W), np.zeros(W.shape[1]), np.zeros_like(dh), []
    for s in reversed(steps):
        dC = dC + dh * s.o * (1 - np.tanh(s.C) ** 2)
        df, di, dC_new, do = dC * s.C_old, dC * s.C_new, dC * s.i, dh * np.tanh(s.C)
        dz = np.concatenate([di * s.i * (1 - s.i), df * s.f * (1 - s.f), dC_new * (1 - s.C_new**2), do * s.o * (1 - s.o)], axis=1)
        trail.append((dC, dh, dz))
        dW, db = dW + s.hx.T @ dz, db + dz.sum(axis=0)
        dh, dC = (dz @ W.T)[:, : dh.shape[1]], dC * s.f
    return dW, db, trail[::-1]

# %% [markdown]
# 四块里有两块换了位置：`W` 有 {{W.size}} 个元素，一半属于 f 和 i。
#
# **先猜。** dW 的 {{W.size}} 个元素里，有几个是错的？

# %%
my_guess = None

# %% [markdown]
# `gradcheck` 要的是 Tensor 的函数。自己定义一个运算就行：前向是上面那个，反向规则则是要审的那段代码。（它报错用英文：`got` 后面是反向规则给出的值，`expected` 后面是中心差分给出的值。）

# %%
def judged(backward):
    @op(backward.__name__, "手写 LSTM 的 h_T")
    def by_hand(W, b):
        return forward(x, W, b)[-1].h

    # 一条规则，一次给出所有输入的梯度
    by_hand.joint("by hand", lambda dy, y, W, b: backward(forward(x, W, b), dy, W)[:2])
    try:
        return gradcheck(by_hand, [W, b], order=1)
    except AssertionError as error:
        return str(error)


wrong = int((~np.isclose(gate_order(steps, dh_end, W)[0], exact[0], rtol=1e-6, atol=1e-9)).sum())
quiz.reveal(my_guess, wrong)
print(fill(judged(gate_order), 80))

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# `gradcheck` 在 {{W.size}} 个元素里找出 {{wrong}} 个错的。最后一步里两个门错了，错误就经过 h 传进前一步的每个门，而所有的步共用一个 `W`。所以盯着 dW 看很少有用：**数字错在哪里，和从哪里开始错，是两个地方。** 要找的是开始出错的那一步。
#
# </details>
#
# **指纹**拿行踪与真值对照，最后一步在最上面，下面接着 W 和 b。每个数是两个梯度之差，占较长那个的百分比；颜色越深，偏得越远。（两个梯度方向相背时，可以超过一百。）没有数字的格子，九位数字之内都对；W 和 b 在 C、h 两列本来就没有数。

# %%
def off(got, want):
    return np.linalg.norm(got - want) / max(np.linalg.norm(got), np.linalg.norm(want), 1e-300)


def fingerprint(backward):
    """行：第 T … 1 步，再是 W 和 b。列：C，h，以及激活之前的 f、i、C̃、o。"""
    dW, db, trail = backward(steps, dh_end, W)
    rows = [
        [off(C, C_), off(h, h_), *map(off, np.split(z, 4, axis=1), np.split(z_, 4, axis=1))]
        for (C, h, z), (C_, h_, z_) in zip(trail[::-1], exact[2][::-1])
    ]
    return np.array(rows + [[np.nan, np.nan, *map(off, np.split(a, 4, -1), np.split(a_, 4, -1))] for a, a_ in ((dW, exact[0]), (db, exact[1]))])


draw_fingerprints({"gate_order": fingerprint(gate_order)})

# %% [markdown]
# 从上往下读。第 4 步里，C 和 h 的梯度是对的，C̃ 和 o 的也对，f 和 i 的不对。可见错在 dC 到 dz 之间，就在这两个门上。再看一眼数值：

# %%
got, want = gate_order(steps, dh_end, W)[2][-1][2], exact[2][-1][2]
print("得到的 f、i：", got[0, : 2 * H].round(4))
print("应有的 f、i：", want[0, : 2 * H].round(4))
assert np.allclose(got[0, :H], want[0, H : 2 * H])

# %% [markdown]
# 值是对的，放错了地方，结案。办案的次序是：有没有错（gradcheck），从**哪里**开始错（指纹，从最后一步看起），那里错了**什么**（数值）。
#
# ## 三个嫌疑人
#
# 这三段出自三个人之手，各有各的写法。读一读，但先别相信自己的眼睛。

# %%
def suspect_1(steps, dh_next, W):
    hidden, dC_next = dh_next.shape[1], np.zeros_like(dh_next)
    dW, db, trail = 0, 0, []
    for hx, _, f, i, g, o, _, c, _ in reversed(steps):
        dh = dh_next
        dc = dC_next + o * dh * (1 - np.tanh(c) ** 2)
        do = dh * np.tanh(c) * o * (1 - o)
        df, di, dg = dc * c * f * (1 - f), dc * g * i * (1 - i), dc * i * (1 - g * g)
        dz = np.concatenate((df, di, dg, do), axis=1)
        dW, db = dW + hx.T @ dz, db + dz.sum(0)
        trail = [(dc, dh, dz), *trail]
        dh_next, dC_next = (dz @ W.T)[:, :hidden], f * dc
    return dW, db, trail

# %%
def suspect_2(steps, dh, W):
    slope = {"sigmoid": lambda y: y * (1 - y), "tanh": lambda y: 1 - y**2}
    dW, db, dC_next, trail = np.zeros_like(W), np.zeros(W.shape[1]), np.zeros_like(dh), []
    for t in range(len(steps) - 1, -1, -1):
        s, dC = steps[t], dC_next
        memory = np.tanh(s.C)
        dC = dh * s.o * slope["tanh"](memory)
        parts = dC * s.C_old * slope["sigmoid"](s.f), dC * s.C_new * slope["sigmoid"](s.i), dC * s.i * slope["tanh"](s.C_new)
        dz = np.hstack([*parts, dh * memory * slope["sigmoid"](s.o)])
        trail.insert(0, (dC, dh, dz))
        dW, db = dW + s.hx.T @ dz, db + dz.sum(0)
        dC_next = dC * s.f
        dh = (dz @ W.T)[:, : dh.shape[1]]
    return dW, db, trail

# %%
def suspect_3(steps, dh, W):
    dW, db, dC, trail = np.zeros_like(W), np.zeros(W.shape[1]), np.zeros_like(dh), []
    for s in reversed(steps):
        dC = dC + dh * s.o * (1 - np.tanh(s.C) ** 2)
        gates = dC * s.C_old, dC * s.C_new, dC * s.i, dh * np.tanh(s.C)
        slopes = s.f * (1 - s.f), s.i * (1 - s.i), 1 - s.C_new**2, s.o * (1 - s.o)
        dz = np.concatenate([d * slope for d, slope in zip(gates, slopes)], axis=1)
        trail = [(dC, dh, dz), *trail]
        dW, db, dC = dW + s.hx.T @ dz, db + dz.sum(axis=0), dC * s.f
        dh = np.zeros_like(dh)
    return dW, db, trail


suspects = [suspect_1, suspect_2, suspect_3]

# %% [markdown]
# ## 第一项证据：损失降不降？
#
# 人人最先做的都是这个检验。序列以 $+1$ 或 $-1$ 开头，后面是噪声；最后一步之后，h 各元素之和应当等于开头那个数。什么也不学，一律答 0，损失是 $1/2$。每个嫌疑人用 Adam 训练 8 个单元，共五个种子；同一个种子，各人的起始权重和各批数据都相同。序列长度取 3 步和 20 步各一次：开头的数要记住这么久。

# %%
def train(backward, length, seed, hidden=8, batch=16):
    rng, start = np.random.default_rng(100 + seed), np.random.default_rng(seed)
    W = Tensor(start.normal(size=(hidden + 2, 4 * hidden)) / np.sqrt(hidden + 2), requires_grad=True)
    b = Tensor(np.repeat([1.0, 0.0, 0.0, 0.0], hidden), requires_grad=True)
    adam, losses = optim.Adam([W, b], lr=0.02), []
    for _ in range(200):
        x = rng.uniform(-1, 1, size=(batch, length, 2)) * [1, 0]
        x[:, 0] = np.stack([rng.choice([-1.0, 1.0], batch), np.ones(batch)], axis=1)
        run = forward(x, W.numpy(), b.numpy())
        error = run[-1].h.sum(axis=1) - x[:, 0, 0]
        losses.append(float((error**2).mean()) / 2)
        W.grad, b.grad, _ = backward(run, np.repeat(error[:, None] / batch, hidden, axis=1), W.numpy())
        adam.step()
    return np.mean(losses[-20:])

# %% [markdown]
# **先猜。** 20 步时，三个错的梯度各训练五次。这些训练里一共有几次能在 200 次更新之内，把损失降到 $1/2$ 的十分之一以下？

# %%
my_guess = None

# %%
ends = np.array([[[train(suspect, length, seed) for seed in range(5)] for length in (3, 20)] for suspect in suspects])
learned = (ends < 0.05).sum(axis=2)  # 五个种子里学会的个数：(嫌疑人, 长度)
g = np.concatenate([exact[0].ravel(), exact[1]])
given = [np.concatenate([part.ravel() for part in suspect(steps, dh_end, W)[:2]]) for suspect in suspects]
angles = [np.degrees(np.arccos(d @ g / np.linalg.norm(d) / np.linalg.norm(g))) for d in given]
quiz.reveal(my_guess, learned[:, 1].sum())
print("            夹角  3 步之后，种子 0 到 4           20 步之后，种子 0 到 4")
for suspect, angle, rows in zip(suspects, angles, ends):
    print(f"{suspect.__name__}{angle:6.1f}°  " + "   ".join(" ".join(f"{loss:.3f}" for loss in row) for row in rows))
assert (learned[:, 0] == 5).all() and sorted(learned[:, 1]) == [0, 5, 5] and max(angles) < 90

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 3 步时，三个嫌疑人用哪个种子都学得会。20 步时，{{5 * len(learned)}} 次训练里有 {{learned[:, 1].sum()}} 次成功：两个梯度用哪个种子都行，一个用哪个种子都不行。照“学得会，所以梯度是对的”来判，前一种情形三个全都无罪，后一种也要放过两个。一个原因写在第一列里，是在那个小现场上量的：最近的只偏 {{min(angles):.1f}} 度，最远的偏 {{max(angles):.0f}} 度，而步子足够小时，夹角小于 90° 就能往下走。可是这解释不了怎么也学不会的那一个，它的夹角也小于 90°；何况这里训练用的是 Adam，它把每个分量各自缩放，真正走的一步已不是这个方向。
#
# 反过来，损失不动，就能证明有错吗？第 0 篇里的梯度全是对的，可是序列一长，普通网络没有一个学会，LSTM 多半也没学会。
#
# **损失在降，不等于无罪；损失不动，也不等于有罪。** 能定案的，只有与一个独立算出的导数相比。
#
# </details>
#
# ## 第二项证据：gradcheck

# %%
verdicts = [judged(backward) for backward in suspects]
for backward, verdict in zip(suspects, verdicts):
    print(fill(f"{backward.__name__}: {verdict[verdict.index('input') :]}", 80, subsequent_indent=" " * 11))
assert all("entries differ" in verdict for verdict in verdicts)

# %% [markdown]
# 三个全部当场抓住，靠的是中心差分。`gradcheck` 说不出的是从哪里开始错：它只看进去的和出来的。
#
# ## 第三项证据：指纹

# %%
draw_fingerprints({suspect.__name__: fingerprint(suspect) for suspect in suspects})

# %% [markdown]
# 指纹这样读：
#
# - **第一行只有一个门错**：错在这个门自己的那一行代码里。**第一行全对**：错在一步交给前一步的东西里，或者错在求和里。
# - **第一行 C 就错**：错在从 h 到 C 的那段路上。
# - **各步都对，W 错，b 对**：梯度本身没有错，要问它们是怎样加起来的。
# - 第一个出错的行以下，都是后果，不必在那里找。
#
# ## 第四项证据：账本
#
# 一步交给前一步的东西，可能在两条路上丢失：沿着 C，或者经过 h。两条路各往 $C_3$ 带去多少，账本都记着。那就取嫌疑人在 $C_3$ 处少掉的部分，看它对得上哪一项：减去其中一条路带去的，还余多少？

# %%
ledger = flow.ledger(4)
gates = ledger["f"] + ledger["i"] + ledger["C̃"] + ledger["o"]
print("  ".join(f"{path} {np.linalg.norm(share):.4f}" for path, share in ledger.items()))
print(f"f、i、C̃、o 合计 {np.linalg.norm(gates):.4f}\n")
print("               少了       减去高速通道         减去各门")
for backward in suspects:
    lack = exact[2][2][0] - backward(steps, dh_end, W)[2][2][0]
    rest = [np.linalg.norm(lack - part) for part in (ledger["highway"], gates)]
    print(f"{backward.__name__} {np.linalg.norm(lack):9.4f} {rest[0]:18.4f} {rest[1]:16.4f}")

# %% [markdown]
# 最后两列里出现零，就等于招供：少掉的正是账本里的一项，一位不差。
#
# ## 练习
#
# 用字母指出嫌疑人 1 和 2 各错在哪里。
#
# | | 做错了什么 |
# |---|---|
# | a | 门在梯度里的次序与在 W 里的不同 |
# | b | dC 用赋值盖掉了，沿 C 传回来的那部分就丢了 |
# | c | 遗忘门的梯度里，该用 $C_{t-1}$ 的地方用了 $C_t$ |
# | d | tanh 的斜率取在 $\tanh C$ 处，没有取在 $C$ 处 |
# | e | 从下一步的门经过 h 传回来的那部分，丢掉了 |
# | f | dW 用赋值盖掉了，只剩一步的 |
# | g | 遗忘门的梯度少了 σ 的斜率 |
# | h | 输出门的梯度少了 $\tanh C$ |
#
# **11.1** `suspect_1` 做错了什么？

# %%
answer = None
quiz.check("11.1", answer)

# %% [markdown]
# **11.2** `suspect_2` 做错了什么？

# %%
answer = None
quiz.check("11.2", answer)

# %% [markdown]
# **11.3** 把 `suspect_3` 修好。检查时会用别的大小，并且一次用几个序列。（有一种发表过的 LSTM 故意犯这个“错”：是哪一种？这样做换来了什么？）

# %%
def repaired(steps, dh_end, W):
    return None


quiz.check("11.3", repaired)

# %% [markdown]
# ## 小结
#
# 错的梯度通常也学得会，对的梯度却可能学不会：训练不能检验导数。能检验的是中心差分，用一个小网络，float64，几秒钟就够。要找到出错的那一行，就从序列的末尾起一步一步对照，停在第一个不对的步上；再往下都是后果。
#
# 界限在哪里：中心差分看到的是你写的那个函数，所以**前向**的错，哪个 gradcheck 都查不出来。那只有靠另写一个实现，或者用答案已知的数据。
#
# 你自己的元胞，也可以用同样的三步来审：用本库的运算写出前向，让引擎作证人。或者干脆不再手写反向传播：[编译器](12_the_compiler.ipynb) 会替你打印出来。还想追查的话，自己埋一个错，例如 d 或 f，请别人来找。
#
# ## 参考文献
#
# - P. J. Werbos (1990). *Backpropagation through time: what it does and how to do it.* Proceedings of the IEEE 78.
# - S. Hochreiter, J. Schmidhuber (1997). *Long short-term memory.* Neural Computation 9：截断的梯度。
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to forget: continual prediction with LSTM.* Neural Computation 12.
