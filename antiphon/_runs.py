"""Running pipelines and flows from Python, and reading what every node of a run gave."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from antiphon._rows import Per, Row, node_rows, run_html, whole_row
from components.errors import ConfigError, DataError
from components.pipeline.pipeline import Pipeline
from components.records import NodeOutcome, Utterance
from components.run_record import RunRecord, Score
from components.storage.store import Store

if TYPE_CHECKING:
    from components.analysis.comparison import Comparison
    from components.storage.run_listing import RunEntry
    from reports.views.run_view import RunView


class Run:
    """A finished run: its scores, and what every node gave for every utterance, read from the store.

    Attributes:
        record: what ``run.json`` holds: flow, status, parameters, stages, graph, versions and notes.
        store: where its stages lie.
    """

    def __init__(self, record: RunRecord, store: Store) -> None:
        self.record = record
        self.store = store

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {score.value:.1f}" for name, score in self.scores.items())
        return f"Run({self.name!r}, {self.record.status}{', ' + scores if scores else ''})"

    @property
    def name(self) -> str:
        """Its name in the store."""
        return self.record.name

    @property
    def path(self) -> Path:
        """Its folder, with ``run.json``, ``metrics.json`` and ``report.html``."""
        return self.store.run_folder(self.name)

    @property
    def scores(self) -> dict[str, Score]:
        """Metric -> score with its interval and protocol, such as ``wer`` and ``bleu``."""
        return dict(self.record.metrics)

    @property
    def nodes(self) -> list[str]:
        """The nodes that gave something for each utterance, in the order of the graph."""
        return list(self._view.outcomes)

    @property
    def utterances(self) -> list[Utterance]:
        """Its data set."""
        return list(self._view.utterances)

    def outcomes(self, node: str) -> Mapping[str, NodeOutcome]:
        """What a node gave, by utterance id; a record is read from the store when it is asked for.

        Returns:
            Utterance id -> ``NBest`` (texts, best first), ``Route`` (a way), ``Utterance``
            (speech), or ``Quarantined`` (why there is none).

        Raises:
            ConfigError: the run has no such node.
        """
        if node not in self._view.outcomes:
            raise ConfigError(f"node: expected one of {', '.join(self.nodes) or 'none'}, found {node!r}")
        return self._view.outcomes[node]

    def audio_path(self, utterance_id: str) -> Path | None:
        """The recording of an utterance on this machine; None of an utterance that is text.

        The utterance is the stretch of it from ``audio.offset`` on, ``audio.seconds`` long.

        Raises:
            ConfigError: the data set has no such utterance.
            DataError: the recording is gone.
        """
        utterance = self._by_id.get(utterance_id)
        if utterance is None:
            near = get_close_matches(utterance_id, self._by_id, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(
                f"id: expected one of {len(self._by_id)} utterances, found {utterance_id!r}{hint}"
            )
        if utterance.audio is None:
            return None
        path = Path(utterance.audio.path)
        if not path.exists():
            raise DataError(
                f"{utterance_id}: expected its recording at {path}, found none; it was moved or removed"
            )
        return path

    def records(self, node: str | None = None, per: Per = "utterance") -> list[Row]:
        """What a node gave, or the whole run, as plain dictionaries.

        Each has the recording of its utterance (``audio``: path, ``offset``, ``seconds``), ``speaker`` and
        ``domain``.

        Args:
            node: one of :attr:`nodes`; a dictionary per utterance that it had. None: a dictionary per
                utterance of the data set, with its references and the best text of every node.
            per: what a dictionary of a node stands for: an ``utterance``, or a ``segment`` or ``word`` of its
                best text with ``start`` and ``end`` in seconds from the start of the utterance.

        Raises:
            ConfigError: the run has no such node, or ``per`` is asked of no node.
        """
        if per not in get_args(Per) or (node is None and per != "utterance"):
            raise ConfigError(f"per: expected utterance, or segment or word of a node, found {per!r}")
        if node is None:
            named = self._view.outcomes.items()
            return [
                whole_row(utterance, {name: outcomes.get(utterance.id) for name, outcomes in named})
                for utterance in self._view.utterances
            ]
        return [
            row
            for key, outcome in self.outcomes(node).items()
            for row in node_rows(outcome, self._by_id.get(key), key, per)
        ]

    def frame(self, node: str | None = None, per: Per = "utterance") -> Any:
        """The :meth:`records` as a ``pandas.DataFrame``, utterance ids as its index.

        Raises:
            ConfigError: the run has no such node, or pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ConfigError(
                "frame: expected pandas, found none; pip install pandas, or use records()"
            ) from None
        records = self.records(node, per)
        columns = list(dict.fromkeys(name for row in records for name in row)) or ["id"]
        return pandas.DataFrame(records, columns=columns).set_index("id")

    def _repr_html_(self) -> str:
        """Its nodes and scores as a table, which a notebook shows."""
        return run_html(self.record)

    @cached_property
    def _by_id(self) -> dict[str, Utterance]:
        return {utterance.id: utterance for utterance in self._view.utterances}

    @cached_property
    def _view(self) -> RunView:
        from reports.page.report_view import view_of

        return view_of(self.record, self.store)


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
            ``name``, ``replace``, ``seed``, ``source_language``, ``target_language``, ``until`` ...

    Raises:
        ConfigError: a fault of the graph or of a parameter, a line each; nothing was computed.
        AntiphonError: what stopped the run. What was finished is kept.
    """
    values, folder = _graph_values(graph)
    values |= {"folder": folder, "data": data, **parameters}
    return run_flow("pipeline", **{name: value for name, value in values.items() if value is not None})


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
    from pydantic import ValidationError

    from components.nodes.code_permission import allow_own_code
    from flows.parameters.faults import describe_faults
    from flows.preflight import check_needs
    from flows.registry import flow_named
    from tasks.task_options import unwrap

    entry = flow_named(flow)
    try:
        checked = entry.parameters.model_validate(parameters)
    except ValidationError as error:
        raise ConfigError("\n".join(describe_faults(entry.parameters, error))) from None
    allow_own_code()  # whoever calls this runs code of his own in this process already
    check_needs(entry.needs(checked))
    record = unwrap(entry.call(**{field: getattr(checked, field) for field in type(checked).model_fields}))
    return Run(record, Store(checked.store))


def load_run(name: str, *, store: str | None = None) -> Run:
    """A finished run, its stages verified.

    Args:
        name: as ``antiphon runs`` lists it.
        store: a folder or URL; ``ANTIPHON_STORE`` or ./antiphon-store if None.

    Raises:
        StoreError: no such run, one that has not finished, or one that was damaged.
    """
    opened = Store(store)
    return Run(opened.load_run(name), opened)


def list_runs(*, store: str | None = None, flow: str | None = None) -> list[RunEntry]:
    """The runs of a store, the newest first; only their records are read.

    Args:
        store: a folder or URL; ``ANTIPHON_STORE`` or ./antiphon-store if None.
        flow: only runs of this flow.

    Returns:
        Of each its ``name``, ``status`` (``completed``, ``failed``, ``running``, ``unfinished`` ...), when it
        was ``started``, its ``record`` (None where it has none), and its ``acceptance``.
    """
    from components.storage import run_listing

    runs = run_listing.list_runs(Store(store))
    return [run for run in runs if flow is None or (run.record is not None and run.record.flow == flow)]


def compare_runs(*runs: Run | str, store: str | None = None, **settings: Any) -> Comparison:
    """Compare two or more finished runs of one data set, and write a report beside them.

    Args:
        runs: runs or their names; the first is the baseline unless ``baseline`` names another.
        store: where named runs lie; that of the first :class:`Run` if None.
        settings: as ``antiphon run compare --parameters`` lists them: ``metrics``, ``test``, ``name`` ...

    Returns:
        A row per system (``rows``: scores, cost), and paired tests against the baseline (``differences``).

    Raises:
        ConfigError: fewer than two runs, or a setting that there is none of.
        DataError: runs of different data.
    """
    from flows.compare import compare_finished
    from flows.parameters.compare import CompareParameters
    from reports.analyses.stage_results import read_comparison

    stores = [run.store.backend.url for run in runs if isinstance(run, Run)]
    names = tuple(run.name if isinstance(run, Run) else run for run in runs)
    where = store if store is not None or not stores else stores[0]
    record = compare_finished(CompareParameters(runs=names, store=where, **settings))
    return read_comparison(next(ref for ref in record.stages if ref.stage == "comparison"))


def _graph_values(graph: str | Path | Mapping[str, Any] | Pipeline) -> tuple[dict[str, Any], str | None]:
    """A graph as parameters of the flow ``pipeline``, and the folder that its files lie in."""
    from components.pipeline.rewriting import values_of
    from flows.cli.config_file import read_file

    if isinstance(graph, Pipeline):
        return values_of(graph), str(graph.folder)
    if isinstance(graph, Mapping):
        return dict(graph), None
    path = Path(graph)
    values, _ = read_file(path)
    return values, str(path.parent.resolve())
