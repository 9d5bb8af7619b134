"""What a backend of recognition is: an entry of ``antiphon.recognizers``, and the base of Whisper's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.recognition.recognizer import Recognizer
    from components.recognition.windowed.request import Request
    from components.records import Checkpoint


class Backend(ABC):
    """A library or program that recognizes speech.

    Attributes:
        reads: which model it expects, as an error message says it.
        schemes: schemes of model references that it alone reads; empty where it reads folders of weights,
            wherever they come from.
        architectures: beginnings of the names of the architectures that it reads, in lower case.
        version: of its outputs, part of the keys of its stages: changes when they do.
        only_by_name: whether it has to be set, as another one reads the same models where none is set.
        module: what has to be installed beside Antiphon, if anything, as Python imports it.
        extra: the extra that brings ``module``.
        packs_weights: whether linear layers are laid out by our kernels: int8 is then for the CPU only.
        translates: whether it can write English instead of the language that is spoken.
        writes_many: whether its models may write other languages than that and English, as each says itself.
        fixes_threads: whether the number of threads is fixed when the model is loaded.
        settings: those that decide the outputs, where these are few.
        is_elsewhere: whether it computes on another machine, so that no device here is taken, and its
            endpoint may be another by the next run.
        searches_here: whether our search decodes it, which draws samples and keeps statistics of tokens.
        times_words: whether it says when words are said.
        libraries: those that decide the outputs beside the ones of every backend.
        half: the arithmetic that ``dtype: auto`` stands for on CUDA; Whisper's weights were float16.
    """

    reads: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]] = ()
    architectures: ClassVar[tuple[str, ...]]
    version: ClassVar[str]
    only_by_name: ClassVar[bool] = False
    module: ClassVar[str] = ""
    extra: ClassVar[str] = ""
    packs_weights: ClassVar[bool] = False
    translates: ClassVar[bool] = False
    writes_many: ClassVar[bool] = False
    fixes_threads: ClassVar[bool] = False
    settings: ClassVar[frozenset[str] | None] = None
    is_elsewhere: ClassVar[bool] = False
    searches_here: ClassVar[bool] = False
    times_words: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ()
    half: ClassVar[str] = "float16"

    @abstractmethod
    def load(self, checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
        """Return what stays in memory of a model between calls.

        For Whisper it is a :class:`~components.recognition.whisper.backend.WhisperBackend`.

        Raises:
            ConfigError: The settings do not fit the model or the device.
            ModelError: The model's files cannot be read.
        """

    @abstractmethod
    def build(
        self, config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: Any, seed: int
    ) -> Recognizer:
        """Return the recognizer over what :meth:`load` loaded.

        Args:
            config: its settings.
            loaded: the model.
            checkpoint: where the model came from.
            task: ``transcribe``, or ``translate``.
            seed: of what is sampled.
        """

    def require_files(self, checkpoint: Checkpoint) -> None:
        """Refuse a model without the files that are read, or a server that does not do what it must.

        Raises:
            ModelError: The folder lacks files.
            ConfigError: The server refuses the key or the model.
        """
        del checkpoint

    def check_requests(self, checkpoint: Checkpoint, requests: Sequence[Request]) -> None:
        """Refuse, by its files alone, a model that can do none of several requests.

        Raises:
            ConfigError: It knows none of the languages, or none of the tasks.
            ModelError: Its files cannot be read.
        """
        del checkpoint, requests


class WhisperModelBackend(Backend):
    """A backend whose model is a :class:`~components.recognition.whisper.backend.WhisperBackend`.

    All of them share our windows, checks and n-best lists.
    """

    reads = "a Whisper model"
    architectures = ("whisper",)
    version = "9"  # of the machinery that all of them share

    @override
    def build(
        self, config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: Any, seed: int
    ) -> Recognizer:
        from components.recognition.whisper.recognizer import WhisperRecognizer  # noqa: PLC0415 - imports torch

        return WhisperRecognizer(config, loaded, checkpoint, task, seed)
