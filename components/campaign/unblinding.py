"""From the answers to a campaign back to scores of systems, without those who failed the attention checks."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from components.audio.container import read_regular_file
from components.campaign.answer_table import read_table
from components.campaign.answers import Answer, AnswerFaults, keep_last
from components.campaign.blinding import MAX_DAMAGED_SCORE, BlindedItem, CampaignKey
from components.campaign.pearmut_log import read_log
from components.errors import ConfigError, DataError
from components.text.text_encoding import MAX_BYTES, decode_text

MAX_FAILED = 0.5
"""Share of attention checks above which an annotator's answers are left out."""


class Checks(NamedTuple):
    """How many attention checks an annotator has answered, and how many passed."""

    passed: int
    answered: int

    @property
    def is_trusted(self) -> bool:
        """Whether the annotator's answers count."""
        return self.answered - self.passed <= MAX_FAILED * self.answered


class UnblindedScore(NamedTuple):
    """A row of ``scores.tsv``."""

    id: str
    system: str
    value: float
    annotator: str


class Unblinded(NamedTuple):
    """The scores of a campaign, and what became of its answers.

    Attributes:
        scores: in the order of the campaign.
        expected: outputs that were to be judged.
        judged: of these, those that were.
        replaced: answers that were given again; the last one counts.
        unknown: answers to items or outputs that the campaign lacks.
        checks: annotator -> attention checks.
        left_out: annotators whose answers were left out.
    """

    scores: list[UnblindedScore]
    expected: int
    judged: int
    replaced: int
    unknown: int
    checks: dict[str, Checks]
    left_out: list[str]


def read_answers(paths: Sequence[Path], campaign: str) -> list[Answer]:
    """Return the answers in files, in the order in which they were given.

    Args:
        paths: pearmut's log (JSONL), what it downloads (JSON), or tables (TSV).
        campaign: name of the campaign; a download may hold several.

    Raises:
        ConfigError: a file is none of these; a line per kind of fault.
    """
    answers: list[Answer] = []
    for path in paths:
        try:
            text = decode_text(read_regular_file(path, MAX_BYTES), path.name).text
        except (OSError, DataError) as error:
            raise ConfigError(f"expected a file of answers, found {error}") from error
        faults = AnswerFaults(path.name)
        if path.suffix.lower() in {".json", ".jsonl"}:
            answers += read_log(text, path.name, campaign, faults)
        else:
            answers += read_table(text, path.stem, faults)
        faults.refuse()
    return answers


def unblind(answers: Sequence[Answer], key: CampaignKey, *, keep_all: bool = False) -> Unblinded:
    """Return the scores behind the answers to a campaign.

    Args:
        answers: in the order in which they were given.
        key: of the campaign.
        keep_all: also those of annotators who failed more than half of their attention checks.

    Raises:
        ConfigError: no answer is one to this campaign.
    """
    last, replaced = keep_last(answers)
    items = {item.item: item for item in key.items}
    known = [answer for answer in last if _is_known(answer, items)]
    if not last:
        raise ConfigError(
            f"expected answers to the campaign {key.campaign}, found none: the column score is empty"
        )
    if not known:
        raise ConfigError(
            f"expected answers to the campaign {key.campaign}, found {len(last):,} of which none is "
            "to an item of it"
        )
    checks = _count_checks(known, items)
    left_out = [who for who, of in checks.items() if not of.is_trusted and not keep_all]
    order = {item.item: number for number, item in enumerate(key.items)}
    scores = [
        UnblindedScore(item.utterance_id, item.systems[answer.code], answer.score, answer.annotator)
        for answer in sorted(known, key=lambda answer: (order[answer.item], answer.code, answer.annotator))
        if (item := items[answer.item]).damaged is None and answer.annotator not in left_out
    ]
    return Unblinded(
        scores=scores,
        expected=sum(len(item.systems) for item in key.items if item.damaged is None),
        judged=len({(score.id, score.system) for score in scores}),
        replaced=replaced,
        unknown=len(last) - len(known),
        checks=checks,
        left_out=left_out,
    )


def _is_known(answer: Answer, items: Mapping[str, BlindedItem]) -> bool:
    item = items.get(answer.item)
    return item is not None and answer.code in {*item.systems, item.damaged}


def _count_checks(answers: Sequence[Answer], items: Mapping[str, BlindedItem]) -> dict[str, Checks]:
    """Return attention checks by annotator, of all annotators."""
    scores = {(answer.annotator, answer.item, answer.code): answer.score for answer in answers}
    passed: dict[str, list[bool]] = {answer.annotator: [] for answer in answers}
    for (who, name, code), score in scores.items():
        item = items[name]
        if item.damaged is not None and code == item.damaged:
            whole = None if item.whole is None else scores.get((who, name, item.whole))
            passed[who].append(score <= MAX_DAMAGED_SCORE if whole is None else whole > score)
    return {who: Checks(sum(of), len(of)) for who, of in passed.items()}


def encode_scores(scores: Sequence[UnblindedScore]) -> bytes:
    """Return scores as ``scores.tsv``."""
    table = io.StringIO()
    writer = csv.writer(table, delimiter="\t", lineterminator="\n")
    writer.writerow(UnblindedScore._fields)
    writer.writerows((*score[:2], f"{score.value:g}", score.annotator) for score in scores)
    return table.getvalue().encode()
