"""The web application: OpenAI's endpoints over a service, its health and its counters."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from components.serving.http.audio_endpoints import answer_recording
from components.serving.http.chat_endpoint import answer_chat
from components.serving.http.faults import RequestError
from components.serving.http.streamed import StreamedAnswer
from components.serving.names import list_names, output_of
from components.serving.service import Service
from components.serving.settings import ServeSettings

Endpoint = Callable[[Request, Service], Awaitable[Response]]
ENDPOINTS: dict[str, Endpoint] = {
    "/v1/audio/transcriptions": answer_recording,
    "/v1/audio/translations": answer_recording,
    "/v1/chat/completions": answer_chat,
}
_CLOSING = (408, 413, 415, 429, 503)
"""Answers after which the rest of a body is not read."""
_OPEN = ("/health",)
"""Paths that need no token, beside those of pages."""
_BEARER = "bearer."
"""Before the token, where a page opens a WebSocket, which has no headers but the names of protocols."""
_OWN_HOST = re.compile(r"(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d*)?", re.IGNORECASE)


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
    for path in ("/v1/models", "/v1/models/"):
        app.add_api_route(path, lambda: _list_models(service), methods=["GET"])
    app.add_api_route("/v1/models/{name:path}", lambda name: _show_model(service, name), methods=["GET"])
    app.add_api_route("/health", lambda: _health(service), methods=["GET"])
    app.add_api_route("/metrics", lambda: PlainTextResponse(service.measures.render()), methods=["GET"])
    app.router.routes.extend(routes)
    app.add_exception_handler(RequestError, _tell)
    app.add_exception_handler(HTTPException, _tell_unknown)
    app.add_exception_handler(Exception, _tell_fault)
    pages = [route.path for route in routes if isinstance(route, Route)]
    app.add_middleware(Gate, settings=service.settings, token=token, pages=pages)
    if origins := list(service.settings.cors):  # around the gate: a page can read why it is refused
        methods, every = ["GET", "POST"], ["*"]
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=methods,
            allow_headers=every,
            expose_headers=every,
        )
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
    body = RequestError(error.status_code, message, "not_found").body
    return JSONResponse(body, error.status_code, error.headers)  # 405 says which methods there are


def _tell_fault(request: Request, error: Exception) -> Response:
    """Answer what ought not to happen; the server logs it."""
    return _tell(request, RequestError(500, "the server failed; its log says why", "server_error"))


def _count(service: Service, path: str, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that lets requests in, and counts them."""
    name, measures = path.rpartition("/")[2], service.measures

    async def counted(request: Request) -> Response:
        began, status = time.monotonic(), 499  # what is left of a request whose client has gone
        response, leave = None, ExitStack()
        leave.callback(lambda: measures.count_request(name, status, time.monotonic() - began))
        try:
            service.enter()
            leave.callback(service.leave)
            response = await endpoint(request, service)
            status = response.status_code
        except RequestError as error:
            status = error.status
            raise
        except Exception:
            status = 500
            raise
        finally:
            if isinstance(response, StreamedAnswer):
                response.at_end.append(leave.close)
            else:
                leave.close()
        return response

    return counted


def _list_models(service: Service) -> dict[str, Any]:
    return {"object": "list", "data": [_show_model(service, name) for name in list_names(service.graph)]}


def _show_model(service: Service, name: str) -> dict[str, Any]:
    output_of(service.graph, name, *service.graph.outputs)  # refuses other names
    return {"id": name, "object": "model", "created": int(service.started), "owned_by": "antiphon"}


def _health(service: Service) -> Response:
    """Say what is served, and that nothing new is let in where that is so."""
    state = "draining" if service.is_draining else "ok"
    graph = service.graph
    body = {"status": state, "model": graph.name, "graph": graph.key, "pinned": dict(graph.pinned)}
    return JSONResponse(body, 503 if service.is_draining else 200)


class Gate:
    """Refuses who may not ask, before a body is read.

    Args:
        app: answers the others.
        settings: of the server.
        token: that clients must bear; None: nobody needs one.
        pages: further paths that need no token.
    """

    def __init__(
        self, app: ASGIApp, settings: ServeSettings, token: str | None, pages: Sequence[str] = ()
    ) -> None:
        self._app, self._settings, self._token, self._open = app, settings, token, (*_OPEN, *pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it pass."""
        is_asked = scope["type"] in {"http", "websocket"}
        fault = self._find_fault(Headers(scope=scope), scope) if is_asked else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        headers = {**fault.headers, "Connection": "close"}
        await JSONResponse(fault.body, fault.status, headers)(scope, receive, send)

    def _find_fault(self, headers: Headers, scope: Scope) -> RequestError | None:
        origin, host = headers.get("origin"), headers.get("host", "")
        own = (f"http://{host}", f"https://{host}")
        if origin is not None and origin not in (*self._settings.cors, *own):
            return RequestError(
                403, "expected no web page of another site; --cors ORIGIN allows one", "origin"
            )
        if self._token is None:
            # A page may have given this machine's address to a name of its own.
            if self._settings.socket is None and not _OWN_HOST.fullmatch(host):
                return RequestError(403, "expected the host 127.0.0.1 or localhost, found another", "host")
            return None
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        presented = bearer.strip().encode() if scheme.lower() == "bearer" else b""
        named = [name for name in scope.get("subprotocols", ()) if name.startswith(_BEARER)]
        if named:
            presented = named[0].removeprefix(_BEARER).encode()
        if scope["path"] in self._open or hmac.compare_digest(presented, self._token.encode()):
            return None
        return RequestError(401, "expected Authorization: Bearer TOKEN, found none or another", "token")
