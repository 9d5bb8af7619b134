"""Texts as batches for a model with experts: pairs for encoder-decoder models, texts for causal ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from components.training.examples.batches import Example, collate
from components.training.examples.vocabulary import tag

ENCODER = ".encoder."
"""What stands in the name of a layer of an encoder."""


class Sample(NamedTuple):
    """A text whose routing is recorded.

    Attributes:
        id: of the utterance.
        language: of the text, of the target where there is one.
        source: what an encoder reads; empty for a causal model.
        target: what the decoder is fed, or the whole text of a causal model.
        domain: a label.
    """

    id: str
    language: str
    source: str
    target: str
    domain: str = ""


def list_samples(pairs: Mapping[str, Sequence[tuple[str, str]]]) -> list[Sample]:
    """Return sentence pairs by language as samples, numbered from 1 in each language."""
    return [
        Sample(f"{language}-{number:06d}", language, *pair)
        for language, rows in pairs.items()
        for number, pair in enumerate(rows, 1)
    ]


class SampleBatch(NamedTuple):
    """A padded batch of N samples.

    Attributes:
        samples: the samples.
        source: ids of the encoder (N, S) and where they are no padding (N, S); None for a causal model.
        inputs: ids of the decoder (N, T).
        mask: (N, T) bool, where ``inputs`` are no padding.
        labels: the token after each of ``inputs`` (N, T); -100 where there is none to predict.
    """

    samples: Sequence[Sample]
    source: tuple[Tensor, Tensor] | None
    inputs: Tensor
    mask: Tensor
    labels: Tensor

    def side(self, layer: str) -> tuple[Tensor, Tensor]:
        """Return ids and mask of the side that a layer is on, by its name."""
        return self.source if self.source is not None and ENCODER in layer else (self.inputs, self.mask)

    def run(self, model: Any, *, logits: bool) -> Tensor | None:
        """Run the model, its head only if the logits (N, T, V) are wanted."""
        module = model if logits else model.model if hasattr(model, "model") else model
        if self.source is None:
            output = module(input_ids=self.inputs, attention_mask=self.mask, use_cache=False)
        else:
            ids, mask = self.source
            output = module(
                input_ids=ids, attention_mask=mask, decoder_input_ids=self.inputs, use_cache=False
            )
        return output.logits if logits else None


def example_of(tokenizer: Any, sample: Sample) -> Example:
    """Encode a pair, with the tag of its language where the vocabulary has one."""
    mark = tag(sample.language)
    text = f"{mark} {sample.source}" if mark in tokenizer.get_vocab() else sample.source
    return Example(tuple(tokenizer(text).input_ids), tuple(tokenizer(text_target=sample.target).input_ids))


def iterate_batches(
    model: Any, tokenizer: Any, samples: Sequence[Sample], batch_size: int
) -> Iterator[SampleBatch]:
    """Iterate over the samples in order, on the model's device."""
    for start in range(0, len(samples), batch_size):
        rows = samples[start : start + batch_size]
        batch = _pairs if model.config.is_encoder_decoder else _texts
        yield batch(model, tokenizer, rows)


def _pairs(model: Any, tokenizer: Any, rows: Sequence[Sample]) -> SampleBatch:
    config = model.config
    batch = collate([example_of(tokenizer, row) for row in rows], config.pad_token_id)
    start = getattr(config, "decoder_start_token_id", None)
    if start is not None:
        batch.inputs[:, 0] = start
    batch = batch.to(model.device)
    return SampleBatch(rows, (batch.source, batch.mask), batch.inputs, batch.labels != -100, batch.labels)


def _texts(model: Any, tokenizer: Any, rows: Sequence[Sample]) -> SampleBatch:
    texts = [tuple(tokenizer(row.target).input_ids) for row in rows]
    ends = [Example(ids, (*ids[1:], -100)) for ids in texts]
    batch = collate(ends, 0).to(model.device)  # what pads is not attended
    return SampleBatch(rows, None, batch.source, batch.mask, batch.labels)
