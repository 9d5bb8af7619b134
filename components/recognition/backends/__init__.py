"""The backends of recognition: one row of :data:`BACKENDS` and one file of this folder each.

The table is read without importing torch or a backend's library; its functions import them when called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.models.architectures import SERVED, SPEECH_CTC, SPHINX
from components.models.references import SCHEMES, split_reference
from components.recognition.config import RecognitionConfig

if TYPE_CHECKING:
    import torch

    from components.recognition.recognizer import Recognizer
    from components.records import Checkpoint


WHISPER_VERSION = "4"
"""Of the outputs of Whisper's machinery, which three backends share."""


@dataclass(frozen=True)
class Backend:
    """A library or program that recognizes speech.

    Attributes:
        reads: Which model it expects, as an error message says it.
        schemes: Schemes of the model references that it reads; ``path`` is that of a path.
        architectures: Beginnings of the names of the architectures that it reads, in lower case.
        version: Of its outputs, part of the keys of its stages: changes when they do.
        load: What stays in memory between calls: for Whisper a
            :class:`~components.recognition.whisper.backend.WhisperBackend`.
        build: A recognizer of a configuration over what was loaded, its checkpoint, the task ("transcribe",
            or "translate" into English) and the seed of what is sampled.
        module: What has to be installed beside Antiphon, if anything, as Python imports it.
        extra: The extra that brings ``module``.
        require_files: Raises ModelError where the model's folder lacks the files that the backend reads, or a
            server does not do what it must.
        packs_weights: Whether linear layers are laid out by our kernels: int8 is then for the CPU only.
        translates: Whether it can write English instead of the language that is spoken.
        fixes_threads: Whether the number of threads is fixed when the model is loaded.
        settings: Those that decide the outputs, where these are few.
        is_elsewhere: Whether it computes on another machine, so that no device here is taken.
        searches_here: Whether our search decodes it, which draws samples and keeps statistics of tokens.
        half: The arithmetic that ``dtype: auto`` stands for on CUDA; Whisper's weights were float16.
    """

    reads: str
    schemes: tuple[str, ...]
    architectures: tuple[str, ...]
    version: str
    load: Callable[[Checkpoint, RecognitionConfig, torch.device], Any]
    build: Callable[[RecognitionConfig, Any, Checkpoint, str, int], Recognizer]
    module: str = ""
    extra: str = ""
    require_files: Callable[[Checkpoint], object] | None = None
    packs_weights: bool = False
    translates: bool = False
    fixes_threads: bool = False
    settings: frozenset[str] | None = None
    is_elsewhere: bool = False
    searches_here: bool = False
    half: str = "float16"


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

    del seed
    return pocketsphinx.PocketsphinxRecognizer(config, loaded, checkpoint, task)


def _load_served(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """A served model computes elsewhere, whatever ``device`` says."""
    from components.endpoints.transcription import open_transcription  # noqa: PLC0415 - an extra

    del device
    return open_transcription(split_reference(checkpoint.reference)[1], word_times=config.word_times)


def _build_served(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    from components.recognition.backends import served  # noqa: PLC0415 - an extra

    del seed
    return served.ServedRecognizer(config, loaded, checkpoint, task)


def _require_transcription(checkpoint: Checkpoint) -> None:
    from components.endpoints.transcription import open_transcription  # noqa: PLC0415 - an extra

    open_transcription(split_reference(checkpoint.reference)[1]).probe()


def _build_ctc(
    config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: str, seed: int
) -> Recognizer:
    from components.recognition.ctc.recognizer import CtcRecognizer  # noqa: PLC0415 - imports torch

    del seed
    return CtcRecognizer(config, loaded, checkpoint, task)


def _require_ctranslate2_files(checkpoint: Checkpoint) -> None:
    from components.recognition.backends import faster_whisper  # noqa: PLC0415 - imports torch

    faster_whisper.find_ctranslate2_folder(checkpoint)


CTC_ARCHITECTURES = (
    *("Wav2Vec2ForCTC", "Wav2Vec2ConformerForCTC", "Wav2Vec2BertForCTC", "Data2VecAudioForCTC"),
    *("HubertForCTC", "WavLMForCTC", "UniSpeechForCTC", "UniSpeechSatForCTC", "SEWForCTC", "SEWDForCTC"),
    *("ParakeetForCTC", "LasrForCTC", SPEECH_CTC),
)
"""Architectures that label the frames of speech."""
_MODEL_SCHEMES = ("path", *(scheme for scheme in SCHEMES if scheme not in ("sphinx", "served")))

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
        architectures=tuple(name.lower() for name in CTC_ARCHITECTURES),
        version="1",
        half="float32",
        load=_load_ctc,
        build=_build_ctc,
    ),
}
"""Backend by its name in the configuration."""


def backend_for(reference: str, preferred: str) -> str:
    """The backend that reads a model: ``preferred`` where it does, else the first that does. ConfigError."""
    scheme, _ = split_reference(reference)
    names = [name for name, backend in BACKENDS.items() if scheme in backend.schemes]
    return preferred if preferred in names else names[0]
