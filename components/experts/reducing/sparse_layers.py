"""Layers with experts of any model: transformers' classes, found by their structure, and our own.

Nearly all of transformers' sparse layers call their experts as ``experts(hidden, indices, weights)``: tokens
(T, D), each token's k experts and their gates (T, k). Such a module is found by that signature, whatever its
class, and read by hooks: nothing of the model is replaced. Those that do otherwise are in :data:`REFUSED`.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.errors import ModelError
from components.experts.reducing.masked_router import without_experts
from components.networks.moe.dispatch import dispatch
from components.networks.moe.moe_block import MoEBlock, RoutingRecord, moe_blocks
from components.networks.moe.router import Routing

INDEX_NAMES = frozenset({"top_k_index", "router_indices", "selected_experts"})
"""What transformers calls the second argument of experts: each token's experts."""
ROUTER_NAMES = ("gate", "router")
"""What it calls the module beside them whose output has the logits."""
REFUSED = {
    "NllbMoeExperts": "transformers 5.24 sends every token to its experts 0 and 1, whatever the router says",
    "Llama4TextExperts": "its experts compute every token and are given weighted inputs",
    "JetMoeParallelExperts": "its experts are matrices that are called one by one, also in attention",
    "DogeCDMoE": "its experts are rows of an embedding",
    "LongcatFlashExperts": "some of its experts pass tokens on and have no weights",
    "VitPoseNaiveMoe": "it reads images",
}
"""Classes of sparse layers that are not read, and why."""


@dataclass(frozen=True)
class ExpertPass:
    """One pass of one layer: what entered its experts, and who computed it.

    Attributes:
        layer: name of the layer.
        hidden: the experts' input (T, D).
        routing: the router's choices; a gate of zero is a slot that was not computed (Switch's capacity).
    """

    layer: str
    hidden: Tensor
    routing: Routing


class SparseLayer(ABC):
    """A layer with experts: can be watched, asked for an expert's output, and run without some of them.

    Attributes:
        name: of the module that holds router and experts.
        n_experts: E, routed experts; shared ones are not counted.
    """

    def __init__(self, name: str, n_experts: int) -> None:
        self.name, self.n_experts = name, n_experts

    @abstractmethod
    def watch(self, record: Callable[[ExpertPass], None]) -> AbstractContextManager[None]:
        """Call ``record`` at every pass within the ``with`` block."""

    @abstractmethod
    def compute(self, hidden: Tensor, experts: Tensor) -> Tensor:
        """Return the outputs (T, k, D), before the gates, of ``experts`` (T, k) for tokens (T, D)."""

    @abstractmethod
    def without(self, removed: Collection[int]) -> AbstractContextManager[None]:
        """Keep experts from computing within the ``with`` block; without any, the layer adds zeros."""


class OwnLayer(SparseLayer):
    """A layer of :mod:`components.networks.moe`; tokens of an expert that is left out go to others."""

    def __init__(self, name: str, block: MoEBlock) -> None:
        super().__init__(name, block.router.weight.shape[0])
        self._block = block

    @contextmanager
    def watch(self, record: Callable[[ExpertPass], None]) -> Iterator[None]:
        """Take what enters the block, and its routing from its recorder."""
        block, inputs = self._block, list[Tensor]()
        before = block.name, block.recorder
        handle = block.register_forward_pre_hook(lambda module, arguments: inputs.append(arguments[0]))

        def note(seen: RoutingRecord) -> None:
            hidden = inputs.pop()
            hidden = hidden.reshape(-1, hidden.shape[-1])
            positions = block.positions
            routing = seen.routing if positions is None else _spread(seen.routing, positions, len(hidden))
            record(ExpertPass(self.name, hidden, routing))

        block.name, block.recorder = self.name, note
        try:
            yield
        finally:
            handle.remove()
            block.name, block.recorder = before

    def compute(self, hidden: Tensor, experts: Tensor) -> Tensor:
        """Compute the chosen experts of every token."""
        gates = torch.ones(experts.shape, device=hidden.device)
        plan = dispatch(Routing(gates.new_zeros(len(hidden), self.n_experts), experts, gates))
        sorted_outputs = self._block.experts(hidden, plan)
        outputs = torch.empty_like(sorted_outputs)
        outputs[plan.slots] = sorted_outputs
        return outputs.view(*experts.shape, -1)

    def without(self, removed: Collection[int]) -> AbstractContextManager[None]:
        """Route the tokens of these experts to their next best ones."""
        return without_experts(self._block, removed)


