"""Beam search, step by step over a batch, with the semantics of transformers' ``generate``.

Per utterance the best ``(1 + number of eos tokens) * beam`` continuations of its rows are taken (at least
twice the beam); those among the best ``beam`` that end are finished hypotheses, ranked by
score / length ** penalty over the generated length with eos; the best ``beam`` that do not end go on. An
utterance leaves the batch as soon as its stopping rule holds. Scores are sums in float32, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.panel import Panel
from components.decoding.rules import FORBIDDEN, History, Rule, apply

_CHUNK = 64
"""Columns whose maximum is taken together when the best tokens of a row are looked for."""
_WIDEST = 8
"""Continuations looked at per row of the beam, at most: with more eos tokens than 7 rows may run short."""


@dataclass
class _Open:
    """The open rows of the n utterances still searched, k rows each, after t tokens.

    ``ids`` (n,), ``scores`` (n, k), ``tokens`` and ``values`` (n, k, T), ``votes`` (n, k, T, W),
    ``worst`` (n,): rank of the worst of a full set of finished hypotheses, -inf while it is not full.
    """

    ids: Tensor
    scores: Tensor
    tokens: Tensor
    values: Tensor
    votes: Tensor
    worst: Tensor

    def keep(self, chosen: Tensor) -> None:
        """Drop the utterances not ``chosen`` (LongTensor)."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[chosen])


@dataclass(frozen=True)
class _Step:
    """The C best continuations of n utterances, best first; tensors are (n, C), ``votes`` (n, C, W)."""

    scores: Tensor
    values: Tensor
    parents: Tensor
    tokens: Tensor
    votes: Tensor
    ends: Tensor


def beam_search(panel: Panel, config: SearchConfig, rules: Sequence[Rule]) -> list[list[Candidate]]:
    """Search with ``config.beam_size`` rows per utterance; one list of candidates for each, best first."""
    k, steps = config.beam_size, min(config.max_new_tokens, panel.limit)
    log_probs = panel.begin()
    state = _fresh(log_probs, k, steps, panel.width)
    found: list[list[Candidate]] = [[] for _ in range(log_probs.shape[0])]
    eos = torch.tensor(panel.vocabulary.eos, device=log_probs.device)
    for t in range(steps):
        width = 1 if t == 0 else k
        history = History(
            state.tokens[:, :width, :t].flatten(0, 1), state.ids.repeat_interleave(width), steps
        )
        log_probs = apply(rules, log_probs, history)
        step = _best(panel, log_probs, state.scores[:, :width], k, eos)
        ends = step.ends | (t + 1 == steps)
        _finish(panel, found, state, step, ends, config)
        going, rows = _choose(state, step, ends, t, k)
        going &= _open(state, t + 1, steps, config)
        chosen = going.nonzero()[:, 0]
        if len(chosen) == 0:
            break
        if len(chosen) < len(going):
            rows = rows[chosen]
            state.keep(chosen)
        log_probs = panel.advance(rows.reshape(-1), state.tokens[:, :, t].reshape(-1))
    return [candidates[: config.n_best] for candidates in found]


def _fresh(log_probs: Tensor, k: int, steps: int, width: int) -> _Open:
    n, device = log_probs.shape[0], log_probs.device
    scores = torch.full((n, k), FORBIDDEN, device=device)
    scores[:, 0] = 0.0
    return _Open(
        ids=torch.arange(n, device=device),
        scores=scores,
        tokens=torch.zeros((n, k, steps), dtype=torch.long, device=device),
        values=torch.zeros((n, k, steps), device=device),
        votes=torch.zeros((n, k, steps, width), device=device),
        worst=torch.full((n,), FORBIDDEN, device=device),
    )


def _best(panel: Panel, log_probs: Tensor, scores: Tensor, k: int, eos: Tensor) -> _Step:
    """The best continuations over all rows of each utterance: ``log_probs`` (n * b, V), ``scores`` (n, b)."""
    n, b = scores.shape
    size = log_probs.shape[-1]
    wide = min(max(2, 1 + len(eos)), _WIDEST) * k
    values, tokens = top(log_probs, min(wide, size))
    totals = (values.view(n, b, -1) + scores[:, :, None]).view(n, -1)
    totals, order = totals.topk(min(wide, totals.shape[1]), dim=-1)
    if totals.shape[1] < wide:
        totals = torch.nn.functional.pad(totals, (0, wide - totals.shape[1]), value=FORBIDDEN)
        order = torch.nn.functional.pad(order, (0, wide - order.shape[1]))
    panel.check(totals)
    parents = order // values.shape[-1]
    tokens = tokens.view(n, -1).gather(1, order)
    rows = parents + torch.arange(n, device=parents.device)[:, None] * b
    votes = panel.votes(rows.reshape(-1), tokens.reshape(-1))
    return _Step(
        scores=totals,
        values=values.view(n, -1).gather(1, order),
        parents=parents,
        tokens=tokens,
        votes=votes.view(-1, n, tokens.shape[1]).permute(1, 2, 0),
        ends=torch.isin(tokens, eos),
    )


