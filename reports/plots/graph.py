"""The graph of a pipeline as inline SVG, colored by the page's own style."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from components.text.escaping import to_printable
from reports.plots.graph_layout import Layout, Point, compute_layout
from reports.views.rows import GraphEdge, StageRow
from reports.views.run_view import RunView

_WIDTH, _HEIGHT, _GAP = 190, 74, 48  # of a box, and between two layers
_BETWEEN = 20  # between two boxes of a layer
_PAGE = 1200  # pixels that a wide page can shrink to its width
_NAME, _LINE, _WAY = 17, 24, 10  # letters that fit into a box


_STYLE = """<style>
rect { fill: none; stroke: #7d8590; } .output rect { stroke: #3d83d6; } .failed rect { stroke: #d64545; }
.skipped rect, .blocked rect, .table { stroke-dasharray: 4 4; }
text { fill: #7d8590; font: 11.5px sans-serif; }
.name { font-size: 14.5px; font-weight: bold; } .way { fill: #3d83d6; font-size: 11px; }
.tip { fill: #7d8590; } .edge { fill: none; stroke: #7d8590; } .edge.when { stroke: #3d83d6; }
</style>"""
"""One grey that reads on white and on near-black, as in the plots."""


def draw_svg_file(view: RunView) -> str:
    """Return the graph as a standalone SVG file; empty where there is nothing to draw."""
    drawing = draw_graph(view)
    head, separator, rest = drawing.partition(">")
    svg = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"{svg}>{_STYLE}{rest}" if separator else ""


def draw_graphs(view: RunView) -> list[str]:
    """The drawing for a wide page, from left to right where it fits, and that for a narrow one, downwards."""
    across, down = draw_graph(view), draw_graph(view, down=True)
    drawings = [across, down] if _width(across) <= max(_PAGE, _width(down)) else [down]
    return drawings if across else []


def _width(drawing: str) -> int:
    return int(drawing.partition(' width="')[2].partition('"')[0] or 0)


def draw_graph(view: RunView, *, down: bool = False) -> str:
    """An ``<svg>`` element: the data and the nodes from left to right, or downwards, with what they read."""
    rows = {row.stage: row for row in view.nodes()}
    if not view.run.pipeline.nodes:
        return ""
    edges, plane = view.edges(), _Plane(down)
    layout = compute_layout(list(rows), [(edge.above, edge.below) for edge in edges])
    corners = [
        plane.corner(point)
        for points in (layout.positions.values(), *layout.routes.values())
        for point in points
    ]
    width = round(max(x for x, _ in corners)) + _WIDTH + 2
    height = round(max(y for _, y in corners)) + _HEIGHT + 2
    outputs = {name: role for role, name in view.run.pipeline.outputs.items()}
    tip = "tip-down" if down else "tip"
    described = "; ".join(f"{edge.above} to {edge.below}" for edge in edges)
    parts = [
        f'<svg class="graph" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="Pipeline: {escape(to_printable(described))}">',
        f'<defs><marker id="{tip}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0.5 L7 4 L0 7.5" class="tip"/></marker></defs>',
    ]
    parts += [plane.edge(edge, layout, tip) for edge in edges]
    for name, row in rows.items():
        branches = ", ".join(f"{branch} {count:,}" for branch, count in view.branches.get(name, {}).items())
        parts.append(_node(row, plane.corner(layout.positions[name]), branches, outputs.get(name)))
    parts += [plane.branch(edge, layout) for edge in edges if edge.branch]
    return "".join([*parts, "</svg>"])


class _Plane(NamedTuple):
    """Where layers and rows lie: layers follow each other to the right, or downwards.

    A curve is computed along (from layer to layer) and aside (from row to row), whichever way that is.
    """

    down: bool

    @property
    def size(self) -> Point:
        """Of a box, along and aside."""
        return (_HEIGHT, _WIDTH) if self.down else (_WIDTH, _HEIGHT)

    def corner(self, point: Point) -> Point:
        """Return the upper left corner (x, y) of the box at a layer and row."""
        return self.xy(*self._start(point))

    def xy(self, along: float, aside: float) -> Point:
        """Return pixels (x, y)."""
        return (aside, along) if self.down else (along, aside)

    def _start(self, point: Point) -> Point:
        layer, row = point
        return 1 + layer * (self.size[0] + _GAP), 1 + row * (self.size[1] + _BETWEEN)

    def edge(self, edge: GraphEdge, layout: Layout, tip: str) -> str:
        """Return a curve from box to box that goes straight past the boxes of the layers between."""
        length, breadth = self.size
        points = [self._start(point) for point in layout.routes[edge.above, edge.below]]
        along, aside = points[0][0] + length, points[0][1] + breadth / 2
        path = [f"M{self._text(along, aside)}"]
        for number, (start, side) in enumerate(points[1:], start=1):
            is_last = number == len(points) - 1
            to_along, to_aside = start - 3 * is_last, side + breadth / 2
            middle = (along + to_along) / 2
            bends = ((middle, aside), (middle, to_aside), (to_along, to_aside))
            path.append("C" + " ".join(self._text(*bend) for bend in bends))
            along, aside = to_along, to_aside
            if not is_last:
                along += length
                path.append(f"L{self._text(along, aside)}")
        kind = "" if edge.role == "of" else f" {edge.role}"
        return f'<path class="edge{kind}" marker-end="url(#{tip})" d="{" ".join(path)}"/>'

    def _text(self, along: float, aside: float) -> str:
        return "{:.1f} {:.1f}".format(*self.xy(along, aside))

    def branch(self, edge: GraphEdge, layout: Layout) -> str:
        """Return the way that leads along an edge, beside its beginning."""
        length, breadth = self.size
        begin, end = map(self._start, layout.routes[edge.above, edge.below][:2])
        x, y = self.xy(begin[0] + length + _GAP / 2, (begin[1] + end[1] + breadth) / 2)
        label = _short(edge.branch, _WAY)
        y += 4 if self.down else -7
        return f'<text class="way" x="{x:.0f}" y="{y:.1f}" text-anchor="middle">{label}</text>'


def _node(row: StageRow, center: Point, branches: str, output: str | None) -> str:
    x, y = center
    bad = f" ({row.quarantined:,} quarantined)" if row.quarantined else ""
    items = f"{row.items:,}{bad}" if row.has_stage else ""
    cost = f"{row.seconds:.1f} s" if row.status == "computed" else row.status
    marks = [row.status, *(["warn"] if row.quarantined else []), *(["output"] if output else [])]
    models = ", ".join(name.partition(":")[2] or name for name in row.models)
    what = f"{row.kind}: {models}" if models else f"→ {branches}" if branches else row.kind
    title = "\n".join(
        [row.stage, row.kind, *row.models, *filter(None, [branches, output and f"output: {output}"])]
    )
    left, right = x + 12, x + _WIDTH - 12
    return (
        f'<g class="node {" ".join(marks)}"><title>{escape(to_printable(title))}</title>'
        f'<rect x="{x:.0f}" y="{y:.1f}" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>'
        f'<text class="name" x="{left:.0f}" y="{y + 22:.1f}">{_short(row.stage, _NAME)}</text>'
        f'<text class="kind" x="{left:.0f}" y="{y + 41:.1f}">{_short(what, _LINE)}</text>'
        f'<text class="count" x="{left:.0f}" y="{y + 60:.1f}">{items}</text>'
        f'<text class="cost" x="{right:.0f}" y="{y + 60:.1f}" text-anchor="end">{cost}</text></g>'
    )


def _short(text: str, longest: int) -> str:
    text = to_printable(text)
    return escape(text if len(text) <= longest else f"{text[: longest - 1]}…")
