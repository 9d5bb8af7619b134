"""Networks of the COMET family: estimators of translation quality over a multilingual encoder.

Parameters have the names of Unbabel's COMET (2.2.7), so that its checkpoints fit without renaming.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from components.errors import ModelError

LAYER_WEIGHTS = ("softmax", "sparsemax")
"""How the scalars of the layers become weights that sum to 1."""
POOLS = ("avg", "max", "cls", "default")
"""How a sentence's states become its embedding; ``default`` is the first token's state of the last layer."""


def sparsemax(scores: Tensor) -> Tensor:
    """Project scores (n,) onto the probability simplex (Martins and Astudillo 2016, eq. 1)."""
    descending = scores.sort(descending=True).values
    excess = descending.cumsum(0) - 1
    ranks = torch.arange(1, len(scores) + 1, device=scores.device, dtype=scores.dtype)
    support = int((ranks * descending > excess).sum())
    return (scores - excess[support - 1] / support).clamp(min=0)


class LayerwiseAttention(nn.Module):
    """A learned weighted sum of the hidden states of all layers: ``gamma * sum_k w_k h_k``.

    Args:
        n_layers: of the encoder, the embeddings among them.
        weights: a row of :data:`LAYER_WEIGHTS`.
        layer_norm: whether every sentence's states are normalized over all of its tokens first.
    """

    def __init__(self, n_layers: int, weights: str, *, layer_norm: bool) -> None:
        super().__init__()
        self.scalar_parameters = nn.ParameterList([nn.Parameter(torch.zeros(1)) for _ in range(n_layers)])
        self.gamma = nn.Parameter(torch.ones(1))
        self.weights = weights
        self.layer_norm = layer_norm

    def forward(self, layers: tuple[Tensor, ...], mask: Tensor) -> Tensor:
        """Mix layers, each (batch, tokens, hidden), under a mask (batch, tokens) of real tokens."""
        scalars = torch.cat(list(self.scalar_parameters))
        weights = sparsemax(scalars) if self.weights == "sparsemax" else scalars.softmax(0)
        if self.layer_norm:
            layers = tuple(_normalize(layer, mask) for layer in layers)
        mixed = sum(weight * layer for weight, layer in zip(weights, layers, strict=True))
        return self.gamma * cast(Tensor, mixed)


def _normalize(states: Tensor, mask: Tensor) -> Tensor:
    """Normalize states by the mean and variance of a sentence's tokens and features together."""
    real = mask.unsqueeze(-1).to(states.dtype)
    count = real.sum((1, 2), keepdim=True) * states.shape[-1]
    mean = (states * real).sum((1, 2), keepdim=True) / count
    variance = (((states - mean) * real) ** 2).sum((1, 2), keepdim=True) / count
    return (states - mean) / torch.sqrt(variance + 1e-12)


