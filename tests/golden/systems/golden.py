"""Runs the cases of cases.yaml through Antiphon's public names, and compares what they give."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import antiphon
from components.compute.device import use_threads
from components.files.yaml_text import parse_yaml
from tests.openai_server import OpenAIServer, openai_server

FOLDER = Path(__file__).parent
PATH = FOLDER / "outputs.json"
ROOT = FOLDER.parents[2]
EXAMPLES = ROOT / "examples"
CASES: dict[str, Any] = parse_yaml((FOLDER / "cases.yaml").read_text(encoding="utf-8"), "cases.yaml")[0]
SENTENCES = ROOT / "components" / "samples" / "sentences.jsonl"
CLOSE = 1e-3
"""By what share of them scores may differ: last bits are the processor's."""
Outputs = dict[str, dict[str, dict[str, Any]]]
"""System (``run`` where there is one) -> node -> utterance -> what it gave."""


def run_case(name: str, store: str, pairs: str) -> Outputs:
    """What every node of a case gave.

    Args:
        name: a preset, or a file of examples/.
        store: where it runs.
        pairs: the parallel text, ``a.en,a.de``.
    """
    parameters = _replace(CASES[name].get("parameters", {}), pairs)
    with use_threads(1), _serve_models():
        if not name.endswith(".yaml"):
            run = antiphon.run_flow(name, store=store, **parameters)
        else:
            values, _ = parse_yaml((EXAMPLES / name).read_text(encoding="utf-8"), name)
            values = {**_merge(values, parameters), "store": store, "folder": str(EXAMPLES)}
            run = antiphon.run_flow("tune" if "search" in values else "pipeline", **values)
    systems = {label: antiphon.load_run(of, store=store) for label, of in run.record.systems.items()}
    return {label: _outputs_of(system) for label, system in (systems or {"run": run}).items()}


@contextmanager
def _serve_models() -> Iterator[OpenAIServer]:
    """A server that answers for the models of examples/served_models.yaml."""
    with openai_server() as server, mock.patch.dict(os.environ):
        server.models = ["whisper-large-v3", "qwen3"]
        server.answer = lambda text: "70" if text.isupper() else text.upper()
        os.environ |= {"ANTIPHON_SERVED_URL": server.url, "ANTIPHON_SERVED_KEY": server.key}
        yield server


def write_pairs(folder: Path) -> str:
    """Write the sentences of the sample set as parallel text, each twice: a route needs 50 to learn from."""
    rows = [json.loads(line) for line in SENTENCES.read_text(encoding="utf-8").splitlines()]
    for language in ("en", "de"):
        lines = [text for row in rows for text in (row[language], row[language].lower())]
        (folder / f"pairs.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"{folder}/pairs.en,{folder}/pairs.de"


def _replace(value: Any, pairs: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace(part, pairs) for key, part in value.items()}
    return pairs if value == "PAIRS" else value


def _merge(values: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values with changes, key by key down to values that are no mappings."""
    merged = dict(values)
    for key, change in changes.items():
        merged[key] = _merge(values[key], change) if isinstance(change, Mapping) and key in values else change
    return merged


def _outputs_of(run: antiphon.Run) -> dict[str, dict[str, Any]]:
    return {
        node: {key: _describe(outcome) for key, outcome in run.outcomes(node).items()} for node in run.nodes
    }


def _describe(outcome: Any) -> Any:
    if isinstance(outcome, antiphon.NBest):
        return [[hypothesis.text, _round(hypothesis.score)] for hypothesis in outcome.hypotheses]
    if isinstance(outcome, antiphon.Route):
        return {"branch": outcome.branch, "value": _round(outcome.value)}
    if isinstance(outcome, antiphon.Quarantined):
        return {"refused": outcome.reason}
    return {"seconds": None if outcome.audio is None else _round(outcome.audio.seconds)}


def _round(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.6g}")


def stage_digests(store: Path) -> dict[str, str]:
    """The digest of what each finished stage of shards in a store holds, by name and key.

    What is made in one piece may hold seconds: a training, the table of rounds.
    """
    seals = [json.loads(path.read_bytes()) for path in store.glob("stages/*/stage.json")]
    return {f"{seal['stage']} {seal['key'][:12]}": seal["sha256"] for seal in seals if seal["shards"]}


def find_faults(name: str, expected: Outputs, found: Outputs) -> Iterator[str]:
    """What a case gave otherwise than in the golden, a line each."""
    close, first = CASES[name].get("close", CLOSE), CASES[name].get("first", {})
    for system in sorted(expected.keys() | found.keys()):
        nodes = expected.get(system, {}), found.get(system, {})
        for node in sorted(nodes[0].keys() | nodes[1].keys()):
            known, given = nodes[0].get(node, {}), nodes[1].get(node, {})
            for key in sorted(known.keys() | given.keys()):
                pair = [known.get(key), given.get(key)]
                if node in first:
                    pair = [value[: first[node]] if isinstance(value, list) else value for value in pair]
                if not is_close(pair[0], pair[1], close):
                    yield f"{name}: {system}: {node}: {key}: expected {pair[0]}, found {pair[1]}"


def is_close(expected: Any, found: Any, close: float) -> bool:
    """Whether two values have equal texts, and numbers that are apart by this share of them at most."""
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(is_close, expected, found, [close] * len(found)))
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(
            is_close(value, found[key], close) for key, value in expected.items()
        )
    if isinstance(expected, float) and isinstance(found, float | int):
        return math.isclose(expected, found, rel_tol=close, abs_tol=1e-4)
    return bool(expected == found)


def read_golden() -> dict[str, Outputs]:
    """What the cases gave when they were kept."""
    return json.loads(PATH.read_text(encoding="utf-8"))


def encode(golden: Mapping[str, Outputs]) -> str:
    """JSON with a line per utterance of a node."""
    return _encode(golden, 3) + "\n"


def _encode(value: Any, depth: int) -> str:
    if depth < 0 or not value:
        return json.dumps(value, ensure_ascii=False)
    space = " " * (4 - depth)
    parts = [f"{space}{json.dumps(key)}: {_encode(part, depth - 1)}" for key, part in sorted(value.items())]
    return "{\n" + ",\n".join(parts) + "\n" + space[1:] + "}"
