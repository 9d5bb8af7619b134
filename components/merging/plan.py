"""From a recipe and its opened models to one :class:`Job` per tensor of the output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import torch

from components.errors import MergeError
from components.merging.architecture.layer_names import count_layers, in_module, layer_of, precedes_layers
from components.merging.architecture.tied_weights import find_collision, stored_name_of
from components.merging.io.model_folder import ModelFolder, TensorLocation
from components.merging.io.tensor_task import ReadableTensor, TensorInput, TensorTask
from components.merging.methods.table import METHODS, Method
from components.merging.recipe.parameters import Scalar, Settings, resolve_parameter
from components.merging.recipe.recipe import InputSlice, OutputModule, OutputSlice, Recipe
from components.merging.tokenizer.embedding_alignment import VocabularyAlignment

Folders = Mapping[str, ModelFolder]


class LazyTensor:
    """A stored tensor as something that can be read in part."""

    def __init__(self, folder: ModelFolder, entry: TensorLocation) -> None:
        self._folder, self._entry = folder, entry
        self.shape, self.dtype = entry.shape, entry.dtype

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Elements ``start`` to ``stop``, flat, in the stored type."""
        return self._folder.read(self._entry, start, stop)


class OutputTensor(NamedTuple):
    """A tensor of the output: its name, and (source, its name for it) in the recipe's order."""

    name: str
    inputs: tuple[tuple[InputSlice, str], ...]
    output_slice: OutputSlice
    module: OutputModule
    depth: float


def plan_merge(
    recipe: Recipe, folders: Folders, alignment: VocabularyAlignment | None, seed: int
) -> list[TensorTask]:
    """Every tensor of the output, in the order of the first model.

    Raises:
        MergeError: a tensor is missing, would be lost or has another shape, a parameter has no value, the
            method does not take so many models.
    """
    _refuse_lost_tensors(recipe, folders)
    method = METHODS[recipe.method]
    jobs = [
        _task_of(recipe, method, output, folders, alignment, seed) for output in list_outputs(recipe, folders)
    ]
    if not jobs:
        raise MergeError(f"{recipe.where}: the models have no tensors")
    return jobs


def _refuse_lost_tensors(recipe: Recipe, folders: Folders) -> None:
    """The output has the tensors of the first model and the configuration of the donor: where these tie what
    another model does not, that model's own would be gone without a word.
    """
    for surviving_model in {_first_model(recipe): None, (recipe.base_model or recipe.models[0]): None}:
        for model, folder in folders.items():
            lost = find_collision(folder.tensors, folders[surviving_model].tensors)
            if lost is not None:
                raise MergeError(
                    f"{recipe.where}: expected models that all tie their embeddings or none, found {lost} of "
                    f"its own in {model} and none in {surviving_model}, whose tensors and config.json the output takes; "
                    f"name a model like {model} first (and as base_model), or save {surviving_model} with "
                    "tie_word_embeddings false and all its weights"
                )


def list_outputs(recipe: Recipe, folders: Folders) -> Iterator[OutputTensor]:
    """Names and sources of the output's tensors; nothing is read."""
    template = folders[_first_model(recipe)]
    stacks = count_layers(template.tensors)
    if "" in recipe.modules and recipe.modules[""].slices[0].inputs[0].layers and len(stacks) > 1:
        raise MergeError(
            f"{recipe.where}: {template.reference} has the stacks {', '.join(sorted(stacks))}; say with "
            "modules: which of them the slices are of"
        )
    for name in template.tensors:
        if layer_of(name) is None:
            module = _module_of(recipe, name)
            output_slice = module.slices[0 if precedes_layers(name) else -1]
            yield _shared_tensor(name, output_slice, module, recipe)
    for stack in stacks:
        module = _module_of(recipe, f"{stack}.0")
        first_layer = 0
        for output_slice in module.slices:
            for output in _layer_tensors(stack, first_layer, output_slice, module, recipe, folders):
                yield output
                first_layer = int((layer_of(output.name) or (0, first_layer, 0))[1])
            first_layer += 1


