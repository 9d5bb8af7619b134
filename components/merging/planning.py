"""From a recipe and its opened models to one :class:`Job` per tensor of the output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import torch

from components.errors import MergeError
from components.merging.folders import Entry, Folder
from components.merging.methods import METHODS, Method
from components.merging.operands import Job, Operand, Readable
from components.merging.recipe import Part, Recipe, Slice, Source
from components.merging.settings import Scalar, Settings, resolve
from components.merging.stacks import before_the_layers, belongs, counts, layer_of
from components.merging.tying import counterpart, first_collision
from components.merging.vocabularies import Alignment

Folders = Mapping[str, Folder]


class Stored:
    """A stored tensor as something that can be read in part."""

    def __init__(self, folder: Folder, entry: Entry) -> None:
        self._folder, self._entry = folder, entry
        self.shape, self.dtype = entry.shape, entry.dtype

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Elements ``start`` to ``stop``, flat, in the stored type."""
        return self._folder.read(self._entry, start, stop)


class Output(NamedTuple):
    """A tensor of the output: its name, and (source, its name for it) in the recipe's order."""

    name: str
    inputs: tuple[tuple[Source, str], ...]
    cut: Slice
    part: Part
    depth: float


def plan(recipe: Recipe, folders: Folders, alignment: Alignment | None, seed: int) -> list[Job]:
    """Every tensor of the output, in the order of the first model.

    Raises:
        MergeError: a tensor is missing, would be lost or has another shape, a parameter has no value, the
            method does not take so many models.
    """
    _refuse_loss(recipe, folders)
    method = METHODS[recipe.method]
    jobs = [_job(recipe, method, output, folders, alignment, seed) for output in outputs(recipe, folders)]
    if not jobs:
        raise MergeError(f"{recipe.where}: the models have no tensors")
    return jobs


def _refuse_loss(recipe: Recipe, folders: Folders) -> None:
    """The output has the tensors of the first model and the configuration of the donor: where these tie what
    another model does not, that model's own would be gone without a word.
    """
    for kept in {_first_model(recipe): None, (recipe.base or recipe.models[0]): None}:
        for model, folder in folders.items():
            lost = first_collision(folder.tensors, folders[kept].tensors)
            if lost is not None:
                raise MergeError(
                    f"{recipe.where}: expected models that all tie their embeddings or none, found {lost} of "
                    f"its own in {model} and none in {kept}, whose tensors and config.json the output takes; "
                    f"name a model like {model} first (and as base_model), or save {kept} with "
                    "tie_word_embeddings false and all its weights"
                )


def outputs(recipe: Recipe, folders: Folders) -> Iterator[Output]:
    """Names and sources of the output's tensors; nothing is read."""
    template = folders[_first_model(recipe)]
    stacks = counts(template.tensors)
    if "" in recipe.parts and recipe.parts[""].slices[0].sources[0].layers and len(stacks) > 1:
        raise MergeError(
            f"{recipe.where}: {template.reference} has the stacks {', '.join(sorted(stacks))}; say with "
            "modules: which of them the slices are of"
        )
    for name in template.tensors:
        if layer_of(name) is None:
            part = _part(recipe, name)
            cut = part.slices[0 if before_the_layers(name) else -1]
            yield _shared(name, cut, part, recipe)
    for stack in stacks:
        part = _part(recipe, f"{stack}.0")
        at = 0
        for cut in part.slices:
            for output in _layers(stack, at, cut, part, recipe, folders):
                yield output
                at = int((layer_of(output.name) or (0, at, 0))[1])
            at += 1


def origins(recipe: Recipe, folders: Folders) -> dict[str, list[int]]:
    """For each stack of the output: the number that each layer has in the first source of its slice."""
    found: dict[str, dict[int, int]] = {}
    for output in outputs(recipe, folders):
        here, there = layer_of(output.name), layer_of(output.inputs[0][1])
        if here is not None and there is not None:
            found.setdefault(here.stack, {}).setdefault(here.number, there.number)
    return {stack: [layers[n] for n in sorted(layers)] for stack, layers in found.items()}


def _first_model(recipe: Recipe) -> str:
    return next(iter(recipe.parts.values())).slices[0].sources[0].model


def _part(recipe: Recipe, name: str) -> Part:
    if "" in recipe.parts:
        return recipe.parts[""]
    for module, part in recipe.parts.items():
        if belongs(name, module):
            return part
    return next(iter(recipe.parts.values()))


def _sources(cut: Slice, recipe: Recipe) -> tuple[Source, ...]:
    """The slice's sources; to whole models the base is added, as in mergekit."""
    base = cut.base or recipe.base
    whole = all(source.layers is None for source in cut.sources)
    if whole and base is not None and all(source.model != base for source in cut.sources):
        return (*cut.sources, Source(base, None, {}))
    return cut.sources


def _shared(name: str, cut: Slice, part: Part, recipe: Recipe) -> Output:
    """A tensor outside of the layers: of a gradient it takes the first value, behind the layers too, as
    mergekit 0.1.5 does.
    """
    return Output(name, tuple((source, name) for source in _sources(cut, recipe)), cut, part, depth=0.0)


