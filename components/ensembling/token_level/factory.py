"""A configuration -> a translator of many models."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

from components.decoding.combiner import Combiner
from components.decoding.models.causal import CausalModel
from components.decoding.models.seq2seq import Seq2SeqModel
from components.ensembling.token_level.combiners import COMBINATIONS
from components.ensembling.token_level.config import DROPOUT_PREFIX, MixingConfig, ordered_members
from components.ensembling.token_level.cross_vocabulary import CrossVocabularyBackend, VocabularyMember
from components.ensembling.token_level.translator import (
    BuildScorer,
    EnsembleBackend,
    dropout_scorer_builder,
    ensemble_checkpoint,
    language_model_scorer_builder,
    number_duplicates,
    require_mixable,
    translation_scorer_builder,
)
from components.ensembling.token_level.vocabulary_mapping import build_lexicon
from components.errors import ConfigError
from components.records import Checkpoint
from components.translation.config import TranslationConfig
from components.translation.domain import read_domain
from components.translation.factory import load_resident
from components.translation.search_settings import search_config_of
from components.translation.seq2seq import Seq2SeqBackend
from components.translation.translator import Translator


def build_combiner(mixing: MixingConfig, n_members: int) -> Combiner:
    """The combination with the given coefficients, or equal ones. ConfigError where they do not fit."""
    if mixing.method == "negative_evidence":
        return COMBINATIONS[mixing.method](mixing.strength, mixing.plausibility, mixing.filter)
    coefficients = mixing.coefficients or (1 / n_members,) * n_members
    if len(coefficients) != n_members:
        raise ConfigError(
            f"coefficients: expected {n_members}, one per member, found {len(coefficients)}: {coefficients}"
        )
    return COMBINATIONS[mixing.method](coefficients)


def build_translator(
    config: TranslationConfig,
    references: Sequence[str],
    mixing: MixingConfig,
    combine: Combiner | None = None,
    store: str | None = None,
    first_masks: int = 0,
) -> Translator:
    """The translator whose members are ``references``, mixed by ``combine`` (by default as configured).

    ``first_masks`` is the number of the first thinned member's dropout masks. Models stay resident.
    ConfigError, ModelError.
    """
    names = ordered_members(references, mixing)
    combine = combine or build_combiner(mixing, len(names))
    backend: EnsembleBackend | CrossVocabularyBackend
    if mixing.vocabulary == "same":
        backend, checkpoints = build_backend(config, names, combine, store, first_masks)
    else:
        backend, checkpoints = build_cross_vocabulary_backend(
            config, names, combine, store, mixing.vocabulary, first_masks
        )
    return Translator(
        backend,
        ensemble_checkpoint(checkpoints),
        n_best=config.n_best,
        batch_size=config.batch_size,
        domain=read_domain(Path(checkpoints[0].path)),
    )


def build_backend(
    config: TranslationConfig,
    names: Sequence[str],
    combine: Combiner,
    store: str | None,
    first_masks: int = 0,
) -> tuple[EnsembleBackend, list[Checkpoint]]:
    """The loaded members behind one search, once it is sure that they can be mixed."""
    loaded = {
        name: load_resident(name.removeprefix(DROPOUT_PREFIX), config, store) for name in dict.fromkeys(names)
    }
    models = [loaded[name][1] for name in names]
    combine.active_members(len(models))
    require_mixable(dict(zip(number_duplicates(names), models, strict=True)))
    translators = [model for model in models if isinstance(model, Seq2SeqModel)]
    if not isinstance(models[0], Seq2SeqModel):
        raise ConfigError(f"{names[0]}: expected an encoder-decoder model as the first member")
    start, mask_numbers = translators[0].start[0], count(first_masks)
    sources: dict[str, BuildScorer] = {}
    for display_name, name, model in zip(number_duplicates(names), names, models, strict=True):
        if isinstance(model, CausalModel):
            sources[display_name] = language_model_scorer_builder(model, start)
        elif name.startswith(DROPOUT_PREFIX):
            sources[display_name] = dropout_scorer_builder(model, next(mask_numbers))
        else:
            sources[display_name] = translation_scorer_builder(model)
    backend = EnsembleBackend(translators, loaded[names[0]][2], search_config_of(config), combine, sources)
    return backend, [loaded[name][0] for name in names]


def build_cross_vocabulary_backend(
    config: TranslationConfig,
    names: Sequence[str],
    combine: Combiner,
    store: str | None,
    sharing: str,
    first_masks: int = 0,
) -> tuple[EnsembleBackend | CrossVocabularyBackend, list[Checkpoint]]:
    """The same over a shared vocabulary (``how``: a row of ``mapped.SHARED``), if there are several."""
    search, members = search_config_of(config), dict[str, VocabularyMember]()
    loaded = [load_resident(name.removeprefix(DROPOUT_PREFIX), config, store) for name in names]
    if len({ready.vocabulary for _, ready, _ in loaded}) == 1:
        return build_backend(config, names, combine, store, first_masks)
    for display_name, name, (_, ready, tokenizer) in zip(
        number_duplicates(names), names, loaded, strict=True
    ):
        if name.startswith(DROPOUT_PREFIX) or not isinstance(ready, Seq2SeqModel):
            raise ConfigError(
                f"{name}: expected encoder-decoder models without dropout to mix over a {sharing} of vocabularies"
            )
        backend = Seq2SeqBackend(ready, tokenizer, search)
        members[display_name] = VocabularyMember(backend, ready, build_lexicon(tokenizer, ready.vocabulary))
    return CrossVocabularyBackend(members, search, combine, sharing), [
        checkpoint for checkpoint, _, _ in loaded
    ]
