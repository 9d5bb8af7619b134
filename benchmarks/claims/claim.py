"""The register: all claims and the comparisons that decide them, written before any run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from components.claims.claim import Claim
from components.files.yaml_text import parse_yaml

REGISTER = Path(__file__).with_name("claims.yaml")


@cache
def read_register() -> tuple[Claim, ...]:
    """All claims, in the order of the page."""
    rows = parse_yaml(REGISTER.read_text(encoding="utf-8"), str(REGISTER))[0]
    return tuple(map(Claim.model_validate, rows))
