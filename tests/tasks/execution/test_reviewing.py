"""The form of a review and what it sends; tests/flows/test_deployments.py drives the real one."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import soundfile
from prefect.client.schemas.objects import StateDetails
from prefect.exceptions import FlowPauseTimeout
from prefect.states import Running

from components.audio.probing import describe
from components.errors import ConfigError, StoreError
from components.nodes.questions import Answers, Question
from components.pipeline.reading.reader import read_pipeline
from tasks.execution import reviewing

QUESTIONS = [Question(f"u{n}", f"text {n}", 0.5, "a.wav") for n in range(4)]


def answers_to(monkeypatch: pytest.MonkeyPatch, sent: Mapping[str, str] | None) -> Answers:
    """The answers to a form that is sent so; None: it is not sent in time."""

    def pause(wait_for_input: Any, timeout: int, poll_interval: int) -> Any:
        assert timeout == 5400
        if sent is None:
            raise FlowPauseTimeout
        return wait_for_input(**sent)

    monkeypatch.setattr(reviewing, "pause_flow_run", pause)
    monkeypatch.setattr(reviewing, "get_run_logger", logging.getLogger)
    return reviewing.ask("checked", QUESTIONS, 1.5)


def test_the_form_shows_each_text_with_what_helps_to_judge_it() -> None:
    form = reviewing.make_form("checked", QUESTIONS).model_json_schema()["properties"]
    assert list(form) == ["text_001", "text_002", "text_003", "text_004", "reviewer"]
    shown = {"title": "u0", "default": "text 0", "description": "a.wav | confidence 0.50", "type": "string"}
    assert form["text_001"] == shown


def test_who_corrects_hears_the_recording(tmp_path: Path) -> None:
    """As MP3 in the form itself, the beginning of a long one; one that is gone leaves the form as it is."""
    file = tmp_path / "a.wav"
    soundfile.write(file, np.sin(np.arange(16_000 * 70) / 20).astype("float32") / 2, 16_000)
    heard = Question("u", "text", 0.5, "a.wav", describe(file))
    form = reviewing.make_form("checked", [heard] * 40).model_json_schema()["properties"]
    told, _, rest = form["text_040"]["description"].partition("\n\n")
    assert told == "a.wav | confidence 0.50 | its first 30 s"
    start, end = '<audio controls src="data:audio/mpeg;base64,', '"></audio>'
    assert rest.startswith(start) and rest.endswith(end)
    decoded, rate = soundfile.read(io.BytesIO(base64.b64decode(rest[len(start) : -len(end)])))
    assert (rate, round(len(decoded) / rate)) == (16_000, 30)
    file.unlink()
    form = reviewing.make_form("checked", [heard]).model_json_schema()["properties"]
    assert form["text_001"]["description"] == "a.wav | confidence 0.50"


def test_a_source_is_no_markup_in_the_form() -> None:
    evil = Question("u", "text", 0.5, "<img src=x> ![](http://x/y.png)")
    described = reviewing.make_form("checked", [evil]).model_json_schema()["properties"]["text_001"]
    assert "<img" not in described["description"].replace("\\<", "")
    assert "![" not in described["description"]


def test_a_text_is_corrected_emptied_or_approved(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {"text_001": " by hand\n", "text_002": "-", "text_003": "", "reviewer": "Ann"}
    answers = answers_to(monkeypatch, sent)
    assert answers.texts == {"u0": "by hand", "u1": "", "u2": "text 2", "u3": "text 3"}
    assert (answers.by, answers.through) == ("Ann", "the form in Prefect")
    assert answers_to(monkeypatch, {}).by == "Prefect UI"


def test_an_approved_text_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where it is the sign for an empty text, or has space around it that a form does not keep."""
    questions = [Question("dash", "-", 0.5, ""), Question("spaced", " text ", 0.5, "")]
    monkeypatch.setattr(f"{__name__}.QUESTIONS", questions)
    assert answers_to(monkeypatch, {}).texts == {"dash": "-", "spaced": " text "}


def test_a_deployment_that_would_end_a_paused_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect ends a run whose slot of a concurrency limit it took at the pause."""
    graph = read_pipeline({"nodes": {"checked": {"kind": "edit_by_reviewer", "of": "data", "worst": 1}}})
    state = Running(state_details=StateDetails(deployment_concurrency_lease_id=uuid4()))
    flow_run = SimpleNamespace(deployment_id=uuid4(), state=state)
    monkeypatch.setattr(reviewing.FlowRunContext, "get", lambda: SimpleNamespace(flow_run=flow_run))
    node = graph.nodes["checked-answers"]
    with pytest.raises(ConfigError, match=r"^expected a deployment without concurrency_limit"):
        reviewing.require_reviewer(graph, node)
    flow_run.state = Running()
    reviewing.require_reviewer(graph, node)


def test_no_answer_in_time_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        StoreError, match=r"^checked: expected answers within 1.5 hours, found none; .* asks again$"
    ):
        answers_to(monkeypatch, None)
