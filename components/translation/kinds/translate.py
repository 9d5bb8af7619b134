"""``translate``: text in another language, by any translator or several mixed token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from typing_extensions import override

from components.compute.machine import resolve_dtype_name
from components.decoding.member_settings import DROPOUT_PREFIX, ENSEMBLES, MixingConfig, describe_zero_weights
from components.models.references import is_elsewhere
from components.nodes.facts import Facts, Language, state
from components.nodes.feature_names import TRANSLATOR_FEATURES
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, LanguagePairs, NodeContext
from components.nodes.sessions import Session, open_session
from components.records import Outcome
from components.run_record import StageRef
from components.stage_settings import TableOf
from components.text.languages import WORDS_VERSION
from components.translation import checks
from components.translation.backends import backend_elsewhere, libraries_of
from components.translation.config import (
    CUT_VERSION,
    SERVED_VERSION,
    SHARING_VERSION,
    VERSION,
    EnsembleConfig,
    TranslatorMembers,
)
from components.translation.config import TRANSLATION_VERSION as MIXING_VERSION

if TYPE_CHECKING:
    from components.translation.translator import Translator

LIBRARIES = ("torch", "numpy", "llvmlite", "transformers", "sentencepiece", "sacremoses")
WHOSE = {"model", "members", "dropout_members", "checkpoints"}
"""Settings that say who translates."""
ASKED = {"max_tokens", "prompt"}
"""Settings that decide what a served model is asked."""
ELSEWHERE = {"learn", "dev", "dev_sentences", "positive", "negative"}
"""Settings of the mixing that are no parameters: learned coefficients and weights are in the plan instead."""


class TokenMixing(MixingConfig):
    """How the distributions of several translators are combined at every token."""

    method: Literal["linear", "log_linear", "negative_evidence"] = Field(
        "linear",
        description="linear = weighted mean of probabilities (OR); log_linear = weighted product (AND); "
        "negative_evidence = model x (positive / negative) ** strength",
    )


class TranslateSettings(TranslatorMembers):
    """Settings of a translator, or of several that are searched as one."""

    dropout_seed: int = Field(0, ge=0, description="dropout_members: number of the first one's masks")
    combine: TokenMixing = Field(TokenMixing(), description="several members: how they are mixed")
    learned: Annotated[str | None, TableOf("fit_mixture")] = Field(
        None, description="a node of kind fit_mixture, which learned the coefficients"
    )

    @property
    def ensemble(self) -> EnsembleConfig | None:
        """The members and their mixing; None for a single translator."""
        if not self.is_ensemble and self.combine.method != "negative_evidence":
            return None
        search = self.model_dump(exclude={*WHOSE, "dropout_seed", "combine", "learned"})
        values = {**search, "model": self.model, "members": self.references, "mixing": self.combine}
        values["member_devices"] = self.devices_after(len(self.first_members))
        return EnsembleConfig.model_validate(values)

    @property
    def mixed(self) -> tuple[str, ...]:
        """Every model of the ensemble that is named, those with dropout marked."""
        evidence = (self.combine.positive, self.combine.negative)
        if self.combine.method != "negative_evidence":
            evidence = (None, None)
        return (*self.references, *(name for name in evidence if name is not None))

    def key_parameters(self) -> dict[str, Any]:
        """Return everything but the models, the file of examples and the device."""
        if _is_asked(self):
            later = {name for name in ("context", "sampling") if getattr(self, name) is not None}
            return self.model_dump(mode="json", include=ASKED | later)
        parameters = self.settings_for_key(
            {*WHOSE, "draft", "examples", "terms", "device", "dropout_seed", "combine", "learned"}
        )
        parameters["dtype"] = resolve_dtype_name(self.dtype, self.device)
        if self.ensemble is None:
            return parameters
        mixing = self.combine.model_dump(mode="json", exclude=ELSEWHERE)
        masks = {"dropout_seed": self.dropout_seed} if self.dropout_members else {}
        return {**parameters, "combine": mixing, "thinned": self.dropout_members, **masks}


def _version_of(settings: TranslateSettings) -> str:
    """Return the version of the translator, and that of the mixing where there are several."""
    words = f"/words/{WORDS_VERSION}" if settings.terms else ""
    if settings.ensemble:
        is_shared = settings.combine.vocabulary in ("intersection", "union")
        sharing = f"/sharing/{SHARING_VERSION}" if is_shared else ""
        return f"{VERSION}/ensemble/{MIXING_VERSION}{sharing}{words}"
    if _is_asked(settings):
        return f"{VERSION}/served/{SERVED_VERSION}"
    is_cut = settings.context is not None and not settings.context.target
    return f"{VERSION}/cut/{CUT_VERSION}{words}" if is_cut else f"{VERSION}{words}"


class Translate(Kind[TranslateSettings]):
    """Translates into the language ``to``, else the data's target language."""

    name = "translate"
    summary = "text -> text in another language, by any translator or several as one"
    settings = TranslateSettings
    reads = ("text",)
    stated = state(features=TRANSLATOR_FEATURES)
    language = Language.WRITTEN

    @override
    def facts(self, settings: TranslateSettings) -> Facts:
        facts, is_asked = super().facts(settings), _is_asked(settings)
        libraries = (*LIBRARIES, *libraries_of(settings.backend))
        whose = members_by_role(settings) if settings.ensemble else {"model": settings.model}
        # The texts do not depend on a draft model, but the last bits of their scores do, which are stored.
        draft = {} if settings.draft is None else {"draft": settings.draft}
        return replace(
            facts,
            version=_version_of(settings),
            libraries=() if is_asked else libraries,
            models=whose | draft,
            device=None if is_asked else settings.device,
            list_length=settings.n_best if settings.sampling is None else settings.sampling.count,
        )

    @override
    def digests(self, settings: TranslateSettings, context: NodeContext) -> dict[str, str]:
        """Return what the server of a served model says of itself."""
        backend = backend_elsewhere(settings.model) if _is_asked(settings) else None
        return {} if backend is None else backend.digests(settings)

    @override
    def expand(self, name: str, values: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
        """Return where coefficients are to be learned, add the nodes that hold the data and learn them."""
        combine = values.get("combine")
        if not isinstance(combine, dict) or combine.get("learn", "nothing") == "nothing":
            return None
        if values.get("learned") is not None:
            return None
        settings = {key: value for key, value in values.items() if key not in ("of", "when", "to", "terms")}
        usual = TokenMixing()
        source, limit = combine.get("dev", usual.dev), combine.get("dev_sentences", usual.dev_sentences)
        dev, learned = f"{name}-dev", f"{name}-coefficients"
        return {
            dev: {"kind": "data", "source": source, "limit": limit},
            learned: {**settings, "kind": "fit_mixture", "of": dev},
            name: {**values, "learned": learned},
        }

    @override
    def check(self, settings: TranslateSettings, context: NodeContext) -> None:
        """Check its search, its device, its models' names, and the number of coefficients."""
        if settings.ensemble is not None:
            ENSEMBLES["translators"].check(settings.ensemble, context.store)
        else:
            checks.check(settings, context.store, served=True)

    @override
    def validate_models(
        self, settings: TranslateSettings, context: NodeContext, pairs: LanguagePairs
    ) -> None:
        """Check that a model knows the languages, and that the members can be mixed."""
        checks.validate_model(settings, context.store, pairs)
        if settings.ensemble is not None:
            ENSEMBLES["translators"].validate(settings.ensemble, context.store)
        elif checks.needs_vocabulary_check(settings.model, settings.draft, context.store):
            from components.translation import factory  # noqa: PLC0415 - imports torch

            factory.build(settings, context.store)

    @override
    def build(self, settings: TranslateSettings, context: NodeContext) -> Component:
        ensemble, sampling = settings.ensemble, settings.sampling
        translator: Translator
        if sampling is not None and sampling.dropout:
            translator = ENSEMBLES["translators"].build_passes(settings, context.store, context.seed)
        elif ensemble is None:
            from components.translation import factory  # noqa: PLC0415 - imports torch

            translator = factory.build(settings, context.store, context.seed)
        else:
            translator = ENSEMBLES["translators"].build(
                ensemble,
                context.table_folder("learned") if settings.learned else None,
                settings.dropout_seed,
                context.store,
                context.seed,
            )

        return Translation(translator)

    @override
    def notes(
        self, settings: TranslateSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Warn where many texts are unfamiliar to the model, and of members that lost probability."""
        from components.translation.context.domain import domain_notes  # noqa: PLC0415 - imports torch

        if _is_asked(settings):
            return []
        weights, names = settings.combine.coefficients, settings.references
        unrun = describe_zero_weights(ref.stage, names, weights, ref.seconds)
        lost = ENSEMBLES["translators"].notes(ref) if settings.combine.vocabulary != "same" else []
        assert data is not None  # it reads text
        return [*unrun, *lost, *domain_notes(ref, settings.model, data, context.store)]


@dataclass(frozen=True)
class Translation:
    """The component: items -> the translations of their texts."""

    translator: Translator

    def __call__(self, items: Sequence[Item]) -> list[Outcome]:
        """Return an outcome each, in order."""
        texts = [item.utterance for item in items]
        return self.translator.translate(texts, [item.segments for item in items])

    def open_session(self) -> Session | None:
        """Return what translates items that come and go, where the translator can."""
        return open_session(self.translator)

    def go_on(self, item: Item, written: str, attends: bool) -> Any:
        """Translate a text whose translation is begun: a ``components.nodes.continuing.GoOn``."""
        return self.translator.go_on(item.utterance, item.segments, written, attends)


def _is_asked(settings: TranslateSettings) -> bool:
    """Return whether the translator is a served model, which is asked instead of searched."""
    return settings.ensemble is None and is_elsewhere(settings.model)


def members_by_role(settings: TranslateSettings) -> dict[str, str]:
    """Return the references of the models that are mixed, by role, in their order."""
    return {f"member{n}": name.removeprefix(DROPOUT_PREFIX) for n, name in enumerate(settings.mixed, 1)}
