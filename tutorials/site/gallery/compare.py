# What is left of a gradient after 100 steps, before anything has been learned
# 100 步之后还剩多少梯度（什么都还没学的时候）
import tinygrad_lstm as tl

nets = tl.compare()
picture = nets.draw()
picture.save("compare.svg")
