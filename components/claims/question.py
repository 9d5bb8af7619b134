"""The claims that need no training, asked of anybody's systems: a question is one class and one entry.

An entry of the group ``antiphon.claims`` names a :class:`Question`. ``antiphon claim NAME`` and the
experiments behind docs/evidence.md measure by the same functions and judge by the same rule.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from components.claims.claim import Claim
from components.claims.selection import best_on_dev
from components.claims.systems.workbench import Model, Workbench
from components.claims.verdict import Measured
from components.errors import ConfigError
from components.extensions import Extensions
from components.metrics.statistics.corpus_statistics import CorpusStatistics, text_statistics
from components.pipeline.seen_data import Contents
from components.records import Utterance

Texts = Mapping[str, str]


@dataclass(frozen=True)
class Systems:
    """Models of a user with the data on which something is chosen, and those on which it is judged."""

    work: Workbench
    models: tuple[str, ...]
    dev: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    beam_size: int = 5

    @property
    def languages(self) -> tuple[str, str]:
        """Of source and target, those of the first utterance."""
        return self.test[0].source_language, self.test[0].target_language or self.test[0].source_language

    def translate(
        self, models: Sequence[Model], utterances: Sequence[Utterance] | None = None, **mixing: object
    ) -> Texts:
        """Translate the test set (or others) by one model, or by several mixed at every token."""
        chosen = self.test if utterances is None else utterances
        return self.work.translate(chosen, models, beam_size=self.beam_size, mixing=mixing or None)

    def score(
        self, texts: Texts, metric: str, utterances: Sequence[Utterance] | None = None
    ) -> CorpusStatistics:
        """Return statistics of texts: of translations, or by WER or CER of transcripts."""
        chosen = self.test if utterances is None else utterances
        is_transcript = metric in ("wer", "cer")
        references = {u.id: (u.transcript or "",) if is_transcript else u.references for u in chosen}
        language = self.languages[0 if is_transcript else 1]
        return text_statistics(references, texts, language=language, n_total=len(chosen), names=(metric,))[
            metric
        ]

    @cached_property
    def bleu_on_dev(self) -> Mapping[str, float]:
        """Model -> BLEU on development data."""
        return {
            model: self.score(self.translate([model], self.dev), "bleu", self.dev).score()
            for model in self.models
        }

    @property
    def best(self) -> str:
        """The best model on development data."""
        return best_on_dev(self.bleu_on_dev)


class Question(ABC):
    """One claim as it is asked of systems.

    Attributes:
        claim: with the comparisons that answer it.
        models: what the models are, in words.
        least: how many are needed.
        most: how many can be asked; None for any number.
        recognizers: how many of them, the first ones, transcribe speech; the others translate.
        needs_dev: whether something is chosen on development data.
        reads: what utterances must have, as fields of a record.
        fewest: utterances to judge on.
        examples: utterances of development data that it learns from.
    """

    claim: ClassVar[Claim]
    models: ClassVar[str] = "translators"
    least: ClassVar[int] = 2
    most: ClassVar[int | None] = None
    recognizers: ClassVar[int] = 0
    needs_dev: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...]] = ("text", "references")
    fewest: ClassVar[int] = 10
    examples: ClassVar[int] = 10

    @property
    def count(self) -> str:
        """How many models are asked for: ``2``, ``2+``, ``2 to 4``."""
        if self.most is None:
            return f"{self.least}+"
        return f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"

    @abstractmethod
    def measure(self, systems: Systems) -> Mapping[str, Measured]:
        """Return what was measured, by the name of the comparison."""

    def check(self, models: Sequence[str], *, dev: bool) -> None:
        """Refuse what cannot be asked.

        Raises:
            ConfigError: Too few or too many models, one named twice, or no development data.
        """
        name = self.claim.name
        if len(models) < self.least or len(models) > (self.most or len(models)):
            raise ConfigError(
                f"claim {name}: expected --models of {self.count} {self.models}, found {len(models)}"
            )
        if twice := {model for model in models if models.count(model) > 1}:
            raise ConfigError(
                f"claim {name}: expected every model once, found {', '.join(sorted(twice))} twice"
            )
        if self.needs_dev and not dev:
            raise ConfigError(f"claim {name}: expected --dev SET, on which something is chosen, found none")

    def check_data(self, dev: Sequence[Utterance], test: Sequence[Utterance]) -> None:
        """Refuse data on which it cannot be asked.

        Raises:
            ConfigError: Too few, without what it reads, or data to choose on that judge, too.
        """
        name = self.claim.name
        for flag, utterances, fewest in (("--data", test, self.fewest), ("--dev", dev, self.examples)):
            if flag == "--dev" and not self.needs_dev:
                continue
            if len(utterances) < fewest:
                raise ConfigError(
                    f"claim {name}: expected at least {fewest} utterances of {flag}, found "
                    f"{len(utterances)}: fewer answer nothing"
                )
            for field in self.reads:
                if lacking := [u.id for u in utterances if not getattr(u, field)]:
                    raise ConfigError(
                        f"claim {name}: expected {field} of every utterance of {flag}, found none of "
                        f"{len(lacking):,} of {len(utterances):,} ({lacking[0]} first)"
                    )
        seen = Contents(dev if self.needs_dev else ())
        if shared := sum(utterance in seen for utterance in test):
            raise ConfigError(
                f"claim {name}: expected --dev without what judges, found {shared:,} of {len(test):,} "
                "utterances of --data in it: what is chosen on them flatters itself; name another set"
            )


def _accept(name: str, entry: str, value: object) -> Question:
    if not (isinstance(value, type) and issubclass(value, Question)) or value.claim.name != name:
        raise ConfigError(f"expected a Question whose claim is named {name}, found {entry}")
    return value()


QUESTIONS: Extensions[Question] = Extensions("antiphon.claims", "claim", _accept)
