"""The node that a thread computes: its stage, what the other nodes are told, and what is published."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from itertools import islice

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Failed

from components.pipeline.pipeline import SOURCE, TARGET, Node, Pipeline
from components.records import NBest, Utterance
from components.run_record import StageRef
from components.storage.stages.reader import read_nbests
from components.storage.stages.stored_records import StoredOutcomes, StoredUtterances
from components.text.languages import UNDETERMINED
from components.text.table_cells import nfc
from reports.terminal.node_progress import NodeEnd
from tasks.artifacts import (
    MAX_EXAMPLES,
    Example,
    publish_examples,
    publish_extras,
    publish_stage,
    publish_ways,
)
from tasks.engines.run_coordinator import BlockedError, HaltedError, Status
from tasks.execution.node_run import NodeRun
from tasks.progress import show_end
from tasks.task_options import as_prefect_state

CURRENT_NODE: ContextVar[NodeRun] = ContextVar("node at work")
"""The node that this thread computes."""


def compute_current_node() -> StageRef | State[StageRef | None]:
    """Compute the node of this thread, tell the other nodes of the run, and publish its stage."""
    run = CURRENT_NODE.get()
    name, coordinator = run.node.name, run.coordinator
    try:
        ref = run.compute()
    except HaltedError as error:
        coordinator.fail(name, error)
        return Cancelled(message="the run was stopped; finished shards are kept")
    except BlockedError as error:
        coordinator.fail(name, error)
        show_end(NodeEnd(name, "blocked", error=str(error)))
        return Failed(name="Blocked", message=str(error))
    except BaseException as error:
        coordinator.fail(name, error)
        show_end(NodeEnd(name, "failed", error=" ".join(str(error).split()) or type(error).__name__))
        raise
    if ref is None:
        stands_for = run.node.of[-1] if run.all_idle else ""
        coordinator.finish(
            name, coordinator.ref(stands_for) if coordinator.is_finished(stands_for) else None, "skipped"
        )
        show_end(NodeEnd(name, "skipped"))
        return as_prefect_state(None)
    status: Status = "reused" if ref.reused else "computed"
    coordinator.finish(name, ref, status)
    show_end(NodeEnd(name, status, run.progress, ref.items, ref.quarantined, seconds=ref.seconds))
    publish_node(run.pipeline, run.node, ref, run.data_sets, run.find_first_text())
    return as_prefect_state(ref)


def publish_node(
    pipeline: Pipeline, node: Node, ref: StageRef, data: Mapping[str, StageRef], read: StageRef | None
) -> None:
    """Publish a stage of a pipeline.

    Args:
        pipeline: the graph.
        node: whose stage it is.
        ref: the stage.
        data: the data sets by name.
        read: the first of the texts that it reads, if it reads any.
    """
    if node.output == "text":
        publish_examples(ref, _make_examples(pipeline, node, ref, data[pipeline.data_of(node.name)], read))
    elif node.output == "table" and not node.kind.mode.is_whole:
        publish_ways(ref)
    else:
        publish_stage(ref)
        publish_extras(ref)


def _make_examples(
    pipeline: Pipeline, node: Node, ref: StageRef, data: StageRef, read: StageRef | None
) -> list[Example]:
    """Return a stage's first outputs beside what they were made of and the references."""
    outputs = {nbest.utterance_id: nbest for nbest in islice(read_nbests(ref), MAX_EXAMPLES)}
    found = map(StoredUtterances(data).find, outputs)
    utterances = {record.id: record for record in found if record is not None}
    above = {} if read is None else StoredOutcomes(read, data)
    texts = {key: nbest.best.text for key in outputs if isinstance(nbest := above.get(key), NBest)}
    references = {key: _reference_of(pipeline, node, record) for key, record in utterances.items()}
    languages = {key: _language_of(pipeline, node, record) for key, record in utterances.items()}
    hypotheses = {key: outputs[key].best.text for key, reference in references.items() if reference}
    scores = _score(
        {key: references[key] for key in hypotheses},
        hypotheses,
        languages,
        spoken=pipeline.is_spoken(node.name),
    )
    return [
        Example(
            key,
            texts.get(key) or _source_of(utterances[key]),
            nbest.best.text,
            references[key],
            _describe_scores(nbest, scores.get(nfc(key), "")),
        )
        for key, nbest in outputs.items()
        if key in utterances
    ]


def _score(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    languages: Mapping[str, str],
    *,
    spoken: bool,
) -> dict[str, str]:
    """Return the word error rate of each transcript, or chrF and BLEU of each translation."""
    if not references:
        return {}
    from components.metrics.error_rates import recognition  # noqa: PLC0415 - sacrebleu and jiwer
    from components.metrics.translation_quality import translation  # noqa: PLC0415 - sacrebleu and jiwer

    if spoken:
        errors = recognition.utterance_errors(references, hypotheses, language=languages)
        return {key: f"WER {counts.rate:.1f}" for key, counts in errors.items() if counts.rate is not None}
    listed = {key: (text,) for key, text in references.items()}
    values = translation.sentence_scores(listed, hypotheses, language=languages)
    return {key: f"chrF {row['chrf']:.1f}, BLEU {row['bleu']:.1f}" for key, row in values.items()}


def _describe_scores(nbest: NBest, scores: str) -> str:
    count = f"{len(nbest.hypotheses)} hypothes{'es' if len(nbest.hypotheses) > 1 else 'is'}"
    return "; ".join(filter(None, (scores, f"log-probability {nbest.best.score:.3f}", count)))


def _source_of(utterance: Utterance) -> str:
    if utterance.text is not None:
        return utterance.text
    return f"speech, {utterance.audio.seconds:.1f} s" if utterance.audio else ""


def _reference_of(pipeline: Pipeline, node: Node, utterance: Utterance) -> str:
    """Return what the node's text should be, where the data have it in its language; else ""."""
    language = pipeline.language_of(node.name)
    if language == SOURCE:
        return utterance.transcript or ""
    target = utterance.target_language or pipeline.languages[1]
    return utterance.references[0] if utterance.references and language in (TARGET, target) else ""


def _language_of(pipeline: Pipeline, node: Node, utterance: Utterance) -> str:
    """Return the language that a node's text is in, by which it is split into words."""
    if pipeline.language_of(node.name) == SOURCE:
        return utterance.source_language
    return utterance.target_language or pipeline.languages[1] or UNDETERMINED
