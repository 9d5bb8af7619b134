from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError, DataError
from components.pipeline.reading.reader import read_pipeline
from components.run_record import StageRef
from components.storage.store import Store
from tasks.execution.executor import PipelineResult
from tasks.stages import contribution
from tasks.stages.contribution import Scoring, _output_of, compute_contributions

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


def test_a_part_that_had_nothing_to_do_or_failed_is_told() -> None:
    idle = PipelineResult({}, {"mt": "skipped"}, {}, {}, PIPELINE)
    with pytest.raises(DataError, match="expected texts of mt with some of its parts, found none"):
        _output_of(idle)
    with pytest.raises(DataError, match="no voice"):
        _output_of(idle._replace(errors={"mt": DataError("no voice")}))
