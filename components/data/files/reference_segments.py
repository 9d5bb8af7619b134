"""References of the stretches of a long recording: checked, and joined to those of the whole."""

from __future__ import annotations

from collections.abc import Sequence

from components.data.files.drafts import Draft, References
from components.data.files.parsing import RecordError
from components.records import Audio, ReferenceSegment
from components.text.languages import UNDETERMINED, is_same_language, without_spaces

MAX_OVERLAP_SECONDS = 0.1
"""Ends and starts that are set by hand overlap by a little; more is an error."""
MAX_BEYOND_SECONDS = 0.1
"""How far the last segment may end behind the audio: lengths are rounded."""


def build_segments(draft: Draft, audio: Audio | None, target: str | None) -> tuple[ReferenceSegment, ...]:
    """Return the reference segments of a record, in its target language.

    Args:
        draft: the record.
        audio: its recording.
        target: language of the references that are taken.

    Raises:
        RecordError: There is no audio, or a segment ends before it starts, begins before the one before it
            (of the same speaker: before that has ended), or ends behind the audio.
    """
    if not draft.segments:
        return ()
    if audio is None:
        expected = "expected segments of a recording, found a record without audio"
        raise RecordError("bad segments", f"{expected}; leave segments out, or name the audio")
    ends: dict[str | None, float] = {}
    begun = 0.0
    for number, segment in enumerate(draft.segments, 1):
        where = f"segment {number} of {len(draft.segments)}"
        if segment.start < 0 or segment.end <= segment.start:
            times = f"expected 0 <= start < end, found {segment.start:g} to {segment.end:g} s"
            raise RecordError("bad segments", f"{where}: {times}; correct it")
        previous = ends.get(segment.speaker, 0.0)
        if segment.start < previous - MAX_OVERLAP_SECONDS:
            order = f"expected a start after the end before it, {previous:g} s, found {segment.start:g} s"
            raise RecordError("bad segments", f"{where}: {order}; order the segments, without overlaps")
        if segment.start < begun:
            order = f"expected a start after the start before it, {begun:g} s, found {segment.start:g} s"
            raise RecordError("bad segments", f"{where}: {order}; order the segments")
        if segment.end > audio.seconds + MAX_BEYOND_SECONDS:
            beyond = f"expected an end within the {audio.seconds:g} s of audio, found {segment.end:g} s"
            raise RecordError("bad segments", f"{where}: {beyond}; correct it")
        ends[segment.speaker], begun = segment.end, segment.start
    return tuple(
        ReferenceSegment(
            start=segment.start,
            end=min(segment.end, audio.seconds),
            transcript=segment.transcript,
            references=select_references(segment.references, draft.target_language, target),
            speaker=segment.speaker,
        )
        for segment in draft.segments
    )


def join_transcripts(
    stated: str | None, segments: Sequence[ReferenceSegment], language: str | None
) -> str | None:
    """Return the transcript of the whole: the stated one, else those of all segments, if all have one."""
    texts = [segment.transcript for segment in segments if segment.transcript is not None]
    if stated is not None or not segments or len(texts) < len(segments):
        return stated
    return join_texts(texts, language)


def join_references(segments: Sequence[ReferenceSegment], language: str | None) -> tuple[str, ...]:
    """Return the references of the whole, as many as every segment has."""
    count = min((len(segment.references) for segment in segments), default=0)
    return tuple(join_texts([s.references[number] for s in segments], language) for number in range(count))


def select_references(references: References, stated: str | None, target: str | None) -> tuple[str, ...]:
    """Select references in the target language; those of no stated language are the record's target's.

    Args:
        references: texts by language, "" for the record's target.
        stated: the target that the record states.
        target: the language that is asked for.
    """
    own = stated is None or target is None or is_same_language(stated, target)
    texts = list(references.get("", [])) if own else []
    for language, others in references.items():
        if language and target is not None and is_same_language(language, target):
            texts += others
    return tuple(texts)


def join_texts(texts: Sequence[str], language: str | None) -> str:
    """Return one text of several, with spaces where the language is written with any."""
    space = "" if without_spaces(language or UNDETERMINED) else " "
    return space.join(text.strip() for text in texts if text.strip())
