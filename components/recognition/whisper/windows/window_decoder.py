"""The windows of a batch -> their texts: prompts, search, checks, and again at rising temperatures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby

import torch

from components.compute.openai_whisper import Tokenizer
from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.isolation import isolate
from components.errors import ModelError
from components.recognition.config import RecognitionConfig
from components.recognition.whisper.backend import (
    DecodingRequest,
    DecodingResult,
    EncodedWindows,
    WhisperBackend,
)
from components.recognition.whisper.fallback import is_silence, needs_fallback, plausibility
from components.recognition.whisper.guides.guide import Guide
from components.recognition.whisper.windows.decoding_state import (
    DecodedWhisperWindow,
    UtteranceState,
    WindowStream,
)
from components.recognition.whisper.windows.features import WINDOW_FRAMES


class WhisperWindowDecoder:
    """Decodes the present windows of streams by a Whisper model in any library.

    Args:
        config: search, prompts and thresholds.
        backend: the model.
        task: ``transcribe``, or ``translate`` to write English.
        seed: of the samples of the temperature fallback.
        guides: what guides its searches beside the model.
    """

    def __init__(
        self,
        config: RecognitionConfig,
        backend: WhisperBackend,
        task: str,
        seed: int,
        guides: Sequence[Guide] = (),
    ) -> None:
        self._guides = guides
        self._config, self._backend, self._task, self._seed = config, backend, task, seed
        sampling = config.sampling
        self._temperatures = config.temperature_fallback if sampling is None else (sampling.temperature,)

    def tokenizer_of(self, state: UtteranceState) -> Tokenizer:
        """Return the tokenizer of an utterance's language and the task."""
        return self._backend.dims.get_tokenizer(state.language, self._task)

    def decode(
        self, streams: list[WindowStream], features: EncodedWindows
    ) -> list[DecodedWhisperWindow | ModelError]:
        """Decode the present window of each of ``streams``, at rising temperatures until accepted.

        Samples are drawn once, at their own temperature.
        A window for which the model gives NaN has its error instead.

        Raises:
            ModelError: The model gives NaN for all of them, and for silence, too.
        """
        attempts: list[list[DecodedWhisperWindow]] = [[] for _ in streams]
        failed: dict[int, ModelError] = {}
        pending = list(range(len(streams)))
        for temperature in self._temperatures:
            results = self._search_windows([streams[i] for i in pending], features[pending], temperature)
            for i, result in zip(pending, results, strict=True):
                if isinstance(result, ModelError):
                    failed[i] = result
                else:
                    attempts[i].append(self._check_window(streams[i], result, temperature))
            pending = [i for i in pending if i not in failed and not attempts[i][-1].accepted]
            if not pending:
                break
        if len(failed) == len(streams):
            self._decode_silence()
        return [
            failed[i]
            if i in failed
            else windows[-1]
            if windows[-1].accepted
            else max(windows, key=partial(self._rank, streams[i]))
            for i, windows in enumerate(attempts)
        ]

    def _decode_silence(self) -> None:
        """Raise the ModelError of a model that gives NaN for any audio."""
        dims = self._backend.dims
        features = self._backend.encode(torch.zeros(1, dims.n_mels, WINDOW_FRAMES))
        prompts = torch.tensor([dims.get_tokenizer("en", "transcribe").sot_sequence])
        search = SearchConfig(max_new_tokens=1)
        self._backend.decode(features, DecodingRequest(prompts, search, self._config.timestamps, [0]))

    def _check_window(
        self, stream: WindowStream, result: DecodingResult, temperature: float
    ) -> DecodedWhisperWindow:
        best = result.candidates[0]
        mean, text = self._read(stream, best)
        silence = is_silence(self._config, result.no_speech, mean, stream.spans[0].voiced)
        return DecodedWhisperWindow(
            start=stream.start,
            frames=stream.frames,
            candidates=result.candidates,
            no_speech=result.no_speech,
            temperature=temperature,
            is_silence=silence,
            accepted=silence or not needs_fallback(self._config, text, best.tokens, mean),
            alignment=result.alignment,
        )

    def _read(self, stream: WindowStream, candidate: Candidate) -> tuple[float, str]:
        """Return the mean log-probability of a candidate, and its text."""
        text = self.tokenizer_of(stream.state).decode(list(candidate.tokens)).strip()
        return candidate.score / (len(candidate.tokens) + 1), text

    def _rank(self, stream: WindowStream, window: DecodedWhisperWindow) -> tuple[bool, bool, float]:
        mean, text = self._read(stream, window.candidates[0])
        return plausibility(self._config, text, window.candidates[0].tokens, mean)

    def _search_windows(
        self, streams: list[WindowStream], features: EncodedWindows, temperature: float
    ) -> list[DecodingResult | ModelError]:
        config = self._search_config(temperature)
        prompts = [self._build_prompt(stream) for stream in streams]
        times = self._config.word_times or any(stream.state.attends for stream in streams)
        results: dict[int, DecodingResult | ModelError] = {}

        def decode(rows: list[int]) -> list[DecodingResult]:
            request = DecodingRequest(
                torch.tensor([prompts[i] for i in rows]),
                config,
                self._config.timestamps,
                [streams[i].key for i in rows],
                [streams[i].frames for i in rows] if times else None,
                self._guide([streams[i] for i in rows]),
            )
            return self._backend.decode(features[rows], request)

        def lengths(i: int) -> tuple[int, int]:
            return len(prompts[i]), len(streams[i].begun or ())

        by_length = sorted(range(len(streams)), key=lengths)
        for _, group in groupby(by_length, key=lengths):
            rows = list(group)
            results.update(zip(rows, isolate(decode, rows), strict=True))
        return [results[i] for i in range(len(streams))]

    def _guide(self, streams: list[WindowStream]) -> Guidance:
        """Return the guides of windows whose texts begin with as many tokens each."""
        dims = self._backend.dims
        tokenizer = dims.get_tokenizer(None, "transcribe")
        of_guides = (guide.build_bias(streams, tokenizer, dims.n_vocab) for guide in self._guides)
        biases, begun = tuple(bias for bias in of_guides if bias is not None), streams[0].begun
        return Guidance(biases) if begun is None else begun.guide([each.begun for each in streams], biases)

    def _search_config(self, temperature: float) -> SearchConfig:
        settings, seed = self._config, self._seed
        if settings.sampling is not None:
            return settings.sampling.search_config(
                settings.max_tokens, settings.length_penalty, seed=seed, entropies=settings.entropies
            )
        return SearchConfig(
            beam_size=settings.beam_size,
            n_best=min(settings.n_best, settings.beam_size),
            max_new_tokens=settings.max_tokens,
            length_penalty=settings.length_penalty,
            temperature=temperature,
            seed=seed,
            entropies=settings.entropies,
        )

    def _build_prompt(self, stream: WindowStream) -> list[int]:
        tokenizer = self.tokenizer_of(stream.state)
        sequence = (
            tokenizer.sot_sequence
            if self._config.timestamps
            else tokenizer.sot_sequence_including_notimestamps
        )
        said = self._config.prompt.strip()
        stated = tokenizer.encode(f" {said}") if said else []
        if not stated and not stream.previous:
            return list(sequence)
        room = self._backend.dims.n_text_ctx // 2 - 1
        stated = stated[:room]
        previous = stream.previous[-(room - len(stated)) :] if len(stated) < room else []
        return [tokenizer.sot_prev, *stated, *previous, *sequence]
