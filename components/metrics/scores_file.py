"""``scores.tsv``: scores of outputs that somebody else has computed or judged, read and checked.

One row per judgement: the utterance's ``id``, the ``system`` whose output it is of, and the ``value``;
further columns may name the ``metric`` and the ``annotator``. Rows without a value are left out: nobody has
judged them yet. Everything else that is wrong is one line per kind of fault, with the first of its kind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from components.audio.container import read_regular_file
from components.errors import ConfigError, DataError
from components.metrics.judgement_table import TableFaults, open_table, read_cells
from components.metrics.scores_settings import NAME, ScoresFile
from components.metrics.statistics.agreement import krippendorff_alpha
from components.metrics.table import METRICS
from components.text.suggestions import suggest
from components.text.table_cells import nfc
from components.text.text_encoding import MAX_BYTES, decode_text

COLUMNS = ("id", "system", "value")
"""Columns that a file must have."""
_FURTHER_COLUMNS = ("metric", "annotator")


@dataclass(frozen=True)
class ExternalScores:
    """The scores of one name: system -> utterance id -> mean over its annotators.

    Attributes:
        name: of the score.
        higher_is_better: its direction.
        values: by system and utterance.
        annotators: how many are named.
        agreement: krippendorff's alpha of those who judged the same output; None where nobody did.
    """

    name: str
    higher_is_better: bool
    values: Mapping[str, Mapping[str, float]]
    annotators: int = 0
    agreement: float | None = None

    def rename_systems(self, labels: Mapping[str, str]) -> ExternalScores:
        """Return the scores with other names for some systems, where these have none of their own.

        Args:
            labels: name of a run -> how the comparison calls it.
        """
        renamed = {
            labels.get(name, name) if labels.get(name) not in self.values else name: of
            for name, of in self.values.items()
        }
        return replace(self, values=renamed)


class _Row(NamedTuple):
    id: str
    system: str
    value: float
    metric: str
    annotator: str


def load_scores(files: Sequence[ScoresFile]) -> list[ExternalScores]:
    """Read files of external scores.

    Raises:
        ConfigError: one cannot be read, or a name of a metric, or one twice.
    """
    entries = [entry for file in files for entry in read_scores(file)]
    names = [entry.name for entry in entries]
    for name in names:
        is_metric = name in METRICS and not METRICS[name].needs_model  # a COMET of one's own is welcome
        if is_metric or names.count(name) > 1:
            taken = "is a metric of Antiphon" if is_metric else "is there twice"
            raise ConfigError(
                f"scores: expected a name of its own for each, found {name!r}, which {taken}; "
                "write OTHER=FILE"
            )
    return entries


def read_scores(scores: ScoresFile) -> list[ExternalScores]:
    """Read a file of external scores: one entry, or one per metric where the file has several and no name.

    Raises:
        ConfigError: it cannot be read, or rows of it are no scores; a line per kind of fault.
    """
    path = Path(scores.file)
    rows = list(_read_rows(path))
    metrics = list(dict.fromkeys(row.metric for row in rows))
    if not rows:
        raise ConfigError(f"{path.name}: expected rows with a value, found none; was anything judged?")
    if metrics == [""]:
        return [_gather(scores.name or _name_of(path), rows, scores)]
    if scores.name is not None and scores.name not in metrics:
        raise ConfigError(
            f"{path.name}: expected rows of the metric {scores.name}{suggest(scores.name, metrics)}"
        )
    names = [scores.name] if scores.name is not None else metrics
    return [_gather(name, [row for row in rows if row.metric == name], scores) for name in names]


def _name_of(path: Path) -> str:
    name = path.name.partition(".")[0]
    return name if re.match(NAME, name) else "scores"


def _gather(name: str, rows: list[_Row], scores: ScoresFile) -> ExternalScores:
    judged: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        judged.setdefault((row.system, row.id), []).append(row.value)
    values: dict[str, dict[str, float]] = {}
    for (system, key), of_annotators in judged.items():
        values.setdefault(system, {})[key] = fmean(of_annotators)
    return ExternalScores(
        name=name,
        higher_is_better=not scores.lower_is_better,
        values=values,
        annotators=len({row.annotator for row in rows} - {""}),
        agreement=krippendorff_alpha(judged.values()),
    )


def _read_rows(path: Path) -> Iterator[_Row]:
    """Yield the rows of a file that have a value.

    Raises:
        ConfigError: a line per kind of fault.
    """
    try:
        text = decode_text(read_regular_file(path, MAX_BYTES), path.name).text
    except (OSError, DataError) as error:
        raise ConfigError(f"expected a file of scores, found {error}") from error
    reader = open_table(text)
    names = list(reader.fieldnames or ())
    if missing := [name for name in COLUMNS if name not in names]:
        raise ConfigError(
            f"{path.name}:1: expected a header line with the columns {', '.join(COLUMNS)}, separated by "
            f"tabs, found no {', '.join(missing)} in {', '.join(names)[:100] or 'nothing'}"
        )
    if repeated := [name for name in (*COLUMNS, *_FURTHER_COLUMNS) if names.count(name) > 1]:
        raise ConfigError(
            f"{path.name}:1: expected every column once, found {', '.join(repeated)} again; rename one"
        )
    faults, seen = TableFaults(path.name), set[tuple[str, str, str, str]]()
    rows = [
        row
        for cells in read_cells(reader, faults)
        if (row := _read_row(cells, reader.line_num, faults, seen))
    ]
    faults.refuse()
    yield from rows


def _read_row(
    cells: Mapping[str | None, Any], line: int, faults: TableFaults, seen: set[tuple[str, str, str, str]]
) -> _Row | None:
    texts = {name: nfc((cells.get(name) or "").strip()) for name in (*COLUMNS, *_FURTHER_COLUMNS)}
    if None in cells:
        faults.add("expected as many cells as the header has", line, "look for a stray tab")
    if not texts["value"]:
        return None
    if not texts["id"] or not texts["system"]:
        faults.add("expected an id and a system in every row", line, "empty")
    try:
        value = float(texts["value"])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        faults.add("expected finite numbers as values", line, repr(texts["value"][:40]))
    if texts["metric"] and not re.match(NAME, texts["metric"]):
        faults.add("expected names of letters, digits, - and _ as metrics", line, repr(texts["metric"][:40]))
    key = texts["id"], texts["system"], texts["metric"], texts["annotator"]
    if key in seen:
        faults.add(
            "expected one value of each id and system by each annotator", line, f"{key[0]!r} of {key[1]}"
        )
    seen.add(key)
    return _Row(texts["id"], texts["system"], value, texts["metric"], texts["annotator"])
