"""The rows of the table, in the order of their cost: the cheapest first."""

from __future__ import annotations

from .gers2000 import continual_reber
from .hochreiter1997 import embedded_reber, temporal_order
from .jozefowicz2015 import forget_bias
from .kudo1999 import vowels
from .le2015 import adding
from .pascanu2013 import clipping
from .row import Budget, Claim, Published, Told

SOLVED, FAILS, NONE = Told("solved", "解决"), Told("not solved", "未解决"), Told("0 % solved", "0 % 解决")
LSTM_1997 = Told("LSTM of 1997", "1997 年的 LSTM")

VOWELS = Published(
    name="vowels",
    title=Told("Japanese vowels: who speaks?", "日语元音：是谁在说话？"),
    source="Kudo, Toyama, Shimbo 1999, Pattern Recognition Letters 20",
    criterion=Told(
        "of 370 test utterances the share that is right after the last epoch; solved: at least 94.1 %",
        "370 条测试语音中，最后一轮之后答对的比例；解决：至少 94.1 %",
    ),
    differs=Told(
        "the paper has no net: 94.1 % is its classifier, 96.2 % a hidden Markov model of 5 states; ours is an LSTM",
        "论文中没有神经网络：94.1 % 是它的分类器，96.2 % 是 5 个状态的隐马尔可夫模型；我们的是 LSTM",
    ),
    run=vowels,
    value="right",
    percent=True,
    claims=[
        Claim("LSTM, 32", {"hidden": 32}, Told("94.1 %; HMM 96.2 %", "94.1 %；HMM 96.2 %"), mean=(0.941, 1.0)),
    ],
    quick=Budget({"epochs": 60}, 5),
    full=Budget({"epochs": 60}, 10),
    version=2,
    needs="aeon",
)

CONTINUAL = Published(
    name="continual-reber",
    title=Told("Strings without an end: the forget gate", "没有尽头的字符串：遗忘门"),
    source=Told(
        "Gers, Schmidhuber, Cummins 2000, Neural Computation 12(10), table 2 (as readers of it give it)",
        "Gers, Schmidhuber, Cummins 2000, Neural Computation 12(10)，表 2（转引自它的读者）",
    ),
    criterion=Told(
        "symbols of 10 new streams that are read before the first mistake, on average; solved: all of them",
        "在 10 条新的符号流上，出现第一个错误之前读过的符号数（平均）；解决：全部读完",
    ),
    differs=Told(
        "cells with gates of their own, not blocks; backpropagation through 40 steps in 16 streams with Adam, not "
        "online; test streams of 10,000 symbols (quick) or 100,000, where the paper has up to 1,000,000",
        "每个元胞有自己的门，不成块；在 16 条流中每次反向传播 40 步并用 Adam，不是在线学习；"
        "测试流为 10,000（快速）或 100,000 个符号，论文最多 1,000,000",
    ),
    run=continual_reber,
    value="read",
    claims=[
        Claim(
            Told("LSTM with forget gate", "带遗忘门的 LSTM"),
            {"cell": "lstm"},
            Told("18 % solved; 62 % with a decaying rate", "18 % 解决；学习率衰减时 62 %"),
            solved=(0.8, 1.0),
        ),
        Claim(Told("without forget gate", "没有遗忘门"), {"cell": "lstm-no-forget"}, NONE, solved=(0.0, 0.0)),
        Claim(LSTM_1997, {"cell": "lstm-1997"}, NONE, solved=(0.0, 0.0)),
    ],
    quick=Budget({"cells": 8, "updates": 3000, "symbols": 10_000}, 5),
    full=Budget({"cells": 8, "updates": 12_000, "symbols": 100_000}, 10),
    version=2,
)

FORGET_BIAS = Published(
    name="forget-bias",
    title=Told("Where the forget bias begins: 0 or 1", "遗忘门偏置的初值：0 还是 1"),
    source=Told(
        "Jozefowicz, Zaremba, Sutskever 2015, ICML (its tables were not read)",
        "Jozefowicz, Zaremba, Sutskever 2015, ICML（未查阅其中的表）",
    ),
    criterion=Told(
        "right answers at the end; solved: below 1 % wrong of 1000 new sequences within the budget",
        "最后答对的比例；解决：在预算之内，1000 条新序列的错误率低于 1 %",
    ),
    differs=Told(
        "the paper has arithmetic, XML and music and says that a bias of 1 helps; here temporal order at one length",
        "论文用的是算术、XML 与音乐，并说偏置为 1 有帮助；这里用一个长度的时间顺序任务",
    ),
    run=forget_bias,
    value="right",
    percent=True,
    claims=[
        Claim("b_f = 1", {"bias": 1.0}, Told("better", "较好"), solved=(0.8, 1.0)),
        Claim("b_f = 0", {"bias": 0.0}, Told("worse", "较差"), solved=(0.0, 0.5)),
    ],
    quick=Budget({"length": 60, "hidden": 16, "updates": 1500}, 10),
    full=Budget({"length": 60, "hidden": 16, "updates": 1500}, 20),
    version=2,
)

