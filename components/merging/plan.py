"""Plan a merge: from a recipe and its opened models to one :class:`TensorTask` per tensor of the output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import torch

from components.errors import MergeError
from components.merging.architecture.tied_weights import find_collision, find_stored_name
from components.merging.io.model_folder import LazyTensor, ModelFolder
from components.merging.io.tensor_task import ReadableTensor, TensorInput, TensorTask
from components.merging.methods.method import Method
from components.merging.methods.table import METHODS
from components.merging.output_tensors import Folders, OutputTensor, first_model, list_outputs
from components.merging.recipe.parameters import Scalar, Settings, resolve_parameter
from components.merging.recipe.recipe import InputSlice, Recipe
from components.merging.tokenizer.embedding_alignment import VocabularyAlignment


def plan_merge(
    recipe: Recipe, folders: Folders, alignment: VocabularyAlignment | None, seed: int
) -> list[TensorTask]:
    """Plan every tensor of the output, in the order of the first model; no weights are read.

    Args:
        recipe: what to merge, and how.
        folders: its models by name.
        alignment: the output's vocabulary; None to leave the models' embeddings as they are.
        seed: of the methods that draw random numbers.

    Raises:
        MergeError: A tensor is missing, would be lost or has another shape, a parameter has no value, or the
            method does not take so many models.
    """
    _refuse_lost_tensors(recipe, folders)
    method = METHODS[recipe.method]
    tasks = [
        _task_of(recipe, method, output, folders, alignment, seed) for output in list_outputs(recipe, folders)
    ]
    if not tasks:
        raise MergeError(f"{recipe.where}: expected models with tensors, found none in the first model")
    return tasks


def _refuse_lost_tensors(recipe: Recipe, folders: Folders) -> None:
    """Refuse models of which one has an output layer of its own that the output would not have.

    The output takes the tensors of the first model and the configuration of the base: where these tie what
    another model does not, that model's own weights would be dropped without a word.
    """
    for model in {first_model(recipe): None, (recipe.base_model or recipe.models[0]): None}:
        for other, folder in folders.items():
            lost = find_collision(folder.tensors, folders[model].tensors)
            if lost is not None:
                raise MergeError(
                    f"{recipe.where}: expected models that all tie their embeddings or none, found {lost} of "
                    f"its own in {other} and none in {model}, whose tensors and config.json the output "
                    f"takes; name a model like {other} first (and as base_model), or save {model} with "
                    "tie_word_embeddings false and all its weights"
                )


def _task_of(
    recipe: Recipe,
    method: Method,
    output: OutputTensor,
    folders: Folders,
    alignment: VocabularyAlignment | None,
    seed: int,
) -> TensorTask:
    base_name, models = output.output_slice.base_model or recipe.base_model, recipe.models
    inputs: list[TensorInput] = []
    base: TensorInput | None = None
    for source, name in output.inputs:
        tensor = _open_tensor(folders[source.model], source.model, name, output, alignment)
        is_base = source.model == base_name
        has_parameters = method.base == "counted" or not is_base
        parameters = _own_parameters(source, name, output, recipe) if has_parameters else {}
        tensor_input = TensorInput(tensor, models.index(source.model), parameters)
        if is_base and base is None:
            base = tensor_input
        else:
            inputs.append(tensor_input)
    every_input = [*inputs, *([base] if base else [])]
    dtype, out_dtype = _dtypes_of(recipe, every_input)
    task = TensorTask(
        name=output.name,
        shape=every_input[0].tensor.shape,
        inputs=tuple(inputs),
        base=base,
        base_first=output.inputs[0][0].model == base_name,
        parameters=_common_parameters(output, recipe),
        dtype=dtype,
        out_dtype=out_dtype,
        seed=seed,
    )
    _check_task(task, method, recipe, output)
    return task


def _own_parameters(
    source: InputSlice, tensor: str, output: OutputTensor, recipe: Recipe
) -> dict[str, Scalar | None]:
    """Return values of the parameters that each model has for itself."""
    scopes = (source.parameters, *_scopes(output, recipe))
    return _resolve_all(METHODS[recipe.method], scopes, tensor, output, per_model=True)


def _common_parameters(output: OutputTensor, recipe: Recipe) -> dict[str, Scalar | None]:
    """Return values of the parameters that all models share."""
    scopes = _scopes(output, recipe)
    return _resolve_all(METHODS[recipe.method], scopes, output.name, output, per_model=False)


def _scopes(output: OutputTensor, recipe: Recipe) -> tuple[Settings, ...]:
    """Return settings that hold for a tensor of every model, the most specific first."""
    return output.output_slice.parameters, output.module.parameters, recipe.parameters


def _open_tensor(
    folder: ModelFolder, model: str, name: str, output: OutputTensor, alignment: VocabularyAlignment | None
) -> ReadableTensor:
    tensor = _find_tensor(folder, name)
    if tensor is None:
        raise MergeError(f"{folder.reference}: expected tensor {name} for {output.name}, found none")
    if alignment is None or not tensor.dtype.is_floating_point:
        return tensor
    other: Callable[[str], ReadableTensor | None] = lambda m: _find_tensor(alignment.folders[m], name)  # noqa: E731
    return alignment.align(model, name, tensor, other)


def _find_tensor(folder: ModelFolder, name: str) -> LazyTensor | None:
    """Return the tensor of this name, or the one that it is tied to; None without either."""
    stored = find_stored_name(name, folder.tensors)
    return None if stored is None else LazyTensor(folder, folder.tensors[stored])


def _resolve_all(
    method: Method, scopes: Sequence[Settings], tensor: str, output: OutputTensor, *, per_model: bool
) -> dict[str, Scalar | None]:
    try:
        return {
            name: resolve_parameter(name, parameter, scopes, tensor, output.depth)
            for name, parameter in method.parameters.items()
            if parameter.per_model == per_model
        }
    except MergeError as error:
        raise MergeError(f"{output.output_slice.where}: {error}") from None


def _dtypes_of(recipe: Recipe, inputs: Sequence[TensorInput]) -> tuple[torch.dtype, torch.dtype]:
    """Return types of the arithmetic's inputs and of what is stored. Integers keep theirs."""
    promoted = reduce(torch.promote_types, (source.tensor.dtype for source in inputs))
    if not promoted.is_floating_point:
        return promoted, promoted
    named = {name: getattr(torch, name) for name in (recipe.dtype, recipe.out_dtype) if name}
    dtype = named.get(recipe.dtype or "", promoted)
    return dtype, named.get(recipe.out_dtype or "", dtype)


