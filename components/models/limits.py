"""Limits on the numbers in a model's configuration: finite, and possible as layers, experts and token ids."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.errors import ModelError

MAX_LAYERS, MAX_EXPERTS = 200, 4096
"""What a configuration may ask for, and more layers only where the weights have a tensor for each."""
TOKEN_IDS = (
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"),
    *("forced_bos_token_id", "forced_eos_token_id"),
)


def refuse_values(config: Mapping[str, object], path: Path, tensors: int) -> None:
    """Refuse numbers that are not finite, and more layers or experts than the model can have.

    To build a model of absurdly many layers would take minutes. Infinity inside a list is an interval without
    end (``time_step_limit``).

    Args:
        config: a configuration file of a model.
        path: that file, for messages.
        tensors: how many tensors the model's files hold.

    Raises:
        ModelError: A number is not finite, or too large.
    """
    layers = max(MAX_LAYERS, tensors)
    counts = {"layer": layers, "layers": layers, "blocks": layers, "experts": MAX_EXPERTS}
    for name, value in _iterate_settings(config):
        infinite = isinstance(value, float) and not math.isfinite(value)
        if infinite or (
            isinstance(value, list) and any(isinstance(n, float) and math.isnan(n) for n in value)
        ):
            raise ModelError(
                f"{path}: expected a finite number for {name}, found {value}; mend or replace it"
            )
        most = counts.get(re.split(r"[._]", name)[-1], math.inf)
        if isinstance(value, int | float) and value > most:
            raise ModelError(
                f"{path}: expected at most {most} for {name}, found {value:,}; give another model"
            )


def refuse_token_ids(vocabulary: Mapping[str, object], config: Mapping[str, object], path: Path) -> None:
    """Refuse token ids that are not in the model's vocabulary.

    The padding id -1 means none, as in the first Llama's.

    Args:
        vocabulary: the configuration that says the vocabulary's size; where it says none nothing is checked.
        config: a configuration file of the model.
        path: that file, for messages.

    Raises:
        ModelError: A token id is out of range.
    """
    sizes = [
        v for name, v in _iterate_settings(vocabulary) if name.endswith("vocab_size") and isinstance(v, int)
    ]
    for name in TOKEN_IDS if sizes else ():
        stated = config.get(name)
        for token in stated if isinstance(stated, list) else () if stated is None else (stated,):
            absent = name == "pad_token_id" and token == -1
            if type(token) is not int or not (0 <= token < max(sizes) or absent):
                raise ModelError(
                    f"{path}: expected a token id from 0 to {max(sizes) - 1} for {name}, found {token!r}; "
                    "it belongs to another model"
                )


def _iterate_settings(config: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """(name, value) of a configuration and of those inside it, as ``text_config.vocab_size``."""
    pending = [("", config)]
    while pending:
        prefix, values = pending.pop()
        for name, value in values.items():
            if isinstance(value, dict):
                pending.append((f"{prefix}{name}.", value))
            else:
                yield f"{prefix}{name}", value
