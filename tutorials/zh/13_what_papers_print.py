# %% [markdown]
# # 13 · 论文里的数字
#
# **问题。** 论文里有一张表：多少个网络，其中多少个学会了，用了多少个序列。自己跑一遍，得到的是什么？一个数旁边还要写上什么，别人才能判断？
#
# 需要的基础：[7 · 用 ReLU 代替 tanh](07_relu_instead_of_tanh.ipynb)（裁剪）和 [10 · 用到真实的数据上](10_something_real.ipynb)。大约 35 分钟。

# %%
import matplotlib.pyplot as plt
import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm import SequenceModel, fit, make_optimizer, quiz, tasks
from tinygrad_lstm.published import results
from tinygrad_lstm.published.pascanu2013 import clipping
from tinygrad_lstm.published.shelf import ROWS

tl.language("zh")
plt.style.use("tinygrad_lstm.drawn")

# %% [markdown]
# ## 一个数旁边要有另一个数
#
# 太阳黑子的多少有大约十一年的起伏。1700 年到 2008 年的年值随本库提供，最后五分之一留出，不用来拟合。两种朴素的预测：“与去年一样”，“与十一年前一样”。还有一个经典方法，Yule 的自回归：前 p 年的加权和，用最小二乘来拟合（取使平方误差最小的权重）。
#
# LSTM 读 24 年，预测下一年。一共五个种子。
#
# **先猜。** 种子 0 的误差是“与去年一样”的误差的多少倍？（均方根误差，只看留出的年份。）

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
# 网络的误差大约是“与去年一样”的 {{errors["LSTM，种子 0"] / errors["去年"]:.0%}}。（“十一年前”比“去年”还差，因为起伏没有那么规则。）如果只与朴素的预测比，这算是成功。可是前九年加一个常数，一共拟合十个数，也做得到：留出的 {{len(true)}} 年上误差是 {{errors["线性，9 年"]:.1f}}，网络的五个种子是 {{best:.1f}} 到 {{worst:.1f}}。可学的数据只有 {{first}} 个，这样的结果并不意外。所以：种子要多取几个，每个网络旁边都要放一个线性模型。
#
# </details>
#
# ## 把其中一行重跑一遍
#
# 2013 年，Pascanu、Mikolov 和 Bengio 建议裁剪梯度的范数。他们的证据之一，是 tanh RNN 做**先后次序**任务：许多没有意义的符号里有两个是 X 或 Y，相隔很远；读完最后一个符号，网络要说出这两个是什么，先后如何。一共四种答案。裁剪之后，学得会的网络更多，学得会的序列也更长。
#
# 这里重跑其中一小部分：序列约 `20` 个符号，五十个单元，普通的梯度下降，五个网络裁剪到范数 1，同样的五个不裁剪。`1000` 个新序列里，答错的不到百分之一，就算学会。预算是 1,000 次更新，每次 20 个序列，几秒就够；论文里是五百万次更新。
#
# **先猜。** **不**裁剪的五个网络里，有几个在这个预算之内学得会？

# %%
my_guess = None

# %%
clipped, free = (clipping(range(5), length=20, clip=clip, updates=1000) for clip in (1.0, None))
quiz.reveal(my_guess, sum(net["solved"] for net in free))
for name, nets in (("裁剪到范数 1", clipped), ("不裁剪", free)):
    after = "  ".join(f"{net['sequences']:>6,}" if net["solved"] else "     –" for net in nets)
    print(f"{name}\n  学会用了 {after}\n  最后答对 " + "  ".join(f"{net['right']:6.0%}" for net in nets))
