"""The prompts of language models that translate: instructions, examples, what stands before a text.

Their texts are in ``prompts/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from components.translation.config import Context
from components.translation.segments.prepared_text import Turn

PROMPTS = Path(__file__).parent / "prompts"
OPEN, CLOSE = "<text>", "</text>"
"""Before and after the text that is to be translated."""
MIN_REPEATED = 5
"""Words of an answer, at least, that is taken for instructions where it is a part of them."""


def read_prompt(name: str) -> str:
    """Return a file of ``prompts/``."""
    return (PROMPTS / name).read_text(encoding="utf-8")


def build_instructions(source: str, target: str, *, chat: bool) -> str:
    """Return what a prompt says before its examples."""
    if chat:
        return read_prompt("chat.txt").strip().format(source=source, target=target, open=OPEN, close=CLOSE)
    return read_prompt("few_shot.txt").strip().format(source=source, target=target)


def build_few_shot_prompt(
    text: str,
    pairs: Sequence[Turn],
    source: str,
    target: str,
    turns: Sequence[Turn] = (),
    context: Context | None = None,
) -> str:
    """Examples as pairs of lines, the text as the last pair's first line; the model writes the second."""
    pairs, before = place_context(pairs, turns, context)
    head = build_instructions(source, target, chat=False)
    shots = [f"{source}: {source_text}\n{target}: {target_text}\n" for source_text, target_text in pairs]
    language = source if context is None or context.source else target
    lines = [f"{language}, before: {before}"] if before else []
    return "\n".join([f"{head}\n", *shots, *lines, f"{source}: {text}\n{target}:"])


def build_chat_messages(
    text: str,
    pairs: Sequence[Turn],
    source: str,
    target: str,
    turns: Sequence[Turn] = (),
    context: Context | None = None,
) -> list[dict[str, str]]:
    """Return instructions, examples as earlier turns, and the text between delimiters in the last turn."""
    pairs, before = place_context(pairs, turns, context)
    messages = [{"role": "system", "content": build_instructions(source, target, chat=True)}]
    for source_text, target_text in pairs:
        messages += [
            {"role": "user", "content": f"{OPEN}{source_text}{CLOSE}"},
            {"role": "assistant", "content": target_text},
        ]
    words = f"{OPEN}{text}{CLOSE}"
    if before:
        language = source if context is None or context.source else target
        words = (
            read_prompt("chat_context.txt").strip().format(language=language, before=before) + "\n" + words
        )
    return [*messages, {"role": "user", "content": words}]


def place_context(
    examples: Sequence[Turn], turns: Sequence[Turn], context: Context | None
) -> tuple[list[Turn], str]:
    """The examples of a prompt, and the text that stands before the last one, of which no pair is known.

    Sentences before one are examples where they are read with their translations; else those of one
    language are the text before.
    """
    if context is None or (context.source and context.target):
        return [*examples, *turns], ""
    return list(examples), " ".join(turn[0 if context.source else 1] for turn in turns)


def repeats(answer: str, instructions: Iterable[str]) -> bool:
    """Return whether an answer is nothing but words of the instructions, in their order."""
    words = _words(answer)
    return len(words.split()) >= MIN_REPEATED and any(words in _words(each) for each in instructions)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
