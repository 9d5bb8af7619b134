"""Model references as text: their schemes, and how errors show them."""

from __future__ import annotations

import re

from components.errors import ConfigError, ModelError, UnknownModelError
from components.redaction import MASK, redact
from components.suggestions import did_you_mean

MAX_REFERENCE, MAX_DISPLAYED = 4096, 120
"""Characters of a reference at most (the longest path of Linux), and of one in an error."""
SCHEMES = ("hub", "whisper", "packaged", "sphinx", "onnx", "vosk", "store", "node", "served")
# user:password@ without ://, which redact knows
_USER_INFO = re.compile(rf"^((?:{'|'.join(SCHEMES)}):)?+[^/\s:@]+:(?!//)[^\s@]*@")


def split_reference(reference: str) -> tuple[str, str]:
    """Split a reference into its scheme and the name behind it.

    Returns:
        One of :data:`SCHEMES` and the name, or ``path`` and the whole reference.

    Raises:
        ConfigError: It is empty, too long, or holds a line break.
    """
    if not reference.strip() or "\0" in reference or "\n" in reference or len(reference) > MAX_REFERENCE:
        raise ConfigError(
            "model: expected a reference such as packaged:whisper-base, found "
            f"{display_reference(reference)!r}"
        )
    scheme, colon, name = reference.partition(":")
    return (scheme, name) if colon and scheme in SCHEMES else ("path", reference)


def display_reference(reference: str) -> str:
    """Shorten a reference and mask its secrets, so that a message can show it."""
    text = _USER_INFO.sub(rf"\1{MASK}@", redact(reference))
    return text if len(text) <= MAX_DISPLAYED else f"{text[:MAX_DISPLAYED]}…"


def unknown_reference_error(reference: str, kind: str, choices: tuple[str, ...]) -> ModelError:
    """An error that says what there is instead, and which of it was probably meant.

    Args:
        reference: What was asked for.
        kind: What it should have been, as "packaged model".
        choices: Every reference of that kind.
    """
    hint = did_you_mean(reference, choices, cutoff=0.5) or f"; there are: {', '.join(choices)}"
    return UnknownModelError(f"{display_reference(reference)}: no such {kind}{hint}")
