"""The table of kinds, and the page that shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from components.files.yaml_text import parse_yaml
from components.models.packages.packaged_models import PACKAGED_MODELS
from components.nodes.kind import KINDS, Kind
from components.pipeline.reading.reader import KEYS, read_pipeline

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "docs" / "use" / name for name in ("pipelines.md", "learning_kinds.md")]
PAGE = "\n".join(page.read_text("utf-8") for page in PAGES)


def row(kind: Kind[object]) -> str:
    output = "text, table or speech" if "output" in kind.settings.model_fields else kind.output
    return f"| `{kind.name}` | {', '.join(kind.reads) or 'nothing'} | {output} | {kind.summary} |"


def test_the_page_has_a_row_for_every_kind() -> None:
    missing = [row(kind) for kind in KINDS.values() if row(kind) not in PAGE]
    assert not missing, "docs/use/pipelines.md lacks\n" + "\n".join(missing)
    rows = re.findall(r"^\| `(\w+)` \|.*\|.*\|.*\|$", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(KINDS)


def test_a_default_model_asks_for_no_consent_and_no_hub() -> None:
    for kind in KINDS.values():
        for name, field in kind.settings.model_fields.items():
            scheme, _, model = str(field.default).partition(":")
            assert scheme != "hub", (kind.name, name)
            assert scheme != "packaged" or PACKAGED_MODELS[model].consent is None, (kind.name, name)


def blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_graphs_of_the_page_can_be_read() -> None:
    """The first is whole; the others are nodes, and read what stands around them."""
    whole, *pieces = [parse_yaml(block, "page")[0] for block in blocks()]
    around = {
        "asr": {"kind": "recognize"},
        "de": {"kind": "translate", "of": "asr"},
        "ratio": {"kind": "python", "file": "f.py", "function": "f", "output": "table", "of": "de"},
    }
    for piece in (whole, *(piece for piece in pieces if "nodes" in piece)):
        read_pipeline({key: value for key, value in piece.items() if key in KEYS})
    nodes = {name: node for piece in pieces if "nodes" not in piece for name, node in piece.items()}
    takers = {
        f"takes-{name}": {"kind": "translate", "of": "asr", "when": f"{name}.{branch}", "to": "fr"}
        for name, node in nodes.items()
        if node["kind"] == "route"
        for branch in list(node.get("branches", ["fold-1" if "folds" in node else "keep"]))[:1]
    }
    assert {"by_language", "better", "restored", "british"} <= nodes.keys()
    read_pipeline({"nodes": {**around, **nodes, **takers}})


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples_can_be_read(example: Path) -> None:
    values, lines = parse_yaml(example.read_text("utf-8"), str(example))
    graph = read_pipeline({k: v for k, v in values.items() if k in KEYS}, str(example), lines, example.parent)
    for node in graph:
        for path in node.kind.facts(node.settings).files.values():
            assert Path(path).is_file()
