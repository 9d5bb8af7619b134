"""Builds the view of a finished run or comparison from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from components.export.beside_report import RULES
from components.files.files import read_json, read_lines
from components.files.json_text import parse_json
from components.metrics.metric import Output
from components.pipeline.item_gatherer import RECORDS
from components.pipeline.pipeline import DATA
from components.run_record import NodeRecord, PipelineRecord, RunRecord, StageRef
from components.storage.runs.report_files import TEXTS
from components.storage.stages.reader import StoredOutcomes, StoredRecords, StoredUtterances, read_quarantined
from components.storage.stages.seal import SEAL, read_seal
from components.storage.stages.whole_stage import TABLES
from components.storage.store import Store
from components.text.counted_nouns import format_count
from reports.analyses import attribution_report, comparison_report, confidence_report, routing_report, verdict
from reports.analyses.stage_results import (
    VALUES,
    read_blame,
    read_comparison,
    read_confidence,
    read_contributions,
)
from reports.formatting import flatten_parameters
from reports.views.rows import Models
from reports.views.run_outputs import cost_of, read_plan, text_stages
from reports.views.run_view import RunView
from reports.views.sections import Cell, Column, Section, link_to_utterance, load_pictures

MAX_QUARANTINED_PER_STAGE = 20
"""Records of a stage whose reasons a report shows."""

_BLAME = (
    Column("gap asr", "lost to the transcript (blame), most first"),
    Column("remainder", "lost after a gold transcript, most first"),
)


def view_of(run: RunRecord, store: Store) -> RunView:
    """The view of a run; records are read from the store when they are asked for."""
    stages = {ref.stage: ref for ref in run.stages}
    kinds = {ref.kind: ref for ref in run.stages}
    if "comparison" in kinds:
        return view_of_comparison(run, kinds["comparison"], store)
    blame = read_blame(kinds["blame"]) if "blame" in kinds else None
    contributions = read_contributions(kinds["contribution"]) if "contribution" in kinds else []
    return RunView(
        run,
        StoredUtterances(stages[DATA]) if DATA in stages else (),
        {
            node.name: StoredRecords(stages[node.name], RECORDS[node.gives])
            for node in run.pipeline.of_data()
            if node.name in stages
        },
        models_of(stages),
        sections=[
            *sections_of_quarantined(run.stages),
            *(attribution_report.build_sections(blame) if blame else ()),
            *_confidence_sections(kinds),
            *routing_report.build_sections(run),
            *(section for ref in run.stages for section in sections_of_stage(ref)),
        ],
        columns=_BLAME if blame else (),
        values=_read_numbers(kinds["blame"]) if blame else {},
        verdict=[
            *verdict.describe_scores(run),
            *(verdict.describe_blame(blame) if blame else ()),
            *verdict.describe_contributions(contributions),
            *verdict.describe_quarantined(run),
        ],
        texts=list_texts(store.run_folder(run.name)),
        cost=cost_of(run, store) if DATA in stages and text_stages(run) else None,
    )


def _confidence_sections(kinds: Mapping[str, StageRef]) -> list[Section]:
    """How good the estimates of a run are; none in a run without estimates."""
    return (
        confidence_report.build_sections(read_confidence(kinds["confidence"]))
        if "confidence" in kinds
        else []
    )


def view_of_comparison(run: RunRecord, ref: StageRef, store: Store) -> RunView:
    """The view of a comparison: the systems' graphs as one, with the change of every system as a column."""
    comparison = read_comparison(ref)
    names = sorted(run.systems, key=lambda name: name != comparison.baseline)  # it comes first
    systems = {name: store.load_run(run.systems[name]) for name in names}
    united = unite(systems)
    refs = {stage.stage: stage for stage in united.stages}
    outputs = dict.fromkeys(name for of in united.outputs.values() for name in of.values() if name in refs)
    values, columns = _read_changes(ref, comparison.baseline, [row.system for row in comparison.rows])
    return RunView(
        run.model_copy(update={"stages": (*united.stages, ref), "pipeline": united.pipeline, "metrics": {}}),
        StoredUtterances(refs[DATA]) if DATA in refs else (),
        {name: StoredOutcomes(refs[name]) for name in outputs},
        models_of(refs),
        sections=[
            *comparison_report.build_sections(comparison),
            *settings_section(systems),
            *(
                section
                for other in run.stages
                if other.key != ref.key
                for section in sections_of_stage(other)
            ),
        ],
        columns=columns,
        values=values,
        systems=united.outputs,
        verdict=[*verdict.describe_comparison(comparison), *verdict.describe_quarantined(run)],
    )


def settings_section(systems: Mapping[str, RunRecord]) -> list[Section]:
    """A table of the parameters in which systems differ, but for names and places."""
    flat = {name: dict(flatten_parameters(run.parameters)) for name, run in systems.items()}
    names = dict.fromkeys(name for parameters in flat.values() for name in parameters if name not in _PLACES)
    rows = []
    for name in names:
        values = {system: parameters.get(name, "") for system, parameters in flat.items()}
        if len(set(values.values())) > 1:
            rows.append({"parameter": name} | values)
    return [Section("Settings that differ", "", tuple(rows))] if rows else []


_PLACES = ("name", "store", "replace", "runner")


def list_texts(folder: Path) -> list[str]:
    """Text files beside a report, such as subtitles, relative to it."""
    paths = (path for path in (folder / TEXTS).glob("*") if path.is_file() and path.name != RULES)
    return sorted(path.relative_to(folder).as_posix() for path in paths)


class United(NamedTuple):
    """The graphs of several runs of one data set as one; a shared stage is named by all its systems."""

    stages: list[StageRef]
    pipeline: PipelineRecord
    outputs: dict[str, dict[Output, str]]
    """System -> role -> the node whose texts are scored."""


