"""The core of the suite under every choice of kernels but the usual: ``python -m tests.backends [OPTIONS]``.

What all of them compute is compared before. Options are pytest's. Which tests are its core says the marker
``core``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).parent
_WITHOUT_AVX512 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2_VNNI",  # not AVX2: whether int8 has VNNI is read off the processor
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
BACKENDS: dict[str, dict[str, str]] = {
    "own": {},
    "onednn": {"ANTIPHON_KERNELS": "onednn"},
    "without AVX-512": _WITHOUT_AVX512,
    "plain": {"ANTIPHON_KERNELS": "plain"},
}
"""Name -> environment variables."""


def environment_of(backend: str) -> dict[str, str]:
    """Return this process's environment with a backend's variables, and no other's."""
    switches = {name for variables in BACKENDS.values() for name in variables}
    inherited = {name: value for name, value in os.environ.items() if name not in switches}
    return inherited | BACKENDS[backend]


def main() -> int:
    """Compare them, and run the core under each; 1 where anything has failed."""
    files = [str(path) for path in sorted(TESTS.rglob("test_*.py")) if "mark.core" in path.read_text("utf-8")]
    failed = [] if _passes([str(TESTS / "compare_backends.py")], "own") else ["a comparison of all"]
    for backend in [name for name in BACKENDS if name != "own"]:
        print(f"kernels: {backend} {BACKENDS[backend]}", flush=True)
        if not _passes(["-m", "core", *files], backend):
            failed.append(backend)
    print(f"failed under: {', '.join(failed)}" if failed else f"passed under {len(BACKENDS) - 1} choices")
    return bool(failed)


def _passes(arguments: Sequence[str], backend: str) -> bool:
    command = [sys.executable, "-m", "pytest", *sys.argv[1:], *arguments]
    done = subprocess.run(command, env=environment_of(backend), cwd=TESTS.parent, check=False)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
