"""What a client is told when there is no answer: OpenAI's form of errors, in one line."""

from __future__ import annotations

from typing import Any

from components.errors import to_one_line


class RequestError(Exception):
    """A request that gets no answer.

    Args:
        status: of HTTP.
        message: what was expected, what was found, what to do.
        code: for programs.
        param: the field that is wrong, if one is.
        retry_after: seconds until it may be tried again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "invalid_request",
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": to_one_line(self, 600), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}
