"""Inference of edit diffusion: one step tags the tokens of a text and rewrites spans of it by a search.

It starts from an empty canvas, from random tokens, or from the text of another system.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.moves import RowTransition
from components.decoding.searches.incremental_stack import IncrementalStack
from components.decoding.searches.search import search
from components.networks.denoising_loss import forbid_start_tags, make_canvases
from components.networks.edit_diffusion import EditDiffusionNetwork
from components.networks.edit_script import KEEP, span_openings
from components.networks.writer_trace import Tokens, text_of

TagChoice = Literal["most", "expected"]
_ROOM = 32
"""Tokens by which a text may exceed twice its source."""


def most_likely(probabilities: Tensor) -> Tensor:
    """Choose the most probable tag of each position: (L, 4) -> (L,)."""
    return probabilities.argmax(-1)


def select_expected_edits(probabilities: Tensor) -> Tensor:
    """Edit as many positions as are expected, the most probable ones: (L, 4) -> (L,).

    Where each position is edited with probability 0.3, :func:`most_likely` edits none, this three in ten.
    """
    edit_probabilities = 1.0 - probabilities[:, KEEP]
    count = int(torch.round(edit_probabilities.sum()))
    tags = torch.full((len(probabilities),), KEEP, device=probabilities.device)
    most_edited = edit_probabilities.topk(count).indices
    others = probabilities.clone()
    others[:, KEEP] = -1.0
    tags[most_edited] = others[most_edited].argmax(-1)
    return tags


TAG_CHOICES: dict[str, Callable[[Tensor], Tensor]] = {"most": most_likely, "expected": select_expected_edits}
"""Setting -> the function from tag probabilities (L, 4) to tags (L,)."""


class EditDiffusionModel:
    """A loaded edit-diffusion network, prepared for decoding."""

    def __init__(
        self, network: EditDiffusionNetwork, digest: str, name: str, *, choice: TagChoice = "expected"
    ) -> None:
        """Prepare ``network``.

        Args:
            network: the tagger and the writer.
            digest: of its vocabulary (see :func:`components.decoding.scorers.digest_of`).
            name: how messages name it.
            choice: a key of :data:`TAG_CHOICES`.
        """
        self.network, self.name = network.eval(), name
        base = Seq2SeqModel(network.base, digest, name)
        self.model, self.vocabulary, self.positions = network.base, base.vocabulary, base.positions
        self.eos = self.vocabulary.eos[0]
        self.choose = TAG_CHOICES[choice]

    @torch.inference_mode()
    def denoise(
        self, source: tuple[Tensor, Tensor], texts: Sequence[Tokens], t: int, config: SearchConfig
    ) -> list[Candidate]:
        """Return one denoising step x_t -> x_{t-1} of N texts.

        Args:
            source: token ids and mask, (N, S) each.
            texts: the texts x_t.
            t: the step.
            config: how spans are searched for; a text has at most twice the tokens of its own source or of
                x_t, whichever is longer, and 32.

        Returns:
            Candidates with the new texts; a score is log P(tags) + log P(spans | tags).
        """
        network, pad = self.network, self.vocabulary.pad
        mask = source[1].bool()
        encoded = network.encode(*source)
        canvas = make_canvases(texts, [t] * len(texts), pad, self.eos).to(encoded.device)
        states = network.read_canvas(encoded, mask, canvas)
        log_probs = torch.log_softmax(forbid_start_tags(network.tag_logits(states)), dim=-1)
        tags = torch.full(canvas.tokens.shape, KEEP, device=encoded.device)
        for row, text in enumerate(texts):
            length = len(text) + 1
            tags[row, :length] = self.choose(log_probs[row, :length].exp())
        tag_log_probs = log_probs.gather(2, tags[..., None])[..., 0]
        scores = [float(tag_log_probs[row, : len(text) + 1].sum()) for row, text in enumerate(texts)]
        longest = [max(n, len(text)) for n, text in zip(mask.sum(1).tolist(), texts, strict=True)]
        limits = [min(config.max_new_tokens, 2 * tokens + _ROOM) for tokens in longest]
        scorer = _SpanScorer(self, texts, (encoded, mask), (states, canvas.mask), tags, limits)
        candidates = search([scorer], replace(config, max_new_tokens=max(limits) + 1))
        return [
            self._trace_to_text(best[0], score, limit)
            for best, score, limit in zip(candidates, scores, limits, strict=True)
        ]

    def _trace_to_text(self, candidate: Candidate, tag_score: float, limit: int) -> Candidate:
        """Turn the writer's candidate, a trace, into one of the text, with the tags' score added."""
        if len(candidate.log_probs) > limit:  # the end that the scorer wrote there is none of the model's
            candidate = replace(candidate, log_probs=candidate.log_probs[:limit], eos_token=None)
        pairs = [
            (token, value)
            for token, value in zip(candidate.tokens, candidate.log_probs, strict=False)
            if token != self.vocabulary.pad
        ]
        total = candidate.score + tag_score
        values = tuple(value for _, value in pairs)
        tail = candidate.log_probs[len(candidate.tokens) :]
        return Candidate(
            tokens=text_of(candidate.tokens, self.vocabulary.pad, self.eos),
            score=total,
            log_probs=(*values, *tail),
            member_log_probs=((*values, *tail),),
            eos_token=candidate.eos_token,
            normalized_score=total / max(1, len(candidate.log_probs)),
        )


class _SpanScorer:
    """The :class:`.scorers.TokenScorer` of the spans of one step; tokens that stay have probability 1."""

    def __init__(
        self,
        ready: EditDiffusionModel,
        texts: Sequence[Tokens],
        encoded: tuple[Tensor, Tensor],
        canvas: tuple[Tensor, Tensor],
        tags: Tensor,
        limits: Sequence[int],
    ) -> None:
        self.name, self.vocabulary, self.limit = ready.name, ready.vocabulary, ready.positions
        self._ready, self._states = ready, canvas[0]
        memories = ready.network.memories(encoded[0], canvas[0], tags)
        self._stack = IncrementalStack(
            ready.network.base, ready.network.writer, memories, (encoded[1], canvas[1])
        )
        plans = [span_openings(tags[row, : len(text) + 1].tolist()) for row, text in enumerate(texts)]
        width = max(len(positions) for positions, _ in plans) + 1
        device, eos = self._states.device, ready.eos
        rows = [(*positions, len(text) + 1) for (positions, _), text in zip(plans, texts, strict=True)]
        self._kept_positions = torch.tensor(
            [[*row, *[row[-1]] * (width - len(row))] for row in rows], device=device
        )
        kept_tokens = [
            [*(text[position - 1] for position in positions[1:]), eos]
            for (positions, _), text in zip(plans, texts, strict=True)
        ]
        self._kept_tokens = torch.tensor(
            [[*row, *[eos] * (width - len(row))] for row in kept_tokens], device=device
        )
        self._opens = torch.tensor(
            [[*opens, *[False] * (width - len(opens))] for _, opens in plans], device=device
        )
        self._last = torch.tensor([len(positions) - 1 for positions, _ in plans], device=device)
        self._limits, self._written = torch.tensor(limits, device=device), 0

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Score the first token of each text."""
        n, device = len(self._kept_positions), self._kept_positions.device
        self._at = torch.zeros(n, dtype=torch.long, device=device)
        self._inside = self._opens[:, 0]
        return self._predict(torch.full((n,), self.vocabulary.pad, device=device))

    def prepare_step(self, move: RowTransition) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self._stack.prepare_step(move)

    @torch.inference_mode()
    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Advance each row: a kept token may open a span behind it, pad closes the span."""
        self._stack.reorder(beam_indices)
        at, inside, rows = self._at[beam_indices], self._inside[beam_indices], self._stack.utterances
        # A row that has ended may be stepped on until it is dropped: it stays at the last position.
        self._at = torch.where(inside, at, at + 1).clamp(max=self._kept_tokens.shape[1] - 2)
        self._inside = torch.where(inside, tokens != self.vocabulary.pad, self._opens[rows, self._at])
        return self._predict(tokens)

    def _predict(self, tokens: Tensor) -> Tensor:
        network, rows, at = self._ready.network, self._stack.utterances, self._at
        ends = torch.stack([self._kept_positions[rows, at], self._kept_positions[rows, at + 1]])
        hints = network.position_hints(self._states[rows], ends[0][:, None], ends[1][:, None])[:, 0]
        scores = network.logits(self._stack.step(tokens, hints))
        last = at == self._last[rows]
        scores[:, self.vocabulary.pad].masked_fill_(last, -torch.inf)
        scores[:, self._ready.eos].masked_fill_(~last, -torch.inf)
        is_full = self._limits[rows] <= self._written
        self._written += 1
        kept_tokens = self._kept_tokens[rows, at].masked_fill(is_full, self._ready.eos)[:, None]
        only = torch.full_like(scores, -torch.inf).scatter_(1, kept_tokens, 0.0)
        return torch.where((self._inside & ~is_full)[:, None], scores, only)
