"""A campaign in the form of pearmut 1.1 (Zouhar and Kocmi 2026, https://github.com/zouharvi/pearmut).

A campaign is an object with ``info``, ``campaign_id`` and ``data``: of each annotator the documents, of each
document the items. Positions of error spans count UTF-16 units, ends included, as its page's JavaScript does.
Its page shows texts as HTML and renders some tags, so a ``<`` before a letter or a slash is written ``＜``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from components.campaign.blinding import MAX_DAMAGED_SCORE, BlindedItem, ShownItem
from components.campaign.settings import CampaignSettings

_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def to_campaign(
    name: str,
    of_annotators: Sequence[Sequence[ShownItem]],
    audio: dict[str, str],
    settings: CampaignSettings,
) -> dict[str, Any]:
    """Return the campaign as ``pearmut add`` takes it.

    Args:
        name: of the campaign.
        of_annotators: the items of each annotator; their order is kept, as is that of the systems.
        audio: utterance id -> where pearmut serves its recording.
        settings: of the campaign.
    """
    return {
        "campaign_id": name,
        "info": {"assignment": "task-based", "protocol": settings.protocol, "shuffle": False},
        "data": [[[_to_item(item, audio, settings)] for item in own] for own in of_annotators],
    }


def _to_item(item: ShownItem, audio: dict[str, str], settings: CampaignSettings) -> dict[str, Any]:
    utterance = item.utterance
    recording = audio.get(utterance.id)
    written = utterance.text or utterance.transcript or ""
    values: dict[str, Any] = {
        "item_id": item.blinded.item,
        "src": _play(recording, written) if recording else escape_tags(written),
        "tgt": {code: escape_tags(text) for code, text in item.outputs.items()},
    }
    if settings.references and utterance.references:
        values["ref"] = escape_tags(utterance.references[0])
    if settings.protocol != "DA" and any(item.spans.values()):
        values["error_spans"] = {code: _to_spans(item, code) for code in item.outputs}
    if item.blinded.damaged is not None:
        values["validation"] = _to_validation(item.blinded)
    return values


def escape_tags(text: str) -> str:
    """Return the text without anything that the page would take for HTML; as long as before."""
    return _TAG.sub("\N{FULLWIDTH LESS-THAN SIGN}", text)


def _play(recording: str, written: str) -> str:
    """Return a player, and below it what is said, where that is known; the page shows it as it is."""
    player = f'<audio controls src="{html.escape(recording)}"></audio>'
    return f"{player}<p>{html.escape(written)}</p>" if written else player


def _to_spans(item: ShownItem, code: str) -> list[dict[str, Any]]:
    text = item.outputs[code]
    return [
        {
            "start_i": count_units(text[: span.start]),
            "end_i": count_units(text[: span.end]) - 1,
            "severity": "minor",
            "category": None,
        }
        for span in item.spans.get(code, ())
    ]


def count_units(text: str) -> int:
    """Return UTF-16 units of a text: two for letters beyond the first plane, such as emoji."""
    return len(text.encode("utf-16-le")) // 2


def _to_validation(blinded: BlindedItem) -> dict[str, Any]:
    """Return the rule of an attention check: the whole output is better, or the damaged one alone is bad."""
    if blinded.whole is not None:
        return {blinded.whole: {"score_greaterthan": blinded.damaged}}
    return {str(blinded.damaged): {"score": [0, MAX_DAMAGED_SCORE]}}
