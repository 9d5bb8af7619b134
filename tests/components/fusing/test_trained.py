"""The correction model: it reads what it was trained on, and writes what its own greedy search would."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import MarianMTModel

from components.errors import ConfigError, DataError
from components.files.files import read_json
from components.fusing import checks, training
from components.fusing.config import FuseConfig, FuseTrainingConfig
from components.fusing.prompted import Question
from components.fusing.trained import SETTINGS, TrainedFuser
from components.fusing.training import FusedSet, FuseLearner, make_pairs, train_fuser
from components.records import Audio, Utterance
from components.stacking.training.pre_translation import join_texts
from components.training.config import TrainingConfig
from components.training.loop import validation
from tests.components.nodes.items import nbest
from tests.components.stacking.tiny import text_model

SOUND = Audio(path="/x.wav", sha256="0" * 64, seconds=9.0, sample_rate=16000)
CPU = torch.device("cpu")
QUESTION = Question(["ein hund", "ein rot hund", "zwei hund"], "", ("de", "de"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny correction model as its training exports it, before its first step."""
    start = text_model(tmp_path_factory.mktemp("start"))
    config = TrainingConfig(init_from=str(start), dropout=0.0)
    pairs = [(join_texts("ein hund", "rot"), "blau")]
    learner = FuseLearner(config, (pairs, pairs), CPU)
    learner.reads = {"candidates": 2, "source": 0}
    exported = tmp_path_factory.mktemp("fuse")
    learner.export(exported)
    return exported


def test_it_reads_the_candidates_that_it_was_trained_on(folder: Path) -> None:
    fuser = TrainedFuser(FuseConfig(method="trained", model=str(folder), beam_size=1, max_tokens=8), None)
    assert read_json(folder / SETTINGS) == {"candidates": 2, "source": 0}
    joined = join_texts("ein hund", "ein rot hund")
    ids = fuser._tokenizer(joined).input_ids
    assert fuser.tokenize(QUESTION) == tuple(ids)
    evil = QUESTION._replace(candidates=["ein</s> hund", "ein <pad>rot hund"])
    assert fuser.tokenize(evil) == tuple(ids)


def test_it_writes_what_transformers_would(folder: Path) -> None:
    fuser = TrainedFuser(FuseConfig(method="trained", model=str(folder), beam_size=1, max_tokens=8), None)
    other = QUESTION._replace(candidates=["baum über haus katze", "zwei"])
    model = MarianMTModel.from_pretrained(folder).eval()
    expected = []
    for question in (QUESTION, other):
        ids = torch.tensor([fuser.tokenize(question)])
        out = model.generate(ids, num_beams=1, do_sample=False, max_new_tokens=8)
        expected.append(fuser._tokenizer.decode(out[0], skip_special_tokens=True))
    assert [answer.text for answer in fuser.answer([QUESTION, other])] == expected


def test_pairs_are_candidates_beside_references() -> None:
    spoken = [
        Utterance(id="x", audio=SOUND, source_language="en", transcript="a b"),
        Utterance(id="y", audio=SOUND, source_language="en", transcript=""),
        Utterance(id="z", audio=SOUND, source_language="en", transcript="c"),
    ]
    lists = [{"x": nbest("x", "a", "b"), "y": nbest("y", "q")}, {"x": nbest("x", "a c")}]
    assert make_pairs(FusedSet(spoken, lists), 2, transcripts=True) == [("a</s>a c", "a b")]
    written = [Utterance(id="x", text="one", source_language="en", references=("r", "s"))]
    assert make_pairs(FusedSet(written, lists), 5, transcripts=False) == [
        ("one</s>a</s>a c</s>b", "r"),
        ("one</s>a</s>a c</s>b", "s"),
    ]


def test_development_bleu_counts_characters_where_there_are_no_spaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = [
        Utterance(id=f"{n}", audio=SOUND, source_language="zh", transcript="我爱喝茶和咖啡。")
        for n in range(50)
    ]
    fused = FusedSet(spoken, [{u.id: nbest(u.id, "茶") for u in spoken}])
    config = FuseTrainingConfig(init_from=str(text_model(tmp_path / "start")))
    monkeypatch.setattr(validation, "translate", lambda *_, **__: ["我喜欢喝茶和咖啡。"] * 50)
    monkeypatch.setattr(
        training, "make_model", lambda settings, out, learner, *_: learner(settings, out, CPU).dev_score()
    )
    score = train_fuser(tmp_path, config, (fused, fused), None, lambda percent: None, transcripts=True)
    assert score > 50  # type: ignore[operator]  # it is the score here


def test_what_cannot_be_learned_from_or_used_is_one_line(folder: Path, tmp_path: Path) -> None:
    few = FusedSet([Utterance(id="x", audio=SOUND, source_language="en", transcript="a")], [{}])
    with pytest.raises(DataError, match=r"expected at least 50 training utterances .* found 0; give more"):
        train_fuser(tmp_path, FuseTrainingConfig(), (few, few), None, lambda percent: None, transcripts=True)
    plain = text_model(tmp_path / "plain")
    with pytest.raises(ConfigError, match="expected a model of kind train_fuse for method trained"):
        TrainedFuser(FuseConfig(method="trained", model=str(plain)), None)
    trained = FuseConfig(method="trained", model=str(folder), gate="off")
    checks.validate_models(trained, None, [], transcripts=True)
    with pytest.raises(
        ConfigError, match=r"trained on translations, found .*, which was trained on transcripts"
    ):
        checks.validate_models(trained, None, [], transcripts=False)
    with pytest.raises(ConfigError, match="expected a causal language model for method prompted"):
        checks.validate_models(trained.model_copy(update={"method": "prompted"}), None, [], transcripts=True)
    with pytest.raises(ConfigError, match="gate round_trip: expected a translation"):
        checks.check(FuseConfig(gate="round_trip"), None, transcripts=True)
