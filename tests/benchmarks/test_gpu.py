"""The GPU benchmark at toy size: its sections run, its rows make a page, its packed weights are near."""

from __future__ import annotations

import importlib
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from whisper.model import disable_sdpa

from benchmarks.gpu.__main__ import ON_A_CARD, SECTIONS, main
from benchmarks.gpu.context import Context, Timed
from benchmarks.gpu.keep import keep_rows
from benchmarks.gpu.pack import GROUP, pack_values, read_pack, unpack_values, write_pack
from benchmarks.gpu.random_models import make_whisper
from benchmarks.gpu.row import Machine, Row, append_row, read_rows
from benchmarks.gpu.sections.whisper import encoder_flops, step_bytes
from components.errors import DataError
from tests.components.recognition.tiny import tiny

CARD = Machine(card="a card", driver="1", processor="x", torch="2", transformers="5", commit="abc")


def test_sections_at_toy_size_measure_and_are_no_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sections = ["card", "law", "experts", "sparsity"]
    arguments = ["--inside", "--toy", "--device", "cpu", "--out", str(tmp_path), "--sections", *sections]
    assert main(arguments) == 0
    rows = read_rows(tmp_path / "gpu.jsonl")
    assert {row.section for row, _ in rows} == set(sections)
    assert all(machine.toy and machine.card == "" for _, machine in rows)
    by_name = {(row.section, row.system): row for row, _ in rows}
    law = by_name["law", "translate, two, gate"]
    assert law.values["equal"] == law.values["of"] == 2
    assert by_name["law", "training"].values["difference"] == 0
    assert float(by_name["law", "experts"].values["relative_error"]) < 0.01
    ours = by_name["experts", "ours"]
    assert len(ours.seconds) == 2 and ours.limit and ours.share == pytest.approx(ours.limit / ours.median)
    with pytest.raises(DataError, match="toy size"):
        keep_rows(tmp_path / "gpu.jsonl", tmp_path)


def test_rows_of_a_card_make_a_page(tmp_path: Path) -> None:
    step = Row(
        section="whisper",
        system="steps",
        setting={"model": "large-v3", "dtype": "float16", "batch": 8, "beam": 1},
        seconds=(0.22, 0.20, 0.24),
        limit=0.11,
        values={"ms_a_step": 2.0},
    )
    append_row(tmp_path / "gpu.jsonl", step, CARD)
    with (tmp_path / "gpu.jsonl").open("a") as file:
        file.write('{"section": "tor')  # a process that was ended
    text = keep_rows(tmp_path / "gpu.jsonl", tmp_path)
    assert "| Whisper large-v3, float16, batch 8, greedy: a step | 2.0 ms | 2.00 ms |" in text
    assert "| 220 ms (200 to 240) | 110 ms | 50% |" in text
    assert "not yet measured" in text  # the other goals
    assert "a card, driver 1" in text
    append_row(tmp_path / "gpu.jsonl", step, CARD.model_copy(update={"card": "another"}))
    with pytest.raises(DataError, match="one machine"):
        keep_rows(tmp_path / "gpu.jsonl", tmp_path)


def test_a_limit_is_the_slower_of_what_is_moved_and_what_is_computed(tmp_path: Path) -> None:
    context = Context("cpu", True, tmp_path)
    for system, seconds, cost in (("copy", 2.0, {"bytes": 8.0}), ("product, float32", 1.0, {"flops": 100.0})):
        context.write(Row(section="card", system=system, seconds=(seconds,), **cost))
    limits = context.limits()
    assert limits.seconds(Timed("x", lambda: 0, bytes=8, flops=1000, dtype="float32")) == 10.0
    assert limits.seconds(Timed("x", lambda: 0, bytes=80, flops=1000, dtype="float32")) == 20.0
    assert limits.seconds(Timed("x", lambda: 0)) is None


def test_counted_costs_of_whisper_large() -> None:
    """Against the numbers of parameters that OpenAI gives, and torch's own counter of operations."""
    assert step_bytes("large-v3", 0, 0, 1) == pytest.approx(0.8e9, rel=0.05)
    model = make_whisper("toy", "cpu", torch.float32)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), disable_sdpa():
        model.encoder(torch.zeros(1, 80, 3000))
    assert encoder_flops("toy") == pytest.approx(counter.get_total_flops(), rel=0.02)


@pytest.mark.parametrize("bits", [2, 5, 6, 8])
def test_packed_numbers_are_within_half_a_step(bits: int) -> None:
    values = np.random.default_rng(0).standard_normal((7, 31)).astype(np.float32)
    values[0] = 0
    packed, scales = pack_values(values, bits)
    assert len(packed) == math.ceil(len(scales) * GROUP * bits / 8)
    found = unpack_values(packed, scales, values.shape, bits)
    step = np.repeat(scales.astype(np.float32), GROUP)[: values.size].reshape(values.shape)
    assert (np.abs(found - values) <= 0.51 * step).all()


def test_a_packed_model_is_read_back(tmp_path: Path) -> None:
    model = tiny()
    write_pack(model, tmp_path / "a.pack", 8)
    found = read_pack(tmp_path / "a.pack")
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(
            found.state_dict()[name], tensor, atol=0.02 * float(tensor.abs().max()), rtol=0
        )
    ignored = subprocess.run(["git", "check-ignore", "tiny.en.pack"], capture_output=True, check=False)
    assert ignored.returncode == 0


def test_every_section_has_a_module() -> None:
    assert set(ON_A_CARD) < set(SECTIONS)
    for name in SECTIONS:
        assert callable(importlib.import_module(f"benchmarks.gpu.sections.{name}").measure)
