"""Small programs whose graphs are compared with the files in golden/. Line numbers of this file occur there."""

import microtrain as mt
from microtrain.viz import Graph, record


def neuron() -> Graph:
    """The neuron of every introduction, after backward()."""
    x1, x2 = mt.tensor(2.0, requires_grad=True), mt.tensor(0.0, requires_grad=True)
    w1, w2 = mt.tensor(-3.0, requires_grad=True), mt.tensor(1.0, requires_grad=True)
    b = mt.tensor(6.88137, requires_grad=True)
    n = (x1 * w1 + x2 * w2 + b).named("n")
    out = n.tanh()
    out.backward()
    return mt.graph(out)


def network() -> Graph:
    """Two layers with cross-entropy, before backward()."""
    X = mt.tensor([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.25]])
    labels = mt.tensor([1, 0])
    W1 = (mt.arange(12.0).reshape(3, 4) / 10).requires_grad_()
    b1 = mt.zeros(4, requires_grad=True)
    W2 = (mt.arange(8.0).reshape(4, 2) / 5 - 1).requires_grad_()
    hidden = (X @ W1 + b1).relu()
    loss = mt.cross_entropy(hidden @ W2, labels)
    return mt.graph(loss)


def loop() -> Graph:
    """A recording with constants, without gradients, and folded."""
    with record() as recording:
        y = mt.tensor([0.5, -0.5])
        for _ in range(50):
            y = (y * 1.5 + 0.25).tanh()
    return mt.graph(recording, limit=20)


def both() -> Graph:
    """A module: frames, the backward pass beside the forward pass, colours with a legend."""
    model = mt.nn.Sequential(mt.nn.Linear(2, 2), mt.nn.Tanh(), mt.nn.Linear(2, 1))
    with mt.no_grad():
        for k, parameter in enumerate(model.parameters()):
            parameter.copy_(mt.arange(float(parameter.numel())).reshape(parameter.shape) / 10 - k / 4)
    x = mt.tensor([[1.0, -1.0]])
    loss = model(x).sum()
    loss.backward()
    return mt.graph(loss, passes="both", color="grad_norm", style="dark", show="all", direction="TB")


def opened() -> Graph:
    """A product of matrices as its single products and sums."""
    A = mt.tensor([[1.0, 2.0]], requires_grad=True)
    B = mt.tensor([[3.0], [4.0]])
    product = A @ B
    return mt.graph(product, style="print").expand("product")


PROGRAMS = {"neuron": neuron, "network": network, "loop": loop, "both": both, "opened": opened}
