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

from components.errors import MergeError
from components.merging import packaging, tokens
from components.merging.config import VERSION
from components.merging.deltas import arithmetic
from components.merging.folders import Folder
from components.merging.methods import METHODS
from components.merging.operands import Job
from components.merging.planning import origins, plan
from components.merging.recipe import Recipe
from components.merging.references import NOTHING, opened
from components.merging.surveying import survey
from components.merging.writing import SHARD_BYTES, Planned, Writer
from components.models.digests import sync_folder


class Options(NamedTuple):
    """``seed`` of methods that draw; ``shard_bytes`` of a file at most; ``store`` that store:KEY means.

    ``made``: see :func:`~components.merging.references.opened`.
    """

    seed: int = 0
    shard_bytes: int = SHARD_BYTES
    store: str | None = None
    made: Mapping[str, str] = NOTHING


def merge(
    recipe: Recipe, out: Path, options: Options | None = None, tell: Callable[[str], None] = lambda line: None
) -> None:
    """Merge as ``recipe`` says into the new folder ``out``.

    ``out`` appears at once, complete and synced; after a crash there is nothing under its name. Checks
    nothing but what it needs: run :func:`components.merging.doctor.examine` before. Raises
    :class:`MergeError`, :class:`ModelError`.
    """
    options = options or Options()
    known_method(recipe)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MergeError(f"{out}: expected a new folder, found one with files; give another name")
    with opened(recipe, options.store, options.made) as (folders, checkpoints), _new_folder(out) as place:
        _write(recipe, place, folders, options, tell)
        lineage = [{"reference": c.reference, "sha256": c.sha256} for c in checkpoints.values()]
        record = {"method": recipe.method, "seed": options.seed, "version": VERSION, "models": lineage}
        (place / packaging.LINEAGE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def known_method(recipe: Recipe) -> None:
    """Raise :class:`MergeError` for a method, or a parameter of it, that there is not."""
    from components.merging.parameters import check  # noqa: PLC0415 - short message path

    check(recipe)


def _write(
    recipe: Recipe, place: Path, folders: Mapping[str, Folder], options: Options, tell: Callable[[str], None]
) -> None:
    alignment, tokenizer = tokens.align(recipe, folders)
    jobs = plan(recipe, folders, alignment, options.seed)
    by_name = {job.name: job for job in jobs}
    writer = Writer(place, [Planned(j.name, j.out, j.shape) for j in jobs], options.shard_bytes)
    merged = _method(recipe, jobs)

    def pieces() -> Iterator[tuple[str, Iterator[Tensor]]]:
        order = [name for file in writer.order for name in file]
        for number, name in enumerate(order, start=1):
            tell(f"{number}/{len(order)} {name}")
            job = by_name[name]
            yield name, merged(job) if job.dtype.is_floating_point else untouched(job)

    _keep_freed_memory()
    with torch.no_grad():
        writer.write(pieces())
    config = packaging.configuration(recipe, folders, jobs, origins(recipe, folders))
    if alignment is not None:
        config["vocab_size"] = alignment.rows
    if tokenizer is not None:
        tokens.save(tokenizer, place, recipe, folders)
    packaging.write(place, recipe, folders, config, tokenizer=tokenizer is None)


def _keep_freed_memory() -> None:
    """Let glibc reuse freed pieces instead of giving their pages back and faulting them in again.

    It raises its thresholds for that, up to 32 MB, when a block of that size is freed; nothing is touched.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


def _method(recipe: Recipe, jobs: Sequence[Job]) -> Callable[[Job], Iterator[Tensor]]:
    """The function that merges one job; for the paper's TIES the whole models are measured first."""
    row = METHODS[recipe.method]
    floats = [job for job in jobs if job.dtype.is_floating_point]
    semantics = {str(job.parameters.get("semantics", "mergekit")) for job in floats}
    if row.family is None or not row.family.elects or semantics != {"paper"}:
        return row.merge
    if row.family.kind != "magnitude":
        return row.merge
    return partial(arithmetic, row.family, survey=survey(floats))


def untouched(job: Job) -> Iterator[Tensor]:
    """Integers and booleans are positions or counters, not weights: the base's, else the first model's."""
    source = job.base or job.operands[0]
    for span in job.spans():
        yield job.read(source, span)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` that takes its name when the block ends well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(FileLock(out.parent / f".{out.name}.lock"))
        for left in out.parent.glob(f".{out.name}.partial-*"):
            shutil.rmtree(left, ignore_errors=True)
        place = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        yield place
        for file in place.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        place.chmod(0o755)
        with contextlib.suppress(FileNotFoundError):
            out.rmdir()
        place.rename(out)
        sync_folder(out.parent)
