"""What a node gets of each utterance, from stages written by hand: every way there is in plain sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.pipeline.item_gatherer import ItemGatherer, StageCursor
from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read_pipeline
from components.records import (
    Audio,
    Decision,
    Hypothesis,
    NBest,
    NodeOutcome,
    Quarantined,
    Route,
    Segment,
    Utterance,
)

SOUND = Audio(path="/x.wav", sha256="0" * 64, seconds=1.0, sample_rate=16000)


def text(key: str, words: str, **fields: Any) -> NBest:
    best = Hypothesis(text=words, score=-1.0, n_tokens=1, system="s", **fields)
    return NBest(utterance_id=key, hypotheses=(best,))


def bad(key: str) -> Quarantined:
    return Quarantined(utterance_id=key, stage="a", reason="r", detail="d")


def spoken(key: str) -> Utterance:
    return Utterance(id=key, audio=SOUND, source_language="en", target_language="de")


def written(key: str, words: str) -> Utterance:
    return Utterance(id=key, text=words, source_language="en", target_language="de")


def stage(folder: Path, outcomes: list[NodeOutcome]) -> Path:
    folder.mkdir(parents=True)
    for name, expected in (("outputs", False), ("errors", True)):
        lines = [o.model_dump_json() + "\n" for o in outcomes if isinstance(o, Quarantined) is expected]
        (folder / f"{name}.jsonl").write_text("".join(lines), "utf-8")
    return folder


def graph(**nodes: dict[str, Any]) -> Pipeline:
    return read_pipeline({"nodes": nodes, "source_language": "en", "target_language": "de"})


CASCADE = {"asr": {"kind": "recognize"}, "mt": {"kind": "translate", "of": "asr"}}
DATA = [spoken("u1"), spoken("u2"), written("u3", "a dog"), spoken("u4")]


def test_a_translator_reads_transcripts_and_what_is_written(tmp_path: Path) -> None:
    """What was quarantined goes no further; what is only written passes the recognizer."""
    folder = stage(tmp_path / "asr", [text("u1", "a cat"), bad("u2"), text("u4", "a cow")])
    pipeline = graph(**CASCADE)
    items = ItemGatherer(pipeline, pipeline.nodes["mt"], {"asr": folder}).gather(DATA)
    assert [(i.utterance.id, i.utterance.text) for i in items] == [
        ("u1", "a cat"),
        ("u3", "a dog"),
        ("u4", "a cow"),
    ]
    assert {i.utterance.target_language for i in items} == {"de"}
    heard = ItemGatherer(pipeline, pipeline.nodes["asr"], {}).gather(DATA)
    assert [i.utterance.id for i in heard] == ["u1", "u2", "u4"]


def test_subtitles_bring_their_times(tmp_path: Path) -> None:
    """Also past a recognizer; what a node made of them has times of its own."""
    times = (Segment(start=1.0, end=2.0, text="a dog"),)
    subtitles, pipeline = [written("u3", "a dog").model_copy(update={"segments": times})], graph(**CASCADE)
    (item,) = ItemGatherer(pipeline, pipeline.nodes["mt"], {}).gather(subtitles)
    assert item.segments == times
    folder = stage(tmp_path / "asr", [text("u3", "a cat")])
    (item,) = ItemGatherer(pipeline, pipeline.nodes["mt"], {"asr": folder}).gather(subtitles)
    assert (item.utterance.text, item.segments) == ("a cat", ())


def test_a_second_hop_reads_the_language_of_the_first(tmp_path: Path) -> None:
    """A translator's own mark says what it read; the node says what it wrote (de -> en -> fr)."""
    pipeline = graph(
        en={"kind": "translate", "of": "data", "to": "en"}, fr={"kind": "translate", "of": "en", "to": "fr"}
    )
    first = text("u3", "a dog").model_copy(update={"language": "de"})
    folder = stage(tmp_path / "en", [first])
    (item,) = ItemGatherer(pipeline, pipeline.nodes["fr"], {"en": folder}).gather([written("u3", "ein Hund")])
    assert (item.utterance.text, item.utterance.source_language) == ("a dog", "en")
    assert item.utterance.target_language == "fr"