def map_layer_origins(recipe: Recipe, folders: Folders) -> dict[str, list[int]]:
    """For each stack of the output: the number that each layer has in the first source of its slice."""
    origin_numbers: dict[str, dict[int, int]] = {}
    for output in list_outputs(recipe, folders):
        output_layer, input_layer = layer_of(output.name), layer_of(output.inputs[0][1])
        if output_layer is not None and input_layer is not None:
            origin_numbers.setdefault(output_layer.stack, {}).setdefault(
                output_layer.number, input_layer.number
            )
    return {stack: [layers[n] for n in sorted(layers)] for stack, layers in origin_numbers.items()}


def _first_model(recipe: Recipe) -> str:
    return next(iter(recipe.modules.values())).slices[0].inputs[0].model


def _module_of(recipe: Recipe, name: str) -> OutputModule:
    if "" in recipe.modules:
        return recipe.modules[""]
    for module, part in recipe.modules.items():
        if in_module(name, module):
            return part
    return next(iter(recipe.modules.values()))


def _inputs_of(output_slice: OutputSlice, recipe: Recipe) -> tuple[InputSlice, ...]:
    """The slice's sources; to whole models the base is added, as in mergekit."""
    base = output_slice.base_model or recipe.base_model
    whole_models = all(source.layers is None for source in output_slice.inputs)
    if whole_models and base is not None and all(source.model != base for source in output_slice.inputs):
        return (*output_slice.inputs, InputSlice(base, None, {}))
    return output_slice.inputs


def _shared_tensor(
    name: str, output_slice: OutputSlice, module: OutputModule, recipe: Recipe
) -> OutputTensor:
    """A tensor outside of the layers: of a gradient it takes the first value, behind the layers too, as
    mergekit 0.1.5 does.
    """
    return OutputTensor(
        name,
        tuple((source, name) for source in _inputs_of(output_slice, recipe)),
        output_slice,
        module,
        depth=0.0,
    )


def _layer_tensors(
    stack: str,
    first_layer: int,
    output_slice: OutputSlice,
    module: OutputModule,
    recipe: Recipe,
    folders: Folders,
) -> Iterator[OutputTensor]:
    """The tensors of the output's layers ``at`` and on, which one slice gives."""
    inputs_of_layer = _inputs_of(output_slice, recipe)
    ranges = [
        _layer_range(source, stack, folders[source.model], output_slice.where) for source in inputs_of_layer
    ]
    lengths = {stop - start for start, stop in ranges}
    if len(lengths) > 1:
        raise MergeError(
            f"{output_slice.where}: expected models with the same number of layers in {stack}, found "
            f"{', '.join(f'{s.model}: {b - a}' for s, (a, b) in zip(inputs_of_layer, ranges, strict=True))}"
        )
    length = lengths.pop()
    suffixes: dict[int, list[str]] = {}
    for name in folders[inputs_of_layer[0].model].tensors:
        layer = layer_of(name)
        if layer is not None and layer.stack == stack:
            suffixes.setdefault(layer.number, []).append(layer.rest)
    for offset in range(length):
        depth = offset / (length - 1) if length > 1 else 1.0
        for rest in suffixes.get(ranges[0][0] + offset, []):
            names = [f"{stack}.{start + offset}.{rest}" for start, _ in ranges]
            inputs = tuple(zip(inputs_of_layer, names, strict=True))
            yield OutputTensor(f"{stack}.{first_layer + offset}.{rest}", inputs, output_slice, module, depth)


def _layer_range(source: InputSlice, stack: str, folder: ModelFolder, where: str) -> tuple[int, int]:
    layer_count = count_layers(folder.tensors).get(stack, 0)
    start, stop = source.layers or (0, layer_count)
    if stop > layer_count:
        raise MergeError(
            f"{where}: {source.model} has {layer_count} layers in {stack}, found layer_range [{start}, {stop}]"
        )
    return start, stop


