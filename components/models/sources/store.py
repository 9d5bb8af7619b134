"""``store:KEY`` or ``store:RUN``: checkpoints that a run made; a model folder inside a finished stage."""

from __future__ import annotations

import re
from pathlib import Path

from components.errors import ConfigError, ModelError, StoreError
from components.files.digests import sha256_of
from components.models.checkpoints import checkpoint_of
from components.models.references import display_reference
from components.records import Checkpoint
from components.storage.runs.run_records import read_record
from components.storage.stages.seal import SEAL, read_seal
from components.storage.store import Store, check_run_name

KEY = re.compile(r"[0-9a-f]{8,64}")
STEP = re.compile(r"-?[0-9]{1,9}")


def stage_model(key: str, store: str | None) -> Checkpoint:
    """Return the checkpoint of ``store:KEY``, verified against the digests in the stage's ``stage.json``.

    The model is the stage's folder itself or the only folder in it with a ``config.json``.

    Args:
        key: a stage's key or its first 8 or more characters, or a run's name (:func:`find_model_key`);
            ``KEY@STEP`` for the checkpoint of that step, where the training kept it, ``KEY@-1`` for the last.
        store: folder or URL of the store; None for the default.

    Raises:
        StoreError: There is no such stage or run, it is not finished, or a file is damaged.
        ModelError: The key is malformed, or the stage holds no model.
    """
    reference = f"store:{key}"
    folder, stage = stage_folder(key, store, "config.json")
    return checkpoint_of(folder, reference, (f"stage:{stage}",))


def stage_folder(key: str, store: str | None, *markers: str) -> tuple[Path, str]:
    """Return the folder of a finished stage that has a file of ``markers``, verified, and the stage's key.

    Args:
        key: as of :func:`stage_model`.
        store: folder or URL of the store; None for the default.
        markers: files of which a model's folder has one, as ``config.json``.

    Raises:
        StoreError: As :func:`stage_model`.
        ModelError: The key is malformed, or the stage has no such folder or several.
    """
    reference = f"store:{key}"
    key, separator, step = key.partition("@")
    if separator and not STEP.fullmatch(step):
        raise ModelError(f"{display_reference(reference)}: expected the number of a step after @")
    if names_run(key, store):
        key = find_model_key(key, store)
    stage = find_stage_folder(key, store, reference)
    if not (stage / SEAL).is_file():
        raise StoreError(f"{reference}: the stage at {stage} is not finished; run its flow again")
    stated = read_seal((stage / SEAL).read_bytes(), str(stage / SEAL), stage.name).files
    folders = [p for p in (stage, *sorted(stage.iterdir())) if any((p / m).is_file() for m in markers)]
    if separator:
        folders = [_checkpoint_folder(stage / "checkpoints", int(step), reference)]
    if len(folders) != 1:
        kind = "model" if "config.json" in markers else "adapter"
        raise ModelError(f"{reference}: expected one {kind} folder in {stage}, found {len(folders)}")
    for path in sorted(folders[0].iterdir()):
        verify_stage_file(path, path.relative_to(stage).as_posix(), stated, reference)
    return folders[0], stage.name


def find_model_key(name: str, store: str | None) -> str:
    """Return the key of the model that a run made.

    Args:
        name: the run's, or ``RUN/NODE`` where several of its nodes made models.
        store: folder or URL of the store; None for the default.

    Raises:
        StoreError: There is no such run, or it is damaged.
        ModelError: The run made no model, or several; or the name can be none.
    """
    reference, (run_name, _, node) = display_reference(f"store:{name}"), name.partition("/")
    opened = Store(store)
    try:
        recorded = opened.backend.download_run(check_run_name(run_name))
    except ConfigError:
        raise ModelError(
            f"{reference}: expected 8 to 64 hexadecimal digits after store:, KEY@STEP, or the name of a run"
        ) from None
    if not recorded:
        raise StoreError(f"{reference}: {opened.missing_run_error(run_name)}")
    run = read_record(opened.run_folder(run_name), opened.stages)
    makers = {maker.name for maker in run.pipeline.nodes if maker.output == "model"}
    keys = {ref.stage: ref.key for ref in run.stages if ref.stage in makers and node in {"", ref.stage}}
    if len(set(keys.values())) != 1:
        models = ", ".join(f"store:{run_name}/{maker}" for maker in sorted(makers)) or "none"
        raise ModelError(f"{reference}: expected one model that run {run_name} made, found {models}")
    return next(iter(keys.values()))


def names_run(name: str, store: str | None) -> bool:
    """Return whether a reference names a run; a run may have a name of hexadecimal digits, such as a date."""
    return not KEY.fullmatch(name) or (len(name) < 64 and Store(store).backend.has_run(name))


def find_stage_folder(key: str, store: str | None, reference: str) -> Path:
    """Find the only stage whose key begins so; its folder is downloaded first from a store elsewhere."""
    backend = Store(store).backend
    where = f"{backend.url}/stages"
    matches = [
        name for name in backend.files.list_folders("stages") if name.startswith(key) and KEY.fullmatch(name)
    ]
    if len(matches) != 1:
        count = f"{len(matches)} such stages" if matches else "none"
        raise StoreError(
            f"{reference}: expected one stage in {where}, found {count}; check the key and the store"
        )
    backend.bring_stage(matches[0])  # its model alone is verified, below
    return backend.root / "stages" / matches[0]


def _checkpoint_folder(folder: Path, step: int, reference: str) -> Path:
    steps = sorted(int(path.name.removeprefix("step-")) for path in folder.glob("step-*"))
    if -len(steps) <= step < 0:
        step = steps[step]
    if step not in steps:
        available = ", ".join(map(str, steps)) or "none"
        raise ModelError(
            f"{reference}: expected a checkpoint that the training kept ({available}), found step {step}; "
            "train with keep_checkpoints above 0"
        )
    return folder / f"step-{step}"


def verify_stage_file(path: Path, name: str, stated: dict[str, str], reference: str) -> None:
    """Check a file of a stage against the digest in its seal. Raises StoreError."""
    if path.is_dir() or path.name == SEAL:
        return
    if name not in stated:
        if path.suffix in {".json", ".safetensors", ".spm", ".model", ".txt", ".jinja"}:
            raise StoreError(f"{reference}: {path} is not in {SEAL}; it does not belong to the stage")
        return
    if (digest := sha256_of(path)) != stated[name]:
        raise StoreError(
            f"{reference}: {path} has sha256 {digest[:12]}, {SEAL} says {stated[name][:12]}; it was "
            "changed or damaged: compute the stage again"
        )
