"""Texts of a node, ready to be edited, for tests."""

from __future__ import annotations

from components.editing.editable_text import EditableText
from components.records import Audio, Hypothesis, Segment, Utterance, Word


def segment(start: float, end: float, text: str) -> Segment:
    """With word times, evenly spread."""
    words = text.split()
    step = (end - start) / max(len(words), 1)
    times = [(start + n * step, start + (n + 1) * step) for n in range(len(words))]
    spoken = tuple(
        Word(start=first, end=last, text=f" {word}") for word, (first, last) in zip(words, times, strict=True)
    )
    return Segment(start=start, end=end, text=text, words=spoken)


def spoken(
    key: str, *segments: Segment, path: str = "talk.wav", offset: float = 0.0, text: str | None = None
) -> EditableText:
    """An utterance of 10 s, from ``offset`` of its recording on."""
    audio = Audio(path=path, sha256="0" * 64, seconds=10.0, sample_rate=16000, offset=offset)
    utterance = Utterance(id=key, audio=audio, source_language="en", target_language="de")
    text = " ".join(each.text for each in segments) if text is None else text
    hypothesis = Hypothesis(text=text, score=-1.0, n_tokens=4, system="asr", segments=segments)
    return EditableText(utterance, hypothesis)


def written(key: str, text: str, source: str | None = None) -> EditableText:
    """A text without speech."""
    utterance = Utterance(id=key, text=source or text, source_language="en", target_language="de")
    return EditableText(utterance, Hypothesis(text=text, score=-1.0, n_tokens=4, system="mt"), source)


def by_id(*texts: EditableText) -> dict[str, EditableText]:
    """As a node gives them."""
    return {text.id: text for text in texts}
