"""Beam search, step by step over a batch, with the semantics of transformers' ``generate``.

Per utterance the best ``(1 + number of eos tokens) * beam`` continuations of its rows are taken (at least
twice the beam); those among the best ``beam`` that end are finished hypotheses, ranked by
score / length ** penalty over the generated length with eos; the best ``beam`` that do not end go on. An
utterance leaves the batch as soon as its stopping rule holds. Scores are sums in float32, as there.

Where there are biases, hypotheses are ranked with them and keep the log-probabilities without.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import UNGUIDED, Guidance
from components.decoding.constraints.logits_processors import History, LogitsProcessor
from components.decoding.host_copy import first_true
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.moves import check_interval, make_move
from components.decoding.searches.beam_choice import BeamChooser
from components.decoding.searches.beam_step import Choice
from components.decoding.searches.finished_hypotheses import FinishedHypotheses, FinishedHypothesis
from components.decoding.searches.step_runner import PLAIN, StepRunner


def beam_search(
    scorer: EnsembleScorer,
    config: SearchConfig,
    logits_processors: Sequence[LogitsProcessor],
    guidance: Guidance = UNGUIDED,
    runner: StepRunner = PLAIN,
) -> list[list[Candidate]]:
    """Search with ``config.beam_size`` rows per utterance; see :func:`.search.search`.

    Returns:
        Per utterance the best ``config.n_best`` candidates, best first.
    """
    steps = min(config.max_new_tokens, scorer.limit)
    scorer.use_processors(logits_processors, steps)
    log_probs = scorer.prefill()
    chooser = runner.chooser(scorer, config, len(log_probs), steps, log_probs.device, guidance)
    beam = _Beam(scorer, chooser, len(log_probs), steps, log_probs.device, guidance)
    for t in range(steps):
        history = beam.history()
        log_probs = scorer.apply_processors(log_probs, history)
        scorer.observe(log_probs)
        choice = beam.choose(log_probs, history)
        if t + 1 == steps:
            break
        remaining: Tensor | None = None
        if (t + 1) % beam.interval == 0:
            positions = scorer.finite.read_flags(choice.is_open)
            if not positions:
                break
            if chooser.drops(len(positions)):
                remaining = first_true(choice.is_open, len(positions))
                choice = beam.keep_utterances(remaining, positions, choice)
        log_probs = beam.step(choice, remaining)
    scorer.finite.require_finite()
    candidates = [
        [_to_candidate(scorer, hypothesis) for hypothesis in nbest] for nbest in beam.read(config.n_best)
    ]
    return chooser.mark(candidates)


class _Beam:
    """The rows of one search and how they got there."""

    def __init__(
        self,
        scorer: EnsembleScorer,
        chooser: BeamChooser,
        n: int,
        steps: int,
        device: torch.device,
        guidance: Guidance,
    ) -> None:
        self.interval = check_interval(device)
        self._scorer, self._chooser, self._guidance, self._steps = scorer, chooser, guidance, steps
        self._ids = torch.arange(n, device=device)
        self._owners = self._ids  # of the rows
        self._utterances: Tensor | None = None  # the same, counted over those in the batch
        self._finished = FinishedHypotheses(n, chooser.rules.k)
        self._t = 0

    def history(self) -> History:
        """Return what the rows have generated so far."""
        return History(self._scorer.tokens.read, self._owners, self._steps, self._t)

    def choose(self, log_probs: Tensor, history: History) -> Choice:
        """Take the continuations of the rows, whose next tokens have ``log_probs`` (R, V)."""
        guidance, scorer = self._guidance, self._scorer
        scores = guidance.apply(log_probs, history)
        choice = self._chooser.choose(log_probs, scores, history)
        scorer.finite.watch(choice.totals)
        self._finished.add(choice, scorer.records_of(choice.rows.reshape(-1), choice.tokens.reshape(-1)))
        self._t += 1
        return choice

    def keep_utterances(self, remaining: Tensor, positions: list[int], choice: Choice) -> Choice:
        """Drop all utterances but those at ``remaining`` (LongTensor), which the host knows as ``positions``.

        Returns:
            What was chosen for these.
        """
        self._finished.keep_utterances(self._chooser.state, positions)
        self._chooser.keep_utterances(remaining)
        self._ids, self._utterances = self._ids[remaining], None
        return choice._replace(
            beam_indices=choice.beam_indices[remaining],
            next_tokens=choice.next_tokens[remaining],
            is_open=choice.is_open[remaining],
        )

    def step(self, choice: Choice, remaining: Tensor | None) -> Tensor:
        """Run the members for the rows that were chosen; ``remaining`` utterances have them, None: all.

        Returns:
            Log-probabilities (R, V) of the next tokens.
        """
        n, k = choice.beam_indices.shape
        beam_indices, tokens = choice.beam_indices.reshape(-1), choice.next_tokens.reshape(-1)
        if self._utterances is None:
            self._utterances = _repeat(torch.arange(n, device=tokens.device), k)
            self._owners = _repeat(self._ids, k)
        move = None
        if self._chooser.rules.keeps_closed:
            is_open = choice.is_open[:, None].expand(-1, k)
            move = make_move(beam_indices, self._utterances, (n, k), remaining=remaining, is_open=is_open)
        return self._scorer.step(beam_indices, tokens, move)

    def read(self, n_best: int) -> list[list[FinishedHypothesis]]:
        """Return the best ``n_best`` hypotheses of every utterance, best first."""
        return self._finished.read(self._chooser.state, n_best)


def _repeat(values: Tensor, k: int) -> Tensor:
    """Return each of the values (n,) k times in a row (n * k,)."""
    return values[:, None].expand(-1, k).reshape(-1)


def _to_candidate(scorer: EnsembleScorer, hypothesis: FinishedHypothesis) -> Candidate:
    member_log_probs, member_weights = scorer.records.member_scores(hypothesis.records)
    entropies, margins = scorer.records.statistics(hypothesis.records)
    *tokens, last = hypothesis.tokens
    has_ended = last in scorer.vocabulary.eos
    return Candidate(
        tokens=tuple(tokens) if has_ended else (*tokens, last),
        score=hypothesis.score,
        log_probs=tuple(hypothesis.log_probs),
        member_log_probs=member_log_probs,
        member_weights=member_weights,
        eos_token=last if has_ended else None,
        normalized_score=hypothesis.normalized,
        entropies=entropies,
        margins=margins,
    )
