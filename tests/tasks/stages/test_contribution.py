from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError, DataError
from components.pipeline.reading.reader import read_pipeline
from components.storage.store import Store
from tasks.execution.executor import PipelineResult
from tasks.stages.contribution import Scoring, _output_of, compute_contributions, compute_expert_contributions

PIPELINE = read_pipeline({"nodes": {"mt": {"kind": "translate", "of": "data", "model": "hub:a"}}})


def test_a_system_without_parts_has_no_contributions(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a node with several members, .* found none in mt$"):
        compute_contributions(PIPELINE, {}, 0, Store(str(tmp_path)), Scoring("bleu"))
    with pytest.raises(ConfigError, match=r"^expected a model with experts, found none in mt$"):
        compute_expert_contributions(PIPELINE, {}, None, Store(str(tmp_path)))


def test_a_part_that_had_nothing_to_do_or_failed_is_told() -> None:
    idle = PipelineResult({}, {"mt": "skipped"}, {}, {}, PIPELINE)
    with pytest.raises(DataError, match="expected texts of mt with some of its parts, found none"):
        _output_of(idle)
    with pytest.raises(DataError, match="no voice"):
        _output_of(idle._replace(errors={"mt": DataError("no voice")}))
