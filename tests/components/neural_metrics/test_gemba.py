"""A served model as judge."""

from __future__ import annotations

import pytest

from components.endpoints.connection import AnswerError
from components.metrics.model_metric import Sample
from components.metrics.table import bind_metric
from components.models import resolve
from components.neural_metrics.gemba import read_number
from components.neural_metrics.quality_metric import bind_quality_metric
from components.recognition.config import RecognitionConfig
from components.recognition.factory import load_resident
from tests.openai_server import OpenAIServer, openai_server


def test_scores_of_texts_equal_ones_asked_once(endpoint: OpenAIServer) -> None:
    endpoint.answer = lambda text: f"{len(text)}/100"
    metric = bind_quality_metric("served:echo")
    assert metric.name == "gemba"
    samples = [Sample("ein Hund", "a dog"), Sample("Hut", "a dog"), Sample("ein Hund", "a dog")]
    assert [score.value for score in metric.bound_scorer.score(samples)] == [8.0, 3.0, 8.0]
    assert len(endpoint.requests) == 2
    endpoint.answer = lambda text: "it depends"
    with pytest.raises(AnswerError, match="expected a number from 0 to 100, found 'it depends'"):
        bind_metric("gemba:served:echo").bound_scorer.score([Sample("x", "y")])  # type: ignore[attr-defined]


def test_a_model_that_is_served_elsewhere_by_now_is_asked_there(
    endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(translation: str) -> float:
        (score,) = bind_quality_metric("served:echo").bound_scorer.score([Sample("x", translation)])
        return score.value

    def url() -> str:
        recognizer = RecognitionConfig(model="served:echo", backend="served")
        return str(load_resident(resolve("served:echo"), recognizer).endpoint.url)

    endpoint.answer = lambda text: "70"
    assert (score("y"), url()) == (70, endpoint.url)
    with openai_server() as other:
        other.answer = lambda text: "71"
        monkeypatch.setenv("ANTIPHON_SERVED_URL", other.url)
        assert (score("z"), url()) == (71, other.url)


@pytest.mark.parametrize(
    ("text", "value"),
    [("85", 85.0), ("Score: 92.5", 92.5), ("95/100", 95.0), ("0", 0.0), ("**70**", 70.0), ("92,5", 92.5)],
)
def test_numbers(text: str, value: float) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize("text", ["", "101", "-5", "between 60 and 70", "1e9", "1234"])
def test_what_is_no_score(text: str) -> None:
    with pytest.raises(AnswerError):
        read_number(text)
