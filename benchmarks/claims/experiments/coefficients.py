"""E4: what weights of an ensemble are learned from few examples, and where a mixture is an "or"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims.few_examples import (
    DOMAINS,
    DRAWS,
    METHODS,
    POOL,
    SENTENCES,
    SIZES,
    held_out,
    learn_all,
)
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, score_sections
from benchmarks.claims.texts import tatoeba_pairs, write_pairs
from benchmarks.claims.workspace import DEV, PACKAGED, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.selection import best_on_dev
from components.claims.statistics.measuring import of_sums
from components.claims.systems.forced_scores import nats_per_token, sums_of_tokens
from components.claims.systems.workbench import digest_of
from components.claims.verdict import Measured, Result
from components.metrics.statistics.seed_bootstrap import ItemSums
from components.records import Utterance
from components.translation.config import TRANSLATION_VERSION

TITLE = "Weights of members from 5 to 200 examples"
QUESTION = """
Two members: a translator of captions, and the same after 100 updates on 600 Tatoeba pairs, which is better
on Tatoeba and worse on captions. Their weights are learned from a few examples of a domain by expectation
maximization (linear), Newton's method (log-linear), or as a gate that sees both distributions. How many
examples does it take, judged by the log-probability of held-out references, in nats a token? Does a gate
help where the domains are mixed? And how does either way of mixing, at equal shares, bear a wrong member?
"""
SEEDS = (1, 2, 3)
MIX = "both, by what 200 examples of the mix teach"
TRAINING = {
    "init_from": PACKAGED,
    "max_steps": 100,
    "warmup_steps": 20,
    "lr_schedule": "linear",
    "learning_rate": 5e-4,
    "eval_every": 100,
    "eval_sentences": 64,
    "average_checkpoints": 1,
}
"""Of the specialist. Nothing is selected: it is what it is after 100 updates."""


def train_specialist(work: Workspace, seed: int) -> Path:
    """The translator of captions after 100 updates on 600 pairs of Tatoeba."""
    data = write_pairs(work.folder / "data", "tatoeba-train", tatoeba_pairs()[:600])
    return work.train(f"specialist-{seed}", seed=seed, data=data, dev=data, **TRAINING)


def load_domains(work: Workspace) -> dict[str, list[Utterance]]:
    """SENTENCES sentences of each domain that neither member was trained on."""
    pairs = tatoeba_pairs()[600 : 600 + SENTENCES]
    reference = write_pairs(work.folder / "data", "tatoeba-other", pairs)
    return {"tatoeba": work.utterances(reference), "captions": work.utterances(DEV, limit=SENTENCES)}


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, score references once per specialist, learn from every draw, and decode."""
    domains = load_domains(work)
    for seed in SEEDS:
        members = [PACKAGED, train_specialist(work, seed)]
        key = {
            "coefficients of": [digest_of(model) for model in members],
            "version": [TRANSLATION_VERSION, 2],
            "draws": [SEEDS, POOL, SENTENCES, DRAWS, SIZES],
            "texts": {name: [(u.id, u.text, u.references) for u in us] for name, us in domains.items()},
        }
        measured = work.cached(key, lambda: learn_all(members, domains, seed))  # noqa: B023
        judged = [u for name in ("tatoeba", "captions") for u in held_out(domains, name)]
        for method, texts in measured.pop("texts").items():
            outputs.add_translations(MIX, judged, method, seed, texts)
        outputs.measurements[f"specialist {seed}"] = measured
        _decode(work, outputs, members, domains, seed)


def _decode(
    work: Workspace,
    outputs: Outputs,
    members: Sequence[Path | str],
    domains: dict[str, list[Utterance]],
    seed: int,
) -> None:
    """Translate the held-out sentences: members, equal shares, and the weights of this seed's first draw."""
    for domain, utterances in domains.items():
        judged = utterances[POOL:]
        row = _rows(outputs, domain, 50, "linear")[seed - 1]
        systems: dict[str, dict[str, Any] | None] = {
            "equal shares, linear": {},
            "equal shares, log-linear": {"method": "log_linear"},
            "linear, weights of 50 examples": {"coefficients": row["weights"]},
        }
        for system, mixing in systems.items():
            texts = work.translate(judged, members, mixing=mixing)
            outputs.add_translations(domain, judged, system, seed, texts)
        for system, member in zip(("captions", "captions, then Tatoeba"), members, strict=True):
            texts = work.translate(judged, [member])
            outputs.add_translations(domain, judged, system, seed, texts)


def _rows(outputs: Outputs, domain: str, size: int, method: str) -> list[dict[str, Any]]:
    """What was learned, by draw; ``specialist`` is the seed of the draw's specialist."""
    rows = [
        {**row, "specialist": seed}
        for seed in SEEDS
        if f"specialist {seed}" in outputs.measurements
        for row in outputs.measurements[f"specialist {seed}"]["learned"]
        if (row["domain"], row["size"], row["method"]) == (domain, size, method)
    ]
    return sorted(rows, key=lambda row: int(row["draw"]))


