"""What is refused of a translator before its weights are loaded: search, device, model, languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from components import models
from components.compute.machine import resolve_device_name
from components.errors import ConfigError, DataError
from components.models.architectures import (
    CAUSAL,
    CONVERTED,
    DELIBERATION,
    EDIT_DIFFUSION,
    MULTILINGUAL,
    SERVED,
    TAGGED,
)
from components.models.checkpoints import read_json
from components.models.sources.served import probe_chat
from components.records import Checkpoint
from components.text.languages import UNDETERMINED
from components.text.term_list import read_terms
from components.translation.config import TranslationConfig
from components.translation.context.few_shot_examples import read_examples
from components.translation.search_settings import search_config_of
from components.translation.segments.language_tokens import (
    NO_TARGET_LANGUAGE,
    find_language_token,
    find_target_tag,
    find_target_tags,
    refuse_other_direction,
)

LanguagePair = tuple[str, str | None]
"""Source and target language of a text; a source that nobody stated is ``und``."""


def check(config: TranslationConfig, store: str | None, *, served: bool = False) -> None:
    """Refuse what can be refused without fetching a model.

    Args:
        config: The settings.
        store: The store of models.
        served: Whether a served model will do.

    Raises:
        ConfigError: Search, device, arithmetic or examples cannot be used.
        ModelError: There is no such model.
        StoreError: The store that the model is in cannot be read.
    """
    search_config_of(config)
    device = resolve_device_name(config.device)
    if config.dtype == "int8" and device != "cpu":
        raise ConfigError(f"expected dtype float32, bfloat16 or float16 on {device}, found int8")
    if config.examples is not None:
        read_examples(Path(config.examples))
    if config.backend == "ctranslate2":
        from components.translation.backends.ctranslate2_backend import require_library  # noqa: PLC0415 - imports torch

        require_library()
    if config.terms is not None:
        _check_terms(config, Path(config.terms))
    models.check(config.model, store, served=served)
    if config.draft is not None:
        models.check(config.draft, store)


def _check_terms(config: TranslationConfig, path: Path) -> None:
    """Refuse a term list with a wrong line, and required terms without a beam. ConfigError."""
    required = [term for term in read_terms(path) if term.require]
    if required and (config.beam_size == 1 or config.sampling is not None):
        found = "sampling" if config.sampling is not None else f"beam_size {config.beam_size}"
        raise ConfigError(
            f"terms: expected beam_size of at least 2 to write what {path} requires "
            f"({required[0].target!r}), found {found}: raise it (5 or more), or boost these terms instead"
        )


def validate_model(config: TranslationConfig, store: str | None, pairs: Iterable[LanguagePair]) -> None:
    """Refuse, by its files (fetched first), a model that translates none of ``pairs``. As :func:`check`."""
    checkpoint = resolve_text_model(config.model, store)
    if checkpoint.architecture == SERVED:
        probe_chat(config.model, completions=config.prompt == "completion")
    elif config.prompt == "completion":
        raise ConfigError(
            f"prompt: completion is for served models, found {config.model}: use few-shot, the same here"
        )
    refuse_context(config, checkpoint)
    refuse_conversion(config, checkpoint)
    refuse_unsupported(config, checkpoint)
    refuse_draft(config, checkpoint)
    fault = explain_unsupported(checkpoint, pairs)
    if fault is not None:
        raise ConfigError(f"{config.model}: {fault}")


def refuse_context(config: TranslationConfig, checkpoint: Checkpoint) -> None:
    """Refuse context of a model that reads one sentence alone, or whose output could not be cut.

    With source context alone an encoder-decoder model translates the context, too, unless it was trained not
    to, and only the separator of its training tells where the sentence begins.

    Raises:
        ConfigError: the model cannot do what is asked for.
    """
    context = config.context
    if context is None or checkpoint.architecture.endswith((*CAUSAL, SERVED)):
        return
    if checkpoint.architecture in (EDIT_DIFFUSION, DELIBERATION):
        raise ConfigError(
            f"context: expected a model that goes on after earlier sentences, found {config.model} "
            f"({checkpoint.architecture}), which reads one sentence: leave it out"
        )
    if config.draft is not None:
        raise ConfigError("draft: expected no context beside it for an encoder-decoder model, found both")
    if not context.target and not context.separator:
        raise ConfigError(
            f"context.separator: expected the separator that {config.model} was trained with, at which its "
            "output is cut, found none: set it, or leave target true"
        )


def refuse_conversion(config: TranslationConfig, checkpoint: Checkpoint) -> None:
    """Refuse what CTranslate2 does not convert or cannot tell.

    Raises:
        ConfigError: the model is of another kind, or the settings need our search.
    """
    if config.backend != "ctranslate2":
        return
    path = Path(checkpoint.path) / "config.json"
    model_type = read_json(path).get("model_type") if path.is_file() else None
    if model_type not in CONVERTED:
        raise ConfigError(
            f"backend: ctranslate2 expects one of {', '.join(CONVERTED)}, found {config.model} "
            f"({checkpoint.architecture}): use backend torch"
        )
    needs_ours = [name for name in ("sampling", "entropies", "terms", "draft") if getattr(config, name)]
    if config.context is not None and not config.context.target:
        needs_ours.append("context.target: false")
    if needs_ours:
        raise ConfigError(f"{needs_ours[0]}: expected backend torch, found ctranslate2, which has none")


def refuse_unsupported(config: TranslationConfig, checkpoint: Checkpoint) -> None:
    """Refuse sampling and terms of a model that our search does not decode, dropout of one without encoder.

    Raises:
        ConfigError: the model cannot do what is asked for.
    """
    name = next((name for name in ("sampling", "entropies", "terms") if getattr(config, name)), "")
    if checkpoint.architecture == SERVED:
        ours = ("top_k", "epsilon", "dropout")
        needs_search = [f"sampling.{each}" for each in ours if getattr(config.sampling, each, False)]
        needs_search += [each for each in ("entropies", "terms") if getattr(config, each)]
        if needs_search:
            raise ConfigError(
                f"{needs_search[0]}: expected a model that is searched here, found {config.model}: "
                "leave it out"
            )
        return
    if name and checkpoint.architecture == EDIT_DIFFUSION:
        raise ConfigError(
            f"{name}: expected a model that writes from left to right, found {config.model} "
            f"({checkpoint.architecture})"
        )
    if config.sampling and config.sampling.dropout and checkpoint.architecture.endswith(CAUSAL):
        raise ConfigError(
            f"sampling: expected an encoder-decoder model for dropout, found {config.model} "
            f"({checkpoint.architecture}): draw tokens instead (temperature, top_p, epsilon)"
        )


def refuse_draft(config: TranslationConfig, checkpoint: Checkpoint) -> None:
    """Refuse a draft model beside a model that is not searched token by token here. ConfigError."""
    architecture = checkpoint.architecture
    if config.draft is not None and architecture in (SERVED, EDIT_DIFFUSION, DELIBERATION):
        raise ConfigError(
            f"draft: expected a model that is searched here token by token, found {config.model} "
            f"({architecture}): leave draft out"
        )


def needs_vocabulary_check(model: str, draft: str | None, store: str | None) -> bool:
    """Whether a model and its draft model have to be loaded to compare their vocabularies."""
    if draft is None:
        return False
    tokenizers = {models.resolve(name, store).tokenizer_sha256 for name in (model, draft)}
    return len(tokenizers) > 1 or None in tokenizers


def resolve_text_model(reference: str, store: str | None) -> Checkpoint:
    """The checkpoint of a model that reads text. ConfigError where it recognizes speech."""
    checkpoint = models.resolve(reference, store)
    if checkpoint.architecture.lower().startswith(("whisper", "pocketsphinx")):
        raise ConfigError(
            f"{reference}: expected a model that translates text, found {checkpoint.architecture}, "
            "which recognizes speech"
        )
    return checkpoint


def explain_unsupported(checkpoint: Checkpoint, pairs: Iterable[LanguagePair]) -> str | None:
    """Why the model translates none of ``pairs``, said of the first; None where it may translate one."""
    refuse, first = _direction_check(checkpoint), None
    for source, target in pairs:
        try:
            refuse(source, target)
        except DataError as error:
            first = first or str(error)
        else:
            return None
    return first


def _direction_check(checkpoint: Checkpoint) -> Callable[[str, str | None], object]:
    """A function that raises DataError for languages that the model lacks, by files beside its weights."""
    folder = Path(checkpoint.path)
    if checkpoint.architecture.endswith((*CAUSAL, SERVED)):
        return _refuse_no_target
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


def _refuse_unknown(tokenizer: object, source: str, target: str | None) -> None:
    """Refuse languages for which a multilingual tokenizer has no token."""
    _refuse_no_target(source, target)
    for language in (source, str(target)):
        if language != UNDETERMINED:
            find_language_token(tokenizer, language)


def _refuse_no_target(source: str, target: str | None) -> None:
    del source
    if target is None:
        raise DataError(NO_TARGET_LANGUAGE)
