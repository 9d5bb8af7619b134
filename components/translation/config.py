"""Settings of translators and their token-level ensembles. Flat, described, bounded: for a form."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from components.decoding.config import SearchConfig
from components.decoding.draft_settings import DRAFT_DESCRIPTION, DRAFT_TOKENS, refuse_draft
from components.decoding.member_settings import MemberDevices, MixingConfig, ModelMembers
from components.decoding.sampling_settings import Sampling, refuse_settings
from components.models.adapted_references import fold_adapter
from components.models.packages.packaged_models import settings_of
from components.stage_settings import AUTO_MODEL, Device, FilePath, ModelRef, Settings, StageSettings
from components.text.extension_choice import ExtensionChoice

VERSION = 6
"""Of the translator: changes when its outputs do."""
SERVED_VERSION = 2
"""Of what a served model is asked, beside the translator's."""
CUT_VERSION = 2
"""Of translations that are cut out of those with their context, beside the translator's."""
SPEECH_VERSION = 2
"""Of direct speech translation, beside the recognizer's."""


class Context(Settings):
    """What a translator reads of the sentences before one."""

    sentences: int = Field(
        2, ge=1, le=32, description="sentences before each one; the oldest are left out where they do not fit"
    )
    source: bool = Field(True, description="read what was written or said")
    target: bool = Field(True, description="read what it was translated to")
    separator: str = Field(
        "",
        max_length=32,
        description="encoder-decoder models: stands between the sentences; the word or token that the model "
        "was trained with, else a space",
    )

    @model_validator(mode="after")
    def _something_is_read(self) -> Self:
        if not (self.source or self.target):
            raise ValueError("expected source, target or both, found neither: leave context out")
        return self


