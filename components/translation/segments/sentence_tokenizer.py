"""Sentences -> the tokens that an encoder-decoder translator reads, and the first ones that it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from components.decoding.models.generation_settings import as_tuple
from components.errors import DataError
from components.models.architectures import MULTILINGUAL
from components.text.languages import two_letters_of
from components.text.sanitization import find_control_tokens, sanitize
from components.translation.config import Context
from components.translation.segments.language_tokens import (
    NO_TARGET_LANGUAGE,
    find_language_token,
    find_target_tag,
    find_target_tags,
    refuse_other_direction,
)
from components.translation.segments.prepared_text import Sentence, Turn


class SentenceTokenizer:
    """What transformers' tokenizer and a model's settings say of its input.

    Args:
        tokenizer: the model's.
        config: the model's settings.
        positions: that its decoder has at most.
        room: positions of the decoder that a sentence itself needs, start token included.
        context: what is read of the sentences before one.

    Attributes:
        max_source: tokens of a sentence that the model can read at most.
    """

    def __init__(
        self, tokenizer: Any, config: Any, *, positions: int, room: int, context: Context | None = None
    ) -> None:
        self._tokenizer, self._config, self._context = tokenizer, config, context
        limit = getattr(config, "max_encoder_position_embeddings", positions)
        self.max_source = min(int(limit), int(tokenizer.model_max_length))
        self._max_prefix = positions - room
        self._is_multilingual = config.model_type in MULTILINGUAL
        self._vocabulary = tokenizer.get_vocab()
        self._target_tags = find_target_tags(self._vocabulary)
        self._control_tokens = find_control_tokens(tokenizer)
        self._separator: tuple[int, ...] = ()
        if context is not None and not context.target:
            self._separator = self._tokenize_written(context.separator, None)

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """Token ids of a sentence with what the model expects around it: language codes, prefix, eos."""
        return self._tokenize(sanitize(text, self._control_tokens), source, target)

    def prepare_in_context(
        self, text: str, source: str, target: str | None, turns: Sequence[Turn]
    ) -> Sentence | None:
        """Join a sentence to those before it, and its translation to theirs; None where that is too long."""
        context = self._context
        assert context is not None
        joint = f" {context.separator} " if context.separator else " "
        before = [self._clean(earlier) for earlier, _ in turns] if context.source else []
        sentence = self._tokenize(joint.join([*before, self._clean(text)]), source, target)
        if context.target:
            written = joint.join(self._clean(translation) for _, translation in turns)
            sentence = replace(sentence, prefix=self._tokenize_written((written + joint).strip(), target))
        fits = len(sentence.tokens) <= self.max_source and len(sentence.prefix) < self._max_prefix
        return sentence if fits else None

    def tokenize_target(self, text: str, target: str | None) -> tuple[int, ...]:
        """Return a translation as the decoder writes it, eos last; see :meth:`count_forced`."""
        written = self._tokenize_written(sanitize(text, self._control_tokens), target)
        (eos, *_) = as_tuple(self._config.eos_token_id) or (self._tokenizer.eos_token_id,)
        return (*written, int(eos))

    def count_forced(self, target: str | None) -> int:
        """How many tokens of a translation are not the model's choice: that of its language, if any."""
        return 0 if self._first_token(target) is None else 1

    def _clean(self, text: str) -> str:
        """Return a part of a text in context, which spells no separator."""
        separator = self._context.separator if self._context else ""
        return sanitize(text, (*self._control_tokens, *([separator] if separator else [])))

    def _tokenize(self, text: str, source: str, target: str | None) -> Sentence:
        prefix = ""
        if self._is_multilingual:
            if target is None:
                raise DataError(NO_TARGET_LANGUAGE)
            code = find_language_token(self._tokenizer, source)
            self._tokenizer.src_lang = code.strip("_") if code.startswith("__") else code
            find_language_token(self._tokenizer, target)
        else:
            prefix = self._source_prefix(source, target)
        ids = self._tokenizer(prefix + text, truncation=False, verbose=False).input_ids
        return Sentence(tuple(ids), target)

    def _tokenize_written(self, text: str, target: str | None) -> tuple[int, ...]:
        """A translation as the decoder begins it: the token of its language, if it has one, and the text."""
        own = {"text": text} if self._is_multilingual else {"text_target": text}  # one vocabulary, or two
        ids = self._tokenizer(**own, add_special_tokens=False, verbose=False).input_ids
        bos = [] if (token := self._first_token(target)) is None else [token]
        return (*bos, *(int(token) for token in ids))

    def _first_token(self, target: str | None) -> int | None:
        """Return the token of the target language that a multilingual model writes first."""
        if not self._is_multilingual or target is None:
            return None
        return int(self._vocabulary[find_language_token(self._tokenizer, target)])

    def _source_prefix(self, source: str, target: str | None) -> str:
        declared = (
            getattr(self._tokenizer, "source_lang", None),
            getattr(self._tokenizer, "target_lang", None),
        )
        refuse_other_direction(declared, source, target)
        tag = find_target_tag(self._target_tags, target)
        if tag or target is None:
            return f"{tag} " if tag else ""
        tasks = getattr(self._config, "task_specific_params", None) or {}
        task = tasks.get(f"translation_{two_letters_of(source)}_to_{two_letters_of(target)}")
        return "" if task is None else str(task.get("prefix", ""))
