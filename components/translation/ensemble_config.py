"""Settings of token-level ensembles of translators: who the members are, and how they are mixed."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from components.decoding.member_settings import MemberDevices, MixingConfig, ModelMembers
from components.translation.config import TranslationConfig

TRANSLATION_VERSION = 2
"""Part of the key of an ensemble of translators: changes when the same settings give other outputs."""
SHARING_VERSION = 3
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

    @property
    def references(self) -> tuple[str, ...]:
        """Every translator in its order; those with dropout begin with ``dropout:``."""
        return (*self.first_members, *self.members)


class EnsembleConfig(MemberDevices, TranslationConfig):
    """An ensemble of translators: the settings of the search, the members in order, how they are mixed."""

    members: tuple[str, ...]
    mixing: MixingConfig
