"""The parameter ``confirm`` of searches: data that they never see, or the share of the data to set aside."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, field_validator


class UnseenData(BaseModel):
    """A part of parameters whose field ``confirm`` names a data set, or states a share."""

    @field_validator("confirm", mode="before", check_fields=False)
    @classmethod
    def _share_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @property
    def confirm_share(self) -> float | None:
        """The share of the data that is set aside to confirm on; None where another set is."""
        try:
            return float(getattr(self, "confirm", None) or "")
        except ValueError:
            return None
