# %% [markdown]
# # 5 · 跟着 C 走
#
# **问题。** “在 LSTM 里，梯度沿着 $C$ 走，所以不会消失。”沿着 $C$ 走的到底有多少？梯度到达 $C_{t-1}$ 有六条路，不是一条。这一篇用小到可以笔算的数，把六条路各算一遍，再问最有名的那一条：走一步占多少份额，走很多步呢？
#
# 需要的基础：第 3、4 篇。大约 50 分钟；中间一段全是算术，值得逐行做一遍。

# %%
from math import sqrt, tanh
from textwrap import fill

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import detach, nn, quiz, what_if

tl.language("zh")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %% [markdown]
# ## 一个单元，两步
#
# 六条路都齐的最小 LSTM 是：一个单元，一个输入，两步，损失在两步都读 $h$，即 $L=h_1+h_2$。权重全部给成具体的数。

# %%
#        h     x     b
w = {"f": (0.8, -0.5, 1.0), "i": (-0.6, 0.9, 0.2), "C": (1.1, 0.7, -0.1), "o": (0.5, 0.4, 0.3)}
x1, x2 = 1.0, -0.5

lstm = nn.LSTM(1, 1, rng=np.random.default_rng(0)).astype(np.float64)
cell = lstm.cells[0][0]
for gate, (w_h, w_x, bias) in w.items():
    getattr(cell, f"W_{gate}").data = np.array([[w_h], [w_x]])
    getattr(cell, f"b_{gate}").data = np.array([bias])
out = lstm(np.array([[[x1], [x2]]]))
loss = out.h.sum()
flow = tl.trace(loss).flow("C")
tl.draw(flow.trace, for_="notebook")

# %% [markdown]
# 梯度从右边进来。在 $C$ 这条线上，它经过 $\times f_2$ 到达 $C_1$，这就是**高速通道**（highway）。但是 $C_1$ 还有另一个用处：$\tanh C_1$ 算出 $h_1$，而 $h_1$ 一来由损失读取（**读出**，readout），二来送进第 2 步的 $f$、$i$、$\tilde C$、$o$（经过 $[h\,;\,x]$）。所以：
#
# $$\frac{\partial L}{\partial C_1}=\underbrace{f_2\,\frac{\partial L}{\partial C_2}}_{\text{高速通道}}+B_1\Big(\underbrace{\frac{\partial L}{\partial h_1}\Big|_{\text{直接读取}}}_{\text{读出}}+\underbrace{\delta f_2\,W_{fh}}_{\text{经 }f}+\underbrace{\delta i_2\,W_{ih}}_{\text{经 }i}+\underbrace{\delta\tilde C_2\,W_{Ch}}_{\text{经 }\tilde C}+\underbrace{\delta o_2\,W_{oh}}_{\text{经 }o}\Big)$$
#
# 其中 $B=\partial h/\partial C=o\,(1-\tanh^2 C)$。$\delta g$ 是门 $g$ 的 $\sigma$ 或 $\tanh$ **之前**的梯度，$W_{gh}$ 是这个门看 $h$ 用的权重。
#
# ## 笔算
#
# 先算前向，用普通的 Python 浮点数：

# %%
def forward(x, h, C):
    z = {gate: w_h * h + w_x * x + bias for gate, (w_h, w_x, bias) in w.items()}
    f, i, C_new, o = sigmoid(z["f"]), sigmoid(z["i"]), tanh(z["C"]), sigmoid(z["o"])
    C = f * C + i * C_new
    return f, i, C_new, o, C, o * tanh(C)


f1, i1, new1, o1, C1, h1 = forward(x1, 0.0, 0.0)
f2, i2, new2, o2, C2, h2 = forward(x2, h1, C1)
print(f"C1 = {C1:.6f}   h1 = {h1:.6f}\nC2 = {C2:.6f}   h2 = {h2:.6f}")
assert abs(h1 + h2 - loss.item()) < 1e-15

# %% [markdown]
# **先猜。** 六项加起来是 $\partial L/\partial C_1$。哪一项最大：`"highway"`、`"readout"`、`"f"`、`"i"`、`"C̃"` 还是 `"o"`？

# %%
my_guess = None

# %% [markdown]
# 再算反向。第 2 步之后什么也没有，所以 $C_2$ 得到的梯度全部来自 $h_2$。$\sigma$ 的斜率是 $f(1-f)$，$\tanh$ 的斜率是 $1-\tilde C^2$。

