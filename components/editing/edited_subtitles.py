"""Edited subtitles: the cues of an SRT file, given back to the utterances in whose time they are.

Numbers of cues do not count, nor does their order: cues may be merged, split, moved and removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from components.data.files.subtitles import Cue, parse_srt
from components.editing.editable_text import (
    EditableText,
    Recording,
    cue_times,
    stretch_of,
)
from components.editing.proposal import Proposal
from components.errors import ConfigError, DataError
from components.records import Segment
from components.text.table_cells import normalize_spaces
from components.text.text_encoding import DecodedText

TOLERANCE = 0.002
"""Seconds by which times may differ that were written in milliseconds."""


class WrittenCue(NamedTuple):
    """The segment that a cue was written from, and the utterance that it belongs to."""

    utterance_id: str
    segment: Segment


Written = Mapping[tuple[int, int], list[WrittenCue]]
"""When a cue began and ended as it was written, in milliseconds -> the cue; rarely several."""


class EditedSubtitles(NamedTuple):
    """What an edited file proposes, and what was done to cues so that they fit, a line each."""

    proposals: list[Proposal]
    notes: list[str]


def read_edited_subtitles(path: Path, decoded: DecodedText, recording: Recording) -> EditedSubtitles:
    """Return the texts of an edited SRT file that differ from those of a recording.

    An utterance whose cues are all removed has the empty text.

    Args:
        path: of the file, for messages.
        decoded: its content.
        recording: what the file was written from.

    Raises:
        ConfigError: a cue has no times, is outside of the recording's utterances, or begins when another
            does; the message names its line.
    """
    try:
        is_empty = not decoded.text.strip()  # of a silent recording, or all cues were removed
        read = [] if is_empty else parse_srt(path.name, decoded.text, keeps_tags=True)
    except DataError as error:
        raise ConfigError(str(error)) from None
    written = _find_written(recording)
    cues, notes = _trim_overlaps(path, sorted(read, key=lambda cue: cue.start), written)
    by_id: dict[str, list[Cue]] = {text.id: [] for text in recording.texts}
    for cue in cues:
        present = _find_present(cue, written)
        key = _find_utterance(path, cue, recording).id if present is None else present.utterance_id
        by_id[key].append(cue)
    proposals = [_propose(text, by_id[text.id], written) for text in recording.texts]
    return EditedSubtitles([each for each in proposals if each is not None], notes)


def _find_written(recording: Recording) -> Written:
    """Return the cues as they were written; some last no time, overlap, or pass their utterance's end."""
    written: dict[tuple[int, int], list[WrittenCue]] = {}
    for text in recording.texts:
        for segment in text.segments:
            written.setdefault(cue_times(text, segment), []).append(WrittenCue(text.id, segment))
    return written


def _find_present(cue: Cue, written: Written) -> WrittenCue | None:
    """Return the cue that was written with these times, the one with this text if there are several."""
    present = written.get(_times_of(cue), [])
    same = (each for each in present if normalize_spaces(each.segment.text) == cue.text)
    return next(same, present[0] if present else None)


def _times_of(cue: Cue) -> tuple[int, int]:
    return round(1000 * cue.start), round(1000 * cue.end)


def _trim_overlaps(path: Path, cues: Sequence[Cue], written: Written) -> tuple[list[Cue], list[str]]:
    """Return sorted cues that each end before the next begins, and what was cut; times as written stay."""
    trimmed, notes = [], []
    for cue, following in zip_longest(cues, cues[1:]):
        end = cue.end
        as_written = following is not None and {_times_of(cue), _times_of(following)} <= written.keys()
        if following is not None and following.start < cue.end and not as_written:
            if following.start - cue.start < TOLERANCE:
                raise ConfigError(
                    f"{path.name}:{max(cue.line, following.line)}: expected cues that follow each other, "
                    f"found one that begins with that of line {min(cue.line, following.line)}; merge them"
                )
            end = following.start
            notes.append(
                f"{path.name}:{cue.line}: overlaps the cue of line {following.line}; it ends now where that "
                "begins"
            )
        trimmed.append(cue._replace(end=end))
    return trimmed, notes


def _find_utterance(path: Path, cue: Cue, recording: Recording) -> EditableText:
    """Return the utterance with which a cue shares the most time."""

    def overlap(text: EditableText) -> float:
        start, end = stretch_of(text)
        return min(end, cue.end) - max(start, cue.start)

    nearest = max(recording.texts, key=overlap)
    if overlap(nearest) <= 0:
        raise ConfigError(
            f"{path.name}:{cue.line}: expected a cue within the utterances of {recording.name} (until "
            f"{recording.seconds:.1f} s), found {cue.start:.1f} to {cue.end:.1f} s, where there is none"
        )
    return nearest


def _propose(text: EditableText, cues: Sequence[Cue], written: Written) -> Proposal | None:
    """Return what cues say of an utterance; None where nothing changed."""
    offset, (_, until) = text.utterance.offset, stretch_of(text)
    before = text.segments
    segments = tuple(
        _make_segment(cue, offset, until, before)
        if present is None
        else _with_text(present.segment, cue.text)
        for cue, present in ((cue, _find_present(cue, written)) for cue in cues)
    )
    if segments == before:
        return None
    joined = join_segments(segments, text)
    if (
        not text.hypothesis.segments
        and len(segments) == 1
        and _same_times(segments[0], before[0] if before else None)
    ):
        return Proposal(text.id, joined, None)
    return Proposal(text.id, joined, segments)


def _make_segment(cue: Cue, offset: float, until: float, before: Iterable[Segment]) -> Segment:
    """Return a cue as a segment of its utterance, with the times of the one before where these stayed."""
    start, end = max(cue.start - offset, 0.0), min(cue.end, until) - offset
    for segment in before:
        if abs(segment.start - start) < TOLERANCE and abs(segment.end - end) < TOLERANCE:
            return _with_text(segment, cue.text)
    return Segment(start=round(start, 3), end=round(end, 3), text=cue.text)


def _with_text(segment: Segment, text: str) -> Segment:
    """Return a segment itself, where nothing changed; else one of its times, without its words."""
    if normalize_spaces(segment.text) == text:
        return segment
    return Segment(start=segment.start, end=segment.end, text=text)


def _same_times(segment: Segment, other: Segment | None) -> bool:
    return other is not None and (segment.start, segment.end) == (other.start, other.end)


def join_segments(segments: Iterable[Segment], text: EditableText) -> str:
    """Return the text of segments, joined as those of the text before were."""
    pieces = [segment.text for segment in segments if segment.text]
    old = [segment.text for segment in text.hypothesis.segments]
    spaceless = len(old) > 1 and "".join(old) == text.text.strip()
    return ("" if spaceless else " ").join(pieces)
