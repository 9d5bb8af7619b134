"""Settings of a draft model, which proposes tokens to greedy search, and what makes it do so."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from components.extensions import Extensions, accept_any

DRAFT_DESCRIPTION = (
    "a smaller model of the same tokenizer that proposes tokens, which the model verifies several at a time: "
    "the same texts in less time; greedy search only (beam_size 1)"
)
DEFAULT_DRAFT_TOKENS = 4
DRAFT_TOKENS: int = Field(
    DEFAULT_DRAFT_TOKENS, ge=1, le=32, description="draft: tokens that it proposes at a time"
)
DRAFTS: Extensions[Any] = Extensions("antiphon.drafts", "draft", accept_any)
"""What makes a loaded model propose to a ``recognizer`` or a ``translator``."""


def refuse_draft(
    draft: str | None, draft_tokens: int, *, beam_size: int, sampling: bool, guided: bool
) -> None:
    """Refuse a draft model beside a search that is not greedy or is guided, and tokens without one.

    Raises:
        ValueError: a message of one line.
    """
    if draft is None:
        if draft_tokens != DEFAULT_DRAFT_TOKENS:
            raise ValueError(f"draft_tokens: expected a draft model, found {draft_tokens} without: set draft")
        return
    if beam_size != 1 or sampling:
        found = "sampling" if sampling else f"beam_size {beam_size}"
        raise ValueError(
            f"draft: expected greedy search, found {found}: set beam_size to 1, or leave draft out"
        )
    if guided:
        raise ValueError(
            "draft: expected a search without terms, ctc and language_model, found one with: leave one out"
        )
