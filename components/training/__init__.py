"""Training: one loop (``train``) over anything that is a :class:`Learner`, plain PyTorch.

``loop`` is the place to start reading; ``TrainingConfig`` is what can be set, LEARNERS what can be trained.
"""

from components.training.config import TrainingConfig
from components.training.language import LanguageLearner
from components.training.learner import Learner
from components.training.loop import VERSION, train
from components.training.refiners import DeliberationLearner, DiffusionLearner
from components.training.translation import TranslationLearner

__all__ = ["LEARNERS", "VERSION", "Learner", "TrainingConfig", "train"]

LEARNERS: dict[str, type[TranslationLearner | LanguageLearner | DeliberationLearner | DiffusionLearner]] = {
    "translation": TranslationLearner,
    "language_model": LanguageLearner,
    "deliberation": DeliberationLearner,
    "edit_diffusion": DiffusionLearner,
}
"""By ``TrainingConfig.kind``."""
