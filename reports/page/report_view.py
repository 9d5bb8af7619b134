"""Builds the view of a finished run or comparison from the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from components.analysis.analysis import Numbers, Result, results_of
from components.analysis.formatting import flatten_parameters
from components.analysis.measuring.overview import read_overview
from components.analysis.run_outputs import cost_of, text_stages
from components.analysis.table import Cell, Table, link_to_utterance, load_pictures
from components.export.beside_report import RULES
from components.files.files import read_json
from components.metrics.metric import Output
from components.nodes.kind import KINDS
from components.pipeline.items.item_gatherer import RECORDS
from components.pipeline.pipeline import DATA
from components.run_record import NodeRecord, PipelineRecord, RunRecord, StageRef
from components.storage.runs.report_files import TEXTS
from components.storage.stages.reader import read_plan, read_quarantined, read_tallies
from components.storage.stages.seal import SEAL, read_seal
from components.storage.stages.stored_records import StoredOutcomes, StoredRecords, StoredUtterances
from components.storage.stages.whole_stage import TABLES
from components.storage.store import Store
from components.text.counted_nouns import format_count
from reports.analyses.verdict import verdict_of
from reports.views.rows import Models
from reports.views.run_view import RunView

MAX_QUARANTINED_PER_STAGE = 20
"""Records of a stage whose reasons a report shows."""


def view_of(run: RunRecord, store: Store) -> RunView:
    """Return the view of a run; records are read from the store when they are asked for."""
    results = [Shown(ref, result, result.read(ref)) for ref, result in results_of(run.stages)]
    baselines = (shown.result.baseline(shown.findings) for shown in results)
    baseline = next((name for name in baselines if name is not None), None)
    if baseline is not None:
        return _view_of_systems(run, baseline, results, store)
    stages = {ref.stage: ref for ref in run.stages}
    numbers = [shown.result.numbers(shown.ref, shown.findings) for shown in results]
    return RunView(
        run,
        StoredUtterances(stages[DATA]) if DATA in stages else (),
        {
            node.name: StoredRecords(stages[node.name], RECORDS[node.output], stages.get(DATA))
            for node in run.pipeline.of_data()
            if node.name in stages
        },
        models_of(stages),
        sections=[*sections_of_quarantined(run.stages), *_sections(run, results)],
        columns=[column for each in numbers for column in each.columns],
        values=_join_values(numbers),
        verdict=verdict_of(run),
        texts=list_texts(store.run_folder(run.name)),
        cost=cost_of(run, store) if DATA in stages and text_stages(run) else None,
        tallies={name: read_tallies(ref) for name, ref in stages.items()},
        overview=next((read_overview(Path(ref.path)) for ref in run.stages if ref.kind == "metrics"), None),
    )


class Shown(NamedTuple):
    """A stage that an analysis has left, what shows it, and what it found out."""

    ref: StageRef
    result: Result[Any]
    findings: Any


def _view_of_systems(run: RunRecord, baseline: str, results: Sequence[Shown], store: Store) -> RunView:
    """Return the view of runs beside each other: the systems' graphs as one, with numbers of every system."""
    names = sorted(run.systems, key=lambda name: name != baseline)  # it comes first
    systems = {name: store.load_run(run.systems[name]) for name in names}
    united = unite(systems)
    refs = {stage.stage: stage for stage in united.stages}
    outputs = dict.fromkeys(name for of in united.outputs.values() for name in of.values() if name in refs)
    numbers = [shown.result.numbers(shown.ref, shown.findings) for shown in results]
    compared = [shown.ref for shown in results if shown.result.baseline(shown.findings) is not None]
    update = {"stages": (*united.stages, *compared), "pipeline": united.pipeline, "metrics": {}}
    return RunView(
        run.model_copy(update=update),
        StoredUtterances(refs[DATA]) if DATA in refs else (),
        {name: StoredOutcomes(refs[name], refs.get(DATA)) for name in outputs},
        models_of(refs),
        sections=_sections(run, results, settings_section(systems)),
        columns=[column for each in numbers for column in each.columns],
        values=_join_values(numbers),
        systems=united.outputs,
        verdict=verdict_of(run),
    )


