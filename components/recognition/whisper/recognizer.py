"""Utterances -> transcripts by Whisper: audio, windows, batches, temperature fallback, n-best lists.

At most ``batch_size`` windows are decoded together, and only the audio of their utterances is in memory.
Shorter utterances go first, so that the rows of a batch end at about the same time. The same list of
utterances gives the same batches and thus the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from whisper.audio import HOP_LENGTH
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

from components import audio
from components.batch_sizes import BatchLimit, ItemTooLargeError
from components.decoding.isolation import isolate
from components.errors import DataError, ModelError
from components.languages import base_of, is_undetermined, two_letters_of
from components.progress import report_share
from components.recognition.batches import choose_windows
from components.recognition.config import RecognitionConfig
from components.recognition.recognizer import STAGE
from components.recognition.vad.windows import Span, is_silent, windows_of
from components.recognition.whisper.backend import WhisperBackend
from components.recognition.whisper.decoding_state import DecodedWindow, UtteranceState, WindowStream
from components.recognition.whisper.features import FRAMES_PER_SECOND
from components.recognition.whisper.guides import Guide
from components.recognition.whisper.nbest import build_nbest
from components.recognition.whisper.segments import split_into_segments
from components.recognition.whisper.window_decoder import WindowDecoder
from components.records import Checkpoint, NBest, Outcome, Quarantined, Utterance

MAX_SKIPPED_SPEECH_SECONDS = 2.0
"""Speech after a window's last timestamp that may be left out. Where there is more, the next window begins at
that timestamp: Whisper ends its text early now and then, and openai-whisper loses what follows, up to half a
minute."""
MIN_WINDOW_ADVANCE_SECONDS = 1.0
"""A window that ends early must have advanced this far, so that there are at most 30 windows where one would
do."""


class _RefusedError(Exception):
    """An utterance goes to quarantine; ``reason`` is the short class of the fault that reports count by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class WhisperRecognizer:
    """A :class:`~components.recognition.recognizer.Recognizer` over a Whisper model in any library.

    Args:
        config: Search, segmentation and thresholds.
        backend: The model.
        checkpoint: Where the model came from.
        task: ``transcribe``, or ``translate`` to write English.
        seed: Of the samples of the temperature fallback.
        members: Names of the members of an ensemble, whose scores the tokens then keep.
        guides: What guides the search beside the model.
    """

    def __init__(
        self,
        config: RecognitionConfig,
        backend: WhisperBackend,
        checkpoint: Checkpoint,
        task: str = "transcribe",
        seed: int = 0,
        members: Sequence[str] = (),
        guides: Sequence[Guide] = (),
    ) -> None:
        self.config, self.checkpoint = config, checkpoint
        self._backend, self._members = backend, members
        sampling, batch_size = config.sampling, choose_windows(config)
        self._batch_size = sampling.fit_batch(batch_size, config.beam_size) if sampling else batch_size
        self._limit = BatchLimit(self._batch_size)
        self._decoder = WindowDecoder(config, backend, task, seed, guides)
        self.system = f"{checkpoint.reference}/{config.backend}"

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """One outcome per utterance, in order; quarantined without readable audio in a language it knows."""
        outcomes: dict[int, Outcome] = {}
        order = sorted(range(len(utterances)), key=lambda i: (_duration_of(utterances[i]), i))
        waiting_streams = self._open_streams(((i, utterances[i]) for i in order), outcomes)
        open_streams: list[WindowStream] = []
        while True:
            while (
                len(open_streams) < self._batch_size and (stream := next(waiting_streams, None)) is not None
            ):
                if stream.state.index not in outcomes:  # quarantined in another of its windows
                    open_streams.append(stream)
            if not open_streams:
                break
            open_streams = self._decode_windows(open_streams, outcomes)
            finished = sum(_duration_of(utterances[index]) for index in outcomes)
            begun = {id(stream.state): stream.state.decoded_seconds for stream in open_streams}
            report_share(finished + sum(begun.values()), sum(map(_duration_of, utterances)))
        return [outcomes[i] for i in range(len(utterances))]

    def _open_streams(
        self, utterances: Iterator[tuple[int, Utterance]], outcomes: dict[int, Outcome]
    ) -> Iterator[WindowStream]:
        for index, utterance in utterances:
            try:
                state = self._open_utterance(index, utterance)
            except _RefusedError as refusal:
                outcomes[index] = Quarantined(
                    utterance_id=utterance.id, stage=STAGE, reason=refusal.reason, detail=str(refusal)
                )
                continue
            spans = self._find_spans(state)
            streams = [spans] if self.config.condition_on_previous_text else [[span] for span in spans]
            state.open_streams = len([t for t in streams if t])
            if not state.open_streams:
                outcomes[index] = self._build_outcome(state)
            yield from (WindowStream(state, t, is_first=i == 0) for i, t in enumerate(streams) if t)

    def _open_utterance(self, index: int, utterance: Utterance) -> UtteranceState:
        if utterance.audio is None:
            raise _RefusedError("no audio", f"{utterance.id}: expected audio to recognise, found text only")
        language = self._language_code_of(utterance)
        try:
            samples = audio.decode(utterance.audio)
        except DataError as error:
            raise _RefusedError("unreadable audio", str(error)) from error
        return UtteranceState(index, utterance, samples, language)

    def _language_code_of(self, utterance: Utterance) -> str | None:
        """Whisper's code of the declared language; None when it has to be detected."""
        base, code = base_of(utterance.source_language), two_letters_of(utterance.source_language)
        undetermined = is_undetermined(code)
        if not self._backend.dims.is_multilingual:
            if code == "en" or undetermined:
                return "en"
            detail = f"{utterance.id}: {self.checkpoint.reference} knows English only, found {base!r}"
            raise _RefusedError("unknown language", detail)
        if undetermined:
            return None
        code = str(TO_LANGUAGE_CODE.get(code, code))  # English names of languages, too
        if code not in LANGUAGES:
            detail = (
                f"{utterance.id}: expected a language that Whisper knows (or 'und' to detect it), found "
                f"{utterance.source_language!r}"
            )
            raise _RefusedError("unknown language", detail)
        return code

    def _find_spans(self, state: UtteranceState) -> list[Span]:
        if len(state.samples) < HOP_LENGTH or is_silent(state.samples):
            return []
        if self.config.vad:
            return windows_of(state.samples)
        return [Span(0.0, len(state.samples) / audio.SAMPLE_RATE)]

    @torch.inference_mode()
    def _decode_windows(
        self, streams: list[WindowStream], outcomes: dict[int, Outcome]
    ) -> list[WindowStream]:
        """Decode the present window of every stream whose language is known, or which detects it.

        Returns the streams that have windows left; finished utterances get their outcomes.
        """
        decodable = [t for t in streams if t.state.language is not None or t.is_first]
        windows = isolate(partial(self._limit.map, self._decode_batch), decodable, ItemTooLargeError)
        finished: set[int] = set()
        for stream, window in zip(decodable, windows, strict=True):
            if isinstance(window, ModelError):
                outcomes[stream.state.index] = _quarantine_window(stream.state.utterance, window)
                continue
            stream.state.windows.append(window)
            if stream.advance(self._next_seek(stream, window)):
                continue
            finished.add(id(stream))
            stream.state.open_streams -= 1
            if not stream.state.open_streams and stream.state.index not in outcomes:
                outcomes[stream.state.index] = self._build_outcome(stream.state)
        return [t for t in streams if id(t) not in finished and t.state.index not in outcomes]

    def _decode_batch(self, streams: list[WindowStream]) -> list[DecodedWindow | ModelError]:
        """Decode windows together; languages that are unknown are detected on the way."""
        features = self._backend.encode(torch.stack([t.mel(self._backend.dims.n_mels) for t in streams]))
        unknown = [i for i, t in enumerate(streams) if t.state.language is None]
        if unknown:
            for i, detected in zip(unknown, self._backend.detect_languages(features[unknown]), strict=True):
                state = streams[i].state
                state.language, state.language_probability = detected
        return self._decoder.decode(streams, features)

    def _next_seek(self, stream: WindowStream, window: DecodedWindow) -> int:
        """Frames (10 ms) from this window to the next; keeps its text where that is the next one's prompt."""
        if window.is_silence:
            return window.frames
        tokenizer = self._decoder.tokenizer_of(stream.state)
        pieces, frames = split_into_segments(window.candidates[0].tokens, tokenizer, window.frames)
        end = pieces[-1].end if pieces else 0.0
        if end >= MIN_WINDOW_ADVANCE_SECONDS and stream.speech_after(end) > MAX_SKIPPED_SPEECH_SECONDS:
            frames = min(frames, round(end * FRAMES_PER_SECOND))
        if self.config.condition_on_previous_text:
            text_tokens = [token for piece in pieces for token in piece.tokens]
            stream.previous = [] if window.temperature > 0.5 else stream.previous + text_tokens
        return frames

    def _build_outcome(self, state: UtteranceState) -> NBest:
        tokenizer, sampling = self._decoder.tokenizer_of(state), self.config.sampling
        n = self.config.n_best if sampling is None else None
        hypotheses = build_nbest(state.windows, tokenizer, self.system, n, self._members)
        if self.config.entropies and state.language_probability is not None:
            added = {"language_probability": state.language_probability}
            hypotheses = tuple(h.model_copy(update={"features": {**h.features, **added}}) for h in hypotheses)
        return NBest(utterance_id=state.utterance.id, hypotheses=hypotheses, language=state.language)


def _duration_of(utterance: Utterance) -> float:
    return utterance.audio.seconds if utterance.audio else 0.0


def _quarantine_window(utterance: Utterance, error: ModelError) -> Quarantined:
    reason, detail = "no finite scores", f"{error}; other audio gives finite ones: listen to this recording"
    if isinstance(error, ItemTooLargeError):
        reason, detail = error.reason, str(error)
    return Quarantined(
        utterance_id=utterance.id, stage=STAGE, reason=reason, detail=f"{utterance.id}: {detail}"
    )
