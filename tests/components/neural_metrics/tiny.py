"""Checkpoints of tiny metrics as their publishers lay them out, from the recipe of the goldens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import XLMRobertaConfig, XLMRobertaXLConfig

from components.metrics.metric import Segments, align_segments
from components.metrics.model_metric import Sample
from tests.components.neural_metrics import recipe

HERE = Path(__file__).parent / recipe.GOLDENS
GOLDENS = json.loads((HERE / "scores.json").read_text(encoding="utf-8"))
CONFIGS: dict[str, Any] = {"XLM-RoBERTa": XLMRobertaConfig, "XLM-RoBERTa-XL": XLMRobertaXLConfig}


def tensors_of(name: str) -> dict[str, torch.Tensor]:
    return {n: torch.tensor(w) for n, w in recipe.weights_of(GOLDENS[name]["shapes"]).items()}


def write_comet(name: str, folder: Path) -> Path:
    """A checkpoint as Unbabel publishes it, with its encoder's configuration and tokenizer beside it."""
    hparams = recipe.COMETS[name]
    (folder / "checkpoints").mkdir(parents=True)
    training = {"layerwise_attention.dropout_mask": torch.zeros(4), "wordloss.weight": torch.ones(4)}
    checkpoint = {
        "state_dict": {**tensors_of(name), **training},
        "hyper_parameters": dict(hparams),
        "pytorch-lightning_version": "1.8",
    }
    torch.save(checkpoint, folder / "checkpoints" / "model.ckpt")
    (folder / "hparams.yaml").write_text(yaml.safe_dump({**hparams, "pretrained_model": "xlm-roberta-large"}))
    vocabulary = GOLDENS[name]["shapes"]["encoder.model.embeddings.word_embeddings.weight"][0]
    config = CONFIGS[str(hparams["encoder_model"])](vocab_size=vocabulary, pad_token_id=1, **recipe.ENCODER)
    config.save_pretrained(folder / "encoder")
    shutil.copytree(HERE / "xlmr", folder / "encoder", dirs_exist_ok=True)
    return folder


def samples(fields: str) -> list[Sample]:
    return [
        Sample(mt, source, (reference,) if "ref" in fields else ())
        for source, mt, reference in recipe.SENTENCES
    ]


def segments() -> Segments:
    """The goldens' sentences; each has its source as a second reference."""
    rows = {str(n): row for n, row in enumerate(recipe.SENTENCES)}
    return align_segments(
        {key: [reference, source] for key, (source, _, reference) in rows.items()},
        {key: text for key, (_, text, _) in rows.items()},
        "de",
        len(rows),
        sources={key: source for key, (source, _, _) in rows.items()},
    )
