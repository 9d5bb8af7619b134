"""The backends of recognition: one row of :data:`BACKENDS` and one file of this folder each.

The table is read without importing torch or a backend's library; its functions import them when called.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from components.models.architectures import ONNX_ASR, SERVED, SPHINX, VOSK
from components.models.references import SCHEMES, split_reference
from components.recognition.backends import architectures, windowed
from components.recognition.backends.backend import Backend
from components.recognition.config import RecognitionConfig

if TYPE_CHECKING:
    import torch

    from components.recognition.recognizer import Recognizer
    from components.records import Checkpoint


WHISPER_VERSION = "5"
"""Of the outputs of Whisper's machinery, which three backends share."""


def _load_openai_whisper(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    from components.recognition.backends import openai_whisper  # noqa: PLC0415 - imports torch

    return openai_whisper.load(checkpoint, config, device)


def _load_transformers(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    from components.recognition.backends import transformers  # noqa: PLC0415 - takes seconds to import

    return transformers.load(checkpoint, config, device)


def _load_faster_whisper(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    from components.recognition.backends import faster_whisper  # noqa: PLC0415 - an extra

    return faster_whisper.FasterWhisperBackend(checkpoint, config.dtype, device)


def _load_pocketsphinx(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """Pocketsphinx computes on the CPU, whatever ``device`` says."""
    from components.recognition.backends import pocketsphinx  # noqa: PLC0415 - an extra

    del config, device
    return pocketsphinx.PocketsphinxDecoder(checkpoint)


def _load_ctc(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    from components.recognition.backends import ctc  # noqa: PLC0415 - takes seconds to import

    return ctc.load(checkpoint, config, device)


def _build_whisper(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    from components.recognition.whisper.recognizer import WhisperRecognizer  # noqa: PLC0415 - imports torch

    return WhisperRecognizer(config, loaded, checkpoint, task, seed)


def _build_pocketsphinx(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    from components.recognition.backends import pocketsphinx  # noqa: PLC0415 - an extra

    del task, seed
    return pocketsphinx.PocketsphinxRecognizer(config, loaded, checkpoint)


def _load_served(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """A served model computes elsewhere, whatever ``device`` says."""
    from components.endpoints.transcription import open_transcription  # noqa: PLC0415 - an extra

    del device
    return open_transcription(split_reference(checkpoint.reference)[1], word_times=config.word_times)


def _build_served(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    from components.recognition.backends import served  # noqa: PLC0415 - an extra

    del task, seed
    return served.ServedRecognizer(config, loaded, checkpoint)


def _require_transcription(checkpoint: Checkpoint) -> None:
    from components.endpoints.transcription import open_transcription  # noqa: PLC0415 - an extra

    open_transcription(split_reference(checkpoint.reference)[1]).probe()


def _build_ctc(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    from components.recognition.ctc.recognizer import CtcRecognizer  # noqa: PLC0415 - imports torch

    del task, seed
    return CtcRecognizer(config, loaded, checkpoint)


def _require_ctranslate2_files(checkpoint: Checkpoint) -> None:
    from components.recognition.backends import faster_whisper  # noqa: PLC0415 - imports torch

    faster_whisper.find_ctranslate2_folder(checkpoint)


_LIBRARY_SCHEMES = ("sphinx", "onnx", "vosk", "served")
"""Schemes of models that one library or server reads."""
_MODEL_SCHEMES = ("path", *(scheme for scheme in SCHEMES if scheme not in _LIBRARY_SCHEMES))

BACKENDS: dict[str, Backend] = {
    "whisper": Backend(
        reads="a Whisper model",
        schemes=_MODEL_SCHEMES,
        architectures=("whisper",),
        version=WHISPER_VERSION,
        load=_load_openai_whisper,
        build=_build_whisper,
        packs_weights=True,
        translates=True,
        searches_here=True,
    ),
    "transformers": Backend(
        reads="a Whisper model",
        schemes=_MODEL_SCHEMES,
        architectures=("whisper",),
        version=WHISPER_VERSION,
        load=_load_transformers,
        build=_build_whisper,
        packs_weights=True,
        searches_here=True,
    ),
    "faster-whisper": Backend(
        reads="a Whisper model",
        schemes=_MODEL_SCHEMES,
        architectures=("whisper",),
        version=WHISPER_VERSION,
        load=_load_faster_whisper,
        build=_build_whisper,
        module="ctranslate2",
        extra="fast",
        require_files=_require_ctranslate2_files,
        fixes_threads=True,
    ),
    "pocketsphinx": Backend(
        reads="a model such as sphinx:en-us",
        schemes=("sphinx",),
        architectures=(SPHINX,),
        version="4",
        load=_load_pocketsphinx,
        build=_build_pocketsphinx,
        module="pocketsphinx",
        extra="sphinx",
    ),
    "served": Backend(
        reads="a model such as served:whisper-large-v3",
        schemes=("served",),
        architectures=(SERVED,),
        version="1",
        load=_load_served,
        build=_build_served,
        module="openai",
        extra="served",
        require_files=_require_transcription,
        settings=frozenset({"backend", "word_times", "vad"}),
        is_elsewhere=True,
    ),
    "ctc": Backend(
        reads="a CTC model (Wav2Vec2, HuBERT, WavLM, Parakeet CTC and the like, or one of train_ctc)",
        schemes=_MODEL_SCHEMES,
        architectures=tuple(name.lower() for name in architectures.CTC),
        version="1",
        half="float32",
        load=_load_ctc,
        build=_build_ctc,
    ),
    "transducer": Backend(
        reads="a transducer (Parakeet RNN-T or TDT)",
        schemes=_MODEL_SCHEMES,
        architectures=tuple(name.lower() for name in architectures.TRANSDUCERS),
        version="1",
        half="bfloat16",
        load=windowed.load,
        build=windowed.build,
    ),
    "seq2seq": Backend(
        reads="an encoder-decoder of speech (Moonshine, Speech2Text, SeamlessM4T, Canary, Cohere ASR)",
        schemes=_MODEL_SCHEMES,
        architectures=tuple(name.lower() for name in architectures.SEQ2SEQ),
        version="1",
        half="bfloat16",
        load=windowed.load,
        build=windowed.build,
        translates=True,
        times_words=False,
        check_requests=partial(windowed.check_requests, "seq2seq"),
    ),
    "audio-lm": Backend(
        reads="an audio language model (Qwen2-Audio, Granite Speech, Voxtral, Audio Flamingo 3, GLM-ASR, "
        "Qwen3-ASR)",
        schemes=_MODEL_SCHEMES,
        architectures=tuple(name.lower() for name in architectures.AUDIO_LM),
        version="1",
        half="bfloat16",
        load=windowed.load,
        build=windowed.build,
        translates=True,
        times_words=False,
        check_requests=partial(windowed.check_requests, "audio-lm"),
    ),
    "onnx-asr": Backend(
        reads="a model such as onnx:FOLDER",
        schemes=("onnx",),
        architectures=(ONNX_ASR,),
        version="1",
        half="float32",
        load=windowed.load,
        build=windowed.build,
        module="onnx_asr",
        extra="onnx-asr",
        libraries=("onnx-asr", "onnxruntime"),
    ),
    "vosk": Backend(
        reads="a model such as vosk:FOLDER",
        schemes=("vosk",),
        architectures=(VOSK,),
        version="1",
        half="float32",
        load=windowed.load,
        build=windowed.build,
        module="vosk",
        extra="vosk",
        libraries=("vosk",),
    ),
}
"""Backend by its name in the configuration."""
