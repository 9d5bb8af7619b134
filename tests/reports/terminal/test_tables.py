"""Tables of the terminal stay tables at 80 columns, and say what they leave out."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from reports.terminal.tables import NO_INTERVALS, new_table


def printed(width: int, names: int = 1) -> str:
    """A table of 6 columns with two intervals, and a run's name of 25 letters."""
    table = new_table("system", *[">score"] * names, ">difference", ">p", "verdict")
    for _ in range(2):
        numbers = ["41.53 (35.05 to 46.68)"] * names
        verdict = Text("no significant difference; this test could only detect 5.1 BLEU or more")
        table.add_row("20261130-111840-cascade-9", *numbers, "-0.62 (-3.82 to +3.88)", "0.752", verdict)
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return out.getvalue()


def test_intervals_stand_beside_below_or_nowhere_before_a_table_is_given_up() -> None:
    wide, narrow, narrower = printed(120), printed(90), printed(90, names=3)
    assert "41.53 (35.05 to 46.68)" in wide
    assert NO_INTERVALS not in wide + narrow
    assert "41.53" in narrow and "(35.05 to 46.68)" in narrow and "41.53 (35.05" not in narrow
    assert "41.53" in narrower and "35.05" not in narrower and NO_INTERVALS in narrower
    for text in (wide, narrow, narrower, printed(80)):
        assert "20261130-111840-cascade-9" in text
        assert "──" in text  # it is a table
    assert max(map(len, printed(80).splitlines())) <= 80


def test_what_fits_nowhere_is_lines() -> None:
    text = printed(40)
    assert "──" not in text
    assert "score 41.53 (35.05 to 46.68)" in " ".join(text.split())


def test_no_letter_is_cut_where_the_room_is_tight() -> None:
    reason = "expected a recognizer larger than packaged:whisper-base on this machine, found none"
    for width in range(112, 126):
        table = new_table("try", ">chrf", "remedy", ">gains at most", "reason")
        table.add_row(
            "1", "62.02 (56.79 to 67.08)", "wider search of translations", "+35.9 (+30.7 to +41.1)", reason
        )
        out = io.StringIO()
        Console(file=out, width=width).print(table)
        assert set(reason.split()) <= set(out.getvalue().replace(",", ", ").split()) | {"machine,"}, width
