"""Late fusion of lists: the cascade's translations and Whisper's own, every text scored by both systems.

For systems whose vocabularies differ, so that no search can mix them token by token. An utterance brings its
audio, and in ``text`` its transcript and then the cascade's translations, a line each.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sacrebleu

from components.device import pick_device
from components.errors import ConfigError, DataError
from components.models import resolve
from components.models.loading import load_whisper
from components.recognition.config import RecognitionConfig
from components.records import Hypothesis, NBest, Outcome, Quarantined, Utterance
from components.stacking.config import StackConfig
from components.stacking.cross_scoring import ScoreTexts, WhisperTextScorer, build_text_scorer, fuse_nbests
from components.translation.speech import SpeechTranslator

STAGE = "stack"
GRID_POINTS = 21
PROGRESS_CHUNK = 16
"""Development utterances after which the log says how far it is."""
_log = logging.getLogger("antiphon.stacking")


class NBestFusionTranslator:
    """Speech and what the cascade said -> both lists as one."""

    def __init__(
        self,
        config: StackConfig,
        direct: SpeechTranslator,
        scorers: tuple[ScoreTexts, ScoreTexts],
        weight: float,
    ) -> None:
        self.checkpoint = direct.checkpoint
        self._direct, self._scorers, self._weight = direct, scorers, weight
        self.keep: int | None = config.n_best

    def translate(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """One outcome per utterance, in order: both systems' translations, the likeliest under both first."""
        outcomes = self._direct.translate(utterances)
        return [self._fuse(u, outcome) for u, outcome in zip(utterances, outcomes, strict=True)]

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
        return fused.model_copy(update={"hypotheses": fused.hypotheses[: self.keep]})


def build_translator(config: StackConfig, text_model: str, store: str | None = None) -> NBestFusionTranslator:
    """The pool of ``config``: ``model`` is a multilingual Whisper, ``text_model`` the cascade's translator.

    Models stay resident in the process. ConfigError, ModelError.
    """
    if config.model is None or config.coefficient is None:
        raise ConfigError("pooled: expected a Whisper (stack.model) and a coefficient, found none")
    n_best = min(config.n_best, config.beam_size)
    recognition = RecognitionConfig(
        model=config.model, beam_size=config.beam_size, n_best=n_best, device=config.device
    )
    scorers = (
        build_text_scorer(text_model, store, config.device),
        WhisperTextScorer(load_whisper(resolve(config.model, store), pick_device(config.device))),
    )
    return NBestFusionTranslator(config, SpeechTranslator(recognition, store), scorers, config.coefficient)


def learn_coefficient(
    config: StackConfig, text_model: str, utterances: Sequence[Utterance], store: str | None = None
) -> tuple[float, float]:
    """The weight of the direct system with the best BLEU on ``utterances``, and that BLEU.

    Every text is scored once by both. Ties go to the smallest weight. DataError where nothing has references.
    """
    system = build_translator(config.model_copy(update={"coefficient": 0.5}), text_model, store)
    system.keep = None  # a list that is cut at one weight lacks what another weight puts first
    with_references = [u for u in utterances if u.references]
    outcomes: list[Outcome] = []
    for start in range(0, len(with_references), PROGRESS_CHUNK):
        outcomes += system.translate(with_references[start : start + PROGRESS_CHUNK])
        _log.info(
            "pooled: %d of %d development utterances scored by both", len(outcomes), len(with_references)
        )
    pairs = [(u, o) for u, o in zip(with_references, outcomes, strict=True) if isinstance(o, NBest)]
    refused = [o.detail for o in outcomes if isinstance(o, Quarantined)]
    if refused and not pairs:
        raise DataError(f"pooled: expected development data that both systems take, found none: {refused[0]}")
    return search_weight([outcome for _, outcome in pairs], [u.references[0] for u, _ in pairs])


def search_weight(lists: Sequence[NBest], references: Sequence[str]) -> tuple[float, float]:
    """The weight on a grid of twentieths whose first choices have the best corpus BLEU, and that BLEU."""
    if not lists:
        raise DataError("pooled: expected development data with references to learn a weight, found none")
    scored: list[tuple[float, float]] = []
    for number in range(GRID_POINTS):
        weight = number / (GRID_POINTS - 1)
        texts = [_best_text(outcome, weight) for outcome in lists]
        scored.append((sacrebleu.corpus_bleu(texts, [list(references)]).score, -weight))
    score, weight = max(scored)
    return -weight, score


def _best_text(outcome: NBest, weight: float) -> str:
    def fused_score(hypothesis: Hypothesis) -> float:
        first, second = (hypothesis.features.get(name, 0.0) for name in ("first", "second"))
        return (1 - weight) * first + weight * second

    return max(outcome.hypotheses, key=fused_score).text
