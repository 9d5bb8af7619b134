"""Merging three models in memory: gigabytes a second on the CPU and on the device, against a plain copy."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.gpu.context import Context
from benchmarks.gpu.row import Row, Value
from components.merging.io.tensor_writer import TensorSpec, TensorWriter
from components.merging.merge import MergeOptions, merge
from components.merging.recipe.reader import read_recipe

SHARED_MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one."""
SIDE, TENSORS = 4096, 30
METHODS = ("linear", "ties", "dare_ties", "della")


def measure(context: Context) -> Iterator[Row]:
    """Each method, and a copy of the same bytes."""
    parent = SHARED_MEMORY if SHARED_MEMORY.is_dir() and not context.toy else None
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        models = [_write_model(Path(folder) / name, context, seed) for seed, name in enumerate("abc")]
        size = sum(path.stat().st_size for path in (Path(folder) / "a").iterdir())
        setting: dict[str, Value] = {"bytes_a_model": size, "threads": torch.get_num_threads()}
        yield _time(
            "copy of three", setting, lambda out: [shutil.copytree(m, out / m.name) for m in models], folder
        )
        for method in METHODS:
            recipe = Path(folder) / f"{method}.yaml"
            recipe.write_text(_recipe(method, models), encoding="utf-8")
            for device in dict.fromkeys(("cpu", "cpu" if method == "linear" else context.device)):
                options = MergeOptions(seed=1, device=device)
                yield _time(
                    method,
                    {**setting, "device": device},
                    lambda out, r=recipe, o=options: merge(read_recipe(r), out / "m", o),
                    folder,
                )


def _time(system: str, setting: dict[str, Value], run: object, folder: str) -> Row:
    """Three rounds, each into a new folder."""
    seconds = []
    for _ in range(3):
        with tempfile.TemporaryDirectory(dir=folder) as out:
            began = time.perf_counter()
            run(Path(out))  # type: ignore[operator]
            seconds.append(time.perf_counter() - began)
    row = Row(section="merging", system=system, setting=setting, seconds=tuple(seconds))
    speed = 3e-9 * float(setting["bytes_a_model"]) / row.median
    return row.model_copy(update={"values": {"gb_read_a_second": speed}})


def _write_model(folder: Path, context: Context, seed: int) -> Path:
    """A folder of bfloat16 tensors: a base, or the base and a small delta."""
    side, tensors = context.size((SIDE, TENSORS), (32, 2))
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}')
    specs = [
        TensorSpec(f"model.layers.{n}.mlp.up_proj.weight", torch.bfloat16, (side, side))
        for n in range(tensors)
    ]
    base, delta = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)

    def values(shape: tuple[int, ...]) -> torch.Tensor:
        start = torch.randn(shape, generator=base) * 0.02
        return start + torch.randn(shape, generator=delta) * 0.002 if seed else start

    TensorWriter(folder, specs).write((spec.name, [values(spec.shape)]) for spec in specs)
    return folder


def _recipe(method: str, models: list[Path]) -> str:
    if method == "linear":
        entries = "".join(f"  - {{model: {m}, parameters: {{weight: 0.3}}}}\n" for m in models)
        return f"merge_method: linear\nmodels:\n{entries}"
    entries = "".join(f"  - {{model: {m}, parameters: {{weight: 0.5, density: 0.5}}}}\n" for m in models[1:])
    return f"merge_method: {method}\nbase_model: {models[0]}\nmodels:\n{entries}"
