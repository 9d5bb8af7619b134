"""Models: from a reference to verified files on local disk, and from these to a model in memory.

``hub:ORG/NAME[@REVISION]``  a repository of the Hugging Face hub: its safetensors, JSON and tokenizer files
``whisper:NAME``             a model of openai-whisper, by its own name and digest
``packaged:NAME``            a row of :mod:`components.models.packages.packaged_models`
``sphinx:NAME``              a model of pocketsphinx: en-us, which it bundles, or a folder
``onnx:FOLDER``              a model of onnx-asr
``store:KEY``                a checkpoint that a stage of the store holds, verified against its seal
``store:RUN``                the one that a run made, by the run's name; ``store:RUN/NODE`` of several
``served:NAME``              one behind an OpenAI-compatible endpoint (docs/families/served.md)
``node:NAME``                one that another node of the pipeline makes: it becomes ``store:KEY``
a path                       a transformers or CTranslate2 folder; a COMET or MetricX checkpoint's folder; a
                             Whisper .pt, .safetensors or .gguf file
``BASE+ADAPTER``             a model with a LoRA of PEFT (``hub:``, ``store:``, ``node:`` or a folder) merged
                             into it; several, and weights: ``BASE+0.7*ADAPTER+0.3*ADAPTER``

A scheme is a source of :data:`components.models.sources.SOURCES`; other packages may add their own, and forms
of files (:data:`components.models.formats.FORMATS`) and of adapters.
:mod:`components.models.loaders.loading` loads the :class:`Checkpoint` that :func:`resolve` returns.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from components.errors import ConfigError
from components.models.adapted_references import WeightedAdapter, parts_of, split_adapters
from components.models.adapters import format_of_folder, format_of_references
from components.models.checkpoints import checkpoint_of
from components.models.formats import find_format
from components.models.formats.format import ModelToConvert
from components.models.packages.fetching import print_to_stderr
from components.models.packages.wheels import ProgressCallback
from components.models.references import display_reference, missing_path_error, split_reference
from components.models.sources import SOURCES
from components.records import Checkpoint
from components.stage_settings import AUTO_MODEL


def resolve(
    reference: str, store: str | None = None, *, on_progress: ProgressCallback = print_to_stderr
) -> Checkpoint:
    """Find the files of a model and verify them; they are fetched first where they are not here yet.

    Args:
        reference: names the model; see :mod:`components.models`.
        store: folder or URL of the store that ``store:KEY`` refers to; None for ``ANTIPHON_STORE``, else
            ``./antiphon-store``.
        on_progress: called with lines of text while a model is fetched.

    Raises:
        ConfigError: It is no reference, or an extra is not installed.
        ModelError: There is no such model, or its files are gone, damaged or unsafe to read.
        TransientError: The network failed.
    """
    base, adapters = split_adapters(reference)
    if adapters:
        checkpoint = resolve(base, store, on_progress=on_progress)
        return format_of_references().merge(reference, checkpoint, adapters, store, on_progress)
    folder = _adapter_alone(reference, store)
    if folder is not None:
        return _from_adapter(reference, folder, store, on_progress)
    scheme, name = split_reference(reference)
    if scheme == "path":
        return _from_path(reference, on_progress)
    if scheme == "node":
        raise ConfigError(
            f"{display_reference(reference)}: expected the reference of a model that exists; node:NAME is "
            "known to a pipeline's nodes only"
        )
    return SOURCES[scheme].resolve(name, store, on_progress)


def check(reference: str, store: str | None = None, *, served: bool = False) -> None:
    """Refuse a reference that :func:`resolve` would refuse, as far as that is known without fetching.

    Refused are unknown names, paths that do not exist, licences that ask for consent, stages that are not in
    the store, extras that are not installed, endpoints that are set nowhere, and repositories that neither
    the hub nor its local cache has.

    Args:
        reference: as for :func:`resolve`.
        store: as for :func:`resolve`.
        served: whether the caller can ask a served model; else one is refused.

    Raises:
        ConfigError: As :func:`resolve`.
        ModelError: As :func:`resolve`.
        TransientError: The hub cannot be reached, and its local cache has no such model.
    """
    if reference == AUTO_MODEL:
        return  # chosen once the languages of the data are known
    base, adapters = split_adapters(reference)
    if adapters:
        check(base, store)
        for adapter in adapters:
            format_of_references().check(adapter.reference)
        return
    scheme, name = split_reference(reference)
    if scheme == "path":
        _check_path(reference)
    elif scheme != "node":
        source = SOURCES[scheme]
        if source.is_elsewhere and not served:
            raise ConfigError(
                f"{display_reference(reference)}: expected a model whose weights are here, found one behind "
                "an endpoint; translate, refine, fuse, recognize (backend served) and score (gemba) can ask "
                "one"
            )
        if _adapter_alone(reference, store) is None:
            source.check(name, store)


def pin_references(references: Mapping[str, str], store: str | None) -> dict[str, str]:
    """Return ``store:RUN`` -> ``store:KEY``: the references that need not mean the same model for ever.

    Args:
        references: models by role, perhaps with adapters.
        store: folder or URL of the store; None for the default.

    Raises:
        StoreError: There is no such run.
        ModelError: The run made no model, or several.
    """
    pinned = {}
    for reference in (part for whole in references.values() for part in parts_of(whole)):
        scheme, name = split_reference(reference)
        pinned_name = SOURCES[scheme].pin(name, store) if scheme in SOURCES else name
        if pinned_name != name:
            pinned[reference] = f"{scheme}:{pinned_name}"
    return pinned


def available_references() -> tuple[str, ...]:
    """Return the references of all models that sources can list: packaged ones and openai-whisper's."""
    return tuple(reference for source in SOURCES.values() for reference in source.list_references())