CLIPPING = Published(
    name="clipping",
    title=Told("Clipping the gradient of a tanh RNN", "对 tanh RNN 的梯度裁剪"),
    source=Told(
        "Pascanu, Mikolov, Bengio 2013, ICML, section 4.1.1 and figure 7 (p. 7)",
        "Pascanu, Mikolov, Bengio 2013, ICML，第 4.1.1 节，图 7（第 7 页）",
    ),
    criterion=Told(
        "sequences until below 1 % of 1000 new ones are wrong; solved: within the budget",
        "直到 1000 条新序列错误率低于 1 % 所用的序列数；解决：在预算之内",
    ),
    differs=Told(
        "one initialisation (normal, 0.1; “basic tanh”) where the paper has three, learning rate 0.1 for 0.01, a "
        "budget far below its 5 million updates, lengths of 20 to 50 where the figure has 50 and more, 1000 new "
        "sequences for 10,000",
        "只用一种初始化（正态，0.1，“basic tanh”），论文用三种；学习率 0.1，论文 0.01；预算远小于论文的五百万次更新；"
        "长度 20 到 50，论文的图从 50 起；用 1000 条新序列检验，论文 10,000",
    ),
    run=clipping,
    value="sequences",
    claims=[
        Claim(
            Told(f"{en}, length {length}", f"{zh}，长度 {length}"), {"length": length, "clip": clip}, printed,
            solved=share, long=length > 30,
        )
        for length in (20, 30, 50)
        for en, zh, clip, printed, share in (
            ("clip 1", "裁剪到 1", 1.0, SOLVED, (0.6, 1.0)),
            ("no clip", "不裁剪", None, FAILS, (0.0, 0.5)),
        )
    ],
    quick=Budget({"updates": 10_000}, 5),
    full=Budget({"updates": 20_000}, 10),
    version=2,
)

