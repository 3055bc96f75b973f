# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] lang="en"
# # 1. From a number with a gradient to a network that reads digits
#
# Ten minutes. You will let microtrain differentiate a number, see why gradients add up, fit a line by gradient descent,
# and then train a network on real handwritten digits with the same few lines.
#
# Lines that begin with `# ->` are the output. Guess it before you run the cell.

# %% [markdown] lang="zh-Hans"
# # 1. 从一个带梯度的数到识别数字的网络
#
# 约 10 分钟。我们先让 microtrain 对一个数求导，看清梯度为什么要累加，再用梯度下降拟合一条直线，最后用同样的几行代码在真实的手写数字上训练网络。
#
# 以 `# ->` 开头的行是输出。先猜，再运行。

# %%
import microtrain as mt
from microtrain import nn, optim
from microtrain.data import DataLoader, load_digits
from microtrain.nn.functional import cross_entropy
from microtrain.train import accuracy, evaluate, fit
from microtrain.viz.plots import images, learning_curves

# %% [markdown] lang="en"
# ## A number with a gradient
#
# `requires_grad=True` says: I shall want the derivative with respect to this. Computing $y = x^2 + 2x$ then leaves a
# graph behind, and `backward()` walks it from $y$ to $x$. By hand, $dy/dx = 2x + 2$. How much is that at $x = 3$?

# %% [markdown] lang="zh-Hans"
# ## 带梯度的数
#
# `requires_grad=True` 表示：之后要对它求导。计算 $y = x^2 + 2x$ 时会留下一张计算图，`backward()` 从 $y$ 沿图走回 $x$。手算得 $dy/dx = 2x + 2$。$x = 3$ 时它等于多少？

# %%
x = mt.tensor(3.0, requires_grad=True)
y = x * x + 2 * x
y.backward()
print(y.item(), x.grad.item())
# -> 15.0 8.0

# %% [markdown] lang="en"
# ## Gradients add up where a value is used twice
#
# $a$ goes into $b$ twice and $b$ into $c$ twice, so a change of $a$ reaches $c$ along $2 \cdot 2 = 4$ paths. The gradient
# of $a$ is the sum over all of them. Leaves also keep adding from one `backward()` to the next, until you clear them:
# that is why training loops call `zero_grad()`.

# %% [markdown] lang="zh-Hans"
# ## 一个值用了两次，梯度就相加
#
# $a$ 两次进入 $b$，$b$ 又两次进入 $c$，所以 $a$ 的变化沿 $2 \cdot 2 = 4$ 条路径到达 $c$，$a$ 的梯度是各条路径之和。叶子节点的梯度还会在多次 `backward()` 之间累加，直到清零为止，所以训练循环要调用 `zero_grad()`。

# %%
a = mt.tensor(1.0, requires_grad=True)
b = a + a
c = b + b
c.backward()
print(a.grad.item())
# -> 4.0

# %% [markdown] lang="en"
# The graph can be drawn. Each box shows a value and the gradient that arrived there; a dash would stand for a gradient
# that has not been computed. In a notebook, write `mt.graph(c)` alone to see the picture.

# %% [markdown] lang="zh-Hans"
# 计算图可以画出来。每个方框里有值和到达该处的梯度；若梯度还没有计算，则显示短横线。在 notebook 中单独写一行 `mt.graph(c)` 就能看到图。

# %%
picture = mt.graph(c)
picture

# %% [markdown] lang="en"
# Now a second `backward()`, through another computation. What is the gradient of $a$ afterwards?

# %% [markdown] lang="zh-Hans"
# 再对另一个计算调用一次 `backward()`。此后 $a$ 的梯度是多少？

# %%
(a * 10).backward()
print(a.grad.item())
# -> 14.0

# %% [markdown] lang="en"
# ## A line, fitted by gradient descent
#
# Twelve points lie near the line $2x - 1$. Two parameters, the mean squared error, and one rule, repeated:
# $\phi \leftarrow \phi - \eta \, \partial L / \partial \phi$, with learning rate $\eta$. Inside `no_grad()` the update
# itself is not recorded.

# %% [markdown] lang="zh-Hans"
# ## 用梯度下降拟合直线
#
# 12 个点落在直线 $2x - 1$ 附近。只需要两个参数、均方误差和一条反复使用的规则：
#
# $$\phi \leftarrow \phi - \eta \, \frac{\partial L}{\partial \phi}$$
#
# 其中 $\eta$ 为学习率。更新本身写在 `no_grad()` 里，不会记录到计算图中。

# %%
generator = mt.Generator(0)
inputs = mt.linspace(0, 2, 12)
targets = 2 * inputs - 1 + 0.1 * mt.randn(12, generator=generator)

slope = mt.tensor(0.0, requires_grad=True)
offset = mt.tensor(0.0, requires_grad=True)
rate = 0.1
for _ in range(500):
    loss = ((slope * inputs + offset - targets) ** 2).mean()
    slope.grad = offset.grad = None
    loss.backward()
    with mt.no_grad():
        slope -= rate * slope.grad
        offset -= rate * offset.grad
print(f"{slope.item():.1f} x {offset.item():+.1f}")
# -> 2.0 x -1.0

