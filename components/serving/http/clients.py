"""A client that waits: work for it is given up when it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request
from starlette.types import Receive

from components.serving.http.faults import RequestError

T = TypeVar("T")


async def until_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what work gives, whose client has sent its whole body.

    Raises:
        RequestError: the client has gone; the work is cancelled.
    """
    task, gone = asyncio.create_task(work), asyncio.create_task(wait_for_end(request.receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise RequestError(499, "the client has gone", "cancelled")
        return task.result()
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError, RequestError):
                await task


async def wait_for_end(receive: Receive) -> None:
    """Wait until the client has gone; what it sends is not read."""
    while (await receive())["type"] != "http.disconnect":
        pass
