"""Recognizers that vote: settings tried on development data, and the texts that they give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.system_combination import combine_outputs
from components.metrics.error_rates.recognition import recognition_scores, utterance_errors
from components.records import NBest, Utterance

WEIGHTS = ((1, 1, 1), (2, 2, 1), (2, 1, 1), (3, 2, 1), (3, 2, 2))
"""Votes that are tried, in the order of the recognizers."""
Outputs = Mapping[str, Mapping[str, NBest]]
"""Recognizer -> utterance -> what it wrote."""


def frequency_grid() -> Iterator[SystemCombinationConfig]:
    """Yield settings of ROVER by votes alone."""
    for weights in WEIGHTS:
        yield SystemCombinationConfig(weights=weights, n_best=1)


def confidence_grid() -> Iterator[SystemCombinationConfig]:
    """Yield settings of ROVER by votes and the confidences of words."""
    for weights, voting, alpha, silence in product(
        WEIGHTS, ("average", "maximum"), (0.2, 0.5, 0.8), (0.3, 0.5, 0.7, 0.9)
    ):
        settings = {"weights": weights, "voting": voting, "alpha": alpha, "null_confidence": silence}
        yield SystemCombinationConfig.model_validate({"n_best": 1, **settings})


def risk_grid() -> Iterator[SystemCombinationConfig]:
    """Yield settings that choose the transcript most like the others (minimum Bayes risk)."""
    for weights in WEIGHTS:
        yield SystemCombinationConfig(method="minimum_bayes_risk", weights=weights, n_best=1, utility="wer")


GRIDS = {
    "ROVER by votes": frequency_grid,
    "ROVER by votes and confidence": confidence_grid,
    "minimum Bayes risk": risk_grid,
}


def combine(spoken: Sequence[Utterance], outputs: Outputs, config: SystemCombinationConfig) -> dict[str, str]:
    """Utterance -> the combined text."""
    texts, language = {}, spoken[0].source_language
    for u in spoken:
        outcome = combine_outputs(
            u.id, {name: row.get(u.id) for name, row in outputs.items()}, config, language
        )
        texts[u.id] = outcome.best.text if isinstance(outcome, NBest) else ""
    return texts


def word_error_rate(spoken: Sequence[Utterance], texts: Mapping[str, str]) -> float:
    """Return corpus WER, percent."""
    references = {u.id: u.transcript or "" for u in spoken}
    scores = recognition_scores(references, texts, language=spoken[0].source_language, n_total=len(spoken))
    return scores["wer"].value


def tune(spoken: Sequence[Utterance], outputs: Outputs, grid: str) -> tuple[SystemCombinationConfig, float]:
    """Return the setting of a grid with the least WER, the first of equals; and that WER."""
    scored = [
        (config, round(word_error_rate(spoken, combine(spoken, outputs, config)), 6))
        for config in GRIDS[grid]()
    ]
    return min(scored, key=lambda pair: pair[1])


def choose_by_reference(
    spoken: Sequence[Utterance], candidates: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return the transcript with the fewest errors: what no choice among whole transcripts can beat."""
    texts = {}
    for u in spoken:
        own = dict.fromkeys(row[u.id] for row in candidates.values())
        texts[u.id] = min(own, key=partial(_count_errors, u))
    return texts


def _count_errors(utterance: Utterance, text: str) -> int:
    """Return word errors of a text; a reference may have no words."""
    reference = {utterance.id: utterance.transcript or ""}
    return utterance_errors(reference, {utterance.id: text}, language="en")[utterance.id].errors
