"""Prefect's server behind a check of the ``Host`` of a request, which Prefect 3.9 does not have.

Without it a web page whose name is pointed at 127.0.0.1 after it was opened (DNS rebinding) reads runs and
starts them.

Run by its path, as ``app.py fd NUMBER`` or ``app.py port NUMBER``, it imports, waits for a line on standard
input and serves; so it imports nothing of ours.
"""

from __future__ import annotations

import gc
import os
import sys

gc.disable()  # what is imported stays: looking through it meanwhile takes a tenth of a second

import uvicorn  # noqa: E402
from prefect.server.api.server import create_app as create_prefect_app  # noqa: E402
from starlette.middleware.trustedhost import TrustedHostMiddleware  # noqa: E402
from starlette.types import ASGIApp  # noqa: E402

gc.freeze()
gc.set_threshold(50_000, 20, 100)  # as flows/cli/main.py does
gc.enable()

HOSTS_VARIABLE = "ANTIPHON_SERVER_HOSTS"
"""Names by which the server may be asked for beside those of this machine, with commas between them."""
_OWN_HOSTS = ("127.0.0.1", "localhost", "[::1]")


def create_app() -> ASGIApp:
    """Return Prefect's server; a request for another host than this machine is answered by 400."""
    others = [name.strip() for name in os.environ.get(HOSTS_VARIABLE, "").split(",") if name.strip()]
    return TrustedHostMiddleware(create_prefect_app(), [*_OWN_HOSTS, *others], www_redirect=False)


if __name__ == "__main__" and sys.stdin.readline():  # what is imported is there by the time it is to serve
    where = {sys.argv[1]: int(sys.argv[2])}
    uvicorn.run(create_app, factory=True, **where, log_level="error", lifespan="on")  # type: ignore[arg-type]
