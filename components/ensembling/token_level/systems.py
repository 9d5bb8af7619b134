"""What kinds of nodes ask of ensembles, as entries of ``antiphon.ensembles``; torch is imported when used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.recognition.config import RecognizerEnsembleConfig
    from components.recognition.recognizer import Recognizer
    from components.run_record import StageRef
    from components.translation.config import EnsembleConfig, TranslationConfig
    from components.translation.translator import Translator

# ruff: noqa: PLC0415 - its imports need torch


class Recognizers:
    """Ensembles of recognizers of one vocabulary."""

    def check(self, config: RecognizerEnsembleConfig, store: str | None) -> None:
        """Refuse one by its settings alone; raises AntiphonError."""
        from components.ensembling.token_level.checks import check_recognizers

        check_recognizers(config, store)

    def validate(self, config: RecognizerEnsembleConfig, store: str | None) -> None:
        """Refuse members of different vocabularies; raises AntiphonError."""
        from components.ensembling.token_level.checks import validate_recognizers

        validate_recognizers(config, store)

    def build(self, config: RecognizerEnsembleConfig, store: str | None, seed: int) -> Recognizer:
        """Build one, its models loaded."""
        from components.ensembling.token_level.whisper_ensemble import build_recognizer

        return build_recognizer(config, store, seed)


class Translators:
    """Ensembles of translators, and one translator with dropout drawn again and again."""

    def check(self, config: EnsembleConfig, store: str | None) -> None:
        """Refuse one by its settings alone; raises AntiphonError."""
        from components.ensembling.token_level.checks import check_translators

        check_translators(config, store)

    def validate(self, config: EnsembleConfig, store: str | None) -> None:
        """Refuse members that cannot share one search; raises AntiphonError."""
        from components.ensembling.token_level.checks import validate_translators

        validate_translators(config, store)

    def build(
        self, config: EnsembleConfig, learned: Path | None, first_masks: int, store: str | None, seed: int
    ) -> Translator:
        """Build one, its models loaded.

        Args:
            config: the members and their mixing.
            learned: folder of the coefficients that a node has learned; None for those of the settings.
            first_masks: number of the first dropout member's masks.
            store: URL of the store, for models ``store:KEY``.
            seed: of what is sampled.
        """
        from components.ensembling.token_level.factory import build_translator
        from components.ensembling.token_level.learning.weights_folder import read_combiner

        combine = None if learned is None else read_combiner(config.mixing, learned)
        return build_translator(config, config.members, config.mixing, combine, store, first_masks, seed)

    def build_passes(self, config: TranslationConfig, store: str | None, seed: int) -> Translator:
        """Build a translator that draws its translations by Monte-Carlo dropout."""
        from components.ensembling.token_level.dropout_passes import build_translator

        return build_translator(config, store, seed)

    def notes(self, ref: StageRef) -> list[str]:
        """Say how much probability members of other vocabularies lost."""
        from components.ensembling.token_level.vocabularies.vocabulary_coverage import (
            describe_lost_probability,
        )

        return describe_lost_probability(ref)


RECOGNIZERS, TRANSLATORS = Recognizers(), Translators()
