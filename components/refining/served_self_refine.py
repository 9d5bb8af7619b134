"""Self-refine by a served chat model: the same prompts, as a conversation of one turn."""

from __future__ import annotations

from collections.abc import Sequence

from components.endpoints.chat import open_chat
from components.endpoints.connection import AnswerError
from components.endpoints.prompt_data import as_prompt_data
from components.models.references import is_elsewhere, split_reference
from components.models.sources.served import served_model
from components.records import Utterance
from components.refining.config import RefineConfig
from components.refining.self_refine import PROMPT_LABELS, Line, SelfRefiner, find_examples, read_prompt_file
from components.text.sanitization import sanitize


class ServedSelfRefiner(SelfRefiner):
    """Proposes corrections of drafts; languages for which the prompt has no examples go without."""

    def __init__(self, config: RefineConfig) -> None:
        name = split_reference(config.model)[1]
        self.checkpoint = served_model(name)
        self._config, self._model = config, open_chat(name, again=True)
        self._instructions = read_prompt_file("served.txt").strip()

    def check(self, item: Utterance) -> None:
        """Refuse nothing: which languages the model knows is known to its server at most."""

    def _examples_for(self, source: str, target: str) -> list[dict[str, str]]:
        return find_examples(source, target)

    def _as_prompt_data(self, text: str) -> str:
        return sanitize(as_prompt_data(text), PROMPT_LABELS)

    def _generate_lines(self, prompts: Sequence[str]) -> list[Line]:
        conversations = [(("system", self._instructions), ("user", prompt)) for prompt in prompts]
        lines = []
        for answer in self._model.generate(conversations, self._config.max_tokens):
            if isinstance(answer, AnswerError):
                raise answer  # the caller singles out the text
            text = self._as_prompt_data(answer.text.split("\n", 1)[0])
            lines.append(Line(text, answer.score if answer.tokens else None, answer.counts))
        return lines


def make_self_refiner(config: RefineConfig, store: str | None) -> SelfRefiner:
    """Return the refiner of a model, served or here."""
    return ServedSelfRefiner(config) if is_elsewhere(config.model) else SelfRefiner(config, store)
