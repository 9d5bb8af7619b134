"""What a cascade does not need is optional: without it, ``antiphon run cascade`` gives the same texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.common.paths import ROOT
from benchmarks.house.counts import modules_of_cascade
from benchmarks.house.import_graph import modules

WITH_ALL = ROOT / "tests" / "golden" / "systems" / "outputs.json"
"""What a cascade gives where all is installed; `python -m tests.golden.systems check` holds it."""
HIDE = """
import sys
from importlib import metadata
from importlib.abc import MetaPathFinder

class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in hidden:
            raise ModuleNotFoundError(f"{name} is hidden by a test")

hidden = set(sys.stdin.read().split())
installed = metadata.entry_points

def present(**of):
    every = installed()
    kept = (each for group in every.groups for each in every.select(group=group) if each.module not in hidden)
    return metadata.EntryPoints(kept).select(**of)

metadata.entry_points = present
sys.meta_path.insert(0, Hidden())
from flows.cli.main import main
main(sys.argv[1:])
"""


def run_cascade(folder: Path, hidden: set[str]) -> dict[str, str]:
    """The texts of a cascade over one utterance, by file, where some modules are not installed."""
    command = [sys.executable, "-c", HIDE, "run", "cascade", "--data", "sample", "--limit", "1", "--json"]
    done = subprocess.run(
        command,
        cwd=folder,
        # The child that says what the processor is has everything; it is told that there are no kernels.
        env={**os.environ, "PYTHONPATH": str(ROOT), "ANTIPHON_KERNELS": "plain"},
        input="\n".join(hidden),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    texts = Path(json.loads(done.stdout.splitlines()[-1])["path"]) / "texts"
    return {path.name: path.read_text(encoding="utf-8") for path in texts.glob("*.txt")}


def test_the_cascade_runs_without_all_that_it_does_not_need(tmp_path: Path) -> None:
    """That is every module which benchmarks.house does not count as reached: all families, and commands."""
    hidden = modules().keys() - modules_of_cascade()
    assert {"components.merging.merge", "components.kernels", "components.experts.upcycling"} <= hidden
    texts = run_cascade(tmp_path, hidden)
    whole = json.loads(WITH_ALL.read_text(encoding="utf-8"))["cascade"]["run"]
    best = {node: f"{nbests['caption-01'][0][0]}\n" for node, nbests in whole.items()}
    assert texts == {"caption-01.en.txt": best["asr"], "caption-01.de.txt": best["mt"]}
