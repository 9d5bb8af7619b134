"""How the rows whose models are decoders of windows load and build: each imports its library when called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.recognition.recognizer import Recognizer
    from components.recognition.windowed.decoder import Request, WindowDecoder
    from components.records import Checkpoint


def load_seq2seq(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """An encoder-decoder with its processor."""
    from components.recognition.backends import seq2seq  # noqa: PLC0415 - takes seconds to import

    return seq2seq.load(checkpoint, config, device)


def build_seq2seq(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    """The recognizer over an encoder-decoder."""
    from components.recognition.backends import seq2seq  # noqa: PLC0415 - takes seconds to import

    del seed
    search_config = seq2seq.search_config_of(config)
    decoder = seq2seq.SpeechSeq2SeqDecoder({checkpoint.reference: loaded}, search_config)
    return _build(config, decoder, checkpoint, task)


def check_seq2seq(checkpoint: Checkpoint, requests: Sequence[Request]) -> None:
    """Refuse requests that an encoder-decoder cannot do. ConfigError, ModelError."""
    from components.recognition.backends import seq2seq  # noqa: PLC0415 - takes seconds to import

    seq2seq.check_requests(checkpoint, requests)


def load_transducer(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """A transducer and its processor."""
    from components.recognition.backends import transducer  # noqa: PLC0415 - takes seconds to import

    return transducer.load(checkpoint, config, device)


def build_transducer(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    """The recognizer over a transducer."""
    from components.recognition.backends import transducer  # noqa: PLC0415 - takes seconds to import

    del seed
    _refuse_task(config, task)
    model, processor = loaded
    decoder = transducer.TransducerDecoder(model, processor, checkpoint.reference, config)
    return _build(config, decoder, checkpoint, task)


def load_audio_lm(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """An audio language model and its processor."""
    from components.recognition.backends import audio_lm  # noqa: PLC0415 - takes seconds to import

    return audio_lm.load(checkpoint, config, device)


def build_audio_lm(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    """The recognizer over an audio language model."""
    del seed
    return _build(config, audio_lm_decoder(config, loaded, checkpoint), checkpoint, task)


def audio_lm_decoder(config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint) -> WindowDecoder:
    """The decoder of an audio language model, whatever it is asked."""
    from components.recognition.backends import audio_lm, seq2seq  # noqa: PLC0415 - takes seconds to import

    row, search_config = audio_lm.MODELS[checkpoint.architecture], seq2seq.search_config_of(config)
    model, processor = loaded
    return audio_lm.AudioLanguageDecoder(model, processor, row, search_config)


def check_audio_lm(checkpoint: Checkpoint, requests: Sequence[Request]) -> None:
    """Refuse requests that an audio language model cannot do. ConfigError."""
    from components.recognition.backends import audio_lm  # noqa: PLC0415 - takes seconds to import

    audio_lm.check_requests(checkpoint, requests)


def load_onnx_asr(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """A model of onnx-asr."""
    from components.recognition.backends import onnx_asr  # noqa: PLC0415 - an extra

    return onnx_asr.load(checkpoint, config, device)


def build_onnx_asr(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    """The recognizer over onnx-asr."""
    from components.recognition.backends import onnx_asr  # noqa: PLC0415 - an extra

    del seed
    _refuse_task(config, task)
    return _build(config, onnx_asr.OnnxAsrDecoder(loaded, config.word_times), checkpoint, task)


def load_vosk(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """A model of Vosk, which computes on the CPU, whatever ``device`` says."""
    from components.recognition.backends import vosk  # noqa: PLC0415 - an extra

    del config, device
    return vosk.load(checkpoint)


def build_vosk(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    """The recognizer over Vosk."""
    from components.recognition.backends import vosk  # noqa: PLC0415 - an extra

    del seed
    _refuse_task(config, task)
    return _build(config, vosk.VoskDecoder(loaded, config.n_best, config.word_times), checkpoint, task)


def _refuse_task(config: RecognitionConfig, task: str) -> None:
    if task != "transcribe":
        raise ConfigError(
            f"backend: {config.backend} only transcribes, found task {task!r}; use a Whisper model"
        )


def _build(
    config: RecognitionConfig, decoder: WindowDecoder, checkpoint: Checkpoint, task: Any
) -> Recognizer:
    from components.recognition.windowed.recognizer import WindowRecognizer  # noqa: PLC0415 - imports numpy

    return WindowRecognizer(config, decoder, checkpoint, task)
