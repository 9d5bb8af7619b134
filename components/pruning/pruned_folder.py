"""A pruned model as a folder, and what it loses on development data."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import torch

from components import data
from components.analysis.dev_scores import DevelopmentScorer
from components.analysis.table import Table
from components.errors import ModelError
from components.metrics.table import METRICS
from components.models import resolve
from components.models.loaders.loading import Kind, load_transformers
from components.pruning.config import PruneSettings
from components.pruning.prune import find_layers, mask_layers, measure_layouts, require_score
from components.pruning.sparse_loading import SPARSE_LAYERS

CONFIG = "config.json"
GAIN = 0.9
"""A sparse product counts as faster from this share of the dense one's time: less is noise."""
_log = logging.getLogger("antiphon.sparsity")


def write_pruned(reference: str, store: str | None, settings: PruneSettings, out: Path) -> Table:
    """Write a model whose smallest weights are zero.

    Args:
        reference: the model.
        store: URL of the store, for ``store:KEY``.
        settings: of the pruning.
        out: the new folder.

    Returns:
        The table of its layers.

    Raises:
        ModelError: it cannot be loaded, or has no layer that can be pruned.
        ConfigError: a name of ``keep_by_layer`` is part of no layer's.
    """
    checkpoint = resolve(reference, store)
    folder = Path(checkpoint.path)
    content: dict[str, Any] = json.loads((folder / CONFIG).read_bytes())
    model, _ = load_transformers(checkpoint, _kind_of(checkpoint.architecture))
    layers = find_layers(model, settings.pattern)
    if not layers:
        raise ModelError(
            f"{reference}: expected linear layers that pattern {settings.pattern} divides, found none"
        )
    zeros = mask_layers(layers, settings.shares)
    rows = []
    layouts = measure_layouts(layers, settings.pattern, settings.rows)
    for name, layer in layers.items():
        (layout, time), kept = layouts[name], float((layer.weight != 0).float().mean())
        rows.append(
            {
                "layer": name,
                "shape": " x ".join(map(str, layer.weight.shape)),
                "kept": f"{kept:.1%}",
                "fastest product": layout,
                "time of the dense one": f"{time:.2f}",
            }
        )
    faster = {name: layout for name, (layout, time) in layouts.items() if layout != "dense" and time < GAIN}
    named = content.get("torch_dtype") or content.get("dtype") or "float32"
    model.to(getattr(torch, str(named), torch.float32)).save_pretrained(out)
    for path in folder.iterdir():  # the tokenizer, and what else a folder has beside weights
        if path.is_file() and not (out / path.name).exists() and "safetensors" not in path.name:
            shutil.copyfile(path, out / path.name)
    if faster and settings.sparse_products:
        written = json.loads((out / CONFIG).read_bytes())
        (out / CONFIG).write_text(json.dumps({**written, SPARSE_LAYERS: faster}, indent=2), encoding="utf-8")
    title = (
        f"Pruned: {zeros:.1%} of the weights of {len(layers)} layers are zero, a sparse product is faster in "
        f"{len(faster)}"
    )
    note = (
        f"measured with {settings.rows} tokens a product and {torch.get_num_threads()} thread(s), against "
        "a dense product with its weight laid out in advance"
    )
    _log.info("%s", title)
    return Table(title, note, tuple(rows))


def measure_loss(
    reference: str, settings: PruneSettings, store: str | None, pruned: Path, work: Path
) -> Table | None:
    """Score a model on development data before and after it was pruned; None without such data.

    Raises:
        ModelError: more is lost than may be.
        DataError: the data have nothing that the metric can score.
    """
    if settings.dev is None:
        return None
    languages = {"source_language": settings.source_language, "target_language": settings.target_language}
    dataset = data.load(settings.dev, limit=settings.dev_limit, **languages)
    work.mkdir(exist_ok=True)
    scorer = DevelopmentScorer(dataset, settings.metric, "auto", store, work / "scores.json")
    before, after = scorer(reference), scorer(str(pruned))
    if settings.tolerance is not None:
        require_score(settings.pattern, before, after, settings.tolerance)
    sign = 1 if METRICS[scorer.name].higher_is_better else -1
    rows = [
        {"model": name, scorer.name: f"{sign * score:.2f}"}
        for name, score in (("dense", before), ("pruned", after))
    ]
    title = f"What pruning costs: {scorer.name} {sign * before:.2f} -> {sign * after:.2f}"
    note = f"by greedy search on the first {len(dataset.utterances)} utterances of {settings.dev}"
    return Table(title, note, tuple(rows))


def _kind_of(architecture: str) -> Kind:
    """Return which of transformers' classes loads a model."""
    if architecture.endswith("ForCausalLM"):
        return "causal"
    return "speech" if architecture.startswith("Whisper") else "seq2seq"
