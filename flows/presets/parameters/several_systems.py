"""What the preset ``ensemble`` asks: the members of two nodes, and how they become one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import ConfigDict, Field

from components.decoding.member_settings import MixingConfig
from components.ensembling.output_level.config import SystemCombinationConfig
from components.errors import ConfigError
from components.models.references import split_reference
from components.recognition.backends import BACKENDS, takes
from components.recognition.config import AUTO
from components.recognition.kinds.recognize import RecognizeSettings
from components.translation.config import TranslatorMembers
from flows.parameters.base import DataParameters, Nodes

Values = dict[str, Any]
OF_SEVERAL = {"members", "member_devices", "combination", "coefficients", "dropout_members"}
"""Settings that a system has not that decodes alone."""


class EnsembleRecognition(RecognizeSettings):
    """Settings of the recognizers, which differ in their models."""

    model_config = ConfigDict(title="Recognition (asr)")

    combination: Literal["output_level", "linear", "log_linear"] = Field(  # type: ignore[assignment]
        "output_level",
        description="output_level = each decodes alone, then their transcripts are combined; linear and "
        "log_linear = token by token, for Whisper models of one vocabulary",
    )


class EnsembleSystemCombination(SystemCombinationConfig):
    """How finished outputs become one."""

    model_config = ConfigDict(title="System combination (system_combination)")

    dev: str | None = Field(
        None,
        description="reranking without coefficients: what they are learned on, with references; never a test "
        "set",
    )
    dev_limit: int = Field(100, ge=10, le=10_000, description="the first so many of them")

    @property
    def is_learned(self) -> bool:
        """Whether there are coefficients to learn."""
        return self.method == "reranking" and not self.coefficients

    def node(self, systems: list[Values]) -> Values:
        """Return the node that combines systems."""
        own = self.model_dump(exclude=set() if self.is_learned else {"dev", "dev_limit"})
        return {"kind": "combine", **own, "systems": systems}


class EnsembleParameters(DataParameters):
    """The recognizers, the translators, and how those of either kind become one."""

    asr: EnsembleRecognition = Field(
        default=EnsembleRecognition(), title="Recognition", description="speech to text"
    )
    mt: TranslatorMembers = Field(
        default=TranslatorMembers(), title="Translation", description="text to text"
    )
    combine: MixingConfig = Field(
        default=MixingConfig(), title="Combination", description="of the translators, token by token"
    )
    system_combination: EnsembleSystemCombination = Field(
        default=EnsembleSystemCombination(), description="of finished transcripts or translations"
    )

    def replace_nodes(self, nodes: Nodes) -> Nodes:
        """The nodes with their models: mixed in one search, or as systems whose outputs are combined."""
        self._check()
        recognizers, translators = list(self._recognizers()), list(self._translators())
        asr = {**nodes["asr"], **(recognizers[0] if recognizers else self.asr.model_dump())}
        if len(recognizers) > 1:
            asr = self.system_combination.node([{**nodes["asr"], **system} for system in recognizers])
        mixing = {**self.mt.model_dump(), "combine": self.combine.model_dump()}
        mt = {**nodes["mt"], **(translators[0] if translators else mixing)}
        if len(translators) > 1:
            mt = self.system_combination.node([{**nodes["mt"], **system} for system in translators])
        return {"asr": asr, "mt": mt}

    def _check(self) -> None:
        """Refuse what is no ensemble, and reranking by coefficients that nobody learns."""
        method = self.combine.method
        if len(self.mt.references) < 2 and method != "negative_evidence" and not self.asr.members:
            raise ConfigError(
                "mt.members: expected two models at least (or asr.members; or one beside mt.model), found "
                "none; one model alone is a cascade: antiphon run cascade"
            )
        combines_transcripts = self.asr.members and self.asr.combination == "output_level"
        is_learned = self.system_combination.is_learned and self.system_combination.dev is None
        if (method == "output_level" or combines_transcripts) and is_learned:
            raise ConfigError(
                "system_combination.dev: expected development data to learn the coefficients of reranking "
                "on, or system_combination.coefficients, found neither"
            )

    def _recognizers(self) -> Iterator[Values]:
        """Yield the recognizers that decode alone: none where they are mixed token by token."""
        asr = self.asr
        if asr.members and asr.combination != "output_level":
            return
        search = asr.model_dump(exclude=OF_SEVERAL)
        backend = _backend_for(asr.model, asr.backend) if asr.members else asr.backend
        yield {**search, "backend": backend}
        for number, model in enumerate(asr.members):
            device = asr.for_member(number).device
            yield {**search, "model": model, "backend": _backend_for(model, asr.backend), "device": device}

    def _translators(self) -> Iterator[Values]:
        """Yield the translators that decode alone: none where they are mixed token by token."""
        mt = self.mt
        if self.combine.method != "output_level":
            return
        search = mt.model_dump(exclude=OF_SEVERAL)
        masks = [{"dropout_members": 1, "dropout_seed": seed} for seed in range(mt.dropout_members)]
        yield from ({**search, **mask} for mask in masks or [{}])
        for number, model in enumerate(mt.members):
            yield {**search, "model": model, "device": mt.for_member(number).device}


def _backend_for(model: str, backend: str) -> str:
    """Return the backend that is set for all members, where it takes references such as the model's."""
    row = BACKENDS.get(backend)
    return backend if row is not None and takes(row, split_reference(model)[0]) else AUTO
