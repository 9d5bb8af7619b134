"""``POST /v1/audio/transcriptions`` and ``/v1/audio/translations``: a recording in, its text out."""

from __future__ import annotations

import json
import secrets

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse

from components.errors import ConfigError
from components.records import Utterance
from components.serving.http.answers import FORMS, text_of, words_of
from components.serving.http.clients import until_gone
from components.serving.http.faults import RequestError
from components.serving.http.uploads import Upload, read_form
from components.serving.names import TRANSCRIPT, TRANSLATION, output_of
from components.serving.requests import GraphRequest
from components.serving.service import Service
from components.text.languages import UNDETERMINED, check_code


async def answer_recording(request: Request, service: Service) -> Response:
    """Return the text of a recording in the form that is asked for.

    Raises:
        RequestError: why there is none.
    """
    settings = service.settings
    limit = settings.max_megabytes * 10**6
    upload = await read_form(request, service.spool, limit, settings.upload_timeout)
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
        utterance = await run_in_threadpool(_utterance_of, upload, service)
        computed = await until_gone(request, service.compute(utterance, output))
        return _respond(computed, form, upload)
    finally:
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


def headers_of(request: GraphRequest) -> dict[str, str]:
    """Return the headers that say what has answered."""
    return {"X-Antiphon-Graph": request.graph.key, "X-Antiphon-Request": request.utterance.id}


def _respond(request: GraphRequest, form: str, upload: Upload) -> Response:
    media_type, encode = FORMS[form]
    content = encode(request)
    if form == "verbose_json" and "word" in upload.fields.get("timestamp_granularities", ()):
        content["words"] = words_of(request)
    if (upload.get("stream") or "").lower() == "true":
        return _stream(text_of(request).best.text, headers_of(request))
    if media_type == "application/json":
        return JSONResponse(content, headers=headers_of(request))
    return Response(content, media_type=media_type, headers=headers_of(request))


def _stream(text: str, headers: dict[str, str]) -> Response:
    """Return the text as events; it is known whole, so it is one delta."""
    events = [
        {"type": "transcript.text.delta", "delta": text},
        {"type": "transcript.text.done", "text": text},
    ]
    lines = (f"data: {json.dumps(event)}\n\n" for event in events)
    return StreamingResponse(lines, media_type="text/event-stream", headers=headers)
