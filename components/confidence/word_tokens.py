"""Which tokens, and which timed words, write each word of a text."""

from __future__ import annotations

from components.records import Hypothesis, Token
from components.text.matching.word_values import assign_values, spell_words


def tokens_of_words(hypothesis: Hypothesis) -> list[list[Token]]:
    """Return for each word of ``text.split()`` the tokens that write it; none where that is not known.

    Where tokens spell other words than the text has (a normalizer or a truecaser came between them), the
    two are aligned; stretches of different lengths share their tokens.
    """
    pieces = [token.piece for token in hypothesis.tokens]
    spelled = [
        (word, [hypothesis.tokens[number] for number in numbers]) for word, numbers in spell_words(pieces)
    ]
    return assign_values(hypothesis.text.split(), spelled)


def probabilities_of_words(hypothesis: Hypothesis) -> list[list[float]]:
    """Return for each word of ``text.split()`` the probabilities of the timed words that it holds."""
    spelled = [
        (word.text.strip(), [] if word.probability is None else [word.probability])
        for segment in hypothesis.segments
        for word in segment.words
    ]
    return assign_values(hypothesis.text.split(), spelled)
