"""What the lab says, in English and in 中文, and the one error that it hands on."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Lang = Literal["en", "zh"]
LANGS: tuple[Lang, ...] = ("en", "zh")


class Both(NamedTuple):
    """One text in both languages; `{name}` stands for a value."""

    en: str
    zh: str

    def said(self, lang: Lang, **values: Any) -> str:
        return (self.zh if lang == "zh" else self.en).format(**values)


class LabError(ValueError):
    """What a message asks for cannot be done: a sentence, the line of the code or the field that is to blame."""

    def __init__(self, text: Both | str, *, line: int | None = None, field: str | None = None, **values: Any) -> None:
        self.text = Both(text.replace("{", "{{").replace("}", "}}"), "") if isinstance(text, str) else text
        self.values, self.line, self.field = {**values, "field": field}, line, field
        super().__init__(self.said("en"))

    def said(self, lang: Lang) -> str:
        """The sentence; what the rest of the package says is English alone."""
        return self.text.said(lang if self.text.zh else "en", **self.values)


class TookTooLong(Exception):
    """Raised inside of what did not end in time: see `deadline`."""


# — errors —
NO_MESSAGE = Both("a message is an object with “do”, the name of what to do; there are {known}.",
                  "消息是一个对象，其中 “do” 是要做的事的名字；可用的有 {known}。")  # fmt: skip
UNKNOWN_FIELD = Both("{do}: there is no field “{field}”; there are {known}.",
                     "{do}：没有字段“{field}”；可用的有 {known}。")  # fmt: skip
MISSING = Both("{do}: the field “{field}” is missing.", "{do}：缺少字段“{field}”。")
NOT_JSON = Both("the message is no JSON ({why}).", "消息不是 JSON（{why}）。")
TOO_LONG = Both("{field}: at most {most:,} characters, and these are {n:,}; take a part of it.",
                "{field}：最多 {most:,} 个字符，这里有 {n:,} 个；请只取一部分。")  # fmt: skip
TOO_MANY = Both("text: at most {most} steps at a time, and these are {n}; take its end alone.",
                "text：一次最多 {most} 步，这里有 {n} 步；请只取结尾部分。")  # fmt: skip
NUMBER = Both("{field}: must be {must}, not {value}.", "{field}：必须是{must}，而不是 {value}。")
CHOICE = Both("{field}: there is no {value}; there are {known}.", "{field}：没有 {value}；可用的有 {known}。")
NO_NET = Both("there is no net {net} yet: make it first.", "还没有网络 {net}：请先创建它。")
NOT_HERE = Both(
    "{field}: a cell {cell} has no such setting; leave it out.", "{field}：元胞 {cell} 没有这个设置；请去掉它。"
)
NO_ERASE = Both("erase: a cell {cell} writes no candidate C̃ that could be erased; take an LSTM.",
                "erase：元胞 {cell} 不写入候选值 C̃，没有可以抹去的；请用 LSTM。")  # fmt: skip
NO_F = Both("f: a cell {cell} has no forget gate f that could be frozen.", "f：元胞 {cell} 没有可以冻结的遗忘门 f。")
POSITION = Both("erase: there is no word {value}; they are counted from 0 to {last}.",
                "erase：没有第 {value} 个词；从 0 数到 {last}。")  # fmt: skip
NUMBERS = Both("text: write numbers from 0 to 1 with blanks between, and a * behind the two that are to be added; "
               "{value} is none.",
               "text：请写 0 到 1 之间的数，用空格隔开，并在要相加的两个数后面加 *；{value} 不是。")  # fmt: skip
NO_STEP = Both("the code must define step(self, x, state), or a class that derives from nn.Cell.",
               "代码必须定义 step(self, x, state)，或一个由 nn.Cell 派生的类。")  # fmt: skip
NO_RETURN = Both("step must return Step(…) with {fields}; it returned {got}.",
                 "step 必须返回带有 {fields} 的 Step(…)；它返回了 {got}。")  # fmt: skip
BAD_STATE = Both("step returns {name}, which must be a tensor of shape (batch, hidden) = {want}, not {got}.",
                 "step 返回的 {name} 必须是形状为 (batch, hidden) = {want} 的张量，而不是 {got}。")  # fmt: skip
UNNAMED = Both("step returns a {name} without a name: write .named(\"{name}\") behind it, so that it is found.",
               "step 返回的 {name} 没有名字：请在后面写 .named(\"{name}\")，这样才能跟踪它。")  # fmt: skip
NO_FLOW = Both("no gradient comes back to the cell: is everything in it detached?",
               "没有梯度回到元胞：是不是都被 detach 了？")  # fmt: skip
PANIC = Both("{kind}: {why} (this should not happen)", "{kind}：{why}（这本不应发生）")
OTHER_STEPS = Both("beside: one net reads this in {one} steps and the other in {other}; give them the same task.",
                   "beside：两个网络读这段文字分别用 {one} 步和 {other} 步；请给它们相同的任务。")  # fmt: skip
SLOW = Both("this took longer than it may, and was stopped; a loop without end?", "耗时过长，已停止；是不是死循环？")

NOTHING_ASKED = Both("nothing has been asked yet: ask a sentence first, its page is what is saved.",
                     "还没有提问：请先问一个句子，保存的就是它的页面。")  # fmt: skip

# — refusals of the server —
BAD_HOST = Both("Host {host} is not this computer: open the address that the lab has printed.",
                "主机名 {host} 不是本机：请打开 lab 打印出的地址。")  # fmt: skip
BAD_ORIGIN = Both("A page from elsewhere ({origin}) may not ask the lab.", "来自别处（{origin}）的页面不能使用 lab。")
BAD_TOKEN = Both("The token is missing or wrong: open the address that the lab has printed.",
                 "令牌缺失或错误：请打开 lab 打印出的地址。")  # fmt: skip
BAD_KIND = Both(
    "A message is sent as application/json, not as {kind}.", "消息须以 application/json 发送，而不是 {kind}。"
)

# — what is to be seen —
EXPECTS = Both("After “{last}” (t = {n}) the net expects “{answer}” ({p}).",
               "读到“{last}”（t = {n}）后，网络预测“{answer}”（{p}）。")  # fmt: skip
PREDICTS = Both("After {last} (t = {n}) the net predicts {answer}.", "读到 {last}（t = {n}）后，网络预测 {answer}。")
IS_RIGHT = Both(" That is right.", "这是对的。")
IS_WRONG = Both(" Right would be {right}.", "正确的是 {right}。")
REACHES = Both(" Of ∂L/∂{state} at the end, {share} is left at “{word}”, the first word.",
               "末尾的 ∂L/∂{state} 到第一个词“{word}”还剩 {share}。")  # fmt: skip
GROWS = Both(" From the end to “{word}”, the first word, ∂L/∂{state} has grown {share} times.",
             "从末尾回到第一个词“{word}”，∂L/∂{state} 增大到 {share} 倍。")  # fmt: skip
HALVES = Both(" Along the pure highway a gradient halves every {n} steps.", "沿纯高速通道，梯度每 {n} 步减半。")
KEEPS = Both(" The pure highway does not make a gradient smaller.", "纯高速通道不会使梯度变小。")
SILENT = Both(" No gradient sets out: nothing is to be seen on the way back.", "没有梯度出发：回程上什么也看不到。")
LEVERS = Both("With {levers}: ", "{levers}：")
FLIPS = Both(" Without that it was “{answer}” ({p}).", "不这样做时，预测是“{answer}”（{p}）。")
WAS = Both(" Without that it is {answer}.", "不这样做时是 {answer}。")
STAYS = Both(" The answer is the same without that ({p}).", "不这样做时，答案相同（{p}）。")
LEVER = {
    "forget_bias": Both("b_f moved by {by}", "b_f 移动 {by}"),
    "f": Both("f frozen at 1", "f 固定为 1"),
    "cut_h": Both("the gradient cut at h", "在 h 处切断梯度"),
    "activation": Both("{name} in the place of {old}", "用 {name} 代替 {old}"),
    "gate_activation": Both("gates by {name}", "门用 {name}"),
    "erase": Both("what was written at {words} erased", "抹去在 {words} 处写入的内容"),
}
NO_GATE = Both("{gate} is no gate: a gate says how much, from 0 to 1, and this one reaches from {low} to {high}.",
               "{gate} 不能作门：门表示“多少”，应在 0 到 1 之间，而它从 {low} 到 {high}。")  # fmt: skip
UNKNOWN_WORDS = Both("not in the vocabulary, so that the net reads them all as one unknown word: {words}",
                     "不在词表中，网络把它们都当作同一个未知词：{words}")  # fmt: skip

# — the headings of a script or notebook —
TAKE = {
    "start": Both("A net of the lab, with the same numbers. Install: pip install tinygrad-lstm",
                  "实验室中的网络，数字相同。安装：pip install tinygrad-lstm"),
    "task": Both("What it learns on", "学习的任务"),
    "cell": Both("Its cell", "它的元胞"),
    "train": Both("The training", "训练"),
    "ask": Both("The question: what the net expects, and the gradient on its way back",
                "提问：网络的预测，以及梯度的回程"),
    "draw": Both("The picture, and as a page to step through: lab.html", "图，以及可以逐步查看的页面：lab.html"),
}  # fmt: skip
