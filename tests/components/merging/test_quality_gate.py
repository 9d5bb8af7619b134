from __future__ import annotations

from typing import Any

import pytest

from components.errors import DataError
from components.merging import quality_gate
from components.records import Utterance

REFERENCES = {f"u{n}": f"ein Hund läuft im Park Nummer {n}" for n in range(12)}


def decide(monkeypatch: pytest.MonkeyPatch, metric: str, merged: dict[str, str]) -> quality_gate.Verdict:
    """The verdict on a merged model's texts against a baseline that translates every utterance right."""
    utterances = [
        Utterance(id=key, text="x", source_language="en", target_language="de", references=(text,))
        for key, text in REFERENCES.items()
    ]
    stages: dict[str, Any] = {"merged": merged, "baseline": REFERENCES}
    monkeypatch.setattr(quality_gate, "read_best_texts", stages.__getitem__)
    monkeypatch.setattr(quality_gate, "read_utterances", lambda ref: utterances)
    refs: Any = "data", "merged", "baseline"
    return quality_gate._decide(quality_gate.GateRequest(*refs, "base", metric, 1.0))


@pytest.mark.parametrize("metric", ["bleu", "chrf", "ter"])
def test_a_worse_model_is_rejected_by_every_metric_whichever_way_it_points(
    monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    assert decide(monkeypatch, metric, dict(REFERENCES)).accepted
    assert not decide(monkeypatch, metric, dict.fromkeys(REFERENCES, "nichts davon")).accepted


def test_what_the_merged_model_could_not_translate_counts_as_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {key: REFERENCES[key] for key in list(REFERENCES)[:3]}
    verdict = decide(monkeypatch, "chrf", few)
    assert (verdict.accepted, verdict.difference.n) == (False, len(REFERENCES))


def test_a_metric_with_nothing_to_score_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="gate: expected development utterances that wer can score"):
        decide(monkeypatch, "wer", dict(REFERENCES))
