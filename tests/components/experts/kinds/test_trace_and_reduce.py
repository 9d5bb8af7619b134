"""Nodes that trace and reduce experts: a model folder in, another out, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from components.errors import ConfigError, DataError, ModelError
from components.experts.kinds.reduce_experts import MODEL, ReduceExperts, ReduceExpertsSettings
from components.experts.kinds.trace_experts import TraceExperts, TraceExpertsSettings
from components.experts.reducing.trace import ExpertTrace
from components.files.files import read_json
from components.nodes.node_context import Item, NodeContext
from components.records import Utterance
from tests.components.experts.sparse_models import tiny

SITE = NodeContext("node", of=("data",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mixtral")
    tiny("mixtral").save_pretrained(path)
    words = {"<unk>": 0, "dog": 5, "cat": 6, "runs": 7}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, "<unk>")))
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save_pretrained(path)
    return path


def items(*texts: str) -> Iterator[Item]:
    for number, text in enumerate(texts):
        yield Item(utterance=Utterance(id=f"u{number}", text=text, source_language="en", references=("cat",)))


def trace(folder: Path, out: Path, *texts: str, **values: Any) -> Any:
    settings = TraceExpertsSettings(model=str(folder), max_tokens=5, device="cpu", **values)
    return TraceExperts().collect(settings, SITE, items(*texts), out)


class TracedSite(NodeContext):
    """A site whose table is a folder."""

    def table_folder(self, role: str) -> Path:
        return Path(self.name)


def reduced(folder: Path, traced: Path, out: Path, **values: Any) -> Path:
    out.mkdir()
    settings = ReduceExpertsSettings(model=str(folder), trace="trace", **values)
    ReduceExperts().make(settings, TracedSite(str(traced)), {}, out)
    return out / MODEL


def test_a_trace_decides_which_experts_are_left(folder: Path, tmp_path: Path) -> None:
    product = trace(
        folder, tmp_path, "dog runs", "cat", "", "dog dog dog dog dog dog", template="{text} {reference}"
    )
    assert product.items == 4
    empty, long = (record.detail for record in product.refused)
    assert "expected a text, found none" in empty
    assert "expected 1 to 5 tokens (max_tokens), found 7" in long
    assert all((tmp_path / name).is_file() for name in product.files)
    layers = ExpertTrace.read(tmp_path).layers
    assert sum(layers[0].routing.load) == 2 * 5  # two of six experts for three words and two references

    path = reduced(folder, tmp_path, tmp_path / "pruned", keep=3, by="frequency")
    assert AutoModelForCausalLM.from_pretrained(path).config.num_local_experts == 3
    best = sorted(range(6), key=lambda e: (-layers[0].routing.load[e], e))[:3]
    rows = read_json(tmp_path / "pruned" / "tables.json")["tables"][0]["rows"]
    assert [row["from"] for row in rows[:3]] == [str(e) for e in sorted(best)]
    merged = reduced(folder, tmp_path, tmp_path / "merged", keep=2, method="merge")
    assert read_json(merged / "config.json")["num_local_experts"] == 2
    with pytest.raises(ModelError, match="expected a trace with knock_out"):
        reduced(folder, tmp_path, tmp_path / "worth", keep=3, by="knock_out")


def test_all_experts_are_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    path = reduced(folder, tmp_path, tmp_path / "all")
    assert {p.name: p.read_bytes() for p in path.iterdir()} == {
        p.name: p.read_bytes() for p in folder.iterdir()
    }


def test_what_cannot_work_is_refused_before_anything_is_loaded(folder: Path, tmp_path: Path) -> None:
    kind, no_pairs = ReduceExperts(), frozenset[tuple[str, str | None]]()
    settings = ReduceExpertsSettings(model=str(folder), trace="trace", keep=1)
    with pytest.raises(ConfigError, match=r"keep: expected 2 \(experts that compute a token\) to 6"):
        kind.validate_models(settings, SITE, no_pairs)
    kind.validate_models(settings.model_copy(update={"keep": 3}), SITE, no_pairs)
    with pytest.raises(ValidationError, match="keep: expected a number of experts from 1 on, or all"):
        ReduceExpertsSettings(model="m", trace="t", keep=0)
    with pytest.raises(ValidationError, match="merging goes by likeness"):
        ReduceExpertsSettings(model="m", trace="t", keep=2, method="merge", by="frequency")
    with pytest.raises(ValidationError, match="seed: expected with by: random only, found with by: reap"):
        ReduceExpertsSettings(model="m", trace="t", keep=2, seed=1)
    with pytest.raises(ValidationError, match=r"expected \{text\} in the template"):
        TraceExpertsSettings(model="m", template="text")
    with pytest.raises(DataError, match="node: expected texts to trace, found none"):
        trace(folder, tmp_path, "")
