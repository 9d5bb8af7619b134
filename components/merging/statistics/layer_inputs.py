"""Mean outer products of the inputs of linear layers: a model's own, or the merged model's (RegMean++)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from components.merging.architecture.layer_names import layer_of

Examples = Sequence[dict[str, Tensor]]


def linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """Return linear modules inside of the model's stacks of layers, by the names of their weights."""
    return {
        f"{name}.weight": module
        for name, module in model.named_modules()
        if type(module) is nn.Linear and layer_of(f"{name}.weight") is not None
    }


@torch.no_grad()
def measure_inputs(model: Any, examples: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Measure the inputs of a model's linear layers.

    Returns:
        The mean over all positions of x x^T (inputs, inputs), float32, by the name of the weight.
    """
    model.eval()
    with _record(linear_layers(model)) as means:
        for example in examples:
            model(**example)
    return means


@contextmanager
def _record(modules: Mapping[str, nn.Linear]) -> Iterator[dict[str, Tensor]]:
    """Record mean outer products of what modules read inside of a ``with`` block."""
    means: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def hook_of(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            rows = inputs[0].detach().reshape(-1, inputs[0].shape[-1]).float()
            counts[name] = counts.get(name, 0) + len(rows)
            product = rows.T @ rows
            if name in means:
                product -= means[name] * len(rows)
                means[name].add_(product, alpha=1 / counts[name])
            else:
                means[name] = product / len(rows)

        return hook

    handles = [module.register_forward_pre_hook(hook_of(name)) for name, module in modules.items()]
    try:
        yield means
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def measure_merged_inputs(
    models: Sequence[Any],
    examples: Sequence[Examples],
    merge_layer: Callable[
        [Sequence[Mapping[str, Tensor]], Sequence[Mapping[str, Tensor]]], Mapping[str, Tensor]
    ],
) -> list[dict[str, Tensor]]:
    """Measure inputs as the merged model's earlier layers make them (Nguyen et al. 2025, RegMean++).

    Layer by layer: all models get the merged weights of what stands before the layer, so that each is the
    merged model with its own layer, then the layer is merged.

    Args:
        models: models of one architecture; they are left with merged weights.
        examples: those of each model.
        merge_layer: (weights of the models, their means of inputs) -> merged weights, by names.

    Returns:
        For each model what :func:`measure_inputs` gives.
    """
    states = [model.state_dict() for model in models]
    layers = _layers_in_order(models[0])
    outside = [name for name in states[0] if layer_of(name) is None]
    _merge_into(states, outside, [{}] * len(models), merge_layer)
    results: list[dict[str, Tensor]] = [{} for _ in models]
    for names in layers:
        for model, own, result in zip(models, examples, results, strict=True):
            modules = {n: m for n, m in linear_layers(model).items() if n in names}
            with _record(modules) as means:
                for example in own:
                    model(**example)
            result.update(means)
        _merge_into(states, names, results, merge_layer)
    return results


def _layers_in_order(model: nn.Module) -> list[list[str]]:
    """Return names of the weights of each layer: the encoder's first, as the model runs."""
    layers: dict[tuple[str, int], list[str]] = {}
    for name in model.state_dict():
        layer = layer_of(name)
        if layer is not None:
            layers.setdefault((layer.stack, layer.number), []).append(name)
    order = sorted(layers, key=lambda layer: ("decoder" in layer[0], layer[0], layer[1]))
    return [layers[layer] for layer in order]


def _merge_into(
    states: Sequence[Mapping[str, Tensor]],
    names: Sequence[str],
    means: Sequence[Mapping[str, Tensor]],
    merge_layer: Callable[
        [Sequence[Mapping[str, Tensor]], Sequence[Mapping[str, Tensor]]], Mapping[str, Tensor]
    ],
) -> None:
    """Merge weights of all models and write them into each."""
    floats = [name for name in names if states[0][name].is_floating_point()]
    merged = merge_layer([{name: state[name] for name in floats} for state in states], means)
    for state in states:
        for name, tensor in merged.items():
            state[name].copy_(tensor)
