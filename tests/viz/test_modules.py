"""Frames for modules: which operations are inside, opening to a depth, and blocks that repeat each other."""

import threading

import pytest
from hypothesis import given, settings, strategies as st

import microtrain as mt
from microtrain.viz import Graph, record


class Block(mt.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = mt.nn.Linear(width, width), mt.nn.Linear(width, width)

    def forward(self, x):
        return x + self.second(self.first(x).tanh())


class Stack(mt.nn.Module):
    def __init__(self, blocks: int, width: int = 3) -> None:
        super().__init__()
        self.read = mt.nn.Linear(2, width)
        self.blocks = mt.nn.ModuleList([Block(width) for _ in range(blocks)])
        self.head = mt.nn.Linear(width, 1)

    def forward(self, x):
        x = self.read(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def kinds(graph: Graph) -> list[str]:
    return [node.operation or node.kind for node in graph.nodes if node.kind in ("operation", "folded")]


def inside(graph: Graph) -> dict[str, list[str]]:
    return {group.label: [graph[key].operation or graph[key].name for key in group.nodes] for group in graph.groups}


@pytest.fixture(params=["engine", "recording"])
def draw(request):
    """Draws a model's output from the engine's nodes, or from a recording."""

    def drawing(model, x, **options):
        if request.param == "engine":
            return mt.graph(model(x), names={"model": model, "x": x}, **options)
        with record() as recording:
            model(x)
        return mt.graph(recording, names={"model": model, "x": x}, **options)

    return drawing


def test_operations_and_parameters_stand_in_the_frame_of_their_module(draw):
    graph = draw(Stack(2), mt.ones(4, 2))
    groups = {group.label: group for group in graph.groups}
    assert list(groups) == ["model: Stack", "blocks.0: Block", "blocks.1: Block"]
    root = groups["model: Stack"]
    assert root.parent == ""
    assert groups["blocks.0: Block"].parent == root.key
    assert inside(graph)["blocks.1: Block"] == [
        "blocks.1.first.weight", "blocks.1.first.bias", "linear", "tanh", "blocks.1.second.weight",
        "blocks.1.second.bias", "linear", "add",
    ]  # fmt: skip
    assert inside(graph)["model: Stack"] == ["read.weight", "read.bias", "linear", "head.weight", "head.bias", "linear"]
    assert graph["x"].group == ""


def test_depth_closes_modules(draw):
    model, x = Stack(2), mt.ones(4, 2)
    whole = draw(model, x)
    assert len(whole.nodes) == 23
    closed = draw(model, x, depth=0)
    assert [(node.kind, node.name, node.count, node.parameters) for node in closed.nodes] == [
        ("input", "x", 1, 0),
        ("folded", "model: Stack", 10, sum(p.numel() for p in model.parameters())),
    ]
    assert closed.nodes[-1].output
    children = draw(model, x, depth=1)
    assert [node.name for node in children.nodes if node.kind == "folded"] == [
        "read: Linear", "blocks.0: Block", "blocks.1: Block", "head: Linear"
    ]  # fmt: skip
    assert children.nodes[-1].shape == (4, 1)
    assert "10 of 10 operations are folded into 4 boxes" in children.caption
    for depth in (3, 50):
        assert draw(model, x, depth=depth).dot == whole.dot


def test_repeated_blocks_are_folded(draw):
    model, x = Stack(12), mt.ones(4, 2)
    graph = draw(model, x)
    assert kinds(graph) == [
        "linear",
        "linear",
        "tanh",
        "linear",
        "add",
        "Block",
        "linear",
        "tanh",
        "linear",
        "add",
        "linear",
    ]
    (folded,) = [node for node in graph.nodes if node.kind == "folded"]
    assert (folded.count, folded.parameters) == (40, 10 * 2 * (3 * 3 + 3))
    assert folded.contents == "20 linear, 10 tanh, 10 add"
    assert "20 linear, 10 tanh, 10 add" in graph.dot  # the tooltip
    assert "… 10 × Block" in graph.dot
    assert "... 10 x Block" in str(graph)
    assert draw(mt.nn.Sequential(*[Block(2) for _ in range(5)]), x, depth=1).nodes[0].name == "x"
    (closed,) = [n for n in draw(model, x, depth=1).nodes if n.operation == "Block"]
    assert closed.count == 48
    assert "12 × Block" in draw(model, x, depth=1).dot
    assert len(kinds(draw(model, x, repeats=False))) == 50


def test_blocks_of_other_shapes_are_not_repetitions(draw):
    model = mt.nn.Sequential(*[mt.nn.Sequential(mt.nn.Linear(n, n + 1), mt.nn.Tanh()) for n in range(2, 10)])
    assert "folded" not in draw(model, mt.ones(1, 2)).caption


def test_three_blocks_are_drawn_all(draw):
    assert "folded" not in draw(Stack(3), mt.ones(4, 2)).caption


def test_loops_are_folded_when_asked():
    w = mt.tensor(0.5, requires_grad=True)
    h = w
    for _ in range(20):
        h = (h * w).tanh()
    assert len(mt.graph(h).nodes) == 41
    assert [node.count for node in mt.graph(h, repeats=True).nodes if node.kind == "folded"] == [36]


def test_too_many_boxes_close_modules_before_anything_is_left_out():
    model, x = mt.nn.Sequential(*[Block(n) for n in [3] * 3]), mt.ones(1, 3)
    graph = mt.graph(model(x), limit=10)
    assert len(graph.nodes) <= 10
    assert kinds(graph) == ["Block"] * 3
    tiny = mt.graph(model(x), limit=2)
    assert [node.name for node in tiny.nodes if node.kind == "folded"] == ["model: Sequential"]


def test_the_same_module_twice_is_two_frames(draw):
    block = Block(3)
    model = mt.nn.Sequential(block, block)
    graph = draw(model, mt.ones(1, 3))
    assert [group.label for group in graph.groups] == ["model: Sequential", "0: Block", "0: Block"]
    shared = [node for node in graph.nodes if node.kind == "parameter"]
    assert len(shared) == 4
    assert {node.group for node in shared} == {graph.groups[0].key}  # both read them


def test_modules_that_return_their_input_or_several_tensors():
    class Pair(mt.nn.Module):
        def forward(self, x):
            return x * 2, {"y": [x + 1]}

    pair, same = Pair(), mt.nn.Identity()
    x = mt.tensor(1.0, requires_grad=True)
    a, rest = pair(same(x))
    graph = mt.graph(a, rest["y"][0])
    assert inside(graph)["pair: Pair"].count("mul") == 1
    assert inside(graph)["pair: Pair"].count("add") == 1
    assert not any("Identity" in group.label for group in graph.groups)


def test_a_module_that_is_gone_still_has_a_frame():
    y = Block(2)(mt.ones(1, 2))
    (group,) = mt.graph(y).groups
    assert group.label == "module"


def test_a_user_module_without_a_variable_is_called_by_its_class():
    models = [Block(2)]
    y = models[0](mt.ones(1, 2))
    (group,) = mt.graph(y, names={}).groups
    assert group.label == "Block"


def test_modules_inside_have_names_even_if_the_model_has_none():
    graph = mt.graph([Stack(2)][0], mt.ones(1, 2), names={}, depth=1)
    folded = [node.name for node in graph.nodes if node.kind == "folded"]
    assert folded == ["read: Linear", "blocks.0: Block", "blocks.1: Block", "head: Linear"]
    assert [group.label for group in graph.groups] == ["Stack"]


def test_parameters_of_a_model_without_a_variable_have_names():
    def draw(models):
        return mt.graph(models[0](mt.ones(1, 2)), names={})

    names = [node.name for node in draw([Stack(1)]).nodes if node.kind == "parameter"]
    assert names[:3] == ["read.weight", "read.bias", "blocks.0.first.weight"]


def test_a_backward_pass_that_records_its_graph_is_a_frame():
    x = mt.tensor(2.0, requires_grad=True)
    (slope,) = mt.grad((x**3).sin(), [x], create_graph=True)
    graph = mt.graph(slope)
    (group,) = graph.groups
    assert group.label == "backward"
    assert "cos" in inside(graph)["backward"]
    assert any(node.operation == "pow" and node.group == "" for node in graph.nodes)  # of the forward pass
    with record() as recording:
        mt.grad((x**3).sin(), [x], create_graph=True)
    labels = [group.label for group in mt.graph(recording).groups]
    assert labels == ["backward"]


def test_threads_do_not_mix_up_frames():
    results = {}

    def work(name: str) -> None:
        model = Stack(2)
        for _ in range(20):
            results[name] = model, model(mt.ones(2, 2))

    threads = [threading.Thread(target=work, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for model, y in results.values():
        graph = mt.graph(y, names={"model": model})
        assert [group.label for group in graph.groups] == ["model: Stack", "blocks.0: Block", "blocks.1: Block"]


def test_groups_lie_in_each_other_and_hold_every_node_once():
    graph = mt.graph(Stack(3)(mt.ones(1, 2)))
    keys = [key for group in graph.groups for key in group.nodes]
    assert len(keys) == len(set(keys))
    known = {""}
    for group in graph.groups:
        assert group.parent in known  # those around come first
        known.add(group.key)
    assert {node.key: node.group for node in graph.nodes if node.group} == {
        key: group.key for group in graph.groups for key in group.nodes
    }


class Random(mt.nn.Module):
    """A module made of numbers: operations, and modules of the same kind."""

    def __init__(self, plan):
        super().__init__()
        self.plan = [step if isinstance(step, int) else None for step in plan]
        self.children_of = mt.nn.ModuleList([Random(step) for step in plan if not isinstance(step, int)])
        self.weight = mt.nn.Parameter(mt.tensor([0.5, -0.5]))

    def forward(self, x):
        inner = iter(self.children_of)
        before = x
        for step in self.plan:
            if step is None:
                x = next(inner)(x)
            elif step == 0:
                x = x * self.weight
            elif step == 1:
                x = x.tanh()
            else:
                x = x + before
        return x


PLANS = st.recursive(
    st.lists(st.integers(0, 2), min_size=1, max_size=6),
    lambda inner: st.lists(st.integers(0, 2) | inner, min_size=1, max_size=6),
    max_leaves=12,
)


@settings(max_examples=60)
@given(
    PLANS,
    st.integers(2, 60),
    st.none() | st.integers(0, 4),
    st.sampled_from([None, True, False]),
    st.sampled_from(["forward", "backward", "both"]),
    st.booleans(),
)
def test_any_nesting_is_drawn_whole(plan, limit, depth, repeats, passes, recorded):
    model, x = Random(plan), mt.tensor([1.0, 2.0], requires_grad=True)
    with record() as recording:
        y = model(x)
        y = y.sum()
    total = len(recording.operations)
    source = recording if recorded else y
    graph = mt.graph(source, limit=limit, depth=depth, repeats=repeats, passes=passes)
    keys = {node.key for node in graph.nodes}
    place = {node.key: i for i, node in enumerate(graph.nodes)}
    assert len(keys) == len(graph.nodes)
    assert all(place[edge.source] < place[edge.target] for edge in graph.edges)
    if passes != "backward":
        assert sum(node.count for node in graph.nodes if node.kind in ("operation", "folded")) == total
        assert sum(node.output for node in graph.nodes if node.kind != "gradient") == 1
    inside = [key for group in graph.groups for key in group.nodes]
    assert len(inside) == len(set(inside))
    assert set(inside) <= keys
    assert {node.key for node in graph.nodes if node.group} == set(inside)
    assert graph.dot.startswith("digraph")
    assert str(graph).startswith("Graph")
    if passes == "forward":
        opened = graph.expand() if any(node.kind == "operation" for node in graph.nodes) else graph
        inside = [key for group in opened.groups for key in group.nodes]
        assert {node.key for node in opened.nodes if node.group} == set(inside)
        assert len(inside) == len(set(inside))
        assert opened.dot.startswith("digraph")
