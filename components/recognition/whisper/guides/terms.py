"""Terms that Whisper is to listen for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.compute.openai_whisper import Tokenizer
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.constraints.phrase_trie import WordEdges
from components.decoding.constraints.term_guidance import Phrase, TermGuidance
from components.recognition.config import RecognitionConfig
from components.recognition.whisper.windows.decoding_state import WindowStream
from components.text.term_list import read_terms

OCCURRENCES_PER_WINDOW = 3
"""So often a term is boosted in the same 30 seconds; without a limit a large boost makes a loop of names."""


class TermGuide:
    """Boosts the terms of a list: sources where speech is transcribed, targets where it is translated.

    Args:
        path: the term list.
        task: ``transcribe`` or ``translate``.
    """

    def __init__(self, path: str, task: str) -> None:
        terms = read_terms(Path(path))
        texts = [term.target if task == "translate" else term.source for term in terms]
        self._phrases = [Phrase(text, t.boost) for text, t in zip(texts, terms, strict=True) if text]
        self._guidance: TermGuidance | None = None

    def build_bias(
        self, streams: Sequence[WindowStream], tokenizer: Tokenizer, n_vocab: int
    ) -> LogitsProcessor | None:
        """Return every term, in every window."""
        if self._guidance is None:

            def tokenize(text: str) -> list[tuple[int, ...]]:
                return [tuple(tokenizer.encode(text)), tuple(tokenizer.encode(f" {text}"))]

            edges = WordEdges.of(_texts_of_tokens(tokenizer, n_vocab))
            self._guidance = TermGuidance(self._phrases, tokenize, edges, "Whisper")
        limits = dict.fromkeys(range(len(self._phrases)), OCCURRENCES_PER_WINDOW)
        return next(iter(self._guidance.guide([limits] * len(streams)).biases), None)


def _texts_of_tokens(tokenizer: Tokenizer, n_vocab: int) -> list[str]:
    """Return the text of every token, spaces included; "" for special tokens and timestamps."""
    texts = [
        tokenizer.encoding.decode_single_token_bytes(token).decode("utf-8", "replace")
        for token in range(tokenizer.eot)
    ]
    return texts + [""] * (n_vocab - tokenizer.eot)


def build(config: RecognitionConfig, store: str | None, task: str) -> TermGuide:
    """Return the guide by the list of ``config``. ConfigError names a line that is wrong."""
    return TermGuide(str(config.terms), task)