def top(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """``values.topk(k)`` (R, k), several times faster on a CPU: by the highest values of chunks of columns.

    The k highest of a row lie in the k chunks of highest maxima, so only these are looked at one by one.
    """
    rows, size = values.shape
    n = size // _CHUNK
    if values.device.type != "cpu" or n < 4 * k:
        found = values.topk(k, dim=-1)
        return found.values, found.indices
    whole = n * _CHUNK
    chunks = values[:, :whole].view(rows, n, _CHUNK)
    best = chunks.amax(dim=-1).topk(k, dim=-1).indices
    columns = (best[:, :, None] * _CHUNK + torch.arange(_CHUNK)).flatten(1)
    rest = torch.arange(whole, size).expand(rows, -1)
    columns = torch.cat([columns, rest], dim=1)
    found = values.gather(1, columns).topk(k, dim=-1)
    return found.values, columns.gather(1, found.indices)


def _finish(
    panel: Panel,
    found: list[list[Candidate]],
    state: _Open,
    step: _Step,
    ends: Tensor,
    config: SearchConfig,
) -> None:
    """Add the continuations that end among the best ``beam``; keep the best ``beam`` finished ones."""
    k, t = config.beam_size, panel.step
    ended = ends[:, :k] & (step.scores[:, :k] > FORBIDDEN)
    if not bool(ended.any()):
        return
    ranks = step.scores / (t + 1) ** config.length_penalty
    touched = set()
    for i, j in ended.nonzero().tolist():
        utterance, parent = int(state.ids[i]), int(step.parents[i, j])
        eos = bool(step.ends[i, j])
        tokens = state.tokens[i, parent, :t].tolist() + ([] if eos else [int(step.tokens[i, j])])
        members, weights = panel.told(torch.cat([state.votes[i, parent, :t], step.votes[i, j][None]]))
        candidate = Candidate(
            tokens=tuple(tokens),
            score=float(step.scores[i, j]),
            log_probs=(*state.values[i, parent, :t].tolist(), float(step.values[i, j])),
            members=members,
            weights=weights,
            ending=int(step.tokens[i, j]) if eos else None,
            rank=float(ranks[i, j]),
        )
        found[utterance].append(candidate)
        touched.add((i, utterance))
    for i, utterance in touched:
        found[utterance] = sorted(found[utterance], key=lambda c: -c.rank)[:k]
        if len(found[utterance]) == k:
            state.worst[i] = found[utterance][-1].rank


def _choose(state: _Open, step: _Step, ends: Tensor, t: int, k: int) -> tuple[Tensor, Tensor]:
    """Move every utterance to its best ``k`` continuations that do not end.

    Returns which utterances can go on (n,), and the row (n, k) of the step before that each row continues.
    """
    n, b = len(state.ids), 1 if t == 0 else k
    scores, picked = step.scores.masked_fill(ends, FORBIDDEN).topk(k, dim=-1)
    parents = step.parents.gather(1, picked)
    rows = parents + torch.arange(n, device=parents.device)[:, None] * b
    everyone = torch.arange(n, device=parents.device)[:, None]
    state.scores = scores
    for name in ("tokens", "values", "votes"):
        past = getattr(state, name)
        if t:
            past[:, :, :t] = past[everyone, parents, :t]
        past[:, :, t] = getattr(step, name)[everyone, picked]
    return scores[:, 0] > FORBIDDEN, rows


def _open(state: _Open, length: int, steps: int, config: SearchConfig) -> Tensor:
    """Whether the best open row of each utterance may still beat its worst finished hypothesis (n,)."""
    full = state.worst > FORBIDDEN
    if config.early_stopping is True:
        return ~full
    reach = steps if config.early_stopping == "never" and config.length_penalty > 0 else length
    best: Tensor = state.scores[:, 0] / reach**config.length_penalty
    return ~full | (best > state.worst)
