"""Summary of a checkpoint for people, from its files; no weights are loaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from components.models.adapted_references import parts_of
from components.models.checkpoints import (
    ADAPTERS,
    count_stored_parameters,
    digest_files,
    read_header,
    read_json,
    verify,
    weight_files,
)
from components.models.packages.packaged_models import PACKAGED_MODELS
from components.models.references import split_reference
from components.models.sources import SOURCES
from components.records import Checkpoint

MAX_CARD = 1 << 20
CARD_LICENSE = re.compile(r"^licen[sc]e:\s*(.+)$", re.MULTILINE)


def summarize_checkpoint(checkpoint: Checkpoint) -> dict[str, str]:
    """Summarize a checkpoint; the digest of every file is computed again.

    Returns:
        Labels and values, in the order to print them.

    Raises:
        ModelError: A file changed since the checkpoint was resolved.
    """
    scheme, _ = split_reference(checkpoint.reference)
    of_source = SOURCES[scheme].summarize(checkpoint) if scheme in SOURCES else None
    if of_source is not None:
        return of_source
    verify(checkpoint, reread=True)
    folder = Path(checkpoint.path)
    configuration = read_json(folder / "config.json")
    tokens = configuration.get("vocab_size")
    types = {dtype for file in weight_files(folder) for dtype, _ in read_header(file).values()}
    deciding, tokenizer = digest_files(folder)
    return {
        "reference": checkpoint.reference,
        "architecture": checkpoint.architecture,
        "parameters": f"{count_stored_parameters(folder):,} ({', '.join(sorted(types))})",
        "vocabulary": f"{tokens:,} tokens" if isinstance(tokens, int) else "not stated",
        "languages": _languages_of(checkpoint, folder),
        "licence": _license_of(checkpoint, folder),
        "where": checkpoint.path,
        "sha256": checkpoint.sha256,
        "tokenizer sha256": checkpoint.tokenizer_sha256 or "no tokenizer",
        **_adapters_of(folder),
        "lineage": ", ".join(checkpoint.lineage) or "none stated",
        **{f"  {name}": digest for name, digest in sorted({**deciding, **tokenizer}.items())},
    }


def _adapters_of(folder: Path) -> dict[str, str]:
    """Return the adapters that were merged into a model of the cache; empty for other models."""
    if not (folder / ADAPTERS).is_file():
        return {}
    rows: Any = read_json(folder / ADAPTERS)["adapters"]
    return {
        "adapters": "; ".join(
            f"{row['weight']:g} x sha256 {row['sha256'][:12]} (rank {row['rank']}, {row['modules']} modules)"
            for row in rows
        )
    }


def _name_of_package(checkpoint: Checkpoint) -> str:
    return parts_of(checkpoint.reference)[0].removeprefix("packaged:")


def _languages_of(checkpoint: Checkpoint, folder: Path) -> str:
    path = folder / "generation_config.json"
    table = read_json(path).get("lang_to_id") if path.is_file() else None
    if isinstance(table, dict):
        return " ".join(sorted(code.strip("<|>") for code in table))
    row = PACKAGED_MODELS.get(_name_of_package(checkpoint))
    return row.languages if row else "not stated"


def _license_of(checkpoint: Checkpoint, folder: Path) -> str:
    if row := PACKAGED_MODELS.get(_name_of_package(checkpoint)):
        return row.license
    card = folder / "README.md"
    match = None
    if card.is_file():
        with card.open(encoding="utf-8", errors="replace") as file:
            match = CARD_LICENSE.search(file.read(MAX_CARD))
    return match[1] if match else "not stated: ask its publisher"
