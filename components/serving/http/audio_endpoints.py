"""``POST /v1/audio/transcriptions`` and ``/v1/audio/translations``: a recording in, its text out."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from functools import partial

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from components.errors import ConfigError
from components.records import Utterance
from components.serving.http.answers import FORMS, untimed_words, words_of
from components.serving.http.clients import until_gone
from components.serving.http.faults import RequestError
from components.serving.http.parameters import headers_of_ignored
from components.serving.http.streamed import Event, StreamedAnswer, stream
from components.serving.http.uploads import Upload, read_form
from components.serving.names import TRANSCRIPT, TRANSLATION, output_of
from components.serving.requests import GraphRequest
from components.serving.service import Service
from components.text.languages import UNDETERMINED, check_code

_FIELDS = ("model", "response_format", "language", "target_language", "stream", "timestamp_granularities")
"""Those of a form that count, beside the file."""


async def answer_recording(request: Request, service: Service) -> Response:
    """Return the text of a recording in the form that is asked for.

    Raises:
        RequestError: why there is none.
    """
    settings = service.settings
    limit = settings.max_megabytes * 10**6
    upload = await read_form(request, service.spool, limit, settings.upload_timeout)
    answer: StreamedAnswer | None = None
    try:
        translates = request.url.path.endswith("/translations")
        output = output_of(service.graph, upload.get("model"), TRANSLATION if translates else TRANSCRIPT)
        form = upload.get("response_format") or "json"
        if form not in FORMS:
            message = f"response_format: expected one of {', '.join(FORMS)}, found {form[:40]!r}"
            raise RequestError(400, message, param="response_format")
        if not service.graph.hears:
            raise RequestError(
                400, "file: expected a graph that hears, found one that reads texts", param="file"
            )
        is_streamed = _is_streamed(upload, form)
        ignored = headers_of_ignored({name: v for name, v in upload.fields.items() if name not in _FIELDS})
        node = service.graph.outputs[output]
        if _wants_words(form, upload) and not service.graph.times_words(node):
            raise untimed_words(node)
        utterance = await run_in_threadpool(_utterance_of, upload, service)
        headers = {**headers_of(service, utterance), **ignored}
        if is_streamed:
            answer = await stream(request, partial(service.compute, utterance, output), _stream, headers)
            answer.at_end.append(upload.remove)
            return answer
        computed = await until_gone(request, service.compute(utterance, output))
        return _respond(computed, form, upload, headers)
    finally:
        if answer is None:
            upload.remove()


def _utterance_of(upload: Upload, service: Service) -> Utterance:
    source, target = service.graph.pipeline.languages
    return Utterance(
        id=f"request-{secrets.token_hex(8)}",
        audio=service.describe_audio(upload),
        source_language=language_in(upload.get("language"), "language") or source or UNDETERMINED,
        target_language=language_in(upload.get("target_language"), "target_language") or target,
    )


def language_in(code: str | None, param: str) -> str | None:
    """Return a language code that a client has sent.

    Raises:
        RequestError: it is none.
    """
    try:
        return None if code is None else check_code(code)
    except ConfigError as error:
        raise RequestError(400, f"{param}: {error}", param=param) from None


def headers_of(service: Service, utterance: Utterance) -> dict[str, str]:
    """Return the headers that say what answers."""
    return {"X-Antiphon-Graph": service.graph.key, "X-Antiphon-Request": utterance.id}


def _respond(request: GraphRequest, form: str, upload: Upload, headers: dict[str, str]) -> Response:
    media_type, encode = FORMS[form]
    content = encode(request)
    if _wants_words(form, upload):
        content["words"] = words_of(request)
    if media_type == "application/json":
        return JSONResponse(content, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def _is_streamed(upload: Upload, form: str) -> bool:
    """Return whether the answer comes in parts. RequestError: it is not said, or parts have no such form."""
    stated = (upload.get("stream") or "false").lower()
    if stated not in ("true", "false"):
        raise RequestError(400, f"stream: expected true or false, found {stated[:40]!r}", param="stream")
    if stated == "true" and form not in ("json", "text"):
        message = f"response_format: expected json or text of what is streamed, found {form}"
        raise RequestError(400, message, param="response_format")
    return stated == "true"


def _wants_words(form: str, upload: Upload) -> bool:
    """Return whether times of words are asked for. RequestError: of a form that has none, or of what."""
    asked = set(upload.fields.get("timestamp_granularities", ()))
    if asked - {"word", "segment"} or ("word" in asked and form != "verbose_json"):
        message = "timestamp_granularities: expected word or segment, of response_format verbose_json"
        raise RequestError(400, message, param="timestamp_granularities")
    return "word" in asked


async def _stream(parts: AsyncIterator[str]) -> AsyncIterator[Event]:
    text = ""
    async for part in parts:
        text += part
        yield {"type": "transcript.text.delta", "delta": part}
    yield {"type": "transcript.text.done", "text": text}
