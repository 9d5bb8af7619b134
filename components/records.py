"""Frozen records that cross every boundary: between rooms, and into the store and out of it.

Text travels as records and weights as a :class:`Checkpoint`; tensors never leave ``components/``.
Records refuse unknown fields, NaN and infinity, so that what is read back is what was written.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _to_nfc(value: object) -> object:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_to_nfc)]
"""Unicode text in normal form C."""

Identifier = Annotated[str, BeforeValidator(_to_nfc), Field(min_length=1, max_length=512)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """Base of every record: immutable, closed, finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _is_none(value: object) -> bool:
    """Return whether a field is left out where a record is written."""
    return value is None


def _is_empty(value: object) -> bool:
    """Return the same of what has several, or a number."""
    return not value


class Audio(Record):
    """A stretch of a local audio file.

    Attributes:
        path: of the file; a relative one is relative to the stage that holds the record.
        sha256: of the file.
        seconds: length of the stretch.
        sample_rate: of the file in Hz, before resampling.
        offset: seconds into the file at which the stretch begins.
    """

    path: str
    sha256: Sha256
    seconds: float = Field(gt=0)
    sample_rate: int = Field(gt=0, description="rate of the file in Hz, before resampling")
    offset: float = Field(default=0.0, ge=0)


class ReferenceSegment(Record):
    """A stretch of a long recording, what is said in it and by whom; times in seconds from its start."""

    start: float = Field(ge=0)
    end: float = Field(ge=0)
    transcript: Text | None = None
    references: tuple[Text, ...] = ()
    speaker: str | None = Field(default=None, exclude_if=_is_none)


class Utterance(Record):
    """One item of a data set: speech or text, and what is known about it.

    Attributes:
        id: unique in the data set.
        audio: the speech.
        text: the source text to translate.
        source_language: code of the language that is spoken or written.
        target_language: code of the language of ``references``, or to translate into.
        transcript: reference transcript of ``audio``.
        references: reference translations.
        domain: a label of the user's.
        speaker: a label of who speaks.
        reference_segments: of a long recording, the references of its stretches, in order.
        document: a label of the text or recording that it is a part of; its parts stand one after another.
        segments: of a written text that has times (subtitles), its stretches in order.
        blank_lines: before it in its file.
    """

    id: Identifier
    audio: Audio | None = None
    text: Text | None = None
    source_language: str = Field(min_length=2, max_length=16)
    target_language: str | None = None
    transcript: Text | None = None
    references: tuple[Text, ...] = ()
    domain: str | None = None
    speaker: str | None = None
    reference_segments: tuple[ReferenceSegment, ...] = ()
    document: str | None = Field(default=None, exclude_if=_is_none)
    segments: tuple[Segment, ...] = Field(default=(), exclude_if=_is_empty)
    blank_lines: int = Field(default=0, ge=0, exclude_if=_is_empty)

    @model_validator(mode="after")
    def _check_source(self) -> Utterance:
        if self.audio is None and self.text is None:
            raise ValueError("expected audio or text, found neither")
        return self

    @property
    def offset(self) -> float:
        """What is added to the times of its texts' segments: where it begins in its recording, in seconds."""
        return self.audio.offset if self.audio is not None else 0.0

    @property
    def stretch(self) -> tuple[float, float] | None:
        """Where it begins and ends in its recording or film, in seconds; None of a text without times."""
        if self.audio is not None:
            return self.offset, self.offset + self.audio.seconds
        return (self.segments[0].start, self.segments[-1].end) if self.segments else None


class Token(Record):
    """One decoded token.

    Attributes:
        piece: its text in the vocabulary.
        log_prob: its log-probability in nats.
        members: for an ensemble, the log-probability by member; members that were not run are left out.
        weights: for an ensemble, the weight of each member at this token.
        entropy: of the distribution that it was taken from in nats, where the search kept it.
        margin: log-probability of the likeliest token of that distribution minus that of the next.
    """

    piece: str
    log_prob: float
    members: dict[str, float] = Field(default_factory=dict)
    weights: dict[str, float] = Field(default_factory=dict)
    entropy: float | None = Field(default=None, ge=0, exclude_if=_is_none)
    margin: float | None = Field(default=None, ge=0, exclude_if=_is_none)


