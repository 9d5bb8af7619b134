"""``/v1/simultaneous``: a WebSocket on which sound or words come and deltas go, and its page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from fastapi.responses import FileResponse, Response
from starlette.requests import Request
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from components.serving.http.faults import RequestError
from components.serving.service import Service
from components.simultaneous.live.conversation import Conversation
from components.simultaneous.requirements import choose_policies, require_prefixes

PATH, PAGE, PROTOCOL = "/v1/simultaneous", "/simultaneous", "antiphon"
_FILES = Path(__file__).parent / "page"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_POLICY_VIOLATION, _INTERNAL_ERROR, _TRY_AGAIN_LATER = 1008, 1011, 1013
_CODES = {429: _TRY_AGAIN_LATER, 503: _TRY_AGAIN_LATER, 500: _INTERNAL_ERROR, 504: _INTERNAL_ERROR}
"""Status of a fault -> code that a WebSocket is closed with."""


def make_routes(service: Service) -> list[Route | WebSocketRoute]:
    """Return the endpoint and its page.

    Raises:
        ConfigError: the graph cannot work on prefixes, or the policy is none.
    """
    require_prefixes(service.graph)
    choose_policies(service.settings.policy, service.graph, appends=True)
    threads = ThreadPoolExecutor(service.settings.queue, "live")

    async def answer(socket: WebSocket) -> None:
        await _answer(socket, service, threads)

    files = {f"{PAGE}/{path.name}": path for path in sorted(_FILES.iterdir()) if path.suffix != ".html"}
    pages = [Route(path, _show(file)) for path, file in {PAGE: _FILES / "index.html", **files}.items()]
    return [WebSocketRoute(PATH, answer), *pages]


def _show(file: Path) -> Callable[[Request], Awaitable[Response]]:
    async def show(request: Request) -> Response:
        return FileResponse(file, headers=_HEADERS)

    return show


async def _answer(socket: WebSocket, service: Service, threads: ThreadPoolExecutor) -> None:
    """Answer a client; what goes wrong is a line for it, then the end."""
    status = 499  # the client has gone
    await socket.accept(PROTOCOL if PROTOCOL in socket.scope["subprotocols"] else None)
    try:
        with ExitStack() as places:
            try:
                await Conversation(socket, service, threads).hold(places)
                status = 200
                await socket.close()
            except RequestError as error:
                status = error.status
                await socket.send_json(error.body)
                await socket.close(_CODES.get(status, _POLICY_VIOLATION))
    except WebSocketDisconnect:
        pass
    finally:
        service.measures.requests.labels("simultaneous", str(status)).inc()
