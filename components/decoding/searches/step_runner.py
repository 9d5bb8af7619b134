"""How searches run their steps: plainly, or as a family of the group ``antiphon.step_runners`` does.

An entry of this group is a :class:`StepRunner`, and its name says where it is used: ``accelerator`` where the
machine has one, or where a switch of :mod:`components.compute.cuda_graphs` is set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch

from components.compute.cuda_graphs import describe_switches
from components.compute.torch_facts import count_devices
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.moves import check_interval
from components.decoding.scorers import TokenScorer
from components.decoding.searches.beam_choice import BeamChooser
from components.extensions import Extensions, accept_any


class StepRunner:
    """The two parts of a search's steps: what runs and mixes the members, and what chooses a beam.

    This one runs member after member, and computes with tensors of the size that a step happens to have.
    """

    def ensemble(
        self,
        scorers: Sequence[TokenScorer],
        combiner: Combiner,
        calls: Counter[int] | None = None,
        *,
        keeps_statistics: bool = False,
    ) -> EnsembleScorer:
        """Return the members as one; the arguments are those of :class:`.EnsembleScorer`."""
        return EnsembleScorer(scorers, combiner, calls, keeps_statistics=keeps_statistics)

    def chooser(
        self,
        scorer: EnsembleScorer,
        config: SearchConfig,
        n: int,
        steps: int,
        device: torch.device,
        guidance: Guidance,
    ) -> BeamChooser:
        """Return the choices of a beam search for ``n`` utterances; see :class:`.BeamChooser`."""
        make = BeamChooser if guidance.constraints is None else guidance.constraints.chooser
        keeps_closed = check_interval(device) > 1
        return make(config, scorer.vocabulary, n, steps, device, keeps_closed=keeps_closed)


PLAIN = StepRunner()
RUNNERS: Extensions[StepRunner] = Extensions("antiphon.step_runners", "step runner", accept_any)


def step_runner() -> StepRunner:
    """Return the runner for this machine and its environment."""
    is_special = any(count_devices()) or describe_switches()
    return RUNNERS.get("accelerator", PLAIN) if is_special else PLAIN
