"""`antiphon learn-from-edits`: corrections as training pairs, examples, terms and calibration points."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.help.options import StoreUrl


def learn_from_edits(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="name of a run with corrections, or with a review")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="folder for the files; RUN-lessons")
    ] = None,
    least: Annotated[
        int, typer.Option("--min-count", metavar="N", min=1, help="how often a term was replaced, at least")
    ] = 2,
    unchanged_right: Annotated[
        bool, typer.Option("--unchanged-right", help="all other texts were read, too, and are right")
    ] = False,
    store: StoreUrl = None,
) -> None:
    """Write what the corrections of a run, and of the runs that it was made from, teach.

    - `pairs.jsonl`: a manifest of sources and translations: `antiphon run train --set data=DIR/pairs.jsonl`

    - `transcripts.jsonl`: a manifest of recordings with their transcripts: `--data DIR/transcripts.jsonl`

    - `examples.jsonl`: for the prompt of a causal translator: `--set mt.examples=DIR/examples.jsonl`.

    - `terms.tsv`: words and phrases that were replaced several times.

    - `calibration.jsonl`: how sure the model was of each text that was judged, and whether it was right.

    Example: `antiphon learn-from-edits RUN-edited --out lessons`
    """
    from components.editing import lessons as learning
    from components.editing.run_lessons import read_lessons
    from components.storage.store import Store
    from components.text.table_cells import guard_cell, join_cells

    folder = out or Path(f"{run}-lessons")
    lessons = read_lessons(Store(store).load_run(run), unchanged_right=unchanged_right)
    folder.mkdir(parents=True, exist_ok=True)
    terms = learning.find_terms(lessons, least)
    _write(folder / "pairs.jsonl", _json_lines(learning.make_pairs(lessons)))
    _write(folder / "transcripts.jsonl", _json_lines(learning.make_transcripts(lessons, folder.resolve())))
    _write(folder / "examples.jsonl", _json_lines(learning.make_examples(lessons)))
    _write(
        folder / "terms.tsv",
        [
            "count\tbefore\tafter\tnode\tids",
            *(join_cells(guard_cell(str(cell)) for cell in term.values()) for term in terms),
        ],
    )
    _write(folder / "calibration.jsonl", _json_lines(learning.make_calibration(lessons)))
    wrong = sum(not each.is_right for each in lessons)
    typer.echo(f"{wrong} corrected and {len(lessons) - wrong} approved texts, {len(terms)} terms", err=True)


def _json_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return [json.dumps(row, ensure_ascii=False) for row in rows]


def _write(path: Path, lines: Iterable[str]) -> None:
    from components.files.files import write_atomically

    write_atomically(path, "".join(line + "\n" for line in lines).encode())
    typer.echo(str(path))
