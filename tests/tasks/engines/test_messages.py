"""Rows of a data set on their way to Ray's workers."""

from __future__ import annotations

import pytest

from components.data.cutting import Cut
from components.data.files.drafts import Draft, DraftSegment
from components.data.row_reader import DraftedRow, Fault
from components.records import Segment
from tasks.engines.ray.messages import decode_rows, encode_rows


@pytest.mark.parametrize("audio", ["a.wav", "caf\udce9.wav"])
def test_rows_arrive_as_they_were(audio: str) -> None:
    segment = DraftSegment(0.1, 1 / 3, None, {"": ["ein"], "fr": ["un", ""]}, "Ann")
    draft = Draft(
        id="a",
        audio=audio,
        offset=1e-17,
        references={"": ["x"], "None": ["y"]},
        segments=(segment,),
        text_segments=(Segment(start=0.0, end=1.5, text="\u2028"),),
        blank_lines=2,
        likely_seconds=0.1 + 0.2,
    )
    rows = [
        DraftedRow("a", "m:1", Cut(0.1, 1e-3, "d"), draft, None, ("en", None), "/data"),
        DraftedRow("b", "m:2", Cut(1 / 7, 0.2), None, Fault("bad field", "told"), folder="/data"),
        DraftedRow("c", "m:3", Cut(0.0, 0.2), Draft(text="")),
    ]
    assert decode_rows(encode_rows(rows)) == rows
