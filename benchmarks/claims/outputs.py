"""What an experiment keeps: the texts of its systems with their statistics, and other measurements.

Pages and tests read statistics, so that they need neither models nor references (which are not ours to keep);
the texts are there to be read and scored again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.manifest import OUTPUTS, Manifest, read_lines, write_lines
from benchmarks.common.text_statistics import to_json
from components.metrics.statistics.corpus_statistics import CorpusStatistics, text_statistics
from components.metrics.table import METRICS
from components.records import Utterance

Texts = Mapping[str, str]


@dataclass
class SystemOutputs:
    """The outputs of one system (of one seed) on one test set."""

    data: str
    system: str
    seed: int
    texts: list[str]
    statistics: dict[str, list[list[float]]] = field(default_factory=dict)
    signatures: dict[str, str] = field(default_factory=dict)


@dataclass
class Outputs:
    """All that one experiment keeps.

    Attributes:
        manifest: how it came about.
        ids: test set -> ids of its utterances; texts and statistics are in their order.
        systems: outputs by system, seed and set.
        measurements: name -> anything else, as JSON.
    """

    manifest: Manifest
    ids: dict[str, list[str]] = field(default_factory=dict)
    systems: list[SystemOutputs] = field(default_factory=list)
    measurements: dict[str, Any] = field(default_factory=dict)

    def add_translations(
        self,
        data: str,
        utterances: Sequence[Utterance],
        system: str,
        seed: int,
        texts: Texts,
        language: str = "de",
        *,
        metrics: Sequence[str] = ("bleu", "chrf"),
        keep_texts: bool = True,
    ) -> None:
        """Keep translations with the statistics of ``metrics``; of many like systems the statistics alone.

        1,000 captions take 25 kB, their statistics 5 kB (BLEU) and 20 kB (chrF).
        """
        references = {u.id: u.references for u in utterances}
        self._add(data, references, (system, seed), texts, language, metrics, keep_texts)

    def add_transcripts(
        self,
        data: str,
        utterances: Sequence[Utterance],
        system: str,
        seed: int,
        texts: Texts,
        language: str = "en",
        *,
        keep_texts: bool = True,
    ) -> None:
        """Keep transcripts with the statistics of WER; of speech that is not ours to keep these alone."""
        references = {u.id: (u.transcript or "",) for u in utterances}
        self._add(data, references, (system, seed), texts, language, ("wer",), keep_texts)

    def statistics(self, data: str, system: str, seed: int, metric: str = "bleu") -> CorpusStatistics:
        """The kept statistics of one system, as tests take them."""
        row = next(s for s in self.systems if (s.data, s.system, s.seed) == (data, system, seed))
        ids = tuple(self.ids[data])
        return CorpusStatistics(
            METRICS[metric],
            ids,
            np.asarray(row.statistics[metric], np.float64),
            len(ids),
            row.signatures[metric],
        )

    def joined(self, data: Sequence[str], system: str, seed: int, metric: str = "bleu") -> CorpusStatistics:
        """The statistics of several sets as those of one corpus."""
        parts = [self.statistics(name, system, seed, metric) for name in data]
        ids = tuple(f"{name}/{key}" for name, part in zip(data, parts, strict=True) for key in part.ids)
        rows = np.concatenate([part.rows for part in parts])
        return CorpusStatistics(parts[0].metric, ids, rows, len(ids), parts[0].signature)

    def seeds(self, system: str, data: str | None = None) -> list[int]:
        """Seeds of which there are outputs of a system."""
        return sorted({s.seed for s in self.systems if s.system == system and data in (None, s.data)})

    def names(self, data: str) -> list[str]:
        """Systems on a test set, in the order in which they were kept."""
        return list(dict.fromkeys(s.system for s in self.systems if s.data == data))

    def _add(
        self,
        data: str,
        references: Mapping[str, Sequence[str]],
        name: tuple[str, int],
        texts: Texts,
        language: str,
        metrics: Sequence[str],
        keep_texts: bool,
    ) -> None:
        ids = list(references)
        if self.ids.setdefault(data, ids) != ids:
            raise ValueError(f"{data}: expected the utterances that other systems have")
        missing = [key for key in ids if key not in texts]
        if missing:
            raise ValueError(
                f"{name} on {data}: {len(missing)} of {len(ids)} have no output, first {missing[0]}"
            )
        tables = text_statistics(references, texts, language=language, n_total=len(ids), names=metrics)
        statistics = {metric: to_json(table.rows) for metric, table in tables.items()}
        signatures = {metric: table.signature for metric, table in tables.items()}
        ordered = [texts[key] for key in ids] if keep_texts else []
        self.systems.append(SystemOutputs(data, *name, ordered, statistics, signatures))


def outputs_file(experiment: str, folder: Path = OUTPUTS) -> Path:
    """Where the outputs of an experiment are kept."""
    return folder / f"{experiment.replace('_', '-')}.jsonl.gz"


def write_outputs(experiment: str, outputs: Outputs, folder: Path = OUTPUTS) -> None:
    """Keep the outputs of an experiment."""
    write_lines(outputs_file(experiment, folder), _rows_of(outputs))


def _rows_of(outputs: Outputs) -> Iterable[dict[str, Any]]:
    yield {"manifest": outputs.manifest.model_dump(mode="json")}
    for data, ids in outputs.ids.items():
        yield {"data": data, "ids": ids}
    for system in outputs.systems:
        yield {"outputs": vars(system)}
    for name, value in outputs.measurements.items():
        yield {"measurement": name, "value": value}


def read_outputs(experiment: str, folder: Path = OUTPUTS) -> Outputs | None:
    """The kept outputs of an experiment; None where it was not run."""
    path = outputs_file(experiment, folder)
    if not path.exists():
        return None
    first, *rows = read_lines(path)
    outputs = Outputs(Manifest.model_validate(first["manifest"]))
    for row in rows:
        if "ids" in row:
            outputs.ids[row["data"]] = row["ids"]
        elif "outputs" in row:
            outputs.systems.append(SystemOutputs(**row["outputs"]))
        else:
            outputs.measurements[row["measurement"]] = row["value"]
    return outputs
