"""Texts as data in a prompt for a served model, whose control tokens are not known here."""

from __future__ import annotations

import re

_CONTROL = re.compile(
    r"<\|[^<>|\n]{1,40}\|>|<｜[^<>｜\n]{1,40}｜>|</?s>|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>"
    r"|</?think>|</?text>"
)
"""How chat templates spell their control tokens, and the tags of our own prompts."""


def as_prompt_data(text: str) -> str:
    """Put a text on one line without control tokens, also none that appear when others are taken out."""
    while (plain := _CONTROL.sub(" ", text)) != text:
        text = plain
    return " ".join(text.split())
