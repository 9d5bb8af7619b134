"""A configuration -> a translator of many models."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path

from components.decoding.causal import CausalModel
from components.decoding.combine import Combiner
from components.decoding.seq2seq import Seq2SeqModel
from components.ensembling.combiners import COMBINATIONS
from components.ensembling.mapped import MappedEngine, Reader
from components.ensembling.mixing import DROPOUT, MixingConfig, members_of
from components.ensembling.translator import (
    EnsembleEngine,
    Source,
    composite,
    distinct,
    dropout_source,
    language_source,
    require_mixable,
    seq2seq_source,
)
from components.ensembling.vocabularies import lexicon_of
from components.errors import ConfigError
from components.records import Checkpoint
from components.translation.config import TranslationConfig
from components.translation.domain import domain_of
from components.translation.factory import resident
from components.translation.searching import search_of
from components.translation.seq2seq import Seq2SeqEngine
from components.translation.translator import Translator


def combiner_of(mixing: MixingConfig, n_members: int) -> Combiner:
    """The combination with the given coefficients, or equal ones. ConfigError where they do not fit."""
    if mixing.method == "negative_evidence":
        return COMBINATIONS[mixing.method](mixing.strength, mixing.plausibility, mixing.filter)
    coefficients = mixing.coefficients or (1 / n_members,) * n_members
    if len(coefficients) != n_members:
        raise ConfigError(
            f"coefficients: expected {n_members}, one per member, found {len(coefficients)}: {coefficients}"
        )
    return COMBINATIONS[mixing.method](coefficients)


def build(
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
    names = members_of(references, mixing)
    combine = combine or combiner_of(mixing, len(names))
    engine: EnsembleEngine | MappedEngine
    if mixing.vocabulary == "same":
        engine, checkpoints = engine_of(config, names, combine, store, first_masks)
    else:
        engine, checkpoints = mapped_of(config, names, combine, store, mixing.vocabulary, first_masks)
    return Translator(
        engine,
        composite(checkpoints),
        n_best=config.n_best,
        batch_size=config.batch_size,
        domain=domain_of(Path(checkpoints[0].path)),
    )


def engine_of(
    config: TranslationConfig,
    names: Sequence[str],
    combine: Combiner,
    store: str | None,
    first_masks: int = 0,
) -> tuple[EnsembleEngine, list[Checkpoint]]:
    """The loaded members behind one search, once it is sure that they can be mixed."""
    loaded = {name: resident(name.removeprefix(DROPOUT), config, store) for name in dict.fromkeys(names)}
    models = [loaded[name][1] for name in names]
    combine.active(len(models))
    require_mixable(dict(zip(distinct(names), models, strict=True)))
    translators = [model for model in models if isinstance(model, Seq2SeqModel)]
    if not isinstance(models[0], Seq2SeqModel):
        raise ConfigError(f"{names[0]}: expected an encoder-decoder model as the first member")
    start, masks = translators[0].start[0], count(first_masks)
    sources: dict[str, Source] = {}
    for shown, name, model in zip(distinct(names), names, models, strict=True):
        if isinstance(model, CausalModel):
            sources[shown] = language_source(model, start)
        elif name.startswith(DROPOUT):
            sources[shown] = dropout_source(model, next(masks))
        else:
            sources[shown] = seq2seq_source(model)
    engine = EnsembleEngine(translators, loaded[names[0]][2], search_of(config), combine, sources)
    return engine, [loaded[name][0] for name in names]


def mapped_of(
    config: TranslationConfig,
    names: Sequence[str],
    combine: Combiner,
    store: str | None,
    how: str,
    first_masks: int = 0,
) -> tuple[EnsembleEngine | MappedEngine, list[Checkpoint]]:
    """The same over a shared vocabulary (``how``: a row of ``mapped.SHARED``), if there are several."""
    search, readers = search_of(config), dict[str, Reader]()
    found = [resident(name.removeprefix(DROPOUT), config, store) for name in names]
    if len({ready.vocabulary for _, ready, _ in found}) == 1:
        return engine_of(config, names, combine, store, first_masks)
    for shown, name, (_, ready, tokenizer) in zip(distinct(names), names, found, strict=True):
        if name.startswith(DROPOUT) or not isinstance(ready, Seq2SeqModel):
            raise ConfigError(
                f"{name}: expected encoder-decoder models without dropout to mix over a {how} of vocabularies"
            )
        engine = Seq2SeqEngine(ready, tokenizer, search)
        readers[shown] = Reader(engine, ready, lexicon_of(tokenizer, ready.vocabulary))
    return MappedEngine(readers, search, combine, how), [checkpoint for checkpoint, _, _ in found]
