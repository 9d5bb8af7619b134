"""Builds the translator of an ensemble, or its backend, from its configuration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from components.decoding.combiner import Combiner
from components.decoding.member_settings import DROPOUT_PREFIX, MemberDevices, MixingConfig
from components.decoding.models.causal import CausalModel
from components.decoding.models.seq2seq import Seq2SeqModel
from components.ensembling.member_list import list_members
from components.ensembling.token_level.combiners import COMBINATIONS
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
from components.ensembling.token_level.vocabularies.cross_vocabulary import (
    CrossVocabularyBackend,
    VocabularyMember,
)
from components.ensembling.token_level.vocabularies.text_synchronous import TextMember, TextSynchronousBackend
from components.ensembling.token_level.vocabularies.vocabulary_mapping import build_lexicon
from components.errors import ConfigError
from components.records import Checkpoint
from components.translation.backends.causal.model import CausalBackend
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend
from components.translation.config import TranslationConfig, search_config_of
from components.translation.context.domain import read_domain
from components.translation.context.guides import load_terms
from components.translation.factory import list_settings, load_draft, load_resident
from components.translation.translator import Translator


def build_combiner(mixing: MixingConfig, n_members: int) -> Combiner:
    """Return the combiner of the configured method, with the given coefficients or equal ones.

    Raises:
        ConfigError: there is not one coefficient for every member.
    """
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
    combiner: Combiner | None = None,
    store: str | None = None,
    first_masks: int = 0,
    seed: int = 0,
) -> Translator:
    """Build the translator of an ensemble. Its models stay resident in the process.

    Args:
        config: settings of the search and the device.
        references: model references of the translators, in order.
        mixing: how the members are mixed.
        combiner: by default the one that ``mixing`` configures.
        store: where ``store:`` references are looked up.
        first_masks: the number of the first dropout member's masks; those after it count on.
        seed: of what is sampled.

    Raises:
        ConfigError: the members cannot be mixed as configured.
        ModelError: a member cannot be loaded.
    """
    names = list_members(references, mixing)
    combiner = combiner or build_combiner(mixing, len(names))
    backend: EnsembleBackend | CrossVocabularyBackend | TextSynchronousBackend
    if mixing.vocabulary == "same":
        backend, checkpoints = build_backend(config, names, combiner, store, first_masks, seed)
    elif mixing.vocabulary == "text":
        backend, checkpoints = build_text_backend(config, names, combiner, store)
    else:
        backend, checkpoints = build_cross_vocabulary_backend(
            config, names, combiner, store, mixing.vocabulary, first_masks, seed
        )
    domain = None if isinstance(backend, TextSynchronousBackend) else read_domain(Path(checkpoints[0].path))
    if domain:  # of the first model alone, than which a mixture is less sure
        is_other = mixing.vocabulary != "same" or names[0].startswith(DROPOUT_PREFIX)
        share = 0.0 if is_other else _share_of_first(names, combiner)
        lower = math.log(share) if share > 0 else -math.inf
        domain = domain.model_copy(update={"min_log_prob": domain.min_log_prob + lower})
    return Translator(
        backend,
        ensemble_checkpoint(checkpoints),
        **list_settings(config),
        domain=domain,
        samples=config.sampling is not None,
    )


def _share_of_first(names: Sequence[str], combiner: Combiner) -> float:
    """Return the weight of the first model and its copies, 1 at most.

    A linear mixture has at least this share of their probability, at every token. Of a product nothing
    follows, but it was so: of 200 captions that a good and a weak model translated, 54 lay below the first
    model's limit and 1 below the lowered one; of 200 sentences of Tatoeba 164 did.
    """
    active = combiner.active_members(len(names))
    weights: list[float] = (
        [1 / len(active)] * len(active) if combiner.gate else combiner.constant_weights().tolist()
    )
    return min(1.0, sum(w for m, w in zip(active, weights, strict=True) if names[m] == names[0]))


def build_backend(
    config: TranslationConfig,
    names: Sequence[str],
    combiner: Combiner,
    store: str | None,
    first_masks: int = 0,
    seed: int = 0,
) -> tuple[EnsembleBackend, list[Checkpoint]]:
    """Load the members of one vocabulary and put them behind one search.

    Args:
        config: settings of the search and the device.
        names: model references as :func:`.config.list_members` orders them.
        combiner: mixes the members.
        store: where ``store:`` references are looked up.
        first_masks: the number of the first dropout member's masks; those after it count on.
        seed: of what is sampled.

    Returns:
        The backend, and the checkpoint of every member.

    Raises:
        ConfigError: two members cannot share one search, or the first is no encoder-decoder model.
        ModelError: a member cannot be loaded.
    """
    loaded = [
        load_resident(name.removeprefix(DROPOUT_PREFIX), _for_member(config, index), store)
        for index, name in enumerate(names)
    ]
    models = [model for _, model, _ in loaded]
    combiner.active_members(len(models))
    if not isinstance(models[0], Seq2SeqModel):
        raise ConfigError(f"{names[0]}: expected an encoder-decoder model as the first member")
    require_mixable(dict(zip(number_duplicates(names), models, strict=True)))
    translators = [model for model in models if isinstance(model, Seq2SeqModel)]
    start, mask_numbers = translators[0].start[0], count(first_masks)
    builders: dict[str, BuildScorer] = {}
    for display_name, name, model in zip(number_duplicates(names), names, models, strict=True):
        if isinstance(model, CausalModel):
            builders[display_name] = language_model_scorer_builder(model, start)
        elif name.startswith(DROPOUT_PREFIX):
            builders[display_name] = dropout_scorer_builder(model, next(mask_numbers))
        else:
            builders[display_name] = translation_scorer_builder(model)
    tokenizer = loaded[0][2]
    terms = load_terms(config.terms, tokenizer, translators[0].vocabulary.size, names[0])
    backend = EnsembleBackend(
        translators,
        tokenizer,
        search_config_of(config, seed),
        combiner,
        builders,
        terms=terms,
        draft=load_draft(config, translators[0], store),
    )
    return backend, [checkpoint for checkpoint, _, _ in loaded]


def _for_member(config: TranslationConfig, index: int) -> TranslationConfig:
    return config.for_member(index) if isinstance(config, MemberDevices) else config


def build_cross_vocabulary_backend(
    config: TranslationConfig,
    names: Sequence[str],
    combiner: Combiner,
    store: str | None,
    sharing: str,
    first_masks: int = 0,
    seed: int = 0,
) -> tuple[EnsembleBackend | CrossVocabularyBackend, list[Checkpoint]]:
    """Build as :func:`build_backend`, for members of different vocabularies.

    Args:
        config: settings of the search.
        names: references of the members.
        combiner: of their distributions over the shared vocabulary.
        store: URL of the store, for members that are in one.
        first_masks: number of the first dropout mask.
        seed: of what is sampled.
        sharing: how a vocabulary is shared: a row of :data:`.cross_vocabulary.VOCABULARY_SHARING`.

    Raises:
        ConfigError: a member has dropout, is of another kind, or forces or forbids tokens.
        ModelError: a member cannot be loaded.
    """
    search, members = search_config_of(config, seed), dict[str, VocabularyMember]()
    loaded = [load_resident(name.removeprefix(DROPOUT_PREFIX), config, store) for name in names]
    if len({model.vocabulary for _, model, _ in loaded}) == 1:
        return build_backend(config, names, combiner, store, first_masks, seed)
    for display_name, name, (_, model, tokenizer) in zip(
        number_duplicates(names), names, loaded, strict=True
    ):
        backend = _open_alone(name, model, tokenizer, config)
        lexicon = build_lexicon(tokenizer, backend.vocabulary)
        members[display_name] = VocabularyMember(backend, model, lexicon)
    checkpoints = [checkpoint for checkpoint, _, _ in loaded]
    return CrossVocabularyBackend(members, search, combiner, sharing), checkpoints


def build_text_backend(
    config: TranslationConfig, names: Sequence[str], combiner: Combiner, store: str | None
) -> tuple[EnsembleBackend | TextSynchronousBackend, list[Checkpoint]]:
    """Build as :func:`build_backend`, for members that agree on the text that they write.

    Args:
        config: settings of the search, and the prompt of causal models, which translate here.
        names: references of the members.
        combiner: its constant weights are the members' coefficients.
        store: URL of the store, for members that are in one.

    Raises:
        ConfigError: a member has dropout, is of another kind, or has a tokenizer of an unknown kind.
        ModelError: a member cannot be loaded.
    """
    loaded = [load_resident(name.removeprefix(DROPOUT_PREFIX), config, store) for name in names]
    checkpoints = [checkpoint for checkpoint, _, _ in loaded]
    is_one = len({model.vocabulary for _, model, _ in loaded}) == 1
    if is_one and isinstance(loaded[0][1], Seq2SeqModel):
        return build_backend(config, names, combiner, store)
    search, members = search_config_of(config), dict[str, TextMember]()
    active = combiner.active_members(len(names))
    coefficients = dict(zip(active, combiner.constant_weights().tolist(), strict=True))
    for index, name in enumerate(number_duplicates(names)):
        _, model, tokenizer = loaded[index]
        backend = _open_alone(names[index], model, tokenizer, config)
        if index in coefficients:  # a member of weight 0 is never run
            members[name] = TextMember(backend, model, tokenizer, coefficients[index])
    return TextSynchronousBackend(members, search), checkpoints


def _open_alone(
    name: str, model: CausalModel | Seq2SeqModel, tokenizer: Any, config: TranslationConfig
) -> Seq2SeqBackend | CausalBackend:
    """The backend of a member that reads the source in its own pieces. ConfigError where it has none."""
    search = search_config_of(config)
    if name.startswith(DROPOUT_PREFIX) or not isinstance(model, CausalModel | Seq2SeqModel):
        raise ConfigError(
            f"{name}: expected models that write token by token, without dropout, to mix those of different "
            "vocabularies: leave it out"
        )
    if isinstance(model, Seq2SeqModel):
        return Seq2SeqBackend(model, tokenizer, search)
    return CausalBackend(model, tokenizer, search, prompt=config.prompt, examples=config.examples)
