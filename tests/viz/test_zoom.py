"""Operations opened into the arithmetic of single numbers, and closed again."""

import collections

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError
from microtrain.ops.primitive import TABLE
from microtrain.viz import Graph, record
from microtrain.viz.graph.scalars import send_back, trace_scalars
from tests.ops.cases import CASES
from tests.ops.helpers import examples

# Rows that are no arithmetic on elements: they choose by the values, or LAPACK computes them.
CLOSED = {
    "allclose", "any", "all", "argmax", "argmin", "argsort", "cholesky", "cond", "det", "eigenvectors", "eigvalsh",
    "from_diagonal", "inv", "isclose", "logabsdet", "median", "median_index", "slogdet_sign", "solve",
}  # fmt: skip
ROWS: dict[str, list] = collections.defaultdict(list)  # what the cases of the operations' own tests do with each row


class Calls:
    """Remembers small calls of each row."""

    def forward(self, primitive, inputs, params, output, node):
        arrays = [x._data if isinstance(x, mt.Tensor) else x for x in inputs]
        sizes = [np.size(x) for x in arrays] + [output._data.size]
        if max(sizes) <= 30 and min(sizes) > 0 and len(ROWS[primitive.name]) < 6:
            ROWS[primitive.name].append((primitive, params, arrays, np.array(output._data)))

    def backward(self, node, slot, upstream, gradient):
        pass


@pytest.fixture(scope="module", autouse=True)
def calls():
    with mt.listen(Calls()):
        for case in CASES:
            for arrays, params in examples(case, 3):
                case.ours(*map(mt.tensor, arrays), **params)


def of_floats(x) -> bool:
    return x is not None and np.asarray(x).dtype.kind == "f" and not isinstance(x, float)


def test_every_row_opens_or_says_why_not():
    opened, closed = set(), {}
    for name, examples_of_row in ROWS.items():
        for row, params, arrays, y in examples_of_row:
            try:
                trace_scalars(row, params, arrays, [of_floats(x) for x in arrays], y)
                opened.add(name)
            except ArgumentError as error:
                closed[name] = str(error)
    assert set(closed) - opened <= CLOSED, {name: closed[name] for name in set(closed) - opened - CLOSED}
    assert all("can't be opened" in why for why in closed.values())
    assert not opened & CLOSED
    assert len(opened) > 110


def test_single_numbers_have_the_gradients_of_the_operation():
    checked = set()
    for name, examples_of_row in ROWS.items():
        for row, params, arrays, y in examples_of_row:
            if not row.differentiable or y.dtype != np.float64 or name in CLOSED:
                continue
            wanted = [of_floats(x) and np.asarray(x).dtype == np.float64 for x in arrays]
            leaves = [mt.tensor(x, requires_grad=True) if w else x for x, w in zip(arrays, wanted, strict=True)]
            clean = {k: v for k, v in params.items() if k != "saved"}
            out = mt.Tensor.apply(row, *leaves, **clean)
            if not any(wanted) or not out.requires_grad:
                continue
            g = np.random.default_rng(1).uniform(0.5, 2, y.shape)
            expected = mt.grad(
                out, [x for x, w in zip(leaves, wanted, strict=True) if w], mt.tensor(g), allow_unused=True
            )
            try:
                elements, output, tape = trace_scalars(row, params, arrays, wanted, y)
            except ArgumentError:
                continue
            send_back(tape, output, g)
            mine = [e for e in elements if e is not None]
            for gradient, scalars in zip(expected, mine, strict=True):
                found = [0.0 if s.grad is None else s.grad for s in np.asarray(scalars).reshape(-1)]
                want = np.zeros(len(found)) if gradient is None else gradient.numpy().reshape(-1)
                np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-12, err_msg=name)
            checked.add(name)
    assert len(checked) > 75


@pytest.fixture
def product() -> Graph:
    W = mt.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    X = mt.tensor([[1.0, -1.0], [0.5, 2.0], [3.0, 0.0]])
    Y = W @ X
    loss = Y.sum()
    loss.backward()
    return mt.graph(loss)


def test_a_matmul_is_its_products_and_sums(product):
    opened = product.expand("Y")
    work = collections.Counter(node.operation for node in opened.nodes if node.kind == "operation")
    assert work == {"mul": 12, "add": 8, "sum": 1}
    elements = [node.name for node in opened.nodes if node.kind == "parameter"]
    assert sorted(elements) == [f"W[{i}, {j}]" for i in range(2) for j in range(3)]
    assert opened["Y[1, 0]"].value.entries == 24.5
    assert opened["W[0, 1]"].grad.entries == product["W"].grad.entries[0][1]
    assert opened["Y[1, 0]"].grad.entries == 1.0
    assert any(node.formula == ["W[1, 2] · X[2, 0]"] for node in opened.nodes)
    (group,) = opened.groups
    assert group.label == "Y = matmul"
    assert opened["loss"].key == product["loss"].key  # what stays closed keeps its key


