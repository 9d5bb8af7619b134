"""The ``merge`` stage: a recipe becomes a model that ``store:KEY`` names; the ``gate`` decides about it."""

from __future__ import annotations

import shutil
from collections.abc import Container, Mapping
from pathlib import Path

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State
from pydantic import Field

from components import merging, metrics
from components.files import read_json, told_when_full, write_json
from components.merging.packaging import LINEAGE
from components.metrics.significance import Difference, recognition_tests, translation_tests
from components.profiling import measure_cost
from components.records import Record, StageRef
from components.storage.reader import best_texts, utterances
from components.storage.stage_plan import StagePlan, content_of, library_versions, read_by
from components.storage.stage_writer import Writer, opened
from components.storage.store import Store
from tasks.artifacts import publish_table
from tasks.metrics import LIBRARIES as METRIC_LIBRARIES
from tasks.options import NOT_STORED, shown

MODEL, DOCTOR, VERDICT = "model", "doctor.json", "verdict.json"
LIBRARIES = ("torch", "numpy", "safetensors", "transformers")


class Verdict(Record):
    """What the gate found: the merged model against the baseline on development data."""

    accepted: bool
    margin: float = Field(ge=0, description="how much worse the merged model may be")
    difference: Difference

    def __str__(self) -> str:
        """One line for people."""
        d = self.difference
        word = "accepted" if self.accepted else "rejected"
        sure = "too few to tell"
        if d.interval is not None and d.p is not None:
            sure = "95% {:+.2f} to {:+.2f}, p = {:.3f}".format(*d.interval, d.p)
        return (
            f"{word}: {d.metric} {d.value:.2f} against {d.baseline_value:.2f} of {d.baseline} on {d.n} of "
            f"{d.n_total} development utterances ({d.difference:+.2f}, {sure}; margin {self.margin:g})"
        )


@task(name="merge", **NOT_STORED)
def merge(recipe: merging.Recipe, store_url: str | None, seed: int) -> StageRef | State[StageRef]:
    """Examine a merge and do it; the same recipe of the same models is reused.

    Raises:
        MergeError: the models cannot be merged so; the message says why.
    """
    with merging.opened(recipe, store_url) as (folders, checkpoints):
        plan = StagePlan(
            stage="merge",
            version=f"merging/{merging.VERSION}",
            parameters={"recipe": recipe.text},
            weights={name: c.sha256 for name, c in checkpoints.items()},
            inputs={f"tokenizer of {n}": c.tokenizer_sha256 or "none" for n, c in checkpoints.items()},
            seed=seed,
            libraries=library_versions(LIBRARIES),
            models={name: c.reference for name, c in checkpoints.items()},
        )
        with opened(Store(store_url), plan, records=False) as writer:
            if writer.ref is None:
                with measure_cost() as cost:
                    found = merging.examine(recipe, folders, checkpoints)
                    _write(writer, recipe, found, merging.Options(seed=seed, store=store_url))
                writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
                files = sorted(path.name for path in (writer.path / MODEL).iterdir())
                writer.seal([DOCTOR, *(f"{MODEL}/{name}" for name in files)], items=found.tensors)
            assert writer.ref is not None
            ref = writer.ref
    _publish(ref)
    return shown(ref)


def _write(
    writer: Writer, recipe: merging.Recipe, found: merging.Diagnosis, options: merging.Options
) -> None:
    found.require()
    findings = [{"level": finding.level, "text": finding.text} for finding in found.findings]
    lineage = [{"model": one.model, "median": one.median, "text": str(one)} for one in found.lineages]
    write_json(writer.path / DOCTOR, {"findings": findings, "lineage": lineage})
    shutil.rmtree(writer.path / MODEL, ignore_errors=True)
    for left in writer.path.glob(f".{MODEL}.*"):
        shutil.rmtree(left, ignore_errors=True)
    with told_when_full("the merged model", writer.path):
        merging.merge(recipe, writer.path / MODEL, options)


def _publish(ref: StageRef) -> None:
    doctor = read_json(Path(ref.path) / DOCTOR)
    rows = [*doctor["findings"], *({"level": "lineage", "text": one["text"]} for one in doctor["lineage"])]
    for row in rows:
        if row["level"] == "warning":
            get_run_logger().warning("merge: %s", row["text"])
    publish_table(rows, "merge-doctor", f"What the doctor found; the model is store:{ref.key}")
    lineage = read_json(Path(ref.path) / MODEL / LINEAGE)
    get_run_logger().info("merge: %s, the model is store:%s", lineage["method"], ref.key)


@task(name="gate", **NOT_STORED)
def gate(
    data: StageRef,
    merged: StageRef,
    baseline: StageRef,
    name: str,
    metric: str,
    margin: float,
    store_url: str | None,
) -> StageRef | State[StageRef]:
    """Compare two decodings of development data; the merged model passes unless it is worse by ``margin``."""
    plan = StagePlan(
        stage="gate",
        version=f"gate/1 metrics/{metrics.version}",
        parameters={"metric": metric, "margin": margin, "baseline": name},
        upstream={**read_by(data, merged), "baseline": content_of(baseline)},
        libraries=library_versions(METRIC_LIBRARIES),
    )
    with opened(Store(store_url), plan, records=False) as writer:
        if writer.ref is None:
            with measure_cost() as cost:
                verdict = _verdict(data, merged, baseline, name, metric, margin)
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            write_json(writer.path / VERDICT, verdict.model_dump(mode="json"))
            writer.seal([VERDICT], items=verdict.difference.n)
        assert writer.ref is not None
        ref = writer.ref
    get_run_logger().info("gate: %s", read_verdict(ref))
    return shown(ref)


def _verdict(
    data: StageRef, merged: StageRef, baseline: StageRef, name: str, metric: str, margin: float
) -> Verdict:
    systems = {"merged": best_texts(merged), name: best_texts(baseline)}
    both = systems["merged"].keys() & systems[name].keys()
    systems = {system: {k: t for k, t in texts.items() if k in both} for system, texts in systems.items()}
    known = [one for one in utterances(data) if one.id in both]
    if merged.stage == "asr":
        transcripts = {one.id: one.transcript for one in known if one.transcript is not None}
        language = {one.id: one.source_language for one in known}
        found = recognition_tests(transcripts, _only(systems, transcripts), name, language=language)
    else:
        references = {one.id: one.references for one in known if one.references}
        language = {one.id: one.target_language or "und" for one in known}
        names = (metric,)
        found = translation_tests(
            references, _only(systems, references), name, language=language, names=names
        )
    (difference,) = [one for one in found if one.metric == metric]
    gain = difference.difference if difference.higher_is_better else -difference.difference
    return Verdict(accepted=gain >= -margin, margin=margin, difference=difference)


def _only(systems: Mapping[str, Mapping[str, str]], ids: Container[str]) -> dict[str, dict[str, str]]:
    return {name: {key: text for key, text in texts.items() if key in ids} for name, texts in systems.items()}


def read_verdict(ref: StageRef) -> Verdict:
    """The verdict that a ``gate`` stage holds."""
    return Verdict.model_validate(read_json(Path(ref.path) / VERDICT))