def _check_task(task: TensorTask, method: Method, recipe: Recipe, output: OutputTensor) -> None:
    for source in task.all_inputs:
        if source.tensor.shape != task.shape:
            raise MergeError(
                f"{task.name}: expected {list(task.shape)} from every model, found "
                f"{list(source.tensor.shape)} in {recipe.models[source.model_index]}; models of other sizes "
                "cannot be merged (other vocabularies: set tokenizer_source)"
            )
    where = output.output_slice.where
    if method.check is not None and task.dtype.is_floating_point:
        try:
            method.check(task)
        except MergeError as error:
            raise MergeError(f"{where}: {error} (for {task.name})") from None
    if method.base == "required" and task.base is None:
        raise MergeError(f"{where}: expected a base_model, which {recipe.method} needs, found none")
    stacks_layers = recipe.method == "passthrough"
    count = len(task.all_inputs if stacks_layers else task.inputs)
    most = method.max_models
    least = method.min_models if most or method.min_models > 1 else 0
    if count < least or (most is not None and count > most):
        many = f"at most {most}" if most else f"{least} or more"
        many = f"exactly {most}" if least == most else many
        noun = "model" if many.endswith(" 1") else "models"
        besides = " besides the base" if task.base is not None and not stacks_layers else ""
        raise MergeError(f"{where}: {recipe.method} takes {many} {noun}{besides}, found {count}")
