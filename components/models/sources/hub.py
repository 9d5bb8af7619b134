"""``hub:ORG/NAME``: models of the Hugging Face hub; safetensors, JSON and tokenizer files only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from urllib.parse import quote

import httpx
from huggingface_hub import constants, hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from components.errors import ConfigError, ModelError, TransientError
from components.models.checkpoints import architecture_of, checkpoint_of, has_vocabulary, weight_files
from components.models.fetch_permission import require_fetching
from components.models.formats import FORMATS
from components.models.formats.format import ModelFormat, ModelToConvert
from components.models.packages.wheels import ProgressCallback
from components.models.references import display_reference
from components.records import Checkpoint

TEXTS = ("*.json", "*.txt", "*.model", "*.spm", "*.jinja")
PATTERNS = ("*.safetensors", *TEXTS)
ANSWER_SECONDS = 3.0
"""How long the hub may take to say whether it has a repository."""
NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?", re.ASCII)


def hub_model(name: str, on_progress: ProgressCallback, *, cache: Path | None = None) -> Checkpoint:
    """Return the checkpoint of ``hub:ORG/NAME[@REVISION]``; its lineage holds the commit.

    A complete snapshot in the hub's local cache is used as it is, without the network; else it is downloaded.

    Args:
        name: what follows ``hub:``.
        on_progress: called with a line of text before a download.
        cache: the hub's local cache; None for its default.

    Raises:
        ConfigError: The name is not ORG/NAME or ORG/NAME@REVISION.
        ModelError: There is no such repository, its licence was not accepted, or its files are unsafe.
        TransientError: The hub cannot be reached.
    """
    reference = f"hub:{name}"
    check_name(name)
    repository, _, revision = name.partition("@")
    model_format = _format_of(repository)
    patterns = _patterns_of(model_format)
    folder = _local_snapshot(repository, revision or None, cache, patterns)
    if folder is None:
        require_fetching(reference)
        on_progress(f"{reference}: downloading")
        folder = _download_snapshot(reference, repository, revision or None, cache, patterns)
    lineage = (f"hub:{repository}@{folder.name}",)
    if model_format is not None and model_format.reads(folder):
        return model_format.convert(folder, ModelToConvert(reference, on_progress, lineage, cache))
    return checkpoint_of(folder, reference, lineage)


def check_repository(name: str) -> None:
    """Refuse a repository that is neither complete in the hub's local cache nor on the hub.

    Args:
        name: ORG/NAME or ORG/NAME@REVISION.

    Raises:
        ConfigError: The name is of another form.
        ModelError: There is no such repository or revision that this user may see.
        TransientError: It is not here, and the hub cannot be reached.
    """
    check_name(name)
    repository, _, revision = name.partition("@")
    patterns = _patterns_of(_format_of(repository))
    if _local_snapshot(repository, revision or None, None, patterns) is None:
        status = ask_hub(
            f"/api/models/{repository}" + (f"/revision/{quote(revision, '')}" if revision else "")
        )
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND):
            raise _absent_error(f"hub:{name}")
        if status is None:
            raise _unreachable_error(f"hub:{name}")


@cache
def ask_hub(path: str) -> int | None:
    """Return the status of the hub's answer for a page; None where it cannot be reached.

    It is asked once in a process, and given three seconds; what it has not said by then is 504.
    """
    if constants.HF_HUB_OFFLINE:
        return None
    try:
        return httpx.head(
            constants.ENDPOINT + path,
            headers=build_hf_headers(),
            timeout=ANSWER_SECONDS,
            follow_redirects=True,
        ).status_code
    except httpx.ReadTimeout:
        return httpx.codes.GATEWAY_TIMEOUT
    except (httpx.HTTPError, OSError):
        return None


def has_repository(repository: str) -> bool:
    """Return whether a repository, ORG/NAME, is in the local cache, or there when the hub is asked for it."""
    if isinstance(try_to_load_from_cache(repository, "config.json"), str):
        return True
    return ask_hub("") == httpx.codes.OK and ask_hub(f"/api/models/{repository}") == httpx.codes.OK


def _absent_error(reference: str) -> ModelError:
    return ModelError(f"{reference}: the hub has no such repository or revision; check the name")


def _unreachable_error(reference: str) -> TransientError:
    return TransientError(
        f"{reference}: not in the hub's local cache, and the hub cannot be reached; fetch it where "
        f"there is one (`antiphon models fetch {reference}`), set HF_HOME to its cache, or give a path"
    )


def _format_of(repository: str) -> ModelFormat | None:
    """Return the form that a repository may have beside a model folder's, by its name."""
    rows = FORMATS.values()
    return next((row for row in rows if row.hub_names and row.hub_names.fullmatch(repository)), None)


