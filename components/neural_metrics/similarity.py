"""Similarity of a text to its reference by any encoder: BERTScore's F1, or cosine of sentence embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from components.errors import ModelError
from components.metrics.model_metric import Sample, SentenceScore
from components.neural_metrics.batches import compute_by_key, map_batches

BEST_LAYERS = {
    ("bert", 12): 9,
    ("bert", 24): 18,
    ("roberta", 12): 10,
    ("roberta", 24): 17,
    ("xlm-roberta", 12): 9,
    ("xlm-roberta", 24): 17,
}
"""(model_type, layers) -> the layer that agrees best with people, by bert-score; of others the last."""


def best_layer(config: Mapping[str, object]) -> int:
    """Return the layer that BERTScore takes of an encoder, by its configuration."""
    layers = _count_layers(config)
    assert layers is not None  # refuse_no_encoder
    return BEST_LAYERS.get((str(config.get("model_type")), layers), layers)


def refuse_no_encoder(reference: str, config: Mapping[str, object]) -> None:
    """Refuse a model that has a decoder beside its encoder, or no number of layers, by its configuration.

    Raises:
        ModelError: it is refused.
    """
    if config.get("is_encoder_decoder") or _count_layers(config) is None:
        raise ModelError(
            f"{reference}: expected an encoder such as packaged:all-minilm-l6-v2, found a model of type "
            f"{config.get('model_type')}"
        )


def _count_layers(config: Mapping[str, object]) -> int | None:
    layers = config.get("num_hidden_layers") or config.get("n_layers")
    return layers if isinstance(layers, int) else None


class _EncoderScorer(ABC):
    """Encodes each different text once.

    Args:
        model: a transformers encoder.
        tokenizer: its tokenizer.
    """

    layer = -1

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = model
        self._tokenizer = tokenizer
        positions = getattr(model.config, "max_position_embeddings", 512)
        reserved = 2 if "roberta" in model.config.model_type else 0  # its positions begin behind padding's
        self._max_tokens = min(positions - reserved, tokenizer.model_max_length)

    @torch.inference_mode()
    def score(self, samples: Sequence[Sample]) -> list[SentenceScore]:
        """Return scores of samples; with several references the best, as bert-score has it."""
        texts = [text for s in samples for text in (s.hypothesis, *s.references)]
        rows = compute_by_key(texts, self._encode)
        return [
            SentenceScore(
                max(self.compare(rows[s.hypothesis], rows[reference]) for reference in s.references)
            )
            for s in samples
        ]

    @abstractmethod
    def compare(self, hypothesis: Tensor, reference: Tensor) -> float:
        """Return the similarity of two encoded texts."""

    @abstractmethod
    def represent(self, states: Tensor, ids: list[int]) -> Tensor:
        """Return what a text is compared by, from its states (tokens, hidden)."""

    def _encode(self, texts: list[str]) -> list[Tensor]:
        sequences = [
            self._tokenizer(text.strip(), truncation=True, max_length=self._max_tokens).input_ids
            for text in texts
        ]

        def compute(ids: Tensor, mask: Tensor, rows: list[int]) -> list[Tensor]:
            output = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
            states = output.hidden_states[self.layer]
            return [
                self.represent(states[number, : len(sequences[row])], sequences[row])
                for number, row in enumerate(rows)
            ]

        return map_batches(sequences, self._tokenizer.pad_token_id, self.model.device, compute)


class BertScorer(_EncoderScorer):
    """F1 of greedily matched token states (Zhang et al. 2020): no idf weights, no rescaling.

    As in bert-score the tokens of begin and end can be matched, but do not count themselves.

    Args:
        model: a transformers encoder.
        tokenizer: its tokenizer.
        layer: whose states are compared; 0 are the embeddings.
    """

    def __init__(self, model: Any, tokenizer: Any, layer: int) -> None:
        super().__init__(model, tokenizer)
        self.layer = layer
        self._uncounted = {tokenizer.cls_token_id, tokenizer.sep_token_id}

    def represent(self, states: Tensor, ids: list[int]) -> Tensor:
        """Return the unit vectors (tokens, hidden + 1); the last number is 1 for tokens that count."""
        counts = torch.tensor([[float(token not in self._uncounted)] for token in ids], device=states.device)
        return torch.cat((normalize(states.float(), dim=-1), counts), -1)

    def compare(self, hypothesis: Tensor, reference: Tensor) -> float:
        """Return F1 in about [0, 1]; 0 where one of the two has no tokens."""
        similarity = hypothesis[:, :-1] @ reference[:, :-1].T
        sides = ((similarity.amax(1), hypothesis[:, -1]), (similarity.amax(0), reference[:, -1]))
        if any(not counts.any() for _, counts in sides):
            return 0.0
        precision, recall = (float((best * counts).sum() / counts.sum()) for best, counts in sides)
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


class SentenceCosineScorer(_EncoderScorer):
    """Cosine of the mean states of all tokens of the last layer (Reimers and Gurevych 2019)."""

    def represent(self, states: Tensor, ids: list[int]) -> Tensor:
        """Return the sentence embedding (hidden,), of unit length."""
        return normalize(states.float().mean(0), dim=0)

    def compare(self, hypothesis: Tensor, reference: Tensor) -> float:
        """Return the cosine in [-1, 1]."""
        return float(hypothesis @ reference)