def test_a_stage_that_is_being_written_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    folder = stage(tmp_path / "asr", [text("u1", "one")])
    cursor = StageCursor(folder, NBest)
    with (folder / "outputs.jsonl").open("a", encoding="utf-8") as file:
        line = text("u2", "two").model_dump_json()
        file.write(line[:10])
        file.flush()
        assert list(cursor.take(["u1"])) == ["u1"]
        file.write(line[10:] + "\n")
    assert list(cursor.take(["u2"])) == ["u2"]


def test_what_follows_a_slice_is_read_as_it_is_at_its_turn(tmp_path: Path) -> None:
    """Shards of an earlier attempt are discarded one by one, when what they were computed from is known."""
    outcomes: list[NodeOutcome] = [text("u1", "one"), text("u2", "of an earlier attempt"), bad("u3")]
    folder = stage(tmp_path / "asr", outcomes)
    cursor = StageCursor(folder, NBest)
    assert list(cursor.take(["u1"])) == ["u1"]
    again = [text("u1", "one"), text("u2", "two"), text("u3", "three")]
    (folder / "outputs.jsonl").write_text("".join(o.model_dump_json() + "\n" for o in again), "utf-8")
    (folder / "errors.jsonl").write_text("", "utf-8")
    assert cursor.take(["u2", "u3"]) == {o.utterance_id: o for o in again[1:]}


def test_a_stage_that_has_not_begun_has_no_outcomes_yet(tmp_path: Path) -> None:
    cursor = StageCursor(tmp_path / "asr", NBest)
    assert cursor.take(["u1"]) == {}
    stage(tmp_path / "asr", [text("u1", "one")])
    assert list(cursor.take(["u1"])) == ["u1"]


@given(st.lists(st.sampled_from("obn"), min_size=1, max_size=30), st.integers(1, 7))
def test_slices_read_what_one_reading_does(
    tmp_path_factory: pytest.TempPathFactory, branches: str, size: int
) -> None:
    """o: ok, b: quarantined, n: not sent."""
    known = [(f"u{n}", branch) for n, branch in enumerate(branches)]
    outcomes: list[NodeOutcome] = [
        text(key, key) if branch == "o" else bad(key) for key, branch in known if branch != "n"
    ]
    folder = stage(tmp_path_factory.mktemp("s") / "asr", outcomes)
    cursor, seen = StageCursor(folder, NBest), {}
    for begin in range(0, len(known), size):
        ids = [key for key, _ in known[begin : begin + size]]
        taken = cursor.take(ids)
        assert set(taken) <= set(ids)
        seen |= taken
    assert seen == {o.utterance_id: o for o in outcomes if isinstance(o, NBest | Quarantined)}


def test_the_way_decides_who_is_computed(tmp_path: Path) -> None:
    from components.pipeline.item_gatherer import takes_branch

    assert takes_branch(Route(utterance_id="u1", branch="up"), "up")
    assert not takes_branch(Route(utterance_id="u1", branch="down"), "up")
    assert not takes_branch(None, "up")
    assert not takes_branch(bad("u1"), "up")
    going = text("u1", "x", decision=Decision(round=1, accepted=True))
    over = text("u1", "x", decision=Decision(round=1, accepted=True, stopped="no_change"))
    assert (takes_branch(going, "going"), takes_branch(over, "going"), takes_branch(over, "stopped")) == (
        True,
        False,
        True,
    )


def test_times_of_the_text_come_with_it(tmp_path: Path) -> None:
    """Not those of a draft whose source is read, and none of what is written."""
    timed = (Segment(start=0.5, end=0.9, text="a cat"),)
    folders = {
        "asr": stage(tmp_path / "asr", [text("u1", "a cat", segments=timed)]),
        "mt": stage(tmp_path / "mt", [text("u1", "eine Katze", segments=timed), text("u3", "ein Hund")]),
    }
    pipeline = graph(**CASCADE, better={"kind": "refine", "of": "mt", "rounds": 1})
    read = ItemGatherer(pipeline, pipeline.nodes["mt"], folders).gather(DATA)
    assert [(item.utterance.id, item.segments) for item in read] == [("u1", timed), ("u3", ())]
    looking_back = ItemGatherer(pipeline, pipeline.nodes["better-1"], folders).gather(DATA)
    assert [item.segments for item in looking_back] == [(), ()]
