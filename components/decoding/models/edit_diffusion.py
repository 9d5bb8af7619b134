"""Edit diffusion in the search: each of T steps tags the canvas, then writes the spans by a search.

The first canvas is empty, random tokens, or a text that another system wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.models.incremental_stack import IncrementalStack
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.search import search
from components.networks.denoising_loss import forbid_start_tags, make_canvases
from components.networks.edit_diffusion import EditDiffusionNetwork
from components.networks.edit_script import KEEP, span_openings
from components.networks.writer_trace import Tokens, text_of

TagChoice = Literal["most", "expected"]


def most_likely(probabilities: Tensor) -> Tensor:
    """Choose the most probable tag of each position: (L, 4) -> (L,)."""
    return probabilities.argmax(-1)


def expected_edit_count(probabilities: Tensor) -> Tensor:
    """Choose as many edits as are expected, at the positions that are most probably edited: (L, 4) -> (L,).

    Where every position is edited with probability 0.3, :func:`most_likely` edits none; here three in ten
    are.
    """
    edited = 1.0 - probabilities[:, KEEP]
    count = int(torch.round(edited.sum()))
    tags = torch.full((len(probabilities),), KEEP, device=probabilities.device)
    most_edited = edited.topk(count).indices
    others = probabilities.clone()
    others[:, KEEP] = -1.0
    tags[most_edited] = others[most_edited].argmax(-1)
    return tags


TAG_CHOICES: dict[str, Callable[[Tensor], Tensor]] = {"most": most_likely, "expected": expected_edit_count}
"""How tags are chosen from their probabilities, by name."""


class EditDiffusionModel:
    """A loaded denoiser, ready for decoding; ``choice`` is a row of TAG_CHOICES."""

    def __init__(
        self, network: EditDiffusionNetwork, digest: str, name: str, *, choice: TagChoice = "expected"
    ) -> None:
        self.network, self.name = network.eval(), name
        base = Seq2SeqModel(network.base, digest, name)
        self.model, self.vocabulary, self.positions = network.base, base.vocabulary, base.positions
        self.eos = self.vocabulary.eos[0]
        self.choose = TAG_CHOICES[choice]

    @torch.inference_mode()
    def denoise(
        self, source: tuple[Tensor, Tensor], texts: Sequence[Tokens], t: int, config: SearchConfig
    ) -> list[Candidate]:
        """Take one step of the reverse process, x_t -> x_{t-1}.

        Args:
            source: source ids and mask (N, S).
            texts: the N texts x_t.
            t: the step.
            config: the search for the spans.

        Returns:
            A candidate per text, with the new text; its score is log P(tags) + log P(spans | tags).
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
        scorer = _SpanScorer(self, texts, (encoded, mask), (states, canvas.mask), tags)
        candidates = search([scorer], config)
        return [self._trace_to_text(best[0], score) for best, score in zip(candidates, scores, strict=True)]

    def _trace_to_text(self, candidate: Candidate, tag_score: float) -> Candidate:
        """Turn a written trace into its text; the tags' score is added to the writer's."""
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
    """Scores the writer's tokens of one step (a TokenScorer); copied tokens have probability 1."""

    def __init__(
        self,
        ready: EditDiffusionModel,
        texts: Sequence[Tokens],
        encoded: tuple[Tensor, Tensor],
        canvas: tuple[Tensor, Tensor],
        tags: Tensor,
    ) -> None:
        self.name, self.vocabulary, self.limit = ready.name, ready.vocabulary, ready.positions
        self._ready, self._states = ready, canvas[0]
        memories = ready.network.memories(encoded[0], canvas[0], tags)
        self._steps = IncrementalStack(
            ready.network.base, ready.network.writer, memories, (encoded[1], canvas[1])
        )
        plans = [span_openings(tags[row, : len(text) + 1].tolist()) for row, text in enumerate(texts)]
        width = max(len(kept_positions) for kept_positions, _ in plans) + 1
        device, eos = self._states.device, ready.eos
        rows = [(*positions, len(text) + 1) for (positions, _), text in zip(plans, texts, strict=True)]
        self._kept_positions = torch.tensor(
            [[*row, *[row[-1]] * (width - len(row))] for row in rows], device=device
        )
        copied_tokens = [
            [*(text[position - 1] for position in positions[1:]), eos]
            for (positions, _), text in zip(plans, texts, strict=True)
        ]
        self._copied_tokens = torch.tensor(
            [[*row, *[eos] * (width - len(row))] for row in copied_tokens], device=device
        )
        self._opens_span = torch.tensor(
            [[*opens, *[False] * (width - len(opens))] for _, opens in plans], device=device
        )
        self._last_index = torch.tensor([len(positions) - 1 for positions, _ in plans], device=device)

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Predict the first token of each text."""
        n, device = len(self._kept_positions), self._kept_positions.device
        self._index = torch.zeros(n, dtype=torch.long, device=device)
        self._in_span = self._opens_span[:, 0]
        return self._predict(torch.full((n,), self.vocabulary.pad, device=device))

    @torch.inference_mode()
    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Go on by one token: a copied token opens the span behind it, the end of a span closes it."""
        self._steps.reorder(beam_indices)
        index, in_span, rows = self._index[beam_indices], self._in_span[beam_indices], self._steps.utterances
        self._index = torch.where(in_span, index, index + 1)
        self._in_span = torch.where(
            in_span, tokens != self.vocabulary.pad, self._opens_span[rows, self._index]
        )
        return self._predict(tokens)

    def _predict(self, tokens: Tensor) -> Tensor:
        network, rows, index = self._ready.network, self._steps.utterances, self._index
        ends = torch.stack([self._kept_positions[rows, index], self._kept_positions[rows, index + 1]])
        hints = network.position_hints(self._states[rows], ends[0][:, None], ends[1][:, None])[:, 0]
        scores = network.logits(self._steps.step(tokens, hints))
        last = index == self._last_index[rows]
        scores[last, self.vocabulary.pad] = -torch.inf
        scores[~last, self._ready.eos] = -torch.inf
        is_copied = ~self._in_span
        scores[is_copied] = -torch.inf
        scores[is_copied, self._copied_tokens[rows[is_copied], index[is_copied]]] = 0.0
        return scores
