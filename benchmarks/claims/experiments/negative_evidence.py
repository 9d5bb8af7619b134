"""E7: a translator of captions adapted to dialogue by language models, one added and one subtracted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.claims.domains import dialogue
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, score_sections
from benchmarks.claims.workspace import DEV, PACKAGED, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.selection import choose_on_grid, refuse_edges
from components.claims.statistics.measuring import of_sums
from components.claims.systems.forced_scores import (
    FloatArray,
    nats_per_token,
    score_references,
    sum_by_sentence,
    sums_of_tokens,
    tokens_by_sentence,
)
from components.claims.systems.workbench import digest_of
from components.claims.verdict import Measured, Result
from components.ensembling.token_level.learning.reference_log_probs import ReferenceLogProbs
from components.metrics.statistics.seed_bootstrap import ItemSums
from components.records import Utterance
from components.training.learners.language_model_learner import LanguageLearner
from components.translation.config import TRANSLATION_VERSION

TITLE = "Negative evidence: a domain added, the rest subtracted"
QUESTION = """
The translator knows captions. A language model learns the German of captions (200 updates), another goes on
from it on the German of dialogue (60 updates on subtitles of Fish Fillets and sentences of Tatoeba). Does
log P = core + s (LM dialogue - LM captions) give references of other dialogue more than the core does, in
nats a token? Is the pair better than adding the one or subtracting the other alone? The strength s, 0 among
them, is chosen on 200 other sentences, for each arm and seed.
"""
SEEDS = (1, 2, 3)
STRENGTHS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
CORE, PLUS, MINUS, PAIR = (
    "core",
    "core + s LM dialogue",
    "core - s LM captions",
    "core + s (LM dialogue - LM captions)",
)
SIGNS = {PLUS: (1, 0), MINUS: (0, -1), PAIR: (1, -1)}
"""Arm -> the signs of both language models."""
CAPTIONS, DIALOGUE = "captions", "dialogue"
DECODED = 200
LANGUAGE_MODEL: dict[str, Any] = {
    "tokenizer": PACKAGED,
    "kind": "language_model",
    "num_layers": 2,
    "batch_tokens": 600,
    "max_steps": 200,
    "eval_every": 200,
    "eval_sentences": 64,
    "average_checkpoints": 1,
    "warmup_steps": 50,
}
GO_ON = {
    "max_steps": 60,
    "eval_every": 60,
    "warmup_steps": 10,
    "lr_schedule": "linear",
    "learning_rate": 1e-3,
}


def train_language_models(work: Workspace, seed: int) -> tuple[Path, Path]:
    """The language models of dialogue and of captions."""
    dev = dialogue().write(work, "dev", 64)
    settings = {**LANGUAGE_MODEL, "seed": seed}
    general = work.train(f"lm-captions-{seed}", learner=LanguageLearner, dev=dev, **settings)
    del settings["tokenizer"]
    data = dialogue().write(work, "train")
    own = {**settings, **GO_ON, "data": data, "dev": dev, "init_from": str(general)}
    return work.train(f"lm-dialogue-{seed}", learner=LanguageLearner, **own), general


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, score references at every strength, choose on dev; decode to see the sign."""
    dev = dialogue().utterances(work, "dev")
    sets = {DIALOGUE: dialogue().utterances(work, "test"), CAPTIONS: work.utterances(DEV, limit=200)}
    for seed in SEEDS:
        members = [PACKAGED, *train_language_models(work, seed)]
        curves = _score(work, members, dev)
        scored = {data: _score(work, members, utterances) for data, utterances in sets.items()}
        outputs.measurements[f"curves {seed}"] = {
            arm: [
                [s, round(sum(curves["nats"][arm][n]) / sum(curves["tokens"]), 5)]
                for n, s in enumerate(STRENGTHS)
            ]
            for arm in SIGNS
        }
        chosen = {arm: _choose(outputs, seed, arm) for arm in SIGNS}
        outputs.measurements[f"nats {seed}"] = {
            data: {CORE: rows["nats"][PAIR][0]}
            | {arm: rows["nats"][arm][STRENGTHS.index(s)] for arm, s in chosen.items()}
            for data, rows in scored.items()
        }
        outputs.measurements["tokens"] = {data: rows["tokens"] for data, rows in scored.items()}
        _decode(work, outputs, members, sets[DIALOGUE][:DECODED], (seed, chosen[PAIR]))


