"""Turns of speakers, and transcripts whose segments are labeled by them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from components.records import Segment, Word


class SpeakerTurn(NamedTuple):
    """A stretch in which one speaker talks; seconds from the start of the utterance."""

    start: float
    end: float
    speaker: str


def name_speakers(turns: Iterable[SpeakerTurn]) -> list[SpeakerTurn]:
    """Return turns in order of time with speakers that are numbered as they appear: ``speaker 1`` ..."""
    names: dict[str, str] = {}
    ordered = sorted(turns)
    for turn in ordered:
        names.setdefault(turn.speaker, f"speaker {len(names) + 1}")
    return [turn._replace(speaker=names[turn.speaker]) for turn in ordered]


def join_turns(turns: Iterable[SpeakerTurn], pause: float) -> list[SpeakerTurn]:
    """Join turns of one speaker that nobody interrupts and that a pause of at most ``pause`` s divides."""
    joined: list[SpeakerTurn] = []
    for turn in sorted(turns):
        last = joined[-1] if joined else None
        if last is not None and last.speaker == turn.speaker and turn.start - last.end <= pause:
            joined[-1] = last._replace(end=max(last.end, turn.end))
        else:
            joined.append(turn)
    return joined


class TurnIndex:
    """Turns by time.

    Args:
        turns: in any order; they may overlap.
    """

    def __init__(self, turns: Iterable[SpeakerTurn]) -> None:
        self._turns = sorted(turns)
        self._starts = [turn.start for turn in self._turns]
        self._longest = max((turn.end - turn.start for turn in self._turns), default=0.0)

    def speaker_of(self, start: float, end: float) -> str | None:
        """Return who speaks most of a stretch, else who speaks nearest to it; None without turns."""
        near = self._near(start, end)
        if not near:
            return None
        shares: dict[str, float] = {}
        for turn in near:
            overlap = min(end, turn.end) - max(start, turn.start)
            shares[turn.speaker] = shares.get(turn.speaker, 0.0) + max(0.0, overlap)
        best = max(shares, key=lambda name: shares[name])
        if shares[best] > 0:
            return best
        return min(near, key=lambda turn: max(turn.start - end, start - turn.end)).speaker

    def _near(self, start: float, end: float) -> list[SpeakerTurn]:
        """Return the turns that may overlap a stretch, with one before and one after it."""
        last = bisect_right(self._starts, end)
        first = bisect_right(self._starts, start - self._longest)
        return self._turns[max(0, first - 1) : last + 1]


def label_segments(segments: Sequence[Segment], turns: Iterable[SpeakerTurn]) -> tuple[Segment, ...]:
    """Return segments with their speakers, cut where the speaker changes if their words have times.

    Args:
        segments: of a transcript, in order.
        turns: of the same recording.
    """
    index = TurnIndex(turns)
    return tuple(piece for segment in segments for piece in _label(segment, index))


def _label(segment: Segment, index: TurnIndex) -> Iterator[Segment]:
    speakers = [index.speaker_of(word.start, word.end) for word in segment.words]
    if len(set(speakers)) < 2:
        speaker = speakers[0] if speakers else index.speaker_of(segment.start, segment.end)
        yield segment.model_copy(update={"speaker": speaker})
        return
    for speaker, group in groupby(
        zip(_smooth(speakers), segment.words, strict=True), key=lambda pair: pair[0]
    ):
        yield _piece(segment, [word for _, word in group], speaker)


def _smooth(speakers: Sequence[str | None]) -> list[str | None]:
    """Return the speaker of each word; one word alone within those of another is the other's."""
    smooth = list(speakers)
    for at in range(1, len(smooth) - 1):
        if smooth[at - 1] == speakers[at + 1] != smooth[at]:
            smooth[at] = smooth[at - 1]
    return smooth


def _piece(segment: Segment, words: Sequence[Word], speaker: str | None) -> Segment:
    text = "".join(word.text for word in words).strip()
    times = {"start": words[0].start, "end": max(word.end for word in words)}
    return segment.model_copy(update={**times, "text": text, "words": tuple(words), "speaker": speaker})
