"""What a checkpoint is, in the words of its own files. Nothing of the model is loaded."""

from __future__ import annotations

import re
from pathlib import Path

from components.models.architectures import SPHINX
from components.models.catalogue import CATALOGUE
from components.models.checkpoints import file_digests, header, parameters, read_json, verify, weight_files
from components.records import Checkpoint

MAX_CARD = 1 << 20
CARD_LICENCE = re.compile(r"^licen[sc]e:\s*(.+)$", re.MULTILINE)


def describe(checkpoint: Checkpoint) -> dict[str, str]:
    """Facts about a checkpoint by name, in the order to print them; every file's digest is computed again.

    Raises :class:`ModelError` when a file changed since the checkpoint was resolved.
    """
    if checkpoint.architecture == SPHINX:
        return _sphinx(checkpoint)
    verify(checkpoint, again=True)
    folder = Path(checkpoint.path)
    configuration = read_json(folder / "config.json")
    types = {dtype for file in weight_files(folder) for dtype, _ in header(file).values()}
    deciding, tokenizer = file_digests(folder)
    return {
        "reference": checkpoint.reference,
        "architecture": checkpoint.architecture,
        "parameters": f"{parameters(folder):,} ({', '.join(sorted(types))})",
        "vocabulary": _number(configuration.get("vocab_size")),
        "languages": _languages(checkpoint, folder),
        "licence": _licence(checkpoint, folder),
        "where": checkpoint.path,
        "sha256": checkpoint.sha256,
        "tokenizer sha256": checkpoint.tokenizer_sha256 or "no tokenizer",
        "lineage": ", ".join(checkpoint.lineage) or "none stated",
        **{f"  {name}": digest for name, digest in sorted({**deciding, **tokenizer}.items())},
    }


def _sphinx(checkpoint: Checkpoint) -> dict[str, str]:
    return {
        "reference": checkpoint.reference,
        "architecture": "GMM-HMM and n-grams, for pocketsphinx",
        "where": checkpoint.path,
        "sha256": checkpoint.sha256,
        "lineage": ", ".join(checkpoint.lineage) or "none stated",
    }


def _number(value: object) -> str:
    return f"{value:,} tokens" if isinstance(value, int) else "not stated"


def _row_name(checkpoint: Checkpoint) -> str:
    return checkpoint.reference.removeprefix("packaged:")


def _languages(checkpoint: Checkpoint, folder: Path) -> str:
    path = folder / "generation_config.json"
    table = read_json(path).get("lang_to_id") if path.is_file() else None
    if isinstance(table, dict):
        return " ".join(sorted(code.strip("<|>") for code in table))
    row = CATALOGUE.get(_row_name(checkpoint))
    return row.languages if row else "not stated"


def _licence(checkpoint: Checkpoint, folder: Path) -> str:
    if row := CATALOGUE.get(_row_name(checkpoint)):
        return row.licence
    card = folder / "README.md"
    found = None
    if card.is_file():
        with card.open(encoding="utf-8", errors="replace") as file:
            found = CARD_LICENCE.search(file.read(MAX_CARD))
    return found[1] if found else "not stated: ask its publisher"
