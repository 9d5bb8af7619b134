from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from components.metrics.scoring_units import ScoringUnits
from components.records import Audio, Utterance
from components.tuning.objectives import Objective
from components.tuning.study import Try
from tasks.stages import tries
from tasks.stages.texts_to_score import AlignedTexts


@pytest.mark.parametrize(("normalizer", "wer"), [("by-language", 0.0), ("none", 100.0)])
def test_error_rates_are_objectives_under_the_runs_normalizer(
    monkeypatch: pytest.MonkeyPatch, normalizer: str, wer: float
) -> None:
    audio = Audio(path="a.wav", sha256="a" * 64, seconds=2.0, sample_rate=16000)
    utterance = Utterance(id="u", audio=audio, source_language="en", transcript="Hello, world.")
    units = ScoringUnits([utterance], "transcript", "en")
    segments = units.align({"u": "hello world"}, 1)
    assert segments is not None
    monkeypatch.setattr(tries, "text_of", lambda *_: None)
    monkeypatch.setattr(tries, "align_parts", lambda *_, **__: AlignedTexts("transcript", segments, units))
    block: Any = SimpleNamespace(items=1)
    context = tries.TryContext(
        objectives=[Objective("wer", "wer")],
        blocks=[block],
        make_pipeline=lambda _: pytest.fail("the pipeline is there"),
        load_sets=lambda *_: {},
        store=None,
        seed=0,
        reduction_factor=2,
        normalizer=normalizer,
    )
    result: Any = SimpleNamespace(stages={})
    pipeline: Any = SimpleNamespace(languages=(None, None))
    planned = Try(number=0, settings={}, state="failed")
    computed = tries.ComputedTry(context, planned, pipeline, results=[result])
    assert computed.measure(context.objectives[0]) == wer
