"""What guides the search of Whisper beside the model: terms to listen for, and a CTC model that hears too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from components.audio import SAMPLE_RATE, Samples
from components.compute.openai_whisper import Tokenizer
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.constraints.phrase_trie import WordEdges
from components.decoding.constraints.term_guidance import Phrase, TermGuidance
from components.decoding.ctc.joint_scoring import CtcFrames, JointCtc
from components.decoding.text_synchronous.text_fusion import TextFusion, WeightedTextModel
from components.errors import ConfigError
from components.recognition.ctc.characters import spell
from components.recognition.ctc.model import CtcModel
from components.recognition.whisper.windows.decoding_state import WindowStream
from components.recognition.whisper.windows.features import FRAMES_PER_SECOND
from components.text.term_list import read_terms

OCCURRENCES_PER_WINDOW = 3
"""So often a term is boosted in the same 30 seconds; without a limit a large boost makes a loop of names."""


class Guide(Protocol):
    """Gives the bias of one search over the present windows of streams."""

    def build_bias(
        self, streams: Sequence[WindowStream], tokenizer: Tokenizer, n_vocab: int
    ) -> LogitsProcessor | None:
        """The bias; None where there is none."""
        ...


class TermGuide:
    """Boosts the terms of a list: sources where speech is transcribed, targets where it is translated.

    Args:
        path: The term list.
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
        """Every term, in every window."""
        if self._guidance is None:

            def tokenize(text: str) -> list[tuple[int, ...]]:
                return [tuple(tokenizer.encode(text)), tuple(tokenizer.encode(f" {text}"))]

            edges = WordEdges.of(_texts_of_tokens(tokenizer, n_vocab))
            self._guidance = TermGuidance(self._phrases, tokenize, edges, "Whisper")
        limits = dict.fromkeys(range(len(self._phrases)), OCCURRENCES_PER_WINDOW)
        return next(iter(self._guidance.guide([limits] * len(streams)).biases), None)


def _texts_of_tokens(tokenizer: Tokenizer, n_vocab: int) -> list[str]:
    """The text of every token, spaces included; "" for special tokens and timestamps."""
    text_tokens = min(tokenizer.eot, n_vocab)
    texts = [
        tokenizer.encoding.decode_single_token_bytes(token).decode("utf-8", "replace")
        for token in range(text_tokens)
    ]
    return texts + [""] * (n_vocab - text_tokens)


class CtcGuide:
    """Adds the scores of a CTC model over the same sound; see :mod:`components.decoding.ctc.joint_scoring`.

    Args:
        model: The CTC model, whose pieces are characters.
        weight: Its weight, from 0 to 1.
        name: Of the model, for messages.

    Raises:
        ConfigError: A piece of the model is longer than a character.
    """

    def __init__(self, model: CtcModel, weight: float, name: str) -> None:
        self._model, self._weight = model, weight
        self._numbers = number_characters(model, name)

    def build_bias(
        self, streams: Sequence[WindowStream], tokenizer: Tokenizer, n_vocab: int
    ) -> LogitsProcessor:
        """Scores of every window's frames."""
        log_probs = [self._model.score_frames(_samples_of(stream)) for stream in streams]
        frames = CtcFrames(log_probs, self._model.vocabulary.blank)

        def spell_tokens(tokens: Sequence[int]) -> list[int]:
            text = spell(tokenizer.decode([token for token in tokens if token < tokenizer.eot]))
            return [self._numbers[character] for character in text if character in self._numbers]

        return JointCtc(frames, spell_tokens, self._weight, [tokenizer.eot])


def number_characters(model: CtcModel, name: str) -> dict[str, int]:
    """The number of each character that a CTC model writes, in lower case.

    Raises:
        ConfigError: A piece is longer than a character.
    """
    numbers: dict[str, int] = {}
    for number, piece in enumerate(model.vocabulary.pieces):
        if len(piece) > 1:
            raise ConfigError(
                f"ctc.model: expected a CTC model of characters, found {name} with the piece {piece!r}: use "
                "another, or combine its finished transcripts (a node of kind combine, method rover)"
            )
        if piece:
            numbers.setdefault(piece.lower(), number)
    return numbers


class LanguageModelGuide:
    """Adds the scores of language models; see :mod:`components.decoding.text_synchronous.text_fusion`.

    Args:
        models: Them, with their weights.
    """

    def __init__(self, models: Sequence[WeightedTextModel]) -> None:
        self._models = models

    def build_bias(
        self, streams: Sequence[WindowStream], tokenizer: Tokenizer, n_vocab: int
    ) -> LogitsProcessor:
        """Scores of the text of each window by itself."""

        def decode(tokens: Sequence[int]) -> str:
            text: str = tokenizer.decode([token for token in tokens if token < tokenizer.eot])
            return text

        return TextFusion(self._models, decode, [tokenizer.eot])


def _samples_of(stream: WindowStream) -> Samples:
    begin = round(stream.start * SAMPLE_RATE)
    return stream.state.samples[begin : begin + stream.frames * SAMPLE_RATE // FRAMES_PER_SECOND]
