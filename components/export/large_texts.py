"""The texts of a large run: a table of ids and texts for each output, written while its stage is read.

Records are not parsed: `antiphon export` makes tables with times and confidences of them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from components.analysis.measuring.overview import LARGE
from components.files.files import rename_durably, staging_folder
from components.files.json_text import parse_json
from components.pipeline.pipeline import DATA
from components.run_record import RunRecord, StageRef
from components.storage.shards.line_ids import id_of_line, unquote
from components.storage.shards.shard import parse_refused
from components.storage.stages.reader import read_shard, read_shards, store_of
from components.text.table_cells import guard_cell, guard_id, join_cells

COLUMNS = ("id", "text", "quarantined")
_TEXT_FIRST = re.compile(
    rb'\{"utterance_id":"[^"\\]*(?:\\.[^"\\]*)*","hypotheses":\[\{"text":("[^"\\]*(?:\\.[^"\\]*)*")'
)
"""The beginning of a stored n-best list: the best hypothesis stands first, and its text in it."""


def is_large(run: RunRecord) -> bool:
    """Return whether a run has more utterances than its page shows."""
    return any(ref.stage == DATA and ref.items - ref.quarantined > LARGE for ref in run.stages)


def write_tables(run: RunRecord, folder: Path) -> list[str]:
    """Write ``NODE.tsv`` for every output of a run in the place of a folder; their names.

    Args:
        run: finished.
        folder: for its texts.
    """
    stages = {ref.stage: ref for ref in run.stages}
    outputs = [name for name in dict.fromkeys(run.pipeline.outputs.values()) if name in stages]
    if not outputs:
        return []
    with staging_folder(folder) as staging:
        fresh = staging / folder.name
        fresh.mkdir()
        for name in outputs:
            with (fresh / f"{name}.tsv").open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{join_cells(cells)}\n" for cells in _rows_of(stages[name]))
        if folder.exists():
            shutil.rmtree(folder)
        rename_durably(fresh, folder)
    return [f"{name}.tsv" for name in outputs]


def _rows_of(ref: StageRef) -> Iterator[tuple[str, ...]]:
    yield COLUMNS
    for shard in read_shards(ref):
        for ok, line in read_shard(store_of(ref), shard.key):
            if ok:
                yield guard_id(id_of_line(line)), guard_cell(text_of_line(line)), ""
            else:
                bad = parse_refused(line)
                reason = guard_cell(f"{bad.stage}: {bad.reason}: {bad.detail}")
                yield guard_id(bad.utterance_id), "", reason


def text_of_line(line: bytes) -> str:
    """Return the best text of the stored line of an n-best list; what follows it is not read."""
    found = _TEXT_FIRST.match(line)
    return str(parse_json(line)["hypotheses"][0]["text"]) if found is None else unquote(found[1])
