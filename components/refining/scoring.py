"""Scores of a trained refiner as a translator, by our own decoder."""

from __future__ import annotations

from pathlib import Path

from components import data
from components.metrics.translation_quality.translation import translation_scores
from components.records import NBest
from components.run_record import Score
from components.translation.config import TranslationConfig
from components.translation.factory import build


def score_refiner(
    folder: Path,
    source: str,
    languages: tuple[str, str],
    beam_size: int,
    limit: int | None = None,
    device: str = "auto",
) -> dict[str, Score]:
    """Score the network in ``folder`` on the data set ``source``: BLEU, chrF and TER."""
    dataset = data.load(source, source_language=languages[0], target_language=languages[1], limit=limit)
    config = TranslationConfig(model=str(folder), beam_size=beam_size, n_best=1, batch_size=64, device=device)
    outcomes = build(config).translate(dataset.utterances)
    texts = {outcome.utterance_id: outcome.best.text for outcome in outcomes if isinstance(outcome, NBest)}
    return translation_scores(
        {u.id: u.references for u in dataset.utterances if u.id in texts},
        texts,
        language=languages[1],
        n_total=len(dataset.utterances) + len(dataset.quarantined),
    )
