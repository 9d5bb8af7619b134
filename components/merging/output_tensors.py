"""The tensors that a merge writes, and which tensors of which models each is made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from components.errors import MergeError
from components.merging.architecture.layer_names import count_layers, in_module, layer_of, precedes_layers
from components.merging.io.model_folder import ModelFolder
from components.merging.recipe.recipe import InputSlice, OutputModule, OutputSlice, Recipe

Folders = Mapping[str, ModelFolder]
"""Opened models by their names in the recipe."""


class OutputTensor(NamedTuple):
    """A tensor of the output and what it is merged from.

    Attributes:
        name: its name in the output.
        inputs: each input of the slice with its name for the tensor, in the recipe's order.
        output_slice: the slice of the recipe that the tensor belongs to.
        module: the module of that slice.
        depth: where its layer stands in its slice, 0 first to 1 last; for gradients.
    """

    name: str
    inputs: tuple[tuple[InputSlice, str], ...]
    output_slice: OutputSlice
    module: OutputModule
    depth: float


def list_outputs(recipe: Recipe, folders: Folders) -> Iterator[OutputTensor]:
    """List the tensors of the output with what each is merged from; no weights are read.

    Raises:
        MergeError: The recipe has slices, but the models have several stacks of layers.
    """
    template = folders[first_model(recipe)]
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
            yield _describe_shared_tensor(name, output_slice, module, recipe)
    for stack in stacks:
        module = _module_of(recipe, f"{stack}.0")
        first_layer = 0
        for output_slice in module.slices:
            for output in _layer_tensors(stack, first_layer, output_slice, module, recipe, folders):
                yield output
                first_layer = int((layer_of(output.name) or (0, first_layer, 0))[1])
            first_layer += 1


def map_layer_origins(recipe: Recipe, folders: Folders) -> dict[str, list[int]]:
    """Map each stack of the output to the numbers that its layers have in the first input of their slices."""
    origins: dict[str, dict[int, int]] = {}
    for output in list_outputs(recipe, folders):
        target, source = layer_of(output.name), layer_of(output.inputs[0][1])
        if target is not None and source is not None:
            origins.setdefault(target.stack, {}).setdefault(target.number, source.number)
    return {stack: [numbers[layer] for layer in sorted(numbers)] for stack, numbers in origins.items()}


def first_model(recipe: Recipe) -> str:
    """Name of the model whose tensors decide which ones the output has."""
    return next(iter(recipe.modules.values())).slices[0].inputs[0].model


def _module_of(recipe: Recipe, name: str) -> OutputModule:
    if "" in recipe.modules:
        return recipe.modules[""]
    for module_name, module in recipe.modules.items():
        if in_module(name, module_name):
            return module
    return next(iter(recipe.modules.values()))


def _inputs_of(output_slice: OutputSlice, recipe: Recipe) -> tuple[InputSlice, ...]:
    """Return the slice's inputs; to whole models the base is added, as in mergekit."""
    inputs, base = output_slice.inputs, output_slice.base_model or recipe.base_model
    whole_models = all(source.layers is None for source in inputs)
    if whole_models and base is not None and all(source.model != base for source in inputs):
        return (*inputs, InputSlice(base, None, {}))
    return inputs


def _describe_shared_tensor(
    name: str, output_slice: OutputSlice, module: OutputModule, recipe: Recipe
) -> OutputTensor:
    """Return a tensor outside of the layers: a gradient's first value holds for it, behind the layers too.

    mergekit 0.1.5 does the same.
    """
    inputs = tuple((source, name) for source in _inputs_of(output_slice, recipe))
    return OutputTensor(name, inputs, output_slice, module, depth=0.0)


def _layer_tensors(
    stack: str,
    first_layer: int,
    output_slice: OutputSlice,
    module: OutputModule,
    recipe: Recipe,
    folders: Folders,
) -> Iterator[OutputTensor]:
    """Yield the tensors of one slice, whose layers are numbered from ``first_layer`` in the output."""
    inputs, where = _inputs_of(output_slice, recipe), output_slice.where
    ranges = [_layer_range(source, stack, folders[source.model], where) for source in inputs]
    lengths = {stop - start for start, stop in ranges}
    if len(lengths) > 1:
        raise MergeError(
            f"{where}: expected models with the same number of layers in {stack}, found "
            f"{', '.join(f'{s.model}: {b - a}' for s, (a, b) in zip(inputs, ranges, strict=True))}"
        )
    length = lengths.pop()
    suffixes: dict[int, list[str]] = {}
    for name in folders[inputs[0].model].tensors:
        layer = layer_of(name)
        if layer is not None and layer.stack == stack:
            suffixes.setdefault(layer.number, []).append(layer.rest)
    for offset in range(length):
        depth = offset / (length - 1) if length > 1 else 1.0
        for rest in suffixes.get(ranges[0][0] + offset, []):
            names = [f"{stack}.{start + offset}.{rest}" for start, _ in ranges]
            target = f"{stack}.{first_layer + offset}.{rest}"
            yield OutputTensor(target, tuple(zip(inputs, names, strict=True)), output_slice, module, depth)


def _layer_range(source: InputSlice, stack: str, folder: ModelFolder, where: str) -> tuple[int, int]:
    count = count_layers(folder.tensors).get(stack, 0)
    start, stop = source.layers or (0, count)
    if stop > count:
        raise MergeError(
            f"{where}: {source.model} has {count} layers in {stack}, found layer_range [{start}, {stop}]"
        )
    return start, stop
