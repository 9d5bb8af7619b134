"""The ``gate`` stage: a test whether a merged model is good enough to be used."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State
from pydantic import Field

from components import metrics
from components.errors import DataError
from components.files.files import read_json, write_json
from components.metrics.statistics.significance import Difference, recognition_tests, translation_tests
from components.metrics.table import METRICS
from components.records import Record
from components.run_record import StageRef
from components.storage.stages.reader import read_best_texts, read_utterances
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.stages.whole_stage import Product, compute_once
from components.storage.store import Store
from components.text.languages import UNDETERMINED
from tasks.stages.metrics import LIBRARIES
from tasks.task_options import NOT_STORED, as_prefect_state

VERDICT = "verdict.json"


class Verdict(Record):
    """The result: the merged model against the baseline on development data."""

    accepted: bool
    margin: float = Field(ge=0, description="how much worse the merged model may be")
    difference: Difference

    def __str__(self) -> str:
        """One line for people."""
        d = self.difference
        word = "accepted" if self.accepted else "rejected"
        sure = "too few to tell"
        if d.interval is not None and d.p is not None:
            low, high = d.interval
            sure = f"95% {low:+.2f} to {high:+.2f}, p = {d.p:.3f} by {d.test}"
        return (
            f"{word}: {d.metric} {d.value:.2f} against {d.baseline_value:.2f} of {d.baseline} on {d.n} of "
            f"{d.n_total} development utterances ({d.difference:+.2f}, {sure}; margin {self.margin:g})"
        )


@task(name="gate", **NOT_STORED)
def check_quality(
    data: StageRef,
    merged: StageRef,
    baseline: StageRef,
    name: str,
    metric: str,
    margin: float,
    store_url: str | None,
) -> StageRef | State[StageRef]:
    """Compare two decodings of development data; the merged model passes unless it is worse by ``margin``.

    Args:
        data: the development data.
        merged: texts of the merged model.
        baseline: texts of the baseline.
        name: the baseline's name.
        metric: what is compared.
        margin: points that the merged model may be worse.
        store_url: URL of the store.
    """
    plan = StagePlan(
        stage="gate",
        version=f"gate/2 metrics/{metrics.version}",
        parameters={"metric": metric, "margin": margin, "baseline": name},
        upstream={"data": content_of(data), "merged": content_of(merged), "baseline": content_of(baseline)},
        libraries=library_versions(LIBRARIES),
    )

    def work(folder: Path) -> Product:
        verdict = _decide(data, merged, baseline, name, metric, margin)
        write_json(folder / VERDICT, verdict.model_dump(mode="json"))
        return Product([VERDICT], items=verdict.difference.n)

    ref = compute_once(Store(store_url), plan, work)
    get_run_logger().info("gate: %s", read_verdict(ref))
    return as_prefect_state(ref)


def _decide(
    data: StageRef, merged: StageRef, baseline: StageRef, name: str, metric: str, margin: float
) -> Verdict:
    systems = {"merged": read_best_texts(merged), name: read_best_texts(baseline)}
    both = systems["merged"].keys() & systems[name].keys()
    systems = {system: {k: t for k, t in texts.items() if k in both} for system, texts in systems.items()}
    judged = [utterance for utterance in read_utterances(data) if utterance.id in both]
    names = (metric,)
    if METRICS[metric].output == "transcript":
        transcripts = {
            utterance.id: utterance.transcript for utterance in judged if utterance.transcript is not None
        }
        language = {utterance.id: utterance.source_language for utterance in judged}
        tests = recognition_tests(
            transcripts, _select_ids(systems, transcripts), name, language=language, names=names
        )
    else:
        references = {utterance.id: utterance.references for utterance in judged if utterance.references}
        language = {utterance.id: utterance.target_language or UNDETERMINED for utterance in judged}
        tests = translation_tests(
            references, _select_ids(systems, references), name, language=language, names=names
        )
    if not tests:
        raise DataError(
            f"gate: expected development utterances that {metric} can score, found none among {len(judged)}; "
            "give development data with reference texts, or set another metric"
        )
    difference = tests[0]
    gain = difference.difference if difference.higher_is_better else -difference.difference
    return Verdict(accepted=gain >= -margin, margin=margin, difference=difference)


def _select_ids(systems: Mapping[str, Mapping[str, str]], ids: Container[str]) -> dict[str, dict[str, str]]:
    return {name: {key: text for key, text in texts.items() if key in ids} for name, texts in systems.items()}


def read_verdict(ref: StageRef) -> Verdict:
    """Return the verdict that a ``gate`` stage holds."""
    return Verdict.model_validate(read_json(Path(ref.path) / VERDICT))
