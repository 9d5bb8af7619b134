"""The ``faster-whisper`` backend (extra ``fast``): CTranslate2's Whisper behind the same windows and checks.

CTranslate2 searches by itself, so there are no per-token log-probabilities, and samples of the temperature
fallback depend on the batch that they are drawn in (which the same list of utterances always makes alike).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.compute.model_cache import ForeignWeights
from components.compute.openai_whisper import TOKENS_PER_SECOND
from components.decoding.candidates import Candidate
from components.errors import ModelError, require_extra
from components.recognition.whisper.backend import (
    DecodingRequest,
    DecodingResult,
    DetectedLanguage,
    ModelDimensions,
    TokenAlignment,
)
from components.recognition.whisper.logits_processors import MAX_INITIAL_TIMESTAMP, list_suppressed_tokens
from components.recognition.whisper.words.alignment import start_sequence
from components.recognition.whisper.words.segments import FRAMES_PER_STAMP, text_positions
from components.recognition.whisper.words.time_warping import MEDIAN_WIDTH
from components.records import Checkpoint

MIN_PROBABILITY = 1e-10
"""Probabilities of tokens are at least this, so that their logarithms are finite."""
COMPUTE_TYPES = {"float32": "float32", "float16": "float16", "bfloat16": "bfloat16", "int8": "int8_float32"}


def find_ctranslate2_folder(checkpoint: Checkpoint) -> Path:
    """Return the folder with the CTranslate2 files of ``checkpoint``. ModelError where it has none."""
    path = Path(checkpoint.path)
    for folder in (path / "ct2", path):
        if (folder / "model.bin").is_file():
            return folder
    raise ModelError(
        f"{checkpoint.reference}: backend faster-whisper expects CTranslate2 files (model.bin) in "
        f"{path}/ct2, found none; use packaged:whisper-base, a CTranslate2 folder, or backend whisper"
    )


class FasterWhisperBackend:
    """A :class:`~components.recognition.whisper.backend.WhisperBackend` over CTranslate2.

    Raises:
        ConfigError: The extra ``fast`` is not installed.
        ModelError: CTranslate2 cannot load the model's files.
    """

    def __init__(self, checkpoint: Checkpoint, dtype: str, device: torch.device) -> None:
        require_extra("backend: faster-whisper", "ctranslate2", "fast", " or use backend whisper")
        import ctranslate2  # noqa: PLC0415 - an extra

        self._library: Any = ctranslate2
        folder = find_ctranslate2_folder(checkpoint)
        try:
            self._model = ctranslate2.models.Whisper(
                str(folder),
                device=device.type,
                device_index=device.index or 0,
                compute_type=COMPUTE_TYPES[dtype],
                intra_threads=torch.get_num_threads(),
            )
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"{checkpoint.reference}: CTranslate2 cannot load {folder} ({reason})"
            ) from error
        size = 51865 if self._model.is_multilingual else 51864
        if self._model.n_mels == 128:
            size += 1
        self.dims = ModelDimensions(self._model.n_mels, 448, size)
        self.weights = ForeignWeights(str(device), (folder / "model.bin").stat().st_size)
        self.device = torch.device("cpu")  # it takes features as numpy arrays

    def _to_storage(self, array: Tensor) -> Any:
        return self._library.StorageView.from_array(np.ascontiguousarray(array.numpy(), dtype=np.float32))

    def encode(self, mels: Tensor) -> Tensor:
        """See :class:`WhisperBackend`."""
        encoded = self._model.encode(self._to_storage(mels), to_cpu=True)
        return torch.from_numpy(np.array(encoded.to(self._library.DataType.float32)))

    def detect_languages(self, features: Tensor) -> list[DetectedLanguage]:
        """See :class:`WhisperBackend`."""
        rankings = self._model.detect_language(self._to_storage(features))
        return [DetectedLanguage(token.strip("<|>"), probability) for (token, probability), *_ in rankings]

    def decode(self, features: Tensor, request: DecodingRequest) -> list[DecodingResult]:
        """See :class:`WhisperBackend`. ``timestamps`` follows from the prompts; it takes no guidance."""
        tokenizer = self.dims.get_tokenizer(None, "transcribe")
        config, prompts = request.config, request.prompts.tolist()
        hot = config.temperature > 0
        given, new = request.prompts.shape[1] - 1, config.max_new_tokens
        self._library.set_random_seed(config.seed + 1)
        results = self._model.generate(
            self._to_storage(features),
            prompts,
            beam_size=1 if hot else config.beam_size,
            num_hypotheses=config.n_best,
            length_penalty=config.length_penalty,
            # Of this length, which counts the prompt but for its last token, it writes at most a half.
            max_length=min(self.dims.n_text_ctx, max(given + new, 2 * new)),
            return_scores=True,
            return_no_speech_prob=True,
            max_initial_timestamp_index=MAX_INITIAL_TIMESTAMP,
            suppress_tokens=list_suppressed_tokens(tokenizer),
            sampling_topk=0 if hot else 1,
            sampling_temperature=config.temperature if hot else 1.0,
        )
        nbests = [_to_candidates(r, config.length_penalty, tokenizer.eot) for r in results]
        alignments: Sequence[TokenAlignment | None] = [None] * len(nbests)
        if request.frames is not None:
            alignments = [
                self._align(features[i : i + 1], start_sequence(prompt, tokenizer), nbest[0], n)
                for i, (prompt, nbest, n) in enumerate(zip(prompts, nbests, request.frames, strict=True))
            ]
        return list(map(DecodingResult, nbests, [r.no_speech_prob for r in results], alignments))

    def _align(self, features: Tensor, start: list[int], candidate: Candidate, frames: int) -> TokenAlignment:
        """Align the text of one window by CTranslate2's attention and time warping."""
        tokenizer = self.dims.get_tokenizer(None, "transcribe")
        text = [candidate.tokens[i] for i in text_positions(candidate.tokens, tokenizer, frames)]
        if not text:
            return TokenAlignment((0.0,), ())
        storage = self._to_storage(features)
        n_frames = max(frames, FRAMES_PER_STAMP)  # one of the encoder's positions
        (result,) = self._model.align(storage, start, [text], n_frames, median_filter_width=MEDIAN_WIDTH)
        begins: dict[int, int] = {}
        for token, position in result.alignments:
            begins.setdefault(token, max(position, 0))  # -1 where there is only one position
        times = tuple(begins[token] / TOKENS_PER_SECOND for token in range(len(text) + 1))
        log_probs = (math.log(max(p, MIN_PROBABILITY)) for p in result.text_token_probs)
        return TokenAlignment(times, tuple(log_probs))


def _to_candidates(result: Any, penalty: float, eot: int) -> list[Candidate]:
    """Return CTranslate2's result as candidates, best first.

    Its scores are log-probability / length ** penalty over the tokens without eos, which is undone.
    """
    candidates = []
    for tokens, score in zip(result.sequences_ids, result.scores, strict=True):
        if not math.isfinite(score):
            raise ModelError(
                "expected finite log-probabilities, found NaN or infinity from CTranslate2: use float32"
            )
        total = score * max(len(tokens), 1) ** penalty
        rank = total / (len(tokens) + 1) ** penalty
        candidates.append(Candidate(tuple(tokens), total, (), (), eos_token=eot, normalized_score=rank))
    return sorted(candidates, key=lambda candidate: -candidate.normalized_score)
