"""Jackknife parts, joined texts, and the learner of the second system."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.errors import DataError
from components.files.files import write_json
from components.records import Utterance
from components.stacking.config import PreTranslationConfig
from components.stacking.methods import join_tokens
from components.stacking.training import jackknife
from components.stacking.training.pre_translation import DraftLearner, join_texts, split_folds
from components.training.config import TrainingConfig
from components.training.examples.batches import collate
from tests.components.stacking.tiny import stacked


@given(st.integers(1, 20), st.integers(0, 60))
def test_every_item_is_in_exactly_one_part(count: int, total: int) -> None:
    parts = split_folds(count, total)
    assert sorted(i for part in parts for i in part) == list(range(total))
    assert not parts or max(map(len, parts)) - min(map(len, parts)) <= 1


def train(folder: Path, data: list[Utterance], dev: list[Utterance]) -> None:
    config = PreTranslationConfig(init_from="m", folds=3)
    jackknife.train_pre_translation(folder, config, data, (dev, []), ("en", "de"), None, lambda percent: None)


def test_too_little_data_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    read = [
        Utterance(id=f"u{n}", text=f"s{n}", source_language="en", references=("rot",), target_language="de")
        for n in range(3)
    ]
    with pytest.raises(DataError, match="expected at least 3 sources to jackknife, found 2"):
        train(tmp_path, read[:2], read)
    with pytest.raises(DataError, match="expected development data with drafts and references, found none"):
        train(tmp_path, read, [])


def test_folds_that_were_drafted_are_not_drafted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted training goes on where it stopped; a text whose draft is empty is left out."""
    read = [
        Utterance(id=f"u{n}", text=f"s{n}", source_language="en", references=(f"t{n}",), target_language="de")
        for n in range(4)
    ]
    learned: list[tuple[str, str]] = []
    monkeypatch.setattr(jackknife, "train", lambda *_: pytest.fail("a fold was trained again"))
    monkeypatch.setattr(jackknife, "DraftLearner", lambda config, pairs, *_: learned.extend(pairs[0]))
    monkeypatch.setattr(jackknife.DraftLearner, "score_name", "bleu", raising=False)
    monkeypatch.setattr(
        jackknife,
        "make_model",
        lambda config, folder, learner, *_: learner(config, folder, torch.device("cpu")),
    )
    folds = split_folds(2, len(read))
    for number, held_out in enumerate(folds):
        drafts = [f"d{i}" if i else "" for i in held_out]
        folder = tmp_path / jackknife.WORK / f"fold-{number}"
        folder.mkdir(parents=True)
        write_json(folder / "drafts.json", {"drafts": drafts})
    config, dev = PreTranslationConfig(init_from="m", folds=2), [("s", "t")]
    jackknife.train_pre_translation(
        tmp_path, config, read, (read, dev), ("en", "de"), None, lambda percent: None
    )
    assert sorted(learned) == [(join_texts(f"s{n}", f"d{n}"), f"t{n}") for n in (1, 2, 3)]


def test_no_first_system_has_learned_the_source_that_it_drafts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another reference of a source, or the same sentence again, would make its drafts too good."""
    texts = [("a", ("1", "2")), ("b", ("3",)), ("a", ("4",)), ("c", ("5", "6")), ("d", ("7",))]
    data = [
        Utterance(id=f"u{n}", text=text, source_language="en", references=references, target_language="de")
        for n, (text, references) in enumerate(texts)
    ]
    drafted = []

    def draft_fold(
        work: Path, config: object, pairs: tuple[list[tuple[str, str]], ...], *_: object
    ) -> list[str]:
        rest, _dev, held_out = pairs
        assert {source for source, _ in rest}.isdisjoint(source for source, _ in held_out)
        assert len(rest) + len(held_out) == 7
        drafted.extend(held_out)
        return ["draft"] * len(held_out)

    monkeypatch.setattr(jackknife, "_draft_fold", draft_fold)
    monkeypatch.setattr(jackknife, "make_model", lambda *_: None)
    config = PreTranslationConfig(init_from="m", folds=2)
    dev = (data, [("s", "t")])
    jackknife.train_pre_translation(tmp_path, config, data, dev, ("en", "de"), None, lambda percent: None)
    assert sorted(target for _, target in drafted) == list("1234567")


def test_a_joined_text_is_both_sequences(text_folder: Path) -> None:
    tokenizer = stacked(text_folder).tokenizer
    short = SimpleNamespace(tokenizer=tokenizer, config=SimpleNamespace(max_length=3))
    with pytest.raises(DataError, match="at most 3 pieces together, found none in 1: train the first"):
        DraftLearner._tokenize(short, [(join_texts("ein hund", "rot blau"), "rot")])  # type: ignore[arg-type]
    ids = [tuple(tokenizer(text).input_ids) for text in ("ein hund", "rot blau")]
    assert tuple(tokenizer(join_texts("ein hund", "rot blau")).input_ids) == join_tokens(*ids)
    assert join_texts("ein</s>hund\n", " rot") == "ein hund</s>rot"


def test_the_learner_is_cross_entropy_over_joined_texts(text_folder: Path, tmp_path: Path) -> None:
    config = TrainingConfig(init_from=str(text_folder), label_smoothing=0.0, dropout=0.0, eval_sentences=2)
    pairs = [(join_texts("ein hund", "rot"), "blau"), (join_texts("baum", "katze"), "rot rot")]
    learner = DraftLearner(config, (pairs, pairs), torch.device("cpu"))
    loss, count = learner.loss([0, 1])
    batch = collate(learner.examples, learner.model.config.pad_token_id)
    with torch.no_grad():
        out = learner.model(
            input_ids=batch.source, attention_mask=batch.mask, decoder_input_ids=batch.inputs
        ).logits
        expected = torch.nn.functional.cross_entropy(out.flatten(0, 1), batch.labels.flatten())
    assert count == int((batch.labels != -100).sum())
    torch.testing.assert_close(loss.detach(), expected)
    assert learner.dev_loss() == pytest.approx(float(expected), rel=1e-5)
    assert 0 <= learner.dev_score() <= 100
    learner.export(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    with pytest.raises(DataError, match="found none"):
        DraftLearner(config.model_copy(update={"max_length": 4}), (pairs, pairs), torch.device("cpu"))
