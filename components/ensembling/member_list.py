"""The members of an ensemble of translators, as its settings name them."""

from __future__ import annotations

from collections.abc import Sequence

from components.decoding.member_settings import DROPOUT_PREFIX, MixingConfig
from components.errors import ConfigError


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
