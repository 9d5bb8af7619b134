"""Where our own kernels may be used."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from components.compute import instruction_sets
from components.compute.layers.kernels import require_kernels
from components.kernels import packed_product
from components.kernels.llvm import native_code
from components.kernels.onednn import FloatProduct


@pytest.fixture
def elsewhere() -> Iterator[None]:
    yield
    native_code.openmp.cache_clear()
    instruction_sets.features.cache_clear()


def product_class() -> type:
    return type(require_kernels().pack(torch.randn(8, 8), None))


def test_the_environment_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_KERNELS", "onednn")
    assert not native_code.supports_native()
    assert product_class() is FloatProduct


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("maps", ["", "7f00-7f01 r-xp 0 08:01 1    /nowhere/libgomp.so.1\n"])
def test_no_openmp(maps: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "maps").write_text(maps, encoding="utf-8")
    monkeypatch.setattr(native_code, "MAPS", tmp_path / "maps")
    native_code.openmp.cache_clear()
    assert native_code.openmp() is None
    assert product_class() is FloatProduct


def test_other_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_code, "features", lambda: frozenset({"avx2"}))
    assert product_class() is FloatProduct


@pytest.mark.usefixtures("own_kernels")
def test_matrix_units_multiply_no_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = instruction_sets.features() | {"amx-tile", "avx512bf16", "avx512vnni"}
    monkeypatch.setattr(native_code, "features", lambda: flags)
    monkeypatch.setattr(packed_product, "features", lambda: flags)
    assert product_class() is packed_product.PackedProduct
    assert not packed_product.supports("bfloat16")
    assert not packed_product.supports("int8")


@pytest.mark.usefixtures("elsewhere")
def test_where_torch_is_kept_from_avx512_so_are_we(monkeypatch: pytest.MonkeyPatch) -> None:
    """``Code`` is then compiled without it, too."""
    flags = {"avx2": True, "avx512f": True, "avx512bw": True, "avx512vnni": False, "amx-tile": True}
    monkeypatch.setattr(instruction_sets.binding, "get_host_cpu_features", lambda: dict(flags))
    for capability, able in (("avx512", {"avx2", "avx512f", "avx512bw", "amx-tile"}), ("avx2", {"avx2"})):
        monkeypatch.setenv("ATEN_CPU_CAPABILITY", capability)
        instruction_sets.features.cache_clear()
        assert instruction_sets.features() == able
    assert not native_code.supports_native()


@pytest.mark.usefixtures("elsewhere")
def test_a_processor_that_llvm_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> dict[str, bool]:
        raise RuntimeError("host CPU features are not available")

    monkeypatch.setattr(instruction_sets.binding, "get_host_cpu_features", unknown)
    instruction_sets.features.cache_clear()
    assert instruction_sets.features() == frozenset()
    assert product_class() is FloatProduct


@pytest.mark.usefixtures("own_kernels")
def test_code_that_does_not_compile_is_logged_and_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("LLVM ERROR: cannot select\nmore")

    monkeypatch.setattr(packed_product, "kernel", broken)
    packed_product._compiles.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert product_class() is FloatProduct
            assert product_class() is FloatProduct
    finally:
        packed_product._compiles.cache_clear()
    assert caplog.text.count("the float32 kernels are not used: LLVM ERROR: cannot select") == 1
