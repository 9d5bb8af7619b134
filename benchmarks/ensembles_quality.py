"""Ensembles of translators on Multi30k: each row is a run of the ensemble flow and tests a claim.

Models come from the train flow (``--seeds store:KEY ...``, with their kept checkpoints); finished runs and
stages in ``--store`` are used again. The baseline of every paired test is the single model that is best on
the development set. Coefficients, gates and the strength of negative evidence are learned on that set.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.tables import difference_cell, markdown, score_cell
from components.errors import ConfigError, StoreError
from components.metrics.significance import Difference, translation_tests
from components.records import RunRecord
from tasks.reading import best_texts, utterances
from tasks.store import Store

OUT = Path(__file__).parents[1] / "docs" / "results" / "ensembles.md"
DEV, MAIN, OTHERS = (
    "multi30k:val",
    "multi30k:test_2016_flickr",
    ("multi30k:test_2017_flickr", "multi30k:test_2017_mscoco"),
)


class Row(NamedTuple):
    """One system: its flow, what is set on it, and the claim that it tests."""

    name: str
    flow: str
    parameters: dict[str, Any]
    claim: str


def mixture(name: str, members: Sequence[str], claim: str, **combine: Any) -> Row:
    """A row of the ensemble flow."""
    mt = {"model": members[0], "members": tuple(members[1:])}
    return Row(name, "ensemble", {"mt": mt, "combine": {"dev": DEV, **combine}}, claim)


def single(name: str, model: str, claim: str = "a single model") -> Row:
    """A row of the cascade flow on text."""
    return Row(name, "cascade", {"mt": {"model": model}}, claim)


def rows_of(options: argparse.Namespace) -> list[Row]:
    """All rows for the models that were given."""
    seeds, claim = options.seeds, "an ensemble of seeds beats the best single model"
    rows = [single(f"seed {n}", model) for n, model in enumerate(seeds, 1)]
    rows += [mixture(f"{len(seeds)} seeds, linear", seeds, claim)]
    rows += [mixture(f"{len(seeds)} seeds, log-linear", seeds, claim, method="log_linear")]
    learned = "learned coefficients against equal ones"
    rows += [
        mixture("linear, learned", seeds, learned, learn="constants"),
        mixture("log-linear, learned", seeds, learned, method="log_linear", learn="constants"),
        mixture("linear, gate", seeds, "coefficients that depend on the context", learn="gate"),
        mixture("linear, gate, top 1", seeds, "one member per step", learn="gate", top_k=1),
        mixture("the same model twice", [seeds[0]] * 2, "no change at all"),
    ]
    pooled = "agreement of finished translations, against mixing at every token"
    rows += [
        Row(
            "3 seeds, minimum Bayes risk",
            "ensemble",
            {
                **mixture("", seeds, "", method="pooled").parameters,
                "pool": {"method": "minimum_bayes_risk", "utility": "bleu"},
            },
            pooled,
        )
    ]
    if options.checkpoints:
        rows.append(
            mixture(
                f"{len(options.checkpoints)} checkpoints of one training",
                options.checkpoints,
                "members that cost no further training",
            )
        )
    if options.weak:
        rows.append(single("weak", options.weak, "the weak model alone"))
        rows.append(
            mixture(
                "seeds and weak, linear", [*seeds, options.weak], "a weak member does harm with equal weights"
            )
        )
        rows.append(
            mixture(
                "seeds and weak, learned",
                [*seeds, options.weak],
                "learned weights silence it",
                learn="constants",
            )
        )
    if options.bags:
        rows += [
            single(f"bag {n}", model, "a model of a bootstrap sample")
            for n, model in enumerate(options.bags, 1)
        ]
        rows.append(mixture(f"{len(options.bags)} bags, linear", options.bags, "bagging"))
    if options.dropout:
        mt = {"model": seeds[0], "dropout_members": options.dropout}
        rows.append(
            Row(f"{options.dropout} dropout masks of seed 1", "ensemble", {"mt": mt}, "Monte-Carlo dropout")
        )
    if options.positive and options.negative:
        evidence = {"method": "negative_evidence", "positive": options.positive, "negative": options.negative}
        rows.append(
            mixture(
                "seed 1 x (captions / other)",
                seeds[:1],
                "negative evidence in the domain",
                **evidence,
                learn="constants",
            )
        )
    return rows


def ran(row: Row, data: str, store: Store) -> RunRecord:
    """The run of a row on a data set: finished before, or now."""
    from flows.catalogue import flow_named

    name = (
        f"{row.name}-{data.partition(':')[2]}".replace(" ", "-")
        .replace(",", "")
        .replace("(", "")
        .replace(")", "")
        .replace("/", "-")
    )
    try:
        found = store.load_run(name)
        if found.status == "completed":
            return found
    except (ConfigError, StoreError):
        pass
    run: RunRecord = flow_named(row.flow).call(**row.parameters, data=data, store=str(store.root), name=name)
    return run


def texts(run: RunRecord) -> dict[str, str]:
    """The translations of a run by utterance."""
    return best_texts(next(stage for stage in run.stages if stage.stage == "mt"))


def references(run: RunRecord) -> dict[str, tuple[str, ...]]:
    """The reference translations of a run's data by utterance."""
    return {u.id: u.references for u in utterances(next(s for s in run.stages if s.stage == "data"))}


def table(rows: Sequence[Row], runs: Mapping[str, RunRecord], best: str) -> str:
    """The rows on one data set, each against the best single model."""
    systems = {row.name: texts(runs[row.name]) for row in rows}
    found = translation_tests(references(runs[best]), systems, best, language="de")
    tests: dict[tuple[str, str], Difference] = {(d.system, d.metric): d for d in found}
    lines = []
    for row in rows:
        run = runs[row.name]
        mt = next(stage for stage in run.stages if stage.stage == "mt")
        lines.append(
            (
                row.name,
                score_cell(run.metrics["bleu"]),
                difference_cell(tests.get((row.name, "bleu"))),
                score_cell(run.metrics["chrf"]),
                f"{mt.seconds:.0f} s",
                row.claim,
            )
        )
    return markdown(("system", "BLEU", "against the best single", "chrF", "decoding", "claim"), lines)
