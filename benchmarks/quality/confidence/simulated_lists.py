"""N-best lists of captions that nobody spoke: words are confused with words that are spelled alike.

:func:`simulate` is the function of a node of kind ``python``. Such lists prepare a correction model for real
ones: they teach it to copy, and which words captions have.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

CANDIDATES = 5
DOUBTFUL = 0.12
"""Share of the words with a neighbor at which candidates differ."""
LOST = 0.35
"""Share of doubtful words that no candidate has right."""
FIRST_RIGHT = 0.6
"""Share of the other doubtful words that the first candidate has right."""
NEIGHBORS, MAX_EDITS = 6, 2

Confusions = Mapping[str, Sequence[str]]
"""Word -> words that it may be confused with."""


def write_confusions(texts: Iterable[str], path: Path) -> None:
    """Write, for each lower-case word of two texts or more, the words that are spelled most alike."""
    counts = Counter(word for text in texts for word in set(text.split()) if word.isalpha())
    words = sorted(word for word, count in counts.items() if count > 1 and word.islower())
    near = {}
    for word in words:
        edits = cdist([word], words, scorer=Levenshtein.distance, score_cutoff=MAX_EDITS)[0]
        order = np.argsort(edits, kind="stable")[1 : 1 + NEIGHBORS]
        near[word] = [words[k] for k in order if edits[k] <= MAX_EDITS]
    path.write_text(json.dumps({word: others for word, others in near.items() if others}), encoding="utf-8")


def simulate(record: Mapping[str, Any], confusions: str) -> list[tuple[str, float]]:
    """Return the candidates of a caption with falling scores; ``confusions`` is the file of the words."""
    texts = draw_list(record["text"], _read(confusions), record["id"])
    return [(text, -float(rank)) for rank, text in enumerate(texts)]


def draw_list(text: str, confusions: Confusions, seed: str) -> list[str]:
    """Draw the different candidates of a text; those after the first differ from it in one doubtful word."""
    draws, words = random.Random(seed), text.split()
    doubtful = [n for n, word in enumerate(words) if word in confusions and draws.random() < DOUBTFUL]
    readings = {n: _draw_readings(words[n], confusions[words[n]], draws) for n in doubtful}
    first = [readings[n][0] if n in readings else word for n, word in enumerate(words)]
    texts = [" ".join(first)]
    for _ in range(CANDIDATES - 1 if doubtful else 0):
        number = draws.choice(doubtful)
        texts.append(" ".join([*first[:number], draws.choice(readings[number]), *first[number + 1 :]]))
    return list(dict.fromkeys(texts))


def _draw_readings(word: str, neighbors: Sequence[str], draws: random.Random) -> list[str]:
    """Return how the candidates read a doubtful word, the first one's reading first."""
    wrong = draws.sample(list(neighbors), min(2, len(neighbors)))
    if draws.random() < LOST:
        return wrong
    return [word, *wrong] if draws.random() < FIRST_RIGHT else [wrong[0], word, *wrong[1:]]


@cache
def _read(path: str) -> Confusions:
    return json.loads(Path(path).read_text(encoding="utf-8"))
