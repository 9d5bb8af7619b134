"""What can be trained, by ``TrainingConfig.kind``."""

from __future__ import annotations

from components.refining.learners import DeliberationLearner, EditDiffusionLearner
from components.training.language_model_learner import LanguageLearner
from components.training.recognition_learner import RecognitionLearner
from components.training.translation_learner import TranslationLearner

LEARNERS: dict[
    str,
    type[
        TranslationLearner | LanguageLearner | DeliberationLearner | EditDiffusionLearner | RecognitionLearner
    ],
] = {
    "translation": TranslationLearner,
    "language_model": LanguageLearner,
    "deliberation": DeliberationLearner,
    "edit_diffusion": EditDiffusionLearner,
    "recognition": RecognitionLearner,
}
