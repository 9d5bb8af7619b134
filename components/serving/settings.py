"""How a server is reached, and what it refuses."""

from __future__ import annotations

import ipaddress
from typing import Self

from pydantic import Field, model_validator

from components.stage_settings import Settings

TOKEN = "ANTIPHON_SERVE_TOKEN"  # noqa: S105 - the variable's name
"""The variable with the bearer token of clients."""


class ServeSettings(Settings):
    """Settings of a server; each is a flag of ``antiphon serve``."""

    host: str = Field("127.0.0.1", description="address to listen at; another than loopback needs a token")
    port: int = Field(8000, ge=0, le=65535, description="to listen at; 0: one that is free")
    socket: str | None = Field(
        None, description="file of a Unix socket to listen at, instead of host and port"
    )
    name: str | None = Field(
        None,
        max_length=64,
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        description="name of the model; that of the file if empty",
    )
    cors: tuple[str, ...] = Field(
        (), description="origins of web pages that may ask, such as http://localhost:5173"
    )
    max_wait: float = Field(
        0.05, ge=0, le=10, description="seconds that a batch waits for further requests at most"
    )
    max_batch: int = Field(32, ge=1, le=512, description="requests in one batch of a node at most")
    queue: int = Field(64, ge=1, le=10_000, description="requests at once at most; then the answer is 429")
    max_megabytes: int = Field(100, ge=1, le=4096, description="of a recording at most")
    max_seconds: float = Field(1800, gt=0, le=10_800, description="of a recording at most")
    max_characters: int = Field(50_000, ge=1, le=1_000_000, description="of a text at most")
    timeout: float = Field(300, gt=0, le=86_400, description="seconds until a request is given up")
    upload_timeout: float = Field(
        30, gt=0, le=3600, description="seconds that a client may be silent while it sends"
    )
    keep: str | None = Field(
        None,
        description="requests to keep as a data set: a share such as 0.05, or those that a route sends one "
        "way, NODE.BRANCH; none if empty",
    )
    keep_days: float = Field(30, gt=0, description="until a kept request is removed")
    keep_megabytes: int = Field(1000, ge=1, description="of kept requests at most; the oldest are removed")
    shadow: str | None = Field(
        None, description="a second graph that answers the same requests, for comparison"
    )
    simultaneous: bool = Field(
        False, description="also answer while somebody speaks: /v1/simultaneous, and a page at /simultaneous"
    )
    policy: str = Field(
        "local_agreement:2",
        description="of --simultaneous, what is written when: NAME:N, or NODE=NAME:N with spaces between",
    )
    chunk: float = Field(0.5, ge=0.05, le=60, description="of --simultaneous: seconds of sound at a time")

    @model_validator(mode="after")
    def _check_keep(self) -> Self:
        if self.keep is not None and self.share is None and self.keep.count(".") != 1:
            raise ValueError("keep: expected a share from 0 to 1, or NODE.BRANCH")
        if self.share is not None and not 0 < self.share <= 1:
            raise ValueError(f"keep: expected a share above 0 and up to 1, found {self.keep}")
        return self

    @property
    def share(self) -> float | None:
        """The share of requests that is kept, where that is what is asked for."""
        try:
            return None if self.keep is None else float(self.keep)
        except ValueError:
            return None

    @property
    def is_local(self) -> bool:
        """Whether programs of this machine alone can reach it."""
        if self.socket is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
