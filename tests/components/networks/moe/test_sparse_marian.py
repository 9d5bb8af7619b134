"""A translator with experts: trained by the one loop, loaded by our loader, decoded by our search."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from components.decoding.config import SearchConfig
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import digest_of
from components.decoding.searches.search import search
from components.errors import ConfigError, DataError, ModelError
from components.experts import multilingual
from components.experts.config import ExpertsConfig
from components.experts.multilingual_learner import MultilingualLearner, build_model
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.networks.moe.moe_block import moe_blocks
from components.networks.moe.sparse_marian import SparseMarianMTModel
from components.records import NBest, Utterance
from components.training.examples import vocabulary
from components.training.loop.trainer import train
from components.translation.config import TranslationConfig
from components.translation.factory import build
from tests.components.training.tiny import TINY, WORDS, draw_lines, write_copies

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("toy")
    lines = draw_lines(40)
    for name, part in (("toy", lines), ("dev", lines[:4])):
        write_copies(folder, part, name)
        write_copies(folder, [line[::-1] for line in part], name, languages=["fr"])
    toy = {"data": f"multi30k:{folder}:toy", "dev": f"multi30k:{folder}:dev", "target_language": "de,fr"}
    small = {**TINY, "vocab_size": 90, "num_layers": 2, "ffn_dim": 8, "num_experts": 4}
    return {**small, **toy, "max_steps": 4, "eval_every": 2, "eval_sentences": 4, "average_checkpoints": 1}


@pytest.fixture(scope="module")
def folder(settings: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(ExpertsConfig.model_validate(settings), out, make_learner=MultilingualLearner)
    return out / "model"


def test_the_folder_loads_with_every_tensor(folder: Path) -> None:
    checkpoint = resolve(str(folder))
    assert checkpoint.architecture == "SparseMarianMTModel"
    model, tokenizer = load_transformers(checkpoint, "seq2seq")
    assert isinstance(model, SparseMarianMTModel)
    assert len(moe_blocks(model)) == 4
    assert tokenizer.convert_tokens_to_ids(">>fr<<") != tokenizer.unk_token_id


def test_a_missing_expert_is_named(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.encoder.layers.1.fc1.experts.down"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"encoder\.layers\.1\.fc1\.experts\.down"):
        load_transformers(resolve(str(tmp_path)), "seq2seq")


@pytest.mark.parametrize("arithmetic", [None, "float32"])
def test_search_equals_generate(folder: Path, arithmetic: str | None) -> None:
    model, tokenizer = load_transformers(resolve(str(folder)), "seq2seq")
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # far from ties
            if parameter.dim() > 1 and "position" not in name:
                parameter.mul_(6.0)
    inputs = tokenizer([">>de<< rot hund", ">>fr<< blau haus baum"], return_tensors="pt", padding=True)
    expected = model.generate(**inputs, num_beams=1, max_new_tokens=8, forced_eos_token_id=None)
    ready = Seq2SeqModel(model, digest_of(tokenizer.get_vocab()), "toy", arithmetic)  # type: ignore[arg-type]
    member = ready.build_scorer(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
    result = search([member], SearchConfig(beam_size=1, n_best=1, max_new_tokens=8))
    for candidates, ids in zip(result, expected.tolist(), strict=True):
        tokens = [t for t in ids[1:] if t != model.config.pad_token_id]
        assert list(candidates[0].tokens) == [t for t in tokens if t != 0][: len(candidates[0].tokens)]


def test_it_translates_like_any_translator(folder: Path) -> None:
    translator = build(
        TranslationConfig(model=str(folder), max_tokens=6, n_best=3, beam_size=3, device="cpu")
    )
    asked = [Utterance(id=t, text="rot hund", source_language="en", target_language=t) for t in ("de", "fr")]
    outcomes = translator.translate(asked)
    assert all(isinstance(o, NBest) and len(o.hypotheses) == 3 for o in outcomes)


def test_upcycling_in_a_training(settings: dict[str, object], tmp_path: Path) -> None:
    dense = ExpertsConfig.model_validate({**settings, "num_experts": 0})
    train(dense, tmp_path / "dense", make_learner=MultilingualLearner)
    start = str(tmp_path / "dense" / "model")
    learner = MultilingualLearner(
        ExpertsConfig.model_validate({**settings, "init_from": start}), tmp_path / "up", torch.device("cpu")
    )
    original = MultilingualLearner(
        ExpertsConfig.model_validate({**settings, "init_from": start, "num_experts": 0}),
        tmp_path / "again",
        torch.device("cpu"),
    )
    assert isinstance(learner.model, SparseMarianMTModel)
    learner.model.eval(), original.model.eval()
    assert learner.dev_loss() == pytest.approx(original.dev_loss(), rel=1e-5)


def test_the_balance_loss_is_part_of_the_loss(settings: dict[str, object], tmp_path: Path) -> None:
    def loss(**changes: object) -> float:
        config = ExpertsConfig.model_validate({**settings, "dropout": 0.0, **changes})
        learner = MultilingualLearner(config, tmp_path, torch.device("cpu"))
        return learner.loss([0, 1, 41])[0].item()

    plain = loss(balance_loss="none", z_loss_weight=0.0)
    # Four layers, each near 1 when even (initial routers are), at weight 1.
    assert loss(balance_loss="switch", balance_loss_weight=1.0, z_loss_weight=0.0) - plain > 3.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_language": "de,de"}, "expected different languages"),
        ({"init_from": "packaged:multi30k-en-de"}, r"expected a vocabulary with the piece >>de<<"),
    ],
)
def test_bad_settings(
    settings: dict[str, object], tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        MultilingualLearner(
            ExpertsConfig.model_validate({**settings, **changes}), tmp_path, torch.device("cpu")
        )


@pytest.mark.parametrize("changes", [{"top_k": 5}, {"balance_loss": "shazeer"}])
def test_impossible_settings(settings: dict[str, object], changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"top_k: expected 1 to 4|shazeer's load loss needs noisy"):
        ExpertsConfig.model_validate({**settings, **changes})


def test_config_json_says_what_it_is(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["SparseMarianMTModel"]
    assert (config["num_local_experts"], config["num_experts_per_tok"]) == (4, 2)


def test_other_experts_than_those_of_the_start_are_refused(
    settings: dict[str, object], folder: Path, tmp_path: Path
) -> None:
    config = ExpertsConfig.model_validate({**settings, "init_from": str(folder)})
    assert isinstance(build_model(config, 90, None), SparseMarianMTModel)
    with pytest.raises(ConfigError, match=r"init_from: .*'num_experts_per_tok': 1.*'num_experts_per_tok': 2"):
        build_model(config.model_copy(update={"top_k": 1}), 90, None)


def test_a_language_without_short_pairs_is_named() -> None:
    spm = vocabulary.train([" ".join(WORDS)] * 3, 64)
    short, long = [("rot hund", "rot")], [("rot hund", " ".join(WORDS * 9))]
    assert len(multilingual.encode({"de": short}, spm, 20)) == 1
    with pytest.raises(DataError, match=r"^fr: "):
        multilingual.encode({"de": short, "fr": long}, spm, 20)
