"""Questions about one system's own texts: does the transcript warn, does self-refinement help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from components.claims.claim import Claim, Comparison
from components.claims.question import Question, Systems, Texts
from components.claims.questions.mixing import compare_texts
from components.claims.statistics.detection import compare_auc
from components.claims.statistics.measuring import by_metrics, gain_difference
from components.claims.systems.refining import refine
from components.claims.systems.workbench import best_texts, confidence_of
from components.claims.verdict import Measured
from components.errors import DataError
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.two_level import Arms
from components.recognition.config import RecognitionConfig
from components.records import NBest
from components.refining.config import RefineConfig
from components.translation.config import TranslationConfig

LOST, QUARTER = 10.0, 25
"""chrF that a translation loses by recognition; the share of gold translations below which one is bad."""
FEWEST = 10
"""Bad cases, and others, below which an AUC says nothing."""
DEFINITIONS = ("auc, lost", "auc, bad")
CHRF = ("chrf", "bleu")


class TranscriptAsCheck(Question):
    """Does the recognizer's confidence tell which translations are bad?"""

    claim = Claim(
        name="transcript_as_check",
        claim="The transcript between the stages tells which translations will be bad",
        design="bad: (lost) more than 10 chrF below the translation of the gold transcript; (bad) in the "
        "lowest quarter of gold transcripts' chrF against the reference; one condition at a time",
        primary=Comparison(
            name="confidence",
            short="better than chance",
            text="AUC of the recognizer's confidence less 0.5",
            metrics=DEFINITIONS,
            expected="positive",
        ),
        parts=(
            Comparison(
                name="against_translator",
                short="better than the translator's own log-probability",
                text="AUC of the recognizer's confidence less that of the translator's log-probability",
                metrics=DEFINITIONS,
                expected="positive",
            ),
        ),
    )
    models = "models: a recognizer, then a translator"
    most: ClassVar[int | None] = 2
    recognizers: ClassVar[int] = 1
    reads = ("audio", "transcript", "references")

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return both signals under both definitions."""
        recognizer, translator = systems.models
        config = TranslationConfig(model=translator, beam_size=5, n_best=1, batch_size=64, device="cpu")
        read = [u.model_copy(update={"text": u.transcript, "audio": None}) for u in systems.test]
        gold = systems.work.list_translations(read, config)
        transcripts = systems.work.transcribe(
            systems.test, RecognitionConfig(model=recognizer, beam_size=1, n_best=1)
        )
        heard = best_texts(transcripts, systems.test)
        translated = systems.work.list_translations(
            [u.model_copy(update={"text": heard[u.id]}) for u in read], config
        )
        right, own = (_chrf(systems, best_texts(t, systems.test)) for t in (gold, translated))
        bad = {
            "auc, lost": (right - own > LOST)[None].astype(float),
            "auc, bad": (own < np.percentile(right, QUARTER))[None].astype(float),
        }
        for name, is_bad in bad.items():
            if min(n := int(is_bad.sum()), is_bad.size - n) < FEWEST:
                raise DataError(
                    f"claim {self.claim.name}: {name}: expected at least {FEWEST} bad translations, and as "
                    f"many others, found {n} of {is_bad.size}: judge on more utterances"
                )
        signal, other = (
            -np.array([[confidence_of(rows.get(u.id)) for u in systems.test]])
            for rows in (transcripts, translated)
        )
        over = f"{len(systems.test):,} utterances"
        return {
            "confidence": by_metrics(DEFINITIONS, lambda m: compare_auc(signal, None, bad[m], over)),
            "against_translator": by_metrics(DEFINITIONS, lambda m: compare_auc(signal, other, bad[m], over)),
        }


def _chrf(systems: Systems, texts: Texts) -> FloatArray:
    table = systems.score(texts, "chrf")
    return table.metric.score(table.rows)


class SelfRefine(Question):
    """Does a language model's own feedback help the larger model more than the smaller one?"""

    claim = Claim(
        name="self_refine",
        claim="Self-refinement needs a strong model",
        design="greedy few-shot drafts by the same model; one round with its own feedback, without a gate",
        primary=Comparison(
            name="trend",
            text="gain of the last model less gain of the first",
            metrics=CHRF,
            expected="positive",
        ),
        context=(
            Comparison(
                name="first", text="refined against the draft, first model", metrics=CHRF, expected="negative"
            ),
            Comparison(
                name="last", text="refined against the draft, last model", metrics=CHRF, expected="positive"
            ),
        ),
    )
    models = "language models, the weakest first"
    longest: ClassVar[int] = 64
    floor: ClassVar[float] = 2.0

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return gains of the first and the last model."""
        first, last = (self._refined(systems, model) for model in (systems.models[0], systems.models[-1]))
        bleu = systems.score(first[0], "bleu").score()
        refused = (
            [f"drafts of {systems.models[0]} have {bleu:.2f} BLEU: nothing to refine"]
            if bleu < self.floor
            else []
        )

        def arms(texts: tuple[Texts, Texts], metric: str) -> Arms:
            draft, refined = (systems.score(t, metric) for t in texts)
            return [refined], [draft]

        trend = by_metrics(
            CHRF, lambda m: gain_difference(arms(last, m), arms(first, m), replicates="model"), refused
        )
        gains = {
            name: compare_texts(systems, [texts[1]], [texts[0]], CHRF)
            for name, texts in (("first", first), ("last", last))
        }
        return {"trend": trend, **gains}

    def _refined(self, systems: Systems, model: str) -> tuple[Texts, Texts]:
        config = TranslationConfig(
            model=model,
            beam_size=1,
            n_best=1,
            max_tokens=self.longest,
            prompt="few-shot",
            batch_size=16,
            device="cpu",
        )
        drafts: Mapping[str, NBest] = systems.work.list_translations(systems.test, config)
        texts = best_texts(drafts, systems.test)
        settings = RefineConfig(model=model, gate="off", feedback=True, max_tokens=self.longest, device="cpu")
        return texts, refine(systems.work, systems.test, texts, settings, 1)[0]
