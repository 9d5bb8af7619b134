"""The stretches of a translation and the words of its source that are said in them."""

from __future__ import annotations

from components.export.recording_text import make_part
from components.records import Segment
from tests.components.export.example_run import nbest, spoken, stretch, word


def test_the_source_of_every_stretch_of_an_hour() -> None:
    """The source's stretches end elsewhere; its words go where their middle is, which takes no minutes."""
    n = 1000
    texts = [
        Segment(start=4.0 * number + 2, end=4.0 * number + 4, text=f"Satz {number}.") for number in range(n)
    ]
    utterances = [
        Segment(
            start=4.0 * number,
            end=4.0 * number + 3,
            text=f"early{number} late{number}",
            words=(
                word(4.0 * number, 4.0 * number + 1, f" early{number}", 0.9),
                word(4.0 * number + 2, 4.0 * number + 3, f" late{number}", 0.9),
            ),
        )
        for number in range(n)
    ]
    part = make_part(
        spoken("talk", stretch("talk.mp4", 4.0 * n)),
        nbest("talk", "Satz.", *texts),
        "de",
        nbest("talk", "said", *utterances),
        translated=True,
    )
    assert part.segment_sources[0] == "early0 late0 early1"  # nothing is left out before the first
    assert part.segment_sources[1:-1] == tuple(
        f"late{number} early{number + 1}" for number in range(1, n - 1)
    )
    assert part.segment_sources[-1] == f"late{n - 1}"
