"""Requests to an endpoint by the official client: in parallel, tried again, every answer checked and kept.

What becomes of a request that has no usable answer:

401, 402, 403, no model    ConfigError: nothing else would be answered either
429, time-out, no server   TransientError: the stage goes on from there when it is run again
other 5xx, cut, too long,  TransientError, unless the server answers a small request right after: then it is
no JSON                    this record that it cannot answer
other 4xx                  AnswerError: this record was refused
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from components.compute.progress import report_share
from components.endpoints import answer_cache
from components.endpoints.endpoint import PREFIX, Endpoint
from components.errors import (
    AntiphonError,
    ConfigError,
    RecordError,
    TransientError,
    UnknownModelError,
    require_extra,
    to_one_line,
)
from components.text.suggestions import did_you_mean

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_PAYMENT_REQUIRED = 402
_TIMEOUT_STATUSES = {408, 504, 524}
"""Of a server, or of a proxy before it, whose time ran out: the next attempt may be answered."""
_ATTEMPTS_AT_JSON = 3
"""Requests until an answer that is no JSON is taken for what the server says."""
A = TypeVar("A", bound=BaseModel)
T = TypeVar("T")
Send = Callable[["AsyncOpenAI"], Coroutine[Any, Any, str]]
"""Sends a request by the client; returns the text of the answer's body."""


class AnswerError(RecordError):
    """A served model has no usable answer for one record."""


