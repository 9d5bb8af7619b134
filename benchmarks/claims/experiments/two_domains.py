"""E20: specialists of two domains merged: addition, TIES and the mean, by nats on both domains."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.claims.domains import Domain, dialogue, manuals
from benchmarks.claims.merging import SHORT_TUNING, VECTOR_METHODS, merge_tasks
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.over_sets import compare_over_sets
from benchmarks.claims.scoring import score_sections
from benchmarks.claims.token_scores import score_tokens
from benchmarks.claims.workspace import DEV, PACKAGED, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.selection import choose_on_grid, refuse_edges
from components.claims.systems.workbench import Model
from components.claims.verdict import Measured
from components.models import resolve
from components.records import Utterance

TITLE = "Merging over two domains"
QUESTION = """
The packaged model of captions is fine-tuned on technical manuals and on dialogue (60 updates each, 3 seeds).
Is the base plus the sum of both task vectors better than the base, and better than the better of both
specialists, in nats a token of the references of both domains and by the sign of BLEU and chrF? Is TIES
better than addition? The scale is chosen on 100 other sentences of each domain; 0, the base, is among those
tried.
"""
SEEDS = (1, 2, 3)
DOMAINS = ("manuals", "dialogue")
DEV_SENTENCES = 100
SCALES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0)
TUNING = {**SHORT_TUNING, "learning_rate": 3e-4}


def train_specialist(work: Workspace, domain: Domain, seed: int) -> Path:
    """The packaged model, fine-tuned on a domain."""
    data, dev = domain.write(work, "train", 4000), domain.write(work, "dev", 16)
    return work.train(
        f"specialist-{domain.name}-{seed}", init_from=PACKAGED, data=data, dev=dev, seed=seed, **TUNING
    )


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, merge at every scale, choose on dev, score the test sets (and captions, for what is lost)."""
    domains = {"manuals": manuals(), "dialogue": dialogue()}
    dev = {name: domain.utterances(work, "dev")[:DEV_SENTENCES] for name, domain in domains.items()}
    test = {name: domain.utterances(work, "test") for name, domain in domains.items()}
    test["captions"] = work.utterances(DEV, limit=200)
    base = Path(resolve(PACKAGED).path)
    for seed in SEEDS:
        tuned = {name: train_specialist(work, domain, seed) for name, domain in domains.items()}
        systems, curves = merge_tasks(work, base, tuned, SCALES, lambda model: _on_dev(work, model, dev))
        outputs.measurements[f"curves {seed}"] = curves
        outputs.measurements[f"nats {seed}"] = {
            system: {data: score_tokens(work, model, own).sentence_sums() for data, own in test.items()}
            for system, model in systems.items()
        }
        for (system, model), data in itertools.product(systems.items(), DOMAINS):
            texts = work.translate(test[data], [model], beam_size=1)
            outputs.add_translations(data, test[data], system, seed, texts, keep_texts=False)
    outputs.measurements["tokens"] = {
        data: score_tokens(work, base, own).sentence_tokens() for data, own in test.items()
    }


def _on_dev(work: Workspace, model: Model, dev: Mapping[str, Sequence[Utterance]]) -> float:
    """Mean over domains of nats a token."""
    return round(float(np.mean([score_tokens(work, model, own).nats.mean() for own in dev.values()])), 5)


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons; without an answer where a scale lies at the upper edge of its grid."""
    compare = partial(
        compare_over_sets,
        seeds=SEEDS,
        nats="nats",
        texts={name: name for name in DOMAINS},
        metrics=("bleu", "chrf"),
        items="sentences",
        sets="domains",
    )
    addition, ties = (_refused(outputs, system) for system in VECTOR_METHODS)
    best = [DOMAINS[int(choose_on_grid(outputs.measurements[f"curves {s}"]["specialists"]))] for s in SEEDS]
    compared = {
        "task_addition.addition_of_domains": ("addition", ["base"] * len(SEEDS), addition),
        "task_addition.addition_against_specialist": ("addition", best, addition),
        "ties.ties_against_addition_of_domains": ("TIES", ["addition"] * len(SEEDS), (*ties, *addition)),
        "ties.ties_against_mean_of_domains": ("TIES", ["mean of both"] * len(SEEDS), ties),
    }
    return {
        name: Measured(by_metric=compare(outputs, system, baselines), refused=refused)
        for name, (system, baselines, refused) in compared.items()
    }


def _refused(outputs: Outputs, system: str) -> tuple[str, ...]:
    curves = {f"{system}, seed {s}": outputs.measurements[f"curves {s}"][system] for s in SEEDS}
    return refuse_edges(curves, natural=(0.0,))


def page(outputs: Outputs) -> list[str]:
    """Nats by system and set, and the scales."""
    tokens = {data: sum(row) for data, row in outputs.measurements["tokens"].items()}
    rows = [
        (
            system,
            *(
                f"{np.mean([sum(outputs.measurements[f'nats {s}'][system][data]) for s in SEEDS]) / n:.3f}"
                for data, n in tokens.items()
            ),
        )
        for system in outputs.measurements[f"nats {SEEDS[0]}"]
    ]
    scales = [
        (system, *(f"{choose_on_grid(outputs.measurements[f'curves {s}'][system]):g}" for s in SEEDS))
        for system in VECTOR_METHODS
    ]
    return [
        f"## Nats a token of the references, mean over {len(SEEDS)} seeds",
        markdown_table(("system", *tokens), rows),
        "## Scales",
        markdown_table(("system", *(f"seed {seed}" for seed in SEEDS)), scales),
        *score_sections(outputs, DOMAINS, "Greedy translations"),
    ]
