"""Where a served model is: its address and key, from the environment or from what the flow layer hands over.

``served:NAME`` reads ``ANTIPHON_SERVED_<NAME>_URL`` and so on (upper case, other characters as ``_``), else
``ANTIPHON_SERVED_URL``. A key goes to the address that was set with it and to no other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError

from components.errors import ConfigError
from components.extensions import Extensions, accept_any
from components.files.redaction import MASK
from components.stage_settings import Settings

PREFIX = "ANTIPHON_SERVED"
MIN_SECRET = 8
"""Characters of a key that is a secret; servers that ask for none are given words such as EMPTY."""
Source = Callable[[str], Mapping[str, Any] | None]
"""The name of a block -> the fields of an endpoint that it holds; None where there is no such block."""


class Endpoint(Settings):
    """An OpenAI-compatible endpoint and the model that is asked for there.

    Attributes:
        name: what follows ``served:``.
        model: what the server calls the model.
        url: of the interface, as ``http://127.0.0.1:8000/v1``.
        key: sent as a bearer token; never shown.
        concurrency: requests in flight at most, in a process.
        timeout: seconds that a request may take.
        retries: of a request that failed in a way that passes (429, 5xx, a broken connection).
        fingerprint: stands in the keys of stages for what the server says of itself.
    """

    name: str
    model: str = Field(min_length=1)
    url: str
    key: SecretStr = SecretStr("")
    concurrency: int = Field(8, ge=1, le=256)
    timeout: float = Field(60.0, gt=0, le=3600)
    retries: int = Field(5, ge=0, le=20)
    fingerprint: str | None = None

    @property
    def reference(self) -> str:
        """How a user names it."""
        return f"served:{self.name}"

    def mask(self, text: str) -> str:
        """Take the key out of a text: a server may send back what it was sent."""
        key = self.key.get_secret_value()
        return text.replace(key, MASK) if len(key) >= MIN_SECRET else text

    def mask_all(self, value: Any) -> Any:
        """Take the key out of every text of a JSON value."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, dict):
            return {self.mask(key): self.mask_all(part) for key, part in value.items()}
        return [self.mask_all(part) for part in value] if isinstance(value, list) else value


BLOCKS: Extensions[Source] = Extensions("antiphon.secret_blocks", "reader of secret blocks", accept_any)
"""Functions from the name of a block to its fields, None where it is not there."""
FIELDS = ("url", "key", "model", "concurrency", "timeout", "retries", "fingerprint")


def variable_of(name: str, field: str) -> str:
    """Return the environment variable of one endpoint's field: ``ANTIPHON_SERVED_<NAME>_<FIELD>``."""
    return f"{PREFIX}_{re.sub('[^A-Za-z0-9]', '_', name).upper()}_{field.upper()}"


def find_endpoint(name: str) -> Endpoint:
    """Return the endpoint of ``served:NAME``.

    Raises:
        ConfigError: it is set nowhere, or a value of it is wrong; no message holds a key.
    """
    if not name.strip():
        raise ConfigError("served: expected the name of a model, found none; say served:NAME")
    fields = _read_fields(name)
    if not fields.get("url"):
        raise ConfigError(
            f"served:{name}: expected the address of its endpoint, found none; set {PREFIX}_URL or "
            f"{variable_of(name, 'url')} (docs/families/served.md)"
        )
    _check_url(name, str(fields["url"]))
    if isinstance(key := fields.get("key"), str):
        fields["key"] = _clean_key(name, key)
    try:
        return Endpoint.model_validate({"model": name, **fields, "name": name})
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise ConfigError(f"served:{name}: {where}: {fault['msg']}; see docs/families/served.md") from None


def _read_fields(name: str) -> dict[str, Any]:
    """The fields of an endpoint: its own variables before its block, those before what is common to all."""
    own = {field: os.environ.get(variable_of(name, field), "") for field in FIELDS}
    own = {**_read_block(name, variable_of(name, "block")), **{k: v for k, v in own.items() if v}}
    common = {f: os.environ.get(f"{PREFIX}_{f.upper()}", "") for f in FIELDS if f != "model"}
    common = {**_read_block(name, f"{PREFIX}_BLOCK"), **{k: v for k, v in common.items() if v}}
    if "url" in own:
        common.pop("key", None)  # it belongs to another address
    return {**common, **own}


def _read_block(name: str, variable: str) -> dict[str, Any]:
    block = os.environ.get(variable)
    if not block:
        return {}
    readings = (read(block) for read in BLOCKS.values())
    values = next((fields for fields in readings if fields is not None), None)
    if values is None:
        raise ConfigError(
            f"served:{name}: expected the Prefect Secret block {block!r} of {variable}, found none; make it "
            "(docs/families/served.md), or set the address in the environment"
        )
    if unknown := sorted(set(values) - set(FIELDS)):
        raise ConfigError(
            f"served:{name}: expected {', '.join(FIELDS)} in block {block!r}, found {', '.join(unknown)}"
        )
    return dict(values)


def _check_url(name: str, url: str) -> None:
    """Refuse what is no plain address; it is not shown, as it may hold a password."""
    expected = f"served:{name}: expected an address such as http://127.0.0.1:8000/v1, found"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{expected} something else; set {PREFIX}_URL")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"{expected} one with a user, a query or a fragment; the key goes into {PREFIX}_KEY"
        )


def _clean_key(name: str, key: str) -> str:
    """Take off the end of a line, which a file may bring; refuse what no header can hold, and do not show it.

    The client would name such a header with the key in it, written in another way than the key is.
    """
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"served:{name}: expected a key of printable ASCII characters, found others; set {PREFIX}_KEY"
        )
    return key
