"""``store:KEY``: checkpoints that a run made; a model folder inside a finished stage of the store."""

from __future__ import annotations

import re
from pathlib import Path

from components.digests import sha256_of
from components.errors import ModelError, StoreError
from components.models.checkpoints import checkpoint_of
from components.models.references import display_reference
from components.records import Checkpoint
from components.storage.location import local_root, resolve_store_url
from components.storage.mirror import Mirror
from components.storage.seal import SEAL, read_seal

KEY = re.compile(r"[0-9a-f]{8,64}")
STEP = re.compile(r"[0-9]{1,9}")


def stage_model(key: str, store: str | None) -> Checkpoint:
    """The checkpoint of ``store:KEY``, verified against the digests in the stage's DONE.json.

    The model is the stage's folder itself or the only folder in it with a ``config.json``.

    Args:
        key: A stage's key or its first 8 or more characters; ``KEY@STEP`` for the checkpoint of that step,
            where the training kept it.
        store: Folder or URL of the store; None for the default.

    Raises:
        StoreError: There is no such stage, it is not finished, or a file is damaged.
        ModelError: The key is malformed, or the stage holds no model.
    """
    reference = f"store:{key}"
    key, separator, step = key.partition("@")
    if not KEY.fullmatch(key) or (separator and not STEP.fullmatch(step)):
        raise ModelError(
            f"{display_reference(reference)}: expected 8 to 64 hexadecimal digits after store:, or KEY@STEP"
        )
    stage = _find_stage(key, store, reference)
    if not (stage / SEAL).is_file():
        raise StoreError(f"{reference}: the stage at {stage} is not finished; run its flow again")
    stated = read_seal((stage / SEAL).read_bytes(), str(stage / SEAL), stage.name).files
    folders = [p for p in (stage, *sorted(stage.iterdir())) if (p / "config.json").is_file()]
    if separator:
        folders = [_checkpoint_folder(stage / "checkpoints", int(step), reference)]
    if len(folders) != 1:
        raise ModelError(f"{reference}: expected one model folder in {stage}, found {len(folders)}")
    for path in sorted(folders[0].iterdir()):
        _verify_file(path, path.relative_to(stage).as_posix(), stated, reference)
    return checkpoint_of(folders[0], reference, (f"stage:{stage.name}",))


def _find_stage(key: str, store: str | None, reference: str) -> Path:
    """The folder of the only stage whose key begins so; downloaded first from a store that is elsewhere."""
    root = local_root(store)
    mirror = Mirror(resolve_store_url(store)) if root is None else None
    if mirror is None:
        assert root is not None
        where, names = f"{root}/stages", [path.name for path in root.glob(f"stages/{key}*")]
    else:
        root, where, names = mirror.root, f"{mirror.objects.url}/stages", mirror.match(key)
    matches = [name for name in names if KEY.fullmatch(name)]
    if len(matches) != 1:
        count = f"{len(matches)} such stages" if matches else "none"
        raise StoreError(
            f"{reference}: expected one stage in {where}, found {count}; check the key and the store"
        )
    if mirror is not None:
        mirror.download(matches[0])
    return root / "stages" / matches[0]


def _checkpoint_folder(folder: Path, step: int, reference: str) -> Path:
    steps = sorted(int(path.name.removeprefix("step-")) for path in folder.glob("step-*"))
    if step not in steps:
        available = ", ".join(map(str, steps)) or "none"
        raise ModelError(
            f"{reference}: expected a checkpoint that the training kept ({available}), found step {step}; "
            "train with keep above 0"
        )
    return folder / f"step-{step}"


def _verify_file(path: Path, name: str, stated: dict[str, str], reference: str) -> None:
    if path.is_dir() or path.name == SEAL:
        return
    if name not in stated:
        if (
            path.suffix in {".json", ".safetensors", ".spm", ".model", ".txt", ".jinja"}
            and name != "plan.json"
        ):
            raise StoreError(f"{reference}: {path} is not in DONE.json; it does not belong to the stage")
        return
    if (digest := sha256_of(path)) != stated[name]:
        raise StoreError(
            f"{reference}: {path} has sha256 {digest[:12]}, DONE.json says {stated[name][:12]}; it was "
            "changed or damaged: compute the stage again"
        )
