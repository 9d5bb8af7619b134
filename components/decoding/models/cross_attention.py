"""What an encoder-decoder model of transformers attends to in its source when it writes a text.

Queries and keys are taken where one layer projects them, so that packed layers are read as plain ones. It is
the layer before the last, averaged over its heads, whose attention aligns best (Garg et al. 2019,
https://arxiv.org/abs/1909.02074).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import torch
from torch import Tensor

from components.decoding.models.seq2seq_scorer import Seq2SeqScorer
from components.errors import ConfigError


def _attention_layer(model: Any, name: str) -> Any:
    """Return the cross attention that is read of a model.

    Raises:
        ConfigError: its decoder is built otherwise than Marian's.
    """
    layers = list(getattr(model.get_decoder(), "layers", ()))
    found = getattr(layers[max(0, len(layers) - 2)], "encoder_attn", None) if layers else None
    if not all(hasattr(found, part) for part in ("q_proj", "k_proj")):
        raise ConfigError(
            f"expected a translator with the decoder of Marian, M2M, NLLB or mBART, found {name}"
        )
    return found


@torch.inference_mode()
def read_cross_attention(model: Any, scorer: Seq2SeqScorer, tokens: Tensor) -> Tensor:
    """Return how much each token of a text attends to each token of its source, (t, S); rows add up to 1.

    Args:
        model: the scorer's.
        scorer: over one source, not yet run.
        tokens: of the text, (t,).
    """
    attention = _attention_layer(model, scorer.name)
    heads = model.config.decoder_attention_heads
    with _record(attention.q_proj) as queries, _record(attention.k_proj) as keys:
        rows = torch.zeros(1, dtype=torch.long, device=scorer.prefill().device)
        if len(tokens) > 1:
            scorer.score_tokens(rows, tokens[None, :-1].to(rows.device))
    asked = torch.cat([query.view(-1, query.shape[-1]) for query in queries])[-len(tokens) :]
    q, k = (part.view(len(part), heads, -1).transpose(0, 1).float() for part in (asked, keys[0][0]))
    weights: Tensor = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1).mean(0)
    return weights


@contextmanager
def _record(layer: Any) -> Iterator[list[Tensor]]:
    """Collect what a layer gives in this thread."""
    outputs, thread = list[Tensor](), get_ident()

    def keep(_layer: object, _inputs: object, output: Tensor) -> None:
        if get_ident() == thread:
            outputs.append(output)

    handle = layer.register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()
