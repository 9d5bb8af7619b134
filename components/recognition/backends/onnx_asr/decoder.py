"""The ``onnx-asr`` backend (extra ``onnx-asr``): NeMo's, GigaAM's and other models in ONNX, without torch.

Of the settings it uses ``batch_size``, ``vad``, ``word_times``, ``device`` and ``dtype`` (int8 takes the
files of a folder that are quantized so). The library decodes greedily: one hypothesis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from components.audio import SAMPLE_RATE
from components.compute.model_cache import ForeignWeights
from components.errors import ConfigError, ModelError, to_one_line
from components.models.checkpoints import read_json
from components.recognition.config import RecognitionConfig
from components.recognition.windowed.decoder import Window, WindowHypothesis
from components.recognition.windowed.nbest import NBestDecoder, word_boundaries
from components.records import Checkpoint, Token, Word
from components.text.languages import is_undetermined, two_letters_of

LAST_TOKEN_SECONDS = 0.2
"""So long after its last token begins a word ends, if the next does not begin before: no ends are given."""


class OnnxAsrDecoder(NBestDecoder):
    """A :class:`~components.recognition.windowed.decoder.WindowDecoder` over a model of onnx-asr.

    Args:
        model: what ``onnx_asr.load_model`` returns.
        word_times: whether words get times.
    """

    def __init__(self, model: Any, word_times: bool) -> None:
        self._model, self._word_times = model.with_timestamps(), word_times

    def decode(self, windows: Sequence[Window]) -> list[list[WindowHypothesis]]:
        """See :class:`WindowDecoder`."""
        source = windows[0].request.source
        options = {} if is_undetermined(source) else {"language": two_letters_of(source)}
        try:
            results = self._model.recognize([w.samples for w in windows], sample_rate=SAMPLE_RATE, **options)
        except Exception as error:  # onnxruntime raises classes of its own
            raise ModelError(f"onnx-asr cannot decode this audio ({to_one_line(error, 200)})") from error
        return [
            [self._to_hypothesis(result, len(window.samples) / SAMPLE_RATE)]
            for result, window in zip(results, windows, strict=True)
        ]

    def _to_hypothesis(self, result: Any, seconds: float) -> WindowHypothesis:
        pieces = [str(piece) for piece in result.tokens or ()]
        log_probs = [min(0.0, float(value)) for value in result.logprobs or ()]
        tokens: tuple[Token, ...] = ()
        if len(log_probs) == len(pieces):
            pairs = zip(pieces, log_probs, strict=True)
            tokens = tuple(Token(piece=piece, log_prob=value) for piece, value in pairs)
        words: tuple[Word, ...] = ()
        if self._word_times and result.timestamps and len(result.timestamps) == len(pieces):
            words = _time_words(pieces, log_probs, [*map(float, result.timestamps), seconds])
        return WindowHypothesis(
            text=" ".join(result.text.split()),
            score=math.fsum(token.log_prob for token in tokens),
            rank=0.0,
            tokens=tokens,
            words=words,
        )


def _time_words(
    pieces: Sequence[str], log_probs: Sequence[float], times: Sequence[float]
) -> tuple[Word, ...]:
    """Return the words of a window, from the beginnings of their tokens and the window's end."""
    words = []
    for begin, end in pairwise(word_boundaries(pieces)):
        text = "".join(pieces[begin:end]).strip()
        if text:
            probabilities = [math.exp(value) for value in log_probs[begin:end]]
            words.append(
                Word(
                    start=times[begin],
                    end=max(times[begin], min(times[end], times[end - 1] + LAST_TOKEN_SECONDS)),
                    text=f" {text}",
                    probability=sum(probabilities) / len(probabilities) if probabilities else None,
                )
            )
    return tuple(words)


def load(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """Return the model of ``checkpoint``, on the processor or a CUDA device, and what its weights take.

    Raises:
        ConfigError: onnxruntime has no such device, or models are not quantized as ``dtype`` says.
        ModelError: onnx-asr cannot read the folder.
    """
    import onnx_asr  # noqa: PLC0415 - optional
    import onnxruntime  # noqa: PLC0415 - comes with it

    if config.dtype not in ("float32", "int8"):
        raise ConfigError(f"dtype: expected float32 or int8 with onnx-asr, found {config.dtype}")
    providers = ["CPUExecutionProvider"]
    if device.type != "cpu":
        provider = f"{device.type.upper()}ExecutionProvider"
        if provider not in onnxruntime.get_available_providers():
            raise ConfigError(
                f"device: expected an onnxruntime with {provider}, found none; pip install onnxruntime-gpu, "
                "or set device: cpu"
            )
        providers = [provider, *providers]
    quantization = "int8" if config.dtype == "int8" else None
    files = [f for f in Path(checkpoint.path).rglob("*.onnx*") if ("int8" in f.name) == bool(quantization)]
    weights = ForeignWeights(str(device), sum(file.stat().st_size for file in files))
    kind = str(read_json(Path(checkpoint.path) / "config.json")["model_type"])
    try:
        model = onnx_asr.load_model(kind, checkpoint.path, quantization=quantization, providers=providers)
    except Exception as error:  # onnx-asr and onnxruntime raise classes of their own
        raise ModelError(
            f"{checkpoint.reference}: onnx-asr cannot load {checkpoint.path} ({to_one_line(error, 300)})"
        ) from error
    return model, weights


def build_decoder(loaded: Any, checkpoint: Checkpoint, config: RecognitionConfig) -> OnnxAsrDecoder:
    """Return the decoder of what :func:`load` loaded."""
    return OnnxAsrDecoder(loaded[0], config.word_times)