def _equal(outputs: Outputs, seed: int, domain: str, what: str) -> np.ndarray[Any, Any]:
    """Values by held-out sentence under equal shares (or ``tokens``); of the mix, both domains'."""
    names = ("tatoeba", "captions") if domain == "mix" else (domain,)
    equal = outputs.measurements[f"specialist {seed}"]["equal"]
    return np.concatenate([np.asarray(equal[name][what][POOL:], float) for name in names])


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons: nats a token, and the sign of BLEU where texts were decoded."""
    equal = [outputs.measurements[f"specialist {seed}"]["equal"]["tatoeba"] for seed in SEEDS]
    ways = [
        sums_of_tokens([row[way] for row in equal], equal[0]["tokens"]) for way in ("linear", "log_linear")
    ]
    either = of_sums(ItemSums(nats_per_token, *ways), f"{len(SEEDS)} specialists x {SENTENCES} sentences")
    shares = "equal shares, linear"
    measured = {
        "or_and.or": Measured(
            by_metric={"nats": either} | _texts(outputs, "tatoeba", shares, "equal shares, log-linear")
        )
    }
    for domain in ("tatoeba", "captions"):
        learned = _rows(outputs, domain, 50, "linear")
        values = [row["sentences"] for row in learned]
        for name, baseline, system in (
            (domain, [_equal(outputs, row["specialist"], domain, "linear") for row in learned], shares),
            (f"{domain}_best", [_best_member(outputs, row["specialist"], domain) for row in learned], None),
        ):
            gain = {"nats": _gain(outputs, domain, learned, values, baseline)}
            texts = _texts(outputs, domain, "linear, weights of 50 examples", system) if system else {}
            measured[f"few_examples.{name}"] = Measured(by_metric=gain | texts)
    rows = _rows(outputs, "mix", 200, "gate")
    gates, constants = (
        [row["sentences"] for row in _rows(outputs, "mix", 200, method)] for method in ("gate", "linear")
    )
    gain = _gain(outputs, "mix", rows, gates, constants)
    texts = _texts(outputs, MIX, "gate", "linear")
    return {**measured, "gate.mix": Measured(by_metric={"nats": gain} | texts)}


def _best_member(outputs: Outputs, seed: int, domain: str) -> np.ndarray[Any, Any]:
    """Values by held-out sentence of the member that is better where examples are drawn from."""
    members = outputs.measurements[f"specialist {seed}"]["equal"][domain]["members"]
    on_pool = {n: float(np.sum(values[:POOL])) for n, values in enumerate(members)}
    return np.asarray(members[best_on_dev(on_pool)][POOL:], float)


def _texts(outputs: Outputs, domain: str, system: str, baseline: str) -> dict[str, Result]:
    how = {"replicates": "specialists"}
    return dict(compare_systems(outputs, domain, system, baseline, SEEDS, **how).by_metric)


def _gain(
    outputs: Outputs, domain: str, rows: Sequence[dict[str, Any]], first: Sequence[Any], second: Sequence[Any]
) -> Result:
    tokens = _equal(outputs, SEEDS[0], domain, "tokens")
    sums = ItemSums(nats_per_token, sums_of_tokens(first, tokens), sums_of_tokens(second, tokens))
    specialists = [(row["specialist"],) for row in rows]
    over = f"{len(rows)} draws of {len(SEEDS)} specialists x {len(tokens)} sentences"
    return of_sums(sums, over, members=specialists)


def page(outputs: Outputs) -> list[str]:
    """Gain over equal shares by size, equal shares by domain, scores of texts."""
    title = "## Gain over equal shares of the same method, nats a token, held out"
    note = f"Mean over {DRAWS} draws (lowest to highest); a gate is compared with equal linear shares."
    header = ("domain", "method", *(f"{size} examples" for size in SIZES))
    rows = [
        (domain, method.replace("_", "-"), *(_gains_cell(outputs, domain, size, method) for size in SIZES))
        for domain in DOMAINS
        for method in METHODS
    ]
    columns = ("domain", "captions", "captions, then Tatoeba", "linear", "log-linear")
    alone = "## Equal shares and members alone, nats a token", markdown_table(columns, _alone(outputs))
    domains = ("tatoeba", "captions", MIX)
    scores = score_sections(outputs, domains, "Translations of the held-out sentences")
    return [title, note, markdown_table(header, rows), *alone, *scores]


def _gains_cell(outputs: Outputs, domain: str, size: int, method: str) -> str:
    gains = []
    for row in _rows(outputs, domain, size, method):
        kind = "log_linear" if method == "log_linear" else "linear"
        equal = _equal(outputs, row["specialist"], domain, kind).sum()
        gains.append((row["nats"] - equal) / _equal(outputs, row["specialist"], domain, "tokens").sum())
    return f"{np.mean(gains):+.3f} ({min(gains):+.3f} to {max(gains):+.3f})"


def _alone(outputs: Outputs) -> list[tuple[str, ...]]:
    rows = []
    for domain in ("tatoeba", "captions"):
        equal = [outputs.measurements[f"specialist {seed}"]["equal"][domain] for seed in SEEDS]
        values = [
            [np.sum(row["members"][member]) / np.sum(row["tokens"]) for row in equal] for member in (0, 1)
        ] + [
            [np.sum(row[kind]) / np.sum(row["tokens"]) for row in equal] for kind in ("linear", "log_linear")
        ]
        rows.append((domain, *(f"{np.mean(value):.3f}" for value in values)))
    return rows
