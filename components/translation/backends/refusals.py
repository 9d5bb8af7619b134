"""What several backends of translation refuse of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.errors import ConfigError

if TYPE_CHECKING:
    from components.records import Checkpoint
    from components.translation.config import TranslationConfig


def refuse_prompt(config: TranslationConfig) -> None:
    """Refuse the prompt of a served base model for a model that is here. ConfigError."""
    if config.prompt == "completion":
        raise ConfigError(
            f"prompt: completion is for served models, found {config.model}: use few-shot, the same here"
        )


def refuse_context(config: TranslationConfig, checkpoint: Checkpoint) -> None:
    """Refuse context of a model that reads one sentence alone. ConfigError."""
    if config.context is not None:
        raise ConfigError(
            f"context: expected a model that goes on after earlier sentences, found {config.model} "
            f"({checkpoint.architecture}), which reads one sentence: leave it out"
        )


def refuse_cut_context(config: TranslationConfig) -> None:
    """Refuse context of an encoder-decoder model whose output could not be cut. ConfigError.

    With source context alone an encoder-decoder model translates the context, too, unless it was trained not
    to, and only the separator of its training tells where the sentence begins.
    """
    context = config.context
    if context is None:
        return
    if config.draft is not None:
        raise ConfigError("draft: expected no context beside it for an encoder-decoder model, found both")
    if not context.target and not context.separator:
        raise ConfigError(
            f"context.separator: expected the separator that {config.model} was trained with, at which its "
            "output is cut, found none: set it, or leave target true"
        )


def refuse_draft(config: TranslationConfig, checkpoint: Checkpoint) -> None:
    """Refuse a draft model beside a model that is not searched token by token here. ConfigError."""
    if config.draft is not None:
        raise ConfigError(
            f"draft: expected a model that is searched here token by token, found {config.model} "
            f"({checkpoint.architecture}): leave draft out"
        )
