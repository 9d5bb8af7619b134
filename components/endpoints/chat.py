"""Conversations -> next turns of a model behind a chat endpoint: greedy, with log-probabilities if given."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from components.endpoints.answer_form import AnswerForm, TokenForm
from components.endpoints.connection import AnswerError, Connection, RefusedError, ServerFaultError, connect
from components.endpoints.endpoint import Endpoint, find_endpoint
from components.endpoints.usage import INPUT_TOKENS, OUTPUT_TOKENS
from components.errors import AntiphonError, ModelError
from components.records import Token

if TYPE_CHECKING:
    from openai import OpenAI

Turn = tuple[str, str]
"""A role (system, user, assistant) and its words."""
Conversation = tuple[Turn, ...]
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_PROBE: Conversation = (("user", "Hi"),)


class _LogProbsForm(AnswerForm):
    content: list[TokenForm] | None = None


class _MessageForm(AnswerForm):
    content: str | None = None
    refusal: str | None = None


class _ChoiceForm(AnswerForm):
    message: _MessageForm
    finish_reason: str | None = None
    logprobs: _LogProbsForm | None = None


class _UsageForm(AnswerForm):
    prompt_tokens: int = Field(0, ge=0)
    completion_tokens: int = Field(0, ge=0)


class _CompletionForm(AnswerForm):
    choices: list[_ChoiceForm] = Field(min_length=1)
    usage: _UsageForm | None = None
    system_fingerprint: str | None = None


class ChatAnswer(NamedTuple):
    """What a model wrote.

    Attributes:
        text: stripped, without the thoughts that some models write before it.
        tokens: with their log-probabilities (nats); empty where the server gives none.
        finished: whether it ended by itself, not at the limit.
        input_tokens: that it read, as the server counts.
        output_tokens: that it wrote, thoughts among them, as the server counts.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    finished: bool = True
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def counts(self) -> dict[str, float]:
        """What is paid for, as features of a hypothesis."""
        counts = {INPUT_TOKENS: self.input_tokens, OUTPUT_TOKENS: self.output_tokens}
        return {name: float(count) for name, count in counts.items() if count}

    @property
    def score(self) -> float:
        """Log-probability of the tokens (nats); 0 where the server gives none."""
        return math.fsum(token.log_prob for token in self.tokens)


