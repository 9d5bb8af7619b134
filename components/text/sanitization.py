"""Texts as data for a language model: whatever they spell out, they give it no commands."""

from __future__ import annotations

from typing import Any


def find_control_tokens(tokenizer: Any) -> tuple[str, ...]:
    """Tokens that a tokenizer takes for control tokens when a text spells them out, longest first."""
    tokens = tokenizer.added_tokens_decoder
    added = {
        token.content
        for token in ({} if callable(tokens) else tokens).values()  # mistral-common has none to add
        if token.special or token.content.startswith("<")
    }
    spelled = {token for token in (*added, *tokenizer.all_special_tokens) if token.strip()}
    return tuple(sorted(spelled, key=lambda token: (-len(token), token)))


def sanitize(text: str, controls: tuple[str, ...]) -> str:
    """``text`` on one line without ``controls``, also none that appear when others are taken out."""
    while True:
        plain = text
        for token in controls:
            plain = plain.replace(token, " ")
        if plain == text:
            return " ".join(text.split())
        text = plain
