"""A model reference -> a verified :class:`Checkpoint` on local disk.

``hub:ORG/NAME[@REVISION]``  a repository of the Hugging Face hub: its safetensors, JSON and tokenizer files
``whisper:NAME``             a model of openai-whisper, by its own name and digest
``packaged:NAME``            a row of :mod:`components.models.packaged_models`
``sphinx:NAME``             a model of pocketsphinx: en-us, which it bundles, or a folder
``store:KEY``                a checkpoint that a stage of ours produced, verified against its DONE.json
``node:NAME``                one that another node of the pipeline makes: it becomes ``store:KEY``
a path                       a transformers or CTranslate2 folder; a Whisper .pt, .safetensors or .gguf file
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from components.digests import cache_folder
from components.errors import ConfigError, ModelError
from components.models.checkpoints import checkpoint_of
from components.models.fetching import fetch, is_fetched, print_to_stderr, require_consent, source_lineage
from components.models.packaged_models import PACKAGED_MODELS, PackagedModel
from components.models.wheels import ProgressCallback
from components.records import Checkpoint
from components.redaction import MASK, redact

MAX_REFERENCE, MAX_DISPLAYED = 4096, 120
"""Letters of a reference (the longest path of Linux), and of one in an error."""
SCHEMES = ("hub", "whisper", "packaged", "sphinx", "store", "node")
# user:password@ without ://, which redact knows
_USER_INFO = re.compile(rf"^((?:{'|'.join(SCHEMES)}):)?+[^/\s:@]+:(?!//)[^\s@]*@")


def resolve(
    reference: str, store: str | None = None, *, on_progress: ProgressCallback = print_to_stderr
) -> Checkpoint:
    """Verified local files of ``reference``; fetched first where they are not here yet.

    ``store``, for ``store:KEY``, is a folder or URL (default: ``ANTIPHON_STORE``, else ./antiphon-store).
    Progress goes line by line to ``tell``. Raises :class:`ModelError` (unknown, gone, damaged, unsafe),
    :class:`TransientError` (network) or :class:`ConfigError` (not a reference at all).
    """
    scheme, name = _split_reference(reference)
    if scheme == "path":
        return _from_path(reference)
    if scheme == "packaged":
        return _from_packaged(name, on_progress)
    if scheme == "store":
        from components.models.sources.store import stage_model  # noqa: PLC0415

        return stage_model(name, store)
    if scheme == "sphinx":
        from components.models.sources.sphinx import sphinx_model  # noqa: PLC0415 - an extra

        return sphinx_model(name)
    if scheme == "node":
        raise ConfigError(
            f"{display_reference(reference)}: expected a model that is there; only a pipeline's nodes make one"
        )
    if scheme == "whisper":
        from components.models.sources.openai_whisper import openai_model  # noqa: PLC0415

        return openai_model(name, on_progress)
    from components.models.sources.hub import hub_model  # noqa: PLC0415 - imports the hub's client

    return hub_model(name, on_progress)


def check(reference: str, store: str | None = None) -> None:
    """Refuse a reference that can be refused without fetching anything, as :func:`resolve_parameter` would.

    An unknown name, a path that is not there, a licence that asks for consent, a stage that is not in the
    store, an extra that is not installed. Raises as :func:`resolve_parameter`.
    """
    scheme, name = _split_reference(reference)
    if scheme == "packaged":
        row = _packaged_row(name)
        if row.consent and not is_fetched(row):
            require_consent(row)
    elif scheme == "whisper":
        if name not in whisper_names():
            raise unknown_reference_error(
                reference, "model of openai-whisper", tuple(f"whisper:{n}" for n in whisper_names())
            )
    elif scheme == "hub":
        from components.models.sources.hub import check_name  # noqa: PLC0415 - imports the hub's client

        check_name(name)
    elif scheme == "path":
        _check_path(reference)
    elif scheme != "node":  # of this machine or its store: nothing is fetched from elsewhere
        resolve(reference, store)


def available_references() -> tuple[str, ...]:
    """Every reference that can be named without knowing a hub or a store."""
    return (
        *(f"packaged:{name}" for name in PACKAGED_MODELS),
        *(f"whisper:{name}" for name in whisper_names()),
    )


def whisper_names() -> tuple[str, ...]:
    """Names of openai-whisper's models."""
    import whisper  # noqa: PLC0415 - imports torch

    return tuple(whisper.available_models())


def unknown_reference_error(reference: str, kind: str, choices: tuple[str, ...]) -> ModelError:
    """One line that says what exists and what was probably meant."""
    close = difflib.get_close_matches(reference, choices, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    return ModelError(
        f"{display_reference(reference)}: no such {kind}; {hint}there are: {', '.join(choices)}"
    )


def display_reference(reference: str) -> str:
    """A reference as an error may show it: without secrets, and short."""
    text = _USER_INFO.sub(rf"\1{MASK}@", redact(reference))
    return text if len(text) <= MAX_DISPLAYED else f"{text[:MAX_DISPLAYED]}…"


def _split_reference(reference: str) -> tuple[str, str]:
    """Scheme and name of a reference; the scheme of a path is ``path``. ConfigError."""
    if not reference.strip() or "\0" in reference or "\n" in reference or len(reference) > MAX_REFERENCE:
        raise ConfigError(
            f"model: expected a reference such as packaged:whisper-base, found {display_reference(reference)!r}"
        )
    scheme, colon, name = reference.partition(":")
    return (scheme, name) if colon and scheme in SCHEMES else ("path", reference)


def _packaged_row(name: str) -> PackagedModel:
    if name not in PACKAGED_MODELS:
        raise unknown_reference_error(
            f"packaged:{name}", "packaged model", tuple(f"packaged:{n}" for n in PACKAGED_MODELS)
        )
    return PACKAGED_MODELS[name]


def _from_packaged(name: str, on_progress: ProgressCallback) -> Checkpoint:
    folder = fetch(_packaged_row(name), on_progress=on_progress)
    return checkpoint_of(folder, f"packaged:{name}", source_lineage(folder))


def _check_path(reference: str) -> Path:
    path = Path(os.path.expanduser(reference))  # noqa: PTH111 - pathlib's raises for ~nobody
    if not os.path.exists(path):  # noqa: PTH110 - pathlib's raises for a name that is too long
        choices = (*available_references(), "hub:ORG/NAME", "store:KEY", "a path")
        raise unknown_reference_error(reference, "model file, folder or reference", choices)
    return path


def _from_path(reference: str) -> Checkpoint:
    path = _check_path(reference)
    if path.is_dir() and not (path / "model.bin").is_file():
        return checkpoint_of(path.absolute(), reference)
    if path.is_dir() and (path / "model.safetensors").is_file():
        return checkpoint_of(path.absolute(), reference)
    from components.models.sources.model_file import convert_once  # noqa: PLC0415 - needs torch

    return convert_once(path.absolute(), reference, cache_folder() / "converted")
