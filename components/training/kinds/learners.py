"""What can be trained, by ``TrainingConfig.kind``: classes of ``antiphon.learners``, which import torch."""

from __future__ import annotations

from typing import Any

from components.extensions import Extensions, accept_any

LEARNERS: Extensions[Any] = Extensions("antiphon.learners", "learner", accept_any)
