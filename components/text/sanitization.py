"""Texts as data for a language model: whatever they spell out, they give it no commands."""

from __future__ import annotations

import re
from typing import Any


def find_control_tokens(tokenizer: Any) -> tuple[str, ...]:
    """Return tokens that a tokenizer takes for control tokens when a text spells them out, longest first."""
    tokens = tokenizer.added_tokens_decoder
    added = {
        token.content
        for token in ({} if callable(tokens) else tokens).values()  # mistral-common has none to add
        if token.special or token.content.startswith("<")
    }
    spelled = {token for token in (*added, *tokenizer.all_special_tokens) if token.strip()}
    return tuple(sorted(spelled, key=lambda token: (-len(token), token)))


def sanitize(text: str, controls: tuple[str, ...]) -> str:
    """Return ``text`` on one line without ``controls``, also none that appear when others are taken out."""
    while True:
        plain = text
        for token in controls:
            plain = plain.replace(token, " ")
        if plain == text:
            return " ".join(text.split())
        text = plain


_CONTROL = re.compile(
    r"<\|[^<>|\n]{1,40}\|>|<｜[^<>｜\n]{1,40}｜>|</?s>|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>"
    r"|</?think>|</?text>"
)
"""How chat templates spell their control tokens, and the tags of our own prompts."""


def as_prompt_data(text: str) -> str:
    """Put a text on one line without control tokens, also none that appear when others are taken out.

    For a served model, whose own control tokens are not known here.
    """
    while (plain := _CONTROL.sub(" ", text)) != text:
        text = plain
    return " ".join(text.split())
