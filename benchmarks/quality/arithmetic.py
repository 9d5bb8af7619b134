"""Translations in float32, bfloat16 and int8: of one model, and of an ensemble."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

import torch

from benchmarks.common.cpu_timer import Call
from benchmarks.common.cpu_timer import measure as measure_cpu
from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_translations
from benchmarks.pages.translation import DTYPES, ENSEMBLE, MODEL, ONE
from components import data
from components.decoding.member_settings import MixingConfig
from components.ensembling.token_level.factory import build_translator as build_ensemble
from components.records import NBest
from components.translation.config import TranslationConfig
from components.translation.factory import build
from components.translation.translator import Translator

PAGE = "arithmetic"
TEST = "multi30k:test_2016_flickr"
OPTIONS = {
    "members": option([], "models of an ensemble, English to German"),
    "limit": option(int, "test sentences at most"),
    "rounds": option(2, "of the measurement of seconds"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Texts, their counts and CPU seconds of every system in every arithmetic."""
    torch.set_num_threads(1)
    captions = list(data.load(TEST, target_language="de", limit=options.limit).utterances)
    translators = {
        f"{system}, {dtype}": _translator(members, dtype)
        for system, members in ((ONE, [MODEL]), (ENSEMBLE, options.members))
        for dtype in DTYPES
        if members
    }
    texts = {
        name: {o.utterance_id: o.best.text for o in translator.translate(captions) if isinstance(o, NBest)}
        for name, translator in translators.items()
    }
    calls: dict[str, Call] = {
        name: partial(translator.translate, captions) for name, translator in translators.items()
    }
    values = {
        "members": len(options.members),
        "statistics": count_translations(captions, texts),
        "texts": texts,
        "seconds": measure_cpu(calls, options.rounds),
    }
    yield Result("translations", values, [MODEL, *options.members])


def _translator(members: list[str], dtype: str) -> Translator:
    config = TranslationConfig.model_validate(
        {"model": members[0], "beam_size": 5, "n_best": 1, "dtype": dtype, "device": "cpu"}
    )
    return build(config) if len(members) == 1 else build_ensemble(config, members, MixingConfig())