def _patterns_of(model_format: ModelFormat | None) -> tuple[str, ...]:
    return PATTERNS if model_format is None else (*PATTERNS, *model_format.hub_files)


def encoder_files(repository: str, on_progress: ProgressCallback, *, cache: Path | None = None) -> Path:
    """Return the folder with configuration and tokenizer of a repository; its weights are not fetched.

    Args:
        repository: ORG/NAME, or NAME of one of the hub's first models, as ``xlm-roberta-large``.
        on_progress: called with a line of text before a download.
        cache: the hub's local cache; None for its default.

    Raises:
        ModelError: There is no such repository, or its licence was not accepted.
        TransientError: The hub cannot be reached.
    """
    try:
        folder = Path(
            snapshot_download(repository, cache_dir=cache, allow_patterns=list(TEXTS), local_files_only=True)
        )
        if (folder / "config.json").is_file() and has_vocabulary(folder):
            return folder
    except (LocalEntryNotFoundError, HFValidationError):
        pass
    require_fetching(f"hub:{repository}")
    on_progress(f"hub:{repository}: downloading configuration and tokenizer")
    try:
        return _download_snapshot(f"hub:{repository}", repository, None, cache, TEXTS)
    except TransientError as error:  # whose advice is to fetch it as a model, which would fetch its weights
        raise TransientError(
            f"hub:{repository}: not in the hub's local cache, and the hub cannot be reached; put both files "
            "there, or set HF_HOME to its cache"
        ) from error


def configuration_folder(name: str, *, cache: Path | None = None) -> Path:
    """Return the folder with the ``config.json`` of ORG/NAME[@REVISION]; no other file is fetched.

    Raises:
        ConfigError: The name is of another form.
        TransientError: It is not in the local cache, and the hub gives none.
    """
    check_name(name)
    repository, _, revision = name.partition("@")
    cached = try_to_load_from_cache(repository, "config.json", cache_dir=cache, revision=revision or None)
    if isinstance(cached, str):
        return Path(cached).parent
    require_fetching(f"hub:{name}")
    try:
        path = hf_hub_download(
            repository,
            "config.json",
            revision=revision or None,
            cache_dir=cache,
            etag_timeout=ANSWER_SECONDS,
        )
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError) as error:
        raise _unreachable_error(f"hub:{name}") from error
    return Path(path).parent


def adapter_files(name: str, on_progress: ProgressCallback, *, cache: Path | None = None) -> Path:
    """Return the folder of a PEFT adapter, ``ORG/NAME[@REVISION]``; from the local cache where it is there.

    Raises:
        ConfigError: The name is not ORG/NAME or ORG/NAME@REVISION.
        ModelError: There is no such repository, or its licence was not accepted.
        TransientError: The hub cannot be reached.
    """
    check_name(name)
    repository, _, revision = name.partition("@")
    patterns = ("adapter_*.json", "adapter_*.safetensors")
    try:
        folder = Path(
            snapshot_download(
                repository,
                revision=revision or None,
                cache_dir=cache,
                allow_patterns=list(patterns),
                local_files_only=True,
            )
        )
        if (folder / "adapter_config.json").is_file() and list(folder.glob("adapter_*.safetensors")):
            return folder
    except LocalEntryNotFoundError:
        pass
    require_fetching(f"hub:{name}")
    on_progress(f"hub:{name}: downloading the adapter")
    return _download_snapshot(f"hub:{name}", repository, revision or None, cache, patterns)


def check_name(name: str) -> None:
    """Raise :class:`ConfigError` for what is not ORG/NAME or ORG/NAME@REVISION."""
    if not NAME.fullmatch(name) or ".." in name:
        reference = display_reference(f"hub:{name}")
        raise ConfigError(f"model: expected hub:ORG/NAME or hub:ORG/NAME@REVISION, found {reference!r}")


def _local_snapshot(
    repository: str, revision: str | None, cache: Path | None, patterns: Sequence[str]
) -> Path | None:
    """Return the snapshot in the local cache; None where it is not complete."""
    try:
        folder = Path(
            snapshot_download(
                repository,
                revision=revision,
                cache_dir=cache,
                allow_patterns=list(patterns),
                local_files_only=True,
            )
        )
        model_format = _format_of(repository)
        if model_format is not None and model_format.reads(folder):
            return folder
        architecture_of(folder)
        weight_files(folder)
    except (LocalEntryNotFoundError, ModelError):
        return None
    return folder


def _download_snapshot(
    reference: str, repository: str, revision: str | None, cache: Path | None, patterns: Sequence[str]
) -> Path:
    try:
        return Path(
            snapshot_download(repository, revision=revision, cache_dir=cache, allow_patterns=list(patterns))
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{reference}: its licence has to be accepted on the hub first, then log in"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise _absent_error(reference) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise _unreachable_error(reference) from error
