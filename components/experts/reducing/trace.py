"""The trace of a model's experts on texts: who computes what, how much it matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components.analysis.table import Table
from components.errors import ModelError
from components.experts import routing_stats
from components.experts.contribution import measure_contributions
from components.experts.reducing.saliency import SaliencyMeter
from components.experts.reducing.sparse_layers import find_sparse_layers
from components.experts.routing_stats import LayerRoutingStats, UtteranceRouting
from components.experts.sample_batches import Sample
from components.files.files import read_json, write_json
from components.metrics.statistics.bootstrap import Estimate
from components.records import Record

TRACE, ROUTING, PLOT = "trace.json", "routing.jsonl", "routing.png"


class LayerTrace(Record):
    """One layer with E experts.

    Attributes:
        name: of the layer.
        top_k: experts that compute a token.
        routing: load, entropy, experts by language, domain and kind of token.
        saliency: REAP's saliency of every expert (:mod:`components.experts.reducing.saliency`).
        similarity: mean cosine of the outputs of every two experts (E, E); empty if it was not measured.
        knock_out: nats a token of log-likelihood that are lost without each expert, with intervals; empty if
            it was not measured.
    """

    name: str
    top_k: int
    routing: LayerRoutingStats
    saliency: tuple[float, ...]
    similarity: tuple[tuple[float, ...], ...] = ()
    knock_out: tuple[Estimate, ...] = ()


class ExpertTrace(Record):
    """The trace of a model: its layers in order, the number of texts, the texts of the knock-out."""

    layers: tuple[LayerTrace, ...]
    n: int
    n_knock_out: int = 0

    def write(self, folder: Path) -> None:
        """Write it as :data:`TRACE`."""
        write_json(folder / TRACE, self.model_dump(mode="json"))

    @classmethod
    def read(cls, folder: Path) -> ExpertTrace:
        """Read what :meth:`write` has written."""
        return cls.model_validate(read_json(folder / TRACE))


def trace_experts(
    model: Any,
    tokenizer: Any,
    samples: Sequence[Sample],
    *,
    batch_size: int = 16,
    similarity_tokens: int = 0,
    knock_out: int = 0,
    progress: Callable[[float], None] = lambda percent: None,
) -> tuple[ExpertTrace, list[UtteranceRouting]]:
    """Trace the experts of a model.

    Args:
        model: a causal or encoder-decoder model with experts, of transformers or ours.
        tokenizer: its tokenizer.
        samples: the texts.
        batch_size: texts in a batch.
        similarity_tokens: tokens of every layer on which all experts are compared; 0 compares none.
        knock_out: the first so many texts measure what is lost without each expert; 0 measures nothing.
        progress: is told how far it is, in percent.

    Returns:
        The trace, and the slots of every text.

    Raises:
        ModelError: the model has no experts, or some that are not read.
    """
    layers = find_sparse_layers(model)
    counts = {name: layer.n_experts for name, layer in layers.items()}
    languages = list(dict.fromkeys(sample.language for sample in samples))
    domains = list(dict.fromkeys(sample.domain for sample in samples if sample.domain))
    domains += [""] if domains and not all(sample.domain for sample in samples) else []
    stats, meter = (
        routing_stats.RoutingStats(counts, languages, domains),
        SaliencyMeter(counts, similarity_tokens),
    )
    records, share = list[UtteranceRouting](), 20 if knock_out else 100
    for record in routing_stats.observe_routing(model, tokenizer, samples, stats, batch_size, meter.add):
        records.append(record)
        progress(share * len(records) / len(samples))
    lost = {}
    if knock_out:
        contributions = measure_contributions(
            model,
            tokenizer,
            samples[:knock_out],
            shapley=False,
            batch_size=batch_size,
            progress=lambda percent: progress(share + percent * (100 - share) / 100),
        )
        lost = {each.title: tuple(part.lost for part in each.shares if part.lost) for each in contributions}
    summary = stats.summarize()
    traces = tuple(
        LayerTrace(
            name=name,
            top_k=stats.top_k(name),
            routing=summary[name],
            saliency=meter.saliency(name),
            similarity=meter.similarity(name),
            knock_out=lost.get(name, ()),
        )
        for name in layers
    )
    return ExpertTrace(layers=traces, n=len(records), n_knock_out=min(knock_out, len(samples))), records


def report_tables(trace: ExpertTrace) -> list[Table]:
    """Return the tables of the report: a row for each layer, then one for each expert."""
    layers = [
        {
            "layer": layer.name,
            "experts": f"{layer.top_k} of {len(layer.routing.load)}",
            "entropy": f"{layer.routing.entropy:.3f}",
            "variation of load": f"{layer.routing.variation:.2f}",
            "idle": str(layer.routing.idle),
            "specialization by language": f"{layer.routing.specialization:.3f}",
            "by kind of token": _share(layer.routing.by_class),
            "by domain": _share(layer.routing.by_domain),
        }
        for layer in trace.layers
    ]
    experts = [
        {
            "layer": layer.name,
            "expert": str(number),
            "slots": str(layer.routing.load[number]),
            "saliency (REAP)": f"{saliency:.4g}",
            "most alike": _most_alike(layer, number),
            "lost without it, nats a token": _describe(layer.knock_out[number]) if layer.knock_out else "",
        }
        for layer in trace.layers
        for number, saliency in enumerate(layer.saliency)
    ]
    note = (
        "Entropy of the softmax of the router's logits over that of an even one; specialization is the "
        "mutual information of expert and label over the entropy of the labels, 0 to 1."
    )
    lost = f" Lost: over the first {trace.n_knock_out} texts, 95% intervals." if trace.n_knock_out else ""
    return [
        Table(f"Layers with experts, over {trace.n} texts", note, _without_empty(layers)),
        Table("Experts", "Saliency is REAP's." + lost, _without_empty(experts)),
    ]


def _share(table: dict[str, tuple[int, ...]]) -> str:
    used = [row for row in table.values() if any(row)]
    return f"{routing_stats.mutual_information(used):.3f}" if len(used) > 1 else ""


def _most_alike(layer: LayerTrace, number: int) -> str:
    if not layer.similarity:
        return ""
    row = [(cosine, other) for other, cosine in enumerate(layer.similarity[number]) if other != number]
    return f"{max(row)[1]} ({max(row)[0]:.2f})" if row else ""


def _describe(estimate: Estimate) -> str:
    low, high = estimate.interval or (estimate.value, estimate.value)
    return f"{estimate.value:+.4f} ({low:+.4f} to {high:+.4f})"


def _without_empty(rows: list[dict[str, str]]) -> tuple[dict[str, str], ...]:
    """Leave out the columns that are empty in every row."""
    columns = [name for name in rows[0] if any(row[name] for row in rows)] if rows else []
    return tuple({name: row[name] for name in columns} for row in rows)


def scores_of(layer: LayerTrace, by: str) -> tuple[float, ...]:
    """Return the importance of a layer's experts: ``reap``, ``frequency`` or ``knock_out``.

    Raises:
        ModelError: the trace has not measured it.
    """
    if by == "knock_out" and not layer.knock_out:
        raise ModelError(
            f"{layer.name}: expected a trace with knock_out, found none; set it on the trace's node"
        )
    if by == "knock_out":
        return tuple(estimate.value for estimate in layer.knock_out)
    return layer.saliency if by == "reap" else tuple(float(n) for n in layer.routing.load)
