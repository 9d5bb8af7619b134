"""Utterances -> the streams of windows that are decoded of them: audio, language, voice activity.

Opening one computes nothing with the model and needs no other utterance, so that it may happen in a thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from components import audio
from components.compute.openai_whisper import HOP_LENGTH, find_language
from components.errors import DataError
from components.recognition.config import RecognitionConfig
from components.recognition.prefetch import Prefetched
from components.recognition.recognizer import STAGE, quarantine
from components.recognition.vad.windows import Span, is_silent, windows_of
from components.recognition.whisper.backend import WhisperBackend
from components.recognition.whisper.windows.decoding_state import UtteranceState, WindowStream
from components.records import Quarantined, Utterance
from components.text.languages import base_of, is_undetermined, two_letters_of


@dataclass(frozen=True)
class OpenedUtterance:
    """An utterance with its streams, none where it is silent; or why it is quarantined.

    Attributes:
        index: its place in the list that the recognizer was given.
        state: the utterance, or its quarantine.
        streams: what is decoded of it.
    """

    index: int
    state: UtteranceState | Quarantined
    streams: tuple[WindowStream, ...] = ()


class UtteranceOpener:
    """Opens utterances.

    Args:
        config: segmentation.
        backend: the model, whose languages it knows.
        reference: names it in messages.
    """

    def __init__(self, config: RecognitionConfig, backend: WhisperBackend, reference: str) -> None:
        self._config, self._backend, self._reference = config, backend, reference

    def open(self, index: int, utterance: Utterance) -> OpenedUtterance:
        """Decode the audio of an utterance and find what of it is decoded.

        Args:
            index: its place in the list that the recognizer was given.
            utterance: the record.
        """
        if utterance.audio is None:
            detail = "expected audio to recognise, found text only"
            return OpenedUtterance(index, quarantine(utterance, "no audio", detail))
        try:
            language = self._language_code_of(utterance)
            samples = audio.decode(utterance.audio)
        except _UnknownLanguageError as error:
            return OpenedUtterance(index, quarantine(utterance, "unknown language", str(error)))
        except DataError as error:
            fault = Quarantined(
                utterance_id=utterance.id, stage=STAGE, reason="unreadable audio", detail=str(error)
            )
            return OpenedUtterance(index, fault)
        state = UtteranceState(index, utterance, samples, language)
        spans = self._find_spans(samples)
        parts = [spans] if self._config.condition_on_previous_text else [[span] for span in spans]
        streams = [WindowStream(state, part, is_first=i == 0) for i, part in enumerate(parts) if part]
        state.open_streams = len(streams)
        return OpenedUtterance(index, state, tuple(streams))

    def _language_code_of(self, utterance: Utterance) -> str | None:
        """Return Whisper's code of the declared language; None when it has to be detected."""
        base, code = base_of(utterance.source_language), two_letters_of(utterance.source_language)
        undetermined = is_undetermined(code)
        if not self._backend.dims.is_multilingual:
            if code == "en" or undetermined:
                return "en"
            raise _UnknownLanguageError(f"{self._reference} knows English only, found {base!r}")
        if undetermined:
            return None
        known = find_language(code, self._backend.dims.num_languages)
        if known is None:
            raise _UnknownLanguageError(
                f"expected a language that {self._reference} knows (or 'und' to detect it), found "
                f"{utterance.source_language!r}"
            )
        return known

    def _find_spans(self, samples: audio.Samples) -> list[Span]:
        if len(samples) < HOP_LENGTH or is_silent(samples):
            return []
        if self._config.vad:
            return windows_of(samples)
        return [Span(0.0, len(samples) / audio.SAMPLE_RATE)]


class _UnknownLanguageError(DataError):
    """The model does not know the language of an utterance."""


class StreamQueue:
    """The streams of utterances that are opened ahead, in order.

    Args:
        opened: the utterances.
        admit: told of each of them when its turn has come; gives its streams.
    """

    def __init__(
        self,
        opened: Prefetched[tuple[int, Utterance], OpenedUtterance],
        admit: Callable[[OpenedUtterance], tuple[WindowStream, ...]],
    ) -> None:
        self._opened, self._admit = opened, admit
        self._streams: deque[WindowStream] = deque()

    def pop(self) -> WindowStream | None:
        """Return the next stream; None: there are no more."""
        while not self._streams:
            opened = next(self._opened, None)
            if opened is None:
                return None
            self._streams.extend(self._admit(opened))
        return self._streams.popleft()

    def peek(self, count: int) -> list[WindowStream]:
        """Return the next ``count`` streams, fewer where that would be to wait."""
        while len(self._streams) < count and self._opened.is_ready:
            self._streams.extend(self._admit(next(self._opened)))
        return list(islice(self._streams, count))
