"""What can be set on a campaign."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from components.stage_settings import Settings

Protocol = Literal["ESA", "cESA", "DA"]
"""Error spans and a score of one output; of all outputs side by side; a score of one output."""
Selection = Literal["disagreement", "diversity", "random"]


class CampaignSettings(Settings):
    """Which items are judged, by whom, and what they are shown."""

    items: int = Field(50, ge=1, description="utterances to judge, each with the outputs of all systems")
    select: Selection = Field(
        "disagreement",
        description="disagreement: utterances whose scores differ most; diversity: whose outputs differ most "
        "(needs no references); random: any",
    )
    protocol: Protocol = Field(
        "ESA", description="ESA: error spans and a score; cESA: all systems side by side; DA: a score alone"
    )
    annotators: int = Field(1, ge=1, le=100, description="people who judge")
    copies: int = Field(1, ge=1, le=100, description="people who judge the same item, for their agreement")
    checks: int | None = Field(
        None, ge=0, description="attention checks of each annotator; one for every ten items if empty"
    )
    prefill: float = Field(
        0.3, ge=0, le=1, description="words below this confidence are marked as minor errors; 0 marks none"
    )
    references: bool = Field(False, description="show the first reference, too")
    seed: int = Field(0, ge=0, description="of the choice, the order and the blinding")

    @model_validator(mode="after")
    def _check_copies(self) -> Self:
        if self.copies > self.annotators:
            raise ValueError(
                f"copies: expected at most as many as annotators ({self.annotators}), found {self.copies}"
            )
        return self

    @property
    def side_by_side(self) -> bool:
        """Whether an item shows the outputs of all systems."""
        return self.protocol == "cESA"

    @property
    def n_checks(self) -> int:
        """Attention checks of each annotator."""
        return max(1, round(self.items / 10)) if self.checks is None else self.checks