# %%
B1, B2 = o1 * (1 - tanh(C1) ** 2), o2 * (1 - tanh(C2) ** 2)
dh2 = 1.0
dC2 = dh2 * B2
δf = dC2 * C1 * f2 * (1 - f2)
δi = dC2 * new2 * i2 * (1 - i2)
δC = dC2 * i2 * (1 - new2**2)
δo = dh2 * tanh(C2) * o2 * (1 - o2)
by_hand = {
    "highway": f2 * dC2,
    "readout": B1 * 1.0,
    "f": B1 * δf * w["f"][0],
    "i": B1 * δi * w["i"][0],
    "C̃": B1 * δC * w["C"][0],
    "o": B1 * δo * w["o"][0],
}
quiz.reveal(my_guess, max(by_hand, key=by_hand.get))
for path, term in by_hand.items():
    print(f"{term:+.6f}  {path}")
print(f"{sum(by_hand.values()):+.6f}  合计")

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 这里读出比高速通道还大：损失每一步都读 $h$，每一步也就都往 $C$ 送梯度。
#
# </details>
#
# 引擎算出来的一样吗？

# %%
total = flow.trace.grad(out.steps[0].C).item()
ledger = {path: share.item() for path, share in flow.ledger(2).items()}
worst = max(abs(ledger[path] - by_hand[path]) for path in by_hand)
print(f"引擎：{total:+.6f}；各项与笔算最多相差 {worst:.0e}")
assert worst < 1e-12 and abs(sum(by_hand.values()) - total) < 1e-12

# %% [markdown]
# 一点不差。下面是计算图上的这六条路，各用一种颜色，从与别的路分开的地方画起，画到重新会合的地方为止；送得多，线就粗。（黑色的几段由几条路共用。）

# %%
tl.draw(flow.trace, view="ledger")

# %% [markdown]
# 六条里只有绿色的那一条始终在 $C$ 的线上。另外五条从 $h_1$ 会合进来，经过 $\tanh C_1$；在这里，它们加起来反而是大头。
#
# `flow.ledger(t)` 给出的就是这样一本账：把 $\partial L/\partial C_{t-1}$ 精确地拆成六项，单元数任意，损失任意。它没有用上面的公式，而是顺着记录下来的计算图，数每条路上到了多少。两种算法如此不同，结果却一致到最后几位，正好互相验证。
#
# 还有第三个证人，它完全不懂梯度：把 $C_1$ 推动一点，看 $L$ 动了多少。

# %%
def loss_if(push):
    with what_if({"t=1/C": lambda C: C + push}):
        return lstm(np.array([[[x1], [x2]]])).h.sum().item()


pushed = (loss_if(1e-5) - loss_if(-1e-5)) / 2e-5
print(f"推动 C 得 {pushed:+.8f}，引擎得 {total:+.8f}")
assert abs(pushed - total) < 1e-8

# %% [markdown]
# ## 第一次尝试会碰到什么
#
# “我调用了 `backward()`，可 `C.grad` 是 `None`。”再试一次，又变成：

# %%
loss.backward()
print("C1.grad 是", out.steps[0].C.grad)
try:
    loss.backward()
except RuntimeError as exc:
    print(fill(str(exc), 80))

# %% [markdown]
# `backward` 只把梯度留在**叶子张量**里，也就是参数里。$C_1$ 是途中算出来的，它的梯度用完就丢，与 PyTorch 一样；走过的历史也随手释放了。想看途中的东西，用 `tl.trace(loss)`：每个梯度、每个份额它都留着，不动任何 `.grad`，也不释放什么。（只想留一个，可以在 `backward` 之前调用 `C.keep_grad()`。）要查账，请赶在 `backward` 之前：账本要顺着历史走，而 `backward` 会把历史释放掉。
#
# ## 八个单元，三十步
#
# 现在换一个平常的层：随机权重，遗忘门偏置 3，随机输入，损失只读 $h_{30}$。每一步都有一本账，其中高速通道占多少？我们用投影来算：一项的份额，是它在总和方向上的那部分，这样六个份额加起来正好是 1。

# %%
deep = nn.LSTM(3, 8, forget_bias=3.0, rng=np.random.default_rng(0)).astype(np.float64)
x = np.random.default_rng(1).normal(size=(1, 30, 3))
out = deep(x)
flow = tl.trace(out.last.h.sum()).flow("C")


def share(term, whole):
    return float((term * whole).sum() / (whole * whole).sum())


per_step = []
for t in range(2, 31):
    terms = flow.ledger(t)
    per_step.append(share(terms["highway"], sum(terms.values())))
