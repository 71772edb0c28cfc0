# %% [markdown]
# # 8 · 门的实验室
#
# **问题。** 在 LSTM 里，ReLU 可以代替 tanh，只是要小心（第 7 篇）。门的 σ 也可以换成 ReLU 吗？不可以，而且理由不是常听到的那一个。最后你可以试一个自己设计的门。
#
# 需要的基础：第 4 篇（门）和第 5 篇（$C$ 的高速通道）。大约 45 分钟。

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import Tensor, detach, nn, optim, quiz, tasks, what_if
from tinygrad_lstm import SequenceModel, TrainingError, evaluate, fit

tl.language("zh")

plt.style.use("tinygrad_lstm.drawn")

# %% [markdown]
# ## 门说的是“多少”
#
# $C_t = f \circ C_{t-1} + i \circ \tilde C_t$：$f$ 说的是旧的 $C$ 留下**多少**，是一个比例。高速通道（highway）就是把这些比例连乘起来。`what_if` 可以直接设定它们：下面把一个 LSTM 的所有 $f$ 换成同一个数，再把 $h$ 从计算图上断开（detach），往回的路就只剩高速通道。

# %%
x = np.random.default_rng(1).normal(size=(1, 50, 3))
lstm = nn.LSTM(3, 4, rng=np.random.default_rng(0)).astype(np.float64)

def highway(f, T=50):
    with what_if(f=f, h=detach):
        flow = tl.trace(lstm(x[:, :T]).last.C.sum()).flow("C")
    return flow.norm[0] / flow.norm[T]

for f in (0.0, 0.5, 0.9, 1.0):
    print(f"f = {f}：50 步之后 × {highway(f):.2g}")

# %% [markdown]
# 那么 `f = 1.1`，“比全部还多一成”呢？
#
# **先猜。** 50 步之后是多少倍？

# %%
my_guess = None

# %%
grown = highway(1.1)
quiz.reveal(my_guess, grown)
assert np.isclose(grown, 1.1**50)

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 是 {{grown:.0f}} 倍；前向计算时，$C$ 里存的东西也这样增长。下面画出其中三步：高速通道上的每个数，都是它右边那个的 `1.1` 倍。
#
# </details>

# %%
with what_if(f=1.1, h=detach):
    loss = lstm(x[:, :3]).last.C.sum()
tl.draw(loss, view="cells", follow="C", show="grad", for_="notebook")

# %% [markdown]
# ## 用 ReLU 作门：两种失败
#
# 门先算出一个数 $z = hx\,W + b$，再把它压到某个范围里。取几个 $z$，看 σ 和 ReLU 的值与斜率。

# %%
z = Tensor([-2.0, -0.3, 0.0, 0.7, 1.1, 3.0], requires_grad=True)
for gate in (tl.sigmoid, tl.relu):
    y = gate(z)
    slope = tl.grad(y.sum(), [z])[0].numpy()
    print(f"{gate.name:8} 值  ", np.round(y.numpy(), 2))
    print(f"{'':8} 斜率", np.round(slope, 2))

# %% [markdown]
# 右边一端 $f > 1$：“比全部还多”。左边一端 $f = 0$，斜率也是 0，这是一个死掉的门：它抹掉 $C$，而由于
#
# $$\frac{\partial L}{\partial z_f} = \frac{\partial L}{\partial C_t} \circ C_{t-1} \circ f'(z)$$
#
# 无论抹得多么不对，它都学不到任何东西。σ 在 $z = -2$ 处也几乎关上，但斜率不是 0。
#
# 库允许你这样做，只是会给出一条英文的警告（一次会话里只给一次）：门说的是“多少”，应当留在 [0, 1] 之内，这一个却会到 50；大于 1 时，遗忘门的连乘积可能爆炸。

# %%
def make(gate, forget_bias=1.0):
    return nn.LSTM(8, 32, recurrent_activation=gate, forget_bias=forget_bias, rng=np.random.default_rng(0)).astype(np.float64)

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    make("relu")
print(*(warning.message for warning in caught))

# %%
x = np.random.default_rng(1).normal(size=(8, 100, 8))

def forgets(gate, forget_bias=1.0):
    """f 的所有值，形状为（步，批，单元），以及 C 的梯度流。"""
    out = make(gate, forget_bias)(x)
    return np.array([step.f.numpy() for step in out.steps]), tl.trace(out.last.C.sum()).flow("C")

F, flow = forgets("relu")
print(f"f 从 {F.min():.2f} 到 {F.max():.2f}，均值 {F.mean():.2f}；恰好为 0 的占 {(F == 0).mean():.1%}，大于 1 的占 {(F > 1).mean():.1%}")

