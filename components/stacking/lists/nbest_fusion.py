"""Late fusion of n-best lists: the cascade's translations and Whisper's own, every text scored by both.

For systems whose vocabularies differ, so that no search can mix them token by token. An utterance has its
audio and, as the lines of ``text``, its transcript and then the cascade's translations.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sacrebleu

from components.compute.device import pick_device
from components.errors import ConfigError, DataError
from components.models import resolve
from components.models.loaders.whisper_loading import load_whisper
from components.recognition.config import RecognitionConfig
from components.records import Hypothesis, NBest, Outcome, Quarantined, Utterance
from components.stacking.config import StackConfig
from components.stacking.lists.cross_scoring import (
    ScoreTexts,
    WhisperTextScorer,
    build_text_scorer,
    fuse_nbests,
)
from components.translation.speech import SpeechTranslator

STAGE = "stack"
GRID_POINTS = 21
"""Weights that are tried, evenly spaced from 0 to 1."""
PROGRESS_CHUNK = 16
"""Development utterances between two lines of the log that report the progress."""
_log = logging.getLogger("antiphon.stacking")


class NBestFusionTranslator:
    """Translates speech by two systems and fuses their n-best lists.

    Args:
        config: settings of the stack.
        direct: the speech translator.
        scorers: of the cascade's text model and of the speech translator.
        weight: of the speech translator, in [0, 1].
    """

    def __init__(
        self,
        config: StackConfig,
        direct: SpeechTranslator,
        scorers: tuple[ScoreTexts, ScoreTexts],
        weight: float,
    ) -> None:
        self.checkpoint = direct.checkpoint
        self._direct, self._scorers, self._weight = direct, scorers, weight
        self.max_hypotheses: int | None = config.n_best

    def translate(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """Return one outcome per utterance, in order: both systems' translations, best fused score first."""
        outcomes = self._direct.translate(utterances)
        return [
            self._fuse(utterance, outcome) for utterance, outcome in zip(utterances, outcomes, strict=True)
        ]

    def _fuse(self, utterance: Utterance, direct: Outcome) -> Outcome:
        if isinstance(direct, Quarantined):
            return direct.model_copy(update={"stage": STAGE})
        transcript, *texts = (utterance.text or "").split("\n")
        first = NBest(
            utterance_id=utterance.id,
            hypotheses=tuple(
                Hypothesis(text=text, score=0.0, n_tokens=len(text.split()), system="mt") for text in texts
            ),
            language=utterance.source_language,
        )
        source = utterance.model_copy(update={"text": transcript})
        try:
            fused = fuse_nbests(source, (first, direct), self._scorers, self._weight)
        except (ConfigError, DataError) as error:  # longer than a window, say
            return Quarantined(
                utterance_id=utterance.id, stage=STAGE, reason="unsupported input", detail=str(error)
            )
        return fused.model_copy(update={"hypotheses": fused.hypotheses[: self.max_hypotheses]})


def build_translator(config: StackConfig, text_model: str, store: str | None = None) -> NBestFusionTranslator:
    """Build the fusion of a cascade with a multilingual Whisper. Models stay resident in the process.

    Args:
        config: ``model`` is the Whisper, ``coefficient`` its weight.
        text_model: the cascade's translator.
        store: where ``store:`` references are looked up.

    Raises:
        ConfigError: the Whisper or the coefficient is missing.
        ModelError: a model cannot be loaded.
    """
    if config.model is None or config.coefficient is None:
        raise ConfigError(
            "stack.method pooled: expected a Whisper (stack.model) and a coefficient, found none: set them"
        )
    n_best = min(config.n_best, config.beam_size)
    recognition = RecognitionConfig(
        model=config.model,
        beam_size=config.beam_size,
        n_best=n_best,
        dtype=config.dtype,
        device=config.device,
    )
    scorers = (
        build_text_scorer(text_model, store, config.device, config.dtype),
        WhisperTextScorer(load_whisper(resolve(config.model, store), pick_device(config.device))),
    )
    return NBestFusionTranslator(config, SpeechTranslator(recognition, store), scorers, config.coefficient)


def learn_coefficient(
    config: StackConfig, text_model: str, utterances: Sequence[Utterance], store: str | None = None
) -> tuple[float, float]:
    """Learn the weight of the speech translator that gives the best BLEU on development utterances.

    Every text is scored once by both systems. Ties go to the smallest weight.

    Returns:
        The weight, and its BLEU.

    Raises:
        DataError: no utterance has references, or none can be taken by both systems.
    """
    system = build_translator(config.model_copy(update={"coefficient": 0.5}), text_model, store)
    system.max_hypotheses = None  # a list cut at one weight may lack the best of another weight
    with_references = [utterance for utterance in utterances if utterance.references]
    outcomes: list[Outcome] = []
    for start in range(0, len(with_references), PROGRESS_CHUNK):
        outcomes += system.translate(with_references[start : start + PROGRESS_CHUNK])
        _log.info(
            "stack: %d of %d development utterances scored by both systems",
            len(outcomes),
            len(with_references),
        )
    pairs = [
        (utterance, outcome)
        for utterance, outcome in zip(with_references, outcomes, strict=True)
        if isinstance(outcome, NBest)
    ]
    refused = [outcome.detail for outcome in outcomes if isinstance(outcome, Quarantined)]
    if refused and not pairs:
        raise DataError(f"stack: expected development data that both systems take, found none: {refused[0]}")
    return search_weight(
        [outcome for _, outcome in pairs], [utterance.references[0] for utterance, _ in pairs]
    )


def search_weight(lists: Sequence[NBest], references: Sequence[str]) -> tuple[float, float]:
    """Search the weight whose best hypotheses have the highest corpus BLEU, on :data:`GRID_POINTS` weights.

    Returns:
        The weight, and its BLEU.

    Raises:
        DataError: there are no lists.
    """
    if not lists:
        raise DataError("stack: expected development data with references to learn a weight, found none")
    scored: list[tuple[float, float]] = []
    for number in range(GRID_POINTS):
        weight = number / (GRID_POINTS - 1)
        texts = [_best_text(outcome, weight) for outcome in lists]
        scored.append((sacrebleu.corpus_bleu(texts, [list(references)]).score, -weight))
    score, weight = max(scored)
    return -weight, score


def _best_text(outcome: NBest, weight: float) -> str:
    def score_fused(hypothesis: Hypothesis) -> float:
        first, second = (hypothesis.features.get(name, 0.0) for name in ("first", "second"))
        return (1 - weight) * first + weight * second

    return max(outcome.hypotheses, key=score_fused).text
