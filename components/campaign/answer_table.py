"""A campaign as tables, a row per output: for those who judge in a spreadsheet instead of pearmut."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from components.campaign.answers import Answer, AnswerFaults
from components.campaign.blinding import ShownItem
from components.metrics.judgement_table import open_table, read_cells
from components.text.table_cells import guard_cell

COLUMNS = ("item", "output", "source", "reference", "audio", "text", "score", "comment")
"""``score`` is filled in, from 0 (nonsense) to 100 (perfect); item and output lead back to the systems."""


def write_table(items: Sequence[ShownItem], audio: Mapping[str, str], *, references: bool) -> bytes:
    """Return the table of one annotator as TSV.

    Args:
        items: in their order.
        audio: utterance id -> path of its recording.
        references: whether the first reference is shown.
    """
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, delimiter="\t", lineterminator="\n", restval="")
    writer.writeheader()
    for item in items:
        utterance = item.utterance
        shared = {
            "item": item.blinded.item,
            "source": guard_cell(utterance.text or utterance.transcript or ""),
            "reference": guard_cell(utterance.references[0]) if references and utterance.references else "",
            "audio": audio.get(utterance.id, ""),
        }
        for code, text in item.outputs.items():
            writer.writerow({**shared, "output": code, "text": guard_cell(text)})
    return table.getvalue().encode()


def read_table(text: str, annotator: str, faults: AnswerFaults) -> list[Answer]:
    """Return the answers of a table; rows without a score are no answers.

    Args:
        text: of the file.
        annotator: who filled it in, where no column ``annotator`` says it.
        faults: notes what is wrong.
    """
    reader = open_table(text)
    names = list(reader.fieldnames or ())
    if not {"item", "output", "score"} <= set(names):
        faults.add("expected a header line with the columns item, output, score", 1, ", ".join(names)[:100])
        return []
    answers = []
    for cells in read_cells(reader, faults):
        score = (cells.get("score") or "").strip()
        if score:
            value = faults.read_score(score, reader.line_num)
            who = (cells.get("annotator") or "").strip() or annotator
            answers.append(Answer(who, (cells["item"] or "").strip(), (cells["output"] or "").strip(), value))
    return answers