# %% [markdown]
# 遗忘门偏置为 1 时，ReLU 门起初平均在 1 左右，这里是 {{F.mean():.2f}}。看上去是完美的记忆。其实只要遇到一个 0，记忆就断了；所以挑一个从没遇到 0 的（行，单元）组合来看。它的均值 `lucky.mean()` 由下一格打印。
#
# **先猜。** 它的 100 个值连乘起来是多少？

# %%
alive = F[:, (F > 0).all(axis=0)]                       # （步，从没遇到 0 的组合）
lucky = alive[:, np.abs(alive.mean(axis=0) - 1).argmin()]
print(f"{8 * 32} 个组合里，从没遇到 0 的有 {alive.shape[1]} 个；选中的这个均值是 {lucky.mean():.3f}")
my_guess = None

# %%
product = lucky.prod()
quiz.reveal(my_guess, product)
assert product < 0.1

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 只有 {{product:.1e}}。连乘积取决于 $\ln f$ 的平均，不是 $f$ 的平均：`1.5 · 0.5` 小于 `1 · 1`。那就再加大遗忘门偏置？下面是 100 步的高速通道，所有单元合在一起：
#
# </details>

# %%
highways = {}
for bias in (0.0, 1.0, 2.0, 3.0):
    F, flow = forgets("relu", bias)
    highways[bias] = flow.highway[0] / flow.highway[100]
    print(f"forget_bias {bias}：恰好为 0 的占 {(F == 0).mean():6.2%}，大于 1 的占 {(F > 1).mean():6.1%}，高速通道 × {highways[bias]:.1e}")
assert highways[0.0] < 1e-6 and highways[3.0] > 1e6

# %% [markdown]
# 不是死掉，就是爆炸，没有什么能让它停在中间那一点上。而用 σ 时，遗忘门偏置无论多大，最多也只是全部保住。
#
# ## 数一数死掉的门
#
# 一个门在某一步是 0，下一步还可能回来。如果对所有输入、在所有时间步都是 0，它就完全得不到梯度。取 $b_f = -2$，训练有可能把它带到这里：

# %%
for gate in ("sigmoid", "hard_sigmoid", "relu"):
    lstm = make(gate, forget_bias=-2.0)
    out = lstm(x)
    closed = (np.array([step.f.numpy() for step in out.steps]) == 0).all(axis=(0, 1))
    trace = tl.trace(out.last.h.sum())
    db = trace.grad(lstm.cells[0][0].b_f)
    print(f"{gate:12} 始终为 0：32 个单元中有 {closed.sum():2} 个；b_f 处最大的梯度 {np.abs(db).max():.1e}")
assert closed.any() and not db[closed].any()
print(tl.diagnose(trace))

# %% [markdown]
# 有 {{closed.sum()}} 个 ReLU 门，无论什么损失，传来的梯度都恰好是 0；除非它们的输入变了，否则不会再打开。hard_sigmoid 也有平坦的一段，但要到 $z = -3$ 才开始，不是从 0 开始。
#
# ## hard_sigmoid：合格的门，两种定义
#
# 一条直线，在 0 和 1 处切断。它是门，因为它说的是“多少”。可究竟是哪条直线？
#
# | | 斜率 | 何处以下为 0 | 何处以上为 1 |
# |---|---|---|---|
# | PyTorch、Keras 3、本库 | $1/6$ | $-3$ | $3$ |
# | Keras 1 和 2，ONNX 的默认值 | $0.2$ | $-2.5$ | $2.5$ |

# %%
def old(z):
    return tl.hard_sigmoid(z, slope=0.2)

for z in (-3.0, -1.0, 0.0, 1.0, 2.0, 2.5):
    new_f, old_f = (float(gate(np.float64(z))) for gate in (tl.hard_sigmoid, old))
    print(f"z = {z:4}：{new_f:.3f} 或 {old_f:.3f}；连乘 100 步 {new_f**100:.1e} 或 {old_f**100:.1e}")

# %% [markdown]
# 两者最多相差 $1/12$，权重从一个程序搬到另一个程序，也不会有任何报错。训练一个小 LSTM，把十个数里带标记的两个加起来：训练时用其中一种，运行时用另一种。
#
# **先猜。** 平方误差变成多少倍？（取五个网络的中位数。）

# %%
my_guess = None

# %%
task = tasks.Adding(length=10)
seeds = range(5)

