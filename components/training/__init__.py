"""Training of translation models: one loop (``train``), plain PyTorch.

``loop`` is the place to start reading; ``TrainingConfig`` is what can be set.
"""

from components.training.config import TrainingConfig
from components.training.loop import VERSION, train

__all__ = ["VERSION", "TrainingConfig", "train"]
