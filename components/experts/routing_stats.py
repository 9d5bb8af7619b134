"""Statistics of a model's routing on a data set: load, entropy, experts by language and by kind of token.

A decoder is fed the references, a causal model the text, so that two models are compared on the same tokens.
Counts are of (token, expert) slots: k for each token.
"""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from components.errors import ModelError
from components.experts.reducing.sparse_layers import (
    ExpertPass,
    SparseLayer,
    find_sparse_layers,
    watch_experts,
)
from components.experts.sample_batches import Sample, SampleBatch, iterate_batches
from components.networks.moe.router import Routing
from components.records import Record

TOKEN_CLASSES = ("tag", "start", "end", "number", "punctuation", "word", "continuation")
"""Kinds of tokens: language tag, decoder start, sentence end, with a digit, no letter, word start, rest."""
WORD_STARTS = "\u2581\u0120"
"""How pieces of sentencepiece and of byte-level BPE mark the beginning of a word."""
_log = logging.getLogger("antiphon.experts")


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
    by_domain: dict[str, tuple[int, ...]] = Field(default_factory=dict, exclude_if=operator.not_)

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
    """Return the mutual information of rows and columns of a table of counts, over the rows' entropy."""
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
    """Counters of a model's layers with experts, fed batch after batch by :func:`observe_routing`.

    Args:
        layers: their numbers of experts, by name.
        languages: that occur.
        domains: labels that occur, if they are to be counted.
    """

    def __init__(
        self, layers: Mapping[str, int], languages: Sequence[str], domains: Sequence[str] = ()
    ) -> None:
        self._labels = {"language": list(languages), "class": list(TOKEN_CLASSES), "domain": list(domains)}
        self._counts = {
            layer: {by: torch.zeros(len(names), n, dtype=torch.long) for by, names in self._labels.items()}
            for layer, n in layers.items()
        }
        self._entropy = dict.fromkeys(layers, 0.0)
        self._tokens = dict.fromkeys(layers, 0)
        self._top_k = dict.fromkeys(layers, 0)

    def top_k(self, layer: str) -> int:
        """Return how many experts compute a token of a layer; 0 before its first pass."""
        return self._top_k[layer]

    def add_tokens(
        self,
        each: ExpertPass,
        is_token: Tensor,
        selection: Tensor,
        samples: Sequence[Sample],
        owner: Tensor,
        classes: Tensor,
    ) -> None:
        """Count the n tokens of one pass.

        Args:
            each: the pass of T rows.
            is_token: which of its rows are no padding (T) bool.
            selection: 1 where an expert computes a token (n, E) int64.
            samples: the batch.
            owner: index of each token's sample (n).
            classes: index of its kind (n).
        """
        counts, labels = self._counts[each.layer], self._labels
        languages = torch.tensor([labels["language"].index(sample.language) for sample in samples])
        counts["language"].index_add_(0, languages[owner], selection)
        counts["class"].index_add_(0, classes, selection)
        if labels["domain"]:
            domains = torch.tensor([labels["domain"].index(sample.domain) for sample in samples])
            counts["domain"].index_add_(0, domains[owner], selection)
        p = each.routing.probabilities[is_token]
        entropy = -(p * p.clamp_min(1e-30).log()).sum(-1) / math.log(max(2, p.shape[-1]))
        self._entropy[each.layer] += float(entropy.sum())
        self._tokens[each.layer] += len(classes)
        self._top_k[each.layer] = each.routing.experts.shape[-1]

    def summarize(self) -> dict[str, LayerRoutingStats]:
        """Return the statistics by layer."""
        return {layer: self._layer(layer) for layer in self._counts}

    def _layer(self, layer: str) -> LayerRoutingStats:
        rows = {
            by: {name: tuple(table[i].tolist()) for i, name in enumerate(self._labels[by])}
            for by, table in self._counts[layer].items()
        }
        return LayerRoutingStats(
            load=tuple(self._counts[layer]["language"].sum(0).tolist()),
            entropy=self._entropy[layer] / max(1, self._tokens[layer]),
            by_language=rows["language"],
            by_class=rows["class"],
            by_domain=rows["domain"],
        )


