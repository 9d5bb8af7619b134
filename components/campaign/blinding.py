"""Items as annotators see them, without names of systems, and the key that leads back from their answers."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from pydantic import Field

from components.campaign.candidates import Candidate
from components.campaign.settings import CampaignSettings
from components.campaign.spans import Span
from components.records import Record, Utterance

FORMAT = 1
"""Version of the key's form."""
DAMAGED = "\0damaged"
"""Stands for a system in an attention check; no run is called so."""
MAX_DAMAGED_SCORE = 50
"""Score from 0 to 100 that an output half of which was replaced may get in an attention check."""
_TRIES = 100
MAX_SYSTEMS = 26
"""Systems of a campaign: they are called by letters."""


class BlindedItem(Record):
    """What an item's codes stand for.

    Attributes:
        item: its name.
        utterance_id: of the data, or of a segment (``talk#3``).
        systems: code -> system.
        damaged: in an attention check the code of an output that was spoiled; it is none of a system.
        whole: the code of the same output as it was, where it is shown beside.
    """

    item: str
    utterance_id: str
    systems: dict[str, str]
    damaged: str | None = None
    whole: str | None = None


class CampaignKey(Record):
    """``key.json``: who is behind which code. Annotators must not see it."""

    format: int = Field(FORMAT, ge=FORMAT, le=FORMAT)
    campaign: str
    output: str
    protocol: str
    systems: tuple[str, ...]
    settings: dict[str, object]
    items: tuple[BlindedItem, ...]


@dataclass(frozen=True)
class ShownItem:
    """What an annotator sees of an item: outputs and their doubtful words by code."""

    blinded: BlindedItem
    utterance: Utterance
    outputs: Mapping[str, str]
    spans: Mapping[str, Sequence[Span]]


def blind(
    judged: Sequence[Candidate], others: Sequence[Candidate], settings: CampaignSettings
) -> list[ShownItem]:
    """Return items under codes, the order of systems drawn anew for each, and attention checks among them.

    Args:
        judged: what annotators judge.
        others: what attention checks are made of, then of ``judged`` if these are too few.
        settings: of the campaign.
    """
    draw = random.Random(f"blind {settings.seed}")  # noqa: S311 - no secret
    items = [
        item for candidate in judged for item in _show(candidate, draw, side_by_side=settings.side_by_side)
    ]
    material = [*draw.sample(others, len(others)), *draw.sample(judged, len(judged))]
    checks = (
        _make_check(candidate, material, draw, side_by_side=settings.side_by_side)
        for candidate in material
        if any(text.strip() for text in candidate.outputs.values())
    )
    items += islice(checks, settings.n_checks)
    draw.shuffle(items)  # so that a name does not tell a check
    return [_name(item, number) for number, item in enumerate(items, 1)]


def _name(item: ShownItem, number: int) -> ShownItem:
    blinded = item.blinded.model_copy(update={"item": f"item-{number:03d}"})
    return ShownItem(blinded, item.utterance, item.outputs, item.spans)


def _show(candidate: Candidate, draw: random.Random, *, side_by_side: bool) -> list[ShownItem]:
    """Return one item with all outputs, or one for each."""
    systems = draw.sample(list(candidate.outputs), len(candidate.outputs))
    groups = [systems] if side_by_side else [[system] for system in systems]
    return [_code(candidate, {system: candidate.outputs[system] for system in group}) for group in groups]


def _code(candidate: Candidate, texts: Mapping[str, str], original: str | None = None) -> ShownItem:
    """Return an item whose outputs are called A, B, ... in the order of ``texts``.

    Args:
        candidate: the utterance.
        texts: system -> output; that of ``DAMAGED`` was spoiled.
        original: of an attention check, the system whose output was spoiled.
    """
    codes = dict(zip(string.ascii_uppercase, texts, strict=False))
    code_of = {system: code for code, system in codes.items()}
    return ShownItem(
        BlindedItem(
            item="?",
            utterance_id=candidate.utterance.id,
            systems={code: system for code, system in codes.items() if system != DAMAGED},
            damaged=code_of.get(DAMAGED),
            whole=code_of.get(original or ""),
        ),
        candidate.utterance,
        {code: texts[system] for code, system in codes.items()},
        {code: candidate.spans.get(system, ()) for code, system in codes.items() if system != DAMAGED},
    )


def _make_check(
    candidate: Candidate, material: Sequence[Candidate], draw: random.Random, *, side_by_side: bool
) -> ShownItem:
    """An item with an output half of which was replaced, beside the whole one where all are side by side."""
    original = draw.choice([system for system, text in candidate.outputs.items() if text.strip()])
    donors = [other for other in material if other is not candidate] or [candidate]
    for _ in range(_TRIES):
        donor = draw.choice(donors)
        spoiled = damage(candidate.outputs[original], donor.outputs[original], draw)
        if spoiled not in candidate.outputs.values():  # or it would be what another system wrote
            break
    if not side_by_side:
        return _code(candidate, {DAMAGED: spoiled})
    others = [system for system in candidate.outputs if system != original][: len(candidate.outputs) - 2]
    order = draw.sample([DAMAGED, original, *others], len(others) + 2)
    return _code(candidate, {s: spoiled if s == DAMAGED else candidate.outputs[s] for s in order}, original)


def damage(text: str, donor: str, draw: random.Random) -> str:
    """Replace half of a text's words, in one stretch, by another's (WMT's bad references)."""
    words, others = text.split(), donor.split()
    if len(words) < 3:  # also a sentence without spaces
        words, others = list(text), list(donor)
    n = max(1, len(words) // 2)
    start = draw.randint(0, len(words) - n)
    joiner = " " if len(text.split()) >= 3 else ""
    replacement = others[:n] if others[:n] != words[start : start + n] else others[:n][::-1]
    return joiner.join([*words[:start], *replacement, *words[start + n :]])


def assign(items: Sequence[ShownItem], settings: CampaignSettings) -> list[list[ShownItem]]:
    """Assign items to annotators, in an order of their own: ``copies`` of each in all, and every check."""
    checks = [item for item in items if item.blinded.damaged is not None]
    judged = [item for item in items if item.blinded.damaged is None]
    n = settings.annotators
    of_annotators: list[list[ShownItem]] = [[] for _ in range(n)]
    for number, item in enumerate(judged):
        for copy in range(settings.copies):
            of_annotators[(number + copy) % n].append(item)
    for number, own in enumerate(of_annotators):
        own.extend(checks)
        random.Random(f"order {settings.seed} {number}").shuffle(own)  # noqa: S311 - no secret
    return of_annotators
