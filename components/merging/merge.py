"""Merge models as a recipe says into a new model folder: tensor by tensor, in bounded memory."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from filelock import FileLock
from torch import Tensor

from components.compute.device import pick_device
from components.errors import MergeError
from components.files.files import rename_durably, staging_folder, sync_file
from components.merging.adapters.merge import merge_adapters
from components.merging.checks import examine_stage
from components.merging.config import VERSION
from components.merging.io import output_files
from components.merging.io.input_models import NO_REFERENCES, open_models
from components.merging.io.model_folder import ModelFolder
from components.merging.io.tensor_task import CPU, TensorTask
from components.merging.io.tensor_writer import SHARD_BYTES, TensorSpec, TensorWriter
from components.merging.methods.table import METHODS
from components.merging.methods.task_vectors.task_arithmetic import task_arithmetic
from components.merging.methods.task_vectors.ties_whole_model import (
    compute_global_statistics,
    measures_whole_models,
)
from components.merging.methods.validation import check_method
from components.merging.output_tensors import map_layer_origins
from components.merging.plan import plan_merge
from components.merging.recipe.recipe import Recipe
from components.merging.statistics.data_sets import DataSets, check_data
from components.merging.tokenizer.output_tokenizer import build_tokenizer, save_tokenizer, tokens_of
from components.merging.tokenizer.transplant import METHOD as TRANSPLANT
from components.merging.tokenizer.transplant import read_count, transplant_tokenizer
from components.records import Checkpoint

NO_DATA = DataSets()


class MergeOptions(NamedTuple):
    """What a merge needs to know beside its recipe.

    Attributes:
        seed: of the methods that draw random numbers.
        shard_bytes: largest size of a file of weights.
        store: folder or URL of the store that ``store:KEY`` refers to; None for the default.
        references: see :func:`~components.merging.io.input_models.open_models`.
        data: what methods that measure the models measure them on.
        device: where methods on task vectors or singular vectors compute: cpu, cuda, cuda:N or auto. All
            others compute on the CPU: reading the weights takes them longer.
    """

    seed: int = 0
    shard_bytes: int = SHARD_BYTES
    store: str | None = None
    references: Mapping[str, str] = NO_REFERENCES
    data: DataSets = NO_DATA
    device: str = "cpu"


def merge(
    recipe: Recipe,
    out: Path,
    options: MergeOptions | None = None,
    on_progress: Callable[[str], None] = lambda line: None,
) -> None:
    """Merge models into the new folder ``out``.

    The folder appears at once, complete and synced; after a crash there is nothing under its name. Whether
    the models fit together is not checked: run :func:`components.merging.checks.examine_recipe` before. Of a
    recipe of several stages each is checked before it is merged, as its models exist only then.

    Args:
        recipe: which models, and how.
        out: the new folder; an empty one is replaced.
        options: none for the defaults.
        on_progress: called with a line of text before each tensor.

    Raises:
        MergeError: The method does not take these models, or ``out`` holds files.
        ModelError: A model cannot be resolved or read.
    """
    options = options or MergeOptions()
    for stage in (*recipe.stages, recipe):
        if not stage.adapters:
            check_method(stage)
    check_data(recipe, options.data)
    check_is_new(out)
    if not recipe.stages:
        _merge_stage(recipe, out, options, on_progress)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.stages-") as folder:
        stages, references = Path(folder), dict(options.references)
        for stage in (*recipe.stages, recipe):
            on_progress(f"stage {stage.name or 'the last'}")
            options = options._replace(references=references)
            examine_stage(stage, options.store, references).require()
            _merge_stage(stage, stages / stage.name if stage.name else out, options, on_progress)
            if stage.name:
                references[stage.name] = str(stages / stage.name)


def check_is_new(out: Path) -> None:
    """Raise :class:`MergeError` unless a model's folder can be made at ``out``."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MergeError(f"{out}: expected a new folder, found one with files; give another name")


