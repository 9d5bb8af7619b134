"""The order of the house: flows -> tasks -> reports -> components, and the rooms of each, without circles."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import pytest

from benchmarks.common.paths import ROOT
from benchmarks.house.import_graph import PACKAGES, arrows, imported_module, imports, modules, packages_of

ROOMS = (
    "components",  # what all rooms share: errors, records, markers of settings, the record of a run
    "components.files",
    "components.text",
    "components.compute",
    "components.kernels",
    "components.networks",
    "components.storage",
    "components.endpoints",
    "components.audio",
    "components.data",
    "components.public_sets",
    "components.decoding",
    "components.models",
    "components.nodes",
    "components.recognition",
    "components.translation",
    "components.perturbation",
    "components.metrics",
    "components.neural_metrics",
    "components.pipeline",
    "components.analysis",
    "components.comparison",
    "components.editing",
    "components.own_code",
    "components.imported_texts",
    "components.synthesis",
    "components.confidence",
    "components.routing",
    "components.export",
    "components.speakers",
    "components.campaign",
    "components.attribution",
    "components.training",
    "components.ensembling",
    "components.refining",
    "components.stacking",
    "components.fusing",
    "components.distillation",
    "components.merging",
    "components.experts",
    "components.pruning",
    "components.improvement",
    "components.tuning",
    "components.design",
    "components.serving",
    "components.simultaneous",
    "components.claims",
    "components.monitoring",
    "reports.views",
    "reports",
    "reports.plots",
    "reports.terminal",
    "reports.analyses",
    "reports.page",
    "tasks",
    "tasks.engines",
    "tasks.execution",
    "tasks.stages",
    "flows.server",
    "flows.parameters",
    "flows.presets",
    "flows",
    "flows.python_flows",
    "flows.cli",
    "antiphon",
)
"""Every room, the lowest first: a room imports itself and what stands before it."""
WITH_PREFECT = {"tasks", "flows"}
OUTSIDE = {"benchmarks", "tests", "examples"}
DANGEROUS = {"pickle", "dill", "cloudpickle", "marshal", "shelve"}


def room_of(module: str) -> str:
    """The folder that a module lies in; what is deeper belongs to the folder below the package."""
    path = modules()[module]
    return ".".join(path.relative_to(ROOT).parent.parts[:2])


def loaded_with(target: str, module: str) -> set[str]:
    """What an import of ``target`` loads first: the packages around it that ``module`` does not lie in."""
    return {name for name in packages_of(target) if not f"{module}.".startswith(f"{name}.") or name == target}


def test_one_module_imports_openai_whisper() -> None:
    readers = [
        path.relative_to(ROOT).as_posix()
        for path in modules().values()
        if any(name.split(".")[0] == "whisper" for _, name in imports(path.read_text(encoding="utf-8")))
    ]
    assert readers == ["components/compute/openai_whisper.py"]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    forbidden = OUTSIDE | DANGEROUS | (set() if package in WITH_PREFECT else {"prefect"})
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for module, path in modules().items()
        if module.split(".")[0] == package
        for line, name in imports(path.read_text(encoding="utf-8"))
        if name.split(".")[0] in forbidden
    ]
    assert not wrong, "\n".join(wrong)


def test_every_room_is_in_the_list() -> None:
    rooms = {room_of(module) for module in modules()}
    assert rooms - {"components.samples"} == set(ROOMS)


def test_rooms_import_only_what_stands_before_them() -> None:
    floor = {room: number for number, room in enumerate(ROOMS)}
    wrong = [
        f"{modules()[module].relative_to(ROOT)}:{line} imports {target}"
        for module, line, target in arrows()
        if floor[room_of(target)] > floor[room_of(module)]
    ]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other() -> None:
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for module, _, target in arrows():
        graph[module] |= loaded_with(target, module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" is imported by ".join(error.args[1]))


def test_the_rules_would_catch_a_breach() -> None:
    source = "from prefect import task\nimport importlib\nimportlib.import_module('flows.x')\n"
    assert list(imports(source)) == [(1, "prefect.task"), (2, "importlib"), (3, "flows.x")]
    assert imported_module("components.records.NBest") == "components.records"
    assert imported_module("prefect.task") is None
    assert loaded_with("components.data.load", "components.nodes.data") == {
        "components.data",
        "components.data.load",
    }
