"""The two things one does with members: search for the best sequences, or force given ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.beam import beam_search
from components.decoding.candidates import Candidate
from components.decoding.chains import decode_chains
from components.decoding.combine import Combiner, Single
from components.decoding.config import SearchConfig
from components.decoding.members import Member
from components.decoding.panel import Panel
from components.decoding.reading import readers
from components.decoding.rules import History, Rule, apply
from components.errors import ConfigError


@torch.inference_mode()
def search(
    members: Sequence[Member],
    config: SearchConfig,
    *,
    rules: Sequence[Rule] = (),
    combine: Combiner | None = None,
    keys: Sequence[int] | None = None,
    calls: Counter[int] | None = None,
) -> list[list[Candidate]]:
    """Decode the utterances that the members were prepared for.

    One list per utterance, best first, of at most ``config.n_best`` candidates. ``keys`` (one per utterance)
    tell the random streams of samples apart; without them every utterance draws the same numbers. ConfigError
    when the members cannot be mixed, ModelError when one of them gives NaN. ``calls`` counts the forward
    calls of each member, by its place in ``members``.
    """
    panel = Panel(members, combine or Single(), calls)
    if config.temperature > 0 or config.beam_size == 1:
        return decode_chains(panel, config, rules, keys)
    return beam_search(panel, config, rules)


@torch.inference_mode()
def force(
    members: Sequence[Member],
    sequences: Sequence[Sequence[int]],
    *,
    rules: Sequence[Rule] = (),
    combine: Combiner | None = None,
    max_new_tokens: int | None = None,
) -> list[Candidate]:
    """Score given sequences, one per utterance the members were prepared for.

    A sequence holds free tokens, with an eos at its end if its ending is to be scored as well. The rules
    apply as in the search; ``max_new_tokens`` is the limit they are told. Sequences may not be empty.
    """
    if any(len(sequence) == 0 for sequence in sequences):
        raise ConfigError("expected at least one token in every forced sequence, found an empty one: add eos")
    longest = max(map(len, sequences), default=0)
    tokens = torch.nn.utils.rnn.pad_sequence([torch.tensor(s) for s in sequences], batch_first=True)
    panel = Panel(readers(members, tokens[:, :-1]), combine or Single(), exact=True)
    log_probs = panel.begin()
    if len(sequences) != log_probs.shape[0]:
        raise ConfigError(
            f"expected one sequence for each of {log_probs.shape[0]} utterances, found {len(sequences)}"
        )
    if longest > panel.limit:
        raise ConfigError(f"expected sequences of at most {panel.limit} tokens, found {longest}")
    lengths = torch.tensor([len(sequence) for sequence in sequences], device=log_probs.device)
    tokens = tokens.to(log_probs.device)
    values = torch.zeros(tokens.shape, device=log_probs.device)
    votes = torch.zeros((*tokens.shape, panel.width), device=log_probs.device)
    alive = torch.arange(len(sequences), device=log_probs.device)
    for t in range(longest):
        history = History(tokens[alive, :t], alive, max_new_tokens or panel.limit)
        log_probs = apply(rules, log_probs, history)
        rows = torch.arange(len(alive), device=log_probs.device)
        values[alive, t] = log_probs[rows, tokens[alive, t]]
        votes[alive, t] = panel.votes(rows, tokens[alive, t]).T
        going = (lengths[alive] > t + 1).nonzero()[:, 0]
        if len(going) == 0:
            break
        log_probs = panel.advance(going, tokens[alive[going], t])
        alive = alive[going]
    return [
        _forced(panel, sequence, values[i, : len(sequence)], votes[i, : len(sequence)])
        for i, sequence in enumerate(sequences)
    ]


def _forced(panel: Panel, sequence: Sequence[int], values: Tensor, votes: Tensor) -> Candidate:
    n, finished = len(sequence), sequence[-1] in panel.vocabulary.eos
    score = float(values.sum())
    members, weights = panel.told(votes)
    return Candidate(
        tokens=tuple(sequence[: n - finished]),
        score=score,
        log_probs=tuple(values.tolist()),
        members=members,
        weights=weights,
        ending=sequence[-1] if finished else None,
        rank=score / n,
    )
