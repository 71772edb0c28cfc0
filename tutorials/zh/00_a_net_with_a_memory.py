# %% [markdown]
# # 0 · 有记忆的网络
#
# **问题。** “mary lost her keys”“john lost his keys”：该用 *her* 还是 *his*，由两个词之前的名字决定，只盯着 “lost” 是看不出来的。网络要把什么从一个词带到下一个词？该带什么，它又是怎么学会的？
#
# 课程从这里开始。需要的基础：一点 NumPy，知道训练是怎么回事（有一个损失，权重逆着它的梯度挪动）。大约 40 分钟。

# %%
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import nn, optim, quiz

tl.language("zh")

# %% [markdown]
# ## 一步一步传下去的笔记
#
# **循环网络**每次读序列里的一个元素，手里始终带着一份笔记。这份笔记是一行数，叫作**隐藏状态**，记作 $h$。每走一**步**，它都根据旧笔记和刚读到的东西，把笔记重写一遍：
#
# $$h_t = \tanh(h_{t-1}\,U + x_t\,V + b)$$
#
# $h$ 里的每个数叫一个**单元**。只有一个单元时，$U$、$V$、$b$ 都是普通的数，整个网络就是一个循环，循环体只有一行。

# %%
def read(sequence, u, v=1.0, b=0.0):
    h, notes = 0.0, []
    for x in sequence:
        h = np.tanh(u * h + v * x + b)
        notes.append(h)
    return np.array(notes)


for first in (+1, -1):
    sequence = [first, 0, 0, 0, 0, 0]
    print(f"读 {sequence}：h =", read(sequence, u=2.0).round(3))

# %% [markdown]
# 两个序列都以同样的五个零结尾。没有笔记、只看最后一个元素的网络，对它们只能给出同一个答案。而这里的 $h$ 到最后仍然说得出各自是怎么开头的：循环网络就是干这个用的。
#
# **先猜。** 把 $u$ 从 2 换成 $0.5$，再读一遍第一个序列。第六步之后 $h$ 是多少？（第一步之后是 $\tanh(1)\approx 0.76$。）

# %%
my_guess = None

# %%
faded = read([1, 0, 0, 0, 0, 0], u=0.5)
quiz.reveal(my_guess, faded[-1])
print(faded.round(3))

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# {{faded[-1]:.3f}}。$u=0.5$ 时，笔记每走一步至少淡掉一半。$u=2$ 时它留得住：$2h$ 把它往大里推，tanh 又把它往回压，两者在 $h=\tanh(2h)$ 处打平，也就是 {{read([1] + [0] * 50, u=2.0)[-1]:.3f}}。
#
# 所以，**有**笔记不等于笔记**留得住**。留不留得住由一个权重决定，而这个权重要靠训练去找。
#
# </details>
#
# ## 同一步：画一次，或者画 T 次
#
# `nn.RNN` 就是同一个网络，单元数任意。它把 $h_{t-1}$ 和 $x_t$ 并排放成 $[h\,;\,x]$，把 $U$ 叠在 $V$ 上面合成一个矩阵 `W_h`：算出来的和是一样的。把我们的数放进去，它说的应该和刚才的循环一样。

# %%
rnn = nn.RNN(1, 1, rng=np.random.default_rng(0)).astype(np.float64)
cell = rnn.cells[0][0]
cell.W_h.data = np.array([[2.0], [1.0]])  # u 是 h 的那一行；v 是 x 的那一行
cell.b_h.data = np.array([0.0])
out = rnn(np.array([1.0, 0, 0, 0]).reshape(1, 4, 1))  # (批, 时间, 特征)
assert np.allclose(out.h.numpy()[0, :, 0], read([1, 0, 0, 0], u=2.0), rtol=1e-12)
tl.draw(out.last.h, view="rolled", backward=False, parameters=False)

# %% [markdown]
# 这是**卷起来**的网络：一步只画一次，下面那条线把 $h$ 送回下一步开始的地方。书上画的多半是这个圈。计算机真正做的，是把它**展开**；下面这张图画的还是同一个 `out`：

# %%
tl.draw(out.last.h, backward=False, for_="notebook")

# %% [markdown]
# 时间向右走。四个框，一步一个，笔记从一个框传到下一个框。圈没有了，只剩一条长链。正因为如此，梯度才能像在别的网络里一样，沿着它往回走。
#
# 框下面的表里只有一个 `W_h` 和一个 `b_h`。四步用的都是这两个：四个框并不是四层，没有各自的权重。
#
# **先猜。** 每步读 3 个数、有 5 个单元的网络 `nn.RNN(3, 5)` 有 $(5+3)\cdot5+5$ 个参数。要读 400 步长的序列，它得有多少个参数？

# %%
my_guess = None

