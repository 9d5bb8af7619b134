"""Answers that pearmut has logged (``data/annotations/CAMPAIGN.jsonl``), or downloads as one object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.campaign.answers import Answer, AnswerFaults
from components.errors import ConfigError
from components.files.json_text import parse_json

_RESET = "__RESET__"
"""The annotation by which pearmut notes that an annotator's task was reset: what was before is void."""


def read_log(text: str, where: str, campaign: str, faults: AnswerFaults) -> list[Answer]:
    """Return the answers of a log, in the order in which they were given.

    Args:
        text: of the file: a JSON object a line, a list of them, or an object with a list for each campaign.
        where: its name, for messages.
        campaign: name of the campaign.
        faults: notes answers that are none.

    Raises:
        ConfigError: it is no log, or one of other campaigns.
    """
    return list(_read_log(_parse_log(text, where, campaign), faults))


def _parse_log(text: str, where: str, campaign: str) -> list[dict[str, Any]]:
    """Return the entries of pearmut's log, of its lines or of a download."""
    try:
        if where.lower().endswith(".jsonl"):
            values = [parse_json(line) for line in text.split("\n") if line.strip()]
        else:
            values = parse_json(text)
    except ValueError as error:
        raise ConfigError(f"{where}: expected answers of pearmut as JSON, found {error}") from error
    if isinstance(values, dict):
        if campaign not in values:
            raise ConfigError(
                f"{where}: expected answers to the campaign {campaign}, found those to "
                f"{', '.join(map(str, values))[:200] or 'none'}"
            )
        values = values[campaign]
    if not isinstance(values, list) or not all(isinstance(entry, dict) for entry in values):
        raise ConfigError(f"{where}: expected a list of answers of pearmut, found something else")
    return values


def _read_log(entries: Sequence[dict[str, Any]], faults: AnswerFaults) -> Iterator[Answer]:
    resets = {_user_of(entry): n for n, entry in enumerate(entries) if entry.get("annotation") == _RESET}
    for number, entry in enumerate(entries):
        if number > resets.get(_user_of(entry), -1):
            yield from _read_entry(entry, number + 1, faults)


def _user_of(entry: Mapping[str, Any]) -> str:
    """Who has answered, as a text whatever stands there."""
    return str(entry.get("user_id"))


def _read_entry(entry: dict[str, Any], line: int, faults: AnswerFaults) -> Iterator[Answer]:
    """The answers of one submission: the items of a document and, in their order, what was said of them."""
    who, items, judged = entry.get("user_id"), entry.get("item"), entry.get("annotation")
    if not isinstance(who, str) or not isinstance(items, list) or not isinstance(judged, list):
        faults.add("expected user_id, item and annotation in every answer", line, str(sorted(entry))[:80])
        return
    for item, of_codes in zip(items, judged, strict=False):
        if not isinstance(item, dict) or not isinstance(of_codes, dict):
            continue  # a form, or an item that was skipped
        for code, response in of_codes.items():
            score = response.get("score") if isinstance(response, dict) else None
            if score is not None:
                yield Answer(who, str(item.get("item_id")), code, faults.read_score(score, line))
