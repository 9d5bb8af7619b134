"""What could be judged: utterances that all systems have an output of, with their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.campaign.spans import Span, find_doubtful_words
from components.errors import DataError
from components.metrics.languages import Language
from components.metrics.metric import Output
from components.metrics.scoring_units import ScoringUnits
from components.metrics.table import METRICS
from components.records import NBest, Utterance

SENTENCE_METRICS: dict[Output, str] = {"translation": "chrf", "transcript": "wer"}
"""What scores single outputs."""


@dataclass(frozen=True)
class Candidate:
    """An utterance, or a segment of a recording, that may be judged.

    Attributes:
        utterance: with its audio and references.
        outputs: system -> text.
        spans: system -> its doubtful words.
        scores: system -> score of its output alone, in points; empty without a reference.
    """

    utterance: Utterance
    outputs: Mapping[str, str]
    spans: Mapping[str, Sequence[Span]]
    scores: Mapping[str, float]


def gather_candidates(
    utterances: Sequence[Utterance],
    systems: Mapping[str, Mapping[str, NBest]],
    output: Output,
    language: Language,
    prefill: float,
) -> list[Candidate]:
    """Return utterances that all systems have an output of, in the order of the data.

    Args:
        utterances: of the data set; long recordings with reference segments are judged segment by segment.
        systems: name -> utterance id -> outcome.
        output: which text is judged.
        language: of the outputs.
        prefill: confidence below which words are doubtful.

    Raises:
        DataError: the systems share no utterance.
    """
    units = ScoringUnits(utterances, output, language)
    texts = {name: {key: nbest.best.text for key, nbest in of.items()} for name, of in systems.items()}
    outputs = {name: of | units.split(of) for name, of in texts.items()}
    scores = {name: _score(units, of, output, len(utterances)) for name, of in texts.items()}
    candidates = [
        Candidate(
            utterance=unit,
            outputs={name: of[unit.id] for name, of in outputs.items()},
            spans={
                name: find_doubtful_words(of[unit.id].best, prefill) if unit.id in of else ()
                for name, of in systems.items()
            },
            scores={name: of[unit.id] for name, of in scores.items() if unit.id in of},
        )
        for unit in units.utterances
        if all(unit.id in of for of in outputs.values())
    ]
    if not candidates:
        raise DataError(
            f"expected utterances that all of {', '.join(systems)} have a {output} of, found none"
        )
    return candidates


def _score(units: ScoringUnits, texts: Mapping[str, str], output: Output, n_total: int) -> dict[str, float]:
    segments = units.align(texts, n_total)
    return {} if segments is None else METRICS[SENTENCE_METRICS[output]].sentence_scores(segments)
