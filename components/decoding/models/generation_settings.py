"""From a model's generation settings (``generation_config.json``) to special tokens and logits processors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from components.decoding.constraints import token_constraints
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.errors import ConfigError


def as_tuple(value: int | Iterable[int] | None) -> tuple[int, ...]:
    """``None``, one token id or several -> a tuple."""
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(int(token) for token in value)


def eos_of(model: Any) -> tuple[int, ...]:
    """Return every token that ends a sequence, from the generation settings, else from the configuration.

    Raises:
        ConfigError: Neither names one.
    """
    eos = as_tuple(model.generation_config.eos_token_id) or as_tuple(model.config.eos_token_id)
    if not eos:
        raise ConfigError(
            f"expected an eos token in the generation settings of {type(model).__name__}, found none"
        )
    return eos


def generation_setting(model: Any, name: str) -> Any:
    """Return a setting of the generation settings, else of the configuration, else None."""
    value = getattr(model.generation_config, name, None)
    return value if value is not None else getattr(model.config, name, None)


def _forbid_bad_words(
    words: list[list[int]], eos: tuple[int, ...], start: tuple[int, ...]
) -> list[LogitsProcessor]:
    single = [word[0] for word in words if len(word) == 1 and word[0] not in eos]
    longer = [word for word in words if len(word) > 1]
    processors = [token_constraints.suppress(single)] if single else []
    return processors + ([token_constraints.forbid_sequences(longer, start)] if longer else [])


def _as_pairs(bias: Mapping[Sequence[int], float] | Sequence[tuple[Sequence[int], float]]) -> Any:
    return list(bias.items()) if isinstance(bias, Mapping) else bias


def logits_processors_of(
    model: Any,
    *,
    forced_bos: int | None = None,
    eos: tuple[int, ...] = (),
    prompts: Sequence[Sequence[int]] = (),
    prefix: int = 0,
) -> list[LogitsProcessor]:
    """Return the logits processors that transformers' ``generate`` would apply, in its order.

    Sampling settings and those of :data:`IGNORED_SETTINGS` are left out. Forbidden sequences and repeated
    n-grams are looked for from the decoder's start token on, but not in a prompt.

    Args:
        model: a model of transformers.
        forced_bos: the first token (a target language's), instead of the one in the settings.
        eos: the tokens that end a sequence, instead of those in the settings.
        prompts: those of a decoder-only model. Its minimum length counts them, each as ``generate`` does for
            a batch of one, and no first token is forced after them.
        prefix: how many tokens of a text an encoder-decoder model is given after its start token; as for
            prompts.

    Returns:
        The processors.
    """
    settings, eos = model.generation_config, eos or eos_of(model)
    is_seq2seq = model.config.is_encoder_decoder
    start = as_tuple(generation_setting(model, "decoder_start_token_id"))[:1] if is_seq2seq else ()
    if forced_bos is None and is_seq2seq:
        forced_bos = settings.forced_bos_token_id
    if prefix:
        forced_bos = None
    lengths = [len(prompt) for prompt in prompts] or [len(start) + prefix]
    shortest = settings.min_length if settings.min_new_tokens is None else None
    rows: list[tuple[Any, Callable[[Any], list[LogitsProcessor]]]] = [
        (settings.sequence_bias, lambda bias: [token_constraints.bias_sequences(_as_pairs(bias), start)]),
        (settings.no_repeat_ngram_size, lambda size: [token_constraints.no_repeat_ngram(size, start)]),
        (settings.bad_words_ids, lambda words: _forbid_bad_words(words, eos, start)),
        (shortest, lambda n: [_suppress_until(n, lengths, eos)]),
        (settings.min_new_tokens, lambda n: [token_constraints.suppress_until(n, eos)]),
        (None if forced_bos is None else [forced_bos], lambda bos: [token_constraints.force_at(0, bos[0])]),
        (as_tuple(settings.forced_eos_token_id), lambda tokens: [token_constraints.force_last(tokens)]),
        (as_tuple(settings.suppress_tokens), lambda tokens: [token_constraints.suppress(tokens)]),
        (
            as_tuple(settings.begin_suppress_tokens),
            lambda tokens: [token_constraints.suppress_at(0 if forced_bos is None else 1, tokens)],
        ),
        (settings.renormalize_logits, lambda _: [token_constraints.Renormalize()]),
    ]
    return [processor for value, build in rows if value for processor in build(value)]


def _suppress_until(length: int, before: Sequence[int], eos: tuple[int, ...]) -> LogitsProcessor:
    """Forbid ``eos`` below ``length``, which includes ``before`` tokens of each utterance (or of all)."""
    steps = [length - n for n in before]
    return (
        token_constraints.suppress_until(steps[0], eos)
        if len(steps) == 1
        else token_constraints.suppress_until_each(steps, eos)
    )


IGNORED_SETTINGS: dict[str, Any] = {
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "encoder_no_repeat_ngram_size": 0,
    "exponential_decay_length_penalty": None,
    "guidance_scale": 1.0,
    "diversity_penalty": 0.0,
    "watermarking_config": None,
    "stop_strings": None,
}
"""Settings of ``generate`` that this search does not implement, with the value that switches them off."""
_log = logging.getLogger("antiphon.decoding")


def warn_about_ignored_settings(model: Any, name: str) -> None:
    """Log one line about the generation settings of a model that this search does not implement."""
    settings = {name: getattr(model.generation_config, name, None) for name in IGNORED_SETTINGS}
    ignored = [
        f"{setting_name}={value}"
        for setting_name, value in settings.items()
        if value not in (None, IGNORED_SETTINGS[setting_name])
    ]
    size = model.generation_config.no_repeat_ngram_size
    if size and not model.config.is_encoder_decoder:
        ignored.append(f"no_repeat_ngram_size={size} in prompts too")
    if ignored:
        _log.warning(
            "%s: its generation settings ask for %s, which Antiphon's search does not implement: decoding "
            "goes on without",
            name,
            ", ".join(ignored),
        )
