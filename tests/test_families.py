"""What a cascade does not need is optional: without it, ``antiphon run cascade`` gives the same texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.common.paths import ROOT
from benchmarks.house.counts import modules_of_cascade
from benchmarks.house.import_graph import modules

WITH_ALL = ROOT / "tests" / "golden" / "systems" / "outputs.json"
"""What a cascade gives where all is installed; `python -m tests.golden.systems check` holds it."""
HIDE = """
import json, sys
from importlib import metadata
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in modules:
            raise ModuleNotFoundError(f"{name} is hidden by a test")
        return None if name.partition(".")[0] in packages else super().find_spec(name, path, target)

modules, packages = map(set, json.load(sys.stdin))
installed = metadata.entry_points

def present(**of):
    every = installed()
    found = (each for group in every.groups for each in every.select(group=group))
    return metadata.EntryPoints(each for each in found if each.module not in modules).select(**of)

metadata.entry_points = present
from flows.cli.main import main
sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
sys.meta_path.insert(0, sys.meta_path.pop(sys.meta_path.index(Hiding)))
try: main(sys.argv[1:])
finally: print(packages & sys.modules.keys())
"""


def _needed_by(lines: Iterable[str]) -> set[str]:
    """Names of the packages that requirements bring, and of what these bring."""
    names: set[str] = set()
    pending = [Requirement(line) for line in lines]
    while pending:
        requirement = pending.pop()
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and (name := canonicalize_name(requirement.name)) not in names:
            names.add(name)
            pending += map(Requirement, requires(name) or ())
    return names


def packages_of_extras() -> list[str]:
    """What can be imported of the packages that only extras bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [extra for name, extra in project["optional-dependencies"].items() if name != "dev"]
    wanted = {canonicalize_name(Requirement(line).name) for extra in extras for line in extra}
    wanted -= _needed_by(project["dependencies"])
    return [
        module
        for module, packages in packages_distributions().items()
        if wanted & {canonicalize_name(package) for package in packages}
    ]


@pytest.mark.core
@pytest.mark.models
@pytest.mark.server
def test_the_cascade_runs_without_all_that_it_does_not_need(tmp_path: Path, prefect_url: str) -> None:
    """Every module that benchmarks.house does not count as reached, families and commands, and all extras."""
    modules_hidden, packages = sorted(modules().keys() - modules_of_cascade()), packages_of_extras()
    assert {"components.merging.merge", "components.kernels", "components.experts.upcycling"} <= set(
        modules_hidden
    )
    assert {"pandas", "openai", "peft"} <= set(packages)
    command = [sys.executable, "-c", HIDE, "run", "cascade", "--data", "sample", "--limit", "1", "--json"]
    # The child that says what the processor is has everything; it is told that there are no kernels.
    here = {"PYTHONPATH": str(ROOT), "ANTIPHON_KERNELS": "plain", "PREFECT_API_URL": prefect_url}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **here, "OMP_NUM_THREADS": "1"},
        input=json.dumps([modules_hidden, packages]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *_, output, imported = done.stdout.splitlines()
    assert imported == "set()"
    texts = {
        path.name: path.read_text("utf-8")
        for path in (Path(json.loads(output)["path"]) / "texts").glob("*.txt")
    }
    whole = json.loads(WITH_ALL.read_text(encoding="utf-8"))["cascade"]["run"]
    best = {node: f"{nbests['caption-01'][0][0]}\n" for node, nbests in whole.items()}
    assert texts == {"caption-01.en.txt": best["asr"], "caption-01.de.txt": best["mt"]}
