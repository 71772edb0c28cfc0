# How a gradient's reach grows while a net learns: a page of its own, with a slider
# 网络学习的时候，梯度怎样越走越远：一个带滑块的页面
import tinygrad_lstm as tl

task = tl.tasks.pronouns(distance=(2, 12))
model = tl.SequenceModel.for_task(task, seed=0, hidden=8, cell="lstm")
tl.fit(model, task, steps=120, record=10, progress=False).record.draw().save("history.html")
