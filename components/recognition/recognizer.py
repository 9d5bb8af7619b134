"""What every recognizer is: utterances in, one outcome per utterance out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from components.records import Checkpoint, Outcome, Quarantined, Utterance

STAGE = "asr"
"""The stage that recognizers name in what they quarantine."""


class Recognizer(Protocol):
    """Anything that recognizes speech.

    Attributes:
        system: names model and backend in the hypotheses.
        checkpoint: the model.
    """

    system: str
    checkpoint: Checkpoint

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """Return one outcome per utterance, in order; what cannot be transcribed is quarantined."""


def quarantine(utterance: Utterance, reason: str, detail: str) -> Quarantined:
    """Return the record of an utterance that cannot be transcribed."""
    return Quarantined(
        utterance_id=utterance.id, stage=STAGE, reason=reason, detail=f"{utterance.id}: {detail}"
    )
