"""The denoiser's loss: -log P(tags | x_t) - log P(spans | x_t, tags), each per token it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from components.networks.edit_diffusion import Canvas, EditDiffusionNetwork
from components.networks.edit_script import INSERT, KEEP, shortest_edit_script
from components.networks.multi_source_transformer import embed_tokens
from components.networks.writer_trace import Tokens, trace_of

IGNORED = -100


class DenoisingBatch(NamedTuple):
    """A batch of N diffusion steps x_t -> x_{t-1}.

    Attributes:
        canvas: the texts x_t.
        tags: the right tag of each canvas position (N, L); -100 at padding.
        inputs: the writer's inputs (N, T).
        labels: what the writer is to write (N, T); -100 where a token is copied, and at padding.
        previous_kept: canvas position (N, T) of the last kept token before each input.
        next_kept: canvas position (N, T) of the next kept one.
    """

    canvas: Canvas
    tags: Tensor
    inputs: Tensor
    labels: Tensor
    previous_kept: Tensor
    next_kept: Tensor

    def to(self, device: torch.device) -> DenoisingBatch:
        """Move the tensors to ``device``."""
        return DenoisingBatch(self.canvas.to(device), *(part.to(device) for part in self[1:]))


def make_canvases(texts: Sequence[Tokens], t: Sequence[int], pad: int, eos: int) -> Canvas:
    """Put N texts on canvases at steps ``t``; the pad token is the start, as in Marian."""
    width = max(map(len, texts)) + 2
    tokens = torch.tensor([[pad, *text, eos, *[pad] * (width - len(text) - 2)] for text in texts])
    lengths = torch.tensor([len(text) + 2 for text in texts])
    return Canvas(tokens, torch.arange(width) < lengths[:, None], torch.tensor(t))


def batch_of(pairs: Sequence[tuple[int, Tokens, Tokens]], pad: int, eos: int) -> DenoisingBatch:
    """Make a batch of triples (t, x_t, x_{t-1})."""
    canvas = make_canvases([after for _, after, _ in pairs], [t for t, _, _ in pairs], pad, eos)
    scripts = [shortest_edit_script(after, before) for _, after, before in pairs]
    traces = [trace_of(after, s, pad, eos) for (_, after, _), s in zip(pairs, scripts, strict=True)]
    width = canvas.tokens.shape[1]
    tags = torch.tensor([[*s.tags, *[IGNORED] * (width - len(s.tags))] for s in scripts])
    longest = max(len(trace.tokens) for trace in traces)

    def pad_rows(rows: Sequence[Sequence[int]], value: int) -> Tensor:
        return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])

    labels = [
        [token if free else IGNORED for token, free in zip(trace.tokens, trace.is_free, strict=True)]
        for trace in traces
    ]
    return DenoisingBatch(
        canvas,
        tags,
        pad_rows([(pad, *trace.tokens[:-1]) for trace in traces], pad),
        pad_rows(labels, IGNORED),
        pad_rows([trace.previous_kept for trace in traces], 0),
        pad_rows([trace.next_kept for trace in traces], 0),
    )


def tagging_and_writing_loss(
    model: EditDiffusionNetwork, source: Tensor, mask: Tensor, batch: DenoisingBatch, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Compute the loss of tagging and that of writing.

    Args:
        model: the denoiser.
        source: source ids (N, S).
        mask: (N, S), True where they are not padding.
        batch: the diffusion steps.
        smoothing: label smoothing of the written tokens.

    Returns:
        Mean cross-entropy of the tags per canvas token and of the written tokens, nats.
    """
    encoded = model.encode(source, mask)
    states = model.read_canvas(encoded, mask, batch.canvas)
    scores = model.tag_logits(states).flatten(0, 1)
    tagging = functional.cross_entropy(scores, batch.tags.flatten(), ignore_index=IGNORED)
    tags = batch.tags.clamp(min=KEEP)
    keys = model.writer.project_memories(model.memories(encoded, states, tags))
    hidden = embed_tokens(model.base, batch.inputs) + model.position_hints(
        states, batch.previous_kept, batch.next_kept
    )
    hidden = model.writer(hidden, keys, (mask, batch.canvas.mask))
    is_free = batch.labels != IGNORED
    if not bool(is_free.any()):
        return tagging, hidden.sum() * 0.0
    writing = functional.cross_entropy(
        model.logits(hidden[is_free]), batch.labels[is_free], label_smoothing=smoothing
    )
    return tagging, writing


def forbid_start_tags(scores: Tensor) -> Tensor:
    """Set logits (N, L, 4) of tags that the start cannot have (it is never removed) to minus infinity."""
    scores = scores.clone()
    scores[:, 0, [tag for tag in range(scores.shape[-1]) if tag not in (KEEP, INSERT)]] = -torch.inf
    return scores