assert sum(net["solved"] for net in clipped) >= 3 > sum(net["solved"] for net in free)

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# 不裁剪，{{len(free)}} 个里有 {{sum(net["solved"] for net in free)}} 个；裁剪，{{len(clipped)}} 个里有 {{sum(net["solved"] for net in clipped)}} 个。在这个长度、这个预算之下，论文的说法得到了印证。会不会是碰巧？五个对五个，不算多；如果裁剪毫无作用，这样分开的可能性有多大，练习 13.3 会算出来。
#
# 也看看那几道横线。现在还没学会的，以后可能学会：所谓“学不会”，总是“到此为止没有学会”。而且没学会的网络，谈不上用了多少序列；只对其余的求平均，得到的是运气好的那些的平均（练习 13.2）。
#
# </details>
#
# ## 所有的行
#
# 本库里有 {{len(ROWS)}} 行这样的内容，出自 1997 年到 2016 年的论文：论文印了什么，任务、大小、判据，以及一个把它重跑一遍的函数。`tinygrad-lstm reproduce --quick` 把它们全部重跑，一个核大约要十分钟（`pip install "tinygrad-lstm[sweep,data,fast]"`），预算远小于论文。本项目这样得到的结果，就在库里：

# %%
trials = results.kept(results.SHIPPED)
lines = [line for line in results.every_line(list(ROWS.values()), trials, quick=True) if line[2]]
verdicts = [claim.verdict(found, row.value).en for row, claim, found in lines]
compared = [words for words in verdicts if not words.startswith("nothing")]

# %% [markdown]
# 一共 {{len(lines)}} 种网络。其中 {{len(compared)}} 种有可以比较的：论文印出的数字或说法，还有一种是对照，只有预期。
#
# 下面表里的几个名称：`b_f` 是遗忘门的偏置，**chrono** 是为长记忆选取其初值的一种办法；IRNN 见第 7 篇。**加法问题**要把一长串数里做了记号的两个相加。**Reber** 字符串由七个字母的小文法生成：**嵌入式**的，倒数第二个字母与第二个相同；**连续的**，没有尽头。
#
# **先猜。** 这 {{len(compared)}} 种里，有几种复现了？

# %%
my_guess = None

# %%
came_out = sum(words in ("reproduced", "within a factor of two") for words in compared)
quiz.reveal(my_guess, came_out)
print(results.overview(lines, tl.spoken.current()))

# %% [markdown]
# <details><summary>答案与原因</summary>
#
# {{len(compared)}} 种里有 {{came_out}} 种。表里有三点值得留意：
#
# - **拿什么来比。** 论文给出了数字的，例如学会之前用了多少序列，就可以说“相差不超过两倍”。论文只说“解决”或“更好”的，总得有人划一条线；这条线是我们划的：多少个网络里要有多少个。线划在别处，结论也会不同。请看 `continual-reber`：论文里许多网络失败了，我们带遗忘门的网络全都读完，可是读的字符流短得多；仍然算“已复现”，因为差别确实在：有遗忘门的行，没有的不行。（在完整的表里训练得更久，没有遗忘门的也有几个做到了，结论就成了“未能复现”。）`temporal-order` 里的 tanh RNN 则是对照，论文没有给出它的数。
# - **没有复现的。** 大多出在同一个任务上，就是嵌入式 Reber 文法：无论用论文自己的权重数、初值和学习率，还是用我们的元胞，都做不到几乎每个网络都学会；在完整表格那样更大的预算里也是如此，原因我们不知道。这并不是推翻，也许有什么不同是论文里没有写的。但这也算不上复现，所以照实写出。还有一个 tanh RNN 学会了加法问题。“这样的网络都学不会”，有一个学会了就被推翻。可是论文是否真的这样说，我们没有查阅（那一行自己也写明了），所以错的也许是我们。
# - **网络太少。** 3 个里成了 3 个，说明不了多少。五个就好一些（练习 13.1）。
#
# </details>
#
# ## 一个数旁边要写上什么
#
# - **简单的办法得到多少**：去年的值，线性模型，数频次，同样大小、同样预算的普通 RNN。
# - **多少个里的多少个**，以及各个种子相差多远；不是只报最好的那个。
# - **判据**：怎样才算学会，在什么数据上测，多久看一次。
# - **预算**：训练了多久，定下来之前试过多少种设置。
# - **不同之处**：与所比较的对象差在哪里。同名的两种元胞，门未必相同。
# - **命令**：别人可以照着重跑。印出来的数，也请到印它的地方去核对：别人的数列成的表，总是抄来的。
#
# 下面第一行，会把一行内容的这些信息大都打印出来。第二段用来做你自己的表：它对所有设置、所有种子各运行一次你的函数，每完成一次就在文件里写一行，中断之后可以接着做（`pip install "tinygrad-lstm[sweep]"`）。
#
# ```text
# tinygrad-lstm reproduce clipping --quick      # 一分钟；它自己的说明也会打印
# ```
#
# ```python
# found = tl.sweep(run, {"clip": [None, 1.0]}, seeds=5, path="mine.jsonl")   # run(seed=…, clip=…) 返回一些数
# print(found)                                                               # 均值、范围、学会的个数
# ```
#
# ## 练习
#
# **13.1** 一种做法成功的概率如果是 p，五个网络全都学会的概率就是 $p^5$。p 是多少时，它等于 `0.05`？（所以，五个里成了五个之后，比这大的 p 都还可信。）

