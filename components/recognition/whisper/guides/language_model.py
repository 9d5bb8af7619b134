"""Language models that read what Whisper writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.compute.openai_whisper import Tokenizer
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.text_synchronous.text_fusion import TextFusion, TextModel, WeightedTextModel
from components.models.loaders.language_model import load_language_model
from components.recognition.config import RecognitionConfig, is_ngram
from components.recognition.ctc.characters import spell
from components.recognition.whisper.windows.decoding_state import WindowStream


class LanguageModelGuide:
    """Adds the scores of language models; see :mod:`components.decoding.text_synchronous.text_fusion`.

    Args:
        models: them, with their weights.
    """

    def __init__(self, models: Sequence[WeightedTextModel]) -> None:
        self._models = models

    def build_bias(
        self, streams: Sequence[WindowStream], tokenizer: Tokenizer, n_vocab: int
    ) -> LogitsProcessor:
        """Return scores of the text of each window by itself."""

        def decode(tokens: Sequence[int]) -> str:
            text: str = tokenizer.decode([token for token in tokens if token < tokenizer.eot])
            return text

        return TextFusion(self._models, decode, [tokenizer.eot])


def build(config: RecognitionConfig, store: str | None, task: str) -> LanguageModelGuide:
    """Build the guide by ``config``'s language models, which stay in memory. ConfigError, ModelError."""
    fusion = config.language_model
    assert fusion is not None

    def load(reference: str) -> TextModel:
        if not is_ngram(reference):
            return load_language_model(reference, store, config.device)
        from components.models.loaders.ngram import NgramModel  # noqa: PLC0415 - an extra

        return NgramModel(Path(reference), spell)

    models = [WeightedTextModel(load(fusion.model), fusion.weight)]
    if fusion.source is not None:
        models.append(WeightedTextModel(load(fusion.source), -fusion.weight))
    return LanguageModelGuide(models)
