"""How a file of external scores is named: as settings, or in one text."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,39}$"
"""Names of external scores: they stand in files' names, too."""


class ScoresFile(BaseModel):
    """A file of external scores, also written ``NAME=FILE`` or ``NAME=FILE:lower``."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="External scores")

    file: str = Field(description="TSV with a header and the columns id, system, value (metric, annotator)")
    name: str | None = Field(
        None, description="name of the score; the column metric, or the file's name, if empty", pattern=NAME
    )
    lower_is_better: bool = Field(False, description="whether a lower value is better")

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        head, _, direction = value.rpartition(":")
        stated = direction in {"lower", "higher"}
        text = head if stated else value
        name, equals, file = text.partition("=")
        parts = {"file": file, "name": name} if equals and "/" not in name else {"file": text}
        return {**parts, "lower_is_better": direction == "lower"}

    @model_validator(mode="after")
    def _check_file(self) -> Self:
        if not self.file.strip():
            raise ValueError("expected NAME=FILE, such as esa=scores.tsv, found no file")
        return self
