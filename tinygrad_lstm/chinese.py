"""The catalogue of `spoken.said`: what pictures, tables and diagnoses say, in English and in 中文.

Terms, throughout: 元胞 is a cell, 单元 a unit, 元胞状态 is C, 隐藏状态 h, 高速通道 the highway, 读出 what reads a state.
A test asks that each sentence in the package stands here, with the same {places}.
"""

CHINESE: dict[str, str] = {
    ", ": "、",
    # captions and titles of drawings
    "forget": "遗忘门", "input": "输入门", "candidate": "候选值", "cand.": "候选值", "output": "输出门",
    "update": "更新门", "reset": "重置门", "loss": "损失", "pad": "填充", "forward": "正向", "backward": "反向", "layer {k}": "第 {k} 层", "given": "给定", "gradient": "梯度", "cell": "元胞",
    " · the path of {name}": " · 突出 {name} 的路径",
    "named tensors only: an edge carries what flows back on all ways between two names":
        "只画有名字的张量：一条边上的梯度，是两个名字之间所有路径之和",
    "one step stands for {n}": "用一步代表 {n} 步",
    ": smallest … largest norm over time, coloured by the largest": "：所标为各步范数的最小值 … 最大值，颜色取最大值",
    " beside ": " 与 ",
    "L of shape {shape}": "L（形状 {shape}）",
    "{n} steps": "{n} 个时间步", "1 step": "1 个时间步",
    "gradients flow back from {value}": "梯度从 {value} 往回传", "forward only, to {value}": "只画前向，到 {value} 为止",
    "steps {first} to {last} of ": "第 {first}–{last} 步，共 ", "step {first} of ": "第 {first} 步，共 ",
    "steps {first} to {last} of {n}": "第 {first}–{last} 步，共 {n} 步", "step {first} of {n}": "第 {first} 步，共 {n} 步",
    "{n} layers, the first below": "{n} 层，第一层在最下面",
    "parameters{whose}, shared by all steps: {told}": "参数{whose}，所有时间步共享：{told}",
    "parameters{whose}, shared by all steps": "参数{whose}，所有时间步共享", " and ": "与 ", "shape": "形状",
    " of {name}": "（{name}）", " of layer {k}": "（第 {k} 层）",
    " of the forward direction": "（正向）", " of the backward direction": "（反向）",
    ", of a single number ": "，单个数为 ",
    "one column for each step, one row for each name": "一列一个时间步，一行一个量",
    "the last of {n} layers is shown": "共 {n} 层，只画最后一层",
    "not drawn: “{root}”; draw its own output to see it": "“{root}”没有画出；要看它，请画它自己的输出",
    " of {n}, the last,": "（共 {n} 层，取最后一层）",
    "bidirectional: layer{above} forward above and backward below, where time runs to the left":
        "双向层{above}：上面是正向，下面是反向，反向的时间从右往左",
    "bidirectional: the forward direction of the last layer is drawn": "双向层：只画最后一层的正向",
    "the last of {n} layers is drawn: the others have other steps": "共 {n} 层，只画最后一层：其余各层的时间步与它不同",
    "called {n} times: the last call is drawn": "共调用 {n} 次，只画最后一次",
    "{name}, {n} tensors": "{name}，{n} 个张量",
    "{n} tensors, {m} edges": "{n} 个张量，{m} 条边",
    "a gradient, computed by {n} tensors from {m} of the forward pass": "一个梯度，由 {n} 个张量算出，用到前向计算的 {m} 个张量",
    " (grey: its values)": "（灰色为前向的值）",
    " · gradients flow back from {what}": " · 梯度从 {what} 往回传",
    " · on an arrow: the rule, and what it sends": " · 箭头上标的是规则和它送出的数",
    "constant": "常量", "leaf": "叶子", "ones": "全 1", "data": "值", "grad": "梯度",
    "everything after the layer, up to {root}": "该层之后的全部运算，直到 {root}",
    "what reads it": "读取它的部分",
    # rules on arrows
    "dy where y = a": "dy，在 y = a 处", "dy where y = b": "dy，在 y = b 处",
    "dy where low ≤ x ≤ high": "dy，在 low ≤ x ≤ high 处", "dy where true": "dy，在条件成立处",
    "dy where false": "dy，在条件不成立处",
    "dy where x > 0": "dy，在 x > 0 处", "dy, or dy · slope": "dy，或 dy · 斜率",
    "dy · slope where 0 < y < 1": "dy · 斜率，在 0 < y < 1 处", "dy · sign x": "dy · x 的符号",
    "dy at the maximum": "dy，在最大值处", "dy at the minimum": "dy，在最小值处",
    "Σ dy from there on": "从该处起的 Σ dy",
    "dy at the index": "dy，在索引处", "dy at each row": "dy，在各行处", "dy at its place": "dy，在其原位",
    "Σ dy · the others": "Σ dy · 其余各项",
    # plots and tables of a flow
    "pure highway": "纯高速通道", "recurrence alone": "只走循环连接", "norm": "范数", "share of the terms": "各项所占份额",
    "Gradient of {name} in {place}; {alone}: half-life {life:.3g} steps":
        "{place} 中 {name} 处的梯度；{alone}：半衰期 {life:.3g} 步",
    "t of {name}ₜ; the gradient travels to the {way}": "{name}ₜ 的 t；梯度往{way}传", "left": "左", "right": "右",
    "highway": "高速通道", "recurrence": "循环连接", "readout": "读出", "mean {gate}": "{gate} 均值", "written": "写入",
    "read": "读入",
    "StepJacobians(of {names}: {T} steps, rows: {batch}, {n} units; largest singular value {low:.3g} to {high:.3g}, of "
    "the whole product {whole:.3g})":
        "StepJacobians({names} 的雅可比矩阵：{T} 步，{batch} 行，{n} 个单元；每步最大奇异值在 {low:.3g} 到 {high:.3g} 之间，"
        "整个乘积的为 {whole:.3g})",
    ", half-life {life:.3g} steps": "，半衰期 {life:.3g} 步", ", its history freed": "，历史已释放",
    "Flow(of {name} in {place}, T={T}{life})": "Flow({place} 中的 {name}，T={T}{life})",
    # the ledger as a picture
    "on none of the ways": "不在这几条路上", "through {gate}": "经 {gate}",
    "{name} = {value} is the sum of {n} terms": "{name} = {value}，是 {n} 项之和",
    "‖{name}‖ = {value}: the norms of its {n} terms, and their shares along the sum":
        "‖{name}‖ = {value}：{n} 项各自的范数，以及在总和方向上的份额",
    "black: where several of them run together": "黑色：几条路合在一起的地方",
    # diagnose
    "nothing to say": "无话可说",
    "{place}: {text}": "{place}：{text}",
    "{path}: {state} is not finite from t={t} on; all numbers after it mean nothing. detect_anomaly() names the op where "
    "it began.":
        "{path}：从 t={t} 起 {state} 不再是有限的数，此后所有数值都没有意义。detect_anomaly() 会指出是从哪个运算开始的。",
    "what a step keeps": "每步保留的比例",
    "{what} is {mean:.3f} on average, so the pure path along {state} halves a gradient every {life:.1f} steps (in its "
    "most lasting unit every {longest:.1f}) and keeps {left:.1e} of it over {n}. If something must be remembered for {n} "
    "steps, {cure}, at which half is left.":
        "{what} 平均为 {mean:.3f}，因此沿 {state} 的纯通道每 {life:.1f} 步就让梯度减半（最持久的单元是每 {longest:.1f} 步），"
        "{n} 步之后只剩 {left:.1e}。如果有什么要记住 {n} 步，{cure}，这样能剩下一半。",
    "{what} has to be {value:.4f}": "{what} 应为 {value:.4f}",
    " (in nn.LSTM: forget_bias={value:.2f})": "（在 nn.LSTM 中写 forget_bias={value:.2f}）",
    "start with {bias} = {value:.2f}{setting}": "可从 {bias} = {value:.2f} 开始{setting}",
    "None of its gates holds a path open along which each unit keeps its own.":
        "它没有哪个门能让每个单元沿一条通道各自保住自己的梯度。",
    "A plain recurrence has no path that keeps it; take an LSTM or a GRU, or (with relu) "
    "recurrent_initializer='identity'.":
        "普通的循环没有能保住梯度的通道；请改用 LSTM 或 GRU，或者（配合 relu）用 recurrent_initializer='identity'。",
    "a gradient is multiplied by {factor:.2f} a step on its way back along {state}: it halves every {life:.1f} steps, "
    "and {n} steps leave {left:.1e} of it. {cure}":
        "梯度沿 {state} 往回传，每步乘以 {factor:.2f}：每 {life:.1f} 步减半，{n} 步之后只剩 {left:.1e}。{cure}",
    "{gate} reaches {high:.3g}: a gate above 1 makes the product over many steps explode, since it says how much is "
    "kept. Take a recurrent_activation that stays within [0, 1], such as sigmoid.":
        "{gate} 达到了 {high:.3g}：它管的是保留多少，大于 1 的话，许多步相乘就会爆炸。"
        "recurrent_activation 请取值域在 [0, 1] 内的，例如 sigmoid。",
    "Its bias is very large; a smaller one lets it learn to forget.": "它的偏置太大；取小一些，它才学得会遗忘。",
    "Inputs, weights or learning rate are too large; scale the inputs, or start again with a smaller lr.":
        "输入、权重或学习率太大；请缩放输入，或者换较小的 lr 重新训练。",
    "{share:.0%} of the values of {gate} are saturated (mean {mean:.3f}): less than 1/100 of the gradient passes that "
    "passes at best, so it hardly learns. {remedy}":
        "{gate} 的值有 {share:.0%} 处于饱和（均值 {mean:.3f}）：能通过的梯度不到最好情况的 1/100，所以几乎学不动。{remedy}",
    "C̃ is never below 0 (a relu?), so C is only added to, and h feeds it back into C̃; take tanh for the candidate, or a "
    "bounded output: output_activation='tanh'":
        "C̃ 从不小于 0（用了 relu？），于是 C 只增不减，又经由 h 送回 C̃；候选值请改用 tanh，"
        "或者让输出有界：output_activation='tanh'",
    "more is written than forgotten; a smaller forget bias, or a bounded activation, keeps it":
        "写入的多，遗忘的少；减小遗忘门偏置，或换有界的激活函数，可以稳住它",
    "mean |{state}| grows from {half:.3g} half-way to {end:.3g} at the end: {cause}. Clipping gradients does not help: "
    "this happens on the way forward.":
        "|{state}| 的均值从中途的 {half:.3g} 增长到末端的 {end:.3g}：{cause}。梯度裁剪帮不上忙：这发生在前向计算中。",
    "a gradient grows {whole:.1e}-fold on {length} steps of its way back, {factor:.2f} times a step: the recurrent "
    "weights stretch it. Take smaller ones (recurrent_initializer='orthogonal' has norm 1) and a bounded activation, and "
    "limit the step by global_clipnorm=1.":
        "梯度在往回的 {length} 步里放大到 {whole:.1e} 倍，平均每步 {factor:.2f} 倍：是循环权重把它拉长了。"
        "请取较小的循环权重（recurrent_initializer='orthogonal' 的范数为 1）和有界的激活函数，"
        "并用 global_clipnorm=1 限制步长。",
    "not finite": "非有限值",
    "the loss is {value}, so no gradient means anything. detect_anomaly() names the op where it began.":
        "损失是 {value}，所有梯度都没有意义。detect_anomaly() 会指出是从哪个运算开始的。",
    "the gradient is not finite from {tensor} on back, though the loss is: the rule of the op after it divides by 0 or "
    "overflows. detect_anomaly() names it; keep values away from the edge of log, sqrt and division, and weights from "
    "growing.":
        "损失是有限的，但从 {tensor} 往回，梯度不再是有限的数：它后面那个运算的规则除以了 0 或者溢出。"
        "detect_anomaly() 会指出是哪个运算；请让取值远离 log、sqrt 和除法的边界，并防止权重越变越大。",
    "every gradient is exactly 0: the loss does not change with anything, so nothing will learn. A factor 0, a mask that "
    "leaves no term, dead relu units, a saturated output or a loss at its minimum make it so.":
        "所有梯度都恰好为 0：损失不随任何东西变化，什么也学不到。可能的原因：乘了 0，掩码把所有项都去掉了，"
        "relu 单元已死，输出饱和，或者损失已在最小值处。",
    "a layer": "某一层",
    "{place}: ran fused, as one op, so that no step, gate or state of it can be looked at. Set layer.fused = False, run "
    "it again and ask anew.":
        "{place}：它是融合成一个运算来跑的，看不到其中的时间步、门和状态。请设 layer.fused = False，重新运行后再问。",
    "{path}: the state was carried over without detach, so this backward goes through {n} runs, and each further chunk "
    "makes it longer. If it should end at the chunk's first step (truncated backpropagation through time), carry on with "
    "state.detach().":
        "{path}：状态带到了下一段，却没有 detach，所以这次反向传播要穿过 {n} 次运行，以后每多一段就更长。"
        "如果应当止于本段的第一步（截断的随时间反向传播），请用 state.detach() 接着往下走。",
    "{place}: {dead} of {units} relu units are 0 for all {looks} inputs they saw, so no gradient passes them and they "
    "cannot come back. A step was too large or a bias too low; lower the lr, or take leaky_relu.":
        "{place}：{units} 个 relu 单元中有 {dead} 个对见过的全部 {looks} 个输入都未激活，梯度过不去，它们也就活不过来。"
        "不是更新的步子太大，就是偏置太低；请减小 lr，或者改用 leaky_relu。",
    "{which} frozen (requires_grad=False) and will not learn. If not meant, set it to True.":
        "{which}冻结（requires_grad=False），不会学习。如果不是有意的，请设为 True。",
    "{which} reached by no gradient: the loss does not depend on it, or a detach, no_grad or .numpy() cuts the path. "
    "Follow tl.draw(loss) back to where it ends.":
        "{which}没有梯度到达：损失不依赖它，或者 detach、no_grad、.numpy() 把路切断了。"
        "请顺着 tl.draw(loss) 往回看，路断在哪里。",
    "{which} not held by the optimizer and will not move. Give it module.parameters().":
        "{which}不在优化器里，不会更新。请把 module.parameters() 交给优化器。",
    " and {n} more": " 等，另有 {n} 个，", "{names}{more} is": "{names}{more} ", "{names}{more} are": "{names}{more} ",
    "{clipped} of {steps} steps were clipped ({share:.0%}) by {kind}={threshold:g}, the mean norm before being "
    "{norm:.3g}: so the clip, not the gradient, sets the size of the step. Raise the threshold to a rare norm, or find "
    "out why gradients are so large.":
        "{steps} 步中有 {clipped} 步（{share:.0%}）被 {kind}={threshold:g} 裁剪，裁剪前的范数平均为 {norm:.3g}："
        "决定步长的是裁剪，而不是梯度。请把阈值提高到少见的范数，或者查明梯度为什么这么大。",
    # what a record shows
    "gates": "门", "mean of {name}": "{name} 的均值", "time step t": "时间步 t", "training step": "训练步数",
    "{n} snapshots after {first} to {last} training steps, downwards; time step t to the right":
        "往下：第 {first} 到 {last} 个训练步之后的 {n} 次快照；往右：时间步 t",
    "{name} at t={t}, after {step} steps: {value}": "训练 {step} 步之后，t={t} 处的 {name}：{value}",
    "{what} while the net learns": "训练过程中的 {what}",
    "Record({n} snapshots, of {names})": "Record({n} 次快照：{names})",
    "Record({n} snapshots after {first} to {last} steps, of {names})": "Record(第 {first} 到 {last} 步之后的 {n} 次快照：{names})",
    "nothing": "空", "opens": "打开", "closes": "关闭", "stays": "不变",
    "before and after": "训练前后", "after {first} and {last} steps": "{first} 步与 {last} 步之后",
    "Difference({about}; means over t: {parts})": "Difference({about}；对 t 取均值：{parts})",
    "accuracy": "准确率", "gradient norm": "梯度范数", "clipped": "裁剪", "step {n}: {line}": "第 {n} 步：{line}",
    "History({n} steps in {seconds:.1f} s; last 20: {line})": "History({n} 步，用时 {seconds:.1f} 秒；最近 20 步：{line})",
    # comparisons
    "How a gradient shrinks or grows on its way back through time": "梯度沿时间往回传，怎样缩小或增大",
    "below 1e-7 of the end's": "不到终点处的 1e-7", "overflow: inf or NaN": "溢出：inf 或 NaN",
    " · every {n} steps": " · 每 {n} 步一列",
    "The gradient travels to the left. 1 is ‖∂L/∂h‖ at the end, of every net. The ends of the scale stand for all beyond "
    "them; white is exactly 0.":
        "梯度从右往左传。每个网络在终点处的 ‖∂L/∂h‖ 都取为 1。色标两端也代表超出的值；白色为恰好等于 0。",
    "{n} nets side by side": "{n} 个网络对照",
    "{net}: ∂L/∂{state} at t=T−{back} = {value}": "{net}：t=T−{back} 处 ∂L/∂{state} = {value}",
    "– (no gradient was computed)": "–（没有计算梯度）",
    "below 1e-7 of the end's gradient from t=T−{back} on": "从 t=T−{back} 再往前，不到终点处梯度的 1e-7",
    "refused": "拒绝更新", "gradient {gradient}, step {step}": "梯度 {gradient}，步长 {step}",
    "overflow": "溢出", "up to {top}": "最大 {top}", "half-life {life}": "半衰期 {life}", "kept": "保住", "grows": "增大",
    "half-life": "半衰期", "<1e-7 at": "<1e-7 处", "step": "步长", "net": "网络", "never": "无",
    "The way back leads from the end of the sequence, t=T, to its start, T−{T}; ‖∂L/∂h‖ is 1 at the end.":
        "往回走是从序列末端 t=T 到开头 T−{T}；末端处 ‖∂L/∂h‖ 为 1。",
    "{net} at T−{t}": "{net}（T−{t} 处）",
    "Vanished, less than 1e-7 of the gradient at the end: {nets}. Beside what comes from near the end, a float32 "
    "gradient cannot even hold what comes from further back.":
        "消失，不到末端梯度的 1e-7：{nets}。与来自末端附近的部分相加时，float32 连更早传来的部分都存不下。",
    "{by} times": "{by} 倍", "{net} ({by})": "{net}（{by}）", "Exploded on the way: {nets}.": "途中爆炸：{nets}。",
    "Kept: at least 1 % of the gradient at the end comes back over all {T} steps: {nets}.":
        "保住，末端的梯度至少有 1 % 走完全部 {T} 步回到开头：{nets}。",
    "highway: the half-life of the product of the forget gates alone: {lives} steps. An LSTM does not keep a gradient by "
    "its name, but by open forget gates; what comes back beyond that has come through h.":
        "高速通道：单看遗忘门的乘积，半衰期为 {lives} 步。LSTM 保住梯度，靠的不是名字，而是打开的遗忘门；"
        "在此之外传回来的，是经 h 来的。",
    "{net}: {what} leaves the range of float32, 3.4e+38; in training that is inf or NaN.":
        "{net}：{what}超出 float32 的范围 3.4e+38；训练时就是 inf 或 NaN。",
    "{net}: {note}.": "{net}：{note}。",
    "and where numbers overflow it cannot help: the optimizer refuses the step": "数值溢出时它也无能为力：优化器拒绝更新",
    "only the step is shorter, {step} for a gradient of {gradient}": "只是步长变短，梯度 {gradient}，步长 {step}",
    "here not even the step changes: {gradient} is below the threshold": "这里连步长都没有变：{gradient} 低于阈值",
    "{net} ({clip}) has the very gradient of {other}; {change}. A clip is a rule for the optimizer: it does not change "
    "the gradient's way through time, and brings nothing back that vanished.":
        "{net}（{clip}）的梯度与 {other} 完全相同；{change}。裁剪是给优化器定的规则：它不改变梯度沿时间往回的路，"
        "消失了的也找不回来。",
    "{net}: in training its clip made other steps, so weights and gradient are others now.":
        "{net}：训练时裁剪改变了更新，所以现在的权重和梯度都不同。",
    "random input, {T} steps": "随机输入，{T} 步", "examples of {task!r}, {T} steps": "{task!r} 的样本，{T} 步",
    "solved, with its 95 % interval": "成功率及其 95 % 区间", "{value}: each seed, and the mean": "{value}：每个种子，以及平均值",
    " · the first {k} of {n} settings": " · {n} 种设置中的前 {k} 种", " · logarithmic scale": " · 对数刻度",
    "Over the seeds, mean [least, greatest]; left: of the gradient at the end, at the start of the sequence.":
        "各个种子的平均值 [最小，最大]；left：末尾的梯度在序列开头还剩多少。",
    "after {n} training steps": "训练 {n} 步之后", "untrained": "未训练",
    "{n} nets of {hidden} units, {when}, seed {seed}, on the same {source}":
        "{n} 个网络，各 {hidden} 个单元，{when}，种子 {seed}，输入相同：{source}",
    "training stopped with an overflow at {step}; measured with its last good weights":
        "训练在 {step} 处因溢出而停止；按最后一组正常的权重测量",
    "training ended with {line}": "训练结束时 {line}",
    "{state} on the way forward at t={t}": "前向计算中 t={t} 处的 {state} ",
    "∂L/∂{state} on the way back at T−{t}": "反向传播中 T−{t} 处的 ∂L/∂{state} ",
    # what a notebook of the course says
    "{sign} {key}: {hint}": "{sign} {key}：{hint}", "{key}: {why}\n\n{code}": "{key}：{why}\n\n{code}",
    '  quiz.solution("{key}") now shows a right answer.': '  现在可以用 quiz.solution("{key}") 查看解答。',
    "· {key}: first try it, {left} more time(s): each hint says more.": "· {key}：请先再试 {left} 次，每次都有提示。",
    "{sign} measured: {measured}, your guess: {guess}": "{sign} 实测：{measured}，你猜的：{guess}",
    "✗ A number is wanted, not {guess!r}.": "✗ 这里需要一个数，不是 {guess!r}。",
    "measured: {found:.4g}, your guess: {guess:.4g}, {distance}": "实测：{found:.4g}，你猜的：{guess:.4g}，{distance}",
    "exact": "完全正确", "off by {by:.3g}": "相差 {by:.3g}", "less than 5 % off": "误差不到 5%",
    "{by:.3g} times too large": "是实测的 {by:.3g} 倍", "{by:.3g} times too small": "是实测的 1/{by:.3g}",
    # the command
    "tutorial": "教程", "what it asks": "要回答的问题",
    "tinygrad-lstm tutorials NUMBER --lang {lang} copies one here, to work on.":
        "复制一篇到当前文件夹，动手做：tinygrad-lstm tutorials 编号 --lang {lang}",
}  # fmt: skip
