"""Endpoints of served models in Prefect's Secret blocks, resolved by the process that asks the model.

A block holds a JSON object with the fields of :class:`components.endpoints.endpoint.Endpoint`, or the key
alone. Nothing of it goes into parameters, results or the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from components.errors import TransientError
from components.files.json_text import parse_json


@lru_cache(maxsize=32)
def read_block(name: str) -> Mapping[str, Any] | None:
    """Return the fields that a Secret block holds, read once per process; None where there is no such block.

    Raises:
        TransientError: Prefect's server does not answer.
    """
    from prefect.blocks.system import Secret  # noqa: PLC0415 - most runs have no served model

    load: Any = Secret.load  # its type leaves out that it may wait
    try:
        value = load(name, _sync=True).get()
    except ValueError as error:
        if "Unable to find block document" in str(error):
            return None
        raise TransientError(f"Secret block {name}: cannot be read; is it a Secret block?") from None
    except Exception as error:  # what its client raises; never with the value
        raise TransientError(f"Secret block {name}: cannot be read ({type(error).__name__})") from None
    return _to_fields(value)


def _to_fields(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = parse_json(value)
        except ValueError:
            return {"key": value}
    return value if isinstance(value, Mapping) else {"key": str(value)}
