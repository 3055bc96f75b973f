"""A plain layered layout, for machines without Graphviz: layers in rows or columns, few crossings, short arrows.

Sugiyama, Tagawa and Toda 1981: nodes on layers, each layer ordered by the mean place of its neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

Point = tuple[float, float]
Sizes = dict[str, tuple[float, float]]  # of boxes: (width, height)
Edges = list[tuple[str, str, str]]  # (id, from, to)

GAP, BETWEEN = 26.0, 46.0  # between boxes of a layer, and between layers
SWEEPS = 6


class Placed(NamedTuple):
    """Sizes in CSS pixels; boxes by their centre, edges as cubic Bezier curves (start, and three points a piece)."""

    width: float
    height: float
    boxes: dict[str, Point]
    edges: dict[str, list[Point]]


def layers(nodes: Sizes, edges: Edges) -> dict[str, int]:
    """The longest way from a leaf to each node; leaves stand just above the first that reads them."""
    inputs: dict[str, list[str]] = {key: [] for key in nodes}
    readers: dict[str, list[str]] = {key: [] for key in nodes}
    for _, source, target in edges:
        inputs[target].append(source)
        readers[source].append(target)
    layer: dict[str, int] = {}
    for key in nodes:  # inputs come first
        layer[key] = 1 + max((layer[source] for source in inputs[key]), default=-1)
    for key in nodes:
        if not inputs[key] and readers[key]:
            layer[key] = min(layer[reader] for reader in readers[key]) - 1
    return layer


class _Layered:
    """Boxes, and points for arrows that pass a layer, on their layers."""

    def __init__(self, nodes: Sizes, edges: Edges, deep: bool) -> None:
        self.nodes, self.deep = nodes, deep
        self.across = 0 if deep else 1  # which of (width, height) lies along a layer
        self.layer = layers(nodes, edges)
        self.size = dict(nodes)
        self.rows: list[list[str]] = [[] for _ in range(max(self.layer.values(), default=0) + 1)]
        for key in nodes:
            self.rows[self.layer[key]].append(key)
        self.chains: dict[str, list[str]] = {}  # edge: its ends, and a point on each layer between them
        for edge, source, target in edges:
            between = [(f"{edge}@{at}", at) for at in range(self.layer[source] + 1, self.layer[target])]
            for point, at in between:
                self.size[point], self.layer[point] = (8.0, 8.0), at
                self.rows[at].append(point)
            self.chains[edge] = [source, *(point for point, _ in between), target]
        self.near: dict[str, list[str]] = {key: [] for key in self.size}
        for chain in self.chains.values():
            for a, b in zip(chain, chain[1:], strict=False):
                self.near[a].append(b)
                self.near[b].append(a)

    def order(self) -> None:
        """Sort each layer by the mean place of the neighbours on the layer before, to and fro."""
        place = {key: float(i) for row in self.rows for i, key in enumerate(row)}
        for sweep in range(SWEEPS):
            step = 1 if sweep % 2 == 0 else -1
            for row in self.rows[::step]:
                wish = {}
                for key in row:
                    seen = [place[n] for n in self.near[key] if (self.layer[n] - self.layer[key]) * step < 0]
                    wish[key] = sum(seen) / len(seen) if seen else place[key]
                row.sort(key=wish.__getitem__)
                place.update({key: float(i) for i, key in enumerate(row)})

    def along(self) -> dict[str, float]:
        """Places along the layers: towards the neighbours, as far as the order allows."""
        found: dict[str, float] = {}
        for row in self.rows:
            at = 0.0
            for key in row:
                found[key] = at + self.size[key][self.across] / 2
                at += self.size[key][self.across] + GAP
        for sweep in range(4 * SWEEPS):
            for row in self.rows if sweep % 2 == 0 else self.rows[::-1]:
                self._relax(row, found)
        return found

    def _relax(self, row: list[str], along: dict[str, float]) -> None:
        """Move the boxes of a layer to where their neighbours are in the mean, without changing their order.

        Boxes that want to overlap form a block, which goes where its members want to go in the mean.
        """
        blocks: list[_Block] = []
        for key in row:
            near = [along[n] for n in self.near[key]] or [along[key]]
            width = self.size[key][self.across]
            blocks.append(_Block([key], sum(near) / len(near) - width / 2, width + GAP))
            while len(blocks) > 1 and blocks[-2].start + blocks[-2].length > blocks[-1].start:
                after = blocks.pop()
                blocks[-1] = blocks[-1].joined(after)
        for block in blocks:
            start = block.start
            for key in block.keys:
                along[key] = start + self.size[key][self.across] / 2
                start += self.size[key][self.across] + GAP

    def placed(self) -> Placed:
        """Boxes and curves."""
        self.order()
        along = self.along()
        least = min((along[key] - self.size[key][self.across] / 2 for key in self.size), default=0.0)
        depth, centres = 0.0, []
        for row in self.rows:
            thick = max((self.size[key][1 - self.across] for key in row), default=0.0)
            centres.append(depth + thick / 2)
            depth += thick + BETWEEN
        where: dict[str, Point] = {}
        for key, layer in self.layer.items():
            a, b = along[key] - least + 4, centres[layer] + 4
            where[key] = (a, b) if self.deep else (b, a)
        width = max((x + self.size[key][0] / 2 for key, (x, _) in where.items()), default=0.0) + 4
        height = max((y + self.size[key][1] / 2 for key, (_, y) in where.items()), default=0.0) + 4
        curves = {edge: self._curve(chain, where) for edge, chain in self.chains.items()}
        return Placed(width, height, {key: where[key] for key in self.nodes}, curves)

    def _curve(self, chain: list[str], where: dict[str, Point]) -> list[Point]:
        """From the edge of the first box through the points to the edge of the last."""
        points = [where[key] for key in chain]
        (x, y), (w, h) = points[0], self.size[chain[0]]
        points[0] = (x, y + h / 2) if self.deep else (x + w / 2, y)
        (x, y), (w, h) = points[-1], self.size[chain[-1]]
        points[-1] = (x, y - h / 2) if self.deep else (x - w / 2, y)
        curve = [points[0]]
        for (x, y), (to_x, to_y) in zip(points, points[1:], strict=False):
            if self.deep:
                half = (to_y - y) / 2
                curve += [(x, y + half), (to_x, to_y - half), (to_x, to_y)]
            else:
                half = (to_x - x) / 2
                curve += [(x + half, y), (to_x - half, to_y), (to_x, to_y)]
        return curve


class _Block(NamedTuple):
    """Boxes side by side that move together."""

    keys: list[str]
    start: float  # where the first of them begins
    length: float  # up to where the next box may begin

    def joined(self, after: _Block) -> _Block:
        """One block of two: each box has one vote."""
        votes, more = len(self.keys), len(after.keys)
        start = (votes * self.start + more * (after.start - self.length)) / (votes + more)
        return _Block(self.keys + after.keys, start, self.length + after.length)


def in_layers(nodes: Sizes, edges: Edges, deep: bool) -> Placed:
    """Lay out boxes and edges; `deep`: from top to bottom, else from left to right."""
    return _Layered(nodes, edges, deep).placed()
