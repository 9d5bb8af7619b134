"""COMET and MetricX as they are published, converted once each into a folder of the cache.

Neither has the tokenizer of the model that it was trained from. It lies in the folder ``encoder`` beside the
checkpoint, or comes from the hub.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from components.errors import ModelError, TransientError
from components.files.digests import cache_folder, combine_digests, sha256_of
from components.models.checkpoints import TOKENIZER_NAMES, checkpoint_of, has_vocabulary
from components.models.conversion import comet, metricx
from components.models.packages.install_manifest import install_once
from components.models.packages.wheels import ProgressCallback
from components.records import Checkpoint

CONVERSION_VERSION = 1
"""Raised when a conversion writes other bytes, so that folders in the cache are not taken for new ones."""
ENCODER = "encoder"
MT5 = "google/mt5-xl"
"""Repository of mT5's tokenizer, the same for all sizes."""


def is_metric_folder(folder: Path) -> bool:
    """Return whether a folder is a published checkpoint of COMET or MetricX."""
    return comet.is_lightning_folder(folder) or metricx.is_metricx_folder(folder)


def convert_metric(
    folder: Path,
    reference: str,
    fetch_encoder: Callable[[str], Path],
    on_progress: ProgressCallback,
    lineage: tuple[str, ...] = (),
) -> Checkpoint:
    """Convert a published checkpoint into a model folder of the cache, on first use.

    Args:
        folder: the checkpoint.
        reference: what to call the model in records and messages.
        fetch_encoder: name of a repository -> the folder with its configuration and tokenizer.
        on_progress: called with lines of text before what takes long.
        lineage: what it was made from, where that is known; else the digest of its weights.

    Raises:
        ModelError: it cannot be read without running code, or its tokenizer is nowhere.
        TransientError: the network failed.
    """
    write: Callable[[Path, Path, Path], None]
    if comet.is_lightning_folder(folder):
        weights: tuple[Path, ...] = (folder / comet.HPARAMS, folder / comet.CKPT)
        base = str(comet.read_hparams(folder).get("pretrained_model"))
        write = comet.convert_comet
    else:
        weights = (folder / "config.json", *metricx.weights_of(folder))
        base, write = MT5, metricx.convert_metricx
    encoder = _find_encoder(folder, reference, base, fetch_encoder)
    read = [path for path in sorted(encoder.iterdir()) if path.name in {*TOKENIZER_NAMES, "config.json"}]
    digests = {path.name: sha256_of(path) for path in weights}
    digest = combine_digests(digests | {f"{ENCODER}/{path.name}": sha256_of(path) for path in read})

    def fill(target: Path) -> None:
        on_progress(f"{reference}: converting")
        write(folder, encoder, target)

    converted = install_once(cache_folder() / "converted" / f"{digest}-{CONVERSION_VERSION}", fill)
    return checkpoint_of(converted, reference, lineage or (f"sha256:{digests[weights[-1].name]}",))


def _find_encoder(folder: Path, reference: str, base: str, fetch_encoder: Callable[[str], Path]) -> Path:
    """Return the folder with the encoder's configuration and tokenizer."""
    if (folder / ENCODER).is_dir():
        return folder / ENCODER
    if metricx.is_metricx_folder(folder) and has_vocabulary(folder):
        return folder
    try:
        return fetch_encoder(base)
    except (ModelError, TransientError) as error:
        raise type(error)(
            f"{reference}: expected the tokenizer and config.json of {base}, which it was trained from, in "
            f"{folder / ENCODER} or on the hub, found neither ({error})"
        ) from error
