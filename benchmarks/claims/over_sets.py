"""Merged models compared over several test sets at once: the mean of the differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.claims.outputs import Outputs
from components.claims.statistics.measuring import of_sums, over_tasks
from components.claims.systems.forced_scores import FloatArray, nats_per_token, sums_of_tokens
from components.claims.verdict import Result
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.seed_bootstrap import ItemSums


def compare_over_sets(
    outputs: Outputs,
    system: str,
    baselines: Sequence[str],
    *,
    seeds: Sequence[int],
    nats: str,
    texts: Mapping[str, str],
    metrics: Sequence[str],
    items: str,
    sets: str,
) -> dict[str, Result]:
    """A system less a baseline, by nats a token and by metrics of texts, each the mean over the sets.

    Args:
        outputs: has the measurements ``NATS SEED`` (system -> set -> nats by item) and ``tokens``.
        system: the same for all seeds.
        baselines: of each seed.
        seeds: trainings, which are resampled.
        nats: beginning of the measurements' names.
        texts: set of forced references -> set of the kept texts.
        metrics: of texts.
        items: what an item is called, in the plural.
        sets: what a set is called, in the plural.
    """
    first, second = [system] * len(seeds), baselines

    def sums(systems: Sequence[str], data: str) -> FloatArray:
        by_seed = (outputs.measurements[f"{nats} {seed}"] for seed in seeds)
        rows = [scores[own][data] for scores, own in zip(by_seed, systems, strict=True)]
        return sums_of_tokens(rows, outputs.measurements["tokens"][data])

    def tables(systems: Sequence[str], data: str, metric: str) -> list[CorpusStatistics]:
        pairs = zip(seeds, systems, strict=True)
        return [outputs.statistics(texts[data], own, seed, metric) for seed, own in pairs]

    tasks = [ItemSums(nats_per_token, sums(first, data), sums(second, data)) for data in texts]
    count = sum(len(outputs.measurements["tokens"][data]) for data in texts)
    over = f"{len(seeds)} seeds x {count} {items} of {len(texts)} {sets}"
    by_metric = {"nats": of_sums(tasks, over)}
    for metric in metrics:
        arms = [(tables(first, data, metric), tables(second, data, metric)) for data in texts]
        by_metric[metric] = over_tasks(arms, items=items)
    return by_metric
