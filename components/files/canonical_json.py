"""Canonical JSON and SHA-256 digests of it, for keys of stages, seals and records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from components.files.json_text import parse_json

DIGEST = "digest"
"""The field in which a sealed object states the digest of all its others."""


def encode_canonical(value: object) -> bytes:
    """Encode a JSON value so that equal values have equal bytes: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest_of(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of ``value``, in hexadecimal."""
    return hashlib.sha256(encode_canonical(value)).hexdigest()


def add_digest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with one more field: the digest of all the others."""
    return {**values, DIGEST: digest_of(values)}


def verify_digest(content: bytes) -> dict[str, Any]:
    """Check the digest that :func:`add_digest` put into a JSON object and return the other fields.

    Raises:
        ValueError: not a JSON object, or its content does not match its digest.
    """
    values = parse_json(content)
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, found {type(values).__name__}")
    stated = values.pop(DIGEST, None)
    if stated is None:
        raise ValueError("it states no digest of itself")
    if digest_of(values) != stated:
        raise ValueError("it does not match the digest that it states, so it was changed or damaged")
    return values
