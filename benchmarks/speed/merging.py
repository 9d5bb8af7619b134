"""Merging three models of 540 MB: Antiphon against mergekit and against a plain loop.

CPU seconds (one thread, imports not counted) and peak resident memory of a process per merge; the processes
of a method follow each other, and every number is the median of the rounds. mergekit pins old packages, so it
lives in an environment of its own: ``--mergekit PYTHON`` or ANTIPHON_MERGEKIT.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.common.sections import Result, option
from components.merging.io.tensor_writer import TensorSpec, TensorWriter

PAGE = "speed-merging"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_hidden_layers": 16,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}
OURS = """
import json, sys, time, torch
torch.set_num_threads(1)
from pathlib import Path
from components.merging.checks import examine
from components.merging.merge import MergeOptions, merge
from components.merging.recipe.reader import read_recipe
from components.merging.io.input_models import open_models
recipe = read_recipe(Path(sys.argv[1]))
with open_models(recipe):
    pass  # digests of the inputs: taken once, then remembered
began = time.process_time()
merge(recipe, Path(sys.argv[2]), MergeOptions(seed=1))
cpu = time.process_time() - began
with open_models(recipe) as models:
    began = time.process_time()
    examine(recipe, *models)
doctor = time.process_time() - began
rss = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024  # ru_maxrss survives exec
print(json.dumps({"cpu": cpu, "rss": rss, "doctor": doctor}))
"""
THEIRS = """
import json, sys, time, torch, yaml
torch.set_num_threads(1)
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
config = MergeConfiguration.model_validate(yaml.safe_load(open(sys.argv[1])))
began = time.process_time()
run_merge(config, sys.argv[2], MergeOptions(copy_tokenizer=False, quiet=True, random_seed=1))
cpu = time.process_time() - began
rss = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024  # ru_maxrss survives exec
print(json.dumps({"cpu": cpu, "rss": rss}))
"""
PLAIN = """
import json, sys, time, torch
torch.set_num_threads(1)
from safetensors import safe_open
began = time.process_time()
with open(sys.argv[-1], "wb") as out:
    files = [safe_open(path, "pt") for path in sys.argv[1:-1]]
    for name in files[0].keys():
        total = files[0].get_tensor(name)
        for file in files[1:]:
            total = total + file.get_tensor(name)
        out.write(total.view(torch.uint8).numpy().data)
cpu = time.process_time() - began
rss = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024  # ru_maxrss survives exec
print(json.dumps({"cpu": cpu, "rss": rss}))
"""
OPTIONS = {
    "mergekit": option(str, "its Python") | {"default": os.environ.get("ANTIPHON_MERGEKIT")},
    "rounds": option(1),
    "dtype": option(str, choices=["bfloat16", "float32"], action="append"),
    "methods": option(str, "default: all", nargs="+"),
    "work": option(Path, "keeps the models for the next call; made where missing"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Every method as a part of its own, so that some can be measured again."""
    if not options.mergekit:
        print("mergekit is not measured: give --mergekit PYTHON or ANTIPHON_MERGEKIT", file=sys.stderr)
    for dtype in options.dtype or ["bfloat16"]:
        with tempfile.TemporaryDirectory(prefix="merging-") as folder:
            work = Path(options.work / dtype if options.work else folder)
            for seed, model in enumerate(("base", "a", "b")):
                if not (work / model).is_dir():
                    random_model(work / model, getattr(torch, dtype), seed)
            recipes = write_recipes([work / model for model in ("base", "a", "b")])
            methods = {m: t for m, t in recipes.items() if options.methods is None or m in options.methods}
            rounds = measure_rounds(methods, options.mergekit, work, options.rounds)
        for method, rows in rounds.items():
            yield Result(f"{dtype} {method}", summarize(rows))


