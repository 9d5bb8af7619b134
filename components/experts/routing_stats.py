"""Statistics of a model's routing on a data set: load, entropy, experts by language and by kind of token.

The decoder is fed the references, so that two models are compared on the same tokens. Counts are of (token,
expert) slots: k for each token.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from components.errors import ModelError
from components.networks.moe.moe_block import RoutingRecord, moe_blocks, record_routing
from components.networks.moe.sparse_marian import layer_masks
from components.records import Record
from components.training.batches import Batch, Example, collate
from components.training.vocabulary import tag

TOKEN_CLASSES = ("tag", "start", "end", "number", "punctuation", "word", "continuation")
"""Kinds of tokens: language tag, decoder start, sentence end, with a digit, no letter, word start, rest."""
_log = logging.getLogger("antiphon.experts")


class Sample(NamedTuple):
    """A sentence pair whose routing is recorded: utterance id, target language, texts."""

    id: str
    language: str
    source: str
    target: str


class UtteranceRouting(Record):
    """Slots per expert of one utterance in every layer with experts."""

    id: str
    language: str
    layers: dict[str, tuple[int, ...]]


class LayerRoutingStats(Record):
    """Statistics of one layer: slots per expert, also by language and by kind of token.

    ``entropy`` is the mean entropy of the router's distribution over the entropy of an even one, 0 to 1.
    """

    load: tuple[int, ...]
    entropy: float
    by_language: dict[str, tuple[int, ...]]
    by_class: dict[str, tuple[int, ...]]

    @property
    def variation(self) -> float:
        """Standard deviation over mean of the experts' loads: 0 when even, sqrt(E - 1) for one expert."""
        mean = sum(self.load) / len(self.load)
        return math.sqrt(sum((n - mean) ** 2 for n in self.load) / len(self.load)) / max(mean, 1e-9)

    @property
    def idle(self) -> int:
        """How many experts have less than a tenth of an equal share."""
        return sum(n < sum(self.load) / len(self.load) / 10 for n in self.load)

    @property
    def specialization(self) -> float:
        """Mutual information of expert and language over the entropy of the languages, 0 to 1."""
        return mutual_information(list(self.by_language.values()))


def mutual_information(table: Sequence[Sequence[int]]) -> float:
    """Mutual information of rows and columns of a table of counts, over the entropy of the rows."""
    total = sum(map(sum, table))
    rows = [sum(row) / total for row in table] if total else []
    columns = [sum(column) / total for column in zip(*table, strict=True)] if total else []
    shared = sum(
        n / total * math.log(n / total / (rows[i] * columns[j]))
        for i, row in enumerate(table)
        for j, n in enumerate(row)
        if n
    )
    entropy = -sum(p * math.log(p) for p in rows if p)
    return shared / entropy if entropy else 0.0


class RoutingStats:
    """Counters of a model's layers with experts, fed batch after batch by :func:`observe_routing`."""

    def __init__(self, layers: Sequence[str], n_experts: int, languages: Sequence[str]) -> None:
        self.layers, self.languages = list(layers), list(languages)
        shape = {"language": len(self.languages), "class": len(TOKEN_CLASSES)}
        self._counts = {
            layer: {by: torch.zeros(rows, n_experts, dtype=torch.long) for by, rows in shape.items()}
            for layer in self.layers
        }
        self._entropy = dict.fromkeys(self.layers, 0.0)
        self._tokens = dict.fromkeys(self.layers, 0)

    def add_record(self, record: RoutingRecord, languages: Tensor, classes: Tensor) -> None:
        """Count one pass; ``languages`` and ``classes`` are the indices of its tokens' language and kind."""
        routing = record.routing
        selection = torch.zeros(len(classes), routing.n_experts, dtype=torch.long)
        selection.scatter_(1, routing.experts.cpu(), 1)
        counts = self._counts[record.layer]
        counts["language"].index_add_(0, languages, selection)
        counts["class"].index_add_(0, classes, selection)
        p = routing.probabilities
        entropy = -(p * p.clamp_min(1e-30).log()).sum(-1) / math.log(max(2, routing.n_experts))
        self._entropy[record.layer] += float(entropy.sum())
        self._tokens[record.layer] += len(classes)

    def summarize(self) -> dict[str, LayerRoutingStats]:
        """Return the statistics by layer."""
        return {layer: self._layer(layer) for layer in self.layers}

    def _layer(self, layer: str) -> LayerRoutingStats:
        by_language, by_class = self._counts[layer]["language"], self._counts[layer]["class"]
        return LayerRoutingStats(
            load=tuple(by_language.sum(0).tolist()),
            entropy=self._entropy[layer] / max(1, self._tokens[layer]),
            by_language={name: tuple(by_language[i].tolist()) for i, name in enumerate(self.languages)},
            by_class={name: tuple(by_class[i].tolist()) for i, name in enumerate(TOKEN_CLASSES)},
        )


