"""What the main components give on this machine, as JSON: ``python -m tests.backend_outputs FOLDER``.

One process is one choice of kernels, which torch and oneDNN read from the environment when they start.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from components.compute.torch_facts import describe_kernels
from components.data import load
from components.decoding.member_settings import MixingConfig
from components.ensembling.token_level import factory as ensembling
from components.experts.upcycling import load_dense_models, save_upcycled, upcycle
from components.merging.merge import merge
from components.merging.recipe.reader import parse_recipe
from components.models import resolve
from components.recognition import factory as recognition
from components.recognition.config import RecognitionConfig
from components.records import NBest, Outcome, Utterance
from components.training.config import TrainingConfig
from components.training.loop.trainer import train
from components.translation import factory as translation
from components.translation.config import TranslationConfig
from tests.components.training.tiny import TINY, draw_lines, write_copies

Scored = list[tuple[str, float]]
"""Texts with their scores."""
MODEL = "packaged:multi30k-en-de"


def compute(folder: Path) -> dict[str, Scored]:
    """Recognize, translate, ensemble, upcycle, merge and train a little, in an empty folder."""
    torch.set_num_threads(1)
    written = spoken_and_written()[1]
    other, experts, merged = (folder / name for name in ("other", "experts", "merged"))
    write_neighbor(Path(resolve(MODEL).path), other)
    dense, tokenizer, lineage = load_dense_models([MODEL, str(other)], None)
    torch.manual_seed(0)
    save_upcycled(upcycle(dense, experts=4, top_k=2), tokenizer, experts, lineage)
    shares = "".join(
        f"\n- {{model: '{model}', parameters: {{weight: 1, density: 0.5}}}}" for model in (MODEL, other)
    )
    merge(parse_recipe(f"merge_method: ties\nbase_model: '{other}'\nmodels:{shares}"), merged)
    outcomes = {
        "ensemble": ensembling.build_translator(
            TranslationConfig(), [MODEL, str(other)], MixingConfig()
        ).translate(written),
        **{
            name: translation.build(TranslationConfig(model=str(model))).translate(written)
            for name, model in {"experts": experts, "merging": merged}.items()
        },
    }
    others = {name: scored(each) for name, each in outcomes.items()}
    return {**recognize_and_translate(), **others, "training": learn(folder)}


def recognize_and_translate() -> dict[str, Scored]:
    """What a recognizer and a translator give."""
    spoken, written = spoken_and_written()
    recognizer = recognition.build(RecognitionConfig(model="packaged:whisper-tiny.en"))
    translator = translation.build(TranslationConfig(model=MODEL))
    return {
        "recognition": scored(recognizer.recognize(spoken)),
        "translation": scored(translator.translate(written)),
    }


def spoken_and_written() -> tuple[list[Utterance], list[Utterance]]:
    """Two utterances of the samples, and their transcripts."""
    spoken = list(load("sample", limit=2).utterances)
    return spoken, [each.model_copy(update={"text": each.transcript}) for each in spoken]


def scored(outcomes: list[Outcome]) -> Scored:
    """The best text of each utterance."""
    return [(each.best.text, each.best.score) for each in outcomes if isinstance(each, NBest)]


def write_neighbor(model: Path, folder: Path) -> None:
    """Write a model whose weights are near those of ``model``."""
    shutil.copytree(model, folder)
    draw = torch.Generator().manual_seed(0)
    tensors = load_file(folder / "model.safetensors")
    for tensor in tensors.values():
        tensor += 0.05 * tensor.std(correction=0) * torch.randn(tensor.shape, generator=draw)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def learn(folder: Path) -> Scored:
    """Train a tiny model to copy for a few steps; its losses."""
    toy = dict.fromkeys(("data", "dev"), write_copies(folder, draw_lines(120)))
    steps = {"max_steps": 6, "eval_every": 3, "eval_sentences": 4, "dropout": 0.0}
    config = TrainingConfig.model_validate({**TINY, **toy, **steps, "d_model": 32, "ffn_dim": 64})
    return [("loss", one["dev_loss"]) for one in train(config, folder / "trained").history]


if __name__ == "__main__":
    print(json.dumps({"kernels": describe_kernels(), **compute(Path(sys.argv[1]))}))
