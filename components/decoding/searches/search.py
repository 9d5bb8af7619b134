"""The two entry points of decoding: search for the best sequences, or score given ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.combiner import ALONE, Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import UNGUIDED, Guidance
from components.decoding.constraints.logits_processors import (
    History,
    LogitsProcessor,
    apply_processors,
)
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.scorers import TokenScorer
from components.decoding.searches.beam_search import beam_search
from components.decoding.searches.forced_scoring import as_forced_scorers
from components.decoding.searches.sampling import greedy_or_sample
from components.decoding.searches.speculative import speculative_search
from components.decoding.searches.step_runner import PLAIN, step_runner
from components.errors import ConfigError


@torch.inference_mode()
def search(
    scorers: Sequence[TokenScorer],
    config: SearchConfig,
    *,
    logits_processors: Sequence[LogitsProcessor] = (),
    combiner: Combiner | None = None,
    keys: Sequence[int] | None = None,
    calls: Counter[int] | None = None,
    guidance: Guidance = UNGUIDED,
) -> list[list[Candidate]]:
    """Decode the utterances that the scorers were prepared for.

    Args:
        scorers: One model, or the members of an ensemble.
        config: Beam size, length limit, sampling and the like.
        logits_processors: Constraints on the next token, applied in order to the combined distribution.
        combiner: Mixes the scorers' distributions; needed where there are several.
        keys: One per utterance, to give each its own random numbers when sampling; without them every
            utterance draws the same numbers.
        calls: Counts the forward calls of each scorer, by its index; those of a draft model by -1.
        guidance: Biases of the ranking, phrases that must occur, or a model that proposes tokens; that one is
            left out where it has fewer positions than the search may take.

    Returns:
        One list per utterance, best first, of at most ``config.n_best`` candidates.

    Raises:
        ConfigError: The scorers cannot be mixed.
        ModelError: One of them gives NaN.
    """
    runner, draft = step_runner() if guidance.draft is None else PLAIN, guidance.draft
    ensemble = runner.ensemble(scorers, combiner or ALONE, calls, keeps_statistics=config.entropies)
    positions = min(config.max_new_tokens, ensemble.limit)
    if draft is not None and draft.scorer.limit >= positions:
        return speculative_search(ensemble, draft, config, logits_processors, calls)
    if config.temperature > 0 or config.beam_size == 1:
        if guidance.constraints is not None:
            raise ConfigError("expected a beam of at least 2 to search with required phrases, found none")
        return greedy_or_sample(ensemble, config, logits_processors, keys, guidance)
    return beam_search(ensemble, config, logits_processors, guidance, runner)


@torch.inference_mode()
def force_decode(
    scorers: Sequence[TokenScorer],
    sequences: Sequence[Sequence[int]],
    *,
    logits_processors: Sequence[LogitsProcessor] = (),
    combiner: Combiner | None = None,
    max_new_tokens: int | None = None,
) -> list[Candidate]:
    """Score given sequences (teacher forcing), one for each utterance that the scorers were prepared for.

    Args:
        scorers: One model, or the members of an ensemble.
        sequences: Generated tokens, never empty; with eos at the end where the ending is scored as well.
        logits_processors: Constraints on the next token, applied as in :func:`search`.
        combiner: Mixes the scorers' distributions; needed where there are several.
        max_new_tokens: The length limit that the logits processors are told; default: the scorers' limit.

    Returns:
        One candidate per sequence.

    Raises:
        ConfigError: A sequence is empty or too long, or their number is not that of the utterances.
    """
    if any(len(sequence) == 0 for sequence in sequences):
        raise ConfigError("expected at least one token in every forced sequence, found an empty one: add eos")
    longest = max(map(len, sequences), default=0)
    tokens = torch.nn.utils.rnn.pad_sequence([torch.tensor(s) for s in sequences], batch_first=True)
    forced = as_forced_scorers(scorers, tokens[:, :-1])
    ensemble = EnsembleScorer(forced, combiner or ALONE, exact=True)
    log_probs = ensemble.prefill()
    if len(sequences) != log_probs.shape[0]:
        raise ConfigError(
            f"expected one sequence for each of {log_probs.shape[0]} utterances, found {len(sequences)}"
        )
    if longest > ensemble.limit:
        raise ConfigError(f"expected sequences of at most {ensemble.limit} tokens, found {longest}")
    lengths = torch.tensor([len(sequence) for sequence in sequences], device=log_probs.device)
    tokens = tokens.to(log_probs.device)
    token_log_probs = torch.zeros(tokens.shape, device=log_probs.device)
    records = torch.zeros((*tokens.shape, ensemble.records.width), device=log_probs.device)
    alive = torch.arange(len(sequences), device=log_probs.device)
    for t in range(longest):
        history = History(tokens[alive, :t], alive, max_new_tokens or ensemble.limit)
        log_probs = apply_processors(logits_processors, log_probs, history)
        rows = torch.arange(len(alive), device=log_probs.device)
        token_log_probs[alive, t] = log_probs[rows, tokens[alive, t]]
        records[alive, t] = ensemble.records_of(rows, tokens[alive, t]).T
        unfinished = (lengths[alive] > t + 1).nonzero()[:, 0]
        if len(unfinished) == 0:
            break
        log_probs = ensemble.step(unfinished, tokens[alive[unfinished], t])
        alive = alive[unfinished]
    return [
        _to_candidate(ensemble, sequence, token_log_probs[i, : len(sequence)], records[i, : len(sequence)])
        for i, sequence in enumerate(sequences)
    ]


def _to_candidate(
    ensemble: EnsembleScorer, sequence: Sequence[int], token_log_probs: Tensor, records: Tensor
) -> Candidate:
    n, finished = len(sequence), sequence[-1] in ensemble.vocabulary.eos
    score = float(token_log_probs.sum())
    member_log_probs, member_weights = ensemble.records.member_scores(records)
    return Candidate(
        tokens=tuple(sequence[: n - finished]),
        score=score,
        log_probs=tuple(token_log_probs.tolist()),
        member_log_probs=member_log_probs,
        member_weights=member_weights,
        eos_token=sequence[-1] if finished else None,
        normalized_score=score / n,
    )