def _merge_stage(
    recipe: Recipe, out: Path, options: MergeOptions, on_progress: Callable[[str], None]
) -> None:
    with _new_folder(out) as staging:
        if recipe.adapters:
            adapters = merge_adapters(recipe, staging, options.seed, options.store, options.references)
            lineage = [{"reference": a.reference, "sha256": a.sha256} for a in adapters]
            (staging / output_files.RECIPE).write_text(recipe.text, encoding="utf-8")
        else:
            with open_models(recipe, options.store, options.references) as (folders, checkpoints):
                if recipe.method == TRANSPLANT:
                    transplant_tokenizer(recipe, folders, staging, read_count(recipe))
                else:
                    _write_model(recipe, staging, folders, checkpoints, options, on_progress)
                lineage = [
                    {
                        "reference": name if c.path == options.references.get(name) else c.reference,
                        "sha256": c.sha256,
                    }
                    for name, c in checkpoints.items()
                ]
        record = {"method": recipe.method, "seed": options.seed, "version": VERSION, "models": lineage}
        (staging / output_files.LINEAGE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _write_model(
    recipe: Recipe,
    folder: Path,
    folders: Mapping[str, ModelFolder],
    checkpoints: Mapping[str, Checkpoint],
    options: MergeOptions,
    on_progress: Callable[[str], None],
) -> None:
    alignment, tokenizer = build_tokenizer(recipe, folders)
    device = _device_of(recipe, options)
    tasks = [task._replace(device=device) for task in plan_merge(recipe, folders, alignment, options.seed)]
    _keep_freed_memory()
    with ExitStack() as stack:
        if METHODS[recipe.method].statistics:
            from components.merging.statistics.measure import (  # noqa: PLC0415 - imports transformers
                add_statistics,
            )

            measured = Path(stack.enter_context(TemporaryDirectory(dir=folder.parent, prefix=".statistics-")))
            tasks = add_statistics(recipe, tasks, checkpoints, options.data, measured, stack, on_progress)
        donor = output_files.donor_of(recipe, folders)
        _write_tensors(recipe, folder, tasks, donor.config, options.shard_bytes, on_progress)
    config = output_files.output_config(recipe, folders, tasks, map_layer_origins(recipe, folders))
    if alignment is not None:
        config["vocab_size"] = alignment.rows
        if "decoder_vocab_size" in config:
            config["decoder_vocab_size"] = alignment.rows
    if tokenizer is not None:
        save_tokenizer(tokenizer, folder, recipe, folders)
    output_files.write_files(
        folder, recipe, folders, config, tokenizer=tokenizer is None, tokens=tokens_of(recipe, folders)
    )


def _device_of(recipe: Recipe, options: MergeOptions) -> torch.device:
    """Return where the recipe's method computes."""
    device = pick_device(options.device)
    return device if METHODS[recipe.method].on_card and device.type == "cuda" else CPU


@torch.no_grad()
def _write_tensors(
    recipe: Recipe,
    folder: Path,
    tasks: Sequence[TensorTask],
    config: Mapping[str, object],
    shard_bytes: int,
    on_progress: Callable[[str], None],
) -> None:
    by_name = {task.name: task for task in tasks}
    writer = TensorWriter(folder, [TensorSpec(t.name, t.out_dtype, t.shape) for t in tasks], shard_bytes)
    merged = _merge_function(recipe, tasks, config)

    def pieces() -> Iterator[tuple[str, Iterator[Tensor]]]:
        order = [name for file in writer.order for name in file]
        for number, name in enumerate(order, start=1):
            on_progress(f"{number}/{len(order)} {name}")
            task = by_name[name]
            is_merged = task.dtype.is_floating_point and task.numel > 0
            yield name, merged(task) if is_merged else copy_unmerged(task)

    writer.write(pieces())


def _keep_freed_memory() -> None:
    """Let glibc reuse freed pieces instead of giving their pages back and faulting them in again.

    It raises its thresholds for that, up to 32 MB, when a block of that size is freed; nothing is touched.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


def _merge_function(
    recipe: Recipe, tasks: Sequence[TensorTask], config: Mapping[str, object]
) -> Callable[[TensorTask], Iterator[Tensor]]:
    """The function that computes one tensor; for TIES as published the whole models are measured first."""
    row = METHODS[recipe.method]
    if row.prepare is not None:
        return row.prepare(tasks, config)
    floats = [task for task in tasks if task.dtype.is_floating_point]
    if row.family is None or not measures_whole_models(row.family, floats):
        return row.merge
    return partial(task_arithmetic, row.family, statistics=compute_global_statistics(floats))


def copy_unmerged(task: TensorTask) -> Iterator[Tensor]:
    """Copy a tensor of integers or booleans, or of no element, from the base, else from the first model.

    Integers are positions or counters, not weights: a mean of them has no meaning.
    """
    source = task.base or task.inputs[0]
    for span in task.spans():
        yield task.read(source, span)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Make a temporary folder beside ``out`` that takes its name when the block ends well."""
    with FileLock(out.parent / f".{out.name}.lock"), staging_folder(out) as staging:
        yield staging
        for path in staging.iterdir():
            sync_file(path)
        staging.chmod(0o755)
        with contextlib.suppress(FileNotFoundError):
            out.rmdir()
        rename_durably(staging, out)
