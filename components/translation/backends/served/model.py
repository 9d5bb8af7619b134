"""Translation by a served chat model: a request per sentence, which is data in its prompt; many at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from components.endpoints.chat import ChatModel, Conversation, open_chat
from components.endpoints.chat_answer import ChatAnswer
from components.endpoints.connection import AnswerError
from components.errors import DataError
from components.models.references import split_reference
from components.records import Checkpoint
from components.text.languages import english_name, two_letters_of
from components.text.sanitization import as_prompt_data
from components.translation.config import TranslationConfig
from components.translation.context.context import ContextTranslator
from components.translation.context.few_shot_examples import read_examples
from components.translation.prompting import PROMPTS, build_chat_messages, build_few_shot_prompt
from components.translation.segments.language_tokens import NO_TARGET_LANGUAGE
from components.translation.segments.prepared_text import Sentence, Turn
from components.translation.sentence_translation import Candidates, SentenceTranslation
from components.translation.translator import Translator

MAX_CHARACTERS = 8000
"""Of a sentence; a longer one is halved at a pause."""
BATCH = 4096
"""Sentences that are handed over together; how many are asked at once is the endpoint's setting."""


@dataclass(frozen=True)
class PromptedSentence(Sentence):
    """A sentence and the conversation that asks for its translation; ``tokens`` are its characters."""

    conversation: Conversation = ()


class ServedBackend:
    """A :class:`.ContextBackend` over a served chat model."""

    max_source = MAX_CHARACTERS

    def __init__(self, model: ChatModel, config: TranslationConfig, seed: int = 0) -> None:
        self._model, self._max_tokens, self._seed = model, config.max_tokens, seed
        self._own_examples = None if config.examples is None else read_examples(Path(config.examples))
        self._completes = config.prompt == "completion"
        self._sampling = config.sampling
        self._few_shot, self._context = config.prompt in ("few-shot", "completion"), config.context

    def prepare(self, text: str, source: str, target: str | None) -> PromptedSentence:
        """Write the conversation that asks for one sentence."""
        return self.prepare_in_context(text, source, target, ())

    def prepare_in_context(
        self, text: str, source: str, target: str | None, turns: Sequence[Turn]
    ) -> PromptedSentence:
        """Write the same with the sentences before it, as in the prompt of a local causal model."""
        if target is None:
            raise DataError(NO_TARGET_LANGUAGE)
        turns = [(as_prompt_data(before), as_prompt_data(translation)) for before, translation in turns]
        examples = self._examples_for(two_letters_of(source), two_letters_of(target))
        text = as_prompt_data(text)
        names = english_name(source), english_name(target)
        if self._completes:
            prompt = build_few_shot_prompt(text, examples, *names, turns, self._context)
            conversation: Conversation = (("user", prompt),)
            return PromptedSentence(tuple(map(ord, text)), target, conversation=conversation)
        messages = build_chat_messages(text, examples, *names, turns, self._context)
        conversation = tuple((message["role"], message["content"]) for message in messages)
        return PromptedSentence(tuple(map(ord, text)), target, conversation=conversation)

    def _examples_for(self, source: str, target: str) -> list[tuple[str, str]]:
        if self._own_examples is not None:
            return self._own_examples
        if not self._few_shot:
            return []
        rows = map(json.loads, (PROMPTS / "examples.jsonl").read_text(encoding="utf-8").splitlines())
        return [(row[source], row[target]) for row in rows if source in row and target in row]

    def decode(self, sentences: Sequence[Sentence]) -> list[Candidates]:
        """Ask for every sentence at once; a sentence without an answer has its error instead."""
        conversations = [s.conversation for s in sentences if isinstance(s, PromptedSentence)]
        if self._sampling is None:
            return [
                answer if isinstance(answer, AnswerError) else [_to_translation(answer)]
                for answer in self._model.generate(conversations, self._max_tokens)
            ]
        parameters = {"temperature": self._sampling.temperature, "top_p": self._sampling.top_p}
        count, seed = self._sampling.count, self._seed
        draws = self._model.sample(conversations, self._max_tokens, count, parameters, seed)
        return [each if isinstance(each, AnswerError) else _number_draws(each) for each in draws]


def _number_draws(answers: Sequence[ChatAnswer]) -> list[SentenceTranslation]:
    """Return the samples of a sentence, best first, numbered as they were drawn."""
    drawn = [replace(_to_translation(answer), draw=number) for number, answer in enumerate(answers)]
    return sorted(drawn, key=lambda translation: -translation.rank)


def _to_translation(answer: ChatAnswer) -> SentenceTranslation:
    return SentenceTranslation(
        as_prompt_data(answer.text),
        answer.score,
        answer.score / max(len(answer.tokens), 1),
        answer.tokens,
        answer.finished,
        counts=answer.counts,
    )


def build_served(config: TranslationConfig, checkpoint: Checkpoint, seed: int = 0) -> Translator:
    """Return the translator of a served model; what belongs to a search of our own does not count.

    Raises:
        ConfigError: The endpoint is set nowhere, or refuses the key or the model.
        TransientError: The server does not answer.
    """
    name = split_reference(config.model)[1]
    model = open_chat(name, again=True, completions=config.prompt == "completion")
    backend = ServedBackend(model, config, seed)
    if config.context is not None:
        number = config.context.sentences
        return ContextTranslator(backend, checkpoint, n_best=1, batch_size=BATCH, context_sentences=number)
    sampling = config.sampling
    n_best = 1 if sampling is None else sampling.count
    return Translator(backend, checkpoint, n_best=n_best, batch_size=BATCH, samples=sampling is not None)
