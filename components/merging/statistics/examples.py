"""Examples of a data set as a model reads them, and the model itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from components.errors import DataError
from components.merging.statistics.data_sets import DataSets
from components.models.architectures import CAUSAL
from components.models.loading import Kind, load_transformers
from components.records import Checkpoint, Utterance
from components.training import speech_data

MAX_TOKENS = 512


def load_model(checkpoint: Checkpoint) -> tuple[Any, Any]:
    """Load a model in float32 and what prepares its inputs."""
    model, processor = load_transformers(checkpoint, _kind_of(checkpoint))
    return model, processor


def _kind_of(checkpoint: Checkpoint) -> Kind:
    if checkpoint.architecture.startswith("Whisper"):
        return "speech"
    return "causal" if checkpoint.architecture.endswith(CAUSAL) else "seq2seq"


def encode_examples(
    checkpoint: Checkpoint, model: Any, processor: Any, sets: DataSets, name: str
) -> Iterator[dict[str, Tensor]]:
    """Each utterance of a model's data as the arguments of its ``forward``, labels included; batches of one.

    Whisper hears the audio and writes the transcript, an encoder-decoder reads the text and writes the
    reference, a language model reads the reference, else the text.

    Raises:
        DataError: No utterance has what the model needs.
    """
    utterances = sets.load(name).utterances
    count = 0
    for utterance in utterances:
        example = _encode(_kind_of(checkpoint), model, processor, utterance)
        if example is not None:
            count += 1
            yield example
    if not count:
        raise DataError(
            f"{sets.of(name)}: expected utterances with what {checkpoint.architecture} learns from (source "
            f"text and reference, or audio and transcript), found none in {len(utterances)}"
        )


def _encode(kind: Kind, model: Any, processor: Any, utterance: Utterance) -> dict[str, Tensor] | None:
    text = utterance.text if utterance.text is not None else utterance.transcript
    reference = next((reference for reference in utterance.references if reference), None)
    if kind == "speech":
        return _encode_speech(model, utterance)
    if kind == "seq2seq":
        if not text or not reference:
            return None
        encoded = processor(text, text_target=reference, max_length=MAX_TOKENS, truncation=True)
        return {name: torch.tensor([ids]) for name, ids in encoded.items()}
    if not (reference or text):
        return None
    ids = torch.tensor([processor(reference or text, max_length=MAX_TOKENS, truncation=True)["input_ids"]])
    return {"input_ids": ids, "labels": ids} if ids.shape[1] > 1 else None


def _encode_speech(model: Any, utterance: Utterance) -> dict[str, Tensor] | None:
    audio = utterance.audio
    if audio is None or not utterance.transcript or audio.seconds > speech_data.MAX_SECONDS:
        return None
    shape = model.config
    examples = speech_data.encode([utterance], shape.vocab_size, shape.max_target_positions, timestamps=False)
    batch = speech_data.collate(examples, shape.num_mel_bins)
    return {
        "input_features": batch.features,
        "decoder_input_ids": batch.inputs,
        "labels": batch.labels,
    }