class TransformersLayer(SparseLayer):
    """A layer of a transformers model; a token's other gates grow where one becomes zero."""

    def __init__(self, name: str, experts: nn.Module, router: nn.Module) -> None:
        count: Any = experts.num_experts
        super().__init__(name, int(count))
        self._experts, self._router, self._is_busy = experts, router, False

    @contextmanager
    def watch(self, record: Callable[[ExpertPass], None]) -> Iterator[None]:
        """Take the logits from the router's output, everything else from what enters the experts."""
        outputs: list[Any] = []

        def note(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            if self._is_busy:
                return
            hidden, experts, gates = _arguments(arguments, named)
            hidden = hidden.reshape(-1, hidden.shape[-1])
            if experts.dim() == 3:  # Switch: one-hot, all zeros where the expert is full
                experts, gates = experts.argmax(-1), gates * experts.sum(-1)
            logits = _find_logits(outputs.pop(), len(hidden), self.n_experts, self.name)
            record(ExpertPass(self.name, hidden, Routing(logits, experts.long(), gates.float())))

        handles = [
            self._router.register_forward_hook(lambda module, inputs, output: outputs.append(output)),
            self._experts.register_forward_pre_hook(note, with_kwargs=True),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def compute(self, hidden: Tensor, experts: Tensor) -> Tensor:
        """Call the experts with one index and a gate of 1 for every slot."""
        k = experts.shape[-1]
        rows, indices = hidden.repeat_interleave(k, 0), experts.reshape(-1, 1)
        if isinstance(self._experts, nn.ModuleDict):
            indices = functional.one_hot(indices, self.n_experts)
        self._is_busy = True
        try:
            outputs: Tensor = self._experts(rows, indices, rows.new_ones(len(rows), 1))
        finally:
            self._is_busy = False
        return outputs.reshape(*experts.shape, -1)

    @contextmanager
    def without(self, removed: Collection[int]) -> Iterator[None]:
        """Set the gates of these experts to zero and scale a token's others to the sum of before."""
        gone = torch.tensor(sorted(removed), dtype=torch.long)

        def silence(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
            hidden, experts, gates = _arguments(arguments, named)
            chosen = experts.argmax(-1) if experts.dim() == 3 else experts
            others = gates.masked_fill(torch.isin(chosen, gone.to(chosen.device)), 0)
            scale = gates.sum(-1, keepdim=True) / others.sum(-1, keepdim=True)
            return (hidden, experts, torch.where(others != 0, others * scale, others).to(gates.dtype)), {}

        handle = self._experts.register_forward_pre_hook(silence, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()


def _spread(routing: Routing, positions: Tensor, rows: int) -> Routing:
    """Return the routing of all rows where those at ``positions`` were routed; others have zero gates."""

    def spread(values: Tensor) -> Tensor:
        return values.new_zeros(rows, values.shape[-1]).index_copy(0, positions, values)

    return Routing(spread(routing.logits), spread(routing.experts), spread(routing.gates))


def _arguments(arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    hidden, experts, gates = (*arguments, *named.values())
    return hidden, experts, gates


def _find_logits(output: Any, rows: int, n_experts: int, layer: str) -> Tensor:
    """Find the logits (T, E) in a router's output; probabilities (Gemma's) become their logarithms."""
    for part in output if isinstance(output, tuple) else (output,):
        if not isinstance(part, Tensor) or not part.is_floating_point() or part.shape[-1] < n_experts:
            continue
        logits = part.detach().reshape(-1, part.shape[-1])[:, :n_experts].float()
        if len(logits) == rows:
            sums = logits.sum(-1)
            is_distribution = bool((logits >= 0).all()) and torch.allclose(sums, torch.ones_like(sums))
            return logits.clamp_min(1e-30).log() if is_distribution else logits
    raise ModelError(f"{layer}: expected router logits of {rows} tokens and {n_experts} experts, found none")


def is_experts_call(parameters: Sequence[str]) -> bool:
    """Return whether a module with these parameters of ``forward`` is called as experts are."""
    return len(parameters) == 3 and parameters[1] in INDEX_NAMES


def find_sparse_layers(model: nn.Module) -> dict[str, SparseLayer]:
    """Find the layers with experts of a model, by name, in the order of its modules.

    Raises:
        ModelError: it has none, or some that are refused (:data:`REFUSED`).
    """
    layers: dict[str, SparseLayer] = {
        name: OwnLayer(name, block) for name, block in moe_blocks(model).items()
    }
    if not layers:
        for name, module in model.named_modules():
            refuse_class(type(module).__name__, type(model).__name__)
            if is_experts_call([*inspect.signature(module.forward).parameters]):
                parent = name.rpartition(".")[0]
                layers[parent] = TransformersLayer(parent, module, _router_beside(model, parent))
    if not layers:
        raise ModelError(f"expected a model with experts, found {type(model).__name__}")
    return layers


def refuse_class(layer: str, model: str) -> None:
    """Refuse a class of sparse layers that is not read: ModelError."""
    if layer in REFUSED:
        raise ModelError(f"{model}: its experts ({layer}) are not read: {REFUSED[layer]}")


def _router_beside(model: nn.Module, parent: str) -> nn.Module:
    siblings = dict(model.get_submodule(parent).named_children())
    for name in ROUTER_NAMES:
        if name in siblings:
            return siblings[name]
    raise ModelError(
        f"{parent}: expected a router ({' or '.join(ROUTER_NAMES)}) beside the experts, found "
        f"{', '.join(siblings)}"
    )


@contextmanager
def watch_experts(layers: dict[str, SparseLayer], record: Callable[[ExpertPass], None]) -> Iterator[None]:
    """Call ``record`` at every pass of the layers within the ``with`` block."""
    with ExitStack() as stack:
        for layer in layers.values():
            stack.enter_context(layer.watch(record))
        yield
