"""What a backend of recognition is: a row of :data:`~components.recognition.backends.BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.recognition.recognizer import Recognizer
    from components.recognition.windowed.decoder import Request
    from components.records import Checkpoint


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
        times_words: Whether it says when words are said.
        check_requests: Raises ConfigError where a model can do none of several requests, by its files alone;
            None where every model of the row does the same.
        libraries: Those that decide the outputs beside the ones of every backend.
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
    times_words: bool = True
    check_requests: Callable[[Checkpoint, Sequence[Request]], None] | None = None
    libraries: tuple[str, ...] = ()
    half: str = "float16"
