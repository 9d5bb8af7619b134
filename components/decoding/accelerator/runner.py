"""The step runner of accelerators: members as one product or side by side, steps recorded as CUDA graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.accelerator.choice.recorded_choice import RecordedChoices
from components.decoding.accelerator.fixed_shapes.static_steps import has_static_choice, round_up_to_power
from components.decoding.accelerator.members.device_ensemble import DeviceEnsembleScorer
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.logits_processors import History
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.scorers import TokenScorer
from components.decoding.searches.beam_choice import BeamChooser
from components.decoding.searches.beam_step import Choice
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


class RecordedChooser(BeamChooser):
    """:class:`.BeamChooser` on buffers of fixed size; utterances are dropped only where half have ended."""

    def __init__(
        self,
        scorer: DeviceEnsembleScorer,
        config: SearchConfig,
        n: int,
        steps: int,
        device: torch.device,
        *,
        is_biased: bool,
    ) -> None:
        """Begin a search of ``scorer``; ``is_biased``: what ranks is not its log-probabilities."""
        super().__init__(config, scorer.vocabulary, n, steps, device, keeps_closed=True)
        self._scorer = scorer
        self._recorded: RecordedChoices | None = None
        if not is_biased:
            scorer.find_best(self.rules.n_tokens)

    def choose(self, log_probs: Tensor, scores: Tensor, history: History) -> Choice:
        """See :meth:`.BeamChooser.choose`."""
        if not 0 < self._t < self._steps - 1:
            return super().choose(log_probs, scores, history)
        if self._recorded is None:
            is_biased, eos = scores is not log_probs, self._scorer.vocabulary.eos
            self._recorded = RecordedChoices(
                self.rules, eos, self.state, self._norms, self._t, scores, is_biased=is_biased
            )
        choice = self._recorded.choose(log_probs, scores, self._scorer.best)
        self.state = self._recorded.state
        self._t += 1
        return choice

    def drops(self, count: int) -> bool:
        """See :meth:`.BeamChooser.drops`."""
        return super().drops(count) and round_up_to_power(count) < round_up_to_power(len(self.state.scores))

    def keep_utterances(self, remaining: Tensor) -> None:
        """See :meth:`.BeamChooser.keep_utterances`."""
        super().keep_utterances(remaining)
        if self._recorded is not None:
            self._recorded.keep_utterances(self.state)


RUNNER = AcceleratorRunner()
