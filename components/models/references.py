"""Model references as text: their schemes, and how errors show them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from components.errors import ConfigError, ModelError, UnknownModelError
from components.files.redaction import MASK, redact
from components.models.sources import SOURCES
from components.text.suggestions import did_you_mean

MAX_REFERENCE, MAX_DISPLAYED = 4096, 120
"""Characters of a reference at most (the longest path of Linux), and of one in an error."""
NODE = "node"
"""Scheme of models that another node of the pipeline makes."""


def is_scheme(name: str) -> bool:
    """Return whether references can begin with ``NAME:``."""
    return name == NODE or name in SOURCES


@cache
def _user_info() -> re.Pattern[str]:
    """Return ``user:password@`` without ``://``, which :func:`redact` knows, behind a scheme or none."""
    return re.compile(rf"^((?:{'|'.join([NODE, *SOURCES])}):)?+[^/\s:@]+:(?!//)[^\s@]*@")


def split_reference(reference: str) -> tuple[str, str]:
    """Split a reference into its scheme and the name behind it.

    Returns:
        A scheme and the name, or ``path`` and the whole reference.

    Raises:
        ConfigError: It is empty, too long, or holds a line break.
    """
    if not reference.strip() or "\0" in reference or "\n" in reference or len(reference) > MAX_REFERENCE:
        raise ConfigError(
            "model: expected a reference such as packaged:whisper-base, found "
            f"{display_reference(reference)!r}"
        )
    scheme, colon, name = reference.partition(":")
    return (scheme, name) if colon and is_scheme(scheme) else ("path", reference)


def is_elsewhere(reference: str) -> bool:
    """Return whether a model computes on another machine, as a served one: no weights of it are here."""
    scheme, _ = split_reference(reference)
    return scheme in SOURCES and SOURCES[scheme].is_elsewhere


def display_reference(reference: str) -> str:
    """Shorten a reference and mask its secrets, so that a message can show it."""
    text = _user_info().sub(rf"\1{MASK}@", redact(reference))
    return text if len(text) <= MAX_DISPLAYED else f"{text[:MAX_DISPLAYED]}…"


def unknown_reference_error(reference: str, kind: str, choices: tuple[str, ...]) -> ModelError:
    """Return an error that says what there is instead, and which of it was probably meant.

    Args:
        reference: what was asked for.
        kind: what it should have been, as "packaged model".
        choices: every reference of that kind.
    """
    hint = did_you_mean(reference, choices, cutoff=0.5) or f"; there are: {', '.join(choices)}"
    return UnknownModelError(f"{display_reference(reference)}: no such {kind}{hint}")


def missing_path_error(
    reference: str, path: Path, list_references: Callable[[], tuple[str, ...]]
) -> ModelError:
    """Return an error of a reference without a scheme that is no file or folder either.

    Args:
        reference: what was asked for.
        path: the same as a path.
        list_references: gives every reference that can be named, for those that are no path by their looks.
    """
    shown = display_reference(reference)
    if "/" in reference or reference.startswith(("~", ".")):
        try:
            beside = [each.name for each in path.parent.iterdir()]
        except (OSError, RuntimeError):
            beside = []
        is_hub = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", reference) is not None
        hint = did_you_mean(path.name, beside, cutoff=0.7) or (
            f"; a model of the hub is hub:{shown}" if is_hub else "; check the path"
        )
        return UnknownModelError(f"{shown}: expected a model's file or folder there, found none{hint}")
    listed = {name: each for each in list_references() for name in (each, each.partition(":")[2])}
    close = difflib.get_close_matches(reference, listed, n=1, cutoff=0.5)
    hint = (
        f"; did you mean {listed[close[0]]}?"
        if close
        else ("; antiphon models list shows those with a name; others are hub:ORG/NAME, store:KEY or a path")
    )
    return UnknownModelError(f"{shown}: no such model file, folder or reference{hint}")


def shorten_keys(text: str) -> str:
    """Return ``text`` with the first 12 of the 64 digits of every stored model."""
    return re.sub("(store:[0-9a-f]{12})[0-9a-f]{52}", r"\1", text)
