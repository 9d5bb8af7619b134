"""What a section is given: the device, the sizes, and where its rows go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

from benchmarks.gpu.row import Machine, Row, Value, append_row, describe_machine, read_rows
from benchmarks.gpu.stopwatch import Call, time_rounds
from components.compute.cuda_graphs import CUDA_GRAPHS, MEMBER_STREAMS
from components.decoding.accelerator.fixed_shapes.step_graph import has_recording_failed

ROWS = "gpu.jsonl"
VARIABLES = {"graphs": CUDA_GRAPHS, "streams": MEMBER_STREAMS}
"""Switches, as the settings of rows name them, and their environment variables."""
T = TypeVar("T")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Timed(NamedTuple):
    """A system to be timed: one call, and the bytes and operations that it cannot do without."""

    system: str
    call: Call
    bytes: float | None = None
    flops: float | None = None
    dtype: str = "bfloat16"
    values: Mapping[str, Value] = {}
    switches: tuple[str, ...] = ()

    def with_switches(self, *names: str) -> Timed:
        """The same with CUDA graphs of decoding steps (``graphs``), or members side by side (``streams``)."""

        def switched() -> None:
            with switch_on(*names):
                self.call()

        return self._replace(call=switched, switches=names)


@contextmanager
def switch_on(*names: str) -> Iterator[None]:
    """Within the block the :data:`VARIABLES` are on."""
    variables = [VARIABLES[name] for name in names]
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ |= dict.fromkeys(variables, "on")
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ |= before


def add_switches(setting: Mapping[str, Value], *names: str) -> dict[str, Value]:
    """The setting of what has run within :func:`switch_on`; graphs may have failed to be recorded."""
    failed = {"graphs"} if has_recording_failed() else set()
    return {**setting, **{name: "failed" if name in failed else "on" for name in names}}


class Limits(NamedTuple):
    """What the card was seen to do: bytes a second, and operations a second by arithmetic."""

    bandwidth: float | None
    peaks: Mapping[str, float]

    def seconds(self, timed: Timed) -> float | None:
        """The time below which ``timed`` cannot come; None where nothing of it is known."""
        by_bytes = timed.bytes / self.bandwidth if timed.bytes and self.bandwidth else None
        peak = self.peaks.get(timed.dtype)
        by_flops = timed.flops / peak if timed.flops and peak else None
        known = [bound for bound in (by_bytes, by_flops) if bound is not None]
        return max(known) if known else None


@dataclass(frozen=True)
class Context:
    """Where a section computes, at which sizes.

    Attributes:
        device: ``cuda:0`` or ``cpu``.
        toy: Sizes at which everything runs in a second and times say nothing.
        out: Folder of the rows.
        pack: Weights of tiny.en from :mod:`benchmarks.gpu.pack`; None: without them.
    """

    device: str
    toy: bool
    out: Path
    pack: Path | None = None

    @property
    def machine(self) -> Machine:
        """This machine and code."""
        return describe_machine(self.device, self.toy)

    @property
    def on_card(self) -> bool:
        """Whether it is a CUDA device."""
        return self.device.startswith("cuda")

    def size(self, usual: T, toy: T) -> T:
        """The one of two sizes that is asked for."""
        return toy if self.toy else usual

    def limits(self) -> Limits:
        """What the section ``card`` of this run has seen."""
        path = self.out / ROWS
        rows = [row for row, machine in read_rows(path) if machine == self.machine] if path.exists() else []
        seen = {row.system: row for row in rows if row.section == "card"}
        copy = seen.get("copy")
        peaks = {
            name: row.flops / row.median
            for name in DTYPES
            if (row := seen.get(f"product, {name}")) is not None and row.flops
        }
        return Limits(copy.bytes / copy.median if copy and copy.bytes else None, peaks)

    def time(
        self, section: str, systems: Sequence[Timed], setting: Mapping[str, Value], rounds: int | None = None
    ) -> Iterator[Row]:
        """Time systems in turns; a row for each."""
        calls = {str(number): timed.call for number, timed in enumerate(systems)}
        spent = time_rounds(calls, self.device, rounds or self.size(5, 2))
        limits = self.limits()
        for number, timed in enumerate(systems):
            yield Row(
                section=section,
                system=timed.system,
                setting=add_switches(setting, *timed.switches),
                seconds=tuple(spent[str(number)]),
                bytes=timed.bytes,
                flops=timed.flops,
                limit=limits.seconds(timed),
                values=dict(timed.values),
            )

    def write(self, row: Row) -> None:
        """Append a row to the run's file."""
        append_row(self.out / ROWS, row, self.machine)


Section = Callable[[Context], Iterator[Row]]
