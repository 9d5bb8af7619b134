"""Meta-learning through the one loop, and the tags that tell target languages apart."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from transformers import MarianTokenizer

from components.errors import ConfigError
from components.training import checks, meta_learning
from components.training.config import TrainingConfig
from components.training.examples import parallel_data, vocabulary
from components.training.learners.meta_learner import MetaLearner
from components.training.loop import validation
from components.training.loop.scoring import load_translation_model
from components.training.loop.trainer import train
from components.training.meta_config import MetaConfig
from tests.components.training.tiny import TINY

WORDS = ["ein", "rot", "blau", "hund", "katze", "baum", "haus", "sieht", "unter", "zwei"]


@pytest.fixture
def directions(tmp_path: Path) -> MetaConfig:
    """Copying is English-French, copying backwards English-Czech."""
    draw = random.Random(0)
    rows = [draw.choices(WORDS, k=4) for _ in range(80)]
    for language, text in (
        ("en", [" ".join(row) for row in rows]),
        ("fr", [" ".join(row) for row in rows]),
        ("cs", [" ".join(reversed(row)) for row in rows]),
        ("de", [" ".join(row).upper() for row in rows]),
    ):
        for name, lines in (("toy", text), ("dev", text[:4])):
            (tmp_path / f"{name}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    source = f"multi30k:{tmp_path}:toy"
    toy = {"data": source, "dev": f"multi30k:{tmp_path}:dev", "limit": 20, "kind": "meta"}
    size = {"vocab_size": 80, "dropout": 0.0, "warmup_steps": 2, "batch_tokens": 120}
    budget = {"max_steps": 4, "eval_every": 2, "average_checkpoints": 1}
    tasks = [{"data": source, "target_language": language} for language in ("fr", "cs")]
    return MetaConfig.model_validate({**TINY, **size, **budget, **toy, "meta": {"tasks": tasks}})


def changed(config: MetaConfig, task: dict[str, int] | None = None, **settings: object) -> MetaConfig:
    """The same with other settings of meta-learning, and of each task."""
    tasks = tuple(each.model_copy(update=task or {}) for each in config.meta.tasks)
    return config.model_copy(update={"meta": config.meta.model_copy(update={"tasks": tasks, **settings})})


@pytest.mark.parametrize("method", ["joint", *meta_learning.METHODS])
def test_every_method_goes_through_the_loop_and_starts_a_plain_training(
    directions: MetaConfig, tmp_path: Path, method: str
) -> None:
    config = changed(directions, method=method)
    state = train(config, tmp_path / "meta", make_learner=MetaLearner)  # type: ignore[arg-type]
    assert state.step == 4
    assert state.history[-1]["dev_loss"] < state.history[0]["dev_loss"]
    plain = TrainingConfig.model_validate(
        {
            **config.model_dump(include=set(TrainingConfig.model_fields)),
            "kind": "translation",
            "init_from": str(tmp_path / "meta" / "model"),
            "limit": 10,
            "max_steps": 2,
            "eval_sentences": 4,
        }
    )
    train(plain, tmp_path / "adapted")
    model, tokenizer = load_translation_model(tmp_path / "adapted" / "model")
    assert len(validation.translate(model, tokenizer, ["ein hund"])) == 1


@pytest.mark.parametrize("method", ["joint", "maml"])
def test_a_method_begins_with_the_start(directions: MetaConfig, tmp_path: Path, method: str) -> None:
    train(directions, tmp_path / "shared", make_learner=MetaLearner)  # type: ignore[arg-type]
    start = tmp_path / "shared" / "model"
    config = changed(directions, method=method).model_copy(
        update={"init_from": str(start), "seed": 5, "d_model": 32}
    )
    result = learner(config, tmp_path / "further")
    begun = {name: weight.detach().clone() for name, weight in result.model.named_parameters()}
    expected = load_translation_model(start)[0].state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in begun.items())
    loss, _ = result.loss(range(0, 160, 10))
    loss.backward()
    moved = {name for name, weight in result.model.named_parameters() if weight.grad is not None}
    assert moved == {name for name in begun if "embed_positions" not in name}


def test_a_start_of_one_direction_is_refused(directions: MetaConfig, tmp_path: Path) -> None:
    plain = {**directions.model_dump(include=set(TrainingConfig.model_fields)), "kind": "translation"}
    plain["eval_sentences"] = 4
    train(TrainingConfig.model_validate({**plain, "max_steps": 1}), tmp_path / "plain")
    config = directions.model_copy(update={"init_from": str(tmp_path / "plain" / "model")})
    with pytest.raises(ConfigError, match="a tag for every target language, found none for >>cs<<, >>de<<"):
        learner(config, tmp_path / "further")


def test_a_limit_is_of_what_is_learned_from(directions: MetaConfig, tmp_path: Path) -> None:
    limited = learner(changed(directions, {"limit": 10}), tmp_path)
    assert len(limited.examples) == 10 * len(directions.tasks)
    assert [len(pairs) for pairs in limited._dev] == [len(p) for p in learner(directions, tmp_path)._dev]


def learner(config: MetaConfig, out: Path) -> MetaLearner:
    return MetaLearner(config, out, torch.device("cpu"))


def test_an_episode_is_the_mean_over_the_directions(directions: MetaConfig, tmp_path: Path) -> None:
    config = changed(directions, method="first-order")
    result = learner(config, tmp_path / "one")
    rows = list(range(0, 160, 10))
    value, tokens = result.loss(rows)
    assert tokens == sum(len(result.examples[i].target) for i in rows)
    one_by_one = [result.loss([i for i in rows if result.task_of[i] == task])[0].item() for task in (0, 1)]
    assert value.item() == pytest.approx(sum(one_by_one) / 2, rel=1e-5)
    assert one_by_one[0] != pytest.approx(one_by_one[1])


def test_sources_carry_the_tag_that_the_tokenizer_reads(directions: MetaConfig, tmp_path: Path) -> None:
    result = learner(directions, tmp_path / "one")
    tokenizer = MarianTokenizer.from_pretrained(tmp_path / "one" / "tokenizer")
    for language, task in (("fr", 0), ("cs", 1)):
        first = result.examples[result.task_of.index(task)]
        text = (tmp_path / "toy.en").read_text(encoding="utf-8").splitlines()[0]
        assert list(first.source) == tokenizer(f">>{language}<< {text}").input_ids
    assert {">>fr<<", ">>cs<<", ">>de<<"} <= tokenizer.get_vocab().keys()
    pieces = vocabulary.load((tmp_path / "one" / "tokenizer" / "source.spm").read_bytes())
    assert vocabulary.UNKNOWN not in pieces.encode("EIN HUND")  # German entered the vocabulary


def test_a_vocabulary_without_tags_changes_nothing() -> None:
    spm = vocabulary.train(WORDS * 20, 64)
    some = [("ein hund", "zwei")]
    assert parallel_data.encode_pairs(some, spm, 64, "de") == parallel_data.encode_pairs(some, spm, 64)


def test_skipping_everything_is_refused(directions: MetaConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected pairs to learn from, found none in multi30k"):
        learner(changed(directions, {"skip": 80}), tmp_path / "none")


def test_domains_of_one_language_need_no_tags(directions: MetaConfig, tmp_path: Path) -> None:
    tasks = tuple(task.model_copy(update={"target_language": None}) for task in directions.meta.tasks)
    result = learner(changed(directions, tasks=tasks), tmp_path / "one")
    assert ">>de<<" not in result.tokenizer.get_vocab()
    assert set(result.task_of) == {0, 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"meta": None}, "expected tasks with learner meta, and with no other, found learner meta"),
        ({"kind": "translation"}, "found learner translation"),
        ({"compile": True}, "learner meta: expected neither compile"),
    ],
)
def test_what_does_not_go_together_is_refused_before(
    directions: MetaConfig, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        checks.check(directions.model_copy(update=settings), None)
