"""Fusing by a served chat model: the conversation of a local one."""

from __future__ import annotations

from collections.abc import Sequence

from components.endpoints.chat import open_chat
from components.endpoints.connection import AnswerError
from components.endpoints.prompt_data import as_prompt_data
from components.fusing.config import FuseConfig
from components.fusing.prompted import MARKS, Answer, PromptedFuser, Question
from components.models.references import is_elsewhere, split_reference
from components.models.sources.served import served_model
from components.text.sanitization import sanitize


class ServedFuser(PromptedFuser):
    """Asks a served model; where it has no answer, the text is empty and the first candidate stays."""

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
