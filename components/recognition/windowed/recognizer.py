"""The recognizer of all models but Whisper: utterances -> windows -> batches of a decoder -> n-best lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic

from components import audio
from components.compute.batch_sizes import BatchLimit, ItemTooLargeError
from components.compute.progress import track
from components.decoding.isolation import isolate
from components.errors import DataError, ModelError, RecordError
from components.recognition.batches import choose_windows
from components.recognition.config import RecognitionConfig
from components.recognition.prefetch import Prefetched, choose_threads
from components.recognition.recognizer import quarantine
from components.recognition.vad.windows import Span, is_silent
from components.recognition.windowed.decoder import Result, Window, WindowDecoder, pad_samples
from components.recognition.windowed.request import Request, Task
from components.records import Checkpoint, Outcome, Quarantined, Utterance
from components.storage.stages.window_journal import recall_or_compute
from components.text.languages import base_of, is_same_language, is_undetermined


@dataclass(frozen=True)
class _PreparedUtterance:
    """An utterance, the spans of it that are decoded, and a window of each."""

    utterance: Utterance
    spans: tuple[Span, ...]
    windows: tuple[Window, ...]


class WindowRecognizer(Generic[Result]):
    """A :class:`~components.recognition.recognizer.Recognizer` over a :class:`.decoder.WindowDecoder`.

    Of the settings it uses ``n_best``, ``batch_size`` and ``vad``; the decoder has its own.

    Args:
        config: settings.
        decoder: the model.
        checkpoint: where the model came from.
        task: what is written. A ``stack`` reads the lines of an utterance's text as its transcripts.
    """

    def __init__(
        self,
        config: RecognitionConfig,
        decoder: WindowDecoder[Result],
        checkpoint: Checkpoint,
        task: Task = "transcribe",
    ) -> None:
        self.config, self.checkpoint = config, checkpoint
        self._decoder, self._task = decoder, task
        self._limit = BatchLimit(choose_windows(config))
        name = checkpoint.reference
        self.system = name if decoder.is_remote else f"{name}/{config.backend}"

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """Return one outcome per utterance, in order: its n-best list, or the fault that quarantines it.

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
        if known and not is_same_language(request.source, known) and not is_undetermined(request.source):
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
            utterance, tuple(spans), tuple(Window(self._cut_out(samples, span), request) for span in spans)
        )

    def _request_of(self, utterance: Utterance) -> Request:
        source = utterance.source_language
        if self._task == "transcribe":
            return Request(self._task, source, source)
        lines = (utterance.text or "").split("\n") if self._task == "stack" else []
        transcripts = tuple(line for line in lines if line.strip())
        return Request(self._task, source, utterance.target_language, transcripts)

    def _find_spans(self, samples: audio.Samples) -> list[Span]:
        return [] if is_silent(samples) else self._decoder.find_spans(samples, self.config.vad)

    def _cut_out(self, samples: audio.Samples, span: Span) -> audio.Samples:
        rate = audio.SAMPLE_RATE
        return pad_samples(samples[int(span.start * rate) : int(span.end * rate)], self._decoder.min_seconds)

    def _decode(self, windows: Sequence[Window], names: Sequence[str]) -> list[Result | ModelError]:
        """What every window gives: longest first, in batches of one pair of languages, or all at once."""
        if self._decoder.is_remote:
            return list(self._decoder.decode(windows))
        results: dict[int, Result | ModelError] = {}
        decode = partial(self._limit.map, self._decoder.decode)
        for batch in track(list(self._make_batches(windows))):
            here = [windows[index] for index in batch]
            of = [self.system, *(names[index] for index in batch)]
            decoded = recall_or_compute(of, self._decoder.form, partial(isolate, decode, here))
            results.update(zip(batch, decoded, strict=True))
        errors = [result for result in results.values() if isinstance(result, ModelError)]
        faults = [error for error in errors if not isinstance(error, RecordError)]
        if faults and len(errors) == len(results):
            raise faults[0]
        return [results[index] for index in range(len(windows))]

    def _make_batches(self, windows: Sequence[Window]) -> Iterator[list[int]]:
        groups: dict[tuple[str, str | None], list[int]] = {}
        for index, window in enumerate(windows):
            groups.setdefault((window.request.source, window.request.target), []).append(index)
        size = self._limit.size
        for group in groups.values():
            group.sort(key=lambda index: -len(windows[index].samples))
            yield from (group[start : start + size] for start in range(0, len(group), size))

    def _build_outcome(self, prepared: _PreparedUtterance, results: Sequence[Result | ModelError]) -> Outcome:
        utterance = prepared.utterance
        windows: list[tuple[Span, Result]] = []
        for number, (span, result) in enumerate(zip(prepared.spans, results, strict=True), 1):
            if isinstance(result, RecordError):
                return quarantine(utterance, result.reason, str(result))
            if isinstance(result, ItemTooLargeError):
                return quarantine(utterance, result.reason, f"window {number}: {result}")
            if isinstance(result, ModelError):
                detail = f"window {number} of {len(results)}: {result}; others give finite ones"
                return quarantine(utterance, "no finite scores", detail)
            windows.append((span, result))
        return self._decoder.join(utterance, windows, self.system, self.config.n_best)
