"""Ensembles of translators on Multi30k: each row is a run of the ensemble flow and tests a claim.

Models come from the train flow (``--seeds store:KEY ...``, with their kept checkpoints); finished runs and
stages in ``--store`` are used again. The baseline of every paired test is the single model that is best on
the development set. Coefficients, gates and the strength of negative evidence are learned on that set.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from benchmarks.common.paths import RESULTS
from benchmarks.common.tables import format_difference, format_interval, format_score, markdown_table
from components.errors import ConfigError, StoreError
from components.metrics.significance import Difference, translation_tests
from components.run_record import RunRecord
from components.storage.reader import read_best_texts, read_utterances
from components.storage.store import Store

OUT = RESULTS / "ensembles.md"
DEV, MAIN = "multi30k:val", "multi30k:test_2016_flickr"
OTHERS = ("multi30k:test_2017_flickr", "multi30k:test_2017_mscoco")


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
    seeds = options.seeds
    rows = [single(f"seed {n}", model) for n, model in enumerate(seeds, 1)]
    rows += _of_seeds(seeds)
    if options.checkpoints:
        claim = "members that cost no further training"
        rows.append(mixture(f"{len(options.checkpoints)} checkpoints of seed 1", options.checkpoints, claim))
    if options.dropout:
        mt = {"model": seeds[0], "dropout_members": options.dropout}
        claim = "Monte-Carlo dropout: one thinned network after another"
        rows.append(Row(f"{options.dropout} dropout masks of seed 1", "ensemble", {"mt": mt}, claim))
    if options.weak:
        rows += _with_weak(seeds, options.weak)
    if options.positive and options.negative:
        models = {"positive": options.positive, "negative": options.negative}
        evidence = {"method": "negative_evidence", "learn": "constants", **models}
        rows.append(mixture("seed 1, negative evidence", seeds[:1], "captions or other text", **evidence))
    return rows


def _of_seeds(seeds: Sequence[str]) -> list[Row]:
    count, claim = f"{len(seeds)} seeds", "an ensemble beats the best single model"
    learned, context = "learned coefficients against equal ones", "coefficients that depend on the context"
    output_level = {**mixture("", seeds, "", method="output_level").parameters}
    output_level["system_combination"] = {"method": "minimum_bayes_risk", "utility": "bleu"}
    return [
        mixture(f"{count}, linear", seeds, claim),
        mixture(f"{count}, log-linear", seeds, claim, method="log_linear"),
        mixture(f"{count}, linear, learned", seeds, learned, learn="constants"),
        mixture(f"{count}, log-linear, learned", seeds, learned, method="log_linear", learn="constants"),
        mixture(f"{count}, gate", seeds, context, learn="gate"),
        mixture(f"{count}, gate, top 1", seeds, "one member per step", learn="gate", top_k=1),
        Row(
            f"{count}, minimum Bayes risk",
            "ensemble",
            output_level,
            "finished translations instead of tokens",
        ),
        mixture("the same model twice", [seeds[0]] * 2, "no change at all"),
    ]


def _with_weak(seeds: Sequence[str], weak: str) -> list[Row]:
    members = [*seeds, weak]
    return [
        single("weak", weak, "the weak model alone"),
        mixture("seeds and weak, linear", members, "a weak member with equal weight"),
        mixture("seeds and weak, learned", members, "its weight learned", learn="constants"),
    ]


def load_or_run(row: Row, data: str, store: Store) -> RunRecord:
    """The run of a row on a data set: finished before, or now."""
    from flows.registry import flow_named

    name = "-".join(re.findall(r"[a-z0-9]+", f"{row.name} {data.partition(':')[2]}".lower()))
    try:
        record = store.load_run(name)
    except (ConfigError, StoreError):
        record = None
    if record is None or record.status != "completed":
        values = {**row.parameters, "data": data, "store": str(store.root), "name": name, "replace": True}
        record = cast("RunRecord", flow_named(row.flow).call(**values))
    print(f"{row.name} on {data}: BLEU {record.metrics['bleu'].value:.2f}", flush=True)
    return record


def translations_of(run: RunRecord) -> dict[str, str]:
    """The translations of a run by utterance."""
    return read_best_texts(next(stage for stage in run.stages if stage.stage == "mt"))


def references_of(run: RunRecord) -> dict[str, tuple[str, ...]]:
    """The reference translations of a run's data by utterance."""
    return {u.id: u.references for u in read_utterances(next(s for s in run.stages if s.stage == "data"))}


