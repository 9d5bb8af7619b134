"""``POST /v1/chat/completions`` for text in, text out: the last message of the user is the text."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.records import Utterance
from components.serving.http.answers import text_of
from components.serving.http.audio_endpoints import headers_of, language_in
from components.serving.http.clients import until_gone
from components.serving.http.faults import RequestError
from components.serving.http.parameters import headers_of_ignored
from components.serving.http.streamed import Event, stream
from components.serving.http.uploads import read_body, read_json
from components.serving.names import TRANSCRIPT, TRANSLATION, output_of
from components.serving.service import Service
from components.text.languages import UNDETERMINED
from components.text.validation_faults import describe_value_fault

_CONTENTS = ("str", "list[TextPart]")
"""What pydantic calls the forms of a message's content."""


class TextPart(BaseModel):
    """A part of a message."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """A message; what is no user's does not count."""

    role: str
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """Its text."""
        parts = self.content if isinstance(self.content, list) else []
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in parts)


class ChatRequest(BaseModel):
    """What of a request counts."""

    model_config = ConfigDict(extra="allow")

    messages: list[Message] = Field(min_length=1, max_length=1000)
    model: str | None = None
    stream: bool | None = None
    n: int | None = Field(None, ge=1, le=1)
    source_language: str | None = None
    target_language: str | None = None

    @property
    def text(self) -> str:
        """The text of the last message of the user."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")


async def answer_chat(request: Request, service: Service) -> Response:
    """Return what the graph makes of a text, as OpenAI's chat does.

    Raises:
        RequestError: why there is nothing.
    """
    settings = service.settings
    limit = 4 * settings.max_characters + 65_536
    body = b"".join([chunk async for chunk in read_body(request, limit, settings.upload_timeout)])
    chat = _parse(body)
    ignored = headers_of_ignored(chat.model_extra or {})
    output = output_of(service.graph, chat.model, TRANSLATION, TRANSCRIPT)
    text = chat.text
    if not text.strip():
        raise RequestError(
            400, "messages: expected a message of the user with a text, found none", param="messages"
        )
    if len(text) > settings.max_characters:
        message = f"messages: expected at most {settings.max_characters:,} characters, found {len(text):,}"
        raise RequestError(413, message, "too_large", param="messages")
    source, target = service.graph.pipeline.languages
    utterance = Utterance(
        id=f"request-{secrets.token_hex(8)}",
        text=text,
        source_language=language_in(chat.source_language, "source_language") or source or UNDETERMINED,
        target_language=language_in(chat.target_language, "target_language") or target,
    )
    name, headers = chat.model or service.graph.name, {**headers_of(service, utterance), **ignored}
    if chat.stream:
        return await stream(
            request,
            partial(service.compute, utterance, output),
            partial(_stream, utterance.id, name),
            headers,
        )
    computed = await until_gone(request, service.compute(utterance, output))
    choice = {"message": {"role": "assistant", "content": text_of(computed).best.text}}
    return JSONResponse(_completion(utterance.id, name, "chat.completion", choice, "stop"), headers=headers)


def _parse(body: bytes) -> ChatRequest:
    try:
        return ChatRequest.model_validate(read_json(body))
    except ValidationError as error:
        # The deepest one is of a part; others say what else might stand in its place.
        fault = max(error.errors(), key=lambda each: len(each["loc"]))
        where = ".".join(str(part) for part in fault["loc"] if part not in _CONTENTS)
        raise RequestError(
            400, f"{where}: {describe_value_fault(dict(fault))}", param=where or None
        ) from None


def _completion(
    number: str, model: str, kind: str, choice: dict[str, Any], reason: str | None
) -> dict[str, Any]:
    choices = [{"index": 0, "finish_reason": reason, "logprobs": None, **choice}]
    return {"id": number, "object": kind, "created": int(time.time()), "model": model, "choices": choices}


async def _stream(number: str, model: str, parts: AsyncIterator[str]) -> AsyncIterator[Event | str]:
    kind, role = "chat.completion.chunk", {"role": "assistant"}
    async for part in parts:
        yield _completion(number, model, kind, {"delta": {**role, "content": part}}, None)
        role = {}
    yield _completion(number, model, kind, {"delta": {}}, "stop")
    yield "[DONE]"