def trained(gate, seed, steps, fused=True):
    model = SequenceModel.for_task(task, hidden=16, recurrent_activation=gate, forget_bias=1.0, seed=seed).astype(np.float64)
    model.rnn.fused = fused  # 同样的计算，更快
    adam = optim.Adam(model.named_parameters(), lr=0.02, global_clipnorm=1.0)
    fit(model, task, steps=steps, seed=seed, optimizer=adam, progress=False)
    return model

ratios = []
for seed in seeds:
    model = trained("hard_sigmoid", seed, steps=300)
    right = evaluate(model, task, batches=2).loss
    model.rnn.fused = False
    model.rnn.cells[0][0].recurrent_activation = old
    ratios.append(evaluate(model, task, batches=2).loss / right)
quiz.reveal(my_guess, np.median(ratios))
print("增大到几倍，种子 0 到 4：", *(f"{ratio:.1f}" for ratio in ratios))
assert min(ratios) > 3

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 中位数是 {{np.median(ratios):.0f}} 倍，各个网络从 {{min(ratios):.0f}} 倍到 {{max(ratios):.0f}} 倍不等。形状对得上，没有警告，输出也像那么回事：这种错误，只有数字才能揭穿。（练习 8.2 不用训练就能修好它。）
#
# </details>
#
# ## 要紧的是有界，不是饱和
#
# 有一种说法听来有理：**σ 好在它会饱和，所以门能一直开着，或者一直关着**。把这两个性质拆开来看。`twice` 和 σ 一样会饱和，但饱和在 2。`zigzag` 始终在 [0, 1] 之内，却从不变平：它是一个三角波，斜率处处是 ±¼。

# %%
def twice(z):
    return 2 * tl.sigmoid(z)

def zigzag(z):
    tooth = np.floor(np.asarray(z.data) / 8 + 0.75)     # 常数：z 落在第几个齿上
    return tl.abs(z / 4 + 0.5 - 2 * tooth)

def clip01(z):
    return tl.clip(z + 0.5, low=0.0, high=1.0)

