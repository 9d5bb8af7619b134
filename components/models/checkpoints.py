"""Model folders on disk: what may be in one, what it is, and its digests.

Weights are safetensors. Nothing of a model is ever executed: no pickles, no ``auto_map`` code, and every
file that an index names lies in the folder itself.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

from components.errors import ModelError
from components.files.digests import combine_digests, sha256_of
from components.files.file_limits import refuse_irregular
from components.files.json_text import parse_json
from components.models.limits import refuse_token_ids, refuse_values
from components.records import Checkpoint

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
TOKENIZER_NAMES = frozenset(
    {
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
        *("vocab.json", "target_vocab.json", "vocab.txt", "merges.txt", "normalizer.json"),
        *("source.spm", "target.spm", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model"),
        "tekken.json",
        *("chat_template.jinja", "chat_template.json"),
    }
)
VOCABULARIES = ("tokenizer.json", "sentencepiece.bpe.model", "spiece.model")
"""Files that hold the vocabulary of the encoders that metrics were trained from."""
CONFIGURATION_NAMES = frozenset(
    {"config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json"}
)
DOMAIN = "domain.json"
"""File that says what a model was trained for (``domain``); only ours have one."""
ADAPTERS = "adapters.json"
"""File that says which adapters were merged into a model of the cache, by their digests."""
PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
MAX_HEADER = 100 << 20


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object of a model folder. Raises :class:`ModelError` where the file holds anything else."""
    try:
        refuse_irregular(path)
        value = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        problem = str(error) or type(error).__name__
        raise ModelError(f"{path}: expected a JSON object, found {problem}; fetch the model again") from None
    if not isinstance(value, dict):
        raise ModelError(
            f"{path}: expected a JSON object, found {type(value).__name__}; fetch the model again"
        )
    return value


def weight_files(folder: Path) -> tuple[Path, ...]:
    """List the safetensors files of a model folder: one file, else the shards that its index names, sorted.

    Raises:
        ModelError: The index points out of the folder, a shard is missing, or the weights are pickles.
    """
    if (folder / WEIGHTS).is_file():  # beside an index, too: it is what transformers loads
        return (folder / WEIGHTS,)
    if (folder / INDEX).is_file():
        return _shards(folder)
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
    if pickles:
        raise ModelError(
            f"{folder}: expected {WEIGHTS}, found {pickles[0]}, a pickle, which can run code when it is "
            "read; save the model with save_pretrained (safetensors)"
        )
    raise ModelError(
        f"{folder}: expected {WEIGHTS} or {INDEX}, found neither; give a transformers model folder"
    )


def _shards(folder: Path) -> tuple[Path, ...]:
    """Return the files that a folder's index names, sorted."""
    table = read_json(folder / INDEX).get("weight_map")
    if not isinstance(table, dict) or not table:
        raise ModelError(f"{folder / INDEX}: expected weight_map with names of files; fetch the model again")
    for tensor, name in table.items():
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise ModelError(
                f"{folder / INDEX}: expected {tensor} in a .safetensors file beside it, found {name!r}; "
                "this index is not safe to follow"
            )
    shards = tuple(folder / name for name in sorted(set(table.values())))
    if missing := [shard.name for shard in shards if not shard.is_file()]:
        raise ModelError(
            f"{folder}: expected the shards of its index, {missing[0]} is missing; fetch it again"
        )
    return shards


