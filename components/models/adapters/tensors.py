"""The tensors of a PEFT folder, by the tensor of the base that they change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from safetensors import safe_open

from components.errors import ModelError
from components.files.digests import combine_digests, sha256_of
from components.models.adapters.config import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    AdapterConfig,
    read_adapter_config,
)
from components.models.checkpoints import DOMAIN, PICKLES, read_header

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "base_model.model."
_LORA = re.compile(
    r"(?P<module>.+)\.(?:lora_(?P<side>[AB])\.(?P<part>weight|bias)|lora_embedding_(?P<embedding>[AB])"
    r"|lora_(?P<magnitude>magnitude_vector)(?:\.weight)?)"
)
Slot = Literal["A", "B", "bias", "magnitude", "embedding_A", "embedding_B"]


@dataclass(frozen=True)
class Adapter:
    """A PEFT folder whose configuration was read; its tensors stay on disk.

    Attributes:
        reference: how the user named it.
        folder: where it is.
        config: how it is merged.
        sha256: digest of configuration, weights, and the record of its domain.
        shapes: shape of every tensor of the file by its name.
        modules: module of the base -> slot -> name of the tensor in the file.
        whole: tensor of the base that is replaced (``modules_to_save``, biases) -> its name in the file.
    """

    reference: str
    folder: Path
    config: AdapterConfig
    sha256: str
    shapes: Mapping[str, tuple[int, ...]]
    modules: Mapping[str, Mapping[Slot, str]]
    whole: Mapping[str, str] = field(default_factory=dict)

    def read(self, name: str) -> Tensor:
        """Read one tensor of the file."""
        with safe_open(self.folder / ADAPTER_WEIGHTS, framework="pt") as tensors:
            tensor: Tensor = tensors.get_tensor(name)
        return tensor

    @property
    def base_sha256(self) -> str | None:
        """Digest of the base that it was trained on, where it was trained here."""
        with safe_open(self.folder / ADAPTER_WEIGHTS, framework="numpy") as tensors:
            value: str | None = (tensors.metadata() or {}).get(BASE_DIGEST)
        return value


BASE_DIGEST = "base_sha256"
"""Key of the weights' metadata under which our trainings write the digest of their base."""


class _Name(NamedTuple):
    module: str
    slot: Slot


def open_adapter(folder: Path, reference: str) -> Adapter:
    """Read configuration and table of tensors of a PEFT folder.

    Raises:
        ModelError: It is not complete, no LoRA, or holds tensors of no known meaning.
    """
    if not (folder / ADAPTER_CONFIG).is_file():
        raise ModelError(f"{reference}: expected an adapter ({ADAPTER_CONFIG}) in {folder}, found none")
    config = read_adapter_config(folder, reference)
    weights = folder / ADAPTER_WEIGHTS
    if not weights.is_file():
        pickles = [path.name for path in folder.iterdir() if path.suffix in PICKLES]
        problem = f"{pickles[0]}, a pickle, which can run code when it is read" if pickles else "none"
        raise ModelError(
            f"{reference}: expected {ADAPTER_WEIGHTS} in {folder}, found {problem}; save it with peft"
        )
    shapes = {name: shape for name, (_, shape) in read_header(weights).items()}
    modules: dict[str, dict[Slot, str]] = {}
    whole: dict[str, str] = {}
    for name in shapes:
        if not name.startswith(PREFIX):
            raise ModelError(
                f"{reference}: expected tensors named {PREFIX}..., found {name}; save it with peft"
            )
        target = name.removeprefix(PREFIX)
        if (parsed := _parse(target)) is not None:
            modules.setdefault(parsed.module, {})[parsed.slot] = name
        elif "lora_" in target:
            raise ModelError(f"{reference}: {name}: a tensor of no known meaning; merge it with peft first")
        else:
            whole[target.replace(".base_layer.", ".").replace(".modules_to_save.", ".")] = name
    adapter = Adapter(reference, folder, config, _digest(folder), shapes, modules, whole)
    for module, slots in modules.items():
        _check_module(adapter, module, slots)
    if not modules and not whole:
        raise ModelError(f"{reference}: expected tensors in {weights}, found none")
    return adapter


def _parse(name: str) -> _Name | None:
    match = _LORA.fullmatch(name)
    if match is None:
        return None
    module = match["module"]
    if match["magnitude"]:
        return _Name(module, "magnitude")
    if match["embedding"]:
        return _Name(module, "embedding_A" if match["embedding"] == "A" else "embedding_B")
    if match["part"] == "bias":
        return _Name(module, "bias") if match["side"] == "B" else None
    return _Name(module, "A" if match["side"] == "A" else "B")


def _check_module(adapter: Adapter, module: str, slots: Mapping[Slot, str]) -> None:
    """Raise :class:`ModelError` unless a module has both matrices, of the stated rank, and no more."""
    embedded = "embedding_A" in slots or "embedding_B" in slots
    pair: tuple[Slot, Slot] = ("embedding_A", "embedding_B") if embedded else ("A", "B")
    needed = {*pair, *(("magnitude",) if adapter.config.dora else ())}
    if not needed <= set(slots) <= {*needed, "bias"}:
        raise ModelError(
            f"{adapter.reference}: {module}: expected {', '.join(sorted(needed))}, found "
            f"{', '.join(sorted(slots))}; fetch it again"
        )
    a, b = (adapter.shapes[slots[slot]] for slot in pair)
    if len(a) != 2 or len(b) != 2:
        raise ModelError(f"{adapter.reference}: {module}: a LoRA of a convolution; merge it with peft first")
    stated = adapter.config.rank_of(module)
    if not a[0] == b[1] == stated:
        raise ModelError(f"{adapter.reference}: {module}: expected rank {stated}, found A {a} and B {b}")


def _digest(folder: Path) -> str:
    names = (ADAPTER_CONFIG, ADAPTER_WEIGHTS, DOMAIN)
    return combine_digests({name: sha256_of(folder / name) for name in names if (folder / name).is_file()})
