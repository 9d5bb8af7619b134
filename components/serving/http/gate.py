"""Who may ask: those with the token, from this machine or a known web page."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from components.serving.http.faults import RequestError
from components.serving.settings import ServeSettings

_OPEN = ("/health",)
"""Paths that need no token, beside those of pages."""
_BEARER = "bearer."
"""Before the token, where a page opens a WebSocket, which has no headers but the names of protocols."""
_OWN_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d*)?")


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
        await JSONResponse(fault.body, fault.status, {"Connection": "close"})(scope, receive, send)

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
        presented = headers.get("authorization", "").removeprefix("Bearer ").encode()
        named = [name for name in scope.get("subprotocols", ()) if name.startswith(_BEARER)]
        if named:
            presented = named[0].removeprefix(_BEARER).encode()
        is_question = scope.get("method") == "OPTIONS" and origin in self._settings.cors  # it bears no token
        if is_question or scope["path"] in self._open or hmac.compare_digest(presented, self._token.encode()):
            return None
        return RequestError(401, "expected Authorization: Bearer TOKEN, found none or another", "token")
