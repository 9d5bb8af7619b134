"""Runs and comparisons as their reports see them: records from the store, edges from the stages' plans."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from components.files import lines, read_json
from components.records import RunRecord, StageRef
from components.storage.reader import StoredOutcomes, StoredUtterances, quarantined
from components.storage.seal import SEAL, read_seal
from components.storage.stage_plan import content_of
from components.storage.stage_writer import TABLES
from components.storage.store import Store
from reports import blaming, comparing
from reports.sections import Column, Section, pictures
from reports.view import Models, RunView
from tasks.blaming import VALUES, read_blame
from tasks.comparing import read_comparison
from tasks.systems import decoded, plan_of, transcribes

FIRST_PUT_ASIDE = 20
"""Records of a stage whose reasons a report shows."""

_BLAME = (
    Column("gap asr", "lost to the transcript (blame), most first"),
    Column("remainder", "lost after a gold transcript, most first"),
)


def view_of(run: RunRecord, store: Store) -> RunView:
    """A run as its reports see it; records are read from the store when they are asked for."""
    stages = {ref.stage: ref for ref in run.stages}
    if "comparison" in stages:
        return comparison_view(run, stages["comparison"], store)
    return RunView(
        run,
        StoredUtterances(stages["data"]) if "data" in stages else (),
        {ref.stage: StoredOutcomes(ref) for ref in decoded(run)},
        models_of(stages),
        links=links(stages),
        sections=[
            *put_aside(run.stages),
            *_blame_sections(stages),
            *(one for ref in run.stages for one in stage_sections(ref)),
        ],
        columns=_BLAME if "blame" in stages else (),
        values=_numbers(stages["blame"]) if "blame" in stages else {},
    )


def comparison_view(run: RunRecord, ref: StageRef, store: Store) -> RunView:
    """A comparison: the systems' stages side by side, with the change of every system as a column."""
    comparison = read_comparison(ref)
    named = dict(pair for note in run.notes for pair in _systems_named(note))
    systems = {row.system: store.load_run(named[row.system]) for row in comparison.rows}
    shown = {f"{name}: {one.stage}": one for name, system in systems.items() for one in _last(system)}
    every = {f"{name}: {one.stage}": one for name, system in systems.items() for one in system.stages}
    refs = [one.model_copy(update={"stage": label}) for label, one in every.items()]
    data = next((one for one in every.values() if one.stage == "data"), None)
    values, columns = _changes(ref, comparison.baseline, [row.system for row in comparison.rows])
    return RunView(
        run.model_copy(update={"stages": (*refs, ref), "metrics": {}}),
        StoredUtterances(data) if data is not None else (),
        {label: StoredOutcomes(one) for label, one in shown.items()},
        models_of(every),
        links=links(every),
        sections=comparing.sections(comparison),
        columns=columns,
        values=values,
    )


def _systems_named(note: str) -> Sequence[tuple[str, str]]:
    name, found, run = note.removeprefix("system ").partition(": run ")
    return [(name, run)] if found and note.startswith("system ") else []


def _last(run: RunRecord) -> list[StageRef]:
    """The last transcripts and the last translations of a run."""
    stages = decoded(run)
    heard, said = [one for one in stages if transcribes(one)], [one for one in stages if not transcribes(one)]
    return [*heard[-1:], *said[-1:]]


def _changes(
    ref: StageRef, baseline: str, systems: Sequence[str]
) -> tuple[dict[str, dict[str, float]], list[Column]]:
    """Per utterance the score of every system and its change to the baseline."""
    found: dict[str, dict[str, float]] = {}
    for line in lines(Path(ref.path) / VALUES):
        entry = json.loads(line)
        scores: dict[str, float] = entry["values"]
        changed = {
            f"change: {name}": score - scores[baseline]
            for name, score in scores.items()
            if name != baseline and baseline in scores
        }
        found[entry["id"]] = {f"score: {name}": score for name, score in scores.items()} | changed
    columns = []
    for name in systems:
        if name != baseline:
            columns.append(Column(f"change: {name}", f"{name} above {baseline}, most first"))
            columns.append(Column(f"change: {name}", f"{name} below {baseline}, most first", "smallest"))
    return found, columns


def _numbers(ref: StageRef) -> dict[str, dict[str, float]]:
    """Utterance id -> the numbers that the blame has of it."""
    found = {}
    for line in lines(Path(ref.path) / VALUES):
        entry = json.loads(line)
        found[entry.pop("id")] = entry
    return found


def _blame_sections(stages: Mapping[str, StageRef]) -> list[Section]:
    return blaming.sections(read_blame(stages["blame"])) if "blame" in stages else []


def put_aside(stages: Sequence[StageRef]) -> list[Section]:
    """Which records the stages could not process, and why: the first of each stage, data included."""
    rows, total = [], 0
    for ref in {ref.key: ref for ref in stages if ref.quarantined}.values():
        total += ref.quarantined
        rows += [
            {"stage": ref.stage, "record": bad.utterance_id, "reason": bad.reason, "detail": bad.detail}
            for bad in islice(quarantined(ref), FIRST_PUT_ASIDE)
        ]
    if not rows:
        return []
    note = f"{total:,} records could not be processed; the others went on."
    if total > len(rows):
        note += f" The first {FIRST_PUT_ASIDE} of each stage; antiphon inspect RUN --stage STAGE lists all."
    return [Section("Put aside", note, tuple(rows))]


def stage_sections(ref: StageRef) -> list[Section]:
    """Tables and pictures that a stage seals beside its records: rounds, a router's telemetry, a curve."""
    folder = Path(ref.path)
    files = read_seal((folder / SEAL).read_bytes(), str(folder), ref.key).files
    found = []
    if TABLES in files:
        for table in read_json(folder / TABLES).get("tables", []):
            rows = tuple({str(k): str(v) for k, v in row.items()} for row in table["rows"])
            found.append(Section(str(table["title"]), str(table.get("note", "")), rows))
    shown = pictures(folder / name for name in files if "/" not in name)
    return [*found, Section(f"{ref.stage}: plots", pictures=shown)] if shown else found


def links(stages: Mapping[str, StageRef]) -> list[tuple[str, str]]:
    """Edges between the stages (label -> reference) of one run or several, from what each plan read.

    A stage that is also reached through another is not drawn twice: its direct edge is left out.
    """
    labels: dict[str, list[str]] = {}
    for label, ref in stages.items():
        labels.setdefault(content_of(ref), []).append(label)
    found = []
    for label, ref in stages.items():
        for source in plan_of(ref).get("upstream", {}).values():
            same = [one for one in labels.get(source, []) if one != label]
            system = label.rpartition(": ")[0]
            found += [(one, label) for one in same if one.rpartition(": ")[0] == system]
    edges = set(found)
    through = {(a, d) for a, b in edges for c, d in edges if b == c}
    return [edge for edge in dict.fromkeys(found) if edge not in through]


def models_of(refs: Mapping[str, StageRef]) -> dict[str, Models]:
    """The models that made each stage, from its plan, as the run that made it named them."""
    found: dict[str, Models] = {}
    for label, ref in refs.items():
        plan = plan_of(ref)
        weights = plan.get("weights", {})
        found[label] = {name: weights.get(role) for role, name in plan.get("models", {}).items()}
    return found
