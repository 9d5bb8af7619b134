"""A pipeline as Mermaid text, which GitHub, GitLab and many editors draw."""

from __future__ import annotations

from collections.abc import Mapping

from components.pipeline.pipeline import DATA, OF, ORIGIN, Pipeline

SHAPES = {"table": ("{{", "}}"), "model": ("[(", ")]"), "speech": ("([", "])")}
"""Sort of a node -> the brackets of its shape; texts are boxes."""


def to_mermaid(pipeline: Pipeline, remarks: Mapping[str, str] | None = None) -> str:
    """Return the graph, left to right, as Mermaid text.

    Args:
        pipeline: the graph.
        remarks: node -> a line below its name.
    """
    lines = ["flowchart LR", f'  {DATA}[/"data"/]']
    for node in pipeline:
        begin, end = SHAPES.get(node.output, ("[", "]"))
        remark = (remarks or {}).get(node.name)
        label = "<br>".join(
            _escape(part) for part in (node.name, node.kind.name, *node.models.values(), remark) if part
        )
        lines.append(f'  {_node_id(node.name)}{begin}"{label}"{end}')
    for node in pipeline:
        for role, name in node.reads.items():
            if role == ORIGIN:
                continue
            text = node.when[1] if role == "when" and node.when else "" if role.startswith(OF) else role
            arrow = f"-. {_escape(text)} .->" if text else "-->"
            lines.append(f"  {_node_id(name)} {arrow} {_node_id(node.name)}")
    lines += [f"  {_node_id(name)} ==> {role}([{role}])" for role, name in pipeline.outputs.items()]
    return "\n".join(lines) + "\n"


def _node_id(name: str) -> str:
    """Return a node's name as an identifier that Mermaid cannot take for a keyword such as ``end``."""
    return f"n_{name.replace('-', '_')}" if name != DATA else DATA


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
