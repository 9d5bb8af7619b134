"""Members of an ensemble share one set of constraints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.decoding.models.generation_settings import generation_setting
from components.errors import ConfigError

_CONSTRAINT_SETTINGS = (
    *("sequence_bias", "no_repeat_ngram_size", "bad_words_ids", "min_length", "min_new_tokens"),
    *("forced_bos_token_id", "forced_eos_token_id", "suppress_tokens", "begin_suppress_tokens"),
    *("decoder_start_token_id", "renormalize_logits"),
)


def require_same_constraints(models: Sequence[tuple[str, Any]]) -> None:
    """Check that the members of an ensemble, which share one set of logits processors, ask for the same.

    Args:
        models: name and model of every member.

    Raises:
        ConfigError: A member's forced or forbidden tokens differ from the first one's.
    """
    (first, reference), *others = models
    for name, model in others:
        for setting_name in _CONSTRAINT_SETTINGS:
            value, expected = (generation_setting(each, setting_name) for each in (model, reference))
            if value != expected:
                raise ConfigError(
                    f"expected members of the same {setting_name}, found {name} with {value} beside {first} "
                    f"with {expected}: set the same one in their generation settings"
                )
