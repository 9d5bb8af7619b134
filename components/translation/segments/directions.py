"""Which languages a model translates between, by the files beside its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from components.errors import DataError
from components.models.architectures import MULTILINGUAL, TAGGED
from components.models.checkpoints import read_json
from components.records import Checkpoint
from components.text.languages import UNDETERMINED
from components.translation.segments.language_tokens import (
    NO_TARGET_LANGUAGE,
    find_language_token,
    find_target_tag,
    find_target_tags,
    refuse_other_direction,
)


def direction_check(checkpoint: Checkpoint) -> Callable[[str, str | None], object]:
    """Return a function that raises DataError for languages that a model lacks."""
    folder = Path(checkpoint.path)
    if not (folder / "tokenizer_config.json").is_file():
        return lambda source, target: None
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    if config.get("model_type") in (*MULTILINGUAL, *TAGGED):
        from transformers import AutoTokenizer  # noqa: PLC0415 - imports torch

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if config["model_type"] in MULTILINGUAL:
            return lambda source, target: _refuse_unknown(tokenizer, source, target)
        tags = find_target_tags(tokenizer.get_vocab())
    else:
        path = folder / "vocab.json"
        tags = find_target_tags(read_json(path) if path.is_file() else {})
    values = read_json(folder / "tokenizer_config.json")
    declared = values.get("source_lang"), values.get("target_lang")

    def refuse_other(source: str, target: str | None) -> None:
        refuse_other_direction(declared, str(declared[0]) if source == UNDETERMINED else source, target)
        find_target_tag(tags, target)

    return refuse_other


def refuse_no_target(source: str, target: str | None) -> None:
    """Refuse a text without a target language, of a model that knows many. DataError."""
    if target is None:
        raise DataError(NO_TARGET_LANGUAGE)


def _refuse_unknown(tokenizer: object, source: str, target: str | None) -> None:
    """Refuse languages for which a multilingual tokenizer has no token."""
    refuse_no_target(source, target)
    for language in (source, str(target)):
        if language != UNDETERMINED:
            find_language_token(tokenizer, language)
