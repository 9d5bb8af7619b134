"""Running pipelines and flows from Python, and finding the runs of a store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from antiphon._run import Run
from components.pipeline.pipeline import Pipeline
from components.storage.runs import run_listing
from components.storage.store import Store

if TYPE_CHECKING:
    from components.comparison.comparison import Comparison

COLUMNS = ("name", "flow", "status", "started (UTC)", "scores")
MAX_SCORES = 3


class RunList(list[run_listing.RunEntry]):
    """Runs, the newest first; a notebook or a prompt shows them as a table."""

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row per run: name, flow, status, when it began, its first scores."""
        rows: list[tuple[str, ...]] = []
        for run in self:
            scores = [] if run.record is None else list(run.record.metrics.items())[:MAX_SCORES]
            shown = ", ".join(f"{name} {score.value:.1f}" for name, score in scores)
            flow = "" if run.record is None else run.record.flow
            rows.append((run.name, flow, run.status, run.started[:16].replace("T", " "), shown))
        return rows

    def __repr__(self) -> str:
        rows = [COLUMNS, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        head = "".join(f"<th>{name}</th>" for name in COLUMNS)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def run_pipeline(
    graph: str | Path | Mapping[str, Any] | Pipeline, *, data: str | None = None, **parameters: Any
) -> Run:
    """Run a graph of models over a data set; finished stages are reused, an interrupted run goes on.

    Args:
        graph: a YAML file, its content as a mapping (``nodes``, ``outputs``, ``defaults``, and parameters of
            the run), or a checked :class:`Pipeline`.
        data: a manifest, parallel text ``a.en,a.de``, ``sample`` or ``multi30k:SPLIT``; what the file says,
            else the sample set, if None.
        parameters: what else ``antiphon run pipeline --parameters`` lists: ``audio``, ``limit``, ``store``,
            ``name``, ``replace``, ``seed``, ``source_language``, ``target_language``, ``until`` ...; what the
            file says where one is None.

    Raises:
        ConfigError: a fault of the graph or of a parameter, a line each; nothing was computed.
        AntiphonError: what stopped the run. What was finished is kept.
    """
    values, folder = _graph_values(graph)
    arguments = {"folder": folder, "data": data, **parameters}
    stated = [*values.items(), *arguments.items()]  # of two values of one name the argument counts
    return run_flow("pipeline", **{name: value for name, value in stated if value is not None})


def run_flow(flow: str, /, **parameters: Any) -> Run:
    """Run a flow, such as ``cascade``, ``ensemble``, ``train`` or ``merge``.

    Args:
        flow: one of ``flows.registry.FLOWS``.
        parameters: as ``antiphon run FLOW --parameters`` lists them; groups are mappings:
            ``mt={"beam_size": 8}``.

    Raises:
        ConfigError: a fault of a parameter, a line each; nothing was computed.
        AntiphonError: what stopped the run. What was finished is kept.
    """
    from components.own_code.code_permission import allow_own_code
    from flows.checks import run_checks
    from flows.parameters.faults import check_values
    from flows.registry import flow_named
    from tasks.task_options import unwrap

    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")  # a notebook shows results, not our log
    entry = flow_named(flow)
    checked = check_values(entry.parameters, parameters)
    allow_own_code()  # whoever calls this runs code of his own in this process already
    run_checks(entry.checks(checked))
    record = unwrap(entry.call(**{field: getattr(checked, field) for field in type(checked).model_fields}))
    return Run(record, Store(checked.store))


def transcribe(
    files: str | Path | Sequence[str | Path],
    *,
    language: str | None = None,
    model: str = "packaged:whisper-base",
    **parameters: Any,
) -> Run:
    """Transcribe recordings, as ``antiphon transcribe`` does; ``run.texts()`` has the texts.

    Args:
        files: recordings or videos, folders of them, or patterns.
        language: that is spoken; heard if None.
        model: the recognizer.
        parameters: further ones of the flow ``pipeline``, such as ``store`` and ``name``.

    Raises:
        ConfigError: no such file or model; nothing was computed.
        AntiphonError: what stopped the run.
    """
    graph = {"nodes": {"asr": {"kind": "recognize", "model": model, "word_times": True}}}
    values = {"audio": _join_files(files), "source_language": language, "title": "transcribe", **parameters}
    return run_pipeline(graph, **values)


def translate(
    files: str | Path | Sequence[str | Path],
    to: str,
    *,
    language: str | None = None,
    model: str = "auto",
    asr_model: str = "packaged:whisper-base",
    **parameters: Any,
) -> Run:
    """Translate recordings, or a text or subtitles; ``run.texts()`` has the translations.

    Args:
        files: recordings, or one file of text.
        to: language code of the translation.
        language: of the source; heard, or told by the file's name, if None.
        model: the translator; ``auto``: the best for the languages that this machine has.
        asr_model: the recognizer.
        parameters: further ones of the flow ``pipeline``, such as ``store`` and ``name``.

    Raises:
        ConfigError: no such file, or no model that translates so; nothing was computed.
        AntiphonError: what stopped the run.
    """
    from flows.cli.files.input_files import is_text, language_of_name

    names, nodes = _join_files(files), {}
    source: dict[str, Any] = {"audio": names}
    if is_text(names):
        source, language = {"data": names}, language or language_of_name(names)
    else:
        nodes["asr"] = {"kind": "recognize", "model": asr_model}
    nodes["mt"] = {"kind": "translate", "of": "asr" if nodes else "data", "model": model}
    languages = {"source_language": language, "target_language": to}
    return run_pipeline({"nodes": nodes}, **source, **languages, **{"title": "translate", **parameters})


def _join_files(files: str | Path | Sequence[str | Path]) -> str:
    return str(files) if isinstance(files, str | Path) else "\n".join(map(str, files))


def load_run(name: str, *, store: str | None = None) -> Run:
    """Return a finished run, its stages verified.

    Args:
        name: as ``antiphon runs`` lists it.
        store: a folder or URL; ``ANTIPHON_STORE`` or ./antiphon-store if None.

    Raises:
        StoreError: no such run, one that has not finished, or one that was damaged.
    """
    opened = Store(store)
    return Run(opened.load_run(name), opened)


def list_runs(*, store: str | None = None, flow: str | None = None) -> RunList:
    """Return the runs of a store, the newest first; only their records are read.

    Args:
        store: a folder or URL; ``ANTIPHON_STORE`` or ./antiphon-store if None.
        flow: only runs of this flow.

    Returns:
        A list that shows itself as a table; of each its ``name``, ``status`` (``completed``, ``failed``,
        ``running``, ``unfinished`` ...), when it was ``started``, its ``record`` (None where it has none),
        and its ``acceptance``.
    """
    runs = run_listing.list_runs(Store(store))
    return RunList(
        run for run in runs if flow is None or (run.record is not None and run.record.flow == flow)
    )


def compare_runs(*runs: Run | str, store: str | None = None, **settings: Any) -> Comparison:
    """Compare two or more finished runs of one data set, and write a report beside them.

    Args:
        runs: runs or their names; the first is the baseline unless ``baseline`` names another.
        store: where named runs lie; that of the first :class:`Run` if None.
        settings: as ``antiphon run compare --parameters`` lists them: ``metrics``, ``test``, ``name``,
            ``primary=["beam in chrf"]``, ``scores=["esa=scores.tsv"]``, ``normalizer`` ...

    Returns:
        A row per system (``rows``: scores, cost), and paired tests against the baseline (``differences``).

    Raises:
        ConfigError: fewer than two runs, or a setting that there is none of.
        DataError: runs of different data.
    """
    from components.comparison.analysis import COMPARISON
    from flows.parameters.compare import CompareParameters
    from flows.parameters.faults import check_values
    from flows.python_flows.compare import compare_finished

    stores = [run.store.backend.url for run in runs if isinstance(run, Run)]
    names = tuple(run.name if isinstance(run, Run) else run for run in runs)
    where = store if store is not None or not stores else stores[0]
    values = {"runs": names, "store": where, **settings}
    record = compare_finished(check_values(CompareParameters, values))
    return COMPARISON.read(next(ref for ref in record.stages if ref.stage == "comparison"))


def _graph_values(graph: str | Path | Mapping[str, Any] | Pipeline) -> tuple[dict[str, Any], str | None]:
    """Return a graph as parameters of the flow ``pipeline``, and the folder that its files lie in."""
    from components.pipeline.written import values_of
    from flows.parameters.pipeline_files import read_file, resolve_file_paths

    if isinstance(graph, Pipeline):
        return values_of(graph), str(graph.folder)
    if isinstance(graph, Mapping):
        return dict(graph), None
    path = Path(graph)
    values, _ = read_file(path)
    return resolve_file_paths(values, path), str(path.parent.resolve())
