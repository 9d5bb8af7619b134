"""An encoder-decoder member under our search is that model's own ``generate``, token for token."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from components.decoding import Candidate, SearchConfig, search
from components.decoding.generation import rules_of
from components.decoding.seq2seq import Seq2SeqModel

from .models import SEQ2SEQ, generated, sources

LENGTH = 12


def ours(model: Any, inputs: dict[str, torch.Tensor], **settings: Any) -> list[list[Candidate]]:
    ready = Seq2SeqModel(model, "digest", "tiny")
    settings.setdefault("max_new_tokens", LENGTH)
    return search([ready.member(**inputs)], SearchConfig(**settings), rules=rules_of(model))


def same(found: list[list[Candidate]], wanted: list[list[tuple[tuple[int, ...], float | None]]]) -> None:
    assert [[c.tokens for c in utterance] for utterance in found] == [[t for t, _ in u] for u in wanted]
    for utterance, expected in zip(found, wanted, strict=True):
        for candidate, (_, score) in zip(utterance, expected, strict=True):
            if score is not None:
                assert candidate.rank == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("name", SEQ2SEQ)
@pytest.mark.parametrize("seed", range(3))
def test_greedy_is_generate(name: str, seed: int) -> None:
    model = SEQ2SEQ[name](seed=seed)
    inputs = sources(model)
    same(ours(model, inputs, beam_size=1), generated(model, inputs, num_beams=1, max_new_tokens=LENGTH))


@pytest.mark.parametrize("name", SEQ2SEQ)
@pytest.mark.parametrize("beam", [2, 3, 5])
@pytest.mark.parametrize(("penalty", "early"), [(1.0, False), (0.0, "never"), (0.6, True), (2.0, "never")])
def test_beam_is_generate(name: str, beam: int, penalty: float, early: bool | str) -> None:
    model = SEQ2SEQ[name](seed=beam)
    inputs = sources(model)
    shared = {"length_penalty": penalty, "early_stopping": early, "max_new_tokens": LENGTH}
    wanted = generated(model, inputs, num_beams=beam, num_return_sequences=beam, **shared)
    same(ours(model, inputs, beam_size=beam, n_best=beam, **shared), wanted)