@torch.no_grad()
def observe_routing(
    model: Any, tokenizer: Any, samples: Sequence[Sample], stats: RoutingStats, batch_size: int = 64
) -> Iterator[UtteranceRouting]:
    """Run the samples through the model in order and count their routing; yield one record per sample."""
    model.eval()
    kinds = torch.tensor([classify_token(piece) for piece in _vocabulary_pieces(tokenizer)])
    for start in range(0, len(samples), batch_size):
        rows = samples[start : start + batch_size]
        batch = collate([example_of(tokenizer, row) for row in rows], model.config.pad_token_id)
        batch = batch.to(model.device)
        target = batch.labels != -100
        with record_routing(model, layer_masks(batch.mask, target)) as records:
            model.model(
                input_ids=batch.source,
                attention_mask=batch.mask,
                decoder_input_ids=batch.inputs,
                use_cache=False,
            )
        yield from _count_batch(rows, batch, records, stats, kinds)


def _count_batch(
    rows: Sequence[Sample], batch: Batch, records: Sequence[RoutingRecord], stats: RoutingStats, kinds: Tensor
) -> list[UtteranceRouting]:
    languages = torch.tensor([stats.languages.index(row.language) for row in rows])
    layers_of_row: list[dict[str, tuple[int, ...]]] = [{} for _ in rows]
    for record in records:
        encoder = ".encoder." in record.layer
        mask, ids = (batch.mask, batch.source) if encoder else (batch.labels != -100, batch.inputs)
        owner = mask.nonzero()[:, 0].cpu()
        stats.add_record(record, languages[owner], kinds[ids[mask].cpu()])
        counts = torch.zeros(len(rows), record.routing.n_experts, dtype=torch.long)
        selection = torch.zeros(len(owner), record.routing.n_experts, dtype=torch.long)
        counts.index_add_(0, owner, selection.scatter_(1, record.routing.experts.cpu(), 1))
        for layers, row in zip(layers_of_row, counts.tolist(), strict=True):
            layers[record.layer] = tuple(row)
    return [
        UtteranceRouting(id=row.id, language=row.language, layers=layers)
        for row, layers in zip(rows, layers_of_row, strict=True)
    ]


def empty_stats_of(model: Any, languages: Sequence[str]) -> RoutingStats:
    """Return empty counters for a model.

    Raises:
        ModelError: where it has no layers with experts.
    """
    blocks = moe_blocks(model)
    if not blocks:
        raise ModelError(f"expected a model with experts, found {type(model).__name__}")
    return RoutingStats(list(blocks), next(iter(blocks.values())).router.weight.shape[0], languages)


def warn_of_collapse(layers: dict[str, LayerRoutingStats]) -> list[str]:
    """Warn of every layer in which half of the experts or more are idle; return the warnings."""
    lines = [
        f"collapsed router in {layer}: {stats.idle} of {len(stats.load)} experts get less than a tenth of an "
        "equal share; raise balance_loss_weight, set noisy_gating, or lower learning_rate"
        for layer, stats in layers.items()
        if 2 * stats.idle >= len(stats.load) > 1
    ]
    for line in lines:
        _log.warning("%s", line)
    return lines


def classify_token(piece: str) -> int:
    """Return the kind of a piece of a Marian vocabulary, as an index into TOKEN_CLASSES."""
    text = piece.removeprefix("▁")
    if piece.startswith(">>") and piece.endswith("<<"):
        name = "tag"
    elif piece in ("<pad>", "</s>"):
        name = "start" if piece == "<pad>" else "end"
    elif any(c.isdigit() for c in text):
        name = "number"
    elif text and not any(c.isalpha() for c in text):
        name = "punctuation"
    else:
        name = "word" if piece.startswith("▁") else "continuation"
    return TOKEN_CLASSES.index(name)


def _vocabulary_pieces(tokenizer: Any) -> list[str]:
    return [str(piece) for piece in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))]


def example_of(tokenizer: Any, sample: Sample) -> Example:
    """Encode a sample, with the tag of its language where the vocabulary has one."""
    mark = tag(sample.language)
    text = f"{mark} {sample.source}" if mark in tokenizer.get_vocab() else sample.source
    return Example(tuple(tokenizer(text).input_ids), tuple(tokenizer(text_target=sample.target).input_ids))
