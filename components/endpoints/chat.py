"""Conversations -> next turns of a model behind a chat endpoint, with log-probabilities if given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.compute.profiling import note_usage
from components.endpoints.chat_answer import (
    ChatAnswer,
    CompletionForm,
    TextAnswerForm,
    count_tokens,
    read_answers,
)
from components.endpoints.connection import AnswerError, Connection, RefusedError, ServerFaultError, connect
from components.endpoints.endpoint import Endpoint, find_endpoint
from components.errors import AntiphonError, ModelError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Turn = tuple[str, str]
"""A role (system, user, assistant) and its words."""
Conversation = tuple[Turn, ...]
_PROBE: Conversation = (("user", "Hi"),)


class ChatModel:
    """A model behind a chat endpoint.

    Servers differ in the parameters that they take; those that this one refuses are found out by a request of
    one token, before the first of a process, and are left out.
    """

    endpoint_kind = "chat"
    """What tells its requests from those of other endpoints of the same server."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._connection: Connection = connect(endpoint)
        self._parameters: dict[str, Any] | None = None
        self._fingerprint = ""

    def generate(
        self,
        conversations: Sequence[Conversation],
        max_tokens: int,
        sampling: Mapping[str, float] | None = None,
    ) -> list[ChatAnswer | AnswerError]:
        """Ask for the next turn of each conversation; an entry per conversation, in order.

        Args:
            conversations: each ends with a turn of the user.
            max_tokens: of an answer.
            sampling: parameters such as the temperature in place of greedy decoding.

        Raises:
            ConfigError: the key or the model is refused.
            TransientError: the server does not answer; what it answered so far is kept.
        """
        answers = self._ask_all([(each, {}) for each in conversations], max_tokens, sampling)
        return [answer[0] if isinstance(answer, list) else answer for answer in answers]

    def sample(
        self,
        conversations: Sequence[Conversation],
        max_tokens: int,
        count: int,
        sampling: Mapping[str, float],
        seed: int = 0,
    ) -> list[list[ChatAnswer] | AnswerError]:
        """Draw ``count`` next turns of each conversation; raises as :meth:`generate`.

        They are asked for in one request (``n``). A server that gives fewer is asked for the others one by
        one. An answer that is none is left out, and an error where none is left. Servers draw as they like:
        ``seed`` only tells draws apart that were kept.
        """
        own = {"seed": seed}
        first = self._ask_all([(each, {"n": count, **own}) for each in conversations], max_tokens, sampling)
        drawn = [answers if isinstance(answers, list) else [] for answers in first]
        missing = [
            (number, draw) for number, answers in enumerate(drawn) for draw in range(len(answers), count)
        ]
        singles = [(conversations[number], {"draw": draw, **own}) for number, draw in missing]
        faults = {number: each for number, each in enumerate(first) if isinstance(each, AnswerError)}
        for (number, _), answers in zip(missing, self._ask_all(singles, max_tokens, sampling), strict=True):
            if isinstance(answers, AnswerError):
                faults.setdefault(number, answers)
            else:
                drawn[number] += answers[:1]
        return [answers[:count] or faults[number] for number, answers in enumerate(drawn)]

    def _ask_all(
        self,
        requests: Sequence[tuple[Conversation, Mapping[str, int]]],
        max_tokens: int,
        sampling: Mapping[str, float] | None,
    ) -> list[list[ChatAnswer] | AnswerError]:
        """Return the readable answers of each request: of a conversation and what is said beside it.

        ``n`` is sent; ``draw`` and ``seed`` only tell requests apart, so that each has an answer of its own.
        """
        self.probe()

        def ask(request: tuple[Conversation, Mapping[str, int]]) -> CompletionForm:
            conversation, beside = request
            several = {"n": beside["n"]} if beside.get("n", 1) > 1 else {}
            body = {
                **self._fill(self._parameters or {}, conversation, max_tokens),
                **(sampling or {}),
                **several,
            }
            apart = {name: beside[name] for name in ("draw", "seed") if name in beside}
            server = {"url": self.endpoint.url, "fingerprint": self.fingerprint}
            identity = {self.endpoint_kind: body, **server, **apart}
            return self._connection.ask(
                lambda client: self._complete(client, body), CompletionForm, identity, self._is_alive
            )

        answers = self._connection.ask_all(ask, requests)
        note_usage(self.endpoint.reference, map(count_tokens, answers))
        return [
            answer if isinstance(answer, AnswerError) else read_answers(answer, self.endpoint.reference)
            for answer in answers
        ]

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

    def _find_parameters(self) -> tuple[dict[str, Any], CompletionForm]:
        parameters: dict[str, Any] = {"max_tokens": True, "temperature": 0, "logprobs": True}
        while True:
            try:
                return parameters, self._send_probe(parameters)
            except RefusedError as refusal:
                parameters = _without_refused(parameters, refusal)
            except ServerFaultError as fault:
                raise fault.with_advice("try again, or check its address and log") from None

    def _send_probe(self, parameters: Mapping[str, Any], retries: int | None = None) -> CompletionForm:
        body = self._fill(parameters, _PROBE, 16)
        return self._connection.send(
            lambda client: self._complete(client, body), CompletionForm, retries=retries
        )

    def _is_alive(self) -> bool:
        try:
            self._send_probe(self._parameters or {}, retries=0)
        except AntiphonError:
            return False
        return True

    def _fill(
        self, parameters: Mapping[str, Any], conversation: Conversation, max_tokens: int
    ) -> dict[str, Any]:
        limits = {name: max_tokens for name in parameters if name.startswith("max_")}
        messages = [{"role": role, "content": words} for role, words in conversation]
        return {"model": self.endpoint.model, "messages": messages, **parameters, **limits}

    async def _complete(self, client: AsyncOpenAI, body: Mapping[str, Any]) -> str:
        answer = await client.chat.completions.with_raw_response.create(**body)
        return str(answer.text)


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


class TextModel(ChatModel):
    """The same behind a completions endpoint: a text -> how a base model goes on with it, to the line's end.

    A conversation is its last turn; there is no template.
    """

    endpoint_kind = "completion"

    def _fill(
        self, parameters: Mapping[str, Any], conversation: Conversation, max_tokens: int
    ) -> dict[str, Any]:
        limits = {name: max_tokens for name in parameters if name.startswith("max_")}
        values = {**parameters, **limits, **({"logprobs": 1} if "logprobs" in parameters else {})}
        return {"model": self.endpoint.model, "prompt": conversation[-1][1], "stop": ["\n"], **values}

    async def _complete(self, client: AsyncOpenAI, body: Mapping[str, Any]) -> str:
        """Send a request; the answer is written as a chat endpoint writes it, where it has the right form."""
        text = (await client.completions.with_raw_response.create(**body)).text
        answer = TextAnswerForm.model_validate_json(text)
        return json.dumps(answer.as_chat_answer())


_MODELS: dict[tuple[Endpoint, bool], ChatModel] = {}


def open_chat(name: str, *, again: bool = False, completions: bool = False) -> ChatModel:
    """Return the model ``served:NAME``, one per process, once its server has answered.

    Args:
        name: what follows ``served:``.
        again: whether the server is to answer now, as it may be another one since the last time.
        completions: behind the completions endpoint instead of that for chat.

    Raises:
        ConfigError: the endpoint is set nowhere, or the key or the model is refused.
        ModelError: it answers no conversation.
        TransientError: the server does not answer.
    """
    endpoint = find_endpoint(name)
    make = TextModel if completions else ChatModel
    model = _MODELS.setdefault((endpoint, completions), make(endpoint))
    model.probe(again=again)
    return model
