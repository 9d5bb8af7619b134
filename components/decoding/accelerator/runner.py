"""The step runner of accelerators: members as one product or side by side, steps recorded as CUDA graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch

from components.decoding.accelerator.choice.recorded_chooser import RecordedChooser
from components.decoding.accelerator.fixed_shapes.static_steps import has_static_choice
from components.decoding.accelerator.members.device_ensemble import DeviceEnsembleScorer
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.scorers import TokenScorer
from components.decoding.searches.beam_choice import BeamChooser
from components.decoding.searches.step_runner import StepRunner


class AcceleratorRunner(StepRunner):
    """Runs steps as the environment says; see :mod:`components.compute.cuda_graphs`."""

    def ensemble(
        self,
        scorers: Sequence[TokenScorer],
        combiner: Combiner,
        calls: Counter[int] | None = None,
        *,
        keeps_statistics: bool = False,
    ) -> EnsembleScorer:
        """See :meth:`.StepRunner.ensemble`."""
        return DeviceEnsembleScorer(scorers, combiner, calls, keeps_statistics=keeps_statistics)

    def chooser(
        self,
        scorer: EnsembleScorer,
        config: SearchConfig,
        n: int,
        steps: int,
        device: torch.device,
        guidance: Guidance,
    ) -> BeamChooser:
        """See :meth:`.StepRunner.chooser`."""
        is_fixed = has_static_choice(device) and guidance.constraints is None
        if not is_fixed or not isinstance(scorer, DeviceEnsembleScorer):
            return super().chooser(scorer, config, n, steps, device, guidance)
        return RecordedChooser(scorer, config, n, steps, device, is_biased=bool(guidance.biases))


RUNNER = AcceleratorRunner()
