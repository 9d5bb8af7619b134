"""Expert parallelism: the experts of a layer are split over processes, tokens travel to them and back.

Every process has its own sentences and all other weights (data parallelism); of E experts process r of W has
those from r E / W on. A pass sends each slot's row to its expert's process and its output back, both by
all-to-all (GShard, Lepikhin et al., 2020, section 3.2); backwards the gradients take the same ways.

>>> torch.distributed.init_process_group("gloo")   # nccl between cards; one process each, by torchrun
>>> shard_experts(model)                           # instead of DistributedDataParallel
>>> loss.backward(); reduce_gradients(model)       # loss: a sum over the tokens of this process
>>> state = gather_state_dict(model)               # as if never split, to be saved

With losses that are sums over tokens, gradients are those of one process that has all sentences. A capacity
is that of each process's own tokens, and losses that balance the load are of its own load.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from components.errors import ConfigError
from components.networks.moe.dispatch import Dispatch
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.moe_block import moe_blocks

_WEIGHTS = ("up", "down", "up_bias", "down_bias")


class _AllToAll(torch.autograd.Function):
    """Sends ``sent[r]`` rows to each process r, gets ``received[r]`` from it; the gradients go back."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, sent: Sequence[int], received: Sequence[int], group: dist.ProcessGroup | None
    ) -> Tensor:
        ctx.settings = (sent, received, group)
        out = rows.new_empty(sum(received), *rows.shape[1:])
        dist.all_to_all_single(out, rows.contiguous(), list(received), list(sent), group=group)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        sent, received, group = ctx.settings
        return _AllToAll.apply(grad, received, sent, group), None, None, None  # type: ignore[no-untyped-call]


class ParallelExperts(nn.Module):
    """The experts of one layer, of which this process has its share.

    Args:
        experts: all of them, the same in every process; its share is copied.
        group: the processes; None: all.

    Raises:
        ConfigError: the processes cannot have equally many.
    """

    def __init__(self, experts: GroupedExperts, group: dist.ProcessGroup | None = None) -> None:
        super().__init__()
        world, rank = dist.get_world_size(group), dist.get_rank(group)
        if experts.n_experts % world:
            raise ConfigError(
                f"expert parallelism: expected a number of experts that {world} processes can share equally, "
                f"found {experts.n_experts}; start another number of processes"
            )
        self.n_experts, self.width, self._group = experts.n_experts, experts.width, group
        share = experts.n_experts // world
        local = slice(rank * share, (rank + 1) * share)
        self.local = GroupedExperts(
            share,
            experts.width,
            experts.inner,
            activation=experts.activation,
            gated=experts.gated,
            bias=experts.up_bias is not None,
        )
        for name in _WEIGHTS:
            weight = getattr(experts, name)
            if weight is not None:
                setattr(self.local, name, nn.Parameter(weight.detach()[local].clone()))

    def forward(self, x: Tensor, plan: Dispatch) -> Tensor:
        """Compute the experts' outputs (S, D) for tokens (T, D) of this process, in the order of ``plan``."""
        world = dist.get_world_size(self._group)
        mine = plan.counts.view(world, -1)
        theirs = torch.empty_like(mine)  # from each process (W), slots of each local expert (E / W)
        dist.all_to_all_single(theirs, mine, group=self._group)
        sent, received = mine.sum(1).tolist(), theirs.sum(1).tolist()
        taken = plan.tokens[: sum(sent)]  # off the CPU dropped slots stand at the end
        rows: Tensor = _AllToAll.apply(x[taken], sent, received, self._group)  # type: ignore[no-untyped-call]
        expert_of_row = torch.arange(theirs.shape[1], device=x.device).repeat(world)
        experts, order = expert_of_row.repeat_interleave(theirs.flatten()).sort(stable=True)
        outputs = self.local(rows, Dispatch(order, order, theirs.sum(0), experts))
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=x.device)
        result: Tensor = _AllToAll.apply(outputs[back], received, sent, self._group)  # type: ignore[no-untyped-call]
        return nn.functional.pad(result, (0, 0, 0, len(plan.tokens) - len(taken)))


def shard_experts(model: nn.Module, group: dist.ProcessGroup | None = None) -> None:
    """Give this process its share of the experts of every layer of ours, in place.

    Args:
        model: the same in every process.
        group: the processes; None: all.

    Raises:
        ConfigError: the model has no such layers, or the processes cannot have equally many experts.
    """
    blocks = moe_blocks(model)
    if not blocks:
        raise ConfigError(f"expert parallelism: expected a model with experts, found {type(model).__name__}")
    for block in blocks.values():
        if isinstance(block.experts, GroupedExperts):
            block.experts = ParallelExperts(block.experts, group)


def reduce_gradients(model: nn.Module, group: dist.ProcessGroup | None = None) -> None:
    """Sum the gradients of the weights that every process has; those of the experts are complete already."""
    own = {
        id(weight)
        for block in moe_blocks(model).values()
        if isinstance(block.experts, ParallelExperts)
        for weight in block.experts.parameters()
    }
    for weight in model.parameters():
        if id(weight) not in own and weight.requires_grad:
            if weight.grad is None:  # unused here, and perhaps used elsewhere
                weight.grad = torch.zeros_like(weight)
            dist.all_reduce(weight.grad, group=group)


def gather_state_dict(model: nn.Module, group: dist.ProcessGroup | None = None) -> dict[str, Tensor]:
    """Return the state dict of the model before :func:`shard_experts`; every process must call it."""
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        head, is_local, tail = name.rpartition(".experts.local.")
        if not is_local:
            state[name] = tensor
            continue
        parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, tensor.contiguous(), group=group)
        state[f"{head}.experts.{tail}" if head else f"experts.{tail}"] = torch.cat(parts)
    return state