def _task_of(
    recipe: Recipe,
    method: Method,
    output: OutputTensor,
    folders: Folders,
    alignment: VocabularyAlignment | None,
    seed: int,
) -> TensorTask:
    base_name = output.output_slice.base_model or recipe.base_model
    order = {model: number for number, model in enumerate(recipe.models)}
    operands: list[TensorInput] = []
    base: TensorInput | None = None
    for source, name in output.inputs:
        tensor = _open_tensor(folders[source.model], source.model, name, output, alignment)
        is_base = source.model == base_name
        needs = method.base == "counted" or not is_base
        scopes = (
            source.parameters,
            output.output_slice.parameters,
            output.module.parameters,
            recipe.parameters,
        )
        values = _resolve_parameters(method, scopes, name, output.depth, per_model=True) if needs else {}
        operand = TensorInput(tensor, order[source.model], values)
        if is_base and base is None:
            base = operand
        else:
            operands.append(operand)
    shared = (output.output_slice.parameters, output.module.parameters, recipe.parameters)
    dtype, out = _dtypes_of(recipe, [*operands, *([base] if base else [])])
    job = TensorTask(
        name=output.name,
        shape=(operands[0] if operands else base or operands[0]).tensor.shape,
        inputs=tuple(operands),
        base=base,
        base_first=output.inputs[0][0].model == base_name,
        parameters=_resolve_parameters(method, shared, output.name, output.depth, per_model=False),
        dtype=dtype,
        out_dtype=out,
        seed=seed,
    )
    _check_task(job, method, recipe, output)
    return job


def _open_tensor(
    folder: ModelFolder, model: str, name: str, output: OutputTensor, alignment: VocabularyAlignment | None
) -> ReadableTensor:
    stored = stored_name_of(name, folder.tensors)
    if stored is None:
        raise MergeError(f"{folder.reference}: expected tensor {name} for {output.name}, found none")
    tensor = LazyTensor(folder, folder.tensors[stored])
    if alignment is None or not tensor.dtype.is_floating_point:
        return tensor
    read: Callable[[str], ReadableTensor | None] = lambda other: _open_stored(alignment.folders[other], name)  # noqa: E731
    return alignment.align(model, name, tensor, read)


def _open_stored(folder: ModelFolder, name: str) -> ReadableTensor | None:
    stored = stored_name_of(name, folder.tensors)
    return None if stored is None else LazyTensor(folder, folder.tensors[stored])


def _resolve_parameters(
    method: Method, scopes: Sequence[Settings], tensor: str, depth: float, *, per_model: bool
) -> dict[str, Scalar | None]:
    return {
        name: resolve_parameter(name, parameter, scopes, tensor, depth)
        for name, parameter in method.parameters.items()
        if parameter.per_model == per_model
    }


def _dtypes_of(recipe: Recipe, operands: Sequence[TensorInput]) -> tuple[torch.dtype, torch.dtype]:
    """The type of the arithmetic's operands, and of what is stored. Integers stay what they are."""
    promoted = reduce(torch.promote_types, (operand.tensor.dtype for operand in operands))
    if not promoted.is_floating_point:
        return promoted, promoted
    named = {name: getattr(torch, name) for name in (recipe.dtype, recipe.out_dtype) if name}
    dtype = named.get(recipe.dtype or "", promoted)
    return dtype, named.get(recipe.out_dtype or "", dtype)


def _check_task(job: TensorTask, method: Method, recipe: Recipe, output: OutputTensor) -> None:
    for operand in job.all_inputs:
        if operand.tensor.shape != job.shape:
            raise MergeError(
                f"{job.name}: expected {list(job.shape)} from every model, found "
                f"{list(operand.tensor.shape)} in {recipe.models[operand.model_index]}; models of other sizes "
                "cannot be merged (other vocabularies: set tokenizer_source)"
            )
    count = len(job.inputs)
    if method.base == "required" and job.base is None:
        raise MergeError(f"{output.output_slice.where}: {recipe.method} needs a base_model among the models")
    if recipe.method == "passthrough":
        count = len(job.all_inputs)
    if count < (method.min_models if method.max_models else 0) or (
        method.max_models is not None and count > method.max_models
    ):
        many = (
            f"exactly {method.max_models}"
            if method.min_models == method.max_models
            else f"at most {method.max_models}"
        )
        besides = " besides the base" if job.base is not None and recipe.method != "passthrough" else ""
        raise MergeError(
            f"{output.output_slice.where}: {recipe.method} takes {many} models{besides}, found {count}"
        )
