"""One byte string per JSON value, and digests over it: of keys, of seals, of records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DIGEST = "digest"
"""The field in which a sealed object states the digest of all its others."""


def encode_canonical(value: object) -> bytes:
    """One byte string per JSON value: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest_of(value: object) -> str:
    """sha256 of the canonical JSON of ``value``, in hexadecimal."""
    return hashlib.sha256(encode_canonical(value)).hexdigest()


def add_digest(values: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with the digest of all its fields as one field more."""
    return {**values, DIGEST: digest_of(values)}


def verify_digest(content: bytes) -> dict[str, Any]:
    """The fields of a JSON object that :func:`add_digest` made, checked.

    Raises:
        ValueError: not a JSON object, or not with the digest that it states.
    """
    values = json.loads(content)
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, found {type(values).__name__}")
    stated = values.pop(DIGEST, None)
    if stated is None:
        raise ValueError("it states no digest of itself")
    if digest_of(values) != stated:
        raise ValueError("it does not match the digest that it states, so it was changed or damaged")
    return values
