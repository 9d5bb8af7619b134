"""Experts of two processes: outputs, gradients and weights are those of one process with all sentences.

This file is also the program of the second process.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from components.errors import ConfigError
from components.networks.moe.expert_parallel import gather_state_dict, reduce_gradients, shard_experts
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.moe_block import MoEBlock
from components.networks.moe.router import Router

WIDTH, EXPERTS = 8, 4
SIZES = (7, 3)
"""Tokens of each process."""


def model(n_experts: int = EXPERTS) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [
        MoEBlock(Router(WIDTH, n_experts, 2), GroupedExperts(n_experts, WIDTH, 6, gated=gated, bias=True))
        for gated in (False, True)
    ]
    built = nn.Sequential(layers[0], nn.Linear(WIDTH, WIDTH), layers[1])
    for parameter in built.parameters():
        nn.init.normal_(parameter, std=0.5)
    return built


def sentences() -> Tensor:
    return torch.randn(sum(SIZES), WIDTH, generator=torch.Generator().manual_seed(1))


def train_step(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    out = network(x)
    (out * out.sin()).sum().backward()
    assert x.grad is not None
    return out.detach(), x.grad


def run_process(rank: int, folder: Path) -> None:
    """Compute this process's share and write what came out."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        network = model()
        shard_experts(network)
        out, grad = train_step(network, sentences().split(SIZES)[rank])
        reduce_gradients(network)
        gradients = {name: weight.grad for name, weight in network.named_parameters()}
        refused = ""
        try:
            shard_experts(model(3))
        except ConfigError as error:
            refused = str(error)
        state = gather_state_dict(network)
        torch.save((out, grad, gradients, state, refused), folder / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


def assert_near(got: Tensor, expected: Tensor) -> None:
    """Equal to 1e-5 of the largest: sums are in another order, and large terms may cancel out."""
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def test_two_processes_are_as_one(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__)), str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as second:
        run_process(0, tmp_path)
        _, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    first, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    one = model()
    out, grad = train_step(one, sentences())
    assert_near(torch.cat([first[0], other[0]]), out)
    assert_near(torch.cat([first[1], other[1]]), grad)
    for name, weight in one.named_parameters():
        if ".experts." in name:
            local = name.replace(".experts.", ".experts.local.")
            got = torch.cat([first[2][local], other[2][local]])
        else:
            assert torch.equal(first[2][name], other[2][name])
            got = first[2][name]
        assert weight.grad is not None
        assert_near(got, weight.grad)
    for state in (first[3], other[3]):
        assert state.keys() == one.state_dict().keys()
        assert all(torch.equal(state[name], tensor) for name, tensor in one.state_dict().items())
    assert first[4].startswith("expert parallelism: expected a number of experts that 2 processes can share")


def test_a_dense_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a model with experts, found Linear"):
        shard_experts(nn.Linear(2, 2))


if __name__ == "__main__":
    run_process(1, Path(sys.argv[1]))