print(np.round(per_step[::-1], 2))
mean_share, product = float(np.mean(per_step)), float(np.prod(per_step))

# %% [markdown]
# 从第 30 步回到第 2 步，到达 $C_{t-1}$ 的梯度平均有 {{mean_share:.0%}} 来自高速通道，最少的一步也有 {{min(per_step):.0%}}。（大于 1 也可能：那时其他几条路合起来与总和方向相反。）
#
# **先猜。** 从 $C_{30}$ 到 $C_1$ 共 29 步，只走高速通道，别的路一概不走。到达的梯度有多长？请填它与 $|\partial L/\partial C_1|$ 之比。

# %%
my_guess = None

# %%
pure = flow.highway[1] / flow.norm[1]
projected = flow.highway_shares(1)[-1]
quiz.reveal(my_guess, pure)
print(f"|dL/dC_1| = {flow.norm[1]:.3f}，纯高速通道 {flow.highway[1]:.4f}")
print(f"长度之比 {pure:.1%}；在总和方向上占 {projected:.1%}")
assert mean_share > 0.9 and pure < 0.1

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 一步占 {{mean_share:.0%}}，29 步只剩 {{pure:.0%}}（如果同样只算总和方向上的那部分，是 {{projected:.1%}}）。小的损失会累积：29 个份额的乘积是 {{product:.1%}}。（乘积的份额并不恰好等于份额的乘积，因为总和的方向每一步都在转。）两种说法都没错，常有人引用的是前一种。两个数都该给出来。
#
# </details>

# %%
flow.plot()

# %% [markdown]
# 上半幅里，蓝线是各个 $C_t$ 处的全部梯度，绿线是只走高速通道的那一部分。十来步之内两条线靠得很近（绿线在上面的地方，是其他路在反方向抵消），然后就分开了。下半幅是每一步的账。这里按各项的长度分，不投影，所以与上面打印的份额不是同一个数。
#
# 其余的到哪里去了？在所有中途离开高速通道、后来又回来的路上。以运算为单位，数一数从损失到 $C_t$ 有多少条路：

# %%
ways = [flow.path_count(t) for t in (30, 29, 28, 27, 26, 1)]
print(ways)
growth = flow.path_count(1) / flow.path_count(2)
print(f"每一步乘以 {growth:.6f}；(5 + √21) / 2 = {(5 + sqrt(21)) / 2:.6f}")

# %% [markdown]
# 从 $h_{30}$ 回到 $C_1$ 有 {{ways[-1]:.1e}} 条路，其中纯走高速通道的恰好一条。这个倍数就是第 1 篇量到的那个，现在可以算出来了。设有 $c$ 条路到达 $C_t$，$d$ 条到达 $h_t$。看到 $h_{t-1}$ 的有 $f$、$i$、$\tilde C$，它们都在 $C_t$ 往回的路上；还有 $o$，在 $h_t$ 往回的路上。所以到达 $h_{t-1}$ 的有 $3c+d$ 条。这些路再经过 $\tanh$ 到达 $C_{t-1}$，加上高速通道来的 $c$ 条：
#
# $$d'=3c+d\qquad\quad c'=c+d'=4c+d$$
#
# 增长稳定之后，两者都乘以同一个 $\lambda$：$\lambda c=4c+d$，$\lambda d=3c+d$，于是 $(\lambda-4)(\lambda-1)=3$，较大的解是 $(5+\sqrt{21})/2$。
#
# 引擎从不一条一条地走（见第 1 篇），却能给它们分类。`highway_shares(1)` 按“29 步里有几步走在高速通道上”来拆分 $\partial L/\partial C_1$：

# %%
shares = flow.highway_shares(1)
print("走高速通道的步数       在 dL/dC_1 中的份额")
for k in range(29, 17, -1):
    print(f"{k:>20}    {shares[k]:+.3f}  {'█' * round(60 * max(shares[k], 0))}")
print(f"                更少    {shares[:18].sum():+.3f}")
assert abs(shares.sum() - 1) < 1e-9
most = int(shares.argmax())

# %% [markdown]
# 最大的一组在 29 步里有 {{most}} 步走高速通道，其余的走别的路。所以准确的说法是：梯度**大体上**沿着 $C$ 往回走，而**自始至终**只沿着 $C$ 走的，几乎没有多少。
#
# ## 高速通道就是全部的时候
#
# 1997 年还没有遗忘门，梯度在 $h$ 处截断。这两点都可以用 `what_if` 来假设：每一步 $f=1$；$h$ 照样传值，但不传梯度。