def summarize(rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians over the rounds, and medians of the ratios of each round."""
    values: dict[str, Any] = {
        program: {
            what: statistics.median(row[program][what] for row in rounds) for what in rounds[0][program]
        }
        for program in rounds[0]
    }
    values["of_plain"] = statistics.median(row["ours"]["cpu"] / row["plain"]["cpu"] for row in rounds)
    if "mergekit" in rounds[0]:
        values["less"] = statistics.median(row["mergekit"]["cpu"] / row["ours"]["cpu"] for row in rounds)
    return {**values, "rounds": len(rounds), "measured": rounds}


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    wide, inner, rows = CONFIG["hidden_size"], CONFIG["intermediate_size"], CONFIG["vocab_size"]
    yield "model.embed_tokens.weight", (rows, wide)
    for layer in range(int(str(CONFIG["num_hidden_layers"]))):
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            yield f"model.layers.{layer}.self_attn.{name}.weight", (wide, wide)
        for name in ("gate_proj", "up_proj"):
            yield f"model.layers.{layer}.mlp.{name}.weight", (inner, wide)
        yield f"model.layers.{layer}.mlp.down_proj.weight", (wide, inner)
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"model.layers.{layer}.{name}.weight", (wide,)
    yield "model.norm.weight", (wide,)
    yield "lm_head.weight", (rows, wide)


def random_model(folder: Path, dtype: torch.dtype, seed: int) -> None:
    """A model of random weights: the base (seed 0), or the base and a random delta."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    planned = [TensorSpec(name, dtype, shape) for name, shape in shapes()]

    def tensors() -> Iterator[tuple[str, list[Tensor]]]:
        base, delta = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
        for tensor in planned:
            values = torch.randn(tensor.shape, generator=base) * 0.02
            if seed:
                values += torch.randn(tensor.shape, generator=delta) * 0.002
            yield tensor.name, [values]

    TensorWriter(folder, planned).write(tensors())


def write_recipes(models: list[Path]) -> dict[str, str]:
    base, a, b = models
    pair = "\n".join(
        f"  - {{model: {m}, parameters: {{weight: {w}, density: 0.5}}}}" for m, w in ((a, 0.6), (b, 0.5))
    )
    three = "\n".join(
        f"  - {{model: {m}, parameters: {{weight: {w}}}}}"
        for m, w in zip(models, (0.3, 0.3, 0.4), strict=True)
    )
    texts = {"linear": f"merge_method: linear\nmodels:\n{three}\n"}
    texts["slerp"] = (
        f"merge_method: slerp\nbase_model: {base}\nmodels: [{{model: {base}}}, {{model: {a}}}]\n"
        "parameters: {t: 0.4}\n"
    )
    for method in ("task_arithmetic", "ties", "dare_ties", "dare_linear", "breadcrumbs"):
        texts[method] = f"merge_method: {method}\nbase_model: {base}\nmodels:\n{pair}\n"
    return texts


def run_measured(python: str, code: str, *arguments: str) -> dict[str, float]:
    """What a process printed on its last line. A failure is shown and ends the benchmark."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    process = subprocess.run(
        [python, "-c", code, *arguments], capture_output=True, text=True, env=env, check=False
    )
    if process.returncode:
        sys.exit(f"{python}: {process.stderr[-2000:]}")
    return json.loads(process.stdout.strip().splitlines()[-1])


def measure_rounds(
    methods: dict[str, str], mergekit: str | None, work: Path, rounds: int
) -> dict[str, list[dict[str, dict[str, float]]]]:
    results: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in methods}
    models = [str(work / name / "model.safetensors") for name in ("base", "a", "b")]
    for _ in range(rounds):
        for name, text in methods.items():
            (work / "recipe.yml").write_text(text)
            row = {"ours": run_measured(sys.executable, OURS, str(work / "recipe.yml"), str(work / "out"))}
            shutil.rmtree(work / "out")
            files = models[:2] if name == "slerp" else models
            row["plain"] = run_measured(sys.executable, PLAIN, *files, str(work / "plain"))
            if mergekit:
                row["mergekit"] = run_measured(mergekit, THEIRS, str(work / "recipe.yml"), str(work / "out"))
                shutil.rmtree(work / "out")
            results[name].append(row)
            print(name, row, file=sys.stderr, flush=True)
    return results