# %%
answer = None
quiz.check("13.1", answer)

# %% [markdown]
# **13.2** 一般要用多少个序列？`counts` 里每个网络一项，没有学会的是 `None`。只对学会的求平均，就对其余的只字不提。**中位数**却可以把它们算进去：没有学会的，就当作无穷晚。中位数是无穷时，返回 `float("inf")`。（网络个数是偶数时，取中间两个的平均。）

# %%
def typical(counts):
    return None


quiz.check("13.2", typical)

# %% [markdown]
# **13.3** 两种网络，各有 `nets` 个；第一种学会了 `a` 个，第二种学会了 `b` 个。假定是哪一种毫无影响：那么学会的这 `a + b` 个，就等于从全部 `2 * nets` 个里抽签抽出来的。其中有 `a` 个**或更多**属于第一种，概率是多少？（`math.comb(n, k)` 给出从 n 个里取 k 个有多少种取法。）

# %%
def luck(nets, a, b):
    return None


quiz.check("13.3", luck)

# %% [markdown]
# ## 小结
#
# - 单独一个数什么也说明不了。你的网络做到的，线性模型也许也做得到。
# - “学会”和“学不会”，说的是在某个预算之内、按某个判据，多少个网络里的多少个。只对学会的求平均，就把其余的藏起来了。
# - 没有复现不等于推翻；在一个长度上复现了，也不等于处处成立。要写明差在哪里。
#
# ## 参考文献
#
# - G. U. Yule (1927). *On a method of investigating periodicities in disturbed series, with special reference to Wolfer's sunspot numbers.*
# - R. A. Fisher (1935). *The design of experiments.* 抽签的概率，练习 13.3。
# - S. Hochreiter, J. Schmidhuber (1997). *Long short-term memory.* F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to forget.*
# - M. Kudo, J. Toyama, M. Shimbo (1999). *Multidimensional curve classification using passing-through regions.* 日语元音。
# - R. Pascanu, T. Mikolov, Y. Bengio (2013). *On the difficulty of training recurrent neural networks.*
# - R. Jozefowicz, W. Zaremba, I. Sutskever (2015). *An empirical exploration of recurrent network architectures.*
# - Q. V. Le, N. Jaitly, G. E. Hinton (2015). *A simple way to initialize recurrent networks of rectified linear units.* M. Arjovsky, A. Shah, Y. Bengio (2016). *Unitary evolution recurrent neural networks.*
# - C. Tallec, Y. Ollivier (2018). *Can recurrent neural networks warp time?* 即 chrono 初值。
# - 太阳黑子数：WDC-SILSO，比利时皇家天文台，布鲁塞尔。
