"""Who may ask: those with the token, from this machine or a known web page."""

from __future__ import annotations

import hmac
import re

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from components.serving.http.faults import RequestError
from components.serving.settings import ServeSettings

_OPEN = ("/health",)
"""Paths that need no token."""
_OWN_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d*)?")


class Gate:
    """Refuses who may not ask, before a body is read.

    Args:
        app: answers the others.
        settings: of the server.
        token: that clients must bear; None: nobody needs one.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, token: str | None) -> None:
        self._app, self._settings, self._token = app, settings, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it pass."""
        fault = self._find_fault(Headers(scope=scope), scope) if scope["type"] == "http" else None
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
        is_question = scope["method"] == "OPTIONS" and origin in self._settings.cors  # which bears no token
        if is_question or scope["path"] in _OPEN or hmac.compare_digest(presented, self._token.encode()):
            return None
        return RequestError(401, "expected Authorization: Bearer TOKEN, found none or another", "token")
