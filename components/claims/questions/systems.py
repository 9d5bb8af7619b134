"""Whole outputs of several systems: reranked lists, recognizers that vote, and what it all costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from components.claims.claim import Claim, Comparison
from components.claims.question import Question, Systems
from components.claims.questions.mixing import METRICS, compare_texts
from components.claims.selection import best_on_dev
from components.claims.statistics.measuring import of_rounds
from components.claims.systems import votes
from components.claims.systems.decoding_cost import WARM, measure_apart
from components.claims.systems.reranking import RERANKING, combine, learn_coefficients
from components.claims.systems.workbench import best_texts
from components.claims.verdict import Measured, Result
from components.recognition.config import RecognitionConfig
from components.translation.config import TranslationConfig


class Reranking(Question):
    """Does a learned choice from several systems' lists beat the best of them?"""

    claim = Claim(
        name="reranking",
        claim="A choice from the lists of several systems, by coefficients learned on development data, "
        "beats the best of them",
        design="5 best of each; their features weighed by MERT for BLEU on dev",
        primary=Comparison(
            name="against_best",
            text="reranked lists against the best system on dev",
            metrics=METRICS,
            expected="positive",
        ),
    )
    needs_dev = True

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return the choice less the best system."""
        dev, test = (
            {
                model: systems.work.list_translations(
                    data, TranslationConfig(model=model, beam_size=5, n_best=5, batch_size=64, device="cpu")
                )
                for model in systems.models
            }
            for data in (systems.dev, systems.test)
        )
        language = systems.languages[1]
        coefficients = learn_coefficients(systems.work, systems.dev, dev, language)
        reranking = RERANKING.model_copy(update={"coefficients": coefficients})
        chosen = combine(systems.test, test, reranking, language)
        single = best_texts(test[systems.best], systems.test)
        return {"against_best": compare_texts(systems, [chosen], [single])}


class Rover(Question):
    """Do recognizers that vote beat the best of them?"""

    claim = Claim(
        name="rover",
        claim="Recognizers that vote make fewer errors than the best of them (ROVER)",
        design="greedy transcripts; votes tuned and the best recognizer chosen by WER on dev",
        primary=Comparison(
            name="against_best",
            text="errors of the vote less those of the best recognizer on dev, percent",
            metrics=("wer", "cer"),
            expected="negative",
        ),
    )
    models = "recognizers"
    reads = ("audio", "transcript")
    least: ClassVar[int] = 3
    most: ClassVar[int | None] = 3
    recognizers: ClassVar[int] = 3
    needs_dev = True

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return the tuned vote less the best recognizer."""
        configs = {model: RecognitionConfig(model=model, beam_size=1, n_best=1) for model in systems.models}
        dev, test = (
            {model: systems.work.transcribe(data, config) for model, config in configs.items()}
            for data in (systems.dev, systems.test)
        )
        on_dev = {
            m: votes.word_error_rate(systems.dev, best_texts(dev[m], systems.dev)) for m in systems.models
        }
        best = best_on_dev(on_dev, higher_is_better=False)
        config, _ = votes.tune(systems.dev, dev, "ROVER by votes and confidence")
        vote = votes.combine(systems.test, test, config)
        texts = best_texts(test[best], systems.test)
        return {"against_best": compare_texts(systems, [vote], [texts], ("wer", "cer"))}


class Cost(Question):
    """Does an ensemble cost as much as its members together?"""

    claim = Claim(
        name="cost",
        claim="An ensemble costs as much time and memory as it has members",
        design="CPU seconds of decoding alone, models loaded and warm, and memory above the empty process; 5 "
        "interleaved rounds",
        primary=Comparison(
            name="seconds",
            short="time",
            text="CPU seconds of all mixed over the sum of each alone, less 1",
            metrics=("ratio, CPU",),
            expected="within 0.1",
        ),
        parts=(
            Comparison(
                name="memory",
                short="memory",
                text="memory of all mixed over the sum of each alone, less 1",
                metrics=("ratio, memory",),
                expected="within 0.1",
            ),
        ),
    )
    reads = ("text",)
    fewest: ClassVar[int] = WARM + 10
    rounds: ClassVar[int] = 5

    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return ratios of all to the sum of each."""
        data = [u.text or "" for u in systems.test[:120]]
        sets = [systems.models, *((model,) for model in systems.models)]
        rows = [
            [measure_apart(models, data, systems.languages) for models in sets] for _ in range(self.rounds)
        ]
        return {
            "seconds": Measured(by_metric={"ratio, CPU": _ratio(rows, "cpu")}),
            "memory": Measured(by_metric={"ratio, memory": _ratio(rows, "megabytes")}),
        }


def _ratio(rows: Sequence[Sequence[Mapping[str, float]]], what: str) -> Result:
    ratios = [row[0][what] / sum(own[what] for own in row[1:]) - 1 for row in rows]
    return of_rounds(ratios, f"{len(rows)} interleaved rounds")
