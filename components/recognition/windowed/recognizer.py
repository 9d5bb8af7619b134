"""The recognizer over any decoder of windows: utterances -> windows -> batches -> n-best lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from pydantic import TypeAdapter

from components import audio
from components.batch_sizes import BatchLimit, ItemTooLargeError
from components.decoding.isolation import isolate
from components.errors import DataError, ModelError
from components.languages import base_of, is_undetermined, two_letters_of
from components.progress import track
from components.recognition.batches import choose_windows
from components.recognition.config import RecognitionConfig
from components.recognition.prefetch import Prefetched, choose_threads
from components.recognition.recognizer import quarantine
from components.recognition.vad.windows import Span, cut, is_silent, windows_of
from components.recognition.windowed.decoder import Request, Task, Window, WindowDecoder, WindowHypothesis
from components.recognition.windowed.nbest import build_nbest
from components.records import Checkpoint, NBest, Outcome, Quarantined, Utterance
from components.storage.window_journal import recall_or_compute

MIN_SAMPLES = 3200
"""Shorter audio (0.2 s) is padded with silence: convolutions need some samples to give a state."""
_HYPOTHESES = TypeAdapter(list[Sequence[WindowHypothesis]])


@dataclass(frozen=True)
class _PreparedUtterance:
    """An utterance, the spans of it that are decoded, and a window of each."""

    utterance: Utterance
    spans: tuple[Span, ...]
    windows: tuple[Window, ...]


class WindowRecognizer:
    """A :class:`~components.recognition.recognizer.Recognizer` over a :class:`.decoder.WindowDecoder`.

    Of the settings it uses ``n_best``, ``batch_size`` and ``vad``; the decoder has its own.

    Args:
        config: Settings.
        decoder: The model.
        checkpoint: Where the model came from.
        task: What is written. A ``stack`` reads the lines of an utterance's text as its transcripts.
    """

    def __init__(
        self,
        config: RecognitionConfig,
        decoder: WindowDecoder,
        checkpoint: Checkpoint,
        task: Task = "transcribe",
    ) -> None:
        self.config, self.checkpoint = config, checkpoint
        self._decoder, self._task = decoder, task
        self._limit = BatchLimit(choose_windows(config))
        self.system = f"{checkpoint.reference}/{config.backend}"

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """One outcome per utterance, in order: its n-best list, or the fault that quarantines it.

        Raises:
            ModelError: The model fails on every window.
        """
        threads = choose_threads(self.config.device)
        with Prefetched(self._prepare, utterances, threads, size_of=lambda _: 0.0, capacity=0.0) as opened:
            prepared = list(opened)  # all of them are in memory: the longest windows are decoded first
        readable = [each for each in prepared if not isinstance(each, Quarantined)]
        windows = [window for each in readable for window in each.windows]
        names = [f"{each.utterance.id}@{span.start:.2f}" for each in readable for span in each.spans]
        results = iter(self._decode(windows, names))
        return [
            each
            if isinstance(each, Quarantined)
            else self._build_outcome(each, [next(results) for _ in each.windows])
            for each in prepared
        ]

    def _prepare(self, utterance: Utterance) -> _PreparedUtterance | Quarantined:
        if utterance.audio is None:
            return quarantine(utterance, "no audio", "expected audio to recognise, found text only")
        request = self._request_of(utterance)
        known = self._decoder.language
        if known and two_letters_of(request.source) != known and not is_undetermined(request.source):
            detail = f"{self.checkpoint.reference} knows {known} only, found {base_of(request.source)!r}"
            return quarantine(utterance, "unknown language", detail)
        try:
            self._decoder.check(request)
        except DataError as error:
            return quarantine(utterance, "unsupported input", f"{self.checkpoint.reference}: {error}")
        try:
            samples = audio.decode(utterance.audio)
        except DataError as error:
            return quarantine(utterance, "unreadable audio", str(error))
        spans = self._find_spans(samples)
        if self._task == "stack" and len(spans) > 1:
            detail = (
                f"expected at most {self._decoder.max_seconds:g} s of audio, which a transcript is read "
                f"with as a whole, found {len(samples) / audio.SAMPLE_RATE:.1f} s: cut the recording"
            )
            return quarantine(utterance, "input too long", detail)
        return _PreparedUtterance(
            utterance, tuple(spans), tuple(Window(_cut_out(samples, span), request) for span in spans)
        )

    def _request_of(self, utterance: Utterance) -> Request:
        source = utterance.source_language
        if self._task == "transcribe":
            return Request(self._task, source, source)
        lines = (utterance.text or "").split("\n") if self._task == "stack" else []
        transcripts = tuple(line for line in lines if line.strip())
        return Request(self._task, source, utterance.target_language, transcripts)

    def _find_spans(self, samples: audio.Samples) -> list[Span]:
        if is_silent(samples):
            return []
        longest = self._decoder.max_seconds
        if self.config.vad:
            return [span for span in windows_of(samples, longest) if span.voiced]
        return cut(Span(0.0, len(samples) / audio.SAMPLE_RATE), longest)

    def _decode(
        self, windows: Sequence[Window], names: Sequence[str]
    ) -> list[Sequence[WindowHypothesis] | ModelError]:
        """The candidates of every window, decoded longest first in batches of one pair of languages."""
        results: dict[int, Sequence[WindowHypothesis] | ModelError] = {}
        decode = partial(self._limit.map, self._decoder.decode)
        for batch in track(list(self._make_batches(windows))):
            here = [windows[index] for index in batch]
            of = [self.system, *(names[index] for index in batch)]
            decoded = recall_or_compute(of, _HYPOTHESES, partial(isolate, decode, here))
            results.update(zip(batch, decoded, strict=True))
        errors = [result for result in results.values() if isinstance(result, ModelError)]
        if errors and len(errors) == len(results):
            raise errors[0]
        return [results[index] for index in range(len(windows))]

    def _make_batches(self, windows: Sequence[Window]) -> Iterator[list[int]]:
        groups: dict[tuple[str, str | None], list[int]] = {}
        for index, window in enumerate(windows):
            groups.setdefault((window.request.source, window.request.target), []).append(index)
        size = self._limit.size
        for group in groups.values():
            group.sort(key=lambda index: -len(windows[index].samples))
            yield from (group[start : start + size] for start in range(0, len(group), size))

    def _build_outcome(
        self, prepared: _PreparedUtterance, results: Sequence[Sequence[WindowHypothesis] | ModelError]
    ) -> Outcome:
        utterance = prepared.utterance
        candidates: list[Sequence[WindowHypothesis]] = []
        for number, result in enumerate(results, 1):
            if isinstance(result, ModelError):
                if isinstance(result, ItemTooLargeError):
                    return quarantine(utterance, result.reason, f"window {number}: {result}")
                detail = f"window {number} of {len(results)}: {result}; others give finite ones"
                return quarantine(utterance, "no finite scores", detail)
            candidates.append(result)
        windows = list(zip(prepared.spans, candidates, strict=True))
        declared = utterance.source_language
        language = None if is_undetermined(declared) else two_letters_of(declared)
        return NBest(
            utterance_id=utterance.id,
            hypotheses=build_nbest(windows, self.system, self.config.n_best),
            language=self._decoder.language or language,
        )


def _cut_out(samples: audio.Samples, span: Span) -> audio.Samples:
    part = samples[int(span.start * audio.SAMPLE_RATE) : int(span.end * audio.SAMPLE_RATE)]
    return np.pad(part, (0, max(0, MIN_SAMPLES - len(part))))
