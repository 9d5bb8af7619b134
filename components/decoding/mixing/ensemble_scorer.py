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
from components.decoding.mixing.step_mixture import StepMixture
from components.decoding.mixing.token_records import TokenRecords, token_statistics
from components.decoding.moves import RowTransition
from components.decoding.scorers import (
    TokenScorer,
    Vocabulary,
    require_same_vocabulary,
)
from components.decoding.tokens.row_tokens import RowTokens


class EnsembleScorer:
    """Advances all members by one token and combines their distributions.

    Members of weight zero are not run; each member's log-probability of the tokens that the search takes can
    be asked for until the next step.

    Attributes:
        finite: looks for NaN in the tokens that the search takes; its ModelError names the member.
        records: how what is known of a token is laid out (:meth:`records_of`).
        tokens: what the rows have taken.
    """

    def __init__(
        self,
        scorers: Sequence[TokenScorer],
        combiner: Combiner,
        calls: Counter[int] | None = None,
        exact: bool = False,
        keeps_statistics: bool = False,
    ) -> None:
        """Prepare to mix ``scorers``.

        Args:
            scorers: the members, prepared for the same utterances.
            combiner: how their distributions become one.
            calls: counts the forward calls of each member by its index in ``scorers``.
            exact: mix in the log domain throughout (see :class:`Combiner`).
            keeps_statistics: records end with the statistics of the distributions (:meth:`observe`).

        Raises:
            ConfigError: The members differ in their vocabularies, or the combiner is for another number.
        """
        require_same_vocabulary([(scorer.name, scorer.vocabulary) for scorer in scorers])
        self._combiner, self._exact, gate = combiner, exact, combiner.gate
        indices = combiner.active_members(len(scorers))
        self._members = self._gather([scorers[index] for index in indices], indices, calls)
        self._mixture = StepMixture(combiner, exact)
        self.vocabulary: Vocabulary = scorers[0].vocabulary
        self.names, self.limit = self._members.names, self._members.limit
        self._keeps_statistics = keeps_statistics
        weights = tuple(self._mixture.weights.tolist()) if gate is None else None
        self.records = TokenRecords(len(indices), weights, keeps_statistics)
        self._gate_state = initial_state(len(indices))
        self._weights = torch.zeros(0)
        self._log_normalizers = torch.zeros(0)
        self._statistics = torch.zeros(0)
        self._processors: Sequence[LogitsProcessor] = ()
        self.finite = FiniteWatch(self._members.raise_not_finite)
        self.tokens = RowTokens(0, torch.device("cpu"))

    def _gather(
        self, scorers: Sequence[TokenScorer], indices: Sequence[int], calls: Counter[int] | None
    ) -> Members:
        """Return the active members."""
        return Members(scorers, indices, calls)

    @property
    def has_gate(self) -> bool:
        """Whether the members' weights differ by token."""
        return self._combiner.gate is not None

    def use_processors(self, processors: Sequence[LogitsProcessor], max_new_tokens: int) -> None:
        """Apply these in a search of at most ``max_new_tokens``; called before its first step."""
        self._processors = processors

    def apply_processors(self, log_probs: Tensor, history: History) -> Tensor:
        """Apply them to the present step's log-probabilities (R, V), in place or not."""
        return apply_processors(self._processors, log_probs, history)

    def prefill(self) -> Tensor:
        """Return the combined log-probabilities (N, V) of the first token."""
        log_probs = self._mix(())
        self.tokens = RowTokens(len(log_probs), log_probs.device)
        return log_probs

    def step(self, beam_indices: Tensor, tokens: Tensor, move: RowTransition | None = None) -> Tensor:
        """Return the combined log-probabilities (R, V) of the next token; see :meth:`TokenScorer.step`.

        Args:
            beam_indices: LongTensor (R,): row r continues row ``beam_indices[r]``.
            tokens: LongTensor (R,): the token that each row takes.
            move: what the search knows of ``beam_indices``, for the members.
        """
        of_gate: Sequence[Tensor] = ()
        if self._combiner.gate is not None:
            of_gate = (self._gate_state[:, beam_indices], self._log_probs_of(beam_indices, tokens))
        self.tokens.append(beam_indices, tokens)
        self._members.push(beam_indices, tokens, move)
        return self._mix(of_gate)

    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Append ``tokens`` (R, t) to every row, in one pass of every member; not with a gate.

        Returns:
            Combined log-probabilities (R * t, V) after every one of them, those of a row together. Rows of
            :meth:`records_of` are counted likewise.
        """
        log_probs, self._log_normalizers = self._mixture.mix(self._members.score_tokens(beam_indices, tokens))
        return log_probs

    @property
    def is_ragged(self) -> bool:
        """Whether rows of every member may retract different numbers of tokens."""
        return self._members.is_ragged

    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens of row r; see :meth:`RetractableScorer.retract`."""
        self._members.retract(counts)

    def _mix(self, of_gate: Sequence[Tensor]) -> Tensor:
        gate = self._combiner.gate
        if gate is not None and gate.lagged:
            return self._mix_needed(gate, of_gate)
        log_probs, self._log_normalizers, *gated = self._run(of_gate)
        if gated:
            self._weights, self._gate_state = gated
        return log_probs

    def _run(self, of_gate: Sequence[Tensor]) -> Sequence[Tensor]:
        """Run all members and mix them; see :meth:`.StepMixture.mix`."""
        return self._mixture.mix(self._members.run(), of_gate)

    def _mix_needed(self, gate: Gate, of_gate: Sequence[Tensor]) -> Tensor:
        """Mix the members that some row needs, as ``gate`` says before they are run."""
        state = append_token(*of_gate) if of_gate else self._gate_state
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
        """Return log-probabilities (M, R') that the members gave ``tokens`` at ``rows``; NaN: was not run."""
        return self._members.scores_at(rows, tokens) - self._log_normalizers[:, rows]

    def observe(self, log_probs: Tensor) -> None:
        """Keep the statistics of the present step's distributions (R, V), where that is asked for."""
        if self._keeps_statistics:
            self._statistics = token_statistics(log_probs)

    def records_of(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Return what is known of ``tokens`` (R',) at ``rows`` (R',) of the present step.

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
