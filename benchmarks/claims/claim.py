"""Claims and the comparisons that decide them, as registered in claims.yaml before any run."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from components.files.yaml_text import parse_yaml

REGISTER = Path(__file__).with_name("claims.yaml")


class Comparison(BaseModel):
    """One difference, first side minus second, and what is expected of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    text: str = Field(description="both sides, in words")
    metric: str
    expected: str = Field(pattern=r"^(positive|negative|within [0-9.]+)$")

    @property
    def sign(self) -> int:
        """1, -1, or 0 where a difference within a margin is expected."""
        return {"positive": 1, "negative": -1}.get(self.expected, 0)

    @property
    def margin(self) -> float:
        """Largest difference that counts as none; 0 where a sign is expected."""
        return 0.0 if self.sign else float(self.expected.removeprefix("within "))


class Claim(BaseModel):
    """One claim of the field, and what would show it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    claim: str
    sources: tuple[str, ...]
    experiment: str = Field(description="module of experiments/, or the page that shows the claim")
    design: str = Field(description="data, sizes, seeds, budgets")
    comparisons: tuple[Comparison, ...]


Verdict = Literal["holds", "holds here with limits", "not shown", "contradicted", "not measured"]


@cache
def read_register() -> tuple[Claim, ...]:
    """All claims, in the order of the page."""
    rows = parse_yaml(REGISTER.read_text(encoding="utf-8"), str(REGISTER))[0]
    return tuple(map(Claim.model_validate, rows))
