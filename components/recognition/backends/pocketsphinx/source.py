"""``sphinx:NAME``: an acoustic model, a dictionary and a language model for pocketsphinx, in one folder.

They are no safetensors and no neural network; the checkpoint's digest covers every file that is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from typing_extensions import override

from components.errors import ModelError, require_extra
from components.files.digests import combine_digests, sha256_of
from components.models.packages.wheels import ProgressCallback
from components.models.references import display_reference
from components.models.sources.source import Source
from components.records import Checkpoint

BUNDLED = "en-us"
ARCHITECTURE = "pocketsphinx"


@dataclass(frozen=True)
class SphinxParts:
    """The files of a model for pocketsphinx.

    Attributes:
        acoustic: folder of the acoustic model.
        dictionary: pronunciation dictionary.
        language: language model.
    """

    acoustic: Path
    dictionary: Path
    language: Path


def find_parts(folder: Path) -> SphinxParts:
    """Find the files of a model in a folder. Raises :class:`ModelError` where one is missing or double."""

    def find_single(pattern: str, description: str) -> Path:
        matches = [path for path in sorted(folder.glob(pattern)) if "-phone." not in path.name]
        if len(matches) != 1:
            names = ", ".join(path.name for path in matches) or "none"
            raise ModelError(f"sphinx:{folder}: expected one {description} ({pattern}), found {names}")
        return matches[0]

    return SphinxParts(
        find_single("*/mdef", "acoustic model").parent,
        find_single("*.dict", "dictionary"),
        find_single("*.lm.bin", "language model"),
    )


def sphinx_model(name: str) -> Checkpoint:
    """Return the checkpoint of ``sphinx:NAME``.

    Args:
        name: ``en-us``, which pocketsphinx bundles, or a folder with ``*/mdef`` beside the other files of the
            acoustic model, ``*.dict`` and ``*.lm.bin``, whose name begins with its language (``en-us``).

    Raises:
        ConfigError: The extra ``sphinx`` is not installed.
        ModelError: There is no such folder.
    """
    reference = display_reference(f"sphinx:{name}")
    require_extra(reference, "pocketsphinx", "sphinx")
    import pocketsphinx  # noqa: PLC0415 - an extra

    bundled = Path(pocketsphinx.get_model_path(BUNDLED))
    folder = bundled if name == BUNDLED else Path(name).expanduser().absolute()
    if not folder.is_dir():
        raise ModelError(f"{reference}: expected {BUNDLED} or the path of a model folder, found neither")
    model_parts = find_parts(folder)
    files = [
        model_parts.dictionary,
        model_parts.language,
        *(p for p in sorted(model_parts.acoustic.iterdir()) if not p.is_dir()),
    ]
    digests = {str(path.relative_to(folder)): sha256_of(path) for path in files}
    return Checkpoint(
        reference=f"sphinx:{name}",
        path=str(folder),
        sha256=combine_digests(digests),
        architecture=ARCHITECTURE,
        lineage=(f"pocketsphinx {version('pocketsphinx')}",) if folder == bundled else (),
    )


class SphinxSource(Source):
    """Models of pocketsphinx: the one that it bundles, and folders."""

    @override
    def resolve(self, name: str, store: str | None, on_progress: ProgressCallback) -> Checkpoint:
        return sphinx_model(name)

    @override
    def check(self, name: str, store: str | None) -> None:
        sphinx_model(name)

    @override
    def summarize(self, checkpoint: Checkpoint) -> dict[str, str] | None:
        return {
            "reference": checkpoint.reference,
            "architecture": "GMM-HMM and n-grams, for pocketsphinx",
            "where": checkpoint.path,
            "sha256": checkpoint.sha256,
            "lineage": ", ".join(checkpoint.lineage) or "none stated",
        }