@torch.no_grad()
def observe_routing(
    model: Any,
    tokenizer: Any,
    samples: Sequence[Sample],
    stats: RoutingStats,
    batch_size: int = 64,
    also: Callable[[SparseLayer, ExpertPass, Tensor], None] = lambda layer, each, is_token: None,
) -> Iterator[UtteranceRouting]:
    """Run the samples through the model in order and count their routing; yield one record per sample.

    Args:
        model: a model with experts, of transformers or ours.
        tokenizer: its tokenizer.
        samples: texts.
        stats: the counters.
        batch_size: samples in a batch.
        also: is given every pass of every layer, too, and which of its tokens are no padding (T) bool.
    """
    model.eval()
    classes, layers = classify_vocabulary(tokenizer), find_sparse_layers(model)
    for batch in iterate_batches(model, tokenizer, samples, batch_size):
        counts: list[dict[str, tuple[int, ...]]] = [{} for _ in batch.samples]

        def record(each: ExpertPass, batch: SampleBatch = batch, counts: Any = counts) -> None:
            ids, mask = batch.side(each.layer)
            is_token = mask.reshape(-1)
            if len(each.hidden) != len(is_token):
                raise ModelError(
                    f"{each.layer}: expected the experts to get all {len(is_token)} tokens of a batch, found "
                    f"{len(each.hidden)}; the routing of this model cannot be assigned to texts"
                )
            also(layers[each.layer], each, is_token)
            owner = mask.nonzero()[:, 0].cpu()
            selection = _selected_experts(each.routing)[is_token].cpu()
            stats.add_tokens(each, is_token, selection, batch.samples, owner, classes[ids[mask].cpu()])
            table = torch.zeros(len(counts), selection.shape[1], dtype=torch.long)
            for row, slots in zip(counts, table.index_add_(0, owner, selection).tolist(), strict=True):
                row[each.layer] = tuple(slots)

        with watch_experts(layers, record):
            batch.run(model, logits=False)
        for sample, row in zip(batch.samples, counts, strict=True):
            yield UtteranceRouting(id=sample.id, language=sample.language, layers=row)


def _selected_experts(routing: Routing) -> Tensor:
    """(T, E) int64: 1 where an expert computes a token; a gate of zero is a slot that is not computed."""
    selection = torch.zeros(routing.logits.shape, dtype=torch.long, device=routing.logits.device)
    return selection.scatter_add_(1, routing.experts, (routing.gates != 0).long())


def empty_stats_of(model: Any, languages: Sequence[str], domains: Sequence[str] = ()) -> RoutingStats:
    """Return empty counters for a model.

    Raises:
        ModelError: where it has no layers with experts.
    """
    counts = {name: layer.n_experts for name, layer in find_sparse_layers(model).items()}
    return RoutingStats(counts, languages, domains)


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
    """Return the kind of a piece of a vocabulary without special tokens, as an index into TOKEN_CLASSES."""
    text = piece.lstrip(WORD_STARTS)
    if piece.startswith(">>") and piece.endswith("<<"):
        name = "tag"
    elif piece in ("<pad>", "</s>"):
        name = "start" if piece == "<pad>" else "end"
    elif any(c.isdigit() for c in text):
        name = "number"
    elif text and not any(c.isalpha() for c in text):
        name = "punctuation"
    else:
        name = "word" if piece.startswith(tuple(WORD_STARTS)) else "continuation"
    return TOKEN_CLASSES.index(name)


def classify_vocabulary(tokenizer: Any) -> Tensor:
    """Return the kind of every token of a vocabulary (V) as indices into TOKEN_CLASSES.

    Where the beginning of a text is another token than padding, as in most causal models, it is ``start``;
    special tokens besides it and the end are ``tag``.
    """
    size = max(len(tokenizer), 1 + max(tokenizer.get_vocab().values(), default=0))  # there may be gaps
    pieces = [str(piece) for piece in tokenizer.convert_ids_to_tokens(list(range(size)))]
    classes = torch.tensor([classify_token(piece) for piece in pieces])
    unknown = getattr(tokenizer, "unk_token_id", None)
    special = {"tag": [i for i in getattr(tokenizer, "all_special_ids", ()) if i != unknown]}
    special |= {"start": [getattr(tokenizer, name, None) for name in ("pad_token_id", "bos_token_id")]}
    special |= {"end": [getattr(tokenizer, "eos_token_id", None)]}
    for name, ids in special.items():
        rows = [i for i in ids if i is not None and i < len(classes) and not pieces[i].startswith(">>")]
        classes[rows] = TOKEN_CLASSES.index(name)
    return classes
