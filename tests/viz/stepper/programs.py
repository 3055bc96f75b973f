"""Small programs that the tests of the stepper step through."""

import microtrain as mt


def neuron():
    """The neuron of every introduction."""
    x1, x2 = mt.tensor(2.0), mt.tensor(0.5)
    w1, w2 = mt.tensor(-3.0, requires_grad=True), mt.tensor(1.0, requires_grad=True)
    b = mt.tensor(6.7, requires_grad=True)
    n = x1 * w1 + x2 * w2 + b
    out = n.tanh()
    return mt.trace(out)


def fan_out():
    """w is used three times, twice in one operation."""
    w = mt.tensor(3.0, requires_grad=True)
    loss = w * w + 2 * w
    return loss


def network():
    """Two layers, broadcast biases, cross-entropy, and a step with momentum."""
    X = mt.tensor([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.25]])
    labels = mt.tensor([1, 0])
    W1 = mt.tensor([[0.1, -0.2, 0.3, 0.4], [0.5, 0.6, -0.7, 0.8], [-0.9, 1.0, 0.2, -0.3]], requires_grad=True)
    b1 = mt.zeros(4, requires_grad=True)
    W2 = mt.tensor([[0.2, -0.1], [0.3, 0.5], [-0.4, 0.6], [0.7, -0.8]], requires_grad=True)
    optimizer = mt.optim.SGD([W1, b1, W2], lr=0.1, momentum=0.9)
    hidden = (X @ W1 + b1).relu()
    loss = mt.cross_entropy(hidden @ W2, labels)
    loss.backward()
    optimizer.step()
    return loss


def second_order():
    """A gradient penalty: backward through a backward."""
    x = mt.tensor(0.5, requires_grad=True)
    y = (x * x).tanh()
    (slope,) = mt.grad(y, x, create_graph=True)
    penalty = (slope - 1) ** 2
    penalty.backward()


def two_steps():
    """Two steps of Adam; zero_grad() is forgotten between them."""
    w = mt.tensor(3.0, requires_grad=True)
    optimizer = mt.optim.Adam([w], lr=0.1)
    for _ in range(2):
        ((w - 1) ** 2).backward()
        optimizer.step()


def strange_numbers():
    """NaN, infinities, a negative zero, and float32."""
    a = mt.tensor([0.0, -0.0, 1e-45, 3.4e38], dtype=mt.float32, requires_grad=True)
    return (1 / a).sum() + (a * float("inf")).sum()


def constants_of_many_kinds():
    """Broadcasting over several axes, views, indexing, joining, reductions."""
    a = mt.tensor([[[1.0, -2.0]], [[0.5, 4.0]]], requires_grad=True)
    b = mt.tensor([[3.0], [0.25], [-1.0]], requires_grad=True)
    grid = a * b
    part = grid[:, 1:, 0]
    joined = mt.cat([part, part.exp()], dim=1)
    return joined.softmax(1).log().mean() + grid.max() + grid.var(dim=2).sqrt().sum() + a.sum(dim=(0, 1)).prod()


RUN = [fan_out, network, second_order, two_steps, strange_numbers, constants_of_many_kinds]
