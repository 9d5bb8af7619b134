"""Translation by edit diffusion: a translation is the canvas after the last step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.searches.edit_diffusion import EditDiffusionModel
from components.errors import ModelError
from components.networks.writer_trace import Tokens
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend, to_sentence_translation
from components.translation.segments.prepared_text import Sentence
from components.translation.sentence_translation import SentenceTranslation, TranslationBackend


class EditDiffusionBackend(Seq2SeqBackend):
    """A :class:`.TranslationBackend`: from an empty canvas, step by step.

    Args:
        model: the model, ready to be decoded.
        tokenizer: the model's.
        search_config: of every step's beam search.
        steps: steps at most; None: all of the model's.
    """

    def __init__(
        self, model: EditDiffusionModel, tokenizer: Any, search_config: SearchConfig, steps: int | None = None
    ) -> None:
        super().__init__(model, tokenizer, search_config)  # type: ignore[arg-type]
        self.diffusion = model
        self.steps = min(steps or model.network.steps, model.network.steps)

    def decode(self, sentences: Sequence[Sentence]) -> list[list[SentenceTranslation]]:
        """Translate one batch; one candidate each, with the score of the last step."""
        canvases: list[Tokens] = [()] * len(sentences)
        source = self.pad(sentences)
        for t in range(self.steps, 0, -1):
            candidates = self.denoise(source, canvases, t)
            canvases = [candidate.tokens for candidate in candidates]
        return [[to_sentence_translation(self._tokenizer, candidate)] for candidate in candidates]

    def denoise(self, source: tuple[Tensor, Tensor], canvases: Sequence[Tokens], t: int) -> list[Candidate]:
        """Take one step of the reverse process on a batch of canvases."""
        limit = self.diffusion.positions - 2
        config = SearchConfig(beam_size=self._search.beam_size, max_new_tokens=limit)
        cut_canvases = [canvas[: self.diffusion.positions // 2] for canvas in canvases]
        return self.diffusion.denoise(source, cut_canvases, t, config)


def translate_all(
    backend: TranslationBackend, texts: Sequence[str], languages: tuple[str, str], batch_size: int = 64
) -> list[str]:
    """Return the best translation of each text, taken as one sentence, in order; batches of similar length.

    Of what is longer than the model reads only the beginning is translated.
    """
    prepared = [backend.prepare(text, *languages) for text in texts]
    sentences = [replace(each, tokens=each.tokens[: backend.max_source]) for each in prepared]
    order = sorted(range(len(texts)), key=lambda i: len(sentences[i].tokens))
    output = [""] * len(texts)
    for first in range(0, len(order), batch_size):
        rows = order[first : first + batch_size]
        for i, candidates in zip(rows, backend.decode([sentences[i] for i in rows]), strict=True):
            if isinstance(candidates, ModelError):
                raise candidates
            output[i] = candidates[0].text
    return output
