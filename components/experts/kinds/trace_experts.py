"""``trace_experts``: which experts of a model compute which texts, and how much each of them matters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator
from typing_extensions import override

from components.compute.machine import resolve_dtype_name
from components.errors import DataError
from components.files.files import write_bytes, write_json
from components.nodes.facts import Mode
from components.nodes.kind import Kind
from components.nodes.node_context import Item, LanguagePairs, NodeContext, NodeSettings
from components.records import Quarantined, Utterance
from components.run_record import StageRef
from components.stage_settings import Device, ModelRef, key_values
from components.storage.stages.whole_stage import TABLES, StageFiles

if TYPE_CHECKING:
    from components.experts.sample_batches import Sample

VERSION = 1
"""Raised when the same settings give other numbers."""
TEXT, REFERENCE = "{text}", "{reference}"


class TraceExpertsSettings(NodeSettings):
    """Which model, on which form of the texts, and what is measured."""

    model: ModelRef = Field(
        description="a causal or encoder-decoder model with experts: Mixtral, Qwen-MoE, OLMoE, DeepSeek, "
        "gpt-oss ..., or ours"
    )
    template: str = Field(
        TEXT,
        description="what a causal model reads: {text}, and {reference} where the data have translations",
    )
    max_tokens: int = Field(
        1024, ge=2, le=131072, description="a text of more tokens is quarantined, not cut"
    )
    batch_size: int = Field(16, ge=1, le=4096, description="texts in a batch")
    similarity_tokens: int = Field(
        512,
        ge=0,
        le=1_000_000,
        description="tokens of each layer on which all experts are compared, for method: merge of "
        "reduce_experts; 0 compares none",
    )
    knock_out: bool = Field(
        False, description="measure what is lost without each expert: one more pass for every expert"
    )
    knock_out_texts: int = Field(64, ge=1, le=1_000_000, description="the first so many texts measure it")
    device: Device = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="type of the weights; auto: half precision on CUDA, else float32"
    )

    @field_validator("template")
    @classmethod
    def _check_template(cls, template: str) -> str:
        if TEXT not in template:
            raise ValueError(f"expected {TEXT} in the template, found {template!r}")
        return template

    def key_parameters(self) -> dict[str, Any]:
        """Return what is measured, and on what form of the texts."""
        unused = set() if self.knock_out else {"knock_out_texts"}
        return key_values(self, unused) | {"dtype": resolve_dtype_name(self.dtype, self.device)}


class TraceExperts(Kind[TraceExpertsSettings]):
    """Feeds texts (an encoder-decoder model: with their references) to a model and records its routers."""

    name = "trace_experts"
    summary = "texts through a model with experts -> load, specialization and importance of each expert"
    settings = TraceExpertsSettings
    output = "table"
    mode = Mode.AGGREGATE
    version = str(VERSION)
    libraries = ("torch", "transformers", "sentencepiece", "numpy")

    @override
    def validate_models(
        self, settings: TraceExpertsSettings, context: NodeContext, pairs: LanguagePairs
    ) -> None:
        """Check that the model has experts that are read."""
        from components import models  # noqa: PLC0415 - may fetch
        from components.experts.reducing.sparse_checkpoint import inspect_layers  # noqa: PLC0415 - imports torch

        inspect_layers(models.resolve(settings.model, context.store))

    @override
    def collect(
        self, settings: TraceExpertsSettings, context: NodeContext, items: Iterator[Item], folder: Path
    ) -> StageFiles:
        """Trace the experts, and write the trace, the slots of every text, tables and a picture."""
        from components import models  # noqa: PLC0415 - imports torch
        from components.compute.device import pick_device  # noqa: PLC0415 - imports torch
        from components.experts.reducing import trace  # noqa: PLC0415 - imports torch
        from components.experts.reducing.sparse_checkpoint import kind_of  # noqa: PLC0415 - imports torch
        from components.experts.routing_plots import plot_routing  # noqa: PLC0415 - imports matplotlib
        from components.models.loaders.loading import load_transformers  # noqa: PLC0415 - imports torch

        checkpoint = models.resolve(settings.model, context.store)
        device, dtype = pick_device(settings.device), resolve_dtype_name(settings.dtype, settings.device)
        model, tokenizer = load_transformers(checkpoint, kind_of(checkpoint), device, dtype)
        samples, refused = _make_samples(settings, context, items, tokenizer, model.config.is_encoder_decoder)
        context.verify()
        result, records = trace.trace_experts(
            model,
            tokenizer,
            samples,
            batch_size=settings.batch_size,
            similarity_tokens=settings.similarity_tokens,
            knock_out=settings.knock_out_texts if settings.knock_out else 0,
            progress=context.progress,
        )
        result.write(folder)
        _write_lines(folder / trace.ROUTING, records)
        write_json(folder / TABLES, {"tables": [table.to_json() for table in trace.report_tables(result)]})
        plot_routing({layer.name: layer.routing for layer in result.layers}, folder / trace.PLOT)
        files = [trace.TRACE, trace.ROUTING, trace.PLOT, TABLES]
        return StageFiles(files, items=len(samples) + len(refused), refused=refused)

    @override
    def notes(
        self, settings: TraceExpertsSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Warn of layers in which half of the experts are idle."""
        from components.experts.reducing.trace import ExpertTrace  # noqa: PLC0415 - imports torch
        from components.experts.routing_stats import warn_of_collapse  # noqa: PLC0415 - imports torch

        layers = ExpertTrace.read(Path(ref.path)).layers
        return [
            f"{ref.stage}: {line}" for line in warn_of_collapse({each.name: each.routing for each in layers})
        ]