# %%
with what_if(f=1.0, h=detach):
    ideal = deep(x)
    carousel = tl.jacobian(ideal.last.C, ideal.steps[0].C)[0, :, 0]
exact = np.array_equal(carousel, np.eye(8))
print("∂C_30/∂C_1 逐位等于单位矩阵：", exact)
assert exact

# %% [markdown]
# 在这里，“$C$ 上的梯度不消失”是一条定理，也就是发明者所说的常误差传送带（constant error carousel，CEC）。`nn.LSTM1997Cell` 就是那种元胞（`nn.LSTM(3, 8, cell=nn.LSTM1997Cell)`）。代价是记忆不会忘。所以三年之后有了遗忘门，随之也有了 $\prod f$。
#
# ## 教科书里的乘积
#
# 很多推导写成 $\partial C_T/\partial C_k=\prod_t\big(D(f_t)+A_tB_{t-1}\big)$：每一步有高速通道，还有一条绕道的路，先由 $B$ 出到 $h_{t-1}$，再由 $A_t=\partial C_t/\partial h_{t-1}$ 经过 $f$、$i$ 和 $\tilde C$ 回到 $C_t$。看上去什么也没漏。我们把它算出来。

# %%
H = 8
U = {gate: getattr(deep.cells[0][0], f"W_{gate}").numpy()[:H].T for gate in "fiCo"}
D = np.diag


def parts(t):
    step, before = out.steps[t - 1], out.steps[t - 2]
    f, i, new, o = (getattr(step, name).numpy()[0] for name in ("f", "i", "C_new", "o"))
    C, C_old, o_old = step.C.numpy()[0], before.C.numpy()[0], before.o.numpy()[0]
    A = D(C_old * f * (1 - f)) @ U["f"] + D(new * i * (1 - i)) @ U["i"] + D(i * (1 - new**2)) @ U["C"]
    K = D(np.tanh(C) * o * (1 - o)) @ U["o"]
    return D(f), A, D(o * (1 - np.tanh(C) ** 2)), D(o_old * (1 - np.tanh(C_old) ** 2)), K


def textbook(k, T=30):
    J = np.eye(H)
    for t in range(k + 1, T + 1):
        F, A, _, B_old, _ = parts(t)
        J = (F + A @ B_old) @ J
    return J


# %% [markdown]
# **先猜。** 从 $C_{29}$ 到 $C_{30}$ 只有一步，这个乘积是精确的。从 $C_{20}$ 到 $C_{30}$ 有十步，误差是百分之几？（误差指差值的范数除以真值的范数；真值由 `tl.jacobian` 给出。）

# %%
my_guess = None

# %%
def off(J, k):
    truth = tl.jacobian(out.last.C, out.steps[k - 1].C)[0, :, 0]
    return float(np.linalg.norm(J - truth) / np.linalg.norm(truth))


errors = {30 - k: off(textbook(k), k) for k in (29, 28, 25, 20, 10)}
quiz.reveal(my_guess, 100 * errors[10])
for lag, error in errors.items():
    print(f"隔 {lag:>2} 步，教科书的乘积误差为 {error:.1%}")
assert errors[1] < 1e-12 < 0.005 < errors[2]

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 一步是对的，从两步起就少了东西。$h_{t-1}$ 的作用不只通过 $C_t$：它还决定第 $t$ 步的**输出门**，因而影响 $h_t$，再影响第 $t+1$ 步的门。$C\to h\to o\to h\to$ 门，这条路整整跨过一步，却不碰 $C_t$；一个由 $C$ 到 $C$ 的因子连乘的式子里，没有它的位置。必须同时带着两个矩阵，一个记到达 $C_t$ 的，一个记到达 $h_t$ 的：
#
# $$J^C_k=I,\quad J^h_k=B_k,\qquad J^C_t=F_t\,J^C_{t-1}+A_t\,J^h_{t-1},\qquad J^h_t=B_t\,J^C_t+K_t\,J^h_{t-1},\qquad K_t=D\big(\tanh C_t\circ o(1-o)\big)\,U_o$$
#
# （$J^C_t$、$J^h_t$ 是 $C_t$ 和 $h_t$ 对 $C_k$ 的雅可比矩阵，即下面的 `J_C`、`J_h`；$F_t=D(f_t)$。）
#
# </details>

# %%
def recursion(k, T=30):
    J_C, J_h = np.eye(H), parts(k + 1)[3]
    for t in range(k + 1, T + 1):
        F, A, B, _, K = parts(t)
        J_C = F @ J_C + A @ J_h
        J_h = B @ J_C + K @ J_h
    return J_C


