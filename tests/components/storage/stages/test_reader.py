from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import DataError
from components.records import Audio, Hypothesis, NBest, Quarantined, Utterance
from components.run_record import StageRef
from components.storage.stages.reader import (
    StoredOutcomes,
    StoredUtterances,
    find_audio,
    languages_of,
    read_best_texts,
    read_nbests,
    read_quarantined,
    read_utterances,
    resolve_audio_path,
)
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import open_stage
from components.storage.store import Store

NAMES = ["é", "b", "c", "d"]


def written(store: Store, stage: str, good: list[str], bad: list[str], ids: list[str]) -> StageRef:
    with open_stage(store, StagePlan(stage=stage, version="x")) as writer:
        writer.append(good, bad, seconds=0, peak=0)
        return writer.finish(ids)


def nbest(name: str) -> NBest:
    texts = (f"heard {name}\u2028", "else")
    return NBest(
        utterance_id=name,
        hypotheses=tuple(Hypothesis(text=t, score=-1, n_tokens=1, system="s") for t in texts),
        language="fr",
    )


def refusal(name: str) -> Quarantined:
    return Quarantined(utterance_id=name, stage="asr", reason="r", detail="d")


@pytest.fixture
def data(tmp_path: Path) -> StageRef:
    audio = {"path": "x.wav", "sha256": "0" * 64, "seconds": 1, "sample_rate": 16000}
    sources = {"é": {"audio": audio}, "b": {"audio": audio}, "c": {"text": "written"}, "d": {"audio": audio}}
    lines = [
        Utterance.model_validate({"id": name, "source_language": "en", **source}).model_dump_json()
        for name, source in sources.items()
    ]
    return written(Store(str(tmp_path)), "data", lines, [], NAMES)


@pytest.fixture
def asr(tmp_path: Path) -> StageRef:
    good = [nbest(name).model_dump_json() for name in ("é", "d")]
    return written(Store(str(tmp_path)), "asr", good, [refusal("b").model_dump_json()], ["é", "b", "d"])


def test_records_are_read_back_in_order_and_by_id(data: StageRef, asr: StageRef) -> None:
    assert [utterance.id for utterance in read_utterances(data)] == NAMES
    stored = StoredUtterances(data)
    assert list(stored) == [stored[n] for n in range(4)] == stored[:]
    assert stored[-1].id == "d"
    # Audio of the stage's own is where the stage is, also after the store was moved.
    assert stored[0].audio is not None
    assert stored[0].audio.path == str(Path(data.path) / "x.wav")
    assert [one.utterance_id for one in read_nbests(asr)] == ["é", "d"]
    assert list(read_quarantined(asr)) == [refusal("b")]
    assert read_best_texts(asr) == {"é": "heard é\u2028", "d": "heard d\u2028"}
    outcomes = StoredOutcomes(asr)
    assert dict(outcomes) == {"é": nbest("é"), "d": nbest("d"), "b": refusal("b")}
    with pytest.raises(KeyError):
        outcomes["c"]


def test_data_without_a_target_language_says_what_to_set(tmp_path: Path) -> None:
    utterance = Utterance(id="a", text="x", source_language="en").model_dump_json(exclude_defaults=True)
    for number, good in enumerate(([utterance], [])):
        ref = written(Store(str(tmp_path / str(number))), "data", good, [], ["a"][: len(good)])
        with pytest.raises(DataError, match="with a target language, found none: set target_language"):
            languages_of(ref)


def test_locations_of_recordings_are_not_taken_for_paths(tmp_path: Path) -> None:
    """A copy that came with an imported run stands for a recording that is behind a URL or not here."""
    folder = tmp_path / "store" / "stages" / "k"
    here = tmp_path / "t.tar"
    here.touch()
    for path, kept in (
        ("https://host/a.wav", "https://host/a.wav"),
        (f"{here}#a.wav", f"{here}#a.wav"),
        ("/none/t.tar#a.wav", "/none/t.tar#a.wav"),
        ("audio/a.wav", f"{folder}/audio/a.wav"),
    ):
        sound = Audio(path=path, sha256="0" * 64, seconds=1, sample_rate=8000)
        utterance = Utterance(id="a", source_language="en", audio=sound)
        found = resolve_audio_path(utterance, folder).audio
        assert found is not None
        assert found.path == kept
    imported = find_audio(tmp_path / "store", "0" * 64, ".wav")
    imported.parent.mkdir(parents=True)
    imported.touch()
    for path in ("https://host/a.wav?x=1", "/none/t.tar#a.wav"):
        sound = Audio(path=path, sha256="0" * 64, seconds=1, sample_rate=8000)
        found = resolve_audio_path(Utterance(id="a", source_language="en", audio=sound), folder).audio
        assert found is not None
        assert found.path == str(imported)
