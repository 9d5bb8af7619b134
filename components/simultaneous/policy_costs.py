"""What the policy of each node costs: nodes that hear and read everything first get theirs one by one.

First the cascade reads gold transcripts, then the run's own, then what the recognizer wrote under its policy,
and so on; nodes below get the whole text. Each difference is what one thing costs. Together they are what the
output under all policies lacks to that on gold transcripts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from components.metrics.metric import Metric
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.paired_gain import paired_gain
from components.records import NBest, Utterance
from components.simultaneous.evaluation import Output, align_outputs
from components.simultaneous.records import Replay
from components.simultaneous.replay import Replayer, as_outcome

Texts = Mapping[str, str]
"""Utterance id -> text."""


class Variant(NamedTuple):
    """The output where only some nodes write early.

    Attributes:
        loss: what makes it worse than the variant before; nothing of the first.
        texts: the output.
    """

    loss: str
    texts: Texts


def list_variants(
    replayer: Replayer, utterances: Sequence[Utterance], replays: Sequence[Replay], output: Output, run: Texts
) -> list[Variant]:
    """Return the output from gold transcripts, where there are some, to all policies.

    Args:
        replayer: with the nodes.
        utterances: that were replayed.
        replays: of them, without faults.
        output: the node that is judged, behind the others of its chain.
        run: the texts of the run, which hears everything first.
    """
    variants: list[Variant] = []
    gold = {u.id: text for u in utterances if (text := _gold_of(u))}
    chain = output.chain
    if len(chain) > 1 and replayer.graph.pipeline.is_spoken(chain[0]) and len(gold) == len(utterances):
        texts = {u.id: read_on(replayer, u, chain, gold[u.id]) for u in utterances}
        variants.append(Variant("", texts))
    variants.append(Variant(f"errors of {chain[0]}", {u.id: run.get(u.id, "") for u in utterances}))
    for number, node in enumerate(chain, 1):
        written = {r.utterance_id: r.texts[node] for r in replays}
        texts = {u.id: read_on(replayer, u, chain[number - 1 :], written[u.id]) for u in utterances}
        variants.append(Variant(f"policy of {node}", texts))
    return variants


def _gold_of(utterance: Utterance) -> str:
    segments = [segment.transcript or "" for segment in utterance.reference_segments]
    return utterance.transcript or (" ".join(segments) if all(segments) else "")


def read_on(replayer: Replayer, utterance: Utterance, chain: Sequence[str], text: str) -> str:
    """Return the output of the last node where each gets the whole text of the one before.

    Args:
        replayer: with the nodes.
        utterance: what is said.
        chain: nodes, each reads the one before.
        text: of the first.
    """
    for above, name in pairwise(chain):
        served = replayer.graph.nodes[name]
        item = served.gather(utterance, {above: as_outcome(utterance.id, text, above)})
        outcomes = [] if item is None else replayer.call(served, partial(served.component, [item]))
        text = outcomes[0].best.text if outcomes and isinstance(outcomes[0], NBest) else ""
    return text


def measure_costs(
    variants: Sequence[Variant], utterances: Sequence[Utterance], output: Output, metrics: Iterable[Metric]
) -> dict[str, dict[str, Estimate]]:
    """Return metric -> loss -> the points that it costs, with a paired bootstrap interval.

    Args:
        variants: of the output.
        utterances: of all of them.
        output: the texts that are judged.
        metrics: of the output.
    """
    aligned = [align_outputs(variant.texts, utterances, output) for variant in variants]
    costs: dict[str, dict[str, Estimate]] = {}
    for metric in metrics:
        tables = [each.units.measure(metric, each.segments, len(utterances)) for each in aligned if each]
        scored = [table for table in tables if table is not None]
        if len(scored) == len(variants):
            costs[metric.name] = {
                variant.loss: paired_gain(better, worse)[0]
                for variant, (better, worse) in zip(variants[1:], pairwise(scored), strict=True)
            }
    return costs
