"""What corrections teach: files of training pairs, examples, terms and calibration points."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer


def write_lessons(
    run: str,
    folder: Path,
    min_count: int,
    store_url: str | None,
    *,
    unchanged_right: bool,
    as_json: bool = False,
) -> None:
    """Write what the corrections of a run, and of the runs that it was made from, teach; print the files.

    Args:
        run: name of a run with corrections, or with a review.
        folder: of the files: ``pairs.jsonl`` and ``transcripts.jsonl`` are data sets, ``examples.jsonl`` is
            for the prompt of a causal translator, ``terms.tsv`` has what was replaced ``min_count`` times,
            ``calibration.jsonl`` how sure the model was of each text that was judged.
        min_count: how often a term was replaced, at least.
        store_url: of the store.
        unchanged_right: whether all other texts were read, too, and are right.
        as_json: whether the last line of standard output is one JSON object.

    Raises:
        ConfigError: the run has no corrections.
    """
    from components.editing import lessons as learning
    from components.editing.run_lessons import read_lessons
    from components.files.files import write_atomically
    from components.storage.store import Store
    from components.text.table_cells import guard_cell, join_cells

    lessons = read_lessons(Store(store_url).load_run(run), unchanged_right=unchanged_right)
    folder.mkdir(parents=True, exist_ok=True)
    terms = learning.find_terms(lessons, min_count)
    files = {
        "pairs.jsonl": _json_lines(learning.make_pairs(lessons)),
        "transcripts.jsonl": _json_lines(learning.make_transcripts(lessons, folder.resolve())),
        "examples.jsonl": _json_lines(learning.make_examples(lessons)),
        "terms.tsv": [
            "count\tbefore\tafter\tnode\tids",
            *(join_cells(guard_cell(str(cell)) for cell in term.values()) for term in terms),
        ],
        "calibration.jsonl": _json_lines(learning.make_calibration(lessons)),
    }
    for name, lines in files.items():
        write_atomically(folder / name, "".join(line + "\n" for line in lines).encode())
        typer.echo(str(folder / name))
    wrong = sum(not each.is_right for each in lessons)
    approved = len(lessons) - wrong
    typer.echo(f"{wrong} corrected and {approved} approved texts, {len(terms)} terms", err=True)
    if as_json:
        paths = [str(folder / name) for name in files]
        counts = {"corrected": wrong, "approved": approved, "terms": len(terms)}
        typer.echo(json.dumps({"run": run, "files": paths, **counts}))


def _json_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return [json.dumps(row, ensure_ascii=False) for row in rows]