gates = {"sigmoid": tl.sigmoid, "hard_sigmoid": tl.hard_sigmoid, "clip01": clip01, "zigzag": zigzag, "twice": twice, "relu": tl.relu}
grid = np.linspace(-6, 6, 241)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for name, gate in gates.items():
    left.plot(grid, gate(grid), label=name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flow = forgets(gate, forget_bias=2.0)[1]
    right.semilogy(flow.highway / flow.highway[100], label=name)
left.set(xlabel="z", ylabel="门的值", ylim=(-0.1, 2.6))
right.set(xlabel="时间步 t", ylabel="从 C₁₀₀ 回到 t 的高速通道")
left.legend()
plt.show()

# %% [markdown]
# 在右图里，梯度从右往左走，遗忘门偏置都是 2。留在 [0, 1] 之内的四个门，沿这个方向只会下降；另外两个会上升，饱和与否都一样。（对“保留”和“写入”做 softmax，同样有界，但并不是新东西：它就是两者之差的 σ，外加 $i = 1 - f$。）

# %%
a, b = np.float64(0.3), np.float64(-1.1)
assert np.allclose(tl.softmax(np.array([a, b])), [tl.sigmoid(a - b), 1 - tl.sigmoid(a - b)])

# %% [markdown]
# ## 实验室
#
# 每个门的表现写成一行。先取门在训练开始时会遇到的 $z$（正态分布，以遗忘门偏置 1 为中心），看它的取值范围，以及斜率恰好为 0 的占多少；再看 100 步的高速通道；然后在 10 个数的加法任务上训练 150 步，共五个种子，看它在 10 个数和 100 个数上的误差：先是中位数，括号里是最小和最大。总是回答 1，误差是 1/6。

# %%
def lab(name, gate, fused=True):
    z = Tensor(1 + np.random.default_rng(0).normal(size=10_000), requires_grad=True)
    f = gate(z)
    flat = (tl.grad(f.sum(), [z])[0].numpy() == 0).mean()
    print(f"{name:13}{f.numpy().min():.2f} … {f.numpy().max():.2f}{flat:5.0%}", end="")
    errors = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flow = forgets(gate)[1]
        print(f"{flow.highway[0] / flow.highway[100]:9.1e}", end="")
        for seed in seeds:
            try:
                model = trained(gate, seed, steps=150, fused=fused)
            except TrainingError as error:
                print(f"   种子 {seed}：{error}")
                return None
            errors.append([evaluate(model, tasks.Adding(length=n), batches=1).loss for n in (10, 100)])
    for column, digits in zip(np.sort(errors, axis=0).T, (".3f", ".2g")):
        low, middle, high = (format(value, digits) for value in column[[0, 2, 4]])
        print(f"{middle:>7} {f'({low}…{high})':13}", end="")
    print()
    return np.array(errors)

print("             范围        平坦 高速通道  10 个数的误差        100 个数的误差")
results = {name: lab(name, gate, fused=gate is not zigzag) for name, gate in gates.items()}
better = results["sigmoid"][:, 0] / results["clip01"][:, 0]  # 逐个种子相比
bounded = max(results[name][:, 1].max() for name in ("sigmoid", "hard_sigmoid", "clip01", "zigzag"))
assert better.min() > 1 and results["relu"][:, 1].max() > 5 * bounded

# %% [markdown]
# 一列一列地看。**10 个数**，也就是训练时的任务：`zigzag` 从不饱和，学得和 σ 差不多，两个范围有重叠。`clip01` 在五个种子上都比 σ 好，误差只有 σ 的 1/{{better.max():.1f}} 到 1/{{better.min():.1f}}，虽然它在大部分 $z$ 上是平的：只要还有别的输入能推动这个门，$f = 1$ 处斜率为 0 就没有多大害处。ReLU 门也学会了这个任务：只有 10 步，连乘积还大不到哪里去。`twice` 会饱和，但饱和错了地方：误差的中位数是 {{np.median(results['twice'][:, 0]):.2f}}，比总是回答 1 好不了多少。
#
# **100 个数**，同一批网络接着走：σ 的五个网络里有 {{(results['sigmoid'][:, 1] > 1 / 6).sum()}} 个比总是回答 1 的 1/6 还差，可见有界的门在 10 步上学到的，也未必能用到 100 步。但是，门在 [0, 1] 之内的网络，误差最多 {{bounded:.2g}}；用 ReLU 门，误差可以到 {{results['relu'][:, 1].max():.2g}}：从没有人告诉一个大于 1 的 $f$，它会被连乘一百次。不一定会出事（换一个种子只有 {{results['relu'][:, 1].min():.1g}}），但可能出事，而且没有什么拦得住。
#
# 现在轮到你自己的门：由 Tensor 运算组成的任何函数都行（如果它像 `zigzag` 那样要看 `.data`，就加上 `fused=False`）。`lambda z: z * 0 + 1` 是一个永远开着的门，你预料它会怎样？`tl.tanh` 有界，但范围是 [−1, 1]，又会怎样？

# %%
def my_gate(z):
    return 0.5 + 0.5 * z / (1 + tl.abs(z))

results["my_gate"] = lab("my_gate", my_gate)

# %% [markdown]
# ## 练习
#
# **8.1** 每一步都是 $f = 1.1$，走到第几步时，高速通道上的梯度第一次超过原来的一千倍？

# %%
answer = None
quiz.check("8.1", answer)

# %% [markdown]
# **8.2** 一个网络训练时用的斜率是 $1/6$，现在要在另一个程序里运行，那里 hard_sigmoid 的斜率是 $0.2$。把三个门的权重和偏置乘以多少，输出才会相同？

# %%
answer = None
quiz.check("8.2", answer)

# %% [markdown]
# **8.3** 写一个门：值始终在 [0, 1] 之内，在 0 处等于 ½，$z$ 增大时从不下降，并且不像 σ 那样迟钝：在 $z = \pm 10$ 处，斜率至少还有 `1e-3`（σ 的斜率在那里不到 `1e-4`）。它的输入是一个 Tensor。

# %%
def gate(z):
    return None

quiz.check("8.3", gate)

# %% [markdown]
# ## 小结
#
# 门是一个比例，所以必须留在 [0, 1] 之内：超过 1，沿时间的连乘积就会爆炸，前向和反向都是如此；如果对所有输入都是 0，斜率也是 0，这个门就再也打不开。要紧的是有界。σ、hard_sigmoid，以及更古怪的函数都可以用；饱和既不必要，也不充分。有界的门只保护高速通道：经过 $h$，梯度仍然可能爆炸（第 7 篇）；总是小于 1 的门，也仍然会遗忘。步数少的时候，ReLU 门训练起来可能不比别的差；到了更长的序列上，它可能错得离谱，而哪个种子会出事，事先谁也说不准。
#
# 第 9 篇转向实际中的序列：一批里有长有短，状态从一段带到下一段，还有多层和双向。
#
# ## 参考文献
#
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to Forget: Continual Prediction with LSTM*：遗忘门，用 σ。
# - S. Hochreiter, J. Schmidhuber (1997). *Long Short-Term Memory*：加法任务，以及作为乘数的门。
# - M. Courbariaux, Y. Bengio, J.-P. David (2015). *BinaryConnect*：一种 hard sigmoid，那里的斜率是 ½。
