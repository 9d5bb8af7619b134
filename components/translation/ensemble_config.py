"""Settings of token-level ensembles of translators: who the members are, and how they are mixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from components.decoding.member_settings import MemberDevices, MixingConfig
from components.errors import ConfigError
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


def list_members(references: Sequence[str], mixing: MixingConfig) -> list[str]:
    """Return every model of an ensemble of translators, in the order in which its combiner counts them.

    Args:
        references: model references of the translators.
        mixing: how they are mixed; names the positive and negative language model of negative evidence.

    Raises:
        ConfigError: the method takes another number of models, or another vocabulary.
    """
    if mixing.vocabulary != "same" and (mixing.method == "negative_evidence" or mixing.learn != "nothing"):
        raise ConfigError(
            f"combine.vocabulary {mixing.vocabulary}: expected linear or log_linear with given or equal "
            f"coefficients, found {mixing.method} with learn={mixing.learn}: give them, or set "
            "combine.method: output_level"
        )
    if mixing.vocabulary == "text":
        _require_product(mixing)
    if mixing.method != "negative_evidence":
        if len(references) < 2 and not references[0].startswith(DROPOUT_PREFIX):
            raise ConfigError(f"expected at least two members to mix, found {len(references)}: name more")
        return list(references)
    if mixing.positive is None or mixing.negative is None or len(references) != 1:
        missing = [name for name in ("positive", "negative") if getattr(mixing, name) is None]
        problem = f"no {' and no '.join(missing)}" if missing else f"{len(references)} translators"
        raise ConfigError(
            f"negative_evidence: expected one translator, a positive and a negative model, found {problem}"
        )
    return [references[0], mixing.positive, mixing.negative]


def _require_product(mixing: MixingConfig) -> None:
    """Refuse a mixture of texts that is no product of experts."""
    if mixing.method != "log_linear":
        raise ConfigError(
            "combine.vocabulary text: expected combine.method log_linear (members of different tokenizers "
            f"have no tokens in common whose probabilities could be averaged), found {mixing.method}: set it"
        )
    coefficients = mixing.coefficients
    if any(c < 0 for c in coefficients) or (coefficients and abs(sum(coefficients) - 1) > 1e-4):
        raise ConfigError(
            "combine.vocabulary text: expected coefficients of at least 0 that sum to 1, found "
            f"{coefficients}"
        )
