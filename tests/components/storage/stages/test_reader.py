from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.errors import DataError, StoreError
from components.records import Hypothesis, NBest, Utterance
from components.run_record import StageRef
from components.storage.stages.reader import (
    languages_of,
    read_best_texts,
    read_nbests,
    read_quarantined,
    read_utterances,
)
from components.storage.stages.stored_records import StoredOutcomes, StoredUtterances
from components.storage.store import Store
from tests.components.storage.test_store import refusal
from tests.components.storage.written import written

NAMES = ["é", "b", "c", "d"]


def nbest(name: str) -> NBest:
    texts = (f"heard {name}\u2028", "else")
    return NBest(
        utterance_id=name,
        hypotheses=tuple(Hypothesis(text=t, score=-1, n_tokens=1, system="s") for t in texts),
        language="fr",
    )


@pytest.fixture
def data(tmp_path: Path) -> StageRef:
    audio = {"path": "x.wav", "sha256": "0" * 64, "seconds": 1, "sample_rate": 16000}
    sources = {"é": {"audio": audio}, "b": {"audio": audio}, "c": {"text": "written"}, "d": {"audio": audio}}
    utterances = [
        Utterance.model_validate({"id": name, "source_language": "en", **source})
        for name, source in sources.items()
    ]
    return written(Store(str(tmp_path)), "data", utterances, size=2)


@pytest.fixture
def asr(tmp_path: Path) -> StageRef:
    return written(Store(str(tmp_path)), "asr", [nbest("é"), nbest("d")], [refusal("b")], size=2)


def test_records_are_read_back_in_order_and_by_id(data: StageRef, asr: StageRef) -> None:
    assert [utterance.id for utterance in read_utterances(data)] == NAMES
    stored = StoredUtterances(data)
    assert list(stored) == [stored[n] for n in range(4)] == stored[:]
    assert stored[-1].id == "d"
    # Audio of the stage's own is where the stage is, also after the store was moved.
    assert stored[0].audio.path == str(Path(data.path) / "x.wav")
    assert [one.utterance_id for one in read_nbests(asr)] == ["é", "d"]
    assert list(read_quarantined(asr)) == [refusal("b")]
    assert read_best_texts(asr) == {"é": "heard é\u2028", "d": "heard d\u2028"}
    outcomes = StoredOutcomes(asr)
    assert dict(outcomes) == {"é": nbest("é"), "d": nbest("d"), "b": refusal("b")}
    with pytest.raises(KeyError):
        outcomes["c"]


def test_data_without_a_target_language_says_what_to_set(tmp_path: Path) -> None:
    utterance = Utterance(id="a", text="x", source_language="en")
    for number, good in enumerate(([utterance], [])):
        ref = written(Store(str(tmp_path / str(number))), "data", good, [refusal("b")])
        with pytest.raises(DataError, match="with a target language, found none: set target_language"):
            languages_of(ref)


@pytest.mark.parametrize("removed", ["shards", "stages"])
def test_what_is_removed_beneath_a_run_is_said_in_a_line(data: StageRef, removed: str) -> None:
    shutil.rmtree(Path(data.path).parents[1] / removed)
    with pytest.raises(StoreError, match="expected it, found it removed; run the same command again"):
        list(read_utterances(data))