def read_header(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Read the header of a safetensors file.

    Returns:
        The type (in safetensors' words, as ``BF16``) and shape of each tensor by name.

    Raises:
        ModelError: The file is no safetensors file, or not complete.
    """
    try:
        with path.open("rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            if not 2 <= size <= min(MAX_HEADER, path.stat().st_size - 8):
                raise ValueError(f"a header of {size} bytes")
            entries = parse_json(file.read(size))
        entries.pop("__metadata__", None)
        table = {
            n: (str(e["dtype"]), tuple(map(int, e["shape"])), e["data_offsets"]) for n, e in entries.items()
        }
        end = 8 + size + max((int(offsets[1]) for _, _, offsets in table.values()), default=0)
        if end != path.stat().st_size:
            raise ValueError(f"{path.stat().st_size} bytes where the header says {end}")
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ModelError(
            f"{path}: not a complete safetensors file ({error}); fetch the model again"
        ) from None
    return {name: (dtype, shape) for name, (dtype, shape, _) in table.items()}


def count_stored_parameters(folder: Path) -> int:
    """Count the weights that a model folder stores, from the headers of its files."""
    return sum(math.prod(shape) for file in weight_files(folder) for _, shape in read_header(file).values())


def has_vocabulary(folder: Path) -> bool:
    """Return whether a folder has a tokenizer's vocabulary, one of :data:`VOCABULARIES`."""
    return any((folder / name).is_file() for name in VOCABULARIES)


def refuse_code(folder: Path) -> None:
    """Raise :class:`ModelError` where a configuration of a model folder asks to run the model's own code."""
    for name in sorted(
        (CONFIGURATION_NAMES | TOKENIZER_NAMES) & {p.name for p in folder.glob("*config.json")}
    ):
        values = read_json(folder / name)
        for key in ("auto_map", "custom_pipelines"):
            if values.get(key):
                raise ModelError(
                    f"{folder / name}: {key} asks to run code that comes with the model ({values[key]}); "
                    "Antiphon never does: use a model of an architecture that transformers itself has"
                )


def _refuse_values(folder: Path) -> None:
    """Raise :class:`ModelError` for impossible values of a model folder's configurations."""
    config = read_json(folder / "config.json")
    tensors = sum(len(read_header(file)) for file in weight_files(folder))
    refuse_values(config, folder / "config.json", tensors)
    refuse_token_ids(config, config, folder / "config.json")
    path = folder / "generation_config.json"
    if path.is_file():
        generation = read_json(path)
        refuse_values(generation, path, tensors)
        refuse_token_ids(config, generation, path)


def architecture_of(folder: Path) -> str:
    """Return the model class that a folder's ``config.json`` names, as ``WhisperForConditionalGeneration``.

    Without one it is the ``model_type``.

    Raises:
        ModelError: There is no ``config.json``, or it names neither.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: expected config.json, found none; give a transformers model folder")
    values = read_json(folder / "config.json")
    names = values.get("architectures")
    if isinstance(names, list) and names and isinstance(names[0], str):
        return names[0]
    kind = values.get("model_type")
    if isinstance(kind, str) and kind:
        return kind
    raise ModelError(f"{folder / 'config.json'}: expected architectures or model_type, found neither")


def digest_files(folder: Path, *, reread: bool = False) -> tuple[dict[str, str], dict[str, str]]:
    """Compute the digests of a model folder's files.

    Returns:
        Digests by file name: those of weights and configuration, and those of the tokenizer.
    """
    deciding = {path.name: sha256_of(path, reread=reread) for path in weight_files(folder)}
    tokenizer: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name in CONFIGURATION_NAMES or path.name in (INDEX, DOMAIN, ADAPTERS):
            deciding[path.name] = sha256_of(path, reread=reread)
        elif path.name in TOKENIZER_NAMES:
            tokenizer[path.name] = sha256_of(path, reread=reread)
    return deciding, tokenizer


def checkpoint_of(
    folder: Path, reference: str, lineage: tuple[str, ...] = (), *, reread: bool = False
) -> Checkpoint:
    """Check a model folder and describe it.

    Args:
        folder: a transformers model folder.
        reference: what to call the model in records and messages.
        lineage: what it was made from.
        reread: whether to read large files again that did not change since their digest was computed.

    Raises:
        ModelError: The folder is not complete, asks to run code, or holds impossible values.
    """
    if not folder.is_dir():
        raise ModelError(f"{reference}: expected a model folder at {folder}, found none")
    for path in sorted((*folder.iterdir(), *folder.glob("additional_chat_templates/*"))):
        refuse_irregular(path)
    refuse_code(folder)
    kind = architecture_of(folder)
    _refuse_values(folder)
    deciding, tokenizer = digest_files(folder, reread=reread)
    return Checkpoint(
        reference=reference,
        path=str(folder),
        sha256=combine_digests(deciding),
        architecture=kind,
        tokenizer_sha256=combine_digests(tokenizer) if tokenizer else None,
        lineage=lineage,
    )


def verify(checkpoint: Checkpoint, *, reread: bool = False) -> None:
    """Raise :class:`ModelError` where a checkpoint's files changed since it was described."""
    now = checkpoint_of(Path(checkpoint.path), checkpoint.reference, reread=reread)
    for part, before, after in (
        ("weights and configuration", checkpoint.sha256, now.sha256),
        ("tokenizer", checkpoint.tokenizer_sha256, now.tokenizer_sha256),
    ):
        if before != after:
            raise ModelError(
                f"{checkpoint.path}: its {part} changed since {checkpoint.reference} was resolved "
                f"(sha256 {str(before)[:12]} expected, {str(after)[:12]} found); resolve it again"
            )
