"""The ``contribution`` stage: what each part of a finished system adds, from its outputs with fewer parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from components import metrics
from components.ensembling.contribution import Coalition
from components.experts import contribution as experts
from components.experts import multilingual
from components.experts.telemetry import Sample
from components.files import write_json
from components.metrics.contribution import Contribution, contribution, of_outputs
from components.models import resolve
from components.models.loading import load_transformers
from components.profiling import measure_cost
from components.records import StageRef
from components.storage.reader import best_texts, utterances
from components.storage.stage_plan import StagePlan, content_of, library_versions, read_by
from components.storage.stage_writer import TABLES, opened
from components.storage.store import Store
from reports import contributing
from reports.results import CONTRIBUTIONS, read_contributions
from tasks.artifacts import publish_table
from tasks.metrics import LIBRARIES
from tasks.options import NOT_STORED, shown

STAGE = "contribution"


@dataclass(frozen=True)
class Parts:
    """The parts of one system, and the stage that came out of sets of them.

    ``empty`` says what comes out of no part: the stage of the empty set, or nothing where that is absent.
    """

    title: str
    names: tuple[str, ...]
    outputs: Mapping[Coalition, StageRef]
    transcripts: bool = False
    empty: str = "no output"


@task(name=STAGE, task_run_name=STAGE, **NOT_STORED)
def of_systems(
    systems: Sequence[Parts], data: StageRef, metric: str, target: str | None, store_url: str | None
) -> StageRef | State[StageRef]:
    """The contribution of every part, in points of ``metric`` (of WER for transcripts)."""
    sets = [(n, kept, ref) for n, one in enumerate(systems) for kept, ref in one.outputs.items()]
    plan = StagePlan(
        stage=STAGE,
        kind=STAGE,
        version=f"contribution/1 metrics/{metrics.version}",
        parameters={
            "metric": metric,
            "target_language": target,
            "parts": [[one.title, *one.names] for one in systems],
            "sets": [[n, *sorted(kept)] for n, kept, _ in sets],
        },
        upstream=read_by(data) | {f"set {i}": content_of(ref) for i, (*_, ref) in enumerate(sets)},
        libraries=library_versions(LIBRARIES),
    )
    with opened(Store(store_url), plan, records=False) as writer:
        if writer.ref is None:
            with measure_cost() as cost:
                found = [_of_system(one, data, metric, target) for one in systems]
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            _seal(found, writer.path)
            writer.seal([CONTRIBUTIONS, TABLES], items=data.items)
        assert writer.ref is not None
        return shown(_published(writer.ref))


def _of_system(system: Parts, data: StageRef, metric: str, target: str | None) -> Contribution:
    references: dict[str, Sequence[str]] = {}
    languages: dict[str, str] = {}
    for one in utterances(data):
        truth = ([one.transcript] if one.transcript else []) if system.transcripts else one.references
        if truth:
            references[one.id] = truth
            language = one.source_language if system.transcripts else target or one.target_language
            languages[one.id] = language or "und"
    values = of_outputs(
        {kept: best_texts(ref) for kept, ref in system.outputs.items()},
        references,
        "wer" if system.transcripts else metric,
        language=languages,
        n_total=data.items,
    )
    return contribution(system.title, system.names, values, empty=system.empty)


@task(name=STAGE, task_run_name=STAGE, **NOT_STORED)
def of_experts(
    trained: StageRef,
    source: str,
    languages: tuple[str, Sequence[str]],
    limit: int | None,
    store_url: str | None,
) -> StageRef | State[StageRef]:
    """The contribution of every expert of a model's sparse layers to the likelihood of references.

    ``languages`` are the source language and the target languages of the parallel text ``source``.
    """
    corpus = multilingual.read(source, *languages, limit)
    plan = StagePlan(
        stage=STAGE,
        kind=STAGE,
        version="contribution-experts/2",
        parameters={"languages": list(languages[1]), "limit": limit},
        upstream=read_by(trained),
        inputs=corpus.digests,
        libraries=library_versions(LIBRARIES),
    )
    with opened(Store(store_url), plan, records=False) as writer:
        if writer.ref is None:
            samples = [
                Sample(f"{language}-{number:06d}", language, *pair)
                for language, pairs in corpus.pairs.items()
                for number, pair in enumerate(pairs, 1)
            ]
            with measure_cost() as cost:
                checkpoint = resolve(f"store:{trained.key}", str(Store(store_url).root))
                found = experts.contributions(*load_transformers(checkpoint, "seq2seq"), samples)
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            _seal(found, writer.path)
            writer.seal([CONTRIBUTIONS, TABLES], items=len(samples))
        assert writer.ref is not None
        return shown(_published(writer.ref))


def _seal(found: Sequence[Contribution], folder: Path) -> None:
    write_json(folder / CONTRIBUTIONS, {"systems": [one.model_dump(mode="json") for one in found]})
    write_json(folder / TABLES, contributing.tables(found))


def _published(ref: StageRef) -> StageRef:
    for number, one in enumerate(read_contributions(ref), 1):
        publish_table(contributing.rows(one), f"contribution-{number}", contributing.sentence(one))
    return ref
