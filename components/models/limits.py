"""What a model's folder may hold: regular files of sensible size, finite numbers, possible counts and ids."""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.errors import ModelError

MAX_TEXT = 64 << 20
"""Bytes of a JSON, template or tokenizer file; the largest published tokenizers have half of it."""
TEXTS = frozenset({".json", ".txt", ".jinja", ".model", ".spm"})
MAX_LAYERS, MAX_EXPERTS = 200, 4096
"""What a configuration may ask for, and more layers only where the weights have a tensor for each."""
TOKEN_IDS = (
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"),
    *("forced_bos_token_id", "forced_eos_token_id"),
)


def refuse_irregular(path: Path) -> None:
    """Raise :class:`ModelError` where a file is a pipe or a device, or too large for what it is.

    Nothing is said of folders, and of what is not there: whoever needs the file does.
    """
    try:
        status = path.stat()
    except OSError:
        return
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise ModelError(
            f"{path}: expected a regular file, found a pipe, socket or device; fetch the model again"
        )
    if path.suffix in TEXTS and status.st_size > MAX_TEXT:
        raise ModelError(
            f"{path}: expected at most {MAX_TEXT >> 20} MiB, found {status.st_size >> 20}; give another model"
        )


def refuse_values(config: Mapping[str, object], path: Path, tensors: int) -> None:
    """Raise :class:`ModelError` for a number that is not finite, and for more layers or experts than a model
    of so many ``tensors`` can have: to build them would take minutes.

    Infinity inside a list is an interval without end (``time_step_limit``).
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
    """Raise :class:`ModelError` for a token id of ``config`` that is not in the model's vocabulary.

    ``vocabulary`` is the configuration that states its size; without one nothing is known. The padding id -1
    means none, as in the first Llama's.
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