class ChatModel:
    """A model behind a chat endpoint.

    Servers differ in the parameters that they take; those that this one refuses are found out by a request of
    one token, before the first of a process, and are left out.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._connection: Connection = connect(endpoint)
        self._parameters: dict[str, Any] | None = None
        self._fingerprint = ""

    def generate(
        self, conversations: Sequence[Conversation], max_tokens: int
    ) -> list[ChatAnswer | AnswerError]:
        """Ask for the next turn of each conversation; an entry per conversation, in order.

        Args:
            conversations: each ends with a turn of the user.
            max_tokens: of an answer.

        Raises:
            ConfigError: the key or the model is refused.
            TransientError: the server does not answer; what it answered so far is kept.
        """
        self.probe()

        def ask(conversation: Conversation) -> _CompletionForm:
            body = self._body(conversation, max_tokens)
            identity = {"chat": body, "url": self.endpoint.url, "fingerprint": self.fingerprint}
            return self._connection.ask(
                lambda client: _complete(client, body), _CompletionForm, identity, self._is_alive
            )

        answers = self._connection.ask_all(ask, conversations)
        return [answer if isinstance(answer, AnswerError) else self._read(answer) for answer in answers]

    @property
    def fingerprint(self) -> str:
        """What the server says of its weights and settings (``system_fingerprint``), or what was set."""
        if self.endpoint.fingerprint is not None:
            return self.endpoint.fingerprint
        self.probe()
        return self._fingerprint

    def probe(self, *, again: bool = False) -> None:
        """Ask for one token: whether the server takes the key, the model and the parameters.

        Args:
            again: also where this process did so: the server may be another one by now.

        Raises:
            ConfigError: the key or the model is refused.
            ModelError: it answers no conversation.
            TransientError: the server does not answer.
        """
        with self._connection.lock:
            if self._parameters is None or again:
                self._parameters, answer = self._find_parameters()
                self._fingerprint = answer.system_fingerprint or ""

    def _find_parameters(self) -> tuple[dict[str, Any], _CompletionForm]:
        parameters: dict[str, Any] = {"max_tokens": True, "temperature": 0, "logprobs": True}
        while True:
            try:
                return parameters, self._send_probe(parameters)
            except RefusedError as refusal:
                parameters = _without_refused(parameters, refusal)
            except ServerFaultError as fault:
                raise fault.with_advice("try again, or check its address and log") from None

    def _send_probe(self, parameters: Mapping[str, Any], retries: int | None = None) -> _CompletionForm:
        body = self._fill(parameters, _PROBE, 16)
        return self._connection.send(lambda client: _complete(client, body), _CompletionForm, retries=retries)

    def _is_alive(self) -> bool:
        try:
            self._send_probe(self._parameters or {}, retries=0)
        except AntiphonError:
            return False
        return True

    def _body(self, conversation: Conversation, max_tokens: int) -> dict[str, Any]:
        assert self._parameters is not None
        return self._fill(self._parameters, conversation, max_tokens)

    def _fill(
        self, parameters: Mapping[str, Any], conversation: Conversation, max_tokens: int
    ) -> dict[str, Any]:
        limits = {name: max_tokens for name in parameters if name.startswith("max_")}
        messages = [{"role": role, "content": words} for role, words in conversation]
        return {"model": self.endpoint.model, "messages": messages, **parameters, **limits}

    def _read(self, answer: _CompletionForm) -> ChatAnswer | AnswerError:
        choice = answer.choices[0]
        usage = answer.usage or _UsageForm(prompt_tokens=0, completion_tokens=0)
        content = choice.message.content or ""
        text = _THOUGHTS.sub("", content).strip()
        finished = choice.finish_reason != "length"
        if choice.finish_reason == "content_filter" or (choice.message.refusal and not text):
            return AnswerError(
                "refused by the server", f"{self.endpoint.reference}: its content filter applied"
            )
        if not text or (not finished and content.lstrip().startswith("<think>") and text == content.strip()):
            advice = "" if finished else ": it reached max_tokens before; raise it"
            return AnswerError("no answer", f"{self.endpoint.reference}: expected text, found none{advice}")
        rows = (choice.logprobs.content if choice.logprobs else None) or []
        tokens = tuple(Token(piece=row.token, log_prob=min(row.logprob, 0.0)) for row in rows)
        return ChatAnswer(text, tokens, finished, usage.prompt_tokens, usage.completion_tokens)


def _complete(client: OpenAI, body: Mapping[str, Any]) -> str:
    return client.chat.completions.with_raw_response.create(**body).text


def _without_refused(parameters: dict[str, Any], refusal: RefusedError) -> dict[str, Any]:
    """Parameters without the one that a server refuses; ModelError where it refuses the request itself."""
    named = next((name for name in parameters if name in refusal.message), None)
    if "max_tokens" in parameters and "max_completion_tokens" in refusal.message:
        return {"max_completion_tokens": True, **{k: v for k, v in parameters.items() if k != "max_tokens"}}
    if named is None and "logprobs" in parameters:
        named = "logprobs"  # the one that servers lack most often, not all of which say so
    if named is None:
        raise ModelError(f"{refusal}; is it a chat model?")
    return {name: value for name, value in parameters.items() if name != named}


_MODELS: dict[Endpoint, ChatModel] = {}


def open_chat(name: str, *, again: bool = False) -> ChatModel:
    """Return the chat model ``served:NAME``, one per process, once its server has answered.

    Args:
        name: what follows ``served:``.
        again: whether the server is to answer now, as it may be another one since the last time.

    Raises:
        ConfigError: the endpoint is set nowhere, or the key or the model is refused.
        ModelError: it answers no conversation.
        TransientError: the server does not answer.
    """
    endpoint = find_endpoint(name)
    model = _MODELS.setdefault(endpoint, ChatModel(endpoint))
    model.probe(again=again)
    return model