def unite(systems: Mapping[str, RunRecord]) -> United:
    """Merge the graphs of several systems (name -> run) into one, with shared stages only once."""
    owners: dict[tuple[str, str], list[str]] = {}  # (node, what it holds) -> systems
    for system, run in systems.items():
        for node in run.pipeline.nodes:
            owners.setdefault(_identity(run, system, node.name), []).append(system)
    stages: dict[str, StageRef] = {}
    nodes: dict[str, NodeRecord] = {}
    outputs = {}
    for system, run in systems.items():
        named = {DATA: DATA} | {
            node.name: f"{', '.join(owners[_identity(run, system, node.name)])}: {node.name}"
            for node in run.pipeline.nodes
        }
        for ref in run.stages:
            if ref.stage in named:
                label = named[ref.stage]
                stages.setdefault(label, ref.model_copy(update={"stage": label}))
        for node in run.pipeline.nodes:
            nodes.setdefault(named[node.name], _rename_node(node, named))
        outputs[system] = {role: named[name] for role, name in run.pipeline.outputs.items()}
    return United(list(stages.values()), PipelineRecord(nodes=tuple(nodes.values())), outputs)


def _identity(run: RunRecord, system: str, node: str) -> tuple[str, str]:
    """Name and stage key of a node: systems with the same pair share the node."""
    key = next((ref.key for ref in run.stages if ref.stage == node), system)
    return node, key


def _rename_node(node: NodeRecord, named: Mapping[str, str]) -> NodeRecord:
    above, _, way = (node.when or "").partition(".")
    update = {
        "name": named[node.name],
        "reads": {role: named.get(name, name) for role, name in node.reads.items()},
        "when": f"{named.get(above, above)}.{way}" if node.when else None,
    }
    return node.model_copy(update=update)


def _read_changes(
    ref: StageRef, baseline: str, systems: Sequence[str]
) -> tuple[dict[str, dict[str, float]], list[Column]]:
    """Per utterance the score of every system and its change to the baseline."""
    values: dict[str, dict[str, float]] = {}
    for line in read_lines(Path(ref.path) / VALUES):
        entry = parse_json(line)
        scores: dict[str, float] = entry["values"]
        changed = {
            f"change: {name}": score - scores[baseline]
            for name, score in scores.items()
            if name != baseline and baseline in scores
        }
        values[entry["id"]] = {f"score: {name}": score for name, score in scores.items()} | changed
    columns = [Column(f"score: {name}", f"score of {name}, lowest first", "smallest") for name in systems]
    for name in systems:
        if name != baseline:
            columns.append(Column(f"change: {name}", f"{name} above {baseline}, most first"))
            columns.append(Column(f"change: {name}", f"{name} below {baseline}, most first", "smallest"))
    return values, columns


def _read_numbers(ref: StageRef) -> dict[str, dict[str, float]]:
    """Utterance id -> numbers of it in the error attribution."""
    numbers = {}
    for line in read_lines(Path(ref.path) / VALUES):
        entry = parse_json(line)
        numbers[entry.pop("id")] = entry
    return numbers


def sections_of_quarantined(stages: Sequence[StageRef]) -> list[Section]:
    """A section with the quarantined records: the first of each stage, with the reasons."""
    rows, total = [], 0
    for ref in {ref.key: ref for ref in stages if ref.quarantined}.values():
        total += ref.quarantined
        rows += [
            {"stage": ref.stage, "record": bad.utterance_id, "reason": bad.reason, "detail": bad.detail}
            for bad in islice(read_quarantined(ref), MAX_QUARANTINED_PER_STAGE)
        ]
    if not rows:
        return []
    note = f"{format_count(total, 'record')} could not be processed; the others went on."
    if total > len(rows):
        note += f" The first {MAX_QUARANTINED_PER_STAGE} of each stage; "
        note += "antiphon inspect RUN --node NAME lists all."
    return [Section("Quarantined", note, tuple(rows))]


def sections_of_stage(ref: StageRef) -> list[Section]:
    """Sections with the tables and pictures that a stage keeps beside its records."""
    folder = Path(ref.path)
    files = read_seal((folder / SEAL).read_bytes(), str(folder), ref.key).files
    sections = []
    if TABLES in files:
        for table in read_json(folder / TABLES).get("tables", []):
            rows = tuple(map(_row, table["rows"]))
            sections.append(Section(str(table["title"]), str(table.get("note", "")), rows))
    plots = load_pictures(folder / name for name in files if "/" not in name)
    return [*sections, Section(f"Plots of {ref.stage}", pictures=plots)] if plots else sections


_FIRST = (
    *("utterance", "part", "stage", "round", "score"),
    *("pool", "metric", "candidates", "first candidate", "the node"),
    *("try", "became"),
)
"""Columns that stand first, since JSON in the store has its keys in alphabetical order."""


def _row(row: Mapping[str, object]) -> dict[str, Cell]:
    names = [*(name for name in _FIRST if name in row), *(name for name in row if name not in _FIRST)]
    cells: dict[str, Cell] = {name: str(row[name]) for name in names}
    if "utterance" in row:
        cells["utterance"] = link_to_utterance(str(row["utterance"]))
    return cells


def models_of(refs: Mapping[str, StageRef]) -> dict[str, Models]:
    """Stage -> models that made it (reference -> sha256), from the stages' plans."""
    models: dict[str, Models] = {}
    for label, ref in refs.items():
        plan = read_plan(ref)
        weights = plan.get("weights", {})
        models[label] = {name: weights.get(role) for role, name in plan.get("models", {}).items()}
    return models