# %%
wide = nn.RNN(3, 5, rng=np.random.default_rng(0))
count = sum(parameter.size for parameter in wide.parameters())
short, long = (wide(np.zeros((1, length, 3), np.float32)).h.shape for length in (4, 400))
quiz.reveal(my_guess, count)
print(f"同一个网络读 4 步，h 的形状是 {short}；读 400 步，h 的形状是 {long}")

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# {{count}} 个。读 4 步是这么多，读 400 步也是这么多，多长都一样。权重由所有的步共用，所以循环网络什么长度的序列都能读；在一个位置上学会的，到别的位置照样会。
#
# 共用的东西，由用它的各方一起来训练。每一步都会说自己希望 `W_h` 怎么变，`W_h` 的梯度就是这些愿望之和。
#
# </details>
#
# 每一步各自希望 `W_h` 怎么变？把它的梯度按步拆开：

# %%
flow = tl.trace(out.last.h.sum()).flow("h")
wishes = flow.weight_gradient(cell.W_h, by="step")[:, :, 0]
for t, (for_u, for_v) in enumerate(wishes, 1):
    print(f"第 {t} 步：给 u {for_u:+.4f}，给 v {for_v:+.4f}")
print(f"合计：   给 u {wishes[:, 0].sum():+.4f}，给 v {wishes[:, 1].sum():+.4f}")
assert np.allclose(wishes.sum(axis=0), flow.trace.grad(cell.W_h)[:, 0], rtol=1e-12)

# %% [markdown]
# （第 1 步对 $u$ 没有意见：那里 $h_0=0$，不管 $u$ 是几，$u\cdot0=0$。从第 2 步起 $x$ 都是 0，所以只有第 1 步对 $v$ 有意见。梯度怎样沿这样一条链找到回去的路，是第 1 篇的内容。）
#
# ## 两份笔记：隐藏状态与元胞状态
#
# 最有名的循环网络是 **LSTM**，它带着两份笔记。一份是和前面一样的 $h$。另一份是 $C$，叫**元胞状态**：元胞外面谁也读不到这份记忆，元胞愿意露多少，就通过 $h$ 露多少。

# %%
lstm = nn.LSTM(1, 2, rng=np.random.default_rng(0)).astype(np.float64)
seen = lstm(np.array([1.0, 0, 0, 0]).reshape(1, 4, 1))
for t, (h, C) in enumerate(zip(seen.h.numpy()[0], seen.C.numpy()[0], strict=True), 1):
    print(f"第 {t} 步之后：隐藏状态 h = {h.round(3)}，元胞状态 C = {C.round(3)}")
tl.draw(seen.last.h.sum(), view="rolled", follow="C", backward=False, parameters=False)

# %% [markdown]
# 最上面的深色线就是 $C$ 走的路：只经过一个 × 和一个 +，不经过任何矩阵。为什么要这样造，下面那些框又在做什么，第 3 到第 6 篇会讲。几个词在这里一次说清：
#
# | 词 | 指什么 |
# |---|---|
# | **步** | 读一个元素：$t = 1 \ldots T$ |
# | **隐藏状态** $h_t$ | 第 $t$ 步之后的笔记：传给第 $t+1$ 步，也交给外面要用的地方 |
# | **元胞状态** $C_t$ | LSTM 的第二份笔记：传给第 $t+1$ 步，外面只能通过 $h_t$ 看到它 |
# | **单元** | $h$（以及 $C$）里的一个数；“8 个单元”也说成“隐藏层大小（hidden size）为 8” |
# | **元胞** | 一步之内发生的事：那些公式和它们的权重 |
# | **层** | 让一个元胞走完序列的所有步 |
#
# ## 训练循环
#
# 现在让网络自己去找权重。任务是：先读一个 $+1$ 或 $-1$，接着读一串噪声，最后说出开头是哪一个。

# %%
def batch(rng, length, rows=32):
    first = rng.choice([-1.0, 1.0], size=(rows, 1, 1))
    noise = 0.5 * rng.normal(size=(rows, length - 1, 1))
    return np.concatenate([first, noise], axis=1), first[:, 0]


def trained(layer, seed, length, steps=200, show=False, **settings):
    rng = np.random.default_rng(seed)
    net = layer(1, 8, rng=rng, fused=True, **settings).astype(np.float64)
    head = nn.Linear(8, 1, rng=rng).astype(np.float64)  # 由最后的 h 得出回答
    adam = optim.Adam([*net.parameters(), *head.parameters()], lr=0.01, global_clipnorm=1.0)
    for step in range(steps):
        x, wanted = batch(rng, length)
        answer = head(net(x).last.h)  # 前向：走过所有时间步
        loss = nn.mse_loss(answer, wanted)
        adam.zero_grad()  # 否则上一轮的梯度会加进来
        loss.backward()  # 反向：再走过所有时间步
        adam.step()  # 每个权重逆着自己的梯度走一小步
        if show and step % 40 == 0:
            print(f"第 {step:>3} 轮：损失 {loss.item():.3f}")
    x, wanted = batch(np.random.default_rng(1000), length, rows=500)  # 没有见过的序列
    return float((np.sign(head(net(x).last.h).numpy()) == wanted).mean())