class FeedForward(nn.Module):
    """Linear layers with an activation after each but the last; dropout layers only hold their place."""

    def __init__(self, n_inputs: int, hidden_sizes: list[int], activation: str, final: str | None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size in hidden_sizes:
            layers += [nn.Linear(n_inputs, size), _make_activation(activation), nn.Dropout(0.1)]
            n_inputs = size
        layers.append(nn.Linear(n_inputs, 1))
        if final is not None:
            layers.append(_make_activation(final))
        self.ff = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Return scores (batch,) of features (batch, n_inputs)."""
        return cast(Tensor, self.ff(features)).squeeze(-1)


def _make_activation(name: str) -> nn.Module:
    layer = getattr(nn, name.title(), None)
    if layer is None:
        raise ModelError(f"expected an activation of torch.nn such as Tanh or Sigmoid, found {name!r}")
    return cast(nn.Module, layer())


class _Encoder(nn.Module):
    """Holds the encoder one level deeper, as Unbabel's parameter names have it (``encoder.model.``)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class CometNetwork(nn.Module):
    """Encoder, mixture of its layers, and the head that both families share.

    Args:
        encoder: a transformers encoder without pooler.
        n_features: of the head, in multiples of the encoder's hidden size.
        settings: of ``hparams.yaml``: ``layer``, ``layer_transformation``, ``layer_norm``,
            ``hidden_sizes``, ``activations``, ``final_activation``.
    """

    def __init__(self, encoder: Any, n_features: int, settings: dict[str, Any]) -> None:
        super().__init__()
        self.encoder = _Encoder(encoder)
        self.layer = settings["layer"]
        if self.layer == "mix":
            self.layerwise_attention = LayerwiseAttention(
                encoder.config.num_hidden_layers + 1,
                settings["layer_transformation"],
                layer_norm=settings["layer_norm"],
            )
        self.estimator = FeedForward(
            n_features * encoder.config.hidden_size,
            settings["hidden_sizes"],
            settings["activations"],
            settings["final_activation"],
        )

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return mixed states (batch, tokens, hidden) of token ids (batch, tokens), and each layer's."""
        layers = self.encoder.model(ids, attention_mask=mask, output_hidden_states=True).hidden_states
        mixed = self.layerwise_attention(layers, mask) if self.layer == "mix" else layers[self.layer]
        return mixed, layers


class RegressionNetwork(CometNetwork):
    """Source, translation and reference are encoded apart (Rei et al. 2020; wmt20-, wmt22-comet-da).

    Args:
        encoder: as of :class:`CometNetwork`.
        settings: the same, with ``pool``.
        with_reference: false for the models that read source and translation only (wmt20-comet-qe-da).
    """

    def __init__(self, encoder: Any, settings: dict[str, Any], *, with_reference: bool) -> None:
        super().__init__(encoder, 6 if with_reference else 4, settings)
        self.pool = settings["pool"]

    def embed(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed sentences (batch, hidden); averages are over all tokens, those of begin and end too."""
        mixed, layers = self.encode(ids, mask)
        if self.pool == "avg":
            real = mask.unsqueeze(-1).to(mixed.dtype)
            return (mixed * real).sum(1) / real.sum(1)
        if self.pool == "max":
            return mixed.masked_fill(~mask.bool().unsqueeze(-1), float("-inf")).amax(1)
        return layers[-1][:, 0] if self.pool == "default" else mixed[:, 0]

    def forward(self, translation: Tensor, source: Tensor, reference: Tensor | None) -> Tensor:
        """Return scores (batch,) of sentence embeddings, each (batch, hidden)."""
        mt, src = translation, source
        if reference is None:
            return cast(Tensor, self.estimator(torch.cat((mt, src, mt * src, (mt - src).abs()), 1)))
        ref = reference
        features = (mt, ref, mt * ref, (mt - ref).abs(), mt * src, (mt - src).abs())
        return cast(Tensor, self.estimator(torch.cat(features, 1)))


class UnifiedOutput(NamedTuple):
    """Scores (batch,), and the label probabilities (batch, tokens, labels) of models that have labels."""

    score: Tensor
    probabilities: Tensor | None


class UnifiedNetwork(CometNetwork):
    """Translation, source and reference are one sequence (Wan et al. 2022; CometKiwi, xCOMET).

    Args:
        encoder: as of :class:`CometNetwork`.
        settings: the same, with ``word_layer``.
        n_labels: of the word-level head; 0 for none.
    """

    def __init__(self, encoder: Any, settings: dict[str, Any], n_labels: int) -> None:
        super().__init__(encoder, 1, settings)
        self.word_layer = settings["word_layer"]
        self.hidden2tag = nn.Linear(encoder.config.hidden_size, n_labels) if n_labels else None

    def forward(self, ids: Tensor, mask: Tensor) -> UnifiedOutput:
        """Score token ids (batch, tokens) by the state of the first token."""
        mixed, layers = self.encode(ids, mask)
        score = self.estimator(mixed[:, 0])
        if self.hidden2tag is None:
            return UnifiedOutput(score, None)
        return UnifiedOutput(score, self.hidden2tag(layers[self.word_layer]).softmax(2))
