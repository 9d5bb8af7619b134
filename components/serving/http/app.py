"""The web application: OpenAI's endpoints over a service, its health and its counters."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from components.serving.http.audio_endpoints import answer_recording
from components.serving.http.chat_endpoint import answer_chat
from components.serving.http.faults import RequestError
from components.serving.http.gate import Gate
from components.serving.names import list_names
from components.serving.service import Service

Endpoint = Callable[[Request, Service], Awaitable[Response]]
ENDPOINTS: dict[str, Endpoint] = {
    "/v1/audio/transcriptions": answer_recording,
    "/v1/audio/translations": answer_recording,
    "/v1/chat/completions": answer_chat,
}
_CLOSING = (408, 413, 415, 429, 503)
"""Answers after which the rest of a body is not read."""


def make_app(
    service: Service, token: str | None = None, routes: Sequence[Route | WebSocketRoute] = ()
) -> FastAPI:
    """Return the application.

    Args:
        service: computes.
        token: that clients must bear; None: nobody needs one.
        routes: further ones; what answers HTTP among them are pages, which need no token.
    """
    app = FastAPI(title="Antiphon", docs_url=None, redoc_url=None, openapi_url=None)
    for path, endpoint in ENDPOINTS.items():
        app.add_api_route(path, _count(service, path, endpoint), methods=["POST"])
    app.add_api_route("/v1/models", lambda: _list_models(service), methods=["GET"])
    app.add_api_route("/health", lambda: _health(service), methods=["GET"])
    app.add_api_route("/metrics", lambda: PlainTextResponse(service.measures.render()), methods=["GET"])
    app.router.routes.extend(routes)
    app.add_exception_handler(RequestError, _tell)
    app.add_exception_handler(HTTPException, _tell_unknown)
    if origins := list(service.settings.cors):
        headers = ["authorization", "content-type"]
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=headers
        )
    pages = [route.path for route in routes if isinstance(route, Route)]
    app.add_middleware(Gate, settings=service.settings, token=token, pages=pages)
    return app


def _tell(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    closing = {"Connection": "close"} if error.status in _CLOSING else {}
    return JSONResponse(error.body, error.status, {**error.headers, **closing})


def _tell_unknown(request: Request, error: Exception) -> Response:
    """Answer what no endpoint takes: another path, another method."""
    assert isinstance(error, HTTPException)
    known = ", ".join([*ENDPOINTS, "/v1/models"])
    message = f"expected one of {known}, found {request.method} {request.url.path[:100]}"
    return JSONResponse(RequestError(error.status_code, message, "not_found").body, error.status_code)


def _count(service: Service, path: str, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that lets requests in, and counts them."""
    name, measures = path.rpartition("/")[2], service.measures

    async def counted(request: Request) -> Response:
        began, status = time.monotonic(), 499  # what is left of a request whose client has gone
        try:
            service.enter()
            try:
                response = await endpoint(request, service)
            finally:
                service.leave()
            status = response.status_code
        except RequestError as error:
            status = error.status
            raise
        except Exception:
            status = 500
            raise
        finally:
            measures.requests.labels(name, str(status)).inc()
            measures.seconds.labels(name).observe(time.monotonic() - began)
        return response

    return counted


def _list_models(service: Service) -> dict[str, Any]:
    common = {"object": "model", "created": int(service.started), "owned_by": "antiphon"}
    return {"object": "list", "data": [{"id": name, **common} for name in list_names(service.graph)]}


def _health(service: Service) -> Response:
    """Say what is served, and that nothing new is let in where that is so."""
    state = "draining" if service.is_draining else "ok"
    graph = service.graph
    body = {"status": state, "model": graph.name, "graph": graph.key, "pinned": dict(graph.pinned)}
    return JSONResponse(body, 503 if service.is_draining else 200)