class Connection:
    """The client of one endpoint in this process, and its requests in flight."""

    def __init__(self, endpoint: Endpoint) -> None:
        require_extra(endpoint.reference, "openai", "served")
        from openai import AsyncOpenAI  # noqa: PLC0415 - an extra

        from components.endpoints.bounded_client import BoundedClient  # noqa: PLC0415 - of the extra

        self.endpoint = endpoint
        key = endpoint.key.get_secret_value() or "none"
        self._client = AsyncOpenAI(
            base_url=endpoint.url,
            api_key=key,
            default_headers=_headers_of(key),
            organization="",
            project="",
            timeout=endpoint.timeout,
            max_retries=endpoint.retries,
            http_client=BoundedClient(endpoint.timeout),
        )
        self._pool = ThreadPoolExecutor(endpoint.concurrency, thread_name_prefix="served")
        self.lock = threading.Lock()

    def ask_all(self, ask: Callable[[T], A], requests: Sequence[T]) -> list[A | AnswerError]:
        """Ask for each of ``requests`` in parallel; an entry per request, in order.

        Raises:
            ConfigError, TransientError: none would be answered; what was answered so far is kept.
        """
        futures = [self._pool.submit(ask, request) for request in requests]
        pending: set[Future[A]] = set(futures)
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    if not isinstance(future.exception(), AnswerError | None):
                        raise future.exception() or AssertionError
                report_share(len(futures) - len(pending), len(futures))
        finally:
            for future in pending:
                future.cancel()
            wait(pending)  # what those in flight still answer is kept
        faults = [future.exception() for future in futures]
        return [
            fault if isinstance(fault, AnswerError) else future.result()
            for fault, future in zip(faults, futures, strict=True)
        ]

    def ask(self, send: Send, form: type[A], identity: Mapping[str, Any], is_alive: Callable[[], bool]) -> A:
        """Return the kept answer of a request, else send it, check the answer's form, and keep it.

        Args:
            send: sends the request.
            form: that the answer must have.
            identity: all that decides the answer; its digest finds it again.
            is_alive: whether the server answers a small request.

        Raises:
            AnswerError: this request has no answer.
            ConfigError: the key or the model is refused.
            TransientError: the server does not answer.
        """
        text = json.dumps(identity, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        stored = answer_cache.recall(digest)
        if stored is not None:
            with suppress(ValueError):  # of another version, or damaged: it is asked again
                return form.model_validate_json(stored)
        try:
            answer = self.send(send, form)
        except ServerFaultError as fault:
            if is_alive():
                raise AnswerError("no answer", f"{fault}; it answers other requests") from fault
            raise
        answer_cache.keep(digest, answer.model_dump_json())
        return answer

    def send(self, send: Send, form: type[A], *, retries: int | None = None) -> A:
        """Send one request and check the form of its answer. Raises as :meth:`ask`, and ServerFaultError.

        Args:
            send: sends the request.
            form: that the answer must have.
            retries: in place of the endpoint's.
        """
        client = self._client if retries is None else self._client.with_options(max_retries=retries)
        fault = ""
        for _ in range(_ATTEMPTS_AT_JSON if retries is None else 1):
            try:
                # Not json.loads: it takes halves of a character, which nothing could store.
                return form.model_validate(self.endpoint.mask_all(from_json(self._send(send, client))))
            except (ValueError, RecursionError) as error:
                fault = _describe_form(error)
        raise ServerFaultError(
            self._message(f"expected an answer in JSON of OpenAI's form, found another ({fault})")
        )

    def _send(self, send: Send, client: AsyncOpenAI) -> str:
        import openai  # noqa: PLC0415 - an extra

        from components.endpoints.bounded_client import run_request  # noqa: PLC0415 - of the extra

        try:
            return run_request(send(client))
        except openai.OpenAIError as error:
            raise self._translate(error) from None

    def _translate(self, error: Exception) -> AntiphonError:
        """Return an error of the client as one of ours, in one line without the key."""
        import openai  # noqa: PLC0415 - an extra

        from components.endpoints import bounded_client  # noqa: PLC0415 - of the extra

        message, model = self._describe(error.__cause__ or error), self.endpoint.model
        match error:
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                detail = self._message(f"expected the server to accept the key, found {message}")
                translated: AntiphonError = ConfigError(f"{detail}; set {PREFIX}_KEY or that of this model")
            case openai.APIStatusError() if error.status_code == _PAYMENT_REQUIRED:
                detail = self._message(f"expected an account that pays for the request, found {message}")
                translated = ConfigError(f"{detail}; top it up, and run again")
            case openai.NotFoundError():
                detail = self._message(f"expected a model {model!r} there, found {message}")
                is_list = str(error.request.url).endswith("/models")  # which this server does not have
                translated = UnknownModelError(detail + ("" if is_list else self._suggest_model()))
            case bounded_client.ForeignRedirectError():
                translated = ConfigError(self._message(message))
            case bounded_client.UnusableAnswerError():
                translated = ServerFaultError(self._message(message))
            case openai.RateLimitError():
                translated = TransientError(self._message(f"the server is busy: {message}; try again"))
            case openai.APITimeoutError():
                seconds = f"no answer in {self.endpoint.timeout:g} s"
                translated = TransientError(self._message(f"{seconds}; try again, or raise {PREFIX}_TIMEOUT"))
            case openai.APIStatusError() if error.status_code in _TIMEOUT_STATUSES:
                translated = TransientError(
                    self._message(f"no answer in the server's time: {message}; try again")
                )
            case openai.APIStatusError() if error.status_code < 500 and error.status_code != 409:
                detail = self._message(f"the server refused the request: {message}")
                translated = RefusedError("refused by the server", detail, _describe_parameter(error))
            case openai.APIStatusError():
                translated = ServerFaultError(self._message(f"the server failed: {message}"))
            case _:
                translated = ServerFaultError(self._message(f"the server does not answer: {message}"))
        return translated

    def list_models(self) -> list[dict[str, Any]] | None:
        """Return what the server says of its models; None where it has no list of them.

        Raises:
            ConfigError: the key is refused.
            TransientError: the server does not answer.
        """
        try:
            answer = self.send(_list_models, _ModelList)
        except (RefusedError, UnknownModelError):
            return None
        except ServerFaultError as fault:
            raise fault.with_advice(f"start it, or check {PREFIX}_URL") from None
        return [row for row in answer.data if isinstance(row.get("id"), str)]

    def _suggest_model(self) -> str:
        try:
            names = [str(row["id"]) for row in self.list_models() or ()]
        except AntiphonError:
            return ""
        return did_you_mean(self.endpoint.model, names) or f"; there are: {', '.join(names[:8]) or 'none'}"

    def _message(self, text: str) -> str:
        return f"{self.endpoint.reference} ({self.endpoint.url}): {text}"

    def _describe(self, error: BaseException) -> str:
        return self.endpoint.mask(to_one_line(self.endpoint.mask(str(error)) or type(error).__name__))


def _headers_of(key: str) -> dict[str, Any]:
    """Return the key's header, and what takes back those that the environment has for OpenAI's own server."""
    from openai import Omit  # noqa: PLC0415 - an extra

    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    names = {line.partition(":")[0].strip().lower() for line in lines}
    return {name: Omit() for name in names if name} | {"authorization": f"Bearer {key}"}


def _describe_parameter(error: Any) -> str:
    """Return what the server says against: the parameter's name, and its whole message."""
    return " ".join(str(part) for part in (error.param, error.message) if part)


def _describe_form(error: Exception) -> str:
    """Return what is wrong with the form of an answer, without the answer."""
    if not isinstance(error, ValidationError):
        return type(error).__name__
    first = error.errors(include_url=False, include_input=False)[0]
    return to_one_line(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


class ServerFaultError(TransientError):
    """The server failed: for all requests, or for one that it cannot answer."""

    def with_advice(self, advice: str) -> ServerFaultError:
        """Return the same with what to do."""
        return ServerFaultError(f"{self}; {advice}")


class RefusedError(AnswerError):
    """The server refused a request; ``message`` is what it said."""

    def __init__(self, reason: str, detail: str, message: str) -> None:
        super().__init__(reason, detail)
        self.message = message


class _ModelList(BaseModel):
    data: list[dict[str, Any]]


async def _list_models(client: AsyncOpenAI) -> str:
    return (await client.models.with_raw_response.list()).text


@lru_cache(maxsize=32)
def connect(endpoint: Endpoint) -> Connection:
    """Return the connection of an endpoint, one per process."""
    return Connection(endpoint)
