"""What chat endpoints answer: the forms of it, and the text and counts that are read of it."""

from __future__ import annotations

import math
import re
from itertools import accumulate
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from components.endpoints.answer_form import AnswerForm, NullableCount, TokenForm
from components.endpoints.connection import AnswerError
from components.records import Token
from components.served_usage import INPUT_TOKENS, OUTPUT_TOKENS

_THOUGHTS = re.compile(r"\A(\s*<think>)?.*?</think>\s*", re.DOTALL)
"""Templates of some models begin them in the prompt."""


class _LogProbsForm(AnswerForm):
    content: list[TokenForm] | None = None


def _join_parts(content: object) -> object:
    """Return the texts of a message that comes in parts, as some servers write it, as one."""
    if not isinstance(content, list):
        return content
    return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))


class _MessageForm(AnswerForm):
    content: Annotated[str | None, BeforeValidator(_join_parts)] = None
    refusal: str | None = None


class _ChoiceForm(AnswerForm):
    message: _MessageForm
    finish_reason: str | None = None
    logprobs: _LogProbsForm | None = None


class _UsageForm(AnswerForm):
    prompt_tokens: NullableCount = 0
    completion_tokens: NullableCount = 0


class CompletionForm(AnswerForm):
    """The answer of a chat endpoint."""

    choices: list[_ChoiceForm] = Field(min_length=1)
    usage: _UsageForm | None = None
    system_fingerprint: str | None = None


class _TextLogProbsForm(AnswerForm):
    tokens: list[str] = Field(default_factory=list)
    token_logprobs: list[float | None] = Field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The tokens that have a log-probability, as a chat endpoint writes them."""
        pairs = zip(self.tokens, self.token_logprobs, strict=False)
        return [{"token": token, "logprob": value} for token, value in pairs if value is not None]


class _TextChoiceForm(AnswerForm):
    text: str
    finish_reason: str | None = None
    logprobs: _TextLogProbsForm | None = None


class TextAnswerForm(AnswerForm):
    """The answer of a completions endpoint."""

    choices: list[_TextChoiceForm] = Field(min_length=1)
    usage: _UsageForm | None = None
    system_fingerprint: str | None = None

    def as_chat_answer(self) -> dict[str, Any]:
        """Return the same in the form of a chat endpoint."""
        choices = [
            {
                "message": {"content": choice.text},
                "finish_reason": choice.finish_reason,
                "logprobs": {"content": choice.logprobs.rows} if choice.logprobs else None,
            }
            for choice in self.choices
        ]
        rest = self.model_dump(mode="json", include={"usage", "system_fingerprint"})
        return {"choices": choices, **rest}


class ChatAnswer(NamedTuple):
    """What a model wrote.

    Attributes:
        text: stripped, without the thoughts that some models write before it.
        tokens: of the text, with their log-probabilities (nats); empty where the server gives none.
        finished: whether it ended by itself, not at the limit.
        input_tokens: that it read, as the server counts; of several answers each has its share.
        output_tokens: that it wrote, thoughts among them, likewise.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    finished: bool = True
    input_tokens: float = 0
    output_tokens: float = 0

    @property
    def counts(self) -> dict[str, float]:
        """What is paid for, as features of a hypothesis."""
        counts = {INPUT_TOKENS: self.input_tokens, OUTPUT_TOKENS: self.output_tokens}
        return {name: float(count) for name, count in counts.items() if count}

    @property
    def score(self) -> float:
        """Log-probability of the tokens (nats); 0 where the server gives none."""
        return math.fsum(token.log_prob for token in self.tokens)


def read_answers(answer: CompletionForm, reference: str) -> list[ChatAnswer] | AnswerError:
    """Return every choice that says something; the first fault where none does.

    Args:
        answer: of a server; what it counts is shared out among the choices.
        reference: of the model, for messages.
    """
    read = [_read(choice, answer.usage, len(answer.choices), reference) for choice in answer.choices]
    texts = [each for each in read if isinstance(each, ChatAnswer)]
    return texts or next(each for each in read if isinstance(each, AnswerError))


def _read(
    choice: _ChoiceForm, usage: _UsageForm | None, choices: int, reference: str
) -> ChatAnswer | AnswerError:
    content = choice.message.content or ""
    thoughts = _THOUGHTS.match(content)
    begin = thoughts.end() if thoughts else 0
    text = content[begin:].strip()
    finished = choice.finish_reason != "length"
    if choice.finish_reason == "content_filter" or (choice.message.refusal and not text):
        return AnswerError("refused by the server", f"{reference}: its content filter applied")
    if not text or (not finished and content.lstrip().startswith("<think>") and text == content.strip()):
        advice = "" if finished else ": it reached max_tokens before; raise it"
        return AnswerError("no answer", f"{reference}: expected text, found none{advice}")
    rows = (choice.logprobs.content if choice.logprobs else None) or []
    ends = accumulate(len(row.token) for row in rows)
    own = [row for row, end in zip(rows, ends, strict=True) if end > begin]
    tokens = tuple(Token(piece=row.token, log_prob=min(row.logprob, 0.0)) for row in own)
    counted = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
    return ChatAnswer(text, tokens, finished, *(count / choices for count in counted))


def count_tokens(answer: CompletionForm | AnswerError) -> dict[str, float]:
    """Return what the server counted of an answer."""
    usage = None if isinstance(answer, AnswerError) else answer.usage
    if usage is None:
        return {}
    return {INPUT_TOKENS: float(usage.prompt_tokens), OUTPUT_TOKENS: float(usage.completion_tokens)}
