"""Oracles of a pool of candidates: what choosing among them, or among their words, could gain at most.

The n-best oracle is the candidate that scores best against the reference. The compositional oracle may put a
transcript together from the words of all candidates: it is the path through their confusion network with the
fewest errors (the oracle of Mangu et al. 2000 and of lattices), so it has never more errors than the best
candidate. Both read the references: they are bounds, no systems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.ensembling.output_level.voting.confusion_network import build_confusion_network
from components.ensembling.output_level.voting.words import Word, split_units
from components.metrics.metric import Metric
from components.metrics.scoring_units import ScoringUnits
from components.text.languages import without_spaces
from components.text.normalization.text_normalization import Normalizer

Pool = Mapping[str, Sequence[str]]
"""Utterance id -> candidates, the first first."""


def pool_by_rank(pool: Pool, units: ScoringUnits) -> list[dict[str, str]]:
    """Return the candidates of each rank by unit id; where there are fewer, the first again."""
    longest = max(map(len, pool.values()), default=0)
    return [
        units.split({key: texts[rank] if rank < len(texts) else texts[0] for key, texts in pool.items()})
        for rank in range(longest)
    ]


def choose_best(
    by_rank: Sequence[Mapping[str, str]], metric: Metric, units: ScoringUnits, n_total: int
) -> dict[str, str]:
    """Choose the candidate with the best sentence score for each unit; ties go to the first.

    Args:
        by_rank: from :func:`pool_by_rank`.
        metric: of the sentence scores. Of metrics that are no mean of sentences, such as BLEU, another choice
            may be better over the whole set.
        units: what is scored.
        n_total: utterances of the data set.
    """
    best = dict(by_rank[0]) if by_rank else {}
    best_scores: dict[str, float] = {}
    for texts in by_rank:
        segments = units.align(texts, n_total)
        scores = {} if segments is None else metric.sentence_scores(segments)
        for key, value in scores.items():
            score = value if metric.higher_is_better else -value
            if key not in best_scores or score > best_scores[key]:
                best_scores[key], best[key] = score, texts[key]
    return best


def compose_best(candidates: Sequence[str], reference: str, language: str, normalize: Normalizer) -> str:
    """Return the words of the path through the candidates' confusion network that is nearest to a reference.

    Args:
        candidates: transcripts, in the order in which they are aligned.
        reference: the transcript.
        language: of both.
        normalize: under which words are compared; the path is in normalized words.
    """
    rows = [split_units(normalize(text), language) for text in dict.fromkeys(candidates)]
    network = build_confusion_network([[Word(unit, unit, 1.0) for unit in row] for row in rows])
    columns = [tuple(word.key if word else None for word in column) for column in network]
    path = nearest_path(columns, split_units(normalize(reference), language))
    return ("" if without_spaces(language) else " ").join(path)


def nearest_path(columns: Sequence[Sequence[str | None]], reference: Sequence[str]) -> list[str]:
    """Return the words of a path, one entry of each column, with the fewest edits from a reference.

    Args:
        columns: the alternatives; None is no word.
        reference: words.
    """
    costs = [list(range(len(reference) + 1))]  # (columns + 1, words + 1): least edits of the beginnings
    for column in columns:
        above, skip = costs[-1], int(None not in column)
        row = [above[0] + skip]
        for j, word in enumerate(reference):
            row.append(min(above[j] + _cost(column, word), above[j + 1] + skip, row[j] + 1))
        costs.append(row)
    words: list[str] = []
    i, j = len(columns), len(reference)
    while i:
        column = columns[i - 1]
        spoken = [word for word in column if word is not None]
        if j and spoken and costs[i][j] == costs[i - 1][j - 1] + _cost(column, reference[j - 1]):
            i, j = i - 1, j - 1
            words.append(reference[j] if reference[j] in spoken else spoken[0])
        elif costs[i][j] == costs[i - 1][j] + (None not in column):
            i -= 1
            words += [] if None in column else spoken[:1]
        else:
            j -= 1
    return words[::-1]


def _cost(column: Sequence[str | None], word: str) -> int:
    return 0 if word in column else 1
