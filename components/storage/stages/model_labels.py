"""Names for people of models that are stages: ``train of seed 2 (3c2d9834)`` for ``store:3c2d9834…``."""

from __future__ import annotations

import re

from components.errors import StoreError
from components.storage.store import Store

_REFERENCE = re.compile(r"store:([0-9a-f]{64})")


def label_models(text: str, store: str | None) -> str:
    """Return ``text`` with the kind, the seed and the first digits of every model that is named by its key.

    A stage that is gone is named by its digits alone.

    Args:
        text: such as the name of a member.
        store: where the models are.
    """
    return _REFERENCE.sub(lambda match: _label(match.group(1), store), text)


def _label(key: str, store: str | None) -> str:
    try:
        plan = Store(store).load_plan(key)
    except StoreError:
        return f"store:{key[:8]}…"
    return f"{plan.stage} of seed {plan.seed} ({key[:8]})"
