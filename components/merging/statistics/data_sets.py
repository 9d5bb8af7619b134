"""The data sets that a merge measures its models on, and their examples as a model reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from components import data
from components.errors import ConfigError, DataError
from components.merging.config import ALL_MODELS, MergeConfig
from components.models.architectures import CAUSAL
from components.models.loading import Kind, load_transformers
from components.records import Checkpoint, Utterance
from components.training import speech_data

NO_SETS: Mapping[str, str] = MappingProxyType({})
MAX_TOKENS = 512


class DataSets(NamedTuple):
    """Which data the models of a merge are measured on.

    Attributes:
        by_model: Data set of each model by its name in the recipe; ``*`` for those that are not named.
        limit: Utterances of each that are read, the first ones.
        source_language: See :func:`components.data.load`.
        target_language: See there.
    """

    by_model: Mapping[str, str] = NO_SETS
    limit: int = 256
    source_language: str | None = None
    target_language: str | None = None

    @classmethod
    def of_settings(cls, settings: MergeConfig) -> DataSets:
        """The data sets that the settings of a merge name."""
        return cls(settings.data, settings.data_limit, settings.source_language, settings.target_language)

    def of(self, model: str) -> str:
        """The data set of a model.

        Raises:
            ConfigError: It has none.
        """
        source = self.by_model.get(model, self.by_model.get(ALL_MODELS))
        if source is None:
            raise ConfigError(
                f"data: expected a data set for {model}, found sets for {sorted(self.by_model)}"
            )
        return source

    def load(self, model: str) -> data.Dataset:
        """The utterances of a model."""
        return data.load(
            self.of(model),
            source_language=self.source_language,
            target_language=self.target_language,
            limit=self.limit,
        )


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
