"""Utterances -> transcripts by Whisper: audio, windows, batches, temperature fallback, n-best lists.

At most ``batch_size`` windows are decoded together, and only the audio of their utterances is in memory; off
the CPU threads prepare that of the next two batches meanwhile. Shorter utterances go first, so that the rows
of a batch end at about the same time. The same list of utterances gives the same batches and thus the same
bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from pydantic import TypeAdapter

from components.compute.batch_sizes import BatchLimit, ItemTooLargeError
from components.compute.progress import report_share
from components.decoding.continuing import CONTINUING
from components.decoding.isolation import isolate
from components.errors import ModelError
from components.nodes.sessions import SESSIONS, Session
from components.recognition.batches import choose_windows
from components.recognition.config import RecognitionConfig
from components.recognition.prefetch import Prefetched, choose_threads
from components.recognition.recognizer import quarantine
from components.recognition.vad.windows import MAX_WINDOW_SECONDS
from components.recognition.whisper.backend import WhisperBackend
from components.recognition.whisper.guides.guide import Guide
from components.recognition.whisper.nbest import build_nbest
from components.recognition.whisper.windows.decoding_state import (
    DecodedWhisperWindow,
    KeptWindow,
    UtteranceState,
    WindowStream,
)
from components.recognition.whisper.windows.features import FRAMES_PER_SECOND
from components.recognition.whisper.windows.opening import OpenedUtterance, StreamQueue, UtteranceOpener
from components.recognition.whisper.windows.window_decoder import WhisperWindowDecoder
from components.recognition.whisper.windows.window_encoder import WindowEncoder
from components.recognition.whisper.word_timer import find_word_timer
from components.recognition.whisper.words.segments import split_into_segments
from components.records import Checkpoint, NBest, Outcome, Quarantined, Utterance
from components.storage.stages.window_journal import recall_or_compute

MAX_SKIPPED_SPEECH_SECONDS = 2.0
"""Speech after a window's last timestamp, or between two of its segments, that may be left out. Where there
is more, a window begins there: Whisper ends its text early or passes over speech now and then, and
openai-whisper loses what it left out, up to half a minute."""
BATCHES_AHEAD = 2
"""Batches of whole windows whose audio is prepared ahead, or one utterance if that is longer."""
MIN_SPEECH_LEFT_SECONDS = 0.3
"""Less speech than this after the end of a window's text is the rest of its last word; decoded as a window of
its own it becomes a sentence that nobody said ("We'll see you next time.")."""
MIN_WINDOW_ADVANCE_SECONDS = 1.0
"""A window that ends early must have advanced this far, so that there are at most 30 windows where one would
do."""
_KEPT_WINDOWS = TypeAdapter(list[KeptWindow])


class WhisperRecognizer:
    """A :class:`~components.recognition.recognizer.Recognizer` over a Whisper model in any library.

    Args:
        config: search, segmentation and thresholds.
        backend: the model.
        checkpoint: where the model came from.
        task: ``transcribe``, or ``translate`` to write English.
        seed: of the samples of the temperature fallback.
        members: names of the members of an ensemble, whose scores the tokens then keep.
        guides: what guides the search beside the model.

    Attributes:
        threads: that prepare the audio of the next batches while one is decoded; 0: none.
        encodes_ahead: whether the next batch is encoded while one is decoded. The outcomes depend on neither.
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
        self._opener = UtteranceOpener(config, backend, checkpoint.reference)
        self._encoder = WindowEncoder(backend)
        self._decoder = WhisperWindowDecoder(config, backend, task, seed, guides)
        self.threads = choose_threads(config.device)
        self.encodes_ahead = backend.device.type == "cuda"
        self.system = f"{checkpoint.reference}/{config.backend}"

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """Return one outcome per utterance, in order; a quarantine without audio in a known language."""
        outcomes: dict[int, Outcome] = {}
        order = sorted(range(len(utterances)), key=lambda i: (_duration_of(utterances[i]), i))
        open_streams: list[WindowStream] = []
        with Prefetched(
            self._prepare,
            [(i, utterances[i]) for i in order],
            self.threads,
            size_of=lambda item: _duration_of(item[1]),
            capacity=BATCHES_AHEAD * self._batch_size * MAX_WINDOW_SECONDS,
        ) as prepared:
            waiting = StreamQueue(prepared, partial(self._admit, outcomes))
            while True:
                while len(open_streams) < self._batch_size and (stream := waiting.pop()) is not None:
                    if stream.state.index not in outcomes:  # quarantined in another of its windows
                        open_streams.append(stream)
                if not open_streams:
                    break
                open_streams = self._decode_windows(open_streams, waiting, outcomes)
                finished = sum(_duration_of(utterances[index]) for index in outcomes)
                begun = {id(stream.state): stream.state.decoded_seconds for stream in open_streams}
                report_share(finished + sum(begun.values()), sum(map(_duration_of, utterances)))
        return [outcomes[i] for i in range(len(utterances))]

    def open_session(self) -> Session:
        """Return what recognizes utterances that come and go, with the outcomes of :meth:`recognize`."""
        session: Session = SESSIONS["windows"](
            self._prepare, self._admit, self._decode_alone, self._text_before, self._batch_size
        )
        return session

    def go_on(self, utterance: Utterance, written: str, attends: bool) -> Any:
        """Recognize an utterance that is begun; see :data:`components.nodes.continuing.GoOn`."""
        return CONTINUING["recognizer"](
            self._opener.open(0, utterance),
            written,
            attends=attends,
            config=self.config,
            tokenizer_of=self._decoder.tokenizer_of,
            admit=self._admit,
            decode=self._decode_alone,
        )

    def _decode_alone(self, streams: list[WindowStream], outcomes: dict[int, Outcome]) -> list[WindowStream]:
        """Decode the present windows of streams that no others follow; see :meth:`_decode_windows`."""
        opener = partial(Prefetched[tuple[int, Utterance], OpenedUtterance], self._prepare, (), 0)
        nothing = StreamQueue(opener(size_of=lambda _: 0.0, capacity=0.0), lambda opened: ())
        return self._decode_windows(streams, nothing, outcomes)

    def _text_before(self, streams: list[WindowStream]) -> str:
        """Return what is written before the windows that are left; samples have one order at the end only."""
        state, first = streams[0].state, min(stream.start for stream in streams)
        windows = [window for window in state.windows if window.start < first]
        if not windows or self.config.sampling is not None:
            return ""
        return build_nbest(windows, self._decoder.tokenizer_of(state), self.system, 1)[0].text

    def _prepare(self, item: tuple[int, Utterance]) -> OpenedUtterance:
        """Open an utterance, and compute its features where that is done in a thread."""
        opened = self._opener.open(*item)
        if self.threads:
            self._encoder.prepare(opened.streams)
        return opened

    def _admit(self, outcomes: dict[int, Outcome], opened: OpenedUtterance) -> tuple[WindowStream, ...]:
        """Return the streams of an utterance; its outcome where it has none."""
        if isinstance(opened.state, Quarantined):
            outcomes[opened.index] = opened.state
        elif not opened.streams:
            outcomes[opened.index] = self._build_outcome(opened.state)
        return opened.streams

    @torch.inference_mode()
    def _decode_windows(
        self, streams: list[WindowStream], waiting: StreamQueue, outcomes: dict[int, Outcome]
    ) -> list[WindowStream]:
        """Decode the present window of every stream whose language is known, or which detects it.

        Meanwhile the next of those that are ``waiting`` are encoded. Returns the streams that have windows
        left; finished utterances get their outcomes.
        """
        decodable = [t for t in streams if t.is_decodable]
        decode = partial(self._decode_batch, upcoming=self._find_next_batch(streams, waiting))

        def compute() -> list[KeptWindow | ModelError]:
            decoded = isolate(partial(self._limit.map, decode), decodable, ItemTooLargeError)
            states = [stream.state for stream in decodable]
            return [
                window
                if isinstance(window, ModelError)
                else KeptWindow(window, state.language, state.language_probability)
                for state, window in zip(states, decoded, strict=True)
            ]

        names = [self.system, *(stream.name for stream in decodable)]
        results = recall_or_compute(names, _KEPT_WINDOWS, compute)
        finished: set[int] = set()
        for stream, result in zip(decodable, results, strict=True):
            if isinstance(result, ModelError):
                outcomes[stream.state.index] = _quarantine_window(stream.state.utterance, result)
                continue
            stream.state.language = result.language
            stream.state.language_probability = result.language_probability
            if self._cuts(stream, window := result.window):
                continue
            stream.state.windows.append(window)
            if stream.advance(self._next_seek(stream, window)):
                continue
            finished.add(id(stream))
            stream.state.open_streams -= 1
            if not stream.state.open_streams and stream.state.index not in outcomes:
                outcomes[stream.state.index] = self._build_outcome(stream.state)
        return [t for t in streams if id(t) not in finished and t.state.index not in outcomes]

    def _cuts(self, stream: WindowStream, window: DecodedWhisperWindow) -> bool:
        """Cut a window whose text passes over speech between two segments: its parts are decoded alone."""
        if window.is_silence or not stream.spans[0].speech:
            return False
        tokenizer, end = self._decoder.tokenizer_of(stream.state), 0.0
        pieces, _ = split_into_segments(window.candidates[0].tokens, tokenizer, window.frames)
        for piece in pieces:
            skipped = stream.spans[0].speech_within(stream.start + end, stream.start + piece.start)
            if skipped > MAX_SKIPPED_SPEECH_SECONDS:
                stream.cut(end if end >= MIN_WINDOW_ADVANCE_SECONDS else piece.start)
                return True
            end = piece.end
        return False

    def _find_next_batch(self, streams: list[WindowStream], waiting: StreamQueue) -> list[WindowStream]:
        """Return what will be decoded after the present windows of ``streams``, where that can be told."""
        if not self.encodes_ahead or any(len(t.spans) > 1 or not t.fits_window for t in streams):
            return []
        return [t for t in waiting.peek(self._batch_size) if t.is_decodable]

    def _decode_batch(
        self, streams: list[WindowStream], upcoming: list[WindowStream]
    ) -> list[DecodedWhisperWindow | ModelError]:
        """Decode windows together; languages that are unknown are detected on the way."""
        features = self._encoder.encode(streams)
        if upcoming and self._limit.size == self._batch_size:  # memory has not run out yet
            self._encoder.encode_ahead(upcoming)
        unknown = [i for i, t in enumerate(streams) if t.state.language is None]
        if unknown:
            for i, detected in zip(unknown, self._backend.detect_languages(features[unknown]), strict=True):
                state = streams[i].state
                state.language, state.language_probability = detected
        return self._decoder.decode(streams, features)

    def _next_seek(self, stream: WindowStream, window: DecodedWhisperWindow) -> int:
        """Frames (10 ms) from this window to the next; keeps its text where that is the next one's prompt."""
        if window.is_silence:
            return window.frames
        tokenizer = self._decoder.tokenizer_of(stream.state)
        pieces, frames = split_into_segments(window.candidates[0].tokens, tokenizer, window.frames)
        end = pieces[-1].end if pieces else 0.0
        if end >= MIN_WINDOW_ADVANCE_SECONDS and stream.speech_after(end) > MAX_SKIPPED_SPEECH_SECONDS:
            frames = min(frames, round(end * FRAMES_PER_SECOND))
        if stream.knows_speech and stream.speech_after(frames / FRAMES_PER_SECOND) < MIN_SPEECH_LEFT_SECONDS:
            frames = window.frames
        if self.config.condition_on_previous_text:
            text_tokens = [token for piece in pieces for token in piece.tokens]
            stream.previous = [] if window.temperature > 0.5 else stream.previous + text_tokens
        return frames

    def _build_outcome(self, state: UtteranceState) -> NBest:
        tokenizer, sampling = self._decoder.tokenizer_of(state), self.config.sampling
        n = self.config.n_best if sampling is None else None
        hypotheses = build_nbest(state.windows, tokenizer, self.system, n, self._members)
        if self.config.word_times and self.config.vad:
            segments = find_word_timer().hold(hypotheses[0].segments, state.samples)
            hypotheses = (hypotheses[0].model_copy(update={"segments": segments}), *hypotheses[1:])
        if self.config.entropies and state.language_probability is not None:
            added = {"language_probability": state.language_probability}
            hypotheses = tuple(h.model_copy(update={"features": {**h.features, **added}}) for h in hypotheses)
        language = "jv" if state.language == "jw" else state.language  # Javanese has a code of Whisper's own
        return NBest(utterance_id=state.utterance.id, hypotheses=hypotheses, language=language)


def _duration_of(utterance: Utterance) -> float:
    return utterance.audio.seconds if utterance.audio else 0.0


def _quarantine_window(utterance: Utterance, error: ModelError) -> Quarantined:
    if isinstance(error, ItemTooLargeError):
        return quarantine(utterance, error.reason, str(error))
    detail = f"{error}; other audio gives finite ones: listen to this recording"
    return quarantine(utterance, "no finite scores", detail)
