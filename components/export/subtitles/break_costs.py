"""What a break after each word costs: little at ends of clauses and at pauses, much inside of a phrase."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from components.export.subtitles.timed_words import TimedWord, join_words
from components.text.function_words import is_content_word
from components.text.languages import without_spaces
from components.translation.segments.sentences import split_sentences

SENTENCE_END, CLAUSE_END, BEFORE_FUNCTION_WORD, BETWEEN_CONTENT_WORDS, AFTER_FUNCTION_WORD = 0, 1, 2, 4, 5
"""Costs of a break: phrases begin with a function word (an article, a preposition, a conjunction)."""
PAUSE_DISCOUNT = 3.0
"""Cost taken off per second of the pause after a word."""
LEAST_WITHIN_SENTENCE = 0.01
"""What a break costs at least where no sentence ends, however long the pause: what costs nothing ends one."""
_CLAUSE = re.compile(r"""[,;:–—、，；：…]["'”’»)\]」』]*$""")


def break_costs(words: Sequence[TimedWord], language: str) -> list[float]:
    """Return the cost of a break after each word; the last one costs nothing."""
    ends = _sentence_ends(words, language)
    costs = [
        SENTENCE_END if number in ends else _cost_between(word, after, language)
        for number, (word, after) in enumerate(pairwise(words))
    ]
    return [*costs, SENTENCE_END] if words else []


def _cost_between(word: TimedWord, after: TimedWord, language: str) -> float:
    cost = BETWEEN_CONTENT_WORDS
    if word.is_label:
        return AFTER_FUNCTION_WORD  # who speaks stands before what is said
    if _CLAUSE.search(word.text):
        cost = CLAUSE_END
    elif not without_spaces(language):
        if not is_content_word(word.text, language):
            cost = AFTER_FUNCTION_WORD
        elif not is_content_word(after.text, language):
            cost = BEFORE_FUNCTION_WORD
    return max(LEAST_WITHIN_SENTENCE, cost - PAUSE_DISCOUNT * max(0.0, after.start - word.end))


def _sentence_ends(words: Sequence[TimedWord], language: str) -> set[int]:
    """Return numbers of the words that end a sentence, by the rules of the translators' sentence splitter."""
    lengths = [len(re.sub(r"\s", "", sentence)) for sentence in split_sentences(join_words(words), language)]
    ends, sentence, letters = set(), 0, 0
    for number, word in enumerate(words):
        letters += len(re.sub(r"\s", "", word.text))
        if sentence < len(lengths) and letters >= lengths[sentence]:
            ends.add(number)
            letters -= lengths[sentence]
            sentence += 1
    return ends
