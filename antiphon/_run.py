"""A finished run: what every node of it gave, as records, rows and frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from antiphon._rows import Per, Row, describe_utterance, format_run_as_html, list_rows_of_node
from components.audio.local_files import find_local_file, local_file
from components.errors import ConfigError, DataError
from components.files.locations.location import is_remote
from components.records import NBest, NodeOutcome, Utterance
from components.run_record import RunRecord, Score
from components.storage.store import Store
from components.text.suggestions import did_you_mean

if TYPE_CHECKING:
    from components.export.format_names import TextFormat
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
    def verdict(self) -> list[str]:
        """What came out, in the sentences that stand first in its report."""
        from reports.analyses.verdict import verdict_of

        return [sentence.text for sentence in verdict_of(self.record)]

    def texts(self, node: str | None = None) -> dict[str, str]:
        """Return the best text of each utterance by its id, of a node, or of the last one that gives texts.

        Raises:
            ConfigError: the run has no such node.
        """
        named = node or next(
            (each.name for each in reversed(self.record.pipeline.of_data()) if each.output == "text"), ""
        )
        return {key: each.best.text for key, each in self.outcomes(named).items() if isinstance(each, NBest)}

    @property
    def nodes(self) -> list[str]:
        """The nodes that gave something for each utterance, in the order of the graph."""
        return list(self._view.outcomes)

    @property
    def utterances(self) -> list[Utterance]:
        """Its data set."""
        return list(self._view.utterances)

    def outcomes(self, node: str) -> Mapping[str, NodeOutcome]:
        """Return what a node gave, by utterance id; a record is read from the store when it is asked for.

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
        """Return the recording of an utterance on this machine; None of an utterance that is text.

        The utterance is the stretch of it from ``audio.offset`` on, ``audio.seconds`` long.

        Raises:
            ConfigError: the data set has no such utterance.
            DataError: the recording is gone.
        """
        utterance = self._by_id.get(utterance_id)
        if utterance is None:
            hint = did_you_mean(utterance_id, self._by_id)
            raise ConfigError(
                f"id: expected one of {len(self._by_id)} utterances, found {utterance_id!r}{hint}"
            )
        if utterance.audio is None:
            return None
        path, where = find_local_file(utterance.audio), utterance.audio.path
        if path is None and is_remote(where):
            return local_file(utterance.audio)
        if path is None:
            raise DataError(
                f"{utterance_id}: expected its recording at {where}, found none; it was moved or removed"
            )
        return path

    def records(self, node: str | None = None, per: Per = "utterance") -> list[Row]:
        """Return what a node gave, or the whole run, as plain dictionaries.

        Each has the recording of its utterance (``audio``: path, ``offset``, ``seconds``), ``speaker`` and
        ``domain``.

        Args:
            node: one of :attr:`nodes`; a dictionary per utterance that it had. None: a dictionary per
                utterance of the data set, with its references and the best text of every node, by its name
                (``node:NAME`` where the data set has a column of that name).
            per: what a dictionary of a node stands for: an ``utterance``, or a ``segment`` or ``word`` of its
                best text with ``start`` and ``end`` in seconds from the start of the utterance.

        Raises:
            ConfigError: the run has no such node, ``per`` is asked of no node, or its texts have no times.
        """
        if per not in get_args(Per) or (node is None and per != "utterance"):
            raise ConfigError(f"per: expected utterance, or segment or word of a node, found {per!r}")
        if node is None:
            named = self._view.outcomes.items()
            return [
                describe_utterance(utterance, {name: outcomes.get(utterance.id) for name, outcomes in named})
                for utterance in self._view.utterances
            ]
        rows = [
            row
            for key, outcome in self.outcomes(node).items()
            for row in list_rows_of_node(outcome, self._by_id.get(key), key, per)
        ]
        if not rows and per != "utterance" and any(self.texts(node).values()):
            setting = ": set word_times: true of the node and run it again" if per == "word" else ""
            raise ConfigError(f"per: expected texts of {node} with times of each {per}, found none{setting}")
        return rows

    def frame(self, node: str | None = None, per: Per = "utterance") -> Any:
        """Return the :meth:`records` as a ``pandas.DataFrame``, utterance ids as its index.

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
        """Return its nodes and scores as a table, which a notebook shows."""
        return format_run_as_html(self.record)

    def export(
        self,
        folder: str | Path,
        formats: Sequence[TextFormat] = ("txt",),
        *,
        nodes: Sequence[str] = (),
        bilingual: bool = False,
        mark_below: float | None = None,
        overwrite: bool = False,
        **rules: float,
    ) -> list[Path]:
        """Write texts as files: one per recording, language and format, or one table of all recordings.

        Args:
            folder: of the files; made if it is not there.
            formats: of ``txt``, ``docx``, ``srt``, ``vtt``, ``tsv``, ``jsonl``, ``json``, ``parquet``.
            nodes: whose texts; the run's transcript and translation if empty.
            bilingual: translations together with their sources.
            mark_below: words whose confidence is below it are marked.
            overwrite: files that hold something else.
            rules: of subtitles, such as ``max_line_width=42`` (docs/use/export.md has them).

        Returns:
            The files; records without a text are left out.

        Raises:
            ConfigError: no such format, node or rule, or a file holds something else.
            StoreError: the disk is full.
        """
        from components.export.export import write_run
        from components.export.format import ExportSettings
        from components.export.formats import FORMATS
        from components.export.run_texts import RunTexts
        from components.export.subtitles.rules import SubtitleRules
        from flows.parameters.faults import check_values

        if unknown := [name for name in formats if name not in FORMATS]:
            raise ConfigError(f"format: expected some of {', '.join(FORMATS)}, found {unknown[0]!r}")
        settings = ExportSettings(check_values(SubtitleRules, rules), bilingual, mark_below)
        texts = RunTexts(self.record)
        return write_run(
            texts, texts.select_nodes(nodes), formats, settings, Path(folder), overwrite=overwrite
        ).files

    @cached_property
    def _by_id(self) -> dict[str, Utterance]:
        return {utterance.id: utterance for utterance in self._view.utterances}

    @cached_property
    def _view(self) -> RunView:
        from reports.page.report_view import view_of

        return view_of(self.record, self.store)
