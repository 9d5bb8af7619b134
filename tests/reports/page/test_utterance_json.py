"""What an estimator says of an utterance, in the data of the page."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from components.records import Hypothesis, NBest, Token
from components.text.escaping import make_printable
from reports.page.utterance_json import build_details, build_index_line, columns_of, drop_empty_columns
from reports.views.rows import UtteranceRow
from reports.views.run_view import RunView
from tests.reports.example_runs import BIDI, cascade


def annotated(row: UtteranceRow) -> UtteranceRow:
    best = Hypothesis(
        text=f"Two {BIDI}",
        score=-1.0,
        n_tokens=3,
        system="asr",
        features={"p_correct": 0.25, "expected_wer": 40.0, f"dropped:store:{'a' * 64}": 0.5},
        word_confidences=(0.9, 0.51, 0.2),
        tokens=tuple(Token(piece=piece, log_prob=-0.5) for piece in ("Ã¤", "Ġx", "<|im_end|>")),
    )
    key = row.utterance.id
    return UtteranceRow(row.utterance, {**row.outcomes, "asr": NBest(utterance_id=key, hypotheses=(best,))})


def stages(view: RunView, row: UtteranceRow, folder: Path) -> dict[str, Any]:
    listed: Any = make_printable(build_details(view, row, [], folder, frozenset())["stages"])
    return {stage["stage"]: stage["nbest"][0] for stage in listed}


def test_words_have_confidences_where_they_were_estimated(tmp_path: Path) -> None:
    view = cascade(tmp_path, 6)
    row = view.row("caption-0005")
    assert row is not None
    plain, sure = stages(view, row, tmp_path), stages(view, annotated(row), tmp_path)
    assert sure["asr"][5] == [["Two", 0.9], ["safe", 0.51], ["⟨U+202E⟩gnp.exe", 0.2]]
    assert list(sure["asr"][4])[-1] == f"dropped:store:{'a' * 12}"
    assert [piece for piece, _ in sure["asr"][3]] == ["ä", " x", "<|im_end|>"]
    assert all(len(best) == 5 for best in (*plain.values(), sure["mt"]))


def test_utterances_are_sorted_by_estimates_where_there_are_some(tmp_path: Path) -> None:
    view = cascade(tmp_path, 6)
    columns = columns_of(view)
    rows = list(view.rows())
    plain = [build_index_line(row, columns, "de", []) for row in rows]
    assert "p-correct" not in {column.key for column in drop_empty_columns(plain, columns)}
    lines = [build_index_line(annotated(row), columns, "de", []) for row in rows]
    used = {column.key: n for n, column in enumerate(drop_empty_columns(lines, columns))}
    assert used.keys() >= {"p-correct", "expected-wer", "word-confidence"}
    assert used.keys().isdisjoint({"p-bad", "expected-chrf"})
    numbers: Any = lines[3][1]
    estimates = [numbers[used[key]] for key in ("p-correct", "expected-wer", "word-confidence")]
    assert estimates == [0.25, 40.0, 0.537]
    raw = numbers[used["mean-log-prob"]]
    assert raw < 0
    assert numbers[used["confidence"]] == pytest.approx(math.exp(raw), abs=1e-3)
