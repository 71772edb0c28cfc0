// Every sentence of the page, in English and in 中文.
import { $ } from "./dom.js";

const WORDS = {
  title: ["The LSTM lab", "LSTM 实验室"],
  subtitle: ["Watch a net learn, and its gradient find the way back", "看网络怎样学习，看梯度怎样一步步找到回去的路"],
  skip: ["To the training", "跳到训练"],
  tour: ["Five questions", "五个问题"],
  link: ["Copy link", "复制链接"],
  linkName: ["Copy a link that holds the whole state of the lab", "复制包含实验室全部状态的链接"],
  copied: ["Copied: the link holds text, code, settings and training", "已复制：链接中包含文本、代码、设置和训练步数"],
  linkHere: ["The link stands in the address bar: copy it from there.", "链接已在地址栏中，请从那里复制。"],
  badLink: ["The link is damaged: the lab begins with its own state.", "链接已损坏：实验室从默认状态开始。"],
  take: ["Take it with you", "带走它"],
  language: ["Language", "语言"],
  theme: ["Light or dark", "浅色或深色"],
  loading: ["Loading Python", "正在加载 Python"],
  loadingPart: ["Loading Python for your browser: {done} of {all} MB", "正在为浏览器加载 Python：{done} / {all} MB"],
  loadingWhy: [
    "Once only: the next visit begins at once, and without network.",
    "只需这一次：下次访问立即开始，也不需要网络。",
  ],
  starting: ["Starting Python", "正在启动 Python"],
  engineLocal: ["your own Python", "你自己的 Python"],
  enginePyodide: ["Python in this browser", "浏览器中的 Python"],
  lost: [
    "The lab's server does not answer: start “tinygrad-lstm lab” again, and open the address that it prints.",
    "实验室的服务器没有应答：请重新运行 “tinygrad-lstm lab”，并打开它给出的地址。",
  ],
  stopped: ["Python was stopped and begins anew.", "Python 已停止并重新开始。"],
  slow: ["Python has been busy for {n} s.", "Python 已忙了 {n} 秒。"],
  restart: ["Stop it", "停止它"],
  footer: [
    "Nothing leaves this page: texts, code and nets stay on your machine.",
    "一切都留在本页：文本、代码和网络都不离开你的电脑。",
  ],

  cell: ["The cell:", "元胞："],
  codeAndPicture: ["code and picture", "代码与图"],
  code: ["The cell's code, one step", "元胞的代码：一步"],
  resetCode: ["Back to the original", "恢复原样"],
  codeHint: ["Change it: the net begins anew with your cell.", "改改看：网络会用你的元胞重新开始。"],
  codeRuns: ["changed, and it runs", "已修改，可以运行"],
  codeFails: ["an error in line {line}", "第 {line} 行有错"],
  atLine: ["Line {line}: {message}", "第 {line} 行：{message}"],
  showSource: ["Show its backward pass", "看它的反向传播"],
  pictureName: ["Picture of one step of the cell", "元胞一步的图"],
  pictureOf: ["One step of the cell {cell}, as a graph", "元胞 {cell} 的一步的图"],
  mine: ["my cell", "我的元胞"],

  settings: ["Task and net", "任务与网络"],
  task: ["Task", "任务"],
  ownText: ["Your text", "你的文本"],
  useText: ["Learn this text", "学习这段文本"],
  clauses: ["clauses, from – to", "从句数，从 – 到"],
  distance: ["words between, from – to", "间隔词数，从 – 到"],
  length: ["numbers in a row", "数列长度"],
  steps: ["characters in a row", "连续字符数"],
  least: ["at least", "最少"],
  most: ["at most", "最多"],
  net: ["Net", "网络"],
  netOf: ["Net {net}", "网络 {net}"],
  second: ["+ a second net", "+ 第二个网络"],
  remove: ["remove net B", "移除网络 B"],
  cellChoice: ["Cell", "元胞"],
  hidden: ["units", "单元数"],
  seed: ["seed", "随机种子"],
  lr: ["learning rate", "学习率"],
  clip: ["clip (norm; 0: none)", "裁剪（范数；0：不裁）"],
  forget_bias: ["forget bias b_f", "遗忘门偏置 b_f"],
  activation: ["activation", "激活函数"],
  gate_activation: ["of the gates", "门的激活函数"],
  recurrent_initializer: ["recurrent weights start", "循环权重的初值"],
  usual: ["usual", "默认"],
  more: ["More settings", "更多设置"],
  parameters: ["{n} parameters", "{n} 个参数"],
  anew: ["A change begins the training anew.", "修改后训练重新开始。"],

  training: ["Training", "训练"],
  train: ["Train", "训练"],
  stop: ["Stop", "停止"],
  one: ["One step", "一步"],
  oneName: ["Train for one step", "训练一步"],
  again: ["Anew", "重来"],
  againName: ["Begin the training anew", "重新开始训练"],
  step: ["step", "步"],
  loss: ["loss", "损失"],
  accuracy: ["accuracy", "准确率"],
  accuracyTitle: ["accuracy  (╌ held out, ┈ always one answer)", "准确率（╌ 留出集，┈ 总答同一个）"],
  heldOut: ["held out", "留出集"],
  baseline: ["always one answer: {p}", "总答同一个：{p}"],
  curvesName: ["Loss and accuracy up to step {n}", "到第 {n} 步的损失与准确率"],
  reachTitle: ["How far back ∂L/∂{state} reaches, from the last word", "∂L/∂{state} 从最后一个词往回能到多远"],
  reachName: [
    "Net {net}, step {step}: of the gradient at the last word, {share} is left at “{word}”, the first",
    "网络 {net}，第 {step} 步：最后一个词处的梯度，到第一个词“{word}”还剩 {share}",
  ],
  reachNothing: ["Net {net}, step {step}: no gradient sets out", "网络 {net}，第 {step} 步：没有梯度出发"],
  ofLargest: ["of the row's largest", "相对本行最大值"],
  trainedTo: ["Step {step}: loss {loss}, accuracy {accuracy}.", "第 {step} 步：损失 {loss}，准确率 {accuracy}。"],

  ask: ["Ask it", "问它"],
  askButton: ["Ask", "提问"],
  askHint: ["Write the beginning of a sentence: what comes next?", "写下句子的开头：下一个是什么？"],
  askHintNumbers: ["Numbers from 0 to 1, a * behind two of them", "0 到 1 之间的数，其中两个后面加 *"],
  examplesName: ["Sentences to ask", "可以问的句子"],
  answer: ["What comes next?", "下一个是什么？"],
  sum: ["The sum?", "和是多少？"],
  right: ["right", "对"],
  wrong: ["wrong", "错"],
  before: ["before", "之前"],
  after: ["with the levers", "改动之后"],
  plain: ["as trained", "训练所得"],
  erase: ["Erase what was written at “{word}”", "抹去在“{word}”处写入的内容"],
  eraseHint: ["Click a word to erase what the cell wrote there.", "点一个词，抹去元胞在那里写入的内容。"],
  stripName: ["Net {net}: size of the gradient of each part at each word", "网络 {net}：每个词处各部分梯度的大小"],
  written: ["wrote", "写入"],
  writtenName: ["{word}: its write weighs {n} in L", "{word}：它的写入对 L 的贡献为 {n}"],
  paths: ["came by", "来路"],
  highway: ["highway", "高速通道"],
  recurrence: ["the recurrence", "循环"],
  readout: ["the answer", "答案"],
  through: ["through {name}", "经由 {name}"],
  words: ["Word", "词"],
  scale: ["size of the gradient", "梯度大小"],

  levers: ["Levers", "操纵杆"],
  leversHint: ["They change this one question, not the net.", "只改变这一次提问，不改变网络。"],
  moveBias: ["Move the forget bias", "调遗忘门偏置"],
  frozen: ["freeze f at 1", "f 固定为 1"],
  cut: ["cut the gradient at h", "在 h 处切断梯度"],
  asTrained: ["as trained", "与训练时相同"],
  erased: ["erased", "已抹去"],
  nothing: ["nothing", "无"],
  release: ["Release all", "全部松开"],

  microscope: ["The microscope", "显微镜"],
  microscopeHint: [
    "Every number of this sentence: step back through it with ← →",
    "这句话的每一个数：用 ← → 一步步往回走",
  ],
  openMicroscope: ["Open", "打开"],
  closeMicroscope: ["Close", "关闭"],
  microscopeOf: ["Microscope of net {net}", "网络 {net} 的显微镜"],

  takeIntro: ["What you see, made again anywhere:", "把你看到的，在任何地方再做出来："],
  takeNotebook: ["Notebook", "笔记本"],
  takeNotebookWhat: ["for Jupyter: makes, trains and asks the same net", "Jupyter 用：创建、训练并询问同样的网络"],
  takeScript: ["Script", "脚本"],
  takeScriptWhat: ["the same as a Python file", "同样的内容，一个 Python 文件"],
  takeHtml: ["Microscope", "显微镜"],
  takeHtmlWhat: ["this sentence as one HTML file that needs no network", "这句话，一个不需要网络的 HTML 文件"],
  takeSvg: ["Picture, SVG", "图，SVG"],
  takeSvgWhat: ["sharp at every size", "任何大小都清晰"],
  takePng: ["Picture, PNG", "图，PNG"],
  takePngWhat: ["for slides and chats", "用于幻灯片和聊天"],
  close: ["Close", "关闭"],
  working: ["Making it …", "正在生成……"],
  saved: ["Saved: {name}", "已保存：{name}"],

  strange: ["This link brings code along", "这个链接带有代码"],
  strangeWhy: [
    "Somebody wrote a cell of their own, and it would run on your machine. Read it first; run it only if you trust who sent the link.",
    "有人写了自己的元胞，它会在你的电脑上运行。请先读一读；只有信任发送者时才运行它。",
  ],
  runIt: ["Run this code", "运行这段代码"],
  leaveIt: ["Open without it", "不带代码打开"],

  question: ["Question {k} of 5", "第 {k} 个问题，共 5 个"],
  guess: ["What do you think?", "你怎么想？"],
  guessed: ["You said: {guess}.", "你说：{guess}。"],
  youWereRight: ["Right.", "猜对了。"],
  youWereWrong: ["The net says otherwise.", "网络的回答不同。"],
  next: ["Next question", "下一个问题"],
  previous: ["Back", "上一个"],
  leave: ["Leave the tour", "结束导览"],
  finish: ["Now the lab is yours", "现在实验室归你了"],
  running: ["The lab does it …", "实验室正在运行……"],

  q1: ["Why does the RNN forget?", "RNN 为什么会忘记？"],
  q1text: [
    "A plain RNN reads ten words, trained for {n} steps. To know “her” or “his” it needs the first. How much of the gradient at the last word comes back to the first one?",
    "一个普通 RNN 训练了 {n} 步，读十来个词。要知道是 her 还是 his，就需要第一个词。最后一个词处的梯度，有多少能回到第一个词？",
  ],
  q1a: ["more than half", "一半以上"],
  q1b: ["between 1 % and half", "1 % 到一半之间"],
  q1c: ["less than 1 %", "不到 1 %"],
  q1told: [
    "{share} is left. At each step back the gradient is multiplied by the same matrix and by 1 − h² ≤ 1: a product of {n} such factors. Look at the row h, from right to left.",
    "还剩 {share}。每往回一步，梯度都要乘以同一个矩阵和 1 − h² ≤ 1：{n} 个这样的因子连乘。请从右往左看 h 这一行。",
  ],
  q2: ["How is the LSTM built?", "LSTM 是怎样构成的？"],
  q2text: [
    "Below stands the cell: gates f, i, o, a candidate C̃, and C on its highway. It has learned which pronoun comes next after “{sentence}”. Where did it write that into C? Which word must be erased for the answer to change most?",
    "下面是元胞：门 f、i、o，候选值 C̃，以及高速通道上的 C。它学会了 “{sentence}” 之后用哪个代词。它在哪里把这写进了 C？抹去哪个词，答案变化最大？",
  ],
  q2a: ["“{a}”, the first name", "“{a}”，第一个名字"],
  q2b: ["“{b}”, the second name", "“{b}”，第二个名字"],
  q2c: ["“{c}”, the last word", "“{c}”，最后一个词"],
  q2told: [
    "Without the write at “{a}” its answer has {pa}, without “{b}” {pb}, without “{c}” {pc}; untouched {p}. i ∘ C̃ writes, f keeps, o shows. In the strip “{word}” is erased now: click other words, too.",
    "没有“{a}”处的写入，原答案的概率是 {pa}；没有“{b}”是 {pb}；没有“{c}”是 {pc}；不改动时是 {p}。i ∘ C̃ 写入，f 保留，o 展示。现在条带中“{word}”已被抹去：也点点其他词。",
  ],
  q3: ["Why does C remember?", "C 为什么能记住？"],
  q3text: [
    "Two LSTMs that have not learned anything yet: A with forget bias b_f = {a}, so f ≈ ½, and B with b_f = {b}, so f ≈ 0.95. How much of ∂L/∂C at the last word comes back to the first in A?",
    "两个还没学过任何东西的 LSTM：A 的遗忘门偏置 b_f = {a}，所以 f ≈ ½；B 的 b_f = {b}，所以 f ≈ 0.95。在 A 中，最后一个词处的 ∂L/∂C 有多少能回到第一个词？",
  ],
  q3a: ["more than half: it is an LSTM", "一半以上：它是 LSTM"],
  q3b: ["between a tenth and half", "十分之一到一半之间"],
  q3c: ["less than a tenth", "不到十分之一"],
  q3told: [
    "A: {share}; B: {other}. Along C a gradient is multiplied by f and by nothing else: along this pure highway {pure} is left in A, {pureOther} in B. “An LSTM does not vanish” is true only where f is near 1. Move the forget bias and see.",
    "A：{share}；B：{other}。沿着 C，梯度只乘以 f，别无其他：沿这条纯高速通道，A 中还剩 {pure}，B 中还剩 {pureOther}。只有 f 接近 1 时，“LSTM 不会梯度消失”才成立。调遗忘门偏置看看。",
  ],
  q4: ["ReLU in the place of tanh?", "用 ReLU 代替 tanh？"],
  q4text: [
    "A has tanh, B has ReLU in its place (the gates stay sigmoid), and both clip the gradient to norm 1. They train for {n} steps. How does B do?",
    "A 用 tanh，B 用 ReLU 代替（门仍是 sigmoid），两者都把梯度裁剪到范数 1。训练 {n} 步。B 表现如何？",
  ],
  q4a: ["it learns as well as A", "学得和 A 一样好"],
  q4b: ["it learns worse", "学得更差"],
  q4c: ["its numbers overflow", "数值溢出"],
  q4told: [
    "Right answers on new sentences: A {share}, B {other}. Yes, it may, with clipping: along C the factor is still f, but C̃ ≥ 0 has no upper bound, so C can only grow while f is near 1. Set clip to 0, or take other seeds, and train anew.",
    "在新句子上的正确率：A {share}，B {other}。可以，但要裁剪：沿 C 的因子仍是 f，可 C̃ ≥ 0 没有上界，f 接近 1 时 C 只会增大。把裁剪设为 0，或换个种子，再训练一次。",
  ],
  q4burst: ["B stopped: {why}", "B 停下了：{why}"],
  q5: ["ReLU in the gates?", "门里用 ReLU？"],
  q5text: [
    "Now B has ReLU in its gates. A gate says “how much”. After {n} steps, how large is B's forget gate f on the way through a sentence?",
    "现在 B 的门用 ReLU。门回答的是“多少”。训练 {n} 步后，读一句话时 B 的遗忘门 f 有多大？",
  ],
  q5a: ["at most 1, as in A", "不超过 1，与 A 一样"],
  q5b: ["a little above 1, up to 1.5", "略大于 1，最多 1.5"],
  q5c: ["far above 1", "远大于 1"],
  q5told: [
    "On average up to {other}; in A up to {share}. A gate must lie between 0 and 1: f > 1 multiplies C at every step, forward and back, and f = 0 is a dead gate without gradient. Some seeds survive it; train on for some steps and see whether this one does.",
    "平均最大到 {other}；A 中最大到 {share}。门必须在 0 和 1 之间：f > 1 会在每一步放大 C，前向与反向都如此；f = 0 则是没有梯度的死门。有些种子能挺过去；继续训练几步，看这个行不行。",
  ],
};

let language = 0;

export const LANGS = ["en", "zh"];
export const lang = () => LANGS[language];

export function say(key, values = {}) {
  return WORDS[key][language].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

export const known = (key) => key in WORDS;

export function speak(wanted) {
  language = Math.max(0, LANGS.indexOf(wanted));
  document.documentElement.lang = wanted === "zh" ? "zh-CN" : "en";
  document.title = `${say("title")} · tinygrad_lstm`;
  for (const node of document.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
  for (const node of document.querySelectorAll("[data-name]")) node.setAttribute("aria-label", say(node.dataset.name));
  for (const node of document.querySelectorAll("[data-lang]"))
    node.setAttribute("aria-pressed", String(node.dataset.lang === wanted));
  $("ask").placeholder = say("askHint");
}