def _adapter_alone(reference: str, store: str | None) -> Path | None:
    """Return the folder of a path or a stage that holds an adapter instead of a model; None of a model."""
    scheme, name = split_reference(reference)
    folder: Path | None = None
    if scheme == "path":
        folder = Path(os.path.expanduser(reference)).absolute()  # noqa: PTH111 - pathlib's raises for ~nobody
    elif scheme in SOURCES and SOURCES[scheme].holds_adapters:
        folder = SOURCES[scheme].configuration_folder(name, store)
    return None if folder is None or format_of_folder(folder) is None else folder


def _from_adapter(
    reference: str, folder: Path, store: str | None, on_progress: ProgressCallback
) -> Checkpoint:
    """Return the model of an adapter alone: the base that its folder names, with it."""
    adapter_format = format_of_folder(folder)
    assert adapter_format is not None
    base = resolve(adapter_format.base_of(reference, folder), store, on_progress=on_progress)
    return adapter_format.merge(reference, base, [WeightedAdapter(reference)], store, on_progress)


def _check_path(reference: str) -> Path:
    path = Path(os.path.expanduser(reference))  # noqa: PTH111 - pathlib's raises for ~nobody
    if not os.path.exists(path):  # noqa: PTH110 - pathlib's raises for a name that is too long
        raise missing_path_error(reference, path, available_references)
    return path


def _from_path(reference: str, on_progress: ProgressCallback) -> Checkpoint:
    path = _check_path(reference).absolute()
    model_format = find_format(path)
    if model_format is not None:
        return model_format.convert(path, ModelToConvert(reference, on_progress))
    if path.is_dir() and not (path / "model.bin").is_file():
        return checkpoint_of(path, reference)
    if path.is_dir() and (path / "model.safetensors").is_file():
        return checkpoint_of(path, reference)
    from components.models.sources.model_file import convert_whisper_file  # noqa: PLC0415 - needs torch

    return convert_whisper_file(path, reference)
