from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reports.analyses.group_table import build_group_section
from tests.reports.example_runs import cascade


def test_every_score_that_any_group_has_is_a_column(tmp_path: Path) -> None:
    """The first group, of the short utterances, has transcripts only."""
    view = cascade(tmp_path, 24)
    utterances = [
        utterance.model_copy(update={"references": ()})
        if len(str(utterance.transcript).split()) <= 7
        else utterance
        for utterance in view.utterances
    ]
    section = build_group_section(replace(view, utterances=utterances))
    short, longer = section.rows[:2]
    assert (short["is"], longer["is"]) == ("1 to 7 words", "8 to 12 words")
    assert section.columns == ("group", "is", "utterances", "WER", "BLEU", "chrF2")
    assert (short["BLEU"], bool(short["WER"]), bool(longer["BLEU"])) == ("", True, True)
