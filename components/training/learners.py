"""What can be trained, by ``TrainingConfig.kind``."""

from __future__ import annotations

from components.training.language import LanguageLearner
from components.training.refiners import DeliberationLearner, DiffusionLearner
from components.training.translation import TranslationLearner

LEARNERS: dict[str, type[TranslationLearner | LanguageLearner | DeliberationLearner | DiffusionLearner]] = {
    "translation": TranslationLearner,
    "language_model": LanguageLearner,
    "deliberation": DeliberationLearner,
    "edit_diffusion": DiffusionLearner,
}
