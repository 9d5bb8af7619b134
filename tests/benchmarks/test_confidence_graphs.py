"""The pipelines behind the pages on confidence, routes and pools are valid, and have what the pages read."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.common.sections import make_parser
from benchmarks.pages import confidence as confidence_page
from benchmarks.quality.confidence import evidence, fusing, graphs, pools
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.reader import read_pipeline

DEV = Path("dev.jsonl")


def read(nodes: graphs.Graph) -> Pipeline:
    return read_pipeline({"nodes": nodes, "source_language": "en", "target_language": "de"})


@pytest.mark.parametrize(
    "nodes",
    [
        graphs.recognition_graph(DEV),
        graphs.cascade_graph(DEV, "tiny"),
        {**graphs.text_graph(), **graphs.ensemble_node(["packaged:multi30k-en-de"])},
        evidence.text_graph(),
    ],
    ids=["recognition", "cascade", "text", "evidence"],
)
def test_a_graph_is_valid_and_its_estimates_have_rows(nodes: graphs.Graph) -> None:
    pipeline = read(nodes)
    for name in (node.name for node in pipeline if node.kind.name == "estimate" and node.name in nodes):
        system, method = confidence_page._key({"node": name, "signal": "p_correct"})
        assert system and method.split(",")[0] in {"gradient boosting", "logistic", "isotonic"}


def test_pools_are_valid_graphs() -> None:
    assert "ensemble" in read(pools.risk_graph(["packaged:multi30k-en-de"])).nodes
    assert pools.node_of("calibrated votes 0.5 0.7") in read(pools.vote_graph(DEV)).nodes


@pytest.mark.parametrize("systems", [["tiny"], ["base", "tiny"]])
def test_a_corrector_learns_on_the_lists_of_all_systems(
    systems: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fusing, "write_captions", lambda work: (work / "captions", work / "confusions"))
    options = make_parser(fusing, "fuse").parse_args(["--work", str(tmp_path), "--systems", *systems])
    pipeline = read(fusing.fuse_graph(options, {name: tmp_path / name for name in ("train", "dev")}))
    lists = [f"{split}-{name}" for split in ("train", "dev") for name in systems]
    assert pipeline.nodes["corrector"].of == ("train", "dev", *lists)
    assert pipeline.nodes["fused-consensus-03"].of == tuple(systems)