def test_and_back(product):
    everything = product.expand()
    assert everything.opened == ("n2", "n3")
    assert everything.collapse("Y").to_dict() == product.expand("loss").to_dict()
    assert everything.collapse() is product
    assert product.collapse() is product
    assert product.expand("Y").expand("loss").to_dict() == everything.to_dict()


def test_all_of_a_small_network_as_in_micrograd():
    mt.manual_seed(1)
    model = mt.nn.Sequential(mt.nn.Linear(2, 3), mt.nn.ReLU(), mt.nn.Linear(3, 2))
    x, labels = mt.tensor([[1.0, -2.0]]), mt.tensor([1])
    loss = mt.nn.functional.cross_entropy(model(x), labels)
    loss.backward()
    graph = mt.graph(loss).expand()
    assert "stay closed" not in graph.caption
    assert all(node.shape == () for node in graph.nodes if node.kind != "input" or node.dtype == "float64")
    assert graph.outputs[0].value.entries == pytest.approx(loss.item())
    place = {node.key: i for i, node in enumerate(graph.nodes)}
    assert len(place) == len(graph.nodes)
    assert all(place[edge.source] < place[edge.target] for edge in graph.edges)
    assert all(edge.source in place and edge.target in place for edge in graph.edges)
    grads = {n.name: n.grad.entries for n in graph.nodes if n.kind == "parameter"}
    assert grads["0.weight[1, 0]"] == model[0].weight.grad[1, 0].item()


def test_handed_through_elements_are_not_operations():
    x = mt.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = (x.T.reshape(4) * 2)[1:3]
    graph = mt.graph(y).expand()
    assert {node.operation for node in graph.nodes if node.kind == "operation"} == {"mul"}
    assert [node.value.entries for node in graph.outputs] == [6.0, 4.0]
    assert {n.name for n in graph.nodes if n.kind == "parameter"} == {"x[0, 0]", "x[0, 1]", "x[1, 0]", "x[1, 1]"}


def test_a_constant_and_a_number():
    x = mt.tensor(3.0, requires_grad=True)
    graph = mt.graph(2 * x + 1).expand()
    assert [node.formula for node in graph.nodes if node.kind == "operation"] == [["2 · x"], ["a + 1"]]
    assert len(graph.nodes) == 5


def test_only_one_side_opened():
    h = mt.tensor([1.0, 2.0], requires_grad=True).exp().named("h")
    y = h * h
    graph = mt.graph(y.sum()).expand(mt.graph(y.sum())["h"].key)
    first, second = (n for n in graph.nodes if n.operation == "exp")
    assert {e.source for e in graph.edges if e.target == next(n.key for n in graph.nodes if n.operation == "mul")} == {
        first.key, second.key
    }  # fmt: skip
    inner = mt.graph(y.sum())
    only = inner.expand(next(n.key for n in inner.nodes if n.operation == "mul"))
    assert [n.name for n in only.nodes if n.operation == "element"] == ["h[0]", "h[1]"]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: mt.ones(40, 40, requires_grad=True).named("big") @ mt.ones(40, 1), "too large"),
        (lambda: mt.tensor([3.0, 1.0], requires_grad=True).median(), "decides by the values"),
        (lambda: mt.linalg.inv(mt.eye(2).requires_grad_()), "LAPACK"),
    ],
)
def test_what_stays_closed_says_why(make, why):
    graph = mt.graph(make())
    with pytest.raises(ArgumentError) as caught:
        graph.expand()
    assert "Nothing in this graph can be opened" in str(caught.value)
    closed = [node.key for node in graph.nodes if node.kind == "operation"]
    with pytest.raises(ArgumentError, match=why):
        for key in closed:
            graph.expand(key)


def test_some_stay_closed_and_the_caption_says_so():
    x = mt.tensor([3.0, 1.0], requires_grad=True)
    graph = mt.graph((x * 2).median()).expand()
    assert "1 operation stays closed (median)" in graph.caption


def test_wrong_keys():
    a = mt.tensor(1.0, requires_grad=True)
    graph = mt.graph((a * 2).named("twice") + (a * 3).named("twice"))
    with pytest.raises(ArgumentError, match="no node 'nope'"):
        graph.expand("nope")
    with pytest.raises(ArgumentError, match="2 nodes are called 'twice'"):
        graph.expand("twice")
    with pytest.raises(ArgumentError, match="no operation"):
        graph.expand("a")
    with pytest.raises(ArgumentError, match="Only the forward graph"):
        mt.graph(a * 2, passes="both").expand()
    y = a
    for _ in range(100):
        y = y * a
    folded = mt.graph(y, limit=10)
    with pytest.raises(ArgumentError, match="is folded"):
        folded.expand(next(n.key for n in folded.nodes if n.kind == "folded"))


def test_recordings_open_too():
    with record() as recording:
        y = (mt.tensor([1.0, 2.0]) * 3).sum()
    graph = mt.graph(recording).expand()
    assert [n.value.entries for n in graph.outputs] == [y.item()]


def test_every_row_is_known():
    assert set(TABLE) >= set(ROWS)
    assert set(TABLE) >= CLOSED