accuracy = trained(nn.RNN, seed=0, length=10, show=True)
print(f"500 个 10 步的新序列，答对 {accuracy:.0%}")
assert accuracy > 0.99

# %% [markdown]
# 这门课里的每一次训练，都是这五行的变体：**前向、损失、清掉旧梯度、反向、更新**。（`fused=True` 让同一个元胞跑得快些。Adam 是决定权重每次挪多远的一种办法，`global_clipnorm` 会把过长的梯度缩短；它什么时候管用，见第 7 篇。）
#
# 噪声可以拖多长？一个网络说明不了什么：换一个**随机种子**，初始权重不同，读到的序列也不同。所以每种情形取五个种子，正确率至少到 `0.9` 才算成功。
#
# **先猜。** 把 10 步换成 60 步，五个普通循环网络（`nn.RNN`）里有几个能成功？

# %%
my_guess = None

# %%
kinds = {"RNN": (nn.RNN, {}), "LSTM": (nn.LSTM, {}), "LSTM, b_f = 3": (nn.LSTM, {"forget_bias": 3.0})}
found = {
    (name, length): [trained(layer, seed, length, **settings) for seed in range(5)]
    for name, (layer, settings) in kinds.items() for length in (10, 60)
}
success = {key: sum(accuracy >= 0.9 for accuracy in five) for key, five in found.items()}
quiz.reveal(my_guess, success["RNN", 60])
print("网络            步数    答对的比例，种子 0 到 4                   成功的种子")
for (name, length), five in found.items():
    row = "  ".join(f"{accuracy:.2f}" for accuracy in five)
    print(f"{name:<15}{length:>6}   {row}             5 个中 {success[name, length]} 个")
assert success["RNN", 10] == 5 and max(success["RNN", 60], success["LSTM", 60]) < success["LSTM, b_f = 3", 60]

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 5 个里有 {{success["RNN", 60]}} 个。（抛硬币能对一半。）10 步时个个都学得会，60 步就是另一回事了。公式没变，循环也没变；留得住的笔记**写得出来**，前面的 $u=2$ 已经证明了。缺的是从结尾一直走到开头、把这件事告诉权重的梯度。
#
# 别急着下结论说换成 LSTM 就好了：照默认的样子，它 5 个里成功 {{success["LSTM", 60]}} 个。只改开头的一个数，也就是遗忘门的偏置，就能成功 {{success["LSTM, b_f = 3", 60]}} 个。这个数做了什么，为什么有这么大的作用，要用六篇才能如实讲清。那是这门课的核心。
#
# </details>
#
# ## 练习
#
# **0.1** `nn.RNN(10, 20)` 每步读 10 个数，有 `20` 个单元。它有多少个参数？

# %%
answer = None
quiz.check("0.1", answer)

# %% [markdown]
# **0.2** 一个只有一个单元的网络，读的是 0 和 1，要能看出到目前为止出现过 1 没有。请给出三个数 `(u, v, b)`：从第一个 1 起，$h$ 要一直大于 `0.5`，过了 `100` 步也不变；在那之前要小于 `0.1`。

# %%
answer = None
quiz.check("0.2", answer)

# %% [markdown]
# **0.3** 用 NumPy 写一个单元数任意的普通循环网络：`x` 的形状是 (T, inputs)，`U` 是 (hidden, hidden)，`V` 是 (inputs, hidden)，`b` 是 (hidden,)，$h_0=0$。返回 $h_1\ldots h_T$，即形状为 (T, hidden) 的数组。

# %%
def states(x, U, V, b):
    return None


quiz.check("0.3", states)

# %% [markdown]
# ## 要点
#
# 循环网络把隐藏状态一步一步传下去，每一步都用同样的权重把它重写一遍。卷起来是一个圈；展开来是一条和序列一样长的链，梯度走的正是这条链。LSTM 还带着第二份笔记，元胞状态。训练就是：前向、损失、清零、反向、更新。
#
# 它在哪里不再成立：笔记想留多久，网络都**可以**留多久，但训练未必找得到办法。上面的表只是一个任务、一种轮数；多训练几轮，有些失败会变成成功。
#
# 下一篇回到最小的一块：梯度究竟是怎么找到路的？
#
# ## 参考文献
#
# - J. Elman (1990). *Finding structure in time.* Cognitive Science 14：普通循环网络。
# - P. Werbos (1990). *Backpropagation through time: what it does and how to do it.* Proceedings of the IEEE 78.
# - S. Hochreiter, J. Schmidhuber (1997). *Long short-term memory.* Neural Computation 9：隐藏状态与元胞状态。
