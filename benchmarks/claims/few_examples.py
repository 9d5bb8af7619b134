"""Weights of an ensemble's members learned from draws of a few examples, judged on sentences held out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.claims.systems.forced_scores import (
    FloatArray,
    equal_shares,
    score_references,
    sum_by_sentence,
    tokens_by_sentence,
)
from components.decoding.member_settings import MixingConfig
from components.ensembling.token_level.factory import build_translator
from components.ensembling.token_level.learning.coefficients import (
    LearnedCoefficients,
    fit_constants,
    fit_gate,
)
from components.ensembling.token_level.learning.reference_log_probs import ReferenceLogProbs, concatenate
from components.records import NBest, Utterance
from components.translation.config import TranslationConfig

POOL, SENTENCES, DRAWS = 200, 400, 20
"""Examples are drawn from the first POOL sentences of a domain and judged on the others."""
SIZES = (5, 10, 25, 50, 100, 200)
DOMAINS = ("tatoeba", "captions", "mix")
METHODS = ("linear", "log_linear", "gate")


def learn_all(
    members: Sequence[Path | str], domains: dict[str, list[Utterance]], seed: int
) -> dict[str, Any]:
    """Held-out log-likelihoods under equal shares and under what every draw of this seed teaches."""
    scored = {
        name: score_references(members, utterances, distributions=True)
        for name, utterances in domains.items()
    }
    for statistics in scored.values():
        assert statistics.n_sentences == SENTENCES
    return {
        "equal": {
            name: {
                "tokens": tokens_by_sentence(statistics).astype(int).tolist(),
                **{kind: _rounded(equal_shares(statistics, kind)) for kind in ("linear", "log_linear")},
                "members": [_rounded(sum_by_sentence(statistics, row)) for row in statistics.token_log_probs],
            }
            for name, statistics in scored.items()
        },
        "learned": list(_learn_draws(scored, seed)),
        "texts": _translate_mix(members, domains, scored, seed),
    }


def _translate_mix(
    members: Sequence[Path | str],
    domains: dict[str, list[Utterance]],
    scored: dict[str, ReferenceLogProbs],
    seed: int,
) -> dict[str, dict[str, str]]:
    """Translations of both domains' held-out sentences by what the seed's first draw of the mix teaches."""
    order, parts = _order(scored, seed - 1), _parts("mix", SIZES[-1])
    examples = concatenate([scored[name].select_sentences(order[name][:n]) for name, n in parts.items()])
    config = TranslationConfig(model=str(members[0]), n_best=1, batch_size=64, device="cpu")
    texts = {}
    for method in ("gate", "linear"):
        combiner = _fit(examples, method).to_combiner()
        translator = build_translator(config, list(map(str, members)), MixingConfig(), combiner)
        judged = [u for name in parts for u in held_out(domains, name)]
        outcomes = translator.translate(judged)
        texts[method] = {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}
    return texts


def held_out(domains: dict[str, list[Utterance]], name: str) -> list[Utterance]:
    """The sentences of a domain that nothing is learned from; their ids begin with its name."""
    return [u.model_copy(update={"id": f"{name}/{u.id}"}) for u in domains[name][POOL:]]


def _order(scored: Collection[str], draw: int) -> dict[str, torch.Tensor]:
    """The order in which a draw takes the examples of each domain."""
    return {
        name: torch.from_numpy(np.random.default_rng([draw, number]).permutation(POOL))
        for number, name in enumerate(scored)
    }


def _parts(domain: str, size: int) -> dict[str, int]:
    """How many examples of each domain there are among ``size``."""
    return {"tatoeba": size // 2, "captions": size - size // 2} if domain == "mix" else {domain: size}


def _learn_draws(scored: dict[str, ReferenceLogProbs], seed: int, of: int = 3) -> Iterator[dict[str, Any]]:
    """What the draws of a seed teach; draw n is made with specialist n mod ``of``, plus 1."""
    for draw in range(seed - 1, DRAWS, of):
        order = _order(scored, draw)
        for domain in DOMAINS:
            for size in SIZES:
                parts = _parts(domain, size)
                examples = [scored[name].select_sentences(order[name][:n]) for name, n in parts.items()]
                judged = [scored[name].select_sentences(torch.arange(POOL, SENTENCES)) for name in parts]
                for method in METHODS:
                    coefficients = _fit(concatenate(examples), method)
                    sums = np.concatenate(
                        [sum_by_sentence(part, coefficients.token_log_probs(part)) for part in judged]
                    )
                    yield {
                        "draw": draw,
                        "domain": domain,
                        "size": size,
                        "method": method,
                        "weights": _rounded(coefficients.weights),
                        **_as_kept(sums, domain, size, method),
                    }


def _as_kept(sums: FloatArray, domain: str, size: int, method: str) -> dict[str, Any]:
    """The sum over sentences; sentence by sentence where a registered comparison needs it."""
    compared = (size == 50 and domain != "mix" and method == "linear") or (
        size == 200 and domain == "mix" and method != "log_linear"
    )
    return {"nats": round(float(sums.sum()), 3), **({"sentences": _rounded(sums)} if compared else {})}


def _fit(examples: ReferenceLogProbs, method: str) -> LearnedCoefficients:
    if method == "gate":
        return fit_gate(examples)
    return fit_constants(examples, "linear" if method == "linear" else "log_linear")


def _rounded(values: Sequence[float] | FloatArray) -> list[float]:
    return [round(float(value), 4) for value in values]