def _make_samples(
    settings: TraceExpertsSettings, context: NodeContext, items: Iterator[Item], tokenizer: Any, is_pair: bool
) -> tuple[list[Sample], list[Quarantined]]:
    """Return the texts that the model reads, and the records without one or with too long a one.

    Raises:
        DataError: none is left.
    """
    from components.experts.sample_batches import Sample, example_of  # noqa: PLC0415 - imports torch

    samples, refused = list[Sample](), list[Quarantined]()
    for item in items:
        utterance = item.utterance
        text, reference = utterance.text or "", next(iter(utterance.references), "")
        needs_reference = is_pair or REFERENCE in settings.template
        if not text.strip() or (needs_reference and not reference.strip()):
            lacking = "a reference" if text.strip() else "a text"
            refused.append(
                _refuse(utterance, context, f"no {lacking.split()[1]}", f"expected {lacking}, found none")
            )
            continue
        language, domain = utterance.source_language, utterance.domain or ""
        if is_pair:
            sample = Sample(utterance.id, utterance.target_language or language, text, reference, domain)
            length = example_of(tokenizer, sample).length
        else:
            parts = re.split(f"({TEXT}|{REFERENCE})".replace("{", r"\{"), settings.template)
            filled = "".join({TEXT: text, REFERENCE: reference}.get(part, part) for part in parts)
            sample = Sample(utterance.id, language, "", filled, domain)
            length = len(tokenizer(filled).input_ids)
        if length > settings.max_tokens or length < 1:
            detail = f"expected 1 to {settings.max_tokens} tokens (max_tokens), found {length}"
            refused.append(_refuse(utterance, context, "too long" if length else "no token", detail))
        else:
            samples.append(sample)
    if not samples:
        why = f" ({refused[0].detail} in {refused[0].utterance_id})" if refused else ""
        raise DataError(f"{context.name}: expected texts to trace, found none{why}")
    return samples, refused


def _refuse(utterance: Utterance, context: NodeContext, reason: str, detail: str) -> Quarantined:
    return Quarantined(utterance_id=utterance.id, stage=context.name, reason=reason, detail=detail)


def _write_lines(path: Path, records: list[Any]) -> None:
    lines = (json.dumps(record.model_dump(mode="json"), ensure_ascii=False) + "\n" for record in records)
    write_bytes(path, "".join(lines).encode("utf-8"))