def _score(work: Workspace, members: Sequence[Path | str], utterances: Sequence[Utterance]) -> dict[str, Any]:
    """Nats of each sentence by arm and strength, and its tokens."""
    key = {
        "negative evidence of": [digest_of(model) for model in members],
        "version": [TRANSLATION_VERSION, 1],
        "strengths": STRENGTHS,
        "texts": [(u.text, u.references[0]) for u in utterances],
    }

    def measure() -> dict[str, Any]:
        parts = [
            score_references(members, utterances[start : start + 50], distributions=True)
            for start in range(0, len(utterances), 50)
        ]
        nats = {
            arm: [_rounded([_sums(part, signs, s) for part in parts]) for s in STRENGTHS]
            for arm, signs in SIGNS.items()
        }
        return {"nats": nats, "tokens": [int(x) for part in parts for x in tokens_by_sentence(part)]}

    return dict(work.cached(key, measure))


def _sums(statistics: ReferenceLogProbs, signs: tuple[int, int], strength: float) -> FloatArray:
    """Nats (S,) of the references under the core and both language models at these signs."""
    assert statistics.distributions is not None
    core, positive, negative = statistics.distributions
    evidence = signs[0] * positive + signs[1] * negative
    normalizers = torch.logsumexp(core + strength * evidence, dim=-1)
    return sum_by_sentence(statistics, _of_references(statistics, signs, strength) - normalizers)


def _of_references(statistics: ReferenceLogProbs, signs: tuple[int, int], strength: float) -> Tensor:
    core, positive, negative = statistics.token_log_probs
    return core + strength * (signs[0] * positive + signs[1] * negative)


def _rounded(parts: Sequence[FloatArray]) -> list[float]:
    return [round(float(x), 3) for x in np.concatenate(parts)]


def _choose(outputs: Outputs, seed: int, arm: str) -> float:
    """The strength of most nats on dev."""
    return choose_on_grid(outputs.measurements[f"curves {seed}"][arm])


def _decode(
    work: Workspace,
    outputs: Outputs,
    members: Sequence[Path | str],
    utterances: Sequence[Utterance],
    chosen: tuple[int, float],
) -> None:
    seed, strength = chosen
    evidence = {"positive": str(members[1]), "negative": str(members[2]), "strength": strength}
    mixing = {"method": "negative_evidence", **evidence}
    for system, own in ((CORE, None), (PAIR, mixing)):
        texts = work.translate(utterances, [PACKAGED], mixing=own, beam_size=1)
        outputs.add_translations(DIALOGUE, utterances, system, seed, texts)


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons; without an answer where a strength lies at the upper edge of its grid."""
    texts = compare_systems(outputs, DIALOGUE, PAIR, CORE, SEEDS).by_metric
    return {
        "negative_evidence.pair": Measured(
            by_metric={"nats": _compare(outputs, PAIR, CORE)} | texts, refused=_refused(outputs, PAIR)
        ),
        "negative_evidence.pair_against_plus": Measured(
            by_metric={"nats": _compare(outputs, PAIR, PLUS)},
            refused=(*_refused(outputs, PAIR), *_refused(outputs, PLUS)),
        ),
    }


def _refused(outputs: Outputs, arm: str) -> tuple[str, ...]:
    curves = {f"{arm}, seed {seed}": outputs.measurements[f"curves {seed}"][arm] for seed in SEEDS}
    return refuse_edges(curves, natural=(0.0,))


def _compare(outputs: Outputs, first: str, second: str, data: str = DIALOGUE) -> Result:
    tokens = outputs.measurements["tokens"][data]
    arms = (
        sums_of_tokens([outputs.measurements[f"nats {seed}"][data][arm] for seed in SEEDS], tokens)
        for arm in (first, second)
    )
    over = f"{len(SEEDS)} seeds of the language models x {len(tokens)} sentences"
    return of_sums(ItemSums(nats_per_token, *arms), over)


def page(outputs: Outputs) -> list[str]:
    """Strengths, further differences, scores."""
    rows = [(arm, *(f"{_choose(outputs, seed, arm):g}" for seed in SEEDS)) for arm in SIGNS]
    lines = ["## Strengths", markdown_table(("arm", *(f"seed {seed}" for seed in SEEDS)), rows)]
    compared = [
        (PLUS, CORE, DIALOGUE),
        (MINUS, CORE, DIALOGUE),
        (PAIR, MINUS, DIALOGUE),
        (PAIR, CORE, CAPTIONS),
    ]
    rows = []
    for first, second, data in compared:
        result = _compare(outputs, first, second, data)
        low, high = result.interval
        rows.append((first, second, data, f"{result.difference:+.3f} ({low:+.3f} to {high:+.3f})"))
    header = ("arm", "against", "references of", "nats a token (95%)")
    lines += ["## Further differences (not registered)", markdown_table(header, rows)]
    return [*lines, *score_sections(outputs, [DIALOGUE], f"Scores of {DECODED} sentences, greedy")]
