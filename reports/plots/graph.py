"""The graph of a pipeline as inline SVG, colored by the page's own style."""

from __future__ import annotations

from html import escape

from reports.escaping import to_printable
from reports.plots.graph_layout import Layout, Point, compute_layout
from reports.views.rows import GraphEdge, StageRow
from reports.views.run_view import RunView

_WIDTH, _HEIGHT, _GAP, _ROW = 172, 74, 56, 94
_LONG = 1320  # pixels above which a drawing is scrolled, not shrunk
_NAME, _LINE, _WAY = 17, 24, 10  # letters that fit into a box


_STYLE = """<style>
rect { fill: none; stroke: #7d8590; } .output rect { stroke: #3d83d6; } .failed rect { stroke: #d64545; }
.skipped rect, .blocked rect, .table { stroke-dasharray: 4 4; } text { fill: #7d8590; font: 12px sans-serif; }
.name { font-size: 14.5px; font-weight: bold; } .way { fill: #3d83d6; font-size: 11px; }
.tip { fill: #7d8590; } .edge { fill: none; stroke: #7d8590; } .edge.when { stroke: #3d83d6; }
</style>"""
"""One grey that reads on white and on near-black, as in the plots."""


def draw_svg_file(view: RunView) -> str:
    """The graph as a standalone SVG file; empty where there is nothing to draw."""
    drawing = draw_graph(view)
    head, separator, rest = drawing.partition(">")
    svg = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"{svg}>{_STYLE}{rest}" if separator else ""


def draw_graph(view: RunView) -> str:
    """An ``<svg>`` element: the data and the nodes from left to right, what they read as arrows."""
    rows = {row.stage: row for row in view.nodes()}
    if not view.run.pipeline.nodes:
        return ""
    edges = view.edges()
    layout = compute_layout(list(rows), [(edge.above, edge.below) for edge in edges])
    width = round(max(x for x, _ in map(_corner, layout.positions.values()))) + _WIDTH + 2
    lowest = [
        y for points in (layout.positions.values(), *layout.routes.values()) for _, y in map(_corner, points)
    ]
    height = round(max(lowest)) + _HEIGHT + 2
    outputs = {name: role for role, name in view.run.pipeline.outputs.items()}
    parts = [
        f'<svg class="graph{" long" if width > _LONG else ""}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        f'aria-label="Pipeline: {escape(to_printable(_describe_edges(edges)))}">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0.5 L7 4 L0 7.5" class="tip"/></marker></defs>',
    ]
    parts += [_edge(edge, layout) for edge in edges]
    for name, row in rows.items():
        ways = ", ".join(f"{way} {count:,}" for way, count in view.ways.get(name, {}).items())
        parts.append(_node(row, _corner(layout.positions[name]), ways, outputs.get(name)))
    parts += [_way(edge, layout) for edge in edges if edge.way]
    return "".join([*parts, "</svg>"])


def _corner(point: Point) -> Point:
    layer, row = point
    return 1 + layer * (_WIDTH + _GAP), 1 + row * _ROW


def _edge(edge: GraphEdge, layout: Layout) -> str:
    """A curve from box to box that goes straight past the boxes of the layers between."""
    points = [_corner(point) for point in layout.routes[edge.above, edge.below]]
    x, y = points[0][0] + _WIDTH, points[0][1] + _HEIGHT / 2
    path = [f"M{x:.0f} {y:.1f}"]
    for number, (left, top) in enumerate(points[1:], start=1):
        is_last = number == len(points) - 1
        to_x, to_y = left - 3 * is_last, top + _HEIGHT / 2
        middle = (x + to_x) / 2
        path.append(f"C{middle:.0f} {y:.1f} {middle:.0f} {to_y:.1f} {to_x:.0f} {to_y:.1f}")
        x, y = to_x, to_y
        if not is_last:
            x += _WIDTH
            path.append(f"H{x:.0f}")
    kind = "" if edge.role == "of" else f" {edge.role}"
    return f'<path class="edge{kind}" marker-end="url(#tip)" d="{" ".join(path)}"/>'


def _way(edge: GraphEdge, layout: Layout) -> str:
    """The way that leads along an edge, beside its beginning."""
    begin, end = map(_corner, layout.routes[edge.above, edge.below][:2])
    at_x = begin[0] + _WIDTH + _GAP / 2
    at_y = (begin[1] + end[1] + _HEIGHT) / 2 - 7
    label = _short(edge.way, _WAY)
    return f'<text class="way" x="{at_x:.0f}" y="{at_y:.1f}" text-anchor="middle">{label}</text>'


def _node(row: StageRow, center: Point, ways: str, output: str | None) -> str:
    x, y = center
    bad = f" ({row.quarantined:,} aside)" if row.quarantined else ""
    items = f"{row.items:,}{bad}" if row.has_stage else ""
    cost = f"{row.seconds:.1f} s" if row.status == "computed" else row.status
    marks = [row.status, *(["warn"] if row.quarantined else []), *(["output"] if output else [])]
    models = ", ".join(name.partition(":")[2] or name for name in row.models)
    what = f"{row.kind}: {models}" if models else f"→ {ways}" if ways else row.kind
    title = "\n".join(
        [row.stage, row.kind, *row.models, *filter(None, [ways, output and f"output: {output}"])]
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


def _describe_edges(edges: list[GraphEdge]) -> str:
    return "; ".join(f"{edge.above} to {edge.below}" for edge in edges)
