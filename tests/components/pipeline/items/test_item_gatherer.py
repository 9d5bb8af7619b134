"""What a node gets of each utterance, from stages written by hand: every way there is in plain sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.pipeline.items.item_gatherer import ItemGatherer, id_of
from components.pipeline.items.shard_items import ShardSource, read_items
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.reader import read_pipeline
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
from components.storage.stages.reader import read_shards
from components.storage.store import Store
from tests.components.storage.written import written as finished

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


def by_id(*outcomes: NodeOutcome) -> dict[str, NodeOutcome]:
    return {id_of(outcome): outcome for outcome in outcomes}


def graph(**nodes: dict[str, Any]) -> Pipeline:
    return read_pipeline({"nodes": nodes, "source_language": "en", "target_language": "de"})


CASCADE = {"asr": {"kind": "recognize"}, "mt": {"kind": "translate", "of": "asr"}}
DATA = [spoken("u1"), spoken("u2"), written("u3", "a dog"), spoken("u4")]


def test_a_translator_reads_transcripts_and_what_is_written() -> None:
    """What was quarantined goes no further; what is only written passes the recognizer."""
    outcomes = {"asr": by_id(text("u1", "a cat"), bad("u2"), text("u4", "a cow"))}
    pipeline = graph(**CASCADE)
    items = ItemGatherer(pipeline, pipeline.nodes["mt"]).gather(DATA, outcomes)
    assert [(i.utterance.id, i.utterance.text) for i in items] == [
        ("u1", "a cat"),
        ("u3", "a dog"),
        ("u4", "a cow"),
    ]
    assert {i.utterance.target_language for i in items} == {"de"}
    heard = ItemGatherer(pipeline, pipeline.nodes["asr"]).gather(DATA, {})
    assert [i.utterance.id for i in heard] == ["u1", "u2", "u4"]


def test_a_written_text_is_in_no_node_lost_that_some_inputs_pass_it_to() -> None:
    pipeline = graph(
        asr={"kind": "recognize"},
        worse={"kind": "perturb", "of": "asr", "lowercase": True},
        doubt={"kind": "route", "of": "worse", "by": "length", "above": 5},
        good={"kind": "recognize", "when": "doubt.escalate"},
        short={"kind": "perturb", "of": "asr", "strip_punctuation": True, "when": "doubt.keep"},
        first={"kind": "select", "of": ["good", "worse"]},
        both={"kind": "combine", "of": ["worse", "asr"]},
        ways={"kind": "select", "of": ["good", "short"]},
        heard={"kind": "select", "of": ["good", "asr"]},
        critic={"kind": "perturb", "of": "asr", "typos": 0.1},
        revised={"kind": "refine", "of": ["asr", "critic"], "rounds": 1, "gate": "off"},
        mt={"kind": "translate", "of": "revised"},
    )

    def items(name: str, **outcomes: NBest) -> list[tuple[str, list[str]]]:
        given = {input_name: by_id(outcome) for input_name, outcome in outcomes.items()}
        read = ItemGatherer(pipeline, pipeline.nodes[name]).gather([written("u3", "A dog")], given)
        texts = [
            [each.best.text for each in item.inputs.values() if isinstance(each, NBest)] for item in read
        ]
        return [(str(item.utterance.text), inputs) for item, inputs in zip(read, texts, strict=True)]

    worse = text("u3", "a dog")
    assert items("first", worse=worse) == [("a dog", ["a dog"])]  # it was not sent to the other
    assert items("both", worse=worse) == [("a dog", ["a dog", "A dog"])]
    assert items("ways") == [("A dog", ["A dog"])]
    assert items("ways", short=worse) == [("a dog", ["a dog"])]
    assert items("heard") == []  # it passes, as it passes both
    assert items("revised-1", critic=worse) == []
    assert items("mt") == [("A dog", [])]


def test_subtitles_bring_their_times() -> None:
    """Also past a recognizer; what a node made of them has times of its own."""
    times = (Segment(start=1.0, end=2.0, text="a dog"),)
    subtitles, pipeline = [written("u3", "a dog").model_copy(update={"segments": times})], graph(**CASCADE)
    (item,) = ItemGatherer(pipeline, pipeline.nodes["mt"]).gather(subtitles, {})
    assert item.segments == times
    outcomes = {"asr": by_id(text("u3", "a cat"))}
    (item,) = ItemGatherer(pipeline, pipeline.nodes["mt"]).gather(subtitles, outcomes)
    assert (item.utterance.text, item.segments) == ("a cat", ())


def test_a_second_hop_reads_the_language_of_the_first() -> None:
    """A translator's own mark says what it read; the node says what it wrote (de -> en -> fr)."""
    pipeline = graph(
        en={"kind": "translate", "of": "data", "to": "en"}, fr={"kind": "translate", "of": "en", "to": "fr"}
    )
    first = text("u3", "a dog").model_copy(update={"language": "de"})
    (item,) = ItemGatherer(pipeline, pipeline.nodes["fr"]).gather(
        [written("u3", "ein Hund")], {"en": by_id(first)}
    )
    assert (item.utterance.text, item.utterance.source_language) == ("a dog", "en")
    assert item.utterance.target_language == "fr"


@pytest.mark.parametrize("in_one_piece", [False, True])
def test_items_are_read_from_shards_and_from_stages(tmp_path: Path, in_one_piece: bool) -> None:
    """Of what was read before it, one made in one piece has outcomes of other shards, too."""
    store, pipeline = Store(str(tmp_path)), graph(**CASCADE)
    data = finished(store, "data", DATA, size=2)
    outcomes = [text("u1", "a cat"), bad("u2"), text("u4", "a cow")]
    asr = finished(store, "asr", outcomes, size=3 if in_one_piece else 2)
    gatherer = ItemGatherer(pipeline, pipeline.nodes["mt"])
    read = []
    for number, shard in enumerate(read_shards(data)):
        source = ShardSource(stage=asr) if in_one_piece else ShardSource(read_shards(asr)[number].key)
        read += read_items(store.root, gatherer, shard.key, {"asr": source})
    assert [(i.utterance.id, i.utterance.text) for i in read] == [
        ("u1", "a cat"),
        ("u3", "a dog"),
        ("u4", "a cow"),
    ]


def test_the_way_decides_who_is_computed() -> None:
    from components.pipeline.items.item_gatherer import takes_branch

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


def test_times_of_the_text_come_with_it() -> None:
    """Not those of a draft whose source is read, and none of what is written."""
    timed = (Segment(start=0.5, end=0.9, text="a cat"),)
    outcomes = {
        "asr": by_id(text("u1", "a cat", segments=timed)),
        "mt": by_id(text("u1", "eine Katze", segments=timed), text("u3", "ein Hund")),
    }
    pipeline = graph(**CASCADE, better={"kind": "refine", "of": "mt", "rounds": 1})
    read = ItemGatherer(pipeline, pipeline.nodes["mt"]).gather(DATA, outcomes)
    assert [(item.utterance.id, item.segments) for item in read] == [("u1", timed), ("u3", ())]
    looking_back = ItemGatherer(pipeline, pipeline.nodes["better-1"]).gather(DATA, outcomes)
    assert [item.segments for item in looking_back] == [(), ()]
