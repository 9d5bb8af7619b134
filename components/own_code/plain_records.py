"""Plain records for own functions and programs: dictionaries of text and numbers, in and out.

This module is the documentation of the format: a function may import :class:`PlainRecord` for its type hints
(``from components.own_code.plain_records import PlainRecord``), or take any mapping; a program reads the same
as one line of JSON. References are never among the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from components.audio.local_files import local_file
from components.errors import DataError
from components.nodes.node_context import Item, NodeContext
from components.records import Hypothesis, NBest, NodeOutcome, Route, Utterance

OutputType = Literal["text", "table", "speech"]
SCORED = "scored"
"""The way of a table row that is only a number."""
_TEXT = "a text, a list of (text, score), or {text, score, features}"
EXPECTED: dict[OutputType, str] = {
    "text": _TEXT,
    "table": "a number, the name of a branch, or {branch, value}",
    "speech": "the path of an audio file",
}
"""Sort -> what a function or a program answers for one record, for messages."""


class PlainHypothesis(TypedDict):
    """One candidate text; ``score`` is its log-probability in nats, 0 where there is none."""

    text: str
    score: float
    system: str
    features: dict[str, float]


class PlainInput(TypedDict, total=False):
    """The outcome of one of the nodes of ``of``: its text and all candidates, or a way and its value."""

    text: str
    hypotheses: list[PlainHypothesis]
    branch: str
    value: float | None


class PlainRecord(TypedDict):
    """One utterance as a function or a program reads it.

    ``text`` is that of the first node of ``of`` (None: speech that nobody has recognized), in ``language``.
    ``source`` is the text that it was translated from (the same text where it is a transcript), in
    ``source_language``. ``target_language`` is the language to write, for a node that says ``to``.
    ``audio`` is a file of which the utterance is the ``seconds`` from ``offset`` on.
    """

    id: str
    text: str | None
    language: str
    source: str | None
    source_language: str
    target_language: str | None
    audio: str | None
    offset: float
    seconds: float | None
    domain: str | None
    hypotheses: list[PlainHypothesis]
    inputs: dict[str, PlainInput]


def to_plain(item: Item, context: NodeContext) -> PlainRecord:
    """Convert a node's item into the plain record that a function or a program reads."""
    utterance = item.utterance
    nbest = item.nbest
    language = utterance.source_language
    if nbest is not None and not context.translates:
        language = utterance.target_language or language
    audio, names = utterance.audio, dict(zip(context.of, context.display_names, strict=False))
    return PlainRecord(
        id=utterance.id,
        text=utterance.text if nbest is None else nbest.best.text,
        language=language,
        source=utterance.text,
        source_language=utterance.source_language,
        target_language=utterance.target_language if context.translates else None,
        audio=None if audio is None else str(local_file(audio)),
        offset=0.0 if audio is None else audio.offset,
        seconds=None if audio is None else audio.seconds,
        domain=utterance.domain,
        hypotheses=[] if nbest is None else _to_plain_hypotheses(nbest),
        inputs={
            names.get(name, name): _to_plain_input(outcome)
            for name, outcome in item.inputs.items()
            if isinstance(outcome, NBest | Route)
        },
    )


def _to_plain_input(outcome: NBest | Route) -> PlainInput:
    if isinstance(outcome, Route):
        return PlainInput(branch=outcome.branch, value=outcome.value)
    return PlainInput(text=outcome.best.text, hypotheses=_to_plain_hypotheses(outcome))


def _to_plain_hypotheses(nbest: NBest) -> list[PlainHypothesis]:
    return [
        PlainHypothesis(
            text=hypothesis.text,
            score=hypothesis.score,
            system=hypothesis.system,
            features=dict(hypothesis.features),
        )
        for hypothesis in nbest.hypotheses
    ]


def to_outcome(
    value: Any, item: Item, context: NodeContext, output: OutputType, branches: Sequence[str] = ()
) -> NodeOutcome:
    """Convert the answer of a function or a program into the outcome that is stored.

    Args:
        value: the answer.
        item: what it answers.
        context: the node's.
        output: the sort of its answers.
        branches: of a table, the ways that it may name.

    Raises:
        DataError: it is not of that sort, or belongs to another record.
    """
    if isinstance(value, Mapping) and value.get("id", item.utterance.id) != item.utterance.id:
        raise DataError(f"expected the answer for {item.utterance.id!r}, found one for {value['id']!r}")
    outcome: NodeOutcome
    try:
        if output == "text":
            outcome = _to_nbest(value, item, context)
        elif output == "table":
            outcome = _to_route(value, item.utterance.id, branches)
        else:
            outcome = _to_speech(value, item.utterance)
        outcome.model_dump_json()  # as it will be stored
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise DataError(f"expected {EXPECTED[output]}, found {where}: {fault['msg']}") from error
    except PydanticSerializationError as error:
        raise DataError(f"expected text in Unicode, found half of a character in {value!r:.80}") from error
    return outcome


def _to_nbest(value: Any, item: Item, context: NodeContext) -> NBest:
    answers = value.get("hypotheses", [value]) if isinstance(value, Mapping) else value
    answers = [answers] if isinstance(answers, str) else answers
    if not isinstance(answers, Sequence) or not answers:
        raise explain_unexpected_answer(value, "text")
    hypotheses = tuple(_to_hypothesis(answer, context.name) for answer in answers)
    read = item.utterance
    return NBest(utterance_id=read.id, hypotheses=hypotheses, language=read.source_language)


def _to_hypothesis(value: Any, system: str) -> Hypothesis:
    if isinstance(value, str):
        fields: dict[str, Any] = {"text": value}
    elif isinstance(value, Mapping):
        fields = {key: field for key, field in value.items() if key != "id"}
    elif isinstance(value, Sequence) and len(value) == 2:
        fields = {"text": value[0], "score": value[1]}
    else:
        raise explain_unexpected_answer(value, "text")
    if not isinstance(fields.get("text"), str):
        raise explain_unexpected_answer(value, "text")
    words = len(fields["text"].split())
    return Hypothesis.model_validate({"score": 0.0, "n_tokens": words, "system": system, **fields})


def _to_route(value: Any, utterance_id: str, branches: Sequence[str]) -> Route:
    if isinstance(value, Mapping):
        branch, number = value.get("branch", SCORED), value.get("value")
    elif isinstance(value, str):
        branch, number = value, None
    else:
        branch, number = SCORED, value
    if isinstance(number, bool) or (branch == SCORED and number is None):
        raise explain_unexpected_answer(value, "table")
    if branch not in (branches or (SCORED,)):
        raise DataError(f"expected one of the branches {', '.join(branches) or SCORED}, found {branch!r}")
    return Route(utterance_id=utterance_id, branch=branch, value=number)


def _to_speech(value: Any, utterance: Utterance) -> Utterance:
    from components.audio import describe  # noqa: PLC0415 - decodes audio

    path = value.get("audio") if isinstance(value, Mapping) else value
    if not isinstance(path, str):
        raise explain_unexpected_answer(value, "speech")
    return utterance.model_copy(update={"audio": describe(path)})


def explain_unexpected_answer(value: Any, output: OutputType) -> DataError:
    """Return the error for an answer of the wrong form."""
    return DataError(f"expected {EXPECTED[output]}, found {type(value).__name__} {value!r:.80}")
