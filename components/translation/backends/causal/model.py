"""Translation by prompted decoder-only models: a few-shot prompt, or the tokenizer's chat template.

The texts of the prompts are in ``prompts/``. The source is sanitized: one line between delimiters, with those
delimiters and all control tokens taken out of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints import token_constraints
from components.decoding.constraints.guidance import UNGUIDED, DraftBuilder, Guidance
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.models.causal import CausalModel
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.scorers import TokenScorer, Vocabulary
from components.decoding.searches.search import search
from components.endpoints.connection import AnswerError
from components.errors import ConfigError, DataError, to_one_line
from components.text.languages import english_name, two_letters_of
from components.text.sanitization import find_control_tokens, sanitize
from components.translation.backends.encoder_decoder.model import to_sentence_translation
from components.translation.config import Context
from components.translation.context.few_shot_examples import read_examples
from components.translation.context.guides import TermsGuide
from components.translation.prompting import (
    CLOSE,
    OPEN,
    build_chat_messages,
    build_few_shot_prompt,
    build_instructions,
    read_prompt,
    repeats,
)
from components.translation.segments.language_tokens import NO_TARGET_LANGUAGE
from components.translation.segments.prepared_text import Sentence, Turn
from components.translation.sentence_translation import SentenceTranslation

_END_OF_TURN_TOKENS = ("<|im_end|>", "<|endoftext|>", "<end_of_turn>", "<|eot_id|>", "<|end|>")


class CausalBackend:
    """A :class:`.ContextBackend` over a :class:`CausalModel`.

    Args:
        model: the model, ready to be searched.
        tokenizer: the model's.
        search_config: the search.
        prompt: ``auto`` takes the chat template where the tokenizer has one.
        examples: a JSONL file of examples for the prompt; None: those in ``prompts/``.
        terms: those that translations should have.
        draft: a smaller model that proposes tokens to a greedy search.

    Attributes:
        context: what is read of the sentences before one, source and target where it is not set.

    Raises:
        ConfigError: The settings do not fit the model, or the examples cannot be read.
    """

    def __init__(
        self,
        model: CausalModel,
        tokenizer: Any,
        search_config: SearchConfig,
        *,
        prompt: Literal["auto", "few-shot", "chat", "completion"] = "auto",
        examples: str | None = None,
        terms: TermsGuide | None = None,
        draft: DraftBuilder | None = None,
    ) -> None:
        has_template = bool(getattr(tokenizer, "chat_template", None))
        if prompt == "chat" and not has_template:
            raise ConfigError(
                f"{model.name}: expected a chat template for prompt chat, found none: use few-shot"
            )
        self._chat = prompt == "chat" or (prompt == "auto" and has_template)
        self._model, self._tokenizer, self._search = model, tokenizer, search_config
        self.context: Context | None = None
        self._draft = draft
        self._own_examples = None if examples is None else read_examples(Path(examples))
        self._default_examples = [json.loads(line) for line in read_prompt("examples.jsonl").splitlines()]
        self.max_source = model.positions - search_config.max_new_tokens
        if self.max_source < 1:
            raise ConfigError(
                f"{model.name}: expected max_tokens below its {model.positions} positions, "
                f"found {search_config.max_new_tokens}"
            )
        self._newlines = () if self._chat else find_newline_tokens(tokenizer)
        self._control_tokens = (*find_control_tokens(tokenizer), OPEN, CLOSE)
        self._terms = terms
        self._instructions: set[str] = set()  # of the prompts so far
        self._eos = end_tokens(model, tokenizer, self._newlines)

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """Return the whole prompt as token ids."""
        return self._prepare(text, source, target, ())

    def prepare_in_context(
        self, text: str, source: str, target: str | None, turns: Sequence[Turn]
    ) -> Sentence | None:
        """Return the prompt with the sentences before one and their translations as its last examples.

        Where one of the two is not to be read, the other stands before the text. None where it is too long.
        """
        sentence = self._prepare(text, source, target, turns)
        return sentence if len(sentence.tokens) <= self.max_source else None

    def _prepare(self, text: str, source: str, target: str | None, turns: Sequence[Turn]) -> Sentence:
        if target is None:
            raise DataError(NO_TARGET_LANGUAGE)
        turns = [(self._clean(before), self._clean(translation)) for before, translation in turns]
        examples = self._examples_for(two_letters_of(source), two_letters_of(target))
        names = english_name(source), english_name(target)
        terms = self._terms.find(text) if self._terms else ()
        text = self._clean(text)
        build = build_chat_messages if self._chat else build_few_shot_prompt
        prompt = build(text, examples, *names, turns, self.context)
        self._instructions.add(build_instructions(*names, chat=self._chat))
        if self._chat:
            prompt = self._tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        ids = self._tokenizer(prompt, add_special_tokens=not self._chat, verbose=False).input_ids
        return Sentence(tuple(ids), target, terms=terms)

    def tokenize_answer(self, text: str) -> tuple[int, ...]:
        """Tokenize a translation that follows the prompt, end included: to be scored, not searched."""
        text = self._clean(text)
        if self._chat:
            return (*self._tokenizer(text, add_special_tokens=False).input_ids, self._eos[0])
        return tuple(self._tokenizer(f" {text}\n", add_special_tokens=False).input_ids)

    def _clean(self, text: str) -> str:
        return sanitize(text, self._control_tokens)

    def _examples_for(self, source: str, target: str) -> list[tuple[str, str]]:
        if self._own_examples is not None:
            return self._own_examples
        return [
            (row[source], row[target]) for row in self._default_examples if source in row and target in row
        ]

    def decode(self, sentences: Sequence[Sentence]) -> list[list[SentenceTranslation] | AnswerError]:
        """Search one batch; where the model says nothing but its instructions there is an error instead."""
        scorer, processors = self.open_search(sentences)
        nbests = search(
            [scorer],
            self._search,
            logits_processors=processors,
            keys=[sentence.key for sentence in sentences],
            guidance=self._guide(sentences),
        )
        return [
            self._without_instructions([self._to_translation(candidate) for candidate in candidates])
            for candidates in nbests
        ]

    def _without_instructions(
        self, translations: list[SentenceTranslation]
    ) -> list[SentenceTranslation] | AnswerError:
        others = [each for each in translations if not repeats(each.text, self._instructions)]
        if others:
            return others
        answer = to_one_line(translations[0].text, 60)
        detail = f"expected a translation, found its instructions: {answer}"
        return AnswerError("repeated instructions", detail)

    def _guide(self, sentences: Sequence[Sentence]) -> Guidance:
        """Return terms, or the model that proposes; both are not to be had."""
        if self._draft is not None:
            prompts = [sentence.tokens for sentence in sentences]
            return Guidance(draft=self._draft.build(prompts, eos=self._eos))
        return self._terms.guide(sentences) if self._terms else UNGUIDED

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens that it writes, with all that end an answer."""
        return replace(self._model.vocabulary, eos=self._eos)

    silent_tokens: Sequence[int] = ()
    """Tokens that may be forced at the beginning of a translation: none."""

    def open_search(self, sentences: Sequence[Sentence]) -> tuple[TokenScorer, list[LogitsProcessor]]:
        """Return the model over a batch of sentences, and its constraints."""
        prompts = [sentence.tokens for sentence in sentences]
        scorer = self._model.build_scorer(prompts, eos=self._eos)
        return scorer, answer_logits_processors(self._model, prompts, self._eos)

    def _to_translation(self, candidate: Candidate) -> SentenceTranslation:
        tokens = list(candidate.tokens)
        if candidate.eos_token in self._newlines and candidate.eos_token is not None:
            tokens.append(candidate.eos_token)  # it may carry the last full stop: ".\n" is one token for some
        text = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        line = text.replace(OPEN, " ").replace(CLOSE, " ").strip().split("\n", 1)[0]
        translation = to_sentence_translation(self._tokenizer, candidate, line)
        return self._terms.mark(translation, candidate) if self._terms else translation


def end_tokens(model: CausalModel, tokenizer: Any, newlines: Sequence[int] = ()) -> tuple[int, ...]:
    """Return the tokens that end an answer: the model's own, those that end a turn, and line breaks."""
    vocabulary = tokenizer.get_vocab()
    ends = [vocabulary[end] for end in _END_OF_TURN_TOKENS if end in vocabulary]
    return tuple(dict.fromkeys([*model.vocabulary.eos, *ends, *newlines]))


def answer_logits_processors(
    model: CausalModel, prompts: Sequence[Sequence[int]], eos: tuple[int, ...]
) -> list[LogitsProcessor]:
    """Return the logits processors of the model's settings, and one that forbids an empty answer."""
    return [
        token_constraints.suppress_at(0, eos),
        *logits_processors_of(model.model, eos=eos, prompts=prompts),
    ]


def find_newline_tokens(tokenizer: Any) -> tuple[int, ...]:
    """Return every token whose text holds a line break: where a line of the few-shot prompt ends."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    marks = ("Ċ", "\n") if any(piece.startswith("Ġ") for piece in vocabulary) else ("\n", "<0x0A>")
    return tuple(sorted(index for piece, index in vocabulary.items() if any(mark in piece for mark in marks)))
