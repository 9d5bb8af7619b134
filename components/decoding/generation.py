"""What a model's generation settings ask of a search: its special tokens and its rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from components.decoding import rules
from components.decoding.rules import Rule
from components.errors import ConfigError


def as_tuple(value: int | Iterable[int] | None) -> tuple[int, ...]:
    """``None``, one token id or several -> a tuple."""
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(int(token) for token in value)


def eos_of(model: Any) -> tuple[int, ...]:
    """Every token that ends a sequence, from the generation settings, else from the configuration."""
    eos = as_tuple(model.generation_config.eos_token_id) or as_tuple(model.config.eos_token_id)
    if not eos:
        raise ConfigError(
            f"expected an eos token in the generation settings of {type(model).__name__}, found none"
        )
    return eos


def setting(model: Any, name: str) -> Any:
    """A setting of the generation settings, else of the configuration, else None."""
    value = getattr(model.generation_config, name, None)
    return value if value is not None else getattr(model.config, name, None)


def _bad_words(words: list[list[int]], eos: tuple[int, ...], start: tuple[int, ...]) -> list[Rule]:
    single = [word[0] for word in words if len(word) == 1 and word[0] not in eos]
    longer = [word for word in words if len(word) > 1]
    found = [rules.suppress(single)] if single else []
    return found + ([rules.forbid_sequences(longer, start)] if longer else [])


def rules_of(model: Any, *, forced_bos: int | None = None) -> list[Rule]:
    """The rules that ``generate`` would apply, in its order.

    ``forced_bos`` (a target language's token) overrides the setting. Sampling settings and repetition
    penalties are left out: they change the distribution, and scores are the model's own log-probabilities.
    Sequences that may not come, or not again, are looked for from the decoder's start token on, but not in
    the prompt of a decoder-only model.
    """
    settings, eos = model.generation_config, eos_of(model)
    start = as_tuple(setting(model, "decoder_start_token_id"))[:1] if model.config.is_encoder_decoder else ()
    forced_bos = forced_bos if forced_bos is not None else settings.forced_bos_token_id
    rows: list[tuple[Any, Callable[[Any], list[Rule]]]] = [
        (settings.no_repeat_ngram_size, lambda size: [rules.no_repeat_ngram(size, start)]),
        (settings.bad_words_ids, lambda words: _bad_words(words, eos, start)),
        (settings.min_length, lambda n: [rules.suppress_until(n - 1, eos)]),
        (settings.min_new_tokens, lambda n: [rules.suppress_until(n, eos)]),
        (None if forced_bos is None else [forced_bos], lambda bos: [rules.force_at(0, bos[0])]),
        (as_tuple(settings.forced_eos_token_id), lambda tokens: [rules.force_last(tokens)]),
        (as_tuple(settings.suppress_tokens), lambda tokens: [rules.suppress(tokens)]),
        (
            as_tuple(settings.begin_suppress_tokens),
            lambda tokens: [rules.suppress_at(0 if forced_bos is None else 1, tokens)],
        ),
    ]
    return [rule for value, make in rows if value for rule in make(value)]


_RULED = (
    *("no_repeat_ngram_size", "bad_words_ids", "min_length", "min_new_tokens", "forced_bos_token_id"),
    *("forced_eos_token_id", "suppress_tokens", "begin_suppress_tokens", "decoder_start_token_id"),
)


def require_same_rules(models: Sequence[tuple[str, Any]]) -> None:
    """ConfigError that names the model whose forced or forbidden tokens are not the first one's.

    An ensemble is searched under one set of rules; a member that was trained under others would be misread.
    """
    (first, reference), *others = models
    for name, model in others:
        for setting_name in _RULED:
            found, wanted = (setting(each, setting_name) for each in (model, reference))
            if found != wanted:
                raise ConfigError(
                    f"expected members of the same {setting_name}, found {name} with {found} beside {first} "
                    f"with {wanted}: set the same one in their generation settings"
                )
