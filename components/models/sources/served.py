"""``served:NAME``: a model behind an OpenAI-compatible endpoint (:mod:`components.endpoints`).

It has no files here; its digest is that of what the server says that it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.endpoints.connection import connect
from components.endpoints.endpoint import find_endpoint
from components.errors import require_extra
from components.files.canonical_json import digest_of
from components.models.architectures import SERVED
from components.models.references import is_elsewhere, split_reference
from components.records import Checkpoint

_FACTS = ("owned_by", "root", "parent")
"""What the list of models says that does not change from one request to the next, as times do."""


def served_model(name: str) -> Checkpoint:
    """Return the checkpoint of ``served:NAME``; its address and its key are no part of it.

    Raises:
        ConfigError: The endpoint is set nowhere, the extra is missing, or the key is refused.
        TransientError: The server does not answer.
    """
    endpoint = find_endpoint(name)
    rows = connect(endpoint).list_models() or []
    row = next((row for row in rows if row["id"] == endpoint.model), {})
    facts = {"model": endpoint.model, **{fact: row[fact] for fact in _FACTS if row.get(fact) is not None}}
    return Checkpoint(reference=endpoint.reference, path="", sha256=digest_of(facts), architecture=SERVED)


def check_served(name: str) -> None:
    """Refuse a served model that is set nowhere. ConfigError."""
    require_extra(f"served:{name}", "openai", "served")
    find_endpoint(name)


def summarize_served(checkpoint: Checkpoint) -> dict[str, str]:
    """Summarize a served model for people: labels and values."""
    endpoint = find_endpoint(split_reference(checkpoint.reference)[1])
    return {
        "reference": checkpoint.reference,
        "architecture": "behind an OpenAI-compatible endpoint",
        "model": endpoint.model,
        "where": endpoint.url,
        "key": "set" if endpoint.key.get_secret_value() else "none",
        "sha256": checkpoint.sha256,
    }


def chat_fingerprints(references: Mapping[str, str], *, completions: bool = False) -> dict[str, str]:
    """Return what servers of chat models say of themselves now, by role; nothing of weights here.

    Raises:
        ConfigError: An endpoint is set nowhere, or refuses the key or the model.
        TransientError: A server does not answer.
    """
    from components.endpoints.chat import open_chat  # noqa: PLC0415 - most models are not served

    return {
        f"{role}.fingerprint": open_chat(
            split_reference(reference)[1], again=True, completions=completions
        ).fingerprint
        for role, reference in references.items()
        if is_elsewhere(reference)
    }


def probe_chat(reference: str, *, completions: bool = False) -> None:
    """Ask a served chat model for a token: refuses the key or the model before long work.

    Raises:
        ConfigError: The endpoint is set nowhere, or refuses the key or the model.
        TransientError: The server does not answer.
    """
    from components.endpoints.chat import open_chat  # noqa: PLC0415 - most models are not served

    open_chat(split_reference(reference)[1], completions=completions)
