"""W + scale * B A: adapters merged into the tensors of their base, as PEFT's ``merge_and_unload`` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from components.errors import ModelError
from components.models.adapters.tensors import Adapter, Slot

if TYPE_CHECKING:
    from torch import Tensor

Update = Callable[["Tensor"], "Tensor"]
"""A tensor of the base -> the adapted one, of the same type."""


def plan_updates(
    adapters: Sequence[tuple[Adapter, float]], base: Mapping[str, tuple[int, ...]], base_name: str
) -> dict[str, list[Update]]:
    """Check adapters against the tensors of a base; nothing is read yet.

    Args:
        adapters: with their weights, in the order in which they are merged.
        base: shape of every tensor of the base.
        base_name: what to call the base in messages.

    Returns:
        Name of a tensor -> what is done to it, in order.

    Raises:
        ModelError: An adapter is of another base, or adapters cannot be merged together.
    """
    _refuse_combinations(adapters)
    updates: dict[str, list[Update]] = {}
    for adapter, weight in adapters:
        for module, slots in adapter.modules.items():
            for name, update in _module_updates(adapter, module, slots, weight):
                _check_shape(adapter, name, _target_shape(adapter, slots, name), base, base_name)
                updates.setdefault(name, []).append(update)
        for name, stored in adapter.whole.items():
            _check_shape(adapter, name, adapter.shapes[stored], base, base_name)
            updates.setdefault(name, []).insert(0, _replacement(adapter, stored))
    return updates


def module_delta(adapter: Adapter, module: str, weight: float = 1.0) -> Tensor:
    """Compute what an adapter adds to the weight of a module, in float32: weight * scale * B A."""
    slots = adapter.modules[module]
    embedded = "embedding_A" in slots
    a, b = (adapter.read(slots[slot]).float() for slot in (EMBEDDING if embedded else LINEAR))
    product = b @ a
    if embedded or adapter.config.transposed:
        product = product.T
    return product * (adapter.config.scale_of(module) * weight)


LINEAR: tuple[Slot, Slot] = ("A", "B")
EMBEDDING: tuple[Slot, Slot] = ("embedding_A", "embedding_B")


def _refuse_combinations(adapters: Sequence[tuple[Adapter, float]]) -> None:
    """Raise :class:`ModelError` where a part of an adapter cannot be weighted or added to another's."""
    for adapter, weight in adapters:
        part = "DoRA" if adapter.config.dora else "modules_to_save or bias" if adapter.whole else None
        if part is not None and (weight != 1 or len(adapters) > 1):
            raise ModelError(
                f"{adapter.reference}: expected this adapter alone with weight 1, as its {part} replaces "
                f"tensors of the base, found weight {weight:g} among {len(adapters)}; leave the others out"
            )


def _module_updates(
    adapter: Adapter, module: str, slots: Mapping[Slot, str], weight: float
) -> list[tuple[str, Update]]:
    def add(base: Tensor) -> Tensor:
        return base.add_(module_delta(adapter, module, weight))

    def rescale(base: Tensor) -> Tensor:
        import torch  # noqa: PLC0415 - a plan checks adapters without it

        delta, transposed = module_delta(adapter, module, weight), adapter.config.transposed
        magnitude = adapter.read(slots["magnitude"]).float()
        rows = (base + delta).T if transposed else base + delta
        factor = (magnitude / torch.linalg.norm(rows, dim=1).to(rows.dtype)).view(-1, 1)
        adapted: Tensor = (factor.T if transposed else factor) * (base + delta)
        return adapted.to(base.dtype)

    def shift(base: Tensor) -> Tensor:
        return base.add_(adapter.read(slots["bias"]).float() * (adapter.config.scale_of(module) * weight))

    updates: list[tuple[str, Update]] = [(f"{module}.weight", rescale if adapter.config.dora else add)]
    return [*updates, (f"{module}.bias", shift)] if "bias" in slots else updates


def _replacement(adapter: Adapter, stored: str) -> Update:
    return lambda base: adapter.read(stored).to(base.dtype)


def _target_shape(adapter: Adapter, slots: Mapping[Slot, str], name: str) -> tuple[int, ...]:
    """Return the shape that a tensor of the base must have for a module's matrices."""
    if name.endswith(".bias"):
        return adapter.shapes[slots["bias"]]
    embedded = "embedding_A" in slots
    a, b = (adapter.shapes[slots[slot]] for slot in (EMBEDDING if embedded else LINEAR))
    return (a[1], b[0]) if embedded or adapter.config.transposed else (b[0], a[1])


def _check_shape(
    adapter: Adapter,
    name: str,
    expected: tuple[int, ...],
    base: Mapping[str, tuple[int, ...]],
    base_name: str,
) -> None:
    actual = base.get(name)
    if actual != expected:
        actual_shape = "none" if actual is None else str(list(actual))
        trained = f", trained on {adapter.config.base}" if adapter.config.base else ""
        raise ModelError(
            f"{adapter.reference}: an adapter of another base{trained}: it expects {name} {list(expected)}, "
            f"found {actual_shape} in {base_name}"
        )
