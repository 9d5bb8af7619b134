"""Where a fitted estimator comes from: ``packaged:NAME``, ``store:KEY``, ``store:RUN`` or a path."""

from __future__ import annotations

from pathlib import Path

from components.confidence.estimators.config import ESTIMATOR_FILE
from components.errors import ConfigError
from components.models.references import split_reference
from components.models.sources.store import find_stage_folder, names_run, verify_stage_file
from components.storage.stages.seal import SEAL, read_seal
from components.storage.store import Store
from components.text.suggestions import did_you_mean

PACKAGED = Path(__file__).parents[2] / "packaged" / "estimators"
KIND = "fit_estimator"


def packaged_estimators() -> list[str]:
    """Return the names of the estimators that travel with Antiphon, which are those of their models."""
    return sorted(path.parent.name for path in PACKAGED.glob(f"*/{ESTIMATOR_FILE}"))


def is_path(reference: str) -> bool:
    """Return whether a reference is that of a file or folder."""
    return split_reference(reference)[0] not in ("packaged", "store")


def locate_estimator(reference: str, store: str | None) -> Path:
    """Return the file of a fitted estimator, verified where the store knows its digest.

    Args:
        reference: ``packaged:NAME``, ``store:KEY``, ``store:RUN``, ``store:RUN/NODE``, or a path.
        store: URL of the store.

    Raises:
        ConfigError: there is none.
        StoreError: its stage is not finished, or damaged.
    """
    scheme, name = split_reference(reference)
    if scheme == "packaged":
        if name not in packaged_estimators():
            names = packaged_estimators()
            hint = did_you_mean(name, names)
            raise ConfigError(f"expected a packaged estimator, of {', '.join(names)}, found {name!r}{hint}")
        return PACKAGED / name / ESTIMATOR_FILE
    if scheme == "store":
        return _locate_in_store(reference, name, store)
    path = Path(reference)
    return path / ESTIMATOR_FILE if path.is_dir() else path


def _locate_in_store(reference: str, name: str, store: str | None) -> Path:
    key = _find_key(reference, name, store) if names_run(name, store) else name
    folder = find_stage_folder(key, store, reference)
    file, seal = folder / ESTIMATOR_FILE, folder / SEAL
    if not seal.is_file() or not file.is_file():
        raise ConfigError(f"{reference}: expected a finished stage of kind {KIND}, found another one")
    stated = read_seal(seal.read_bytes(), str(seal), folder.name).files
    verify_stage_file(file, ESTIMATOR_FILE, stated, reference)
    return file


def _find_key(reference: str, name: str, store: str | None) -> str:
    """Return the key of the estimator that a run fitted, ``RUN`` or ``RUN/NODE``."""
    run_name, _, node = name.partition("/")
    run = Store(store).load_run(run_name)
    fitted = {ref.stage: ref.key for ref in run.stages if ref.kind == KIND}
    keys = {key for stage, key in fitted.items() if node in ("", stage)}
    if len(keys) != 1:
        listing = ", ".join(f"store:{run_name}/{stage}" for stage in fitted) or "none"
        raise ConfigError(f"{reference}: expected one estimator that the run fitted, found {listing}")
    return keys.pop()
