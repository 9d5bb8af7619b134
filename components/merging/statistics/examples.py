"""Examples of a data set as a model reads them, and the model itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from components.errors import DataError
from components.merging.statistics.data_sets import DataSets
from components.models.architectures import CAUSAL
from components.models.loaders.loading import Kind, load_transformers
from components.records import Checkpoint, Utterance
from components.training.examples import speech_data
from components.translation.segments.sentence_tokenizer import SentenceTokenizer

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
    """Encode each utterance of a model's data as arguments of ``forward``, labels included; batches of one.

    Whisper hears the audio and writes the transcript, an encoder-decoder reads the text and writes the
    reference, a language model reads the reference, else the text.

    Raises:
        DataError: No utterance has what the model needs.
    """
    utterances = sets.load(name).utterances
    kind, count = _kind_of(checkpoint), 0
    for utterance in utterances:
        if kind == "speech":
            example = _encode_speech(model, utterance)
        elif kind == "seq2seq":
            example = _encode_translation(model, processor, utterance)
        else:
            example = _encode_text(processor, utterance)
        if example is not None:
            count += 1
            yield example
    if not count:
        raise DataError(
            f"{sets.of(name)}: expected utterances with what {checkpoint.architecture} learns from (source "
            f"text and reference, or audio and transcript), found none in {len(utterances)}"
        )


def _encode_translation(model: Any, tokenizer: Any, utterance: Utterance) -> dict[str, Tensor] | None:
    text, reference = _text_of(utterance), _reference_of(utterance)
    if not text or not reference:
        return None
    sentences = SentenceTokenizer(tokenizer, model.config, positions=MAX_TOKENS, room=0)
    source = sentences.prepare(text, utterance.source_language, utterance.target_language).tokens
    labels = sentences.tokenize_target(reference, utterance.target_language)
    ids = torch.tensor([source[:MAX_TOKENS]])
    labels_ids = torch.tensor([labels[:MAX_TOKENS]])
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels_ids}


def _encode_text(tokenizer: Any, utterance: Utterance) -> dict[str, Tensor] | None:
    text = _reference_of(utterance) or _text_of(utterance)
    if not text:
        return None
    ids = torch.tensor([tokenizer(text, max_length=MAX_TOKENS, truncation=True)["input_ids"]])
    return {"input_ids": ids, "labels": ids} if ids.shape[1] > 1 else None


def _text_of(utterance: Utterance) -> str | None:
    return utterance.text if utterance.text is not None else utterance.transcript


def _reference_of(utterance: Utterance) -> str | None:
    return next((reference for reference in utterance.references if reference), None)


def _encode_speech(model: Any, utterance: Utterance) -> dict[str, Tensor] | None:
    audio = utterance.audio
    if audio is None or not utterance.transcript or audio.seconds > speech_data.MAX_SECONDS:
        return None
    shape = model.config
    try:
        examples = speech_data.encode(
            [utterance], shape.vocab_size, shape.max_target_positions, timestamps=False
        )
    except DataError:  # too long for the decoder, or in a language that it does not know
        return None
    batch = speech_data.collate(examples, speech_data.read_features(examples, shape.num_mel_bins))
    return {
        "input_features": batch.sound,
        "decoder_input_ids": batch.inputs,
        "labels": batch.labels,
    }
