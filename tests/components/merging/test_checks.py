"""The doctor: what it refuses, what it warns of, what it lets pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from components.errors import MergeError, ModelError
from components.merging.checks import Diagnosis, examine
from components.merging.io.input_models import open_models
from components.merging.recipe.reader import parse_recipe
from components.models.checkpoints import checkpoint_of
from components.models.loaders.loading import load_transformers
from tests.components.merging.model_folders import folder, merged, recipe

W = torch.randn(40, 50, generator=torch.Generator().manual_seed(0))
NEAR = W + 0.1 * torch.randn(40, 50, generator=torch.Generator().manual_seed(1))
OTHER = torch.randn(40, 50, generator=torch.Generator().manual_seed(2))


def diagnosis(*models: Path, method: str = "linear") -> Diagnosis:
    text = recipe(method, None, *((m, "{weight: 1}") for m in models))
    read = parse_recipe(text)
    with open_models(read) as (folders, checkpoints):
        return examine(read, folders, checkpoints)


def refusals(*models: Path) -> str:
    result = diagnosis(*models)
    with pytest.raises(MergeError):
        result.require()
    return " ".join(finding.text for finding in result.refusals)


def test_descendants_pass(tmp_path: Path) -> None:
    result = diagnosis(folder(tmp_path / "a", {"w": W}), folder(tmp_path / "b", {"w": NEAR}))
    assert not result.findings
    assert result.similarities[0].median == pytest.approx(0.995, abs=0.002)
    assert result.similarities[0].layers[0].cosine == pytest.approx(result.similarities[0].median, abs=1e-5)
    result.require()


def test_unrelated_initializations_are_a_loud_warning(tmp_path: Path) -> None:
    result = diagnosis(folder(tmp_path / "a", {"w": W}), folder(tmp_path / "b", {"w": OTHER}))
    (finding,) = result.findings
    assert "DIFFERENT INITIALIZATIONS" in finding.text and str(finding) == f"warning: {finding.text}"
    assert abs(result.similarities[0].median) < result.similarities[0].layers[0].unrelated_bound
    result.require()


def test_vectors_do_not_speak_for_lineage(tmp_path: Path) -> None:
    """Norms are near one in every model: alike, and no sign of a common origin."""
    a = folder(tmp_path / "a", {"w": W, "norm": torch.ones(50)})
    b = folder(tmp_path / "b", {"w": OTHER, "norm": torch.ones(50)})
    assert not diagnosis(a, b).similarities[0].is_related


def test_sizes_names_and_architectures(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", {"w": W, "v": W.clone()})
    assert "no tensor v" in refusals(a, folder(tmp_path / "b", {"w": W}))
    assert "expected [40, 50]" in refusals(a, folder(tmp_path / "c", {"w": W[:30].clone(), "v": W.clone()}))
    other = folder(tmp_path / "d", {"w": W, "v": W.clone()}, architectures=["OtherModel"])
    assert "ToyModel and OtherModel" in refusals(a, other)
    for key in ("num_attention_heads", "num_experts_per_tok"):
        other = folder(tmp_path / key, {"w": W, "v": W.clone()}, **{key: 5})
        assert f"{key} None and 5" in refusals(a, other)


def test_special_ids_and_positions_are_doubtful(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", {"w": W}, eos_token_id=1, rope_theta=1e4)
    b = folder(tmp_path / "b", {"w": NEAR}, eos_token_id=2, rope_theta=1e6)
    assert [finding.level for finding in diagnosis(a, b).findings] == ["warning", "warning"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite(tmp_path: Path, bad: float) -> None:
    broken = W.clone()
    broken[3, 4] = bad
    a, b = folder(tmp_path / "a", {"w": W}), folder(tmp_path / "b", {"w": broken})
    assert "tensor w has 1 values that are not finite" in refusals(a, b)


def test_large_finite_values_pass(tmp_path: Path) -> None:
    """Their sum is infinite, they are not."""
    huge = torch.full((40, 50), 3e38)
    assert not diagnosis(folder(tmp_path / "a", {"w": huge})).refusals


def test_weights_that_are_tied_and_differ(tmp_path: Path) -> None:
    pair = {"model.embed_tokens.weight": W, "lm_head.weight": OTHER}
    assert "their values differ" in refusals(folder(tmp_path / "a", pair, tie_word_embeddings=True))


def test_an_untied_output_layer_is_not_lost(tmp_path: Path) -> None:
    output_layer = {"model.embed_tokens.weight": W, "lm_head.weight": OTHER}
    untied = folder(tmp_path / "untied", output_layer)
    tied = folder(tmp_path / "tied", {"model.embed_tokens.weight": NEAR}, tie_word_embeddings=True)
    assert f"found lm_head.weight of its own in {untied} and none in {tied}" in refusals(tied, untied)
    text = recipe("linear", None, (untied, "{weight: 0.5}"), (tied, "{weight: 0.5}"))
    out = merged(text, tmp_path / "out")
    torch.testing.assert_close(out["lm_head.weight"], (OTHER + NEAR) / 2)
    torch.testing.assert_close(out["model.embed_tokens.weight"], (W + NEAR) / 2)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is False
    with pytest.raises(
        MergeError, match=r"name a model like .* first"
    ):  # config.json would be the tied one's
        merged(recipe("task_arithmetic", tied, (untied, "{weight: 1}")), tmp_path / "lost")


def test_integers_that_differ(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", {"w": W, "n": torch.tensor([1, 2])})
    b = folder(tmp_path / "b", {"w": NEAR, "n": torch.tensor([1, 3])})
    assert [f.text for f in diagnosis(a, b).findings] == [
        "n: integers differ and are not merged; the first model's stay"
    ]


def test_values_that_do_not_go_together(tmp_path: Path) -> None:
    base, a = folder(tmp_path / "a", {"w": W}), folder(tmp_path / "b", {"w": NEAR})
    for method, values, expected in (
        ("della", "{weight: 1, density: 0.95}", "expected density ± epsilon between 0 and 1"),
        ("ties", "{weight: 0.5}", "semantics: paper has no weights"),
    ):
        text = recipe(method, base, (a, values), parameters="{semantics: paper}")
        read = parse_recipe(text, "r.yml")
        with open_models(read) as (folders, checkpoints):
            (refused,) = examine(read, folders, checkpoints).refusals
        assert expected in refused.text
        assert method == "ties" or refused.text.startswith("r.yml:3: models: ")


def test_a_tokenizer_that_the_output_lacks(tmp_path: Path) -> None:
    """Weights alone are merged, as mergekit does."""
    bare, whole = (
        folder(tmp_path / name, {"w": W}, architectures=["MarianMTModel"], model_type="marian")
        for name in "ab"
    )
    for name in ("source.spm", "target.spm", "vocab.json"):
        (whole / name).write_text("{}")

    def warnings(base: str = "") -> str:
        text = recipe("linear", None, (bare, "{weight: 1}"), (whole, "{weight: 1}")) + base
        read = parse_recipe(text)
        with open_models(read) as (folders, checkpoints):
            found = examine(read, folders, checkpoints).findings
        assert {finding.level for finding in found} <= {"warning", "note"}
        return " ".join(finding.text for finding in found if "has no" in finding.text)

    assert warnings().startswith(f"{bare}: has no source.spm, target.spm, vocab.json, so that the output has")
    (bare / "source.spm").touch()
    assert "has no target.spm, vocab.json, so" in warnings()
    assert not warnings(f"\nbase_model: {whole}")
    merged(recipe("linear", None, (bare, "{weight: 1}"), (whole, "{weight: 1}")), tmp_path / "out")
    with pytest.raises(ModelError, match=r"expected a tokenizer beside the weights .*, found no target.spm"):
        load_transformers(checkpoint_of(tmp_path / "out", "out"), "seq2seq")
