from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from components.analysis.texts_to_score import AlignedTexts
from components.errors import DataError
from components.metrics.scoring_units import ScoringUnits
from components.records import Audio, Utterance
from components.tuning.objectives import Objective
from components.tuning.study import Try
from tasks.stages.searches import computed_try


@pytest.mark.parametrize(("normalizer", "wer"), [("by-language", 0.0), ("none", 100.0)])
def test_error_rates_are_objectives_under_the_runs_normalizer(
    monkeypatch: pytest.MonkeyPatch, normalizer: str, wer: float
) -> None:
    computed = compute_try(monkeypatch, "en", "Hello, world.", "hello world", normalizer)
    assert computed.measure(computed.context.objectives[0]) == wer


def test_a_wer_of_a_language_without_spaces_is_refused_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = compute_try(monkeypatch, "ja", "猫です。", "猫です", "by-language")
    with pytest.raises(DataError, match=r"^wer: expected a language with spaces between words, .*take cer$"):
        computed.measure(computed.context.objectives[0])


def compute_try(
    monkeypatch: pytest.MonkeyPatch, language: str, transcript: str, heard: str, normalizer: str
) -> computed_try.ComputedTry:
    """A try that heard one utterance."""
    audio = Audio(path="a.wav", sha256="a" * 64, seconds=2.0, sample_rate=16000)
    utterance = Utterance(id="u", audio=audio, source_language=language, transcript=transcript)
    units = ScoringUnits([utterance], "transcript", language)
    segments = units.align({"u": heard}, 1)
    assert segments is not None
    monkeypatch.setattr(computed_try, "text_of", lambda *_: None)
    monkeypatch.setattr(
        computed_try, "align_parts", lambda *_, **__: AlignedTexts("transcript", segments, units)
    )
    block: Any = SimpleNamespace(items=1)
    store: Any = None  # nothing is kept
    context = computed_try.TryContext(
        objectives=[Objective("wer", "wer")],
        blocks=[block],
        make_pipeline=lambda _: pytest.fail("the pipeline is there"),
        load_sets=lambda *_: {},
        store=store,
        seed=0,
        reduction_factor=2,
        normalizer=normalizer,
    )
    result: Any = SimpleNamespace(stages={})
    pipeline: Any = SimpleNamespace(languages=(None, None))
    planned = Try(number=0, settings={}, state="failed")
    return computed_try.ComputedTry(context, planned, pipeline, results=[result])
