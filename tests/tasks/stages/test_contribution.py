from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError, DataError
from components.pipeline.reading.reader import read_pipeline
from components.records import Audio, Utterance
from components.run_record import StageRef
from components.storage.store import Store
from tasks.execution.executor import PipelineResult
from tasks.stages import contribution
from tasks.stages.contribution import Scoring, _output_of, compute_contributions, find_parts
from tests.components.storage.written import written

PIPELINE = read_pipeline({"nodes": {"mt": {"kind": "translate", "of": "data", "model": "hub:a"}}})


def test_a_system_without_parts_has_no_contributions_but_those_of_experts_that_it_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"expected a node with several members, .* found none in mt$"):
        compute_contributions(PIPELINE, {}, 0, Store(str(tmp_path)), Scoring("bleu"))
    nodes = {"moe": {"kind": "train_experts"}, "mt": {"kind": "translate", "model": "node:moe"}}
    monkeypatch.setattr(contribution, "run_analysis", lambda kind, request, store: (kind, request.limit))
    used = StageRef.model_construct(stage="moe")
    stages = {"moe": used, "data": used}
    found = compute_contributions(
        read_pipeline({"nodes": nodes}), stages, 0, Store(str(tmp_path)), Scoring("bleu"), 7
    )
    assert found == ("expert_contribution", 7)


def test_parts_whose_output_has_no_references_are_left_out_before_anything_runs(tmp_path: Path) -> None:
    """Data with transcripts alone: what recognizers add is measured, and nothing of translators."""
    tiny, mt = {"kind": "recognize", "model": "hub:a"}, {"kind": "translate", "of": "asr", "model": "hub:b"}
    nodes = {"a": tiny, "b": tiny, "asr": {"kind": "combine", "of": ["a", "b"]}, "one": mt, "two": mt}
    both = {"mt": {"kind": "combine", "of": ["one", "two"], "method": "minimum_bayes_risk"}}
    pipeline = read_pipeline({"target_language": "de", "nodes": {**nodes, **both}})
    sound = Audio(path="a.wav", sha256="a" * 64, seconds=2.0, sample_rate=16000)
    spoken = [Utterance(id="u", audio=sound, transcript="a dog", source_language="en")]
    stages = {name: StageRef.model_construct(stage=name) for name in pipeline.nodes}
    stages["data"] = written(Store(str(tmp_path)), "data", spoken)
    ablations, _ = find_parts(pipeline, stages)
    assert [each.title for each in ablations] == ["inputs of asr"]
    bare = [each.model_copy(update={"transcript": None}) for each in spoken]
    stages["data"] = written(Store(str(tmp_path / "bare")), "data", bare)
    with pytest.raises(ConfigError, match=r"whose texts have references, .* found none in a, b, asr"):
        find_parts(pipeline, stages)


def test_a_part_that_had_nothing_to_do_or_failed_is_told() -> None:
    idle = PipelineResult({}, {"mt": "skipped"}, {}, {}, PIPELINE)
    with pytest.raises(DataError, match="expected texts of mt with some of its parts, found none"):
        _output_of(idle)
    with pytest.raises(DataError, match="no voice"):
        _output_of(idle._replace(errors={"mt": DataError("no voice")}))
