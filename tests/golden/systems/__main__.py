"""The commands: ``python -m tests.golden.systems check [CASE ...]``, and ``write`` and ``engines``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

# Read by what is imported below.
os.environ |= {"ANTIPHON_DEVICE": "cpu", "OMP_NUM_THREADS": "1", "PREFECT_LOGGING_LEVEL": "ERROR"}

from tests.golden.systems.golden import (
    CASES,
    PATH,
    encode,
    find_faults,
    read_golden,
    run_case,
    stage_digests,
    write_pairs,
)
from tests.serving import prefect_server


def parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    command = argparse.ArgumentParser(prog="python -m tests.golden.systems", description=__doc__)
    what = "compare with outputs.json, write it, or compare the bytes of the local engine with Ray's"
    command.add_argument("do", choices=("check", "write", "engines"), help=what)
    command.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all if none")
    return command


def compare_engines(cases: Sequence[str], folder: Path, pairs: str) -> int:
    """Run cases on both engines; how many stages differ."""
    faults = 0
    for name in cases:
        stages = {}
        for engine in ("local", "ray"):
            os.environ["ANTIPHON_ENGINE"] = engine
            run_case(name, f"{folder}/{engine}/{name}", pairs)
            stages[engine] = stage_digests(folder / engine / name)
        local, ray = stages["local"].items(), stages["ray"].items()
        found = sorted({stage for stage, _ in local ^ ray})
        print(f"{name}: {len(local)} stages, {len(found)} differ {' '.join(found)}".strip(), flush=True)
        faults += len(found)
    return faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Run cases; 1 where one gives something else than it gave."""
    options = parser().parse_args(arguments)
    golden = read_golden() if PATH.exists() else {}
    faults = 0
    with tempfile.TemporaryDirectory() as folder, prefect_server(Path(folder)) as url:
        os.environ["PREFECT_API_URL"] = url
        pairs = write_pairs(Path(folder))
        if options.do == "engines":
            return 1 if compare_engines(options.cases or list(CASES), Path(folder), pairs) else 0
        for name in options.cases or CASES:
            started = time.process_time(), time.monotonic()
            outputs = run_case(name, f"{folder}/store", pairs)
            found = list(find_faults(name, golden.get(name, {}), outputs))
            spent = f"{time.process_time() - started[0]:.1f} s of CPU, {time.monotonic() - started[1]:.1f} s"
            print(f"{name}: {len(found)} differences ({spent})", flush=True)
            print("".join(f"  {fault}\n" for fault in found[:20]) if options.do == "check" else "", end="")
            faults += len(found)
            golden[name] = outputs
    if options.do == "write":
        PATH.write_text(encode(golden), encoding="utf-8")
        return 0
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