exact_errors = {30 - k: off(recursion(k), k) for k in (29, 28, 25, 20, 10, 1)}
print({lag: f"{error:.0e}" for lag, error in exact_errors.items()})
assert max(exact_errors.values()) < 1e-12

# %% [markdown]
# 隔多少步都精确。如果 $K=0$，也就是输出门不看 $h$，那么教科书的乘积也精确：

# %%
W_o, seeing = deep.cells[0][0].W_o, out
W_o.data = np.vstack([np.zeros((H, H)), W_o.numpy()[H:]])
U["o"], out = np.zeros((H, H)), deep(x)
blind_error = off(textbook(20), 20)
out = seeing
print(f"输出门不看 h：误差 {blind_error:.0e}")
assert blind_error < 1e-12

# %% [markdown]
# 这个公式的界限就在这里。
#
# ## C 里装着什么
#
# 以上讲的是回程。前向也一样，$C_T$ 可以拆得一点不剩：
#
# $$C_T=\sum_t\Big(\prod_{k>t}f_k\Big)\circ i_t\circ\tilde C_t+\Big(\prod_k f_k\Big)\circ C_0$$

# %%
written = flow.written()
rest = np.abs(written.sum(axis=0) + flow.carried() - out.last.C.numpy()).max()
half = next(n for n in range(1, 31) if np.linalg.norm(written[-n:].sum(axis=0)) > 0.5 * np.linalg.norm(written.sum(axis=0)))
print(f"30 份写入的内容加上初始状态，与 C_30 相差不过 {rest:.0e}")
print(f"单是最后 {half} 步，就占了一半的长度")
assert rest < 1e-14

# %% [markdown]
# 这里说的是：门的值既然如此，记忆里装的**内容**就是这些。它没有说第 3 步写入的那部分全是第 3 步“造成”的：放它进来、又留住它的那些门，也看过 $h$。两者的差别，第 4 篇已经演示过。
#
# ## 练习
#
# **5.1** 一个单元有十步 $f=0.9$，有一步 $f=0.5$。梯度沿纯高速通道走过这十一步，还剩多少？

# %%
answer = None
quiz.check("5.1", answer)

# %% [markdown]
# **5.2** 写出“经 $f$”这一项，单元数任意。已知 $\partial L/\partial C_t$、$C_{t-1}$、$f_t$ 和 $B_{t-1}$，形状都是 (hidden,)；`W_fh` 是 $W_f$ 中属于 $h$ 的那些行，形状 (hidden, hidden)，门在 $\sigma$ 之前的值是 `h @ W_fh + …`。

# %%
def through_f(dC, C_old, f, B_old, W_fh):
    return None


quiz.check("5.2", through_f)

# %% [markdown]
# **5.3** 去掉遗忘门，$C_t=C_{t-1}+i\circ\tilde C$，$h$ 处不截断。以运算为单位数回程的路，长远来看仍是每一步乘以一个固定的倍数。是多少？（设有 $c$ 条路到达 $C_t$，$d$ 条到达 $h_t$，问到达 $C_{t-1}$ 和 $h_{t-1}$ 的各有多少；也可以让库来数：`nn.NoForgetLSTMCell`。）

# %%
answer = None
quiz.check("5.3", answer)

# %% [markdown]
# ## 小结
#
# $\partial L/\partial C_{t-1}$ 是六项之和，每一项你都亲手算过：高速通道，读出，以及经 $f$、$i$、$\tilde C$、$o$ 的各一项。高速通道一步平均占九成，整段路上仍可能只占很小一部分，因为小的损失会累积；其余的散布在数目惊人的别的路上。
#
# 一般说来，只有 $f=1$，并且 $h$ 处截断或循环权重为零，才有 $\partial C_T/\partial C_k=I$；流行的那个连乘公式，漏掉了经过输出门的一条路。
#
# 这里的数来自一个没有训练过的层。它们怎样随遗忘门偏置变化，$C$ 上的梯度又在什么时候照样消失，是下一篇的内容。
#
# ## 参考文献
#
# - S. Hochreiter, J. Schmidhuber (1997). *Long Short-Term Memory.* Neural Computation 9(8)：常误差传送带，以及截断的梯度。
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to Forget: Continual Prediction with LSTM.* Neural Computation 12(10).
# - A. Graves, J. Schmidhuber (2005). *Framewise phoneme classification with bidirectional LSTM and other neural network architectures.* Neural Networks 18：完整的、不截断的梯度。
