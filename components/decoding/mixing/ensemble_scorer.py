"""Several token scorers as one: all are advanced together and mixed into one distribution.

Letters in shapes: N utterances, R rows, V tokens, M active members (those that the combiner does not give a
constant weight of zero), T generated tokens of one sequence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.combiner import Combiner, Gate
from components.decoding.constraints.logits_processors import History, LogitsProcessor, apply_processors
from components.decoding.finite_watch import FiniteWatch
from components.decoding.mixing.gate_features import (
    append_token,
    distribution_features,
    features_of,
    initial_state,
    observe,
    steps_of,
)
from components.decoding.mixing.members import Members
from components.decoding.mixing.step_mixture import MixesInStep, StepMixture
from components.decoding.mixing.step_processors import StepProcessors
from components.decoding.mixing.token_records import TokenRecords
from components.decoding.moves import Move
from components.decoding.recorded.static_steps import wants_static_steps
from components.decoding.row_tokens import RowTokens
from components.decoding.scorers import (
    TokenScorer,
    Vocabulary,
    require_same_vocabulary,
)
from components.decoding.token_statistics import token_statistics

WIDTH_MULTIPLE = 64
"""Tokens of a row that steps of fixed shapes have room for are rounded up to it."""


class EnsembleScorer:
    """Advances all members by one token and combines their distributions.

    Members of weight zero are not run; each member's log-probability of the tokens that the search takes can
    be asked for until the next step.

    Attributes:
        finite: Looks for NaN in the tokens that the search takes; its ModelError names the member.
        records: How what is known of a token is laid out (:meth:`records_of`).
        tokens: What the rows have taken.
        best: The best tokens of every row of the present step, their log-probabilities first, (R, W) each;
            None: nobody asked for them (:meth:`find_best`).
    """

    def __init__(
        self,
        scorers: Sequence[TokenScorer],
        combiner: Combiner,
        calls: Counter[int] | None = None,
        exact: bool = False,
        keeps_statistics: bool = False,
        *,
        stacks: bool = True,
    ) -> None:
        """Prepare to mix ``scorers``.

        Args:
            scorers: The members, prepared for the same utterances.
            combiner: How their distributions become one.
            calls: Counts the forward calls of each member by its index in ``scorers``.
            exact: Mix in the log domain throughout (see :class:`Combiner`).
            keeps_statistics: Records end with the statistics of the distributions (:meth:`observe`).
            stacks: Whether members of one architecture may run as one off the CPU; :meth:`score_tokens` asks
                each of them.

        Raises:
            ConfigError: The members differ in their vocabularies, or the combiner is for another number.
        """
        require_same_vocabulary([(scorer.name, scorer.vocabulary) for scorer in scorers])
        self._combiner, self._exact, gate = combiner, exact, combiner.gate
        self._mixture = StepMixture(combiner, exact)
        self._runs_all = gate is None or not gate.lagged
        indices = combiner.active_members(len(scorers))
        self._members = Members(scorers, indices, calls, stacks=stacks and self._runs_all)
        only = self._members.only if self._runs_all else None
        self._mixes_in_step = isinstance(only, MixesInStep)
        if isinstance(only, MixesInStep):
            only.mixture = self._mixture
        self.vocabulary: Vocabulary = scorers[0].vocabulary
        self.names, self.limit = self._members.names, self._members.limit
        self._keeps_statistics = keeps_statistics
        weights = tuple(self._mixture.weights.tolist()) if gate is None else None
        self.records = TokenRecords(len(indices), weights, keeps_statistics)
        self._gate_state = initial_state(len(indices))
        self._weights = torch.zeros(0)
        self._log_normalizers = torch.zeros(0)
        self._statistics = torch.zeros(0)
        self.finite = FiniteWatch(self._members.raise_not_finite)
        self.n_steps = 0
        self.best: tuple[Tensor, Tensor] | None = None
        self._processors = StepProcessors((), self.limit)
        self.tokens = RowTokens(0, torch.device("cpu"))

    @property
    def has_gate(self) -> bool:
        """Whether the members' weights differ by token."""
        return self._combiner.gate is not None

    def use_processors(self, processors: Sequence[LogitsProcessor], max_new_tokens: int) -> None:
        """Before the first step of a search: have the steps apply what they may of ``processors``.

        The rest is applied by :meth:`apply_processors`, and ``max_new_tokens`` is the length limit.
        """
        self._processors = StepProcessors(processors, max_new_tokens, holds_rules=self._runs_all)
        self._mixture.rules = self._processors.rules

    def find_best(self, n_tokens: int) -> None:
        """Have every step find its best tokens, where the members may do so within their own."""
        self._mixture.top = n_tokens if self._mixes_in_step and self._processors.holds_all else 0

    def prefill(self) -> Tensor:
        """Combined log-probabilities (N, V) of the first token."""
        log_probs = self._mix()
        room = self._processors.limit if self._mixes_in_step and wants_static_steps(log_probs.device) else 0
        width = room + -room % WIDTH_MULTIPLE
        self.tokens = RowTokens(len(log_probs), log_probs.device, width)
        return log_probs

    def apply_processors(self, log_probs: Tensor, history: History) -> Tensor:
        """Apply to the present step's log-probabilities (R, V), in place or not, what the step did not."""
        left = self._processors.left(self.n_steps)
        self.best = None if left else self.best
        return apply_processors(left, log_probs, history)

    def step(self, beam_indices: Tensor, tokens: Tensor, move: Move | None = None) -> Tensor:
        """Combined log-probabilities (R, V) of the next token; see :meth:`TokenScorer.step`.

        Args:
            beam_indices: LongTensor (R,): row r continues row ``beam_indices[r]``.
            tokens: LongTensor (R,): the token that each row takes.
            move: What the search knows of ``beam_indices``, for the members.
        """
        inputs: list[Tensor] = []
        if self._combiner.gate is not None:
            inputs += [self._gate_state[:, beam_indices], self._log_probs_of(beam_indices, tokens)]
        self.tokens.append(beam_indices, tokens)
        if self._mixture.reads_tokens:
            inputs.append(self.tokens.read_padded()[None])
        self._mixture.inputs = inputs
        self._members.push(beam_indices, tokens, move)
        self.n_steps += 1
        return self._mix()

    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Append ``tokens`` (R, t) to every row, in one pass of every member; not with a gate.

        Returns:
            Combined log-probabilities (R * t, V) after every one of them, those of a row together. Rows of
            :meth:`records_of` are counted likewise.
        """
        scores = self._members.score_tokens(beam_indices, tokens)
        log_probs, self._log_normalizers = self._mixture.mix(scores, ())
        return log_probs[0]

    @property
    def is_ragged(self) -> bool:
        """Whether rows of every member may retract different numbers of tokens."""
        return self._members.is_ragged

    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens of row r; see :meth:`RetractableScorer.retract`."""
        self._members.retract(counts)

    def _mix(self) -> Tensor:
        gate, mixture = self._combiner.gate, self._mixture
        if gate is not None and gate.lagged:
            return self._mix_needed(gate)
        scores = self._members.run()
        outputs, mixture.outputs, self.best = mixture.outputs, None, None
        is_bare = self._processors.ends_bare(self.n_steps)
        if is_bare or outputs is None:
            outputs = mixture.mix(scores, mixture.inputs, is_bare)
        if mixture.top and not is_bare:
            *outputs, values, tokens = outputs
            self.best = values[0], tokens[0]
        log_probs, self._log_normalizers, *of_gate = outputs
        if of_gate:
            self._weights, self._gate_state = of_gate
        return log_probs[0]

    def _mix_needed(self, gate: Gate) -> Tensor:
        """Mix the members that some row needs, as ``gate`` says before they are run."""
        state = append_token(*self._mixture.inputs) if self._mixture.inputs else self._gate_state
        weights = gate(features_of(state), steps_of(state))
        # The one question that a step may ask: members that no row needs are not run.
        indices = [index for index, needed in enumerate((weights != 0).any(dim=1).tolist()) if needed]
        scores = self._members.run(indices)
        rows, device = len(scores[0]), scores[0].device
        self._weights = weights.to(device).expand(-1, rows)
        is_run = self._weights != 0  # (M, R)
        self._gate_state = state.to(device).repeat(1, rows // state.shape[1], 1)
        for index, member_scores in zip(indices, scores, strict=True):
            observe(self._gate_state, index, distribution_features(member_scores), is_run[index])
        mixture = self._combiner(scores, torch.stack([self._weights[i] for i in indices]), self._exact)
        self._log_normalizers = mixture.log_normalizers.new_full((len(weights), rows), torch.nan)
        for index, values in zip(indices, mixture.log_normalizers, strict=True):
            self._log_normalizers[index] = values
        # A member that ran for other rows only counts as not run, as if alone.
        self._log_normalizers.masked_fill_(~is_run, torch.nan)
        return mixture.log_probs

    def _log_probs_of(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities (M, R') that the members gave ``tokens`` at ``rows``; NaN: was not run."""
        return self._members.scores_at(rows, tokens) - self._log_normalizers[:, rows]

    def observe(self, log_probs: Tensor) -> None:
        """Keep the statistics of the present step's distributions (R, V), where that is asked for."""
        if self._keeps_statistics:
            self._statistics = token_statistics(log_probs)

    def records_of(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """What is known of ``tokens`` (R',) at ``rows`` (R',) of the present step.

        Returns:
            (W, R'), laid out as :attr:`records` says: the log-probabilities that the M active members gave
            them, where a gate gives the weights the M weights, and where they are kept the statistics of the
            distribution.
        """
        parts = [self._log_probs_of(rows, tokens)]
        if self._combiner.gate is not None:
            parts.append(self._weights[:, rows])
        if self._keeps_statistics:
            parts.append(self._statistics[:, rows])
        return torch.cat(parts) if len(parts) > 1 else parts[0]