ADDING = Published(
    name="adding",
    title=Told("The adding problem", "加法问题"),
    source=Told(
        "Le, Jaitly, Hinton 2015, arXiv 1504.00941; Arjovsky, Shah, Bengio 2016, ICML (neither was read)",
        "Le, Jaitly, Hinton 2015, arXiv 1504.00941；Arjovsky, Shah, Bengio 2016, ICML（两篇都未查阅）",
    ),
    criterion=Told(
        "mean squared error at the end (answering 1 always: 0.167), and its curve; solved: below 0.01 at some look",
        "最后的均方误差（永远回答 1 为 0.167）及其曲线；解决：某次检查时低于 0.01",
    ),
    differs=Told(
        "32 hidden units (the papers 100 and 128), Adam; the rate is the best of a few tried with 2 nets at T = 100 "
        "(LSTM 0.01, 0.003; IRNN 0.003, 0.001, 0.0005, 0.0003; tanh 0.001); the papers search it, too; a smaller "
        "budget",
        "隐藏单元 32 个（论文 100 与 128），Adam；学习率是在 T = 100 用 2 个网络试过的几个中最好的（LSTM 0.01、0.003；"
        "IRNN 0.003、0.001、0.0005、0.0003；tanh 0.001），论文也搜索过；预算更小",
    ),
    run=adding,
    value="error",
    curve="curve",
    claims=[
        Claim(
            Told(f"{name}, T = {length}, rate {rate}", f"{name}，T = {length}，学习率 {rate}"),
            {"cell": cell, "length": length, "rate": rate, **more},
            printed,
            solved=solved,
            long=length > 100,
        )
        for length in (100, 200)
        for name, cell, rate, more, printed, solved in (
            ("LSTM, b_f = 0", "lstm-b0", 0.01, {}, "–", None),
            ("LSTM, b_f = 1", "lstm-b1", 0.01, {}, SOLVED, (0.6, 1.0)),
            ("LSTM, chrono", "lstm-chrono", 0.01, {}, "–", None),
            ("IRNN", "irnn", 0.0003, {"updates": 20_000 * length // 100}, SOLVED, (0.6, 1.0)),
            ("tanh RNN", "rnn", 0.001, {"updates": 20_000}, FAILS, (0.0, 0.0)),
        )
    ],
    quick=Budget({"hidden": 32, "updates": 3000}, 3),
    full=Budget({"hidden": 32, "updates": 4000}, 5),
    version=2,
)

ADAM = {"adam": True, "budget": 20_000}
FAST = Told("9,500; 97 % solved", "9,500；97 % 解决")
REBER = Published(
    name="embedded-reber",
    title=Told("Embedded Reber grammar", "嵌入式 Reber 文法"),
    source=Told(
        "Hochreiter, Schmidhuber 1997, Neural Computation 9(8), section 5.1, table 1 (and tables 10, 11)",
        "Hochreiter, Schmidhuber 1997, Neural Computation 9(8)，第 5.1 节，表 1（以及表 10、11）",
    ),
    criterion=Told(
        "strings learned from until in all 512 strings the allowed symbols have the largest outputs; solved: within "
        "the budget",
        "直到 512 条字符串中允许的符号总是输出最大为止，所学的字符串数；解决：在预算之内",
    ),
    differs=Told(
        "looked at every 100 strings or 1000 symbols, up to 20,000 or 40,000 strings (rate 0.1: 80,000). “As in the "
        "paper” has its 264 weights, 4 blocks of one cell, cells and gates that see one another, and learns after each "
        "symbol; with biases on the outputs they are 271. All others learn after each string. LSTM1997Cell: its gates "
        "see h alone. With Adam: cross-entropy of a softmax, each net's gradient clipped to norm 1",
        "每 100 条字符串或 1000 个符号检查一次，最多 20,000 或 40,000 条（学习率 0.1：80,000 条）。“与论文相同”即它的 "
        "264 个权重，4 块各一个元胞，元胞与门互相可见，每个符号之后更新；输出再有偏置则为 271 个。其他的都在每条字符串"
        "之后更新。LSTM1997Cell：门只看 h。用 Adam 时：softmax 的交叉熵，每个网络的梯度裁剪到范数 1",
    ),
    run=embedded_reber,
    value="strings",
    also=(
        "grammar",
        Told(
            "share of strings that are right but for the last symbol but one, which repeats the second",
            "除了倒数第二个符号（它重复第二个符号）之外全都正确的字符串所占的比例",
        ),
    ),
    claims=[
        *(
            Claim(
                Told(f"{en}, rate {rate}", f"{zh}，学习率 {rate}"),
                {"cell": "gates-see-gates", **net, "rate": rate, **more},
                printed,
                count,
                solved,
                long=rate < 0.5,
            )
            for rate, more, printed, count, solved in (
                (0.5, {}, FAST, 9_500, (0.8, 1.0)),
                (0.1, {"budget": 80_000}, Told("39,740; 100 % solved", "39,740；100 % 解决"), 39_740, (0.9, 1.0)),
            )
            for en, zh, net in (
                ("1997, as in the paper", "1997，与论文相同", {"online": True}),
                ("and biases on outputs", "输出再有偏置", {"online": True, "biased": True}),
            )
        ),
        *(
            Claim(Told(f"{en}, rate 0.5", f"{zh}，学习率 0.5"), {"cell": cell, "rate": 0.5}, *printed)
            for en, zh, cell, printed in (
                ("1997, string by string", "1997，逐条更新", "gates-see-gates", (FAST, 9_500, (0.8, 1.0))),
                ("LSTM1997Cell", "LSTM1997Cell", "lstm-1997", (FAST, 9_500, (0.8, 1.0))),
                ("LSTM of today", "今天的 LSTM", "lstm", ()),
            )
        ),
        *(
            Claim(
                Told(f"{en}, 8 cells, Adam 0.01", f"{zh}，8 个元胞，Adam 0.01"),
                {"cell": cell, "cells": 8, "rate": 0.01, **ADAM},
            )
            for en, zh, cell in (
                ("LSTM1997Cell", "LSTM1997Cell", "lstm-1997"),
                ("LSTM of today", "今天的 LSTM", "lstm"),
            )
        ),
    ],
    quick=Budget({"cells": 4, "budget": 20_000}, 5),
    full=Budget({"cells": 4, "budget": 40_000}, 20),
    version=2,
)

ORDER = Published(
    name="temporal-order",
    title=Told("Temporal order of two symbols", "两个符号的先后次序"),
    source=Told(
        "Hochreiter, Schmidhuber 1997, Neural Computation 9(8), section 5.6, task 6a, table 9 (and tables 10, 11)",
        "Hochreiter, Schmidhuber 1997, Neural Computation 9(8)，第 5.6 节，任务 6a，表 9（以及表 10、11）",
    ),
    criterion=Told(
        "sequences until the 2000 latest were all right (each output within 0.3) with a mean error below 0.1",
        "直到最近 2000 条序列全部正确（每个输出误差小于 0.3）且平均误差低于 0.1 所用的序列数",
    ),
    differs=Told(
        "4 cells with gates of their own that see h alone (176 weights) for 2 blocks of 2 cells (156); the control is "
        "a tanh RNN of 8 units (172 weights) with the same learning rate and budget",
        "4 个各有门的元胞，门只看 h（176 个权重），论文为 2 块各 2 个元胞（156 个）；对照是 8 个单元的 tanh RNN"
        "（172 个权重），学习率与预算相同",
    ),
    run=temporal_order,
    value="sequences",
    claims=[
        Claim(
            LSTM_1997,
            {"cell": "lstm-1997", "cells": 4},
            Told("31,390; 100 % solved", "31,390；100 % 解决"),
            31_390,
            (0.9, 1.0),
        ),
        Claim("tanh RNN", {"cell": "rnn", "cells": 8}, "–", solved=(0.0, 0.1)),
    ],
    quick=Budget({"budget": 50_000}, 5),
    full=Budget({"budget": 50_000}, 20),
    version=2,
)

ROWS = {row.name: row for row in (VOWELS, FORGET_BIAS, CLIPPING, CONTINUAL, REBER, ADDING, ORDER)}