def _layers(
    stack: str, at: int, cut: Slice, part: Part, recipe: Recipe, folders: Folders
) -> Iterator[Output]:
    """The tensors of the output's layers ``at`` and on, which one slice gives."""
    sources = _sources(cut, recipe)
    ranges = [_range(source, stack, folders[source.model], cut.where) for source in sources]
    lengths = {stop - start for start, stop in ranges}
    if len(lengths) > 1:
        raise MergeError(
            f"{cut.where}: expected models with the same number of layers in {stack}, found "
            f"{', '.join(f'{s.model}: {b - a}' for s, (a, b) in zip(sources, ranges, strict=True))}"
        )
    length = lengths.pop()
    own: dict[int, list[str]] = {}
    for name in folders[sources[0].model].tensors:
        layer = layer_of(name)
        if layer is not None and layer.stack == stack:
            own.setdefault(layer.number, []).append(layer.rest)
    for offset in range(length):
        depth = offset / (length - 1) if length > 1 else 1.0
        for rest in own.get(ranges[0][0] + offset, []):
            names = [f"{stack}.{start + offset}.{rest}" for start, _ in ranges]
            inputs = tuple(zip(sources, names, strict=True))
            yield Output(f"{stack}.{at + offset}.{rest}", inputs, cut, part, depth)


def _range(source: Source, stack: str, folder: Folder, where: str) -> tuple[int, int]:
    have = counts(folder.tensors).get(stack, 0)
    start, stop = source.layers or (0, have)
    if stop > have:
        raise MergeError(
            f"{where}: {source.model} has {have} layers in {stack}, found layer_range [{start}, {stop}]"
        )
    return start, stop


def _job(
    recipe: Recipe,
    method: Method,
    output: Output,
    folders: Folders,
    alignment: Alignment | None,
    seed: int,
) -> Job:
    base_name = output.cut.base or recipe.base
    order = {model: number for number, model in enumerate(recipe.models)}
    operands: list[Operand] = []
    base: Operand | None = None
    for source, name in output.inputs:
        tensor = _tensor(folders[source.model], source.model, name, output, alignment)
        is_base = source.model == base_name
        needs = method.base == "counted" or not is_base
        places = (source.parameters, output.cut.parameters, output.part.parameters, recipe.parameters)
        values = _values(method, places, name, output.depth, per_model=True) if needs else {}
        operand = Operand(tensor, order[source.model], values)
        if is_base and base is None:
            base = operand
        else:
            operands.append(operand)
    shared = (output.cut.parameters, output.part.parameters, recipe.parameters)
    dtype, out = _types(recipe, [*operands, *([base] if base else [])])
    job = Job(
        name=output.name,
        shape=(operands[0] if operands else base or operands[0]).tensor.shape,
        operands=tuple(operands),
        base=base,
        base_first=output.inputs[0][0].model == base_name,
        parameters=_values(method, shared, output.name, output.depth, per_model=False),
        dtype=dtype,
        out=out,
        seed=seed,
    )
    _check(job, method, recipe, output)
    return job


def _tensor(folder: Folder, model: str, name: str, output: Output, alignment: Alignment | None) -> Readable:
    stored = counterpart(name, folder.tensors)
    if stored is None:
        raise MergeError(f"{folder.reference}: expected tensor {name} for {output.name}, found none")
    tensor = Stored(folder, folder.tensors[stored])
    if alignment is None or not tensor.dtype.is_floating_point:
        return tensor
    read: Callable[[str], Readable | None] = lambda other: _other(alignment.folders[other], name)  # noqa: E731
    return alignment.aligned(model, name, tensor, read)


def _other(folder: Folder, name: str) -> Readable | None:
    stored = counterpart(name, folder.tensors)
    return None if stored is None else Stored(folder, folder.tensors[stored])


def _values(
    method: Method, places: Sequence[Settings], tensor: str, depth: float, *, per_model: bool
) -> dict[str, Scalar | None]:
    return {
        name: resolve(name, parameter, places, tensor, depth)
        for name, parameter in method.parameters.items()
        if parameter.per_model == per_model
    }


def _types(recipe: Recipe, operands: Sequence[Operand]) -> tuple[torch.dtype, torch.dtype]:
    """The type of the arithmetic's operands, and of what is stored. Integers stay what they are."""
    found = reduce(torch.promote_types, (operand.tensor.dtype for operand in operands))
    if not found.is_floating_point:
        return found, found
    named = {name: getattr(torch, name) for name in (recipe.dtype, recipe.out_dtype) if name}
    dtype = named.get(recipe.dtype or "", found)
    return dtype, named.get(recipe.out_dtype or "", dtype)


def _check(job: Job, method: Method, recipe: Recipe, output: Output) -> None:
    for operand in job.every:
        if operand.tensor.shape != job.shape:
            raise MergeError(
                f"{job.name}: expected {list(job.shape)} from every model, found "
                f"{list(operand.tensor.shape)} in {recipe.models[operand.model]}; models of other sizes "
                "cannot be merged (other vocabularies: set tokenizer_source)"
            )
    count = len(job.operands)
    if method.base == "required" and job.base is None:
        raise MergeError(f"{output.cut.where}: {recipe.method} needs a base_model among the models")
    if recipe.method == "passthrough":
        count = len(job.every)
    if count < (method.least if method.most else 0) or (method.most is not None and count > method.most):
        many = f"exactly {method.most}" if method.least == method.most else f"at most {method.most}"
        besides = " besides the base" if job.base is not None and recipe.method != "passthrough" else ""
        raise MergeError(f"{output.cut.where}: {recipe.method} takes {many} models{besides}, found {count}")
