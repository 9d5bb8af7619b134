"""The finished model's scores on a data set, with beam search."""

from __future__ import annotations

from pathlib import Path

from components import data
from components.metrics import translation_scores
from components.records import Score
from components.training import dev, package


def scores(
    folder: Path, source: str, languages: tuple[str, str], beam_size: int, limit: int | None = None
) -> dict[str, Score]:
    """BLEU, chrF and TER of the model in ``folder`` on the data set ``source``.

    Decoding is transformers' ``generate`` (beam search, length-normalised). Utterances without text count
    in ``n_total`` only.
    """
    dataset = data.load(source, source_language=languages[0], target_language=languages[1], limit=limit)
    texts = {u.id: u.text or u.transcript for u in dataset.utterances}
    written = {name: text for name, text in texts.items() if text}
    translations = dev.translate(*package.load(folder), list(written.values()), beam_size)
    return translation_scores(
        {u.id: u.references for u in dataset.utterances if u.id in written},
        dict(zip(written, translations, strict=True)),
        language=languages[1],
        n_total=len(dataset.utterances) + len(dataset.quarantined),
    )
