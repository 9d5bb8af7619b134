"""A trained correction model: the candidates as one sequence, with separators -> one text.

"N-best T5" (Ma et al. 2023): the candidates, best first, are joined by a separator and corrected by an
encoder-decoder model. Of translations the source stands before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.decoding.config import SearchConfig
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.search import search
from components.errors import ConfigError
from components.files.files import read_json
from components.fusing.config import FuseConfig
from components.fusing.prompted import Answer, Question
from components.stacking.padding import pad_texts
from components.stacking.training.pre_translation import join_texts
from components.text.sanitization import find_control_tokens, sanitize
from components.translation.backends.encoder_decoder.model import to_sentence_translation
from components.translation.config import TranslationConfig
from components.translation.factory import load_resident

SETTINGS = "fuse.json"
"""File of a model's folder that says what it reads: ``candidates`` at most, and whether the ``source``."""


def join_question(question: Question, limit: int) -> str:
    """Return the source, where there is one, and the first ``limit`` candidates as one text."""
    return join_texts(*([question.source] if question.source else []), *question.candidates[:limit])


class TrainedFuser:
    """Writes with a model of kind ``train_fuse``."""

    def __init__(self, config: FuseConfig, store: str | None) -> None:
        settings = TranslationConfig(model=config.model, device=config.device, dtype=config.dtype)
        self.checkpoint, model, self._tokenizer = load_resident(config.model, settings, store)
        self.settings = read_model_settings(config.model, self.checkpoint.path)
        assert isinstance(model, Seq2SeqModel)
        self._model, self._controls = model, find_control_tokens(self._tokenizer)
        self._search = SearchConfig(beam_size=config.beam_size, n_best=1, max_new_tokens=config.max_tokens)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Write a text for each question; "" where it is too long for the model."""
        rows = [self.tokenize(question) for question in questions]
        short = [number for number, row in enumerate(rows) if len(row) <= self._model.positions]
        answers = [Answer("", 0.0, 0)] * len(questions)
        if short:
            ids, mask = pad_texts([(rows[number],) for number in short], self._model.vocabulary.pad)
            device = self._model.model.device
            scorer = self._model.build_scorer(
                input_ids=ids[:, 0].to(device), attention_mask=mask[:, 0].long().to(device)
            )
            processors = logits_processors_of(self._model.model)
            lists = search([scorer], self._search, logits_processors=processors)
            for number, candidates in zip(short, lists, strict=True):
                written = to_sentence_translation(self._tokenizer, candidates[0])
                answers[number] = Answer(written.text, written.score, len(written.tokens))
        return answers

    def tokenize(self, question: Question) -> tuple[int, ...]:
        """Return the question as token ids, as the model was trained on them."""
        plain = Question(
            [sanitize(text, self._controls) for text in question.candidates],
            sanitize(question.source, self._controls),
            question.languages,
        )
        return tuple(self._tokenizer(join_question(plain, self.settings["candidates"])).input_ids)


def read_model_settings(reference: str, folder: str) -> dict[str, int]:
    """Return what a model of kind ``train_fuse`` reads.

    Raises:
        ConfigError: it is another model.
    """
    path = Path(folder) / SETTINGS
    if not path.is_file():
        raise ConfigError(
            f"model: expected a model of kind train_fuse for method trained, found {reference}; train one, "
            "or take method prompted"
        )
    return {name: int(value) for name, value in read_json(path).items()}