class TranslationConfig(StageSettings):
    """Settings of a text translator: model, search, and the prompt of a causal model."""

    keyed_when_set: ClassVar[tuple[str, ...]] = (
        *("context", "sampling", "entropies", "adapter", "backend", "terms", "draft", "draft_tokens"),
    )

    model: ModelRef = Field(
        AUTO_MODEL,
        description="model reference: hub:, packaged:, store:, served: or a path; auto = the best for the "
        "languages of the data that this machine can run (antiphon models suggest)",
    )
    adapter: str | dict[str, float] | None = Field(
        None,
        description="LoRA of PEFT that is merged into the model: hub:, store:, node: or a folder; several "
        "with weights as {REFERENCE: WEIGHT, ...}; the same as model BASE+WEIGHT*ADAPTER",
    )
    backend: Annotated[str, ExtensionChoice("antiphon.translators", "torch")] = Field(
        "torch",
        description="torch = what reads the model, by our search where weights are here; ctranslate2 = "
        "CTranslate2's search, with an encoder-decoder model that is converted at first use (extra 'fast')",
    )
    beam_size: int = Field(5, ge=1, le=64, description="hypotheses kept per sentence; 1 is greedy")
    n_best: int = Field(
        5,
        ge=1,
        le=64,
        description="hypotheses returned per sentence, at most beam_size, which it follows if not set",
    )
    batch_size: Annotated[int, Field(ge=1, le=512)] | Literal["auto"] = Field(
        16,
        description="sentences decoded together; auto = what fits a GPU, 16 on a CPU; where memory runs out, "
        "half as many",
    )
    length_penalty: float = Field(
        1.0,
        ge=0.0,
        le=5.0,
        description="exponent of the length that divides a hypothesis's score in the beam",
    )
    max_tokens: int = Field(256, ge=1, le=4096, description="tokens per sentence at most")
    prompt: Literal["auto", "few-shot", "chat", "completion"] = Field(
        "auto",
        description="causal models only: auto = chat template where the tokenizer has one; completion = "
        "few-shot by the completions endpoint of a served base model",
    )
    examples: FilePath | None = Field(
        None,
        description="causal models only: a JSONL file of {source, target} examples for the few-shot prompt",
    )
    context: Context | None = Field(
        None,
        description="sentences before each one that the model reads, of the same text or document "
        "(docs/families/translation.md)",
    )
    terms: FilePath | None = Field(
        None,
        description="a file of names and phrases to be written, TSV with the columns source, target, boost "
        "and require (docs/use/terms.md)",
    )
    sampling: Sampling | None = Field(
        None,
        description="draw several translations instead of searching the likeliest "
        "(docs/evaluation/confidence.md)",
    )
    entropies: bool = Field(
        False, description="keep the entropy and the margin of every token's distribution"
    )
    draft: ModelRef | None = Field(None, description=DRAFT_DESCRIPTION)
    draft_tokens: int = DRAFT_TOKENS
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = Field(
        "auto",
        description="arithmetic; auto = float32, bfloat16 on CUDA; int8 quantizes the linear layers (CPU)",
    )
    device: Device = Field("auto", description="auto, cpu, cuda, cuda:N or mps")

    @model_validator(mode="before")
    @classmethod
    def _adapter_is_part_of_the_model(cls, values: Any) -> Any:
        return fold_adapter(values, cls.model_fields["model"].default)

    @model_validator(mode="before")
    @classmethod
    def _n_best_follows_the_beam(cls, values: Any) -> Any:
        """Return a beam below the default n-best brings an n-best of its size: greedy search gives one."""
        if not isinstance(values, dict) or "n_best" in values:
            return values
        beam, n_best = str(values.get("beam_size")), cls.model_fields["n_best"].default
        return {**values, "n_best": beam} if beam.isdecimal() and 0 < int(beam) < n_best else values

    @model_validator(mode="before")
    @classmethod
    def _model_has_settings(cls, values: Any) -> Any:
        """Return a language model with its own search and arithmetic, as far as none are asked for."""
        model = values.get("model") if isinstance(values, dict) else None
        return {**settings_of(model), **values} if isinstance(model, str) else values

    @model_validator(mode="after")
    def _n_best_is_in_the_beam(self) -> Self:
        if self.n_best > self.beam_size:
            raise ValueError(
                f"n_best: expected at most beam_size {self.beam_size}, found {self.n_best}; "
                "leave n_best out, lower it, or raise beam_size"
            )
        return self

    @model_validator(mode="after")
    def _draft_needs_greedy_search(self) -> Self:
        sampled = self.sampling is not None
        guided = self.terms is not None
        refuse_draft(self.draft, self.draft_tokens, beam_size=self.beam_size, sampling=sampled, guided=guided)
        return self

    @model_validator(mode="after")
    def _samples_need_no_beam(self) -> Self:
        sampling, fields = self.sampling, type(self).model_fields
        draws = sampling is not None and not sampling.dropout
        refuse_settings(
            sampling,
            beam_size=draws and self.beam_size != fields["beam_size"].default,
            n_best=self.n_best not in (fields["n_best"].default, self.beam_size),
            context=self.context is not None,
        )
        return self


TRANSLATION_VERSION = 4
"""Part of the key of an ensemble of translators: changes when the same settings give other outputs."""
SHARING_VERSION = 4
"""Beside it, that of mixing over the union or intersection of vocabularies."""
COEFFICIENTS_FILE = "coefficients.json"
"""File, in the folder of a ``fit_mixture`` node, that holds what was learned."""


class TranslatorMembers(ModelMembers, TranslationConfig):
    """The search settings that all translators of an ensemble share, and the translators."""

    keyed_when_set: ClassVar[tuple[str, ...]] = (*TranslationConfig.keyed_when_set, "member_devices")

    members: tuple[str, ...] = Field(
        (),
        title="Further members",
        description="models that are mixed with model, or with each other where no model is named: "
        "store:KEY, store:KEY@STEP, hub:, packaged:, or a path",
    )


class EnsembleConfig(MemberDevices, TranslationConfig):
    """An ensemble of translators: the settings of the search, the members in order, how they are mixed."""

    members: tuple[str, ...]
    mixing: MixingConfig


def search_config_of(config: TranslationConfig, seed: int = 0) -> SearchConfig:
    """Return the search's settings in a translator's; ``seed`` is that of its samples."""
    sampling = config.sampling
    if sampling is not None and not sampling.dropout:
        return sampling.search_config(
            config.max_tokens, config.length_penalty, seed=seed, entropies=config.entropies
        )
    return SearchConfig(
        beam_size=config.beam_size,
        n_best=config.n_best,
        max_new_tokens=config.max_tokens,
        length_penalty=config.length_penalty,
        entropies=config.entropies,
    )
