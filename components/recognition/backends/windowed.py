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
    decoder = transducer.TransducerDecoder(*loaded, checkpoint.reference, config)
    return _build(config, decoder, checkpoint, task)


def load_audio_lm(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """An audio language model and its processor."""
    from components.recognition.backends import audio_lm  # noqa: PLC0415 - takes seconds to import

    return audio_lm.load(checkpoint, config, device)


def build_audio_lm(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    """The recognizer over an audio language model."""
    from components.recognition.backends import audio_lm, seq2seq  # noqa: PLC0415 - takes seconds to import

    del seed
    row, search_config = audio_lm.MODELS[checkpoint.architecture], seq2seq.search_config_of(config)
    decoder = audio_lm.AudioLanguageDecoder(*loaded, row, search_config)
    return _build(config, decoder, checkpoint, task)


def check_audio_lm(checkpoint: Checkpoint, requests: Sequence[Request]) -> None:
    """Refuse requests that an audio language model cannot do. ConfigError."""
    from components.recognition.backends import audio_lm  # noqa: PLC0415 - takes seconds to import

    audio_lm.check_requests(checkpoint, requests)


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
