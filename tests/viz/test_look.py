"""Colours that stand for something, styles, and what the boxes show."""

import re

import pytest

import microtrain as mt
from microtrain.errors import ArgumentError
from microtrain.viz import record
from microtrain.viz.graph.look import STYLES, scale_of, unit


@pytest.fixture
def loss():
    W, X = (mt.arange(6.0).reshape(2, 3) / 4).requires_grad_(), mt.ones(3, 2)
    y = (W @ X).tanh()
    loss = (y * y).sum().named("loss")
    loss.backward()
    return loss


def fills(dot: str) -> dict[str, str]:
    return dict(re.findall(r'^\t(n\d+) \[.*?fillcolor="?([#\w]+)', dot, re.M))


@pytest.mark.parametrize("color", ["value", "grad_norm", "bytes"])
def test_boxes_are_coloured_and_there_is_a_legend(loss, color):
    graph = mt.graph(loss, color=color)
    palette = STYLES["light"].palette
    used = {fill for fill in fills(graph.dot).values() if fill in palette}
    assert len(used) >= 2
    assert re.findall('ID="legend[0-9]" BGCOLOR="(.*?)"', graph.dot) == list(palette)
    number = unit(color, scale_of(color, graph.nodes).numbers[graph["loss"].key])
    assert f"{color} {number}" in graph.dot  # not by colour alone
    assert "legend" not in mt.graph(loss).dot


def test_time_of_recordings():
    with record() as recording:
        x = mt.ones(200, 200)
        (x @ x).sum()
    graph = mt.graph(recording, color="time")
    assert all(node.seconds > 0 for node in graph.nodes if node.kind == "operation")
    assert re.search(r"time [\d.]+ (µs|ms)", graph.dot)


def test_time_of_the_backward_pass():
    w = mt.ones(200, 200, requires_grad=True)
    with record() as recording:
        (w @ w).sum().backward()
    gradients = mt.graph(recording, passes="backward").nodes
    assert [node.seconds is not None and node.seconds > 0 for node in gradients] == [False, True, True]


def test_where_nothing_can_be_coloured_the_caption_says_so(loss):
    graph = mt.graph(loss, color="time")  # the engine takes no times
    assert "Nothing here has a time" in graph.dot
    assert "legend" not in graph.dot


def test_any_function(loss):
    def depth(node):
        return len(node.formula) if node.kind == "operation" else None

    dot = mt.graph(loss, color=depth).dot
    assert ">depth</TD>" in dot
    with pytest.raises(ArgumentError, match="color gave str"):
        mt.graph(loss, color=lambda node: "red").dot
    assert "legend" not in mt.graph(loss, color=lambda node: float("nan")).dot


def test_a_legend_takes_little_room(loss):
    def height(graph):
        return float(re.search(r'viewBox="[\d.]+ [\d.]+ [\d.]+ ([\d.]+)"', graph.svg())[1])

    with_legend, without = (mt.graph(loss, color=color, direction="LR", show="shape") for color in ("bytes", None))
    assert height(with_legend) < height(without) + 200  # points


def test_a_quantity_may_have_any_name(loss):
    def depth(node):
        return 1.0

    depth.__name__ = "<b>&{x|y}"
    mt.graph(loss, color=depth).svg()


def test_scales():
    class Node:
        def __init__(self, key):
            self.key = str(key)

    def steps(numbers):
        nodes = [Node(i) for i in range(len(numbers))]
        scale = scale_of(lambda node: numbers[int(node.key)], nodes)
        return [scale.step(str(i)) for i in range(len(numbers))]

    assert steps([0, 1, 2, 3, 4, 5]) == [0, 1, 2, 3, 4, 4]
    assert steps([1e-4, 1e-2, 1.0]) == [0, 2, 4]  # logarithmic, where numbers are far apart
    assert steps([-1e-4, 1e-2, 1.0]) == [0, 0, 4]
    assert steps([7, 7]) == [0, 0]
    assert steps([None, 1, 2]) == [None, 0, 4]


@pytest.mark.parametrize("style", STYLES)
def test_styles(loss, style):
    dot = mt.graph(loss, style=style).dot
    assert f'bgcolor="{STYLES[style].background}"' in dot or f"bgcolor={STYLES[style].background}" in dot
    used = set(fills(dot).values())
    assert used <= {*STYLES[style].fill.values()}


def test_print_is_black_on_white(loss):
    dot = mt.graph(loss, style="print", passes="both").dot
    colours = set(re.findall(r'color="?([#\w]+)', dot))
    assert colours == {"black", "white"}


def test_what_is_shown(loss):
    bare = mt.graph(loss, show=()).dot
    assert not re.search(r"value|grad|keeps|kept|float64|parameters", bare)
    assert "value" in mt.graph(loss, show="value").dot
    assert "test_look.py" in re.sub("tooltip=.*", "", mt.graph(loss, show="site").dot)
    everything = mt.graph(loss, show="all").dot
    for word in ("grad", "kept", "float64", "6 parameters", "48 B", "n0\\n"):
        assert word in everything
    assert "6 parameters" in mt.graph(loss, show=["params"]).dot


def test_looking_again_in_another_way(loss):
    graph = mt.graph(loss)
    other = graph.look(style="dark", color="value", direction="TB", show=["value"])
    assert (other.view.style, other.view.color, other.direction) == ("dark", "value", "TB")
    assert other.nodes is graph.nodes
    assert graph.view.style == "light"
    assert other.look(style="print").view.color == "value"  # what is not named stays


@pytest.mark.parametrize("options", [{"style": "neon"}, {"color": "smell"}, {"show": ["soul"]}, {"color": 3}])
def test_wrong_settings_name_the_right_ones(loss, options):
    with pytest.raises(ArgumentError, match="Use "):
        mt.graph(loss, **options)


def test_units():
    assert [unit("time", s) for s in (2.5, 0.0025, 2.5e-6)] == ["2.5 s", "2.5 ms", "2.5 µs"]
    assert [unit("bytes", b) for b in (8, 80_000, 3e9, 2e13)] == ["8 B", "80 kB", "3 GB", "2e+04 GB"]
