"""Whether models may be fetched: what looks only (``plan``, ``improve`` without a budget) forbids it.

A model that is not on this machine is then a :class:`NotHereError`, which says how large it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from components.errors import ModelError

_FORBIDDEN: ContextVar[bool] = ContextVar("fetching_is_forbidden", default=False)


class NotHereError(ModelError):
    """A model is not on this machine, and nothing may be fetched now.

    Args:
        reference: of the model.
        size: bytes of its folder, where that is known.
    """

    def __init__(self, reference: str, size: int | None = None) -> None:
        known = f", {size / 1e9:.2f} GB" if size else ""
        super().__init__(f"{reference}: to be fetched{known}")
        self.reference, self.size = reference, size


@contextmanager
def forbid_fetching() -> Iterator[None]:
    """Raise :class:`NotHereError` in place of fetching a model, in this block."""
    token = _FORBIDDEN.set(True)
    try:
        yield
    finally:
        _FORBIDDEN.reset(token)


def require_fetching(reference: str, size: int | None = None) -> None:
    """Raise :class:`NotHereError` where a model may not be fetched."""
    if _FORBIDDEN.get():
        raise NotHereError(reference, size)
