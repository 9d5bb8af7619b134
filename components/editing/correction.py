"""Corrections of texts by hand: their record, and what they make of a hypothesis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from components.files.files import read_lines, write_bytes
from components.records import Hypothesis, Identifier, Record, Segment, Sha256, Text
from components.text.matching.retiming import retime

CORRECTIONS = "corrections.jsonl"
"""The file of corrections in a stage; of several of one utterance the last counts."""
EDITED = "edited"
"""The feature of a hypothesis that a person has corrected, which reports show."""


class Correction(Record):
    """The text that a person gave for one utterance, with its lineage.

    Attributes:
        id: of the utterance.
        text: the text that counts from now on.
        segments: its stretches with their times, where times were edited too.
        before: the text that the person saw.
        node: whose text it was.
        stage: key of the stage that held it; None where the corrections were given with a pipeline.
        by: who corrected it.
        at: when, ISO 8601, UTC.
        file: name of the edited file, or what else the correction came from.
        file_sha256: digest of that file.
    """

    id: Identifier
    text: Text
    segments: tuple[Segment, ...] | None = None
    before: Text = ""
    node: str
    stage: Sha256 | None = None
    by: str
    at: str
    file: str
    file_sha256: Sha256 | None = None

    @property
    def is_approval(self) -> bool:
        """Whether a person read the text and left it as it was."""
        return self.text == self.before and self.segments is None


def count_corrections(corrections: Sequence[Correction], most: int = 5) -> str:
    """Return ``2 approved and 1 corrected (u7)``, with the ids of a few."""
    ids = [each.id for each in corrections if not each.is_approval]
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    corrected = f"{len(ids)} corrected ({', '.join(ids[:most])}{more})"
    if len(ids) == len(corrections):
        return corrected
    approved = f"{len(corrections) - len(ids)} approved"
    return f"{approved} and {corrected}" if ids else approved


def encode_corrections(corrections: Iterable[Correction]) -> bytes:
    """Encode corrections as the bytes of their file."""
    return "".join(each.model_dump_json(exclude_defaults=True) + "\n" for each in corrections).encode()


def write_corrections(folder: Path, corrections: Iterable[Correction]) -> None:
    """Write the corrections of a stage into its folder."""
    write_bytes(folder / CORRECTIONS, encode_corrections(corrections))


def read_stored_corrections(folder: Path) -> list[Correction]:
    """Return the corrections in a stage's folder, the oldest first."""
    return [Correction.model_validate_json(line) for line in read_lines(folder / CORRECTIONS)]


def latest_by_id(corrections: Iterable[Correction]) -> dict[str, Correction]:
    """Return the correction of each utterance that counts: the last."""
    return {each.id: each for each in corrections}


def correct(
    hypothesis: Hypothesis, text: str, language: str, segments: tuple[Segment, ...] | None, system: str
) -> Hypothesis:
    """Return a hypothesis with another text; its times stay as far as they can.

    Args:
        hypothesis: what a model gave.
        text: the text that counts.
        language: of the text.
        segments: its segments, where these were edited; else the old ones get the words of ``text``.
        system: what the result names as its maker.
    """
    if segments is None:
        segments = retime(text, language, hypothesis.segments)
    return Hypothesis(
        text=text,
        score=0.0,
        n_tokens=len(text.split()),
        system=system,
        features={EDITED: 1.0},
        segments=segments,
    )
