"""Answers come back: from pearmut's own files and from tables, with lost, repeated and careless ones."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from components.campaign.answer_table import write_table
from components.campaign.answers import Answer
from components.campaign.blinding import CampaignKey, assign
from components.campaign.unblinding import encode_scores, read_answers, unblind
from components.errors import ConfigError
from components.metrics.scores_file import read_scores
from components.metrics.scores_settings import ScoresFile
from tests.components.campaign.example import GOLDEN, campaign

FILES = Path(__file__).parents[2] / "golden" / "pearmut"


@pytest.fixture
def key() -> CampaignKey:
    return campaign(GOLDEN)[1]


@pytest.mark.parametrize("name", ["annotations.jsonl", "download.json"])
def test_what_pearmut_has_logged_leads_back_to_the_systems(
    key: CampaignKey, name: str, tmp_path: Path
) -> None:
    """Both files are of pearmut 1.1.6: two people, who changed their first answers; one failed the check."""
    result = unblind(read_answers([FILES / name], "example"), key, keep_all=True)
    assert (result.expected, result.judged, result.unknown) == (8, 8, 0)
    assert result.replaced == 4  # the first item of each, with two outputs
    assert result.checks == {"anna": (1, 1), "ben": (0, 1)}
    assert {round(score.value, -1) for score in result.scores if score.system == "large"} == {90, 100}
    assert {score.value for score in result.scores if score.system == "small"} == {40, 41, 45, 46}
    trusted = unblind(read_answers([FILES / name], "example"), key)
    assert trusted.left_out == ["ben"]
    assert {score.annotator for score in trusted.scores} == {"anna"}
    path = tmp_path / "scores.tsv"
    path.write_bytes(encode_scores(result.scores))
    (scores,) = read_scores(ScoresFile(file=str(path), name="esa"))
    assert scores.annotators == 2
    assert {system: len(of) for system, of in scores.values.items()} == {"large": 4, "small": 4}


def test_a_reset_voids_what_was_before(key: CampaignKey, tmp_path: Path) -> None:
    lines = (FILES / "annotations.jsonl").read_text().splitlines()
    last = max(n for n, line in enumerate(lines) if json.loads(line)["user_id"] == "anna")
    reset = json.dumps({"user_id": "anna", "item_i": 0, "annotation": "__RESET__"})
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join([*lines[:last], reset, *lines[last:]]))
    result = unblind(read_answers([path], "example"), key, keep_all=True)
    assert len({(score.id, score.system) for score in result.scores if score.annotator == "anna"}) <= 2


def test_filled_tables_come_back_with_what_is_missing(key: CampaignKey, tmp_path: Path) -> None:
    items, _ = campaign(GOLDEN)
    for name, own in zip(("anna", "ben"), assign(items, GOLDEN), strict=True):
        rows = list(
            csv.DictReader(io.StringIO(write_table(own, {}, references=True).decode()), delimiter="\t")
        )
        assert {row["reference"] for row in rows} == {item.utterance.references[0] for item in own}
        codes = {item.item: item for item in key.items}
        for row in rows:
            item = codes[row["item"]]
            row["score"] = "10" if row["output"] == item.damaged else "70,5"  # a decimal comma
        rows[0]["score"] = ""  # forgotten
        lines = [list(rows[0]), *(row.values() for row in rows)]
        (tmp_path / f"{name}.tsv").write_text("".join("\t".join(line) + "\n" for line in lines))
    result = unblind(read_answers([tmp_path / "anna.tsv", tmp_path / "ben.tsv"], "example"), key)
    assert {score.annotator for score in result.scores} == {"anna", "ben"}
    assert {score.value for score in result.scores} == {70.5}
    assert len(result.scores) >= 14


def test_answers_to_another_campaign_and_wrong_scores_are_refused(key: CampaignKey, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="answers to the campaign other, found those to example"):
        read_answers([FILES / "download.json"], "other")
    with pytest.raises(ConfigError, match="campaign example, found none: the column score"):
        unblind([], key)
    with pytest.raises(ConfigError, match="expected answers to the campaign example, found 1 of which none"):
        unblind([Answer("a", "item-999", "A", 1)], key)
    for name, text, message in (
        (
            "a.tsv",
            "item\toutput\tscore\ni\tA\t101\ni\tB\tgood\n",
            "scores from 0 to 100, found 2 .*line 2: '101'",
        ),
        ("b.tsv", "a\tb\n", "columns item, output, score"),
        ("c.jsonl", "{", "expected answers of pearmut as JSON"),
        ("d.json", "[1]", "expected a list of answers"),
        ("e.jsonl", '{"item": []}', "expected user_id, item and annotation in every answer"),
        ("f.jsonl", '{"user_id": ["a"], "annotation": []}', "expected user_id, item and annotation"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match=message):
            read_answers([tmp_path / name], "example")
    with pytest.raises(ConfigError, match=r"expected a file of answers, found .*none.tsv: .*No such file"):
        read_answers([tmp_path / "none.tsv"], "example")


def test_a_lone_damaged_output_must_be_called_bad() -> None:
    items, key = campaign(GOLDEN.model_copy(update={"protocol": "ESA"}))
    (check,) = [item for item in key.items if item.damaged]
    (other,) = [item for item in key.items if item.utterance_id == "u3" and "large" in item.systems.values()]
    code = next(iter(other.systems))
    answers = [
        Answer("careful", check.item, check.damaged or "", 20),
        Answer("careless", check.item, check.damaged or "", 80),
        Answer("careful", other.item, code, 60),
        Answer("careless", other.item, code, 61),
    ]
    result = unblind(answers, key)
    assert result.checks == {"careful": (1, 1), "careless": (0, 1)}
    assert [(score.id, score.system, score.value) for score in result.scores] == [("u3", "large", 60)]
    assert result.judged == 1
    assert len(items) == 9


def test_a_skipped_item_of_a_submission_is_no_answer(tmp_path: Path) -> None:
    entry = {
        "user_id": "anna",
        "item": [{"item_id": "i0"}, {"item_id": "i1"}],
        "annotation": [None, {"A": {"score": 50}}],
    }
    (tmp_path / "log.jsonl").write_text(json.dumps(entry))
    assert read_answers([tmp_path / "log.jsonl"], "example") == [Answer("anna", "i1", "A", 50)]


@pytest.mark.parametrize("below", ["a\tA\tx\t80\n", ""])
def test_a_text_that_begins_with_a_quote_takes_no_scores_with_it(tmp_path: Path, below: str) -> None:
    """Some spreadsheets write tables without quoting."""
    path = tmp_path / "anna.tsv"
    path.write_text(f'item\toutput\ttext\tscore\na\tB\t"Hallo, sagte er\t70\n{below}'.rstrip("\n"))
    with pytest.raises(ConfigError, match=r"quotes that close in their cell, found 1 .*first in line 2"):
        read_answers([path], "example")
