"""Scores of sentences are a stage: reused by what was scored, resumed where they stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from components.analysis.texts_to_score import TextsToScore
from components.metrics.model_metric import ErrorSpan, Sample, SentenceScore
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.sentence_scores import digest_sample, index_scores
from components.records import NodeOutcome, Utterance
from components.run_record import StageRef
from components.storage.store import Store
from tasks.stages import sentence_scores
from tasks.stages.metrics import ModelScores, read_scores, score_texts
from tasks.stages.sentence_scores import StagedScorer, bind_staged, score_samples, score_sentences
from tests.components.neural_metrics.tiny import write_comet
from tests.components.storage.written import written
from tests.reports.example_runs import nbest


@pytest.fixture
def metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    return f"cometkiwi:{write_comet('cometkiwi', tmp_path / 'model')}"


SAMPLES = [Sample("Ein Hund", "A dog"), Sample("", "A dog"), Sample("Ein Hund", "A dog")]


def test_what_was_scored_once_is_read(metric: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path / "store"))
    first = score_samples(metric, SAMPLES, store)
    bound = bind_staged(metric, store)
    monkeypatch.setattr("components.neural_metrics.factory.load_scorer", pytest.fail)
    again = score_samples(metric, SAMPLES, store)
    assert again.reused and again.key == first.key
    scores = StagedScorer(metric, store).score(SAMPLES)
    assert scores[0] == scores[2] and scores[0].spans and scores[0] != scores[1]
    assert bound.name == "cometkiwi"
    assert len(index_scores(first)) == 2


class Stopping:
    """A scorer that is interrupted after some calls."""

    def __init__(self, calls: int) -> None:
        self.calls, self.scored = calls, 0

    def score(self, samples: Sequence[Sample]) -> list[SentenceScore]:
        if not self.calls:
            raise KeyboardInterrupt
        self.calls -= 1
        self.scored += len(samples)
        span = ErrorSpan(start=0, end=1, text="E", severity="minor", confidence=0.5)
        return [SentenceScore(len(sample.hypothesis), (span,)) for sample in samples]


@pytest.fixture
def scored_by(metric: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[Stopping], None]:
    """Let a scorer stand in for the model, over shards of two sentences."""
    for name, value in {"LEAST": 2, "GREATEST": 2}.items():
        monkeypatch.setattr(sentence_scores, name, value)
    bound = sentence_scores._bind(metric, Store())
    return lambda scorer: monkeypatch.setattr(
        sentence_scores, "_bind", lambda *_: bound.bind(scorer, "stopping")
    )


def test_an_interrupted_scoring_goes_on(
    metric: str, scored_by: Callable[[Stopping], None], tmp_path: Path
) -> None:
    samples, store = [Sample("x" * n) for n in range(5)], Store(str(tmp_path / "store"))
    scored_by(Stopping(2))
    with pytest.raises(KeyboardInterrupt):
        score_samples(metric, samples, store)
    scored_by(rest := Stopping(9))
    scores = index_scores(score_samples(metric, samples, store))
    assert rest.scored == 1
    rows = [scores[digest_sample(sample)] for sample in samples]
    assert [row.value for row in rows] == [0.0, 1.0, 2.0, 3.0, 4.0] and rows[0].spans[0].severity == "minor"


def test_of_more_sentences_only_their_shards_are_scored(
    metric: str, scored_by: Callable[[Stopping], None], tmp_path: Path
) -> None:
    samples, store = [Sample("x" * n) for n in range(6)], Store(str(tmp_path / "store"))
    scored_by(Stopping(9))
    score_samples(metric, samples, store)
    scored_by(more := Stopping(9))
    assert len(index_scores(score_samples(metric, [*samples, Sample("y")], store))) == 7
    assert more.scored == 1


def seal(store: Store, name: str, record: NodeOutcome) -> StageRef:
    return written(store, name, [record])


def test_a_models_score_of_a_translation_joins_those_of_the_other_metrics(
    metric: str, tmp_path: Path
) -> None:
    store = Store(str(tmp_path / "store"))
    german = {"target_language": "de", "references": ("Ein Hund",)}
    one = Utterance(id="u", text="A dog", source_language="en", **german)
    data, texts = seal(store, "data", one), nbest("u", ["Ein Hund"], "mt")
    entry = TextsToScore("", data, seal(store, "mt", texts), "target")
    transcripts = entry._replace(language=None)
    assert score_sentences.fn(transcripts, metric, "de", store) is None
    stage = score_sentences.fn(entry, metric, "de", store)
    assert isinstance(stage, StageRef)
    (sentence,) = index_scores(stage).values()
    by_models = [ModelScores(0, metric, stage), ModelScores(1, metric, stage)]  # the second is of no entry
    ref = score_texts.fn([entry], "de", store, BY_LANGUAGE, by_models)
    assert isinstance(ref, StageRef)
    scores = read_scores(ref)
    assert scores["cometkiwi"].value == pytest.approx(100 * sentence.value)
    assert (scores["cometkiwi"].n, scores["bleu"].n) == (1, 1)
