"""A recipe becomes a model folder: tensor by tensor, in bounded memory, complete or not there at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock
from torch import Tensor

from components.digests import sync_folder
from components.errors import MergeError
from components.merging.config import VERSION
from components.merging.io import output_files
from components.merging.io.input_models import NO_REFERENCES, open_models
from components.merging.io.model_folder import ModelFolder
from components.merging.io.tensor_task import TensorTask
from components.merging.io.tensor_writer import SHARD_BYTES, TensorSpec, TensorWriter
from components.merging.methods.table import METHODS
from components.merging.methods.task_arithmetic import task_arithmetic
from components.merging.methods.ties_whole_model import compute_global_statistics
from components.merging.plan import map_layer_origins, plan_merge
from components.merging.recipe.recipe import Recipe
from components.merging.tokenizer import output_tokenizer


class MergeOptions(NamedTuple):
    """``seed`` of methods that draw; ``shard_bytes`` of a file at most; ``store`` that store:KEY means.

    ``made``: see :func:`~components.merging.io.input_models.open_models`.
    """

    seed: int = 0
    shard_bytes: int = SHARD_BYTES
    store: str | None = None
    references: Mapping[str, str] = NO_REFERENCES


def merge(
    recipe: Recipe,
    out: Path,
    options: MergeOptions | None = None,
    on_progress: Callable[[str], None] = lambda line: None,
) -> None:
    """Merge as ``recipe`` says into the new folder ``out``.

    ``out`` appears at once, complete and synced; after a crash there is nothing under its name. Checks
    nothing but what it needs: run :func:`components.merging.checks.examine` before. Raises
    :class:`MergeError`, :class:`ModelError`.
    """
    options = options or MergeOptions()
    require_known_method(recipe)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MergeError(f"{out}: expected a new folder, found one with files; give another name")
    with (
        open_models(recipe, options.store, options.references) as (folders, checkpoints),
        _staging_folder(out) as staging,
    ):
        _write_model(recipe, staging, folders, options, on_progress)
        lineage = [{"reference": c.reference, "sha256": c.sha256} for c in checkpoints.values()]
        record = {"method": recipe.method, "seed": options.seed, "version": VERSION, "models": lineage}
        (staging / output_files.LINEAGE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def require_known_method(recipe: Recipe) -> None:
    """Raise :class:`MergeError` for a method, or a parameter of it, that there is not."""
    from components.merging.methods.validation import check_method  # noqa: PLC0415 - short message path

    check_method(recipe)


def _write_model(
    recipe: Recipe,
    folder: Path,
    folders: Mapping[str, ModelFolder],
    options: MergeOptions,
    on_progress: Callable[[str], None],
) -> None:
    alignment, tokenizer = output_tokenizer.build_tokenizer(recipe, folders)
    jobs = plan_merge(recipe, folders, alignment, options.seed)
    by_name = {job.name: job for job in jobs}
    writer = TensorWriter(
        folder, [TensorSpec(j.name, j.out_dtype, j.shape) for j in jobs], options.shard_bytes
    )
    merged = _merge_function(recipe, jobs)

    def pieces() -> Iterator[tuple[str, Iterator[Tensor]]]:
        order = [name for file in writer.order for name in file]
        for number, name in enumerate(order, start=1):
            on_progress(f"{number}/{len(order)} {name}")
            job = by_name[name]
            yield name, merged(job) if job.dtype.is_floating_point else copy_unmerged(job)

    _keep_freed_memory()
    with torch.no_grad():
        writer.write(pieces())
    config = output_files.output_config(recipe, folders, jobs, map_layer_origins(recipe, folders))
    if alignment is not None:
        config["vocab_size"] = alignment.rows
    if tokenizer is not None:
        output_tokenizer.save_tokenizer(tokenizer, folder, recipe, folders)
    output_files.write_files(folder, recipe, folders, config, tokenizer=tokenizer is None)


def _keep_freed_memory() -> None:
    """Let glibc reuse freed pieces instead of giving their pages back and faulting them in again.

    It raises its thresholds for that, up to 32 MB, when a block of that size is freed; nothing is touched.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


def _merge_function(recipe: Recipe, jobs: Sequence[TensorTask]) -> Callable[[TensorTask], Iterator[Tensor]]:
    """The function that merges one job; for the paper's TIES the whole models are measured first."""
    row = METHODS[recipe.method]
    floats = [job for job in jobs if job.dtype.is_floating_point]
    semantics = {str(job.parameters.get("semantics", "mergekit")) for job in floats}
    if row.family is None or not row.family.elects_sign or semantics != {"paper"}:
        return row.merge
    if row.family.kind != "magnitude":
        return row.merge
    return partial(task_arithmetic, row.family, statistics=compute_global_statistics(floats))


def copy_unmerged(job: TensorTask) -> Iterator[Tensor]:
    """Integers and booleans are positions or counters, not weights: the base's, else the first model's."""
    source = job.base or job.inputs[0]
    for span in job.spans():
        yield job.read(source, span)


@contextmanager
def _staging_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` that takes its name when the block ends well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(FileLock(out.parent / f".{out.name}.lock"))
        for leftover in out.parent.glob(f".{out.name}.partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
        stack.callback(shutil.rmtree, staging, ignore_errors=True)
        yield staging
        for file in staging.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        staging.chmod(0o755)
        with contextlib.suppress(FileNotFoundError):
            out.rmdir()
        staging.rename(out)
        sync_folder(out.parent)
