"""A component computes under the key of its own files, whatever happens to them while the process lives."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from safetensors.torch import load_file, save_file

from components.compute.device import use_threads
from components.compute.model_cache import model_cache
from components.errors import StoreError
from components.models.weight_digests import resolve_weight_digests
from components.nodes.node_context import Item
from components.pipeline.items.item_gatherer import ItemGatherer
from components.pipeline.planning import plan_nodes
from components.pipeline.reading.reader import read_pipeline
from components.recognition.config import RecognitionConfig
from components.records import NodeOutcome, Utterance
from components.storage.stages.stage_plan import StagePlan, library_versions
from components.storage.store import Store
from components.translation.config import TranslationConfig
from tasks.engines import device_context
from tasks.engines.node_job import NodeJob, ShardWork
from tasks.engines.shard_computation import _compute_items
from tests.components.decoding.tiny_models import llama
from tests.components.pipeline.test_planning import REF
from tests.components.stacking import tiny
from tests.components.translation.tokenizers import characters

ROOT = Path(__file__).parents[3]
WRITTEN = [
    Utterance(id=f"u{n}", text=text, source_language="en", target_language="de")
    for n, text in enumerate(("ein hund", "zwei katze"))
]


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """One that has just begun, and does not keep these models."""
    model_cache.clear()
    with use_threads(1):
        yield
    model_cache.clear()


def planned(kind: str, config: TranslationConfig | RecognitionConfig) -> NodeJob:
    """A node of this kind over the data, as a worker is told of it."""
    pipeline = read_pipeline({"nodes": {"mt": {"kind": kind, **config.model_dump()}}})
    plan = plan_nodes(pipeline, {"data": REF}, None, 0, resolve_weight_digests)["mt"]
    site = (plan.context, "cpu", 1, ItemGatherer(pipeline, plan.node))
    return NodeJob(plan.stage, config.model_dump_json(), *site)


def computed(job: NodeJob, utterances: list[Utterance]) -> tuple[str, list[NodeOutcome]]:
    """The fingerprint of a node, and what it makes of utterances."""
    items = [Item(utterance=one) for one in utterances]
    with TemporaryDirectory() as folder:
        work = ShardWork(0, "0" * 64, "", {}, {})
        outcomes, _ = _compute_items(Store(folder), job, work, items)
    return job.plan.fingerprint, outcomes


def translated(config: TranslationConfig) -> tuple[str, list[NodeOutcome]]:
    return computed(planned("translate", config), WRITTEN)


def edit(folder: Path, seed: int = 1) -> None:
    """Other weights under the same name."""
    tensors = load_file(folder / "model.safetensors")
    generator = torch.Generator().manual_seed(seed)
    changed = {name: t + torch.randn(t.shape, generator=generator) for name, t in tensors.items()}
    save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})


def checked(before: tuple[str, list[NodeOutcome]], config: TranslationConfig) -> None:
    """Another key than before, and under it what a process that begins now would say."""
    after = translated(config)
    model_cache.clear()
    fresh = translated(config)
    assert before[0] != after[0] == fresh[0]
    assert before[1] != after[1] == fresh[1]


def test_a_translator_whose_weights_change_is_another(tmp_path: Path) -> None:
    config = TranslationConfig(model=str(tiny.text_model(tmp_path)), device="cpu", max_tokens=8)
    before = translated(config)
    assert translated(config)[1] == before[1]
    edit(tmp_path)
    checked(before, config)


def test_a_prompt_whose_examples_change_is_another(tmp_path: Path) -> None:
    tokenizer = characters(["<pad>", "</e>", "<eot>", "<unk>"], newline=True)
    tokenizer.save_pretrained(tmp_path)
    llama(vocabulary=len(tokenizer), positions=2048).save_pretrained(tmp_path)
    examples = tmp_path / "examples.jsonl"
    examples.write_text(json.dumps({"source": "a", "target": "b"}))
    config = TranslationConfig(
        model=str(tmp_path), device="cpu", max_tokens=8, prompt="few-shot", examples=str(examples)
    )
    before = translated(config)
    examples.write_text(json.dumps({"source": "zzzzzz", "target": "QQQQQQ"}))
    checked(before, config)


def test_a_recognizer_whose_weights_change_is_another(tmp_path: Path) -> None:
    tone = tiny.tone(tmp_path / "tone.wav", 300.0)
    folder = tiny.whisper(tmp_path / "whisper")
    config = RecognitionConfig(model=str(folder), device="cpu", window_seconds=1.0, max_tokens=6, vad=False)

    def heard() -> tuple[str, list[NodeOutcome]]:
        return computed(planned("recognize", config), [tone])

    before = heard()
    edit(folder)
    after = heard()
    model_cache.clear()
    assert before[0] != after[0]
    assert before[1] != after[1] == heard()[1]


def test_a_tokenizer_is_part_of_what_stays_resident(tmp_path: Path) -> None:
    tokenizer = characters(["<pad>", "</e>", "<eot>", "<unk>"], newline=True)
    llama(vocabulary=len(tokenizer) + 1, positions=2048).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    config = TranslationConfig(model=str(tmp_path), device="cpu", max_tokens=8, prompt="few-shot")
    before = translated(config)
    tokenizer.add_tokens(["hu"])
    tokenizer.save_pretrained(tmp_path)
    after = translated(config)
    model_cache.clear()
    assert before[0] != after[0]
    assert after[1] == translated(config)[1]


def test_a_worker_with_other_files_does_not_compute_under_the_plans_key(tmp_path: Path) -> None:
    folder, examples = tiny.text_model(tmp_path / "model"), tmp_path / "examples.jsonl"
    examples.write_text("")
    config = TranslationConfig(model=str(folder), device="cpu", max_tokens=8, examples=str(examples))
    job = planned("translate", config)
    examples.write_text(json.dumps({"source": "a", "target": "b"}))
    with pytest.raises(StoreError, match=r"stage mt: expected .*examples\.jsonl as when it was planned"):
        computed(job, WRITTEN)
    examples.write_text("")
    edit(folder)
    with pytest.raises(StoreError, match=r"stage mt: expected .*model as when it was planned"):
        computed(job, WRITTEN)


@pytest.mark.parametrize(
    ("field", "what"), [("libraries", "libraries as when"), ("numerics", "processor as when")]
)
def test_a_worker_with_other_libraries_or_another_processor_is_refused(field: str, what: str) -> None:
    plan = StagePlan(stage="mt", version="1", libraries={"torch": library_versions(["torch"])["torch"]})
    assert device_context.get_component(plan, None, None, lambda: "made") == "made"
    threads = plan.model_copy(
        update={"numerics": plan.numerics | {"threads": "99"}}
    )  # they travel with shards
    assert device_context.get_component(threads, None, None, lambda: "made") == "made"
    other = plan.model_copy(update={field: getattr(plan, field) | {"torch": "0.1", "kernels": "no"}})
    with pytest.raises(StoreError, match=what):
        device_context.get_component(other, None, None, lambda: "made")


def test_what_the_pool_lets_go_is_kept_by_no_component() -> None:
    made: list[int] = []
    plan = StagePlan(stage="mt", version="1")

    def component() -> object:
        return device_context.get_component(plan, None, None, lambda: made.append(1) or object())

    assert component() is component()
    model_cache.clear()
    component()
    assert len(made) == 2


ROOMS = ("tasks", "flows", "components/storage", "components/nodes", "components/pipeline")
BY_NAME = {
    "components/storage/stages/stage_plan.py:_version_of": "a library, which a process loads once",
    "components/storage/stages/id_index.py:_find_index": "a stage, with its digest",
    "components/storage/stages/reader.py:_read_unchanged_seal": "a file, with what tells its change",
    "components/storage/places/local_backend.py:_verify_once": "the same",
    "components/pipeline/items/shard_items.py:_open_stage": "a reference to a stage, as JSON",
    "components/models/sources/hub.py:ask_hub": "whether the hub answers, no stage's content",
    "tasks/endpoint_blocks.py:read_block": "the address of a server, which is in no stage",
    "flows/preset_flow.py:preset_flow": "the name of a preset, whose file is part of the code",
    "flows/presets/preset.py:read_preset": "the same",
    "flows/cli/help/command_entries.py:_read_module": "the name of a module, which is part of the code",
    "tasks/engines/ray/messages.py:_rows_as_json": "nothing: how a type is written",
}


def test_nothing_of_a_run_is_cached_by_a_name() -> None:
    """What a cached function is given must say what is in the files: a reference to a sealed stage does."""
    wrong = []
    for path in sorted(
        p
        for room in ("tasks", "flows", "components/storage", "components/nodes", "components/pipeline")
        for p in (ROOT / room).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            cached = any(
                "cache" in ast.unparse(one).removeprefix("cached_property") for one in node.decorator_list
            )
            given = [ast.unparse(one.annotation or ast.Constant(None)) for one in node.args.args]
            name = f"{path.relative_to(ROOT)}:{node.name}"
            by_digest = any(one.arg.startswith("digest") for one in node.args.args)
            if cached and "StageRef" not in given and not by_digest and name not in BY_NAME:
                wrong.append(f"{name} is cached by {given}")
    assert not wrong, wrong