def _sections(run: RunRecord, results: Sequence[Shown], settings: Sequence[Table] = ()) -> list[Table]:
    """The tables of analyses, and those that other stages keep; systems beside each other come first."""
    shown_by = {shown.ref.stage: shown for shown in results}
    first = [shown for shown in results if shown.result.baseline(shown.findings) is not None]
    rest = [ref for ref in run.stages if ref.stage not in {shown.ref.stage for shown in first}]
    sections = [*(table for shown in first for table in _tables_of(shown)), *settings]
    for ref in rest:
        shown = shown_by.get(ref.stage)
        sections += sections_of_stage(ref) if shown is None else [*_tables_of(shown), *pictures_of_stage(ref)]
    return sections


def _tables_of(shown: Shown) -> list[Table]:
    """Return the tables of an analysis; those of one of several nodes are named for it."""
    tables: list[Table] = shown.result.tables(shown.findings)
    if shown.ref.stage != shown.ref.kind and shown.ref.kind in KINDS:  # one of several nodes
        tables = [replace(table, title=f"{table.title}: {shown.ref.stage}") for table in tables]
    return tables


def _join_values(numbers: Sequence[Numbers]) -> dict[str, dict[str, float]]:
    """Return the numbers of all analyses by utterance id."""
    joined: dict[str, dict[str, float]] = {}
    for each in numbers:
        for key, values in each.values.items():
            joined.setdefault(key, {}).update(values)
    return joined


def settings_section(systems: Mapping[str, RunRecord]) -> list[Table]:
    """Return a table of the parameters in which systems differ, but for names and places."""
    flat = {name: dict(flatten_parameters(run.parameters)) for name, run in systems.items()}
    names = dict.fromkeys(name for parameters in flat.values() for name in parameters if name not in _PLACES)
    rows = []
    for name in names:
        values = {system: parameters.get(name, "") for system, parameters in flat.items()}
        if len(set(values.values())) > 1:
            rows.append({"parameter": name} | values)
    return [Table("Settings that differ", "", tuple(rows))] if rows else []


_PLACES = ("name", "store", "replace", "engine")


def list_texts(folder: Path) -> list[str]:
    """Return the text files beside a report, such as subtitles, relative to it."""
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
    above, _, branch = (node.when or "").partition(".")
    update = {
        "name": named[node.name],
        "reads": {role: named.get(name, name) for role, name in node.reads.items()},
        "when": f"{named.get(above, above)}.{branch}" if node.when else None,
    }
    return node.model_copy(update=update)


def sections_of_quarantined(stages: Sequence[StageRef]) -> list[Table]:
    """Return a section with the quarantined records: the first of each stage, with the reasons."""
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
    return [Table("Quarantined", note, tuple(rows))]


def sections_of_stage(ref: StageRef) -> list[Table]:
    """Return sections with the tables and pictures that a stage keeps beside its records."""
    folder, sections = Path(ref.path), []
    if TABLES in _files_of(ref):
        for table in read_json(folder / TABLES).get("tables", []):
            rows = tuple(map(_row, table["rows"]))
            columns = tuple(map(str, table.get("columns", ())))
            title, note = f"{ref.stage}: {table['title']}", str(table.get("note", ""))
            sections.append(Table(title, note, rows, columns=columns))
    return [*sections, *pictures_of_stage(ref)]


def pictures_of_stage(ref: StageRef) -> list[Table]:
    """Return a section with the pictures that a stage keeps, if it keeps any."""
    pictures = load_pictures(Path(ref.path) / name for name in _files_of(ref) if "/" not in name)
    return [Table(f"Plots of {ref.stage}", pictures=pictures)] if pictures else []


def _files_of(ref: StageRef) -> Collection[str]:
    folder = Path(ref.path)
    return read_seal((folder / SEAL).read_bytes(), str(folder), ref.key).files


def _row(row: Mapping[str, object]) -> dict[str, Cell]:
    cells: dict[str, Cell] = {name: str(value) for name, value in row.items()}
    if "utterance" in row:
        cells["utterance"] = link_to_utterance(str(row["utterance"]))
    return cells


def models_of(refs: Mapping[str, StageRef]) -> dict[str, Models]:
    """Stage -> models that made it (reference -> sha256), from the stages' plans; its own by their nodes."""
    models, made = dict[str, Models](), {f"store:{ref.key}": f"node:{ref.stage}" for ref in refs.values()}
    for label, ref in refs.items():
        plan = read_plan(ref)
        named = {role: made.get(name, name) for role, name in plan.get("models", {}).items()}
        models[label] = {name: plan.get("weights", {}).get(role) for role, name in named.items()}
    return models
