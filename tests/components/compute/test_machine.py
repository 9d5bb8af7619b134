"""What torch finds on this machine, with and without importing it: the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from components.compute import machine, torch_facts
from components.compute.cuda_graphs import CUDA_GRAPHS, MEMBER_STREAMS
from components.compute.device import pick_device
from components.compute.machine import (
    _cache_key,
    describe_numerics,
    dtype_for_key,
    resolve_device_name,
    resolve_dtype_name,
)
from components.errors import ConfigError
from components.nodes.kind import KINDS
from components.nodes.node_context import NodeContext
from components.stacking.kinds.stack import StackSettings
from components.translation.kinds.translate import TranslateSettings

ROOT = Path(__file__).parents[3]
CODE = """
import json, sys
from components.compute.machine import describe_numerics, resolve_device_name
found = [describe_numerics(), resolve_device_name(), describe_numerics(threads=False)]
print(json.dumps([found, "torch" in sys.modules]))
"""


def ask(cache: Path) -> tuple[list[object], bool]:
    """What a process without torch says, and whether it had to import it."""
    values = {**os.environ, "ANTIPHON_CACHE": str(cache)}
    output = subprocess.check_output([sys.executable, "-c", CODE], cwd=ROOT, env=values)
    result, imported = json.loads(output)
    return result, imported


def test_unknown_kernels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_KERNELS", "onednm")
    with pytest.raises(ConfigError, match="ANTIPHON_KERNELS: expected one of onednn, own, plain, found"):
        describe_numerics()


def test_torch_is_asked_once(tmp_path: Path) -> None:
    first, imported = ask(tmp_path)
    assert imported
    assert ask(tmp_path) == (first, False)


@pytest.mark.parametrize("visible", [None, ""])
def test_that_a_card_failed_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None
) -> None:
    """A card that a machine shows and CUDA does not find failed, unless it is hidden by the user."""
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(machine, "_read_card_lines", lambda: iter(["/dev/nvidia0"]))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine._read_cached_facts().cards == ()
    assert len(list(tmp_path.rglob("*.json"))) == (0 if visible is None else 1)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert machine._read_cached_facts().cards == ()
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_what_torch_decides_by_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {_cache_key()}
    for name in ("OMP_NUM_THREADS", "ANTIPHON_KERNELS", "CUDA_VISIBLE_DEVICES", "ATEN_CPU_CAPABILITY"):
        monkeypatch.setenv(name, "7")
        keys.add(_cache_key())
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert len(keys | {_cache_key()}) == 6


def test_a_process_with_torch_says_what_torch_says(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        assert describe_numerics()["threads"] == str(before + 1)
    finally:
        torch.set_num_threads(before)
    assert "threads" not in describe_numerics(threads=False)
    monkeypatch.delenv("ANTIPHON_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device_name() == "cuda:0"
    assert resolve_device_name("cuda:1") == "cuda:1"
    with pytest.raises(ConfigError, match="expected one of 2 cuda devices"):
        resolve_device_name("cuda:2")


@pytest.mark.parametrize(
    ("device", "capability", "half", "auto"),
    [
        ("cpu", (9, 0), "bfloat16", "float32"),
        ("cuda", (9, 0), "bfloat16", "bfloat16"),
        ("cuda:0", (7, 5), "bfloat16", "float16"),  # such a card emulates bfloat16
        ("auto", (9, 0), "float16", "float16"),
        ("cuda", (9, 0), "float32", "float32"),
    ],
)
def test_auto_arithmetic_is_half_on_a_card_and_is_said_in_the_key(
    device: str, capability: tuple[int, int], half: str, auto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTIPHON_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "card")
    assert resolve_dtype_name("auto", device, half) == auto
    assert resolve_dtype_name("int8", device, half) == "int8"
    assert dtype_for_key("auto", device, half) == ({} if auto == "float32" else {"dtype": auto})
    if half == "bfloat16":
        text = TranslateSettings.model_validate({"model": "path", "device": device})
        assert KINDS["translate"].parameters(text, NodeContext("mt"))["dtype"] == auto
        rounds = StackSettings.model_validate({"device": device})
        assert KINDS["stack"].parameters(rounds, NodeContext("stack")).get("dtype", "float32") == auto


def test_how_decoding_steps_run_on_a_card_is_in_its_keys_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(machine.WORKER_CARD, "NVIDIA H100 80GB HBM3, 9.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for variable in (CUDA_GRAPHS, MEMBER_STREAMS):
        monkeypatch.delenv(variable, raising=False)
    facts = {device: describe_numerics(device) for device in ("cpu", "cuda")}
    for mode, added in (("off", {}), ("on", {CUDA_GRAPHS: "on"}), ("eager", {CUDA_GRAPHS: "eager"})):
        monkeypatch.setenv(CUDA_GRAPHS, mode)
        assert describe_numerics("cpu") == facts["cpu"]
        assert describe_numerics("cuda") == {**facts["cuda"], **added}
    monkeypatch.setenv(CUDA_GRAPHS, "1")
    with pytest.raises(ConfigError, match="ANTIPHON_CUDA_GRAPHS: expected on, eager or off, found '1'"):
        describe_numerics("cuda")
    monkeypatch.setenv(CUDA_GRAPHS, "off")
    for streams, added in (("off", {}), ("on", {MEMBER_STREAMS: "on"})):
        monkeypatch.setenv(MEMBER_STREAMS, streams)
        assert describe_numerics("cpu") == facts["cpu"]
        assert describe_numerics("cuda") == {**facts["cuda"], **added}
    monkeypatch.setenv(MEMBER_STREAMS, "2")
    with pytest.raises(ConfigError, match="ANTIPHON_MEMBER_STREAMS: expected on or off, found '2'"):
        describe_numerics("cuda")


def test_float32_on_a_card_is_tf32_and_the_keys_say_so() -> None:
    try:
        assert torch_facts.matmul_precision() == "high" and torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.mkldnn.matmul.fp32_precision == "none"  # products on the CPU stay as they are
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def test_a_machine_without_a_card_plans_for_workers_that_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTIPHON_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=f"found 'cuda'; use auto or cpu, or say in {machine.WORKER_CARD}"):
        machine.resolve_device_name("cuda")
    monkeypatch.setenv(machine.WORKER_CARD, "Tesla T4, 7.5")
    assert (machine.resolve_device_type("auto"), machine.resolve_device_name("cuda")) == ("cpu", "cuda:0")
    assert machine.resolve_dtype_name("auto", "cuda") == "float16"
    assert machine.describe_numerics("cuda")["card"] == "Tesla T4"
    with pytest.raises(ConfigError, match="computed by the process of the flow"):
        pick_device("cuda")
    monkeypatch.setenv(machine.WORKER_CARD, "NVIDIA H100 80GB HBM3, 9.0")
    assert machine.resolve_dtype_name("auto", "cuda") == "bfloat16"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "the card that is here")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (8, 0))
    assert machine.describe_numerics("cuda")["card"] == "the card that is here"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for text in ("NVIDIA H100", "9.0", "H100, nine"):
        monkeypatch.setenv(machine.WORKER_CARD, text)
        with pytest.raises(ConfigError, match=f"{machine.WORKER_CARD}: expected a card and its compute"):
            machine.resolve_device_name("cuda")
