"""The texts of a node as a person edits them: beside their utterances and what they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.files.file_names import unique_stems
from components.files.locations.location import file_name_of
from components.records import Hypothesis, NBest, Segment, Utterance
from components.run_record import StageRef
from components.storage.stages.reader import read_best_texts, read_nbests_by_id, read_utterances
from components.text.languages import is_undetermined
from components.text.text_confidence import confidence_of

SUBTITLES_NAME = "subtitles"
"""Of what was read from subtitles, as the name of a recording."""


@dataclass(frozen=True)
class EditableText:
    """The best text of a node for one utterance.

    Attributes:
        utterance: of the data set.
        hypothesis: the text as it is now.
        source: the text that it was translated from; None for a transcript.
    """

    utterance: Utterance
    hypothesis: Hypothesis
    source: str | None = None

    @property
    def id(self) -> str:
        """The utterance's id."""
        return self.utterance.id

    @property
    def text(self) -> str:
        """The text as it is now."""
        return self.hypothesis.text

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Its segments; where there are none, all of it over the whole of the utterance's time."""
        stretch, offset = self.utterance.stretch, self.utterance.offset
        if self.hypothesis.segments or stretch is None or not self.text.strip():
            return self.hypothesis.segments
        start, end = stretch
        return (Segment(start=start - offset, end=end - offset, text=self.text.strip()),)


def read_editable_texts(
    data: StageRef, texts: StageRef, sources: StageRef | None, *, translated: bool
) -> dict[str, EditableText]:
    """Return what a stage gave for each utterance of its data set, in the order of the data.

    Args:
        data: the data set.
        texts: the stage.
        sources: the stage whose texts it translated; None for the data set's own.
        translated: whether it translated.
    """
    outcomes = read_nbests_by_id(texts)
    source_texts = {} if sources is None else read_best_texts(sources)
    return {
        utterance.id: EditableText(
            _with_detected_language(utterance, outcomes[utterance.id]),
            outcomes[utterance.id].best,
            source_texts.get(utterance.id, utterance.text) if translated else None,
        )
        for utterance in read_utterances(data)
        if utterance.id in outcomes
    }


def _with_detected_language(utterance: Utterance, outcome: NBest) -> Utterance:
    """Return the utterance in the language that was heard, where nobody stated one."""
    if outcome.language is None or not is_undetermined(utterance.source_language):
        return utterance
    return utterance.model_copy(update={"source_language": outcome.language})


def certainty_of(hypothesis: Hypothesis) -> float:
    """Return the confidence of a text, 0 to 1; 1 where there is none, as of an edited text."""
    confidence = confidence_of(hypothesis)
    return 1.0 if confidence is None else confidence


def cue_times(text: EditableText, segment: Segment) -> tuple[int, int]:
    """Return when a segment's cue begins and ends in its file, in milliseconds; it lasts one at least."""
    start, end = (round(1000 * (text.utterance.offset + seconds)) for seconds in (segment.start, segment.end))
    return start, max(end, start + 1)


@dataclass(frozen=True)
class Recording:
    """An audio file, or subtitles, and the texts of the utterances that are stretches of it, in order.

    Attributes:
        name: of its file of subtitles, without suffix: unique among the recordings of a data set.
        texts: the utterances' texts.
    """

    name: str
    texts: tuple[EditableText, ...]

    @property
    def seconds(self) -> float:
        """Where the last utterance ends, in seconds from the file's start."""
        return max(stretch[1] for stretch in map(stretch_of, self.texts))


def stretch_of(text: EditableText) -> tuple[float, float]:
    """Return where an utterance begins and ends in its recording, in seconds."""
    assert text.utterance.stretch is not None  # a recording's
    return text.utterance.stretch


def group_by_recording(texts: Mapping[str, EditableText]) -> dict[str, Recording]:
    """Return the recordings of utterances that have times by name; the others are left out."""
    by_audio: dict[tuple[str, str], list[EditableText]] = {}
    for text in texts.values():
        audio = text.utterance.audio
        if text.utterance.stretch is not None:
            by_audio.setdefault((audio.path, audio.sha256) if audio else ("", ""), []).append(text)
    names = unique_stems([file_name_of(path) if path else SUBTITLES_NAME for path, _ in by_audio])
    return {
        name: Recording(name, tuple(sorted(group, key=stretch_of)))
        for name, group in zip(names, by_audio.values(), strict=True)
    }