class Word(Record):
    """A word with its times in seconds from the start of the utterance.

    Attributes:
        start: when it begins.
        end: when it ends.
        text: as it stands in the segment, with the space before it and the punctuation that belongs to it:
            the words of a segment, joined and stripped, are its text.
        probability: mean probability of its tokens, from 0 to 1, where the model says.
    """

    start: float = Field(ge=0)
    end: float = Field(ge=0)
    text: Text
    probability: float | None = Field(default=None, ge=0, le=1)


class Segment(Record):
    """A stretch of a text with its times in seconds from the start of the utterance.

    Attributes:
        start: when it begins.
        end: when it ends.
        text: what is said, stripped.
        words: its words with their times, where they are known.
        mean_log_prob: mean log-probability of its tokens in nats, where it is known.
        speaker: a label of who speaks, where it is known.
    """

    start: float = Field(ge=0)
    end: float = Field(ge=0)
    text: Text
    words: tuple[Word, ...] = ()
    mean_log_prob: float | None = None
    speaker: str | None = None


class Decision(Record):
    """The outcome of one round for an utterance: whether its proposal was accepted, whether it stopped."""

    round: int = Field(ge=0, description="1 is the first round after the draft")
    accepted: bool
    stopped: str | None = Field(default=None, description="the stop rule that ended the utterance's rounds")
    feedback: str = Field(default="", description="the critic's words about the text before")


class Hypothesis(Record):
    """One candidate output.

    Attributes:
        text: the output.
        score: sum of its tokens' log-probabilities in nats.
        n_tokens: how many tokens it has.
        system: what made it.
        features: further numbers by name.
        tokens: its tokens, where they are kept.
        segments: stretches with times, of a transcript.
        decision: that of the round that gave the text, where there are rounds.
        word_confidences: calibrated probability that each word of ``text.split()`` is right, 0 to 1, where it
            was estimated.
    """

    text: Text
    score: float
    n_tokens: int = Field(ge=0)
    system: str
    features: dict[str, float] = Field(default_factory=dict)
    tokens: tuple[Token, ...] = ()
    segments: tuple[Segment, ...] = ()
    decision: Decision | None = None
    word_confidences: tuple[float, ...] = Field(default=(), exclude_if=_is_empty)


class NBest(Record):
    """Hypotheses of one utterance, best first, never empty."""

    utterance_id: Identifier
    hypotheses: tuple[Hypothesis, ...] = Field(min_length=1)
    language: str | None = Field(default=None, description="detected or declared source language")

    @property
    def best(self) -> Hypothesis:
        """The first hypothesis."""
        return self.hypotheses[0]


class Quarantined(Record):
    """An utterance that a stage could not process, and why, in one line."""

    utterance_id: Identifier
    stage: str
    reason: str = Field(description="short class of the fault, e.g. 'unreadable audio'")
    detail: str = Field(description="what was expected, what was found, what to do")


class Route(Record):
    """The way that an utterance goes, and the number that decided it, if one did."""

    utterance_id: Identifier
    branch: str = Field(min_length=1, max_length=64)
    value: float | None = None


Outcome = NBest | Quarantined
"""What a component returns for one utterance."""

NodeOutcome = NBest | Route | Utterance | Quarantined
"""What a node of a pipeline returns for one utterance: text, a way, speech, or why it could not."""


class Checkpoint(Record):
    """Verified local weights.

    Attributes:
        reference: how the user named the model.
        path: of the folder or file.
        sha256: digest of the weights.
        architecture: what the model is.
        tokenizer_sha256: digest of the tokenizer's files.
        lineage: references of the models that it was made from.
    """

    reference: str
    path: str
    sha256: Sha256
    architecture: str
    tokenizer_sha256: Sha256 | None = None
    lineage: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, str | None]:
        """Digests that distinguish two models, whatever their names and locations."""
        return self.sha256, self.tokenizer_sha256