# %% [markdown] lang="en"
# Try `rate = 0.4` and `rate = 0.5` above. One still converges, the other does not: beyond $2/L$, with $L$ the largest
# curvature of the loss, every step overshoots further than the one before. Here is $2/L$:

# %% [markdown] lang="zh-Hans"
# 在上面试试 `rate = 0.4` 和 `rate = 0.5`：一个仍然收敛，另一个发散。若学习率超过 $2/L$（$L$ 为损失的最大曲率），每一步都比前一步过冲得更远。这里的 $2/L$ 是：


# %%
def loss_of(parameters):
    return ((parameters[0] * inputs + parameters[1] - targets) ** 2).mean()


curvature = mt.hessian(loss_of, mt.zeros(2))
print(f"{2 / curvature.eigvalsh().max().item():.2f}")
# -> 0.45

# %% [markdown] lang="en"
# ## Real digits
#
# 1,437 images of 8 by 8 pixels to learn from, 360 others to test with. The network turns 64 pixels into ten numbers, the
# logits, one for each digit. Before training it can only guess: about one in ten is right.

# %% [markdown] lang="zh-Hans"
# ## 真实的手写数字
#
# 1437 张 8×8 像素的图像用于训练，另外 360 张用于测试。网络把 64 个像素变成 10 个数，即 10 个数字各自的 logit。训练之前它只能瞎猜，大约十个里对一个。

# %%
digits = load_digits()
model = nn.Sequential(
    nn.Linear(64, 32, generator=generator),
    nn.ReLU(),
    nn.Linear(32, 10, generator=generator),
)
test = DataLoader((digits.test_images, digits.test_labels), batch_size=360)
before = evaluate(model, test, metrics={"accuracy": accuracy})
print(before["accuracy"] < 0.25)
# -> True

# %% [markdown] lang="en"
# One training step is what you did for the line, with names: forget the old gradients, compute the loss, differentiate,
# update. The cross-entropy is the surprise of the network at the right answer, $-\ln p$. Knowing nothing it is about
# $\ln 10 \approx 2.3$.

# %% [markdown] lang="zh-Hans"
# 训练的一步与拟合直线时相同，只是每一步都有了名称：清除旧的梯度，计算损失，求导，更新。交叉熵衡量正确答案让网络感到多意外，即 $-\ln p$。一无所知时，它约为 $\ln 10 \approx 2.3$。

# %%
optimizer = optim.Adam(model.parameters(), lr=0.005)
pixels, labels = digits.train_images[:32], digits.train_labels[:32]

optimizer.zero_grad()
loss = cross_entropy(model(pixels), labels)
loss.backward()
optimizer.step()
print(f"{loss.item():.0f}")
# -> 2

# %% [markdown] lang="en"
# `fit` repeats that step over all batches, 20 times over, and measures after each epoch. At least 95 of 100 digits that
# it never saw are right now.

# %% [markdown] lang="zh-Hans"
# `fit` 在全部批次上重复这一步，共 20 轮（轮次，epoch，书中作“周期”），每轮结束后测量一次。现在没有见过的数字里，100 个至少对 95 个。

# %%
train = DataLoader((digits.train_images, digits.train_labels), batch_size=32, shuffle=True, generator=generator)
history = fit(model, train, optimizer, epochs=20, test_batches=test, metrics={"accuracy": accuracy}, show=False)
print(history["test_accuracy"][-1] > 0.95)
# -> True

# %%
learning_curves(history, "loss").figure

# %% [markdown] lang="en"
# ## What it gets wrong
#
# Look at the mistakes before you trust the number. Which of them would you have read correctly?

# %% [markdown] lang="zh-Hans"
# ## 它认错了什么
#
# 先看认错的图像，再决定是否相信准确率。其中哪些你能认对？

# %%
with mt.no_grad():
    answers = model(digits.test_images).argmax(1)
wrong = answers != digits.test_labels
titles = [f"{int(t)} read as {int(a)}" for t, a in zip(digits.test_labels[wrong], answers[wrong], strict=True)]
images(digits.test_images[wrong].numpy().reshape(-1, 8, 8), titles).figure

# %% [markdown] lang="en"
# ## Now you
#
# 1. Make a new model with `nn.Tanh()` instead of `nn.ReLU()`, and train it with
#    `optim.SGD(model.parameters(), lr=0.1, momentum=0.9)` instead of Adam. Which learns faster, and which ends better?
# 2. Leave out `optimizer.zero_grad()`. What happens to the loss, and why?
# 3. Write `h = model(pixels)`, `loss = (h * h).sum()`, `h += 1`, `loss.backward()`, and read the message.

# %% [markdown] lang="zh-Hans"
# ## 轮到你了
#
# 1. 新建一个模型，用 `nn.Tanh()` 代替 `nn.ReLU()`，并用 `optim.SGD(model.parameters(), lr=0.1, momentum=0.9)` 代替 Adam 训练它。哪个学得更快，哪个最后更好？
# 2. 去掉 `optimizer.zero_grad()`。损失会怎样变化，为什么？
# 3. 依次写下 `h = model(pixels)`、`loss = (h * h).sum()`、`h += 1`、`loss.backward()`，读一读报错信息。
