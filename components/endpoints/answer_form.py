"""What is read of a server's answer; other fields are ignored."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class AnswerForm(BaseModel):
    """Base of answers and their parts: every number is finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class TokenForm(AnswerForm):
    """A token and its log-probability (nats)."""

    token: str
    logprob: float
