"""A base and its adapters -> a model folder in the cache, merged the first time that it is needed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from components.errors import ModelError
from components.files.digests import cache_folder, combine_digests
from components.models.adapters.merge import Update, plan_updates
from components.models.adapters.tensors import Adapter
from components.models.checkpoints import (
    ADAPTERS,
    CONFIGURATION_NAMES,
    DOMAIN,
    INDEX,
    TOKENIZER_NAMES,
    checkpoint_of,
    read_header,
    read_json,
    weight_files,
)
from components.models.packages.install_manifest import install_once
from components.models.references import is_scheme
from components.records import Checkpoint

VERSION = 1
"""Version of the merging: raised when the same adapters give other weights."""
_OUTPUTS = ("lm_head.weight", "proj_out.weight", "embed_out.weight")
_TIED = re.compile(r"(^|\.)(embed_tokens|shared|wte|embed_in|lm_head|proj_out|embed_out)\.weight$")
_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?", re.ASCII)


def adapted_model(reference: str, base: Checkpoint, adapters: Sequence[tuple[Adapter, float]]) -> Checkpoint:
    """Merge adapters into a base, or find the folder where that was done before.

    Args:
        reference: what to call the adapted model.
        base: the model that the adapters were trained on.
        adapters: with their weights, in order.

    Raises:
        ModelError: An adapter is of another base, or the base is quantized.
    """
    check_adapters(base, adapters)
    parts = {
        "version": str(VERSION),
        "base": base.sha256,
        "tokenizer": str(base.tokenizer_sha256),
        **{f"adapter{n}": f"{weight!r} {adapter.sha256}" for n, (adapter, weight) in enumerate(adapters)},
    }

    folder = install_once(
        cache_folder() / "adapted" / combine_digests(parts)[:32], partial(write_model, base, adapters)
    )
    lineage = (base.reference, *(adapter.reference for adapter, _ in adapters))
    return checkpoint_of(folder, reference, lineage)


def check_adapters(base: Checkpoint, adapters: Sequence[tuple[Adapter, float]]) -> dict[str, list[Update]]:
    """Refuse adapters of another base, and a base that cannot be added to, without reading weights.

    Returns:
        Name of a tensor -> what is done to it, in order.

    Raises:
        ModelError: As :func:`adapted_model`.
    """
    shapes = _base_shapes(base)
    for adapter, _ in adapters:
        refuse_other_base(adapter, base)
    changed = [
        name
        for adapter, _ in adapters
        for name in (*(f"{m}.weight" for m in adapter.modules), *adapter.whole)
    ]
    tied = next(filter(_TIED.search, changed), None)
    if tied is not None and not any(name.endswith(_OUTPUTS) for name in shapes):
        raise ModelError(  # it was trained beside a layer that stayed as it was
            f"{adapters[0][0].reference}: expected a base with an output layer of its own, as it changes "
            f"{tied}, found {base.reference}, which ties it to the embedding; save the base with "
            "tie_word_embeddings false"
        )
    return plan_updates(adapters, shapes, base.reference)


def write_model(base: Checkpoint, adapters: Sequence[tuple[Adapter, float]], folder: Path) -> None:
    """Write the folder of a base with adapters merged into it. Raises as :func:`adapted_model`."""
    updates = check_adapters(base, adapters)
    copy_beside(Path(base.path), folder)
    _set_domain(adapters, folder)
    write_adapted(Path(base.path), folder, updates)
    (folder / ADAPTERS).write_text(json.dumps(_record(base, adapters), indent=1) + "\n", encoding="utf-8")


def _set_domain(adapters: Sequence[tuple[Adapter, float]], folder: Path) -> None:
    """Replace the base's record of its domain by the adapter's; without one, nothing is known any more."""
    (folder / DOMAIN).unlink(missing_ok=True)
    records = [adapter.folder / DOMAIN for adapter, _ in adapters]
    if len(records) == 1 and records[0].is_file():
        shutil.copyfile(records[0], folder / DOMAIN)


def copy_beside(source: Path, folder: Path) -> None:
    """Copy everything of a model folder but its weights."""
    for path in source.iterdir():
        if path.name in CONFIGURATION_NAMES | TOKENIZER_NAMES | {INDEX, DOMAIN}:
            shutil.copyfile(path, folder / path.name)


def _base_shapes(base: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a base. ModelError where it has none that can be added to."""
    folder = Path(base.path)
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{base.reference}: expected a transformers model as the base of an adapter, found "
            f"{base.architecture}"
        )
    if read_json(folder / "config.json").get("quantization_config") is not None:
        raise ModelError(
            f"{base.reference}: expected a base with plain weights, found a quantized one; take the model "
            "that it was quantized from"
        )
    return {name: shape for file in weight_files(folder) for name, (_, shape) in read_header(file).items()}


def _record(base: Checkpoint, adapters: Sequence[tuple[Adapter, float]]) -> dict[str, object]:
    """Return what ``adapters.json`` says, by digests: the same parts give the same file under any names."""
    rows = [
        {"sha256": a.sha256, "weight": weight, "rank": a.config.rank, "modules": len(a.modules)}
        for a, weight in adapters
    ]
    return {"version": VERSION, "base_sha256": base.sha256, "adapters": rows}


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


@torch.no_grad()
def write_adapted(base: Path, folder: Path, updates: Mapping[str, Sequence[Update]]) -> None:
    """Write the safetensors files of ``base`` with its tensors updated; stored types stay.

    File by file, so that memory holds one of them.

    Args:
        base: a model folder.
        folder: gets files of the same names.
        updates: name of a tensor -> what is done to it, in order.
    """
    for file in weight_files(base):
        tensors = {}
        with safe_open(file, framework="pt") as stored:
            metadata = stored.metadata()
            for name in stored.keys():  # noqa: SIM118 - not a mapping
                tensor = stored.get_tensor(name)
                for update in updates.get(name, ()):
                    tensor = update(tensor)
                tensors[name] = tensor.contiguous()
        save_file(tensors, folder / file.name, metadata=metadata or {"format": "pt"})
