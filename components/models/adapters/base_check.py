"""Whether an adapter was trained on the base that it is given, by what its folder says of it."""

from __future__ import annotations

import re

from components.errors import ModelError
from components.models.adapters.tensors import Adapter
from components.models.references import is_scheme
from components.records import Checkpoint

_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?", re.ASCII)


def refuse_other_base(adapter: Adapter, base: Checkpoint) -> None:
    """Refuse an adapter whose folder names another base.

    An adapter of ours has the base's digest. Of others the name is compared where it is one of the hub or a
    reference; a path on the machine of its training says nothing.

    Raises:
        ModelError: The base is another one.
    """
    digest, name = adapter.base_sha256, adapter.config.base
    if digest is not None:
        if digest != base.sha256:
            raise ModelError(
                f"{adapter.reference}: an adapter of another base: it was trained on {name} (sha256 "
                f"{digest[:12]}), found {base.reference} (sha256 {base.sha256[:12]})"
            )
    elif _is_comparable(name) and _short(name) not in _names_of(base):
        raise ModelError(
            f"{adapter.reference}: an adapter of another base: its adapter_config.json says {name}, found "
            f"{base.reference}; where both are the same model, correct base_model_name_or_path there"
        )


def _is_comparable(name: str) -> bool:
    return is_scheme(name.partition(":")[0]) or _HUB.fullmatch(name) is not None


def _names_of(base: Checkpoint) -> set[str]:
    """Return what a base may be called: its reference's last part, and those of its lineage."""
    names = {_short(name) for name in (base.reference, *base.lineage)}
    scheme, _, name = base.reference.partition(":")
    return names | ({f"whisper-{name}"} if scheme == "whisper" else set())


def _short(name: str) -> str:
    """``hub:ORG/Name@REVISION`` -> ``name``."""
    return name.rpartition(":")[2].rstrip("/").rpartition("/")[2].partition("@")[0].lower()
