"""A model with another's tokenizer: rows of shared tokens stay, others are sums of shared ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from components.errors import MergeError
from components.merging.checks import examine_recipe
from components.merging.recipe.reader import parse_recipe
from components.merging.tokenizer.transplant import orthogonal_matching_pursuit
from tests.components.merging.model_folders import merged
from tests.components.merging.tokenizer.test_output_tokenizer import word_level_model


def test_matching_pursuit_is_that_of_a_loop() -> None:
    random = np.random.default_rng(0)
    targets, atoms = random.normal(size=(5, 7)), random.normal(size=(12, 7)) * random.uniform(0.2, 3, (12, 1))
    chosen, factors = orthogonal_matching_pursuit(
        torch.tensor(targets).float(), torch.tensor(atoms).float(), 3
    )
    for n, target in enumerate(targets):
        picked: list[int] = []
        left = target
        for _ in range(3):
            scores = [
                abs(left @ a) / np.linalg.norm(a) if i not in picked else -1 for i, a in enumerate(atoms)
            ]
            picked.append(int(np.argmax(scores)))
            solution = np.linalg.lstsq(atoms[picked].T, target, rcond=None)[0]
            left = target - solution @ atoms[picked]
        assert chosen[n].tolist() == picked
        np.testing.assert_allclose(factors[n].numpy(), solution, rtol=1e-4, atol=1e-5)


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    """The donor is wider; its "maus" is 2 katze - 0.5 hund."""
    own = word_level_model(tmp_path / "own", ["<unk>", "hund", "floh", "katze"], 1.0, bos_token_id=2)
    donor = word_level_model(tmp_path / "donor", ["<unk>", "katze", "maus", "hund"], 3.0, bos_token_id=1)
    embedding = torch.tensor([[0.0, 0, 5], [1, 0, 0], [2, -1.0, 0], [0, 2, 0]])
    save_file(
        {"model.embed_tokens.weight": embedding}, donor / "model.safetensors", metadata={"format": "pt"}
    )
    return own, donor


def recipe(models: tuple[Path, Path], k: int) -> str:
    own, donor = models
    return (
        f"merge_method: transplant_tokenizer\nbase_model: {own}\nmodels: [{{model: {donor}}}]\n"
        f"parameters: {{k: {k}}}\n"
    )


def test_a_new_token_is_the_same_sum_of_the_models_own_rows(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    own = load_file(models[0] / "model.safetensors")["model.embed_tokens.weight"]
    assert not examine_recipe(parse_recipe(recipe(models, 2)), None).refusals
    out = merged(recipe(models, 2), tmp_path / "out")
    rows = out["model.embed_tokens.weight"]
    vocabulary = AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab()
    assert vocabulary == {"<unk>": 0, "katze": 1, "maus": 2, "hund": 3}
    torch.testing.assert_close(rows[vocabulary["hund"]], own[1])
    torch.testing.assert_close(rows[vocabulary["maus"]], 2 * own[3] - 0.5 * own[1])
    torch.testing.assert_close(out["final_logits_bias"], torch.tensor([[0.0, 3.0, 5.5, 1.0]]))
    config = (tmp_path / "out" / "config.json").read_text()
    assert '"vocab_size": 4' in config and '"bos_token_id": 1' in config


def test_too_few_shared_tokens_are_refused(models: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(
        MergeError, match=r"expected k from 1 to the number of tokens that it shares .* \(3\), found 9"
    ):
        merged(recipe(models, 9), tmp_path / "out")
