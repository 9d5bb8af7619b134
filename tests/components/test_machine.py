"""What torch finds on this machine, with and without importing it: the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from components import torch_facts
from components.errors import ConfigError
from components.machine import (
    _cache_key,
    describe_numerics,
    dtype_for_key,
    resolve_device_name,
    resolve_dtype_name,
)
from components.nodes.kind import Site
from components.nodes.stack import StackSettings
from components.nodes.table import KINDS
from components.nodes.translate import TranslateSettings

ROOT = Path(__file__).parents[2]
CODE = """
import json, sys
from components.machine import describe_numerics, resolve_device_name
found = [describe_numerics(), resolve_device_name(), describe_numerics(threads=False)]
print(json.dumps([found, "torch" in sys.modules]))
"""


def ask(cache: Path) -> tuple[list[object], bool]:
    """What a process without torch says, and whether it had to import it."""
    values = {**os.environ, "ANTIPHON_CACHE": str(cache)}
    output = subprocess.check_output([sys.executable, "-c", CODE], cwd=ROOT, env=values)
    result, imported = json.loads(output)
    return result, imported


def test_torch_is_asked_once(tmp_path: Path) -> None:
    first, imported = ask(tmp_path)
    assert imported
    assert ask(tmp_path) == (first, False)


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
        assert KINDS["translate"].parameters(text, Site("mt"))["dtype"] == auto
        rounds = StackSettings.model_validate({"device": device})
        assert KINDS["stack"].parameters(rounds, Site("stack")).get("dtype", "float32") == auto


def test_float32_on_a_card_is_tf32_and_the_keys_say_so() -> None:
    try:
        assert torch_facts.matmul_precision() == "high" and torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.mkldnn.matmul.fp32_precision == "none"  # products on the CPU stay as they are
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
