"""A prompted language model that reads numbered candidates and writes one text.

Generative error correction by prompting (Yang et al. 2023; Chen et al. 2023, "HyPoradise"). Candidates and
source are untrusted data: one line each between marks, with the marks and control tokens taken out of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.models.causal import CausalModel
from components.decoding.searches.search import search
from components.endpoints.chat import open_chat
from components.endpoints.connection import AnswerError
from components.errors import ConfigError
from components.fusing.config import FuseConfig
from components.models.references import is_elsewhere, split_reference
from components.models.sources.served import served_model
from components.text.languages import base_of, english_name
from components.text.sanitization import as_prompt_data, find_control_tokens, sanitize
from components.translation.backends.causal.model import (
    answer_logits_processors,
    end_tokens,
    find_newline_tokens,
)
from components.translation.config import TranslationConfig
from components.translation.factory import load_resident

PROMPTS = Path(__file__).parent / "prompts"
MARKS = ("<source>", "</source>", "<candidates>", "</candidates>")


class Question(NamedTuple):
    """What is to be fused: candidates, the text that they translate ("" of transcripts), languages."""

    candidates: list[str]
    source: str
    languages: tuple[str, str]


class Answer(NamedTuple):
    """What a model wrote, its log-probability (nats) and number of tokens."""

    text: str
    score: float
    n_tokens: int


class PromptedFuser:
    """Asks a causal language model, by its chat template where it has one, else by lines."""

    def __init__(self, config: FuseConfig, store: str | None) -> None:
        settings = TranslationConfig(model=config.model, device=config.device, dtype=config.dtype)
        self.checkpoint, model, self._tokenizer = load_resident(config.model, settings, store)
        if not isinstance(model, CausalModel):
            raise ConfigError(
                f"model: expected a causal language model for method prompted, found {config.model}"
            )
        self._model, self._config = model, config
        self._chat = bool(getattr(self._tokenizer, "chat_template", None))
        newlines = () if self._chat else find_newline_tokens(self._tokenizer)
        self._eos = end_tokens(model, self._tokenizer, newlines)
        self._controls = (*find_control_tokens(self._tokenizer), *MARKS)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Write a text for each question, greedily; "" where its prompt is too long for the model."""
        prompts = [self.tokenize(question) for question in questions]
        room = self._model.positions - self._config.max_tokens
        short = [number for number, prompt in enumerate(prompts) if len(prompt) <= room]
        answers = [Answer("", 0.0, 0)] * len(questions)
        if short:
            asked = [prompts[number] for number in short]
            scorer = self._model.build_scorer(asked, eos=self._eos)
            settings = SearchConfig(beam_size=1, max_new_tokens=self._config.max_tokens)
            processors = answer_logits_processors(self._model, asked, self._eos)
            lists = search([scorer], settings, logits_processors=processors)
            for number, candidates in zip(short, lists, strict=True):
                answers[number] = self._to_answer(candidates[0])
        return answers

    def tokenize(self, question: Question) -> tuple[int, ...]:
        """Return the whole prompt as token ids."""
        messages = self.build_messages(question)
        if self._chat:
            prompt = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return tuple(self._tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids)
        lines = [message["content"] for message in messages]
        answers = [
            f"Answer: {line}" if number and number % 2 == 0 else line for number, line in enumerate(lines)
        ]
        return tuple(self._tokenizer("\n\n".join(answers) + "\nAnswer:", verbose=False).input_ids)

    def build_messages(self, question: Question) -> list[dict[str, str]]:
        """Return instructions, examples as earlier turns, and the question as the last one."""
        source, target = map(base_of, question.languages)
        kind = "translation" if question.source else "transcript"
        names = {"source": english_name(source), "target": english_name(target)}
        messages = [{"role": "system", "content": _read(f"{kind}.txt").strip().format(**names)}]
        for row in map(json.loads, _read("examples.jsonl").splitlines()):
            if ("source" in row) == bool(question.source):
                shown = Question(row["candidates"], row.get("source", ""), question.languages)
                messages += [
                    {"role": "user", "content": self.describe(shown)},
                    {"role": "assistant", "content": row["answer"]},
                ]
        return [*messages, {"role": "user", "content": self.describe(question)}]

    def describe(self, question: Question) -> str:
        """Return the source and numbered candidates between their marks."""
        lines = [f"<source>{self._clean(question.source)}</source>"] if question.source else []
        numbered = (f"{n}. {self._clean(text)}" for n, text in enumerate(question.candidates, 1))
        return "\n".join([*lines, "<candidates>", *numbered, "</candidates>"])

    def _clean(self, text: str) -> str:
        return sanitize(text, self._controls)

    def _to_answer(self, candidate: Candidate) -> Answer:
        tokens = list(candidate.tokens)
        if candidate.eos_token is not None and not self._chat:
            tokens.append(candidate.eos_token)  # it may carry the last full stop: ".\n" is one token for some
        text = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Answer(text.strip(), candidate.score, len(candidate.tokens))


def _read(name: str) -> str:
    return (PROMPTS / name).read_text(encoding="utf-8")


class ServedFuser(PromptedFuser):
    """Asks a served model in the same words; without an answer the first candidate stays."""

    def __init__(self, config: FuseConfig) -> None:
        name = split_reference(config.model)[1]
        self.checkpoint = served_model(name)
        self._config, self._served = config, open_chat(name, again=True)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Ask for a text for each question, all at once."""
        conversations = [
            tuple((turn["role"], turn["content"]) for turn in self.build_messages(question))
            for question in questions
        ]
        answers = self._served.generate(conversations, self._config.max_tokens)
        return [
            Answer("", 0.0, 0)
            if isinstance(answer, AnswerError)
            else Answer(answer.text, answer.score, len(answer.tokens))
            for answer in answers
        ]

    def _clean(self, text: str) -> str:
        return sanitize(as_prompt_data(text), MARKS)


def make_prompted_fuser(config: FuseConfig, store: str | None) -> PromptedFuser:
    """Return the fuser of a model, served or here."""
    return ServedFuser(config) if is_elsewhere(config.model) else PromptedFuser(config, store)
