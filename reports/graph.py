"""The stages of a run as a drawing: inline SVG, coloured by the page's own style."""

from __future__ import annotations

from html import escape

from reports.escaping import printable
from reports.view import RunView, StageRow

_WIDTH, _HEIGHT, _GAP, _ROW = 176, 62, 46, 84
_LONGEST = 18  # letters of a name that fit into a box


def draw(view: RunView) -> str:
    """An ``<svg>`` element, stages in columns from left to right by their distance from the data."""
    rows = {row.stage: row for row in view.stages()}
    if not rows:
        return ""
    edges = view.edges()
    places = _places(list(rows), edges)
    width = max(x for x, _ in places.values()) + _WIDTH + 2
    height = max(y for _, y in places.values()) + _HEIGHT + 2
    parts = [
        f'<svg class="graph" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="Stages: {escape(_described(list(rows), edges))}">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0.5 L7 4 L0 7.5" class="tip"/></marker></defs>',
    ]
    parts += [_edge(places[a], places[b]) for a, b in edges]
    parts += [_node(rows[name], places[name]) for name in rows]
    return "".join([*parts, "</svg>"])


def _places(names: list[str], edges: list[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    depth = dict.fromkeys(names, 0)
    for _ in names:  # longest path; as many rounds as there are stages reach its end
        for above, below in edges:
            depth[below] = max(depth[below], min(depth[above] + 1, len(names)))
    filled: dict[int, int] = {}
    places = {}
    for name in names:
        row = filled.get(depth[name], 0)
        filled[depth[name]] = row + 1
        places[name] = (1 + depth[name] * (_WIDTH + _GAP), 1 + row * _ROW)
    return places


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    x2, y2 = end[0] - 3, end[1] + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return (
        f'<path class="edge" marker-end="url(#tip)" d="M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"/>'
    )


def _node(row: StageRow, place: tuple[int, int]) -> str:
    x, y = place
    bad = f" ({row.quarantined:,} aside)" if row.quarantined else ""
    cost = "reused" if row.reused else f"{row.seconds:.1f} s"
    kind = " warn" if row.quarantined else ""
    name = printable(row.stage)
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return (
        f'<g class="node{kind}"><title>{escape(name)}</title>'
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>'
        f'<text class="name" x="{x + 12}" y="{y + 25}">{escape(short)}</text>'
        f'<text class="count" x="{x + 12}" y="{y + 46}">{row.items:,} in{bad}</text>'
        f'<text class="cost" x="{x + _WIDTH - 12}" y="{y + 46}" text-anchor="end">{cost}</text></g>'
    )


def _described(names: list[str], edges: list[tuple[str, str]]) -> str:
    return "; ".join(f"{a} to {b}" for a, b in edges) or ", ".join(names)
