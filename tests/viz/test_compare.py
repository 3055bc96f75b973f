"""Two graphs compared: added, removed, changed."""

import pytest

import microtrain as mt


def graph_of(model, x, **options):
    return mt.graph(model, x, names={"model": model, "x": x}, **options)


@pytest.fixture
def x():
    return mt.ones(2, 4)


def test_the_same_twice(x):
    model = mt.nn.Linear(4, 2)
    comparison = graph_of(model, x).compare(graph_of(model, x))
    assert comparison.same
    assert str(comparison) == "The graphs are the same."
    assert not any(node.mark for node in comparison.graph.nodes)


def test_a_layer_more(x):
    a = mt.nn.Sequential(mt.nn.Linear(4, 8), mt.nn.ReLU(), mt.nn.Linear(8, 3))
    b = mt.nn.Sequential(mt.nn.Linear(4, 8), mt.nn.ReLU(), mt.nn.Linear(8, 3), mt.nn.Tanh())
    comparison = graph_of(a, x).compare(graph_of(b, x))
    assert [node.operation for node in comparison.added] == ["tanh"]
    assert (comparison.removed, comparison.changed) == ([], [])
    assert "1 added, 0 removed, 0 changed" in str(comparison)
    assert [node.operation for node in comparison.graph.nodes if node.mark == "added"] == ["tanh"]
    assert [edge.mark for edge in comparison.graph.edges].count("added") == 1


def test_a_wider_layer_is_changed(x):
    a = mt.nn.Sequential(mt.nn.Linear(4, 8), mt.nn.Linear(8, 3))
    b = mt.nn.Sequential(mt.nn.Linear(4, 9), mt.nn.Linear(9, 3))
    comparison = graph_of(a, x).compare(graph_of(b, x))
    assert (comparison.added, comparison.removed) == ([], [])
    changed = {after.name or after.operation: what for _, after, what in comparison.changed}
    assert changed == {
        "0.weight": ["shape (8, 4) -> (9, 4)", "parameters 32 -> 36"],
        "0.bias": ["shape (8,) -> (9,)", "parameters 8 -> 9"],
        "linear": ["shape (2, 8) -> (2, 9)"],
        "1.weight": ["shape (3, 8) -> (3, 9)", "parameters 24 -> 27"],
    }
    assert "~ " in comparison.graph.dot
    assert "parameters 32 -> 36" in str(comparison)


def test_what_is_gone_is_drawn_where_it_was(x):
    a = mt.nn.Sequential(mt.nn.Linear(4, 4), mt.nn.Sigmoid(), mt.nn.Linear(4, 4))
    b = mt.nn.Sequential(mt.nn.Linear(4, 4), mt.nn.ReLU(), mt.nn.Linear(4, 4))
    comparison = graph_of(a, x).compare(graph_of(b, x))
    assert [node.operation for node in comparison.removed] == ["sigmoid"]
    keys = [node.key for node in comparison.graph.nodes]
    assert len(set(keys)) == len(keys)
    (gone,) = [node for node in comparison.graph.nodes if node.mark == "removed"]
    assert gone.operation == "sigmoid"
    order = [node.operation for node in comparison.graph.nodes if node.kind == "operation"]
    assert order == ["linear", "sigmoid", "relu", "linear"]
    place = {key: i for i, key in enumerate(keys)}
    assert all(place[edge.source] < place[edge.target] for edge in comparison.graph.edges)


def test_marks_are_signs_and_strokes_not_colours(x):
    a, b = mt.nn.Sequential(mt.nn.Tanh(), mt.nn.ReLU()), mt.nn.Sequential(mt.nn.Sigmoid(), mt.nn.ReLU())
    for style in ("light", "print"):
        dot = graph_of(a, x).compare(graph_of(b, x)).graph.look(style=style).dot
        assert "+ sigmoid" in dot
        assert "− tanh" in dot
        assert "dotted" in dot
        assert "+ added, − removed, ~ changed" in dot


def test_values_only_when_asked(x):
    model = mt.nn.Linear(4, 2)
    before = graph_of(model, x)
    with mt.no_grad():
        model.bias += 1.0
    after = graph_of(model, x)
    assert before.compare(after).same
    changed = [after.name for _, after, _ in before.compare(after, values=True).changed]
    assert "bias" in changed


def test_with_nothing_in_common():
    a, b = mt.tensor(1.0, requires_grad=True), mt.tensor([2], dtype=mt.float32, requires_grad=True)
    comparison = mt.graph(a.exp(), names={}).compare(mt.graph(b.sum().sin(), names={}))
    assert len(comparison.added) + len(comparison.changed) >= 2
    assert "digraph" in comparison.graph.dot


def test_large_graphs_are_compared_quickly():
    import time

    def chain(n):
        y = mt.tensor(1.0, requires_grad=True)
        for i in range(n):
            y = y.sin() if i % 3 else y * 1.1
        return mt.graph(y, limit=5000, names={})

    a, b = chain(900), chain(950)
    start = time.perf_counter()
    comparison = a.compare(b)
    assert time.perf_counter() - start < 5
    assert len(comparison.added) >= 50
    assert not comparison.removed


def test_notebooks_show_the_picture_and_the_list(x):
    model = mt.nn.Linear(4, 2)
    bundle = graph_of(model, x).compare(graph_of(model, x))._repr_mimebundle_()
    assert bundle["text/plain"] == "The graphs are the same."


def test_a_comparison_is_saved_as_its_picture(tmp_path):
    x = mt.tensor(2.0, requires_grad=True)
    before = mt.graph(x.sin())
    path = before.compare(mt.graph(x.sin() * x)).save(tmp_path / "changed.dot")
    assert "+ mul" in path.read_text(encoding="utf-8")


def test_a_number_in_the_program_is_compared():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    comparison = mt.graph((x * 2).sum()).compare(mt.graph((x * 3).sum()))
    assert str(comparison) == "Comparison: 0 added, 0 removed, 1 changed\n~ n1  input: value 2 -> 3"
    assert "value 2 -> 3" in comparison.graph.dot.replace("&#62;", ">")
