"""Measure the models of a merge on their data, and give each tensor task what was measured of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from components.merging.architecture.tied_weights import find_stored_name
from components.merging.io.model_folder import LazyTensor, ModelFolder
from components.merging.io.tensor_task import ReadableTensor, TensorInput, TensorTask
from components.merging.methods.method import MergeFunction, Method
from components.merging.methods.table import METHODS
from components.merging.recipe.recipe import Recipe
from components.merging.statistics.data_sets import DataSets
from components.merging.statistics.examples import encode_examples, load_model
from components.merging.statistics.layer_inputs import measure_inputs, measure_merged_inputs
from components.models.checkpoints import WEIGHTS
from components.records import Checkpoint

Statistics = Mapping[str, Tensor]
"""What was measured of one model, by the names of its weights."""
FLOOR = 1e-6
"""Added to every element, so that weights without a gradient anywhere have the mean of the models."""


def add_statistics(
    recipe: Recipe,
    tasks: Sequence[TensorTask],
    checkpoints: Mapping[str, Checkpoint],
    sets: DataSets,
    folder: Path,
    stack: ExitStack,
    on_progress: Callable[[str], None],
) -> list[TensorTask]:
    """Measure all models of a recipe, one after the other, and add the results to the tasks.

    Needs memory for one model and its statistics (for ``merged_layer_inputs``: for all models).

    Args:
        recipe: the recipe.
        tasks: the tensors of the output.
        checkpoints: the models by their names in the recipe.
        sets: their data.
        folder: where the statistics are kept while the merge reads them.
        stack: closes their files.
        on_progress: called with a line of text before each model.
    """
    method = METHODS[recipe.method]
    results: Iterable[Statistics]
    if method.statistics == "merged_layer_inputs":
        results = _measure_together(recipe, method.merge, tasks, checkpoints, sets, on_progress)
    else:
        results = _measure_each(recipe, method, checkpoints, sets, on_progress)
    folders: list[ModelFolder] = []
    for number, statistics in enumerate(results):
        own = folder / str(number)
        own.mkdir(parents=True)
        save_file({name: t.contiguous() for name, t in statistics.items()}, own / WEIGHTS)
        folders.append(stack.enter_context(ModelFolder(own, f"statistics of {recipe.models[number]}")))
    return [_with_statistics(task, lambda name, number: _stored(folders[number], name)) for task in tasks]


def _measure_each(
    recipe: Recipe,
    method: Method,
    checkpoints: Mapping[str, Checkpoint],
    sets: DataSets,
    on_progress: Callable[[str], None],
) -> Iterator[Statistics]:
    """Yield what ``fisher`` and ``layer_inputs`` are of each model, one at a time."""
    measure = measure_fisher if method.statistics == "fisher" else measure_inputs
    for name in recipe.models:
        on_progress(f"measuring {name}")
        model, processor = load_model(checkpoints[name])
        yield measure(model, encode_examples(checkpoints[name], model, processor, sets, name))


def _measure_together(
    recipe: Recipe,
    merge: MergeFunction,
    tasks: Sequence[TensorTask],
    checkpoints: Mapping[str, Checkpoint],
    sets: DataSets,
    on_progress: Callable[[str], None],
) -> list[dict[str, Tensor]]:
    """Return the inputs of layers behind merged ones; see :func:`measure_merged_inputs`."""
    on_progress(f"measuring {len(recipe.models)} models layer by layer")
    models, examples = [], []
    for name in recipe.models:
        model, processor = load_model(checkpoints[name])
        models.append(model)
        examples.append(list(encode_examples(checkpoints[name], model, processor, sets, name)))
    by_name = {task.name: task for task in tasks}

    def merge_layer(states: Sequence[Statistics], means: Sequence[Statistics]) -> Statistics:
        merged = {}
        for name in states[0]:
            stored = find_stored_name(name, by_name)
            if stored is not None:
                task = _in_memory(by_name[stored], [s[name] for s in states], [m.get(name) for m in means])
                merged[name] = torch.cat(list(merge(task))).view(task.shape).to(states[0][name].dtype)
        return merged

    return measure_merged_inputs(models, examples, merge_layer)


class _TensorInMemory:
    """A tensor that is read in slices, as those of a folder are."""

    def __init__(self, tensor: Tensor) -> None:
        self._flat = tensor.detach().reshape(-1)
        self.shape, self.dtype = tuple(tensor.shape), tensor.dtype

    def read(self, start: int, stop: int) -> Tensor:
        return self._flat[start:stop].clone()


def _in_memory(
    task: TensorTask, tensors: Sequence[Tensor], statistics: Sequence[Tensor | None]
) -> TensorTask:
    """Return the same task with inputs that are in memory, by the models' numbers."""

    def replaced(source: TensorInput) -> TensorInput:
        statistic = statistics[source.model_index]
        return source._replace(
            tensor=_TensorInMemory(tensors[source.model_index]),
            statistic=None if statistic is None else _TensorInMemory(statistic),
        )

    base = None if task.base is None else replaced(task.base)
    return task._replace(inputs=tuple(replaced(source) for source in task.inputs), base=base)


def _stored(folder: ModelFolder, name: str) -> ReadableTensor | None:
    stored = find_stored_name(name, folder.stored)
    return None if stored is None else LazyTensor(folder, folder.stored[stored])


def _with_statistics(task: TensorTask, find: Callable[[str, int], ReadableTensor | None]) -> TensorTask:
    def add(source: TensorInput) -> TensorInput:
        return source._replace(statistic=find(task.name, source.model_index))

    base = None if task.base is None else add(task.base)
    return task._replace(inputs=tuple(add(source) for source in task.inputs), base=base)


def measure_fisher(model: Any, examples: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Measure how much each weight matters for the labels of a model's own data.

    Matena & Raffel 2022, with the labels of the data as samples and, as in their code, a factor that gives
    every model the same weight: the inverse of the norm of all its elements.

    Args:
        model: a transformers model with a ``loss`` that is a mean over the tokens of ``labels`` (but for the
            first one, which a decoder alone does not predict).
        examples: arguments of its ``forward``, one example each.

    Returns:
        A float32 tensor of the weight's shape for each parameter that has a gradient.
    """
    totals: dict[str, Tensor] = {}
    count = 0
    model.eval()
    with torch.enable_grad():
        for example in examples:
            model.zero_grad(set_to_none=True)
            labels = example["labels"] if model.config.is_encoder_decoder else example["labels"][:, 1:]
            (model(**example).loss * int((labels != -100).sum())).backward()
            count += 1
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    square = parameter.grad.float().square()
                    totals[name] = totals[name].add_(square) if name in totals else square
    model.zero_grad(set_to_none=True)
    norm = float(torch.stack([total.norm() for total in totals.values()]).norm()) / max(count, 1)
    return {name: total.div_(count).add_(FLOOR).div_(norm + FLOOR) for name, total in totals.items()}