def table(rows: Sequence[Row], runs: Mapping[str, RunRecord], best: str) -> str:
    """The rows on one data set, each against the best single model."""
    systems = {row.name: translations_of(runs[row.name]) for row in rows}
    differences = translation_tests(references_of(runs[best]), systems, best, language="de")
    tests: dict[tuple[str, str], Difference] = {(d.system, d.metric): d for d in differences}
    lines = []
    for row in rows:
        run = runs[row.name]
        mt = next(stage for stage in run.stages if stage.stage == "mt")
        lines.append(
            (
                row.name,
                format_score(run.metrics["bleu"]),
                format_difference(tests.get((row.name, "bleu"))),
                format_score(run.metrics["chrf"]),
                f"{mt.seconds:.0f} s",
                row.claim,
            )
        )
    return markdown_table(("system", "BLEU", "against the best single", "chrF", "decoding", "claim"), lines)


def contributions(run: RunRecord) -> str:
    """What each member contributes on the development set, three ways."""
    stage = next(stage for stage in run.stages if stage.stage == "coefficients")
    rows = json.loads((Path(stage.path) / "contributions.json").read_text(encoding="utf-8"))["members"]
    lines = [
        (
            row["member"],
            f"{row['coefficient']:.3f}",
            f"{row['alone']:.4f}",
            *(
                f"{row[kind]:.4f}{format_interval(row[f'{kind}_interval'], ' ({:.4f} to {:.4f})')}"
                for kind in ("leave_one_out", "shapley")
            ),
        )
        for row in rows
    ]
    return markdown_table(("member", "coefficient", "alone", "leave one out", "Shapley"), lines)


def main(arguments: Sequence[str]) -> None:
    """Run what is not yet in the store, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality ensembles", description=__doc__)
    parser.add_argument("--store", required=True, help="store with the models; runs are kept there")
    parser.add_argument("--seeds", nargs="+", required=True, help="trainings that differ in their seeds")
    parser.add_argument("--checkpoints", nargs="*", default=[], help="of the first: store:KEY@STEP")
    parser.add_argument("--weak", help="a weak model of the same vocabulary")
    parser.add_argument("--positive", help="language model of captions")
    parser.add_argument("--negative", help="language model of other text")
    parser.add_argument("--dropout", type=int, default=0, help="members with dropout on")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    store, rows = Store(options.store), rows_of(options)
    singles = [row for row in rows if row.name.startswith("seed ") and row.flow == "cascade"]
    on_dev = {row.name: load_or_run(row, DEV, store).metrics["bleu"] for row in singles}
    best = max(on_dev, key=lambda name: on_dev[name].value)
    parts = [HEAD.format(best=best, dev=", ".join(f"{n} {format_score(s)}" for n, s in on_dev.items()))]
    for data in (MAIN, *OTHERS):
        some = rows if data == MAIN else [row for row in rows if row.name in FEW or row in singles]
        runs = {row.name: load_or_run(row, data, store) for row in some}
        signature = runs[best].metrics["bleu"].signature
        parts += [f"## {data.partition(':')[2]}", table(some, runs, best), f"`{signature}`"]
        if data == MAIN:
            learned = next((row for row in rows if row.name.startswith("seeds and weak, learned")), None)
            if learned:
                parts += ["## Contribution (nats per reference piece, development set)", EMPTY]
                parts += [contributions(runs[learned.name])]
    options.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


HEAD = """# Ensembles

`python -m benchmarks.quality ensembles`; every row is a run of a flow. BLEU and chrF with
95% bootstrap intervals; differences are paired against {best}, the best single model on the development
set ({dev}), by paired bootstrap with Holm's correction over the rows of a table. Coefficients, gates and the
strength of negative evidence are learned on the first 100 sentences of the development set. Decoding is the
stage's seconds on a busy 2-core machine: for orders of magnitude only, see speed-ensembles.md for ratios."""
FEW = {"3 seeds, linear", "3 seeds, log-linear", "5 checkpoints of seed 1", "seed 1, negative evidence"}
EMPTY = "Nobody is the uniform distribution over the vocabulary; intervals are over utterances."
