"""The denoiser's loss: -log P(tags | x_t) - log P(spans | x_t, tags), each per token it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from components.refining.diffusion import Canvas, EditDiffusion
from components.refining.edits import INSERT, KEEP, script
from components.refining.layers import embedded
from components.refining.traces import Tokens, trace_of

IGNORED = -100


class Denoising(NamedTuple):
    """One batch of steps x_t -> x_{t-1}: ``canvas``, its ``tags`` (N, L), and the writer's ``inputs``,
    ``labels`` (spans only), ``places`` and ``nexts``, each (N, T)."""

    canvas: Canvas
    tags: Tensor
    inputs: Tensor
    labels: Tensor
    places: Tensor
    nexts: Tensor

    def to(self, device: torch.device) -> Denoising:
        """The same batch on ``device``."""
        return Denoising(self.canvas.to(device), *(part.to(device) for part in self[1:]))


def canvases(texts: Sequence[Tokens], t: Sequence[int], pad: int, eos: int) -> Canvas:
    """Canvases (N, L) of texts at steps ``t``; the pad token is the start, as in Marian."""
    width = max(map(len, texts)) + 2
    tokens = torch.tensor([[pad, *text, eos, *[pad] * (width - len(text) - 2)] for text in texts])
    lengths = torch.tensor([len(text) + 2 for text in texts])
    return Canvas(tokens, torch.arange(width) < lengths[:, None], torch.tensor(t))


def batch_of(pairs: Sequence[tuple[int, Tokens, Tokens]], pad: int, eos: int) -> Denoising:
    """The batch of (t, x_t, x_{t-1}); padding of tags and labels is -100."""
    canvas = canvases([after for _, after, _ in pairs], [t for t, _, _ in pairs], pad, eos)
    scripts = [script(after, before) for _, after, before in pairs]
    traces = [trace_of(after, s, pad, eos) for (_, after, _), s in zip(pairs, scripts, strict=True)]
    width = canvas.tokens.shape[1]
    tags = torch.tensor([[*s.tags, *[IGNORED] * (width - len(s.tags))] for s in scripts])
    longest = max(len(trace.tokens) for trace in traces)

    def padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
        return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])

    labels = [
        [token if free else IGNORED for token, free in zip(trace.tokens, trace.free, strict=True)]
        for trace in traces
    ]
    return Denoising(
        canvas,
        tags,
        padded([(pad, *trace.tokens[:-1]) for trace in traces], pad),
        padded(labels, IGNORED),
        padded([trace.places for trace in traces], 0),
        padded([trace.nexts for trace in traces], 0),
    )


def loss(
    model: EditDiffusion, source: Tensor, mask: Tensor, batch: Denoising, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropies (nats) of tags per canvas token and of written tokens, label-smoothed scalars."""
    encoded = model.encode(source, mask)
    states = model.read(encoded, mask, batch.canvas)
    scores = model.tag_logits(states).flatten(0, 1)
    tagging = functional.cross_entropy(scores, batch.tags.flatten(), ignore_index=IGNORED)
    tags = batch.tags.clamp(min=KEEP)
    keys = model.writer.keys(model.memories(encoded, states, tags))
    hidden = embedded(model.base, batch.inputs) + model.hints(states, batch.places, batch.nexts)
    hidden = model.writer(hidden, keys, (mask, batch.canvas.mask))
    free = batch.labels != IGNORED
    if not bool(free.any()):
        return tagging, hidden.sum() * 0.0
    written = functional.cross_entropy(
        model.logits(hidden[free]), batch.labels[free], label_smoothing=smoothing
    )
    return tagging, written


def start_tags(scores: Tensor) -> Tensor:
    """Tag scores (N, L, 4) with what the start cannot be (removed) forbidden."""
    scores = scores.clone()
    scores[:, 0, [tag for tag in range(scores.shape[-1]) if tag not in (KEEP, INSERT)]] = -torch.inf
    return scores
