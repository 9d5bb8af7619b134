"""The ``ctc`` backend: models of transformers that label the frames of speech, and heads trained here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoFeatureExtractor

from components.audio import SAMPLE_RATE, Samples
from components.compute.device import pick_dtype
from components.decoding.ctc.forward import LogProbs
from components.errors import ConfigError, ModelError, to_one_line
from components.models.architectures import SPEECH_CTC
from components.models.loaders.loading import load_transformers
from components.recognition.config import RecognitionConfig
from components.recognition.ctc.decoder import CtcDecoder, CtcModel, CtcVocabulary
from components.recognition.ctc.speech_ctc import load_speech_ctc
from components.records import Checkpoint


class TransformersCtcModel:
    """A :class:`~components.recognition.ctc.decoder.CtcModel` over one of transformers' models.

    A recording goes through the model alone, without padding: the models that normalize over the whole
    recording (Wav2Vec2 base) give other texts with it, and the others the same.

    Args:
        model: an ``AutoModelForCTC``.
        tokenizer: its tokenizer.
        extractor: its feature extractor.
        name: of the model, for messages.

    Raises:
        ModelError: The model was made for another sample rate, or has no tokens.
    """

    language: str | None = None

    def __init__(self, model: Any, tokenizer: Any, extractor: Any, name: str) -> None:
        if extractor.sampling_rate != SAMPLE_RATE:
            raise ModelError(
                f"{name}: expected a model for audio of {SAMPLE_RATE} Hz, found {extractor.sampling_rate} Hz"
            )
        self._model, self._tokenizer, self._extractor = model, tokenizer, extractor
        self.vocabulary = _vocabulary_of(model.config, tokenizer, name)

    @torch.inference_mode()
    def score_frames(self, samples: Samples) -> LogProbs:
        """See :class:`CtcModel`."""
        features = self._extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        logits = self._model(**features.to(self._model.device, self._model.dtype)).logits[0]
        if (mask_of := getattr(self._model, "_get_output_attention_mask", None)) is not None:
            # Parakeet and LASR give a frame of padding behind some recordings.
            logits = logits[mask_of(features["attention_mask"], target_length=len(logits))[0]]
        log_probs: LogProbs = logits.double().log_softmax(-1).cpu().numpy()
        return log_probs

    def decode(self, tokens: Sequence[int]) -> str:
        """See :class:`CtcModel`. Equal neighbors are two tokens: the library is not to join them."""
        spoken = [token for token in tokens if self.vocabulary.pieces[token]]
        text: str = self._tokenizer.decode(spoken, group_tokens=False)
        return text.strip()


def _vocabulary_of(config: Any, tokenizer: Any, name: str) -> CtcVocabulary:
    """The pieces of all outputs; the blank is the padding token, as in every CTC model of transformers."""
    blank, size = config.pad_token_id, config.vocab_size
    if blank is None or not 0 <= blank < size:
        raise ModelError(f"{name}: expected pad_token_id, the blank, from 0 to {size - 1}, found {blank}")
    delimiter = getattr(tokenizer, "word_delimiter_token", None)
    special = {*tokenizer.all_special_ids, blank}
    pieces = []
    for token, piece in enumerate(tokenizer.convert_ids_to_tokens(list(range(size)))):
        if piece == delimiter and delimiter is not None:
            pieces.append(" ")
        else:
            pieces.append("" if token in special or piece is None else piece.replace("\u2581", " "))
    return CtcVocabulary(blank, tuple(pieces))


def load(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> CtcModel:
    """Return the model of ``checkpoint`` on ``device``. ConfigError, ModelError."""
    if checkpoint.architecture == SPEECH_CTC:
        if config.dtype != "float32":
            raise ConfigError(f"dtype: a model of train_ctc computes in float32, found {config.dtype}")
        return load_speech_ctc(checkpoint, device)
    dtype = pick_dtype(config.dtype, device)
    model, tokenizer = load_transformers(checkpoint, "ctc", device, dtype)
    try:
        extractor = AutoFeatureExtractor.from_pretrained(  # type: ignore[no-untyped-call]
            checkpoint.path, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # transformers raises whatever its many readers raise
        raise ModelError(
            f"{checkpoint.reference}: expected a feature extractor (preprocessor_config.json), found none "
            f"that loads ({to_one_line(error, 200)})"
        ) from error
    return TransformersCtcModel(model, tokenizer, extractor, checkpoint.reference)


def build_decoder(loaded: CtcModel, checkpoint: Checkpoint, config: RecognitionConfig) -> CtcDecoder:
    """Return the decoder of what :func:`load` loaded."""
    return CtcDecoder(loaded, checkpoint.reference, config)
