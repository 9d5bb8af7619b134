"""One line of gpu.jsonl: what was measured, on what, and how far it is from the physical limit."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from pydantic import BaseModel, ConfigDict, Field

from benchmarks.common.manifest import current_commit, processor_name

Value = bool | int | float | str
COMMIT = "ANTIPHON_COMMIT"
"""Environment variable with the commit, where the code is there without its history."""


class Machine(BaseModel):
    """The machine and the code that a row comes from; ratios are taken within one of them only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: str = Field(description="name of the card; empty: computed on the CPU")
    driver: str = ""
    processor: str
    torch: str
    transformers: str
    commit: str
    toy: bool = Field(False, description="sizes at which times say nothing")


class Row(BaseModel):
    """One measurement.

    Attributes:
        setting: Sizes and the like.
        seconds: Of one call, in every round.
        bytes: That a call has to move between memory and the processor at least.
        flops: That a call has to do at least.
        limit: Seconds that a call takes at least, by bytes and flops and what the section ``card`` saw.
        values: What is no time: shares of equal texts, gigabytes, launches.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    section: str
    system: str
    setting: dict[str, Value] = {}
    seconds: tuple[float, ...] = ()
    bytes: float | None = None
    flops: float | None = None
    limit: float | None = None
    values: dict[str, Value] = {}

    @property
    def median(self) -> float:
        """The middle of the rounds, in seconds; NaN where no time was taken."""
        return statistics.median(self.seconds) if self.seconds else float("nan")

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper quartile of the rounds."""
        if len(self.seconds) < 2:
            return self.median, self.median
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return low, high

    @property
    def share(self) -> float | None:
        """The limit as a share of the time: 1 is as fast as the card can be."""
        return self.limit / self.median if self.limit and self.seconds else None


@cache
def describe_machine(device: str, toy: bool) -> Machine:
    """The machine of this process."""
    on_card = device.startswith("cuda")
    return Machine(
        card=torch.cuda.get_device_name(device) if on_card else "",
        driver=_ask_driver() if on_card else "",
        processor=f"{processor_name()}, {os.cpu_count()} cores",
        torch=torch.__version__,
        transformers=transformers.__version__,
        commit=os.environ.get(COMMIT) or current_commit(),
        toy=toy,
    )


def _ask_driver() -> str:
    command = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def append_row(path: Path, row: Row, machine: Machine) -> None:
    """Append a row, flushed, with its median and quartiles written out."""
    low, high = row.quartiles
    derived = {"median": row.median, "low": low, "high": high, "share": row.share} if row.seconds else {}
    content = {**row.model_dump(mode="json"), **derived, "machine": machine.model_dump(mode="json")}
    line = json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"
    with path.open("ab+") as file:
        if file.tell() and file.seek(-1, os.SEEK_END) and file.read(1) != b"\n":
            line = "\n" + line  # a process was ended within a line
        file.write(line.encode())


def read_rows(path: Path) -> list[tuple[Row, Machine]]:
    """The rows of a file; a line may be torn, where a process was ended."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            content: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError:
            continue
        machine = Machine.model_validate(content.pop("machine"))
        rows.append(
            (Row.model_validate({k: v for k, v in content.items() if k in Row.model_fields}), machine)
        )
    return rows
