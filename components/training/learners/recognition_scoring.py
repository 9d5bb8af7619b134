"""Scores of a fine-tuned recognizer on a data set: WER and CER of our own decoding."""

from __future__ import annotations

from components import data
from components.metrics.error_rates.recognition import recognition_scores
from components.recognition import factory
from components.recognition.config import RecognitionConfig
from components.records import NBest
from components.run_record import Score


def score_recognizer(
    model: str, source: str, languages: tuple[str, str], beam_size: int, device: str
) -> dict[str, Score]:
    """Recognize a data set with a Whisper folder and score it.

    Args:
        model: the folder.
        source: the data set; utterances without audio or transcript count in ``n_total`` only.
        languages: source and target language of the training.
        beam_size: of the search.
        device: as in a recognizer's settings.
    """
    dataset = data.load(source, source_language=languages[0], target_language=languages[1])
    spoken = [u for u in dataset.utterances if u.audio is not None and u.transcript is not None]
    config = RecognitionConfig(model=model, beam_size=beam_size, n_best=1, device=device)
    outcomes = factory.build(config).recognize(spoken)
    return recognition_scores(
        {u.id: str(u.transcript) for u in spoken},
        {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)},
        language={u.id: u.source_language for u in spoken},
        n_total=len(dataset.utterances) + len(dataset.quarantined),
    )
