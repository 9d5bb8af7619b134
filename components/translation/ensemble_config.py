"""Settings of token-level ensembles of translators: who the members are, and how they are mixed."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from components.decoding.member_settings import MemberDevices, MixingConfig
from components.translation.config import TranslationConfig

TRANSLATION_VERSION = 2
"""Part of the key of an ensemble of translators: changes when the same settings give other outputs."""
SHARING_VERSION = 2
"""Beside it, that of mixing over the union or intersection of vocabularies."""
DROPOUT_PREFIX = "dropout:"
"""Before a model reference: that model with Monte-Carlo dropout; every occurrence draws masks of its own."""
COEFFICIENTS_FILE = "coefficients.json"
"""File, in the folder of a ``fit_mixture`` node, that holds what was learned."""


class TranslatorMembers(MemberDevices, TranslationConfig):
    """The search settings that all translators of an ensemble share, and the translators."""

    keyed_when_set: ClassVar[tuple[str, ...]] = (*TranslationConfig.keyed_when_set, "member_devices")

    members: tuple[str, ...] = Field(
        (),
        title="Further members",
        description="models beside the first: store:KEY, store:KEY@STEP, hub:, packaged:, or a path",
    )
    dropout_members: int = Field(
        0,
        ge=0,
        le=16,
        title="Dropout members",
        description="Monte-Carlo dropout: the first model so many times with dropout on, in place of it",
    )

    @property
    def references(self) -> tuple[str, ...]:
        """Every translator in its order; those with dropout begin with :data:`DROPOUT_PREFIX`."""
        first = (DROPOUT_PREFIX + self.model,) * self.dropout_members or (self.model,)
        return (*first, *self.members)


class EnsembleConfig(MemberDevices, TranslationConfig):
    """An ensemble of translators: the settings of the search, the members in order, how they are mixed."""

    members: tuple[str, ...]
    mixing: MixingConfig
