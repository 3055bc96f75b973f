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


PROGRAMS = {"neuron": neuron, "network": network, "loop": loop}
