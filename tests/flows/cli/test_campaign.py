"""`antiphon campaign` and `antiphon campaign import`: what they say of what came out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.campaign.folder import write_campaign
from flows.cli.storage.campaign import _describe
from tests.command import run_command
from tests.components.campaign.example import GOLDEN, campaign
from tests.components.campaign.test_unblinding import FILES


def test_answers_become_scores_and_what_was_left_out_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items, key = campaign(GOLDEN)
    write_campaign(tmp_path / "example", items, key, GOLDEN)
    answers = tmp_path / "annotations.jsonl"
    lines = (FILES / "annotations.jsonl").read_text().splitlines()
    answers.write_text("\n".join(lines))
    scores = tmp_path / "scores.tsv"
    command = [
        "campaign",
        "import",
        str(answers),
        "--campaign",
        str(tmp_path / "example"),
        "--out",
        str(scores),
    ]
    ended = run_command(capsys, *command, "--json")
    assert not ended.code
    *text, line = ended.out.splitlines()
    assert text == [
        f"8 of 8 outputs judged by 1 annotator: 8 scores in {scores}",
        "given again: 4 answers; the last one counts",
        "anna: 1 of 1 attention checks passed",
        "ben: 0 of 1 attention checks passed; left out (--keep-all keeps them)",
    ]
    values = json.loads(line)
    assert (values["judged"], values["left_out"], values["scores"]) == (8, ["ben"], str(scores))
    assert values["checks"]["ben"] == {"passed": 0, "answered": 1}
    before = scores.read_bytes()
    ended = run_command(capsys, *command)
    assert ended.code == 2
    message = f"antiphon: {scores}: expected no file there, found one; --overwrite replaces it\n"
    assert ended.err == message
    assert scores.read_bytes() == before


def test_equal_outputs_and_recordings_are_told() -> None:
    written = {
        **{"utterances": 4, "of": 9, "systems": ["a", "b"], "items": 8, "checks": 1, "equal": 2},
        **{"folder": "trial", "campaign": "one", "recordings": 3, "pearmut": "pearmut.json"},
        **{"tables": ["table-1.tsv"], "key": "key.json"},
    }
    lines = _describe(written)
    assert "of 2 utterances all systems gave the same output" in lines
    assert "recordings: copy trial/assets/one into data/assets of pearmut" in lines
    assert len(_describe({**written, "equal": 0, "recordings": 0})) == len(lines) - 2
