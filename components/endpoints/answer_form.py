"""What is read of a server's answer; other fields are ignored."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

NullableCount = Annotated[int, BeforeValidator(lambda value: 0 if value is None else value), Field(ge=0)]
"""A number of tokens; 0 where a server says null."""


class AnswerForm(BaseModel):
    """Base of answers and their parts: every number is finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class TokenForm(AnswerForm):
    """A token and its log-probability (nats)."""

    token: str
    logprob: float
