"""Reviews in Prefect: a deployed run pauses, its page shows a form of doubtful texts, the answers go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import Field, create_model

from components.editing.audio_clips import clip_seconds, encode_clip
from components.errors import ConfigError, StoreError
from components.files.files import utc_now
from components.nodes.facts import Mode
from components.nodes.questions import Answers, Question
from components.pipeline.pipeline import Node, Pipeline
from components.pipeline.planning import NodePlan
from components.storage.store import Store
from components.text.counted_nouns import format_count
from tasks.artifacts import escape_markdown

UI = "Prefect UI"
"""Who answered, where the form does not say: Prefect's own server knows no users."""
EMPTY = "-"
"""What stands for the empty text: the form does not send a field that was cleared."""
_MAX_SOURCE = 4000  # characters
_REVIEWER = "reviewer"
_POLL_SECONDS = 2
"""Seconds between two looks at whether the form was sent."""
_pausing = Lock()
"""A run can be paused for one form at a time."""


def is_attended() -> bool:
    """Return whether the flow run was started from a deployment, so that its page has a form to resume it."""
    context = FlowRunContext.get()
    return context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None


def holds_concurrency_lease() -> bool:
    """Return whether the flow run holds a slot of its deployment's concurrency limit.

    Prefect takes the slot from a run that pauses, and ends the run once the lease of it cannot be renewed:
    225 seconds later.
    """
    context = FlowRunContext.get()
    state = None if context is None or context.flow_run is None else context.flow_run.state
    return state is not None and state.state_details.deployment_concurrency_lease_id is not None


def pass_unattended_reviews(pipeline: Pipeline, plans: Mapping[str, NodePlan]) -> Pipeline:
    """Return the pipeline in which reviews pass that nobody can answer and that may pass; else itself.

    A review that was answered before is in the store and needs nobody.

    Args:
        pipeline: the graph.
        plans: of its nodes.

    Raises:
        ConfigError: a review may not pass.
    """
    if is_attended():
        return pipeline
    passing = {}
    for name, planned in plans.items():
        node = planned.node
        if node.kind.mode is Mode.BY_HAND and Store(planned.context.store).find_stage(planned.stage) is None:
            passing[name] = _pass(pipeline, node)
    return replace(pipeline, nodes={**pipeline.nodes, **passing}) if passing else pipeline


def _pass(pipeline: Pipeline, node: Node) -> Node:
    require_reviewer(pipeline, node)
    settings: Any = node.settings
    return replace(node, settings=settings.model_copy(update={"passed": True}))


def require_reviewer(pipeline: Pipeline, node: Node) -> None:
    """Refuse a node that asks a person where there is none, unless its texts may pass, or no time for one.

    Raises:
        ConfigError: in one line, what can be done.
    """
    settings: Any = node.settings
    if settings.unattended != "pass" and not is_attended():
        name = pipeline.user_name_of(node.name)
        raise ConfigError(
            "expected a run of a Prefect deployment, in whose page somebody can answer, found a local run; "
            f"deploy it (docs/use/editing.md), say unattended: pass, or leave {name} out and correct the "
            "texts afterwards with antiphon edit"
        )
    if holds_concurrency_lease():
        raise ConfigError(
            "expected a deployment without concurrency_limit, found one: Prefect would end the run minutes "
            "after it paused for a person; deploy it without (docs/use/deployments.md)"
        )


def ask(node: str, questions: Sequence[Question], hours: float) -> Answers:
    """Return the pause the flow run until its form of questions was sent, and return the answers.

    Raises:
        StoreError: nobody sent it in time.
    """
    with _pausing:
        get_run_logger().info(
            "%s: %s to review; open this run's page and press Resume",
            node,
            format_count(len(questions), "text"),
        )
        try:
            form: Any = pause_flow_run(
                wait_for_input=make_form(node, questions),
                timeout=max(1, round(3600 * hours)),
                poll_interval=_POLL_SECONDS,
            )
        except FlowPauseTimeout as error:
            raise StoreError(
                f"{node}: expected answers within {hours:g} hours, found none; everything above is kept: "
                "start the run again, it asks again"
            ) from error
    texts = {
        question.utterance_id: _read_answer(getattr(form, _field_name(number)).strip(), question.text)
        for number, question in enumerate(questions, 1)
    }
    return Answers(
        texts, by=getattr(form, _REVIEWER).strip() or UI, at=utc_now(), through="the form in Prefect"
    )


def _read_answer(answer: str, present: str) -> str:
    """Return the text that counts: the present one where its field was left as it was, or cleared."""
    if answer in ("", present.strip()):
        return present
    return "" if answer == EMPTY else answer


def make_form(node: str, questions: Sequence[Question]) -> type[RunInput]:
    """Return the form: a text per question, and who answers."""
    seconds = clip_seconds(questions)
    fields: dict[str, Any] = {
        _field_name(number): (
            str,
            Field(question.text, title=question.utterance_id, description=_describe(question, seconds)),
        )
        for number, question in enumerate(questions, 1)
    }
    fields[_REVIEWER] = (
        str,
        Field("", title="Your name", description="kept with the corrections; may be empty"),
    )
    form: type[RunInput] = create_model("Review", __base__=RunInput, **fields)
    form._description = (
        f"**{node}**: {format_count(len(questions), 'doubtful text')}, the least sure first. Correct them, "
        f"or leave them as they are to approve them; write {EMPTY} for a text that should be empty."
    )
    return form


def _field_name(number: int) -> str:
    return f"text_{number:03d}"


def _describe(question: Question, seconds: float) -> str:
    """Return what helps to judge a text, as Markdown: its source, the confidence, a player of its recording.

    Prefect's UI cleans the Markdown, and lets players with a ``data:`` URI pass.
    """
    source = f"{escape_markdown(question.source, _MAX_SOURCE)} | " if question.source else ""
    told = f"{source}confidence {question.confidence:.2f}"
    clip = "" if question.audio is None else encode_clip(question.audio, seconds)
    if not clip:
        return told
    is_cut = question.audio is not None and question.audio.seconds > seconds
    note = f" | its first {seconds:.0f} s" if is_cut else ""
    return f'{told}{note}\n\n<audio controls src="{clip}"></audio>'
