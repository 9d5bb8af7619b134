"""Bagging on Multi30k: ``python -m benchmarks.quality bagging --store STORE --base REF --bags REF...``.

The base learned from all pairs, each bag from a bootstrap sample of as many, with the same updates, schedule
and initial weights (``antiphon run train --set bag=N``). Every row is a run of a flow; finished ones in the
store are used again. Ensembles are uniform and linear; ``--beside`` is another training on all pairs, whose
ensemble with the base says what two members are worth without bagging.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.paths import RESULTS
from benchmarks.quality.ensembles import MAIN, OTHERS, Row, load_or_run, mixture, single, table
from components.storage.store import Store

OUT = RESULTS / "bagging.md"
BASE = "all pairs"


def rows_of(options: argparse.Namespace) -> list[Row]:
    """The base, the bags, and what they make together."""
    bags = options.bags
    rows = [single(BASE, options.base, "the same training on all pairs")]
    rows += [single(f"bag {n}", model, "a model of a bootstrap sample") for n, model in enumerate(bags, 1)]
    if len(bags) > 1:
        rows.append(mixture(f"{len(bags)} bags, linear", bags, "bagging against one model of all pairs"))
    claim = "a model of all pairs among the bags"
    rows.append(mixture(f"all pairs and {len(bags)} of bags, linear", [options.base, *bags], claim))
    if options.beside:
        rows.append(single("another training", options.beside, "the control's second member"))
        claim = "two trainings on all pairs: no bagging"
        rows.append(mixture("all pairs and another training, linear", [options.base, options.beside], claim))
    return rows


def main(arguments: Sequence[str]) -> None:
    """Run what is not yet in the store, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality bagging", description=__doc__)
    parser.add_argument("--store", required=True, help="store with the models; runs are kept there")
    parser.add_argument("--base", required=True, help="the training on all pairs")
    parser.add_argument("--bags", nargs="+", required=True, help="trainings on bootstrap samples")
    parser.add_argument("--beside", help="another training on all pairs, of the same vocabulary")
    parser.add_argument("--updates", required=True, help="of each training, for the page's text")
    parser.add_argument("--data", nargs="+", default=[MAIN, OTHERS[0]])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    store, rows = Store(options.store), rows_of(options)
    parts = [HEAD.format(updates=options.updates, n=len(options.bags))]
    for data in options.data:
        runs = {row.name: load_or_run(row, data, store) for row in rows}
        signature = runs[BASE].metrics["bleu"].signature
        parts += [f"## {data.partition(':')[2]}", table(rows, runs, BASE), f"`{signature}`"]
    options.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


HEAD = """# Bagging

`python -m benchmarks.quality bagging`; every row is a run of a flow. Bags trained: {n}, each for {updates}
updates on a bootstrap sample of the 29,000 pairs; the baseline is the same training (seed, updates,
schedule, checkpoints averaged) on all of them. BLEU and chrF with 95% bootstrap intervals; differences are
paired, by bootstrap with Holm's correction over the rows of a table. Nothing is learned or
chosen here, but every training chose the checkpoints it averages by BLEU on the development set (val)."""
