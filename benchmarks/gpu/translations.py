"""Searches over the packaged translator and perturbed copies of it: the systems whose texts are compared."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.gpu.inputs import sample_sentences
from benchmarks.gpu.random_models import random_gate
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer
from components.decoding.searches.search import search
from components.ensembling.token_level.combiners import (
    LinearInterpolation,
    LogLinearInterpolation,
    NegativeEvidence,
)
from components.ensembling.token_level.dropout import DropoutScorer
from components.models import resolve
from components.models.loaders.loading import load_transformers

MODEL = "packaged:multi30k-en-de"
BATCH, MAX_TOKENS = 16, 64
NOISE = 0.01
"""Members 2 to 4 are the model with weights times 1 + this times a normal number."""


class Decoded(NamedTuple):
    """The best text of an input, as tokens, and its log-probability."""

    tokens: tuple[int, ...]
    score: float


class System(NamedTuple):
    """Members, how they are mixed, and how they are searched."""

    members: int
    combine: Callable[[], Combiner] | None = None
    beam: int = 5
    dropout: bool = False


SYSTEMS: Mapping[str, System] = {
    "one, greedy": System(1, beam=1),
    "one, beam": System(1),
    "two, linear": System(2, lambda: LinearInterpolation((0.6, 0.4))),
    "four, linear": System(4, lambda: LinearInterpolation((0.25,) * 4)),
    "two, log-linear": System(2, lambda: LogLinearInterpolation((0.6, 0.4))),
    "two, gate": System(2, lambda: LinearInterpolation(random_gate(2))),
    "two, gate of one": System(2, lambda: LinearInterpolation(random_gate(2, 1))),
    "three, negative evidence": System(3, lambda: NegativeEvidence(0.3, 0.1)),
    "one, dropout": System(1, dropout=True),
}


class Translations:
    """The translator and its copies on one device.

    Args:
        device: Where they compute.
        dtype: In which arithmetic.
        limit: Sentences of the sample set; None: all.
    """

    def __init__(self, device: str, dtype: torch.dtype, limit: int | None) -> None:
        self.device = device
        model, self._tokenizer = load_transformers(resolve(MODEL), "seq2seq")
        self._models = [
            Seq2SeqModel(_perturb(model, seed).to(device, dtype), "digest", str(seed)) for seed in range(4)
        ]
        self._processors = logits_processors_of(self._models[0].model)
        self._sentences = sample_sentences(limit)

    def decode(self, name: str) -> list[Decoded]:
        """The best text of every sentence by a row of :data:`SYSTEMS`."""
        system, decoded = SYSTEMS[name], []
        combiner = system.combine() if system.combine else None
        for begin in range(0, len(self._sentences), BATCH):
            texts = self._sentences[begin : begin + BATCH]
            inputs = dict(self._tokenizer(texts, return_tensors="pt", padding=True).to(self.device))
            members = [self._member(model, system, inputs, begin) for model in self._models[: system.members]]
            nbests = search(
                members,
                SearchConfig(beam_size=system.beam, max_new_tokens=MAX_TOKENS),
                combiner=combiner,
                logits_processors=self._processors,
            )
            decoded += [Decoded(nbest[0].tokens, nbest[0].score) for nbest in nbests]
        return decoded

    def _member(
        self, model: Seq2SeqModel, system: System, inputs: dict[str, Tensor], first: int
    ) -> TokenScorer:
        if not system.dropout:
            return model.build_scorer(**inputs)
        scorer = model.build_scorer(**inputs)
        keys = range(first, first + len(inputs["input_ids"]))
        return DropoutScorer(scorer, 1, keys=list(keys), rate=0.1)


def _perturb(model: Any, seed: int) -> Any:
    other = copy.deepcopy(model)
    numbers = torch.Generator().manual_seed(seed)
    for parameter in other.parameters() if seed else ():
        parameter.data *= 1 + NOISE * torch.randn(parameter.shape, generator=numbers)
    return other
