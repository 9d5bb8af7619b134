"""Replays of graphs whose nodes a test writes: what is written when, and never taken back."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from components.analysis.texts_to_score import Languages
from components.errors import ConfigError
from components.nodes.node_context import Item
from components.pipeline.pipeline import TARGET
from components.records import Audio, Quarantined, ReferenceSegment, Utterance
from components.simultaneous.evaluation import Output, measure_recording, split_delay
from components.simultaneous.policies import read_policies
from components.simultaneous.records import Replay
from components.simultaneous.replay import Replayer, require_prefixes
from components.simultaneous.stream_log import write_log
from tests.components.serving.graphs import CASCADE, Function, each, make_graph, text

GRAPH = """
source_language: en
target_language: de
nodes:
  asr: {kind: recognize, model: "packaged:whisper-tiny.en"}
  mt: {kind: translate, of: asr, model: "packaged:multi30k-en-de"}
"""
SPOKEN = "one two three. four five six. seven eight".split()  # noqa: SIM905 - as it is said


def hear(item: Item) -> object:
    """A word a second is said; of the one that has begun a wrong one is guessed."""
    audio = item.utterance.audio
    assert audio is not None
    first, last = int(audio.offset), audio.offset + audio.seconds
    words = SPOKEN[first : int(last + 1e-6)]
    guess = ["hm"] if last % 1 > 1e-6 else []
    return text(item, " ".join([*words, *guess]) or "hm")


def translate(item: Item) -> object:
    """Every word in capitals."""
    return text(item, str(item.utterance.text).upper())


NODES: dict[str, Function] = {"asr": each(hear), "mt": each(translate)}  # type: ignore[arg-type]


def utterance(seconds: float = 8.0, **values: object) -> Utterance:
    audio = Audio(path="talk.wav", sha256="0" * 64, seconds=seconds, sample_rate=16000)
    return Utterance(id="talk", audio=audio, source_language="en", target_language="de", **values)


def replay(
    policies: Sequence[str] = (), chunk: float = 0.5, seconds: float = 8.0, history: float = 25.0
) -> Replay:
    graph = make_graph(NODES, GRAPH)
    return Replayer(graph, read_policies(policies, list(graph.nodes)), chunk, history).replay(
        utterance(seconds)
    )


def words(found: Replay, node: str) -> list[str]:
    return [unit for delta in found.deltas[node] for unit in delta.units]


@pytest.mark.parametrize("policy", ["local_agreement:2", "hold:1", "wait_k:2"])
@pytest.mark.parametrize("history", [25.0, 4.0])
def test_what_is_written_is_the_text_and_nothing_is_taken_back(policy: str, history: float) -> None:
    found = replay([policy] if policy != "wait_k:2" else ["hold:1", f"mt={policy}"], history=history)
    assert not found.fault
    assert words(found, "asr") == SPOKEN
    assert words(found, "mt") == [word.upper() for word in SPOKEN]
    assert found.texts["mt"] == " ".join(SPOKEN).upper()
    for node in ("asr", "mt"):
        assert found.delays(node, clock=False) == sorted(found.delays(node, clock=False))


def test_local_agreement_writes_a_word_when_two_hypotheses_have_it() -> None:
    delays = replay(["local_agreement:2"]).delays("asr", clock=False)
    assert delays[:3] == [1.5, 2.5, 3.5]  # said by 1, 2, 3 s; known then, agreed half a second later
    held = replay(["hold:1"]).delays("asr", clock=False)
    assert held[:3] == [1.5, 2.5, 3.5]


def test_the_whole_sound_at_once_gives_each_node_what_a_run_gives_it() -> None:
    asked: list[str] = []

    def spy(item: Item) -> object:
        asked.append(str(item.utterance.text))
        return translate(item)

    graph = make_graph({"asr": each(hear), "mt": each(spy)}, GRAPH)  # type: ignore[arg-type]
    found = Replayer(graph, read_policies([], list(graph.nodes)), 100.0).replay(utterance())
    assert asked == [" ".join(SPOKEN)]  # one text, not sentence by sentence
    assert found.texts == {"asr": " ".join(SPOKEN), "mt": " ".join(SPOKEN).upper()}
    assert found.delays("mt", clock=False) == [8.0] * len(SPOKEN)


def test_a_recognizer_hears_no_more_than_its_history() -> None:
    heard: list[float] = []

    def spy(item: Item) -> object:
        assert item.utterance.audio is not None
        heard.append(item.utterance.audio.seconds)
        return hear(item)

    graph = make_graph({"asr": each(spy), "mt": each(translate)}, GRAPH)  # type: ignore[arg-type]
    Replayer(graph, read_policies([], list(graph.nodes)), 0.5, history=3.0).replay(utterance())
    assert max(heard) <= 3.5


def test_the_parts_of_the_latency_add_up_to_it() -> None:
    found = replay(["local_agreement:2", "mt=hold:1"])
    parts = list(split_delay(found, ("asr", "mt")))
    clock = found.delays("mt", clock=True)
    assert len(parts) == len(clock)
    for each_part, delay in zip(parts, clock, strict=True):
        assert sum(each_part.values()) == pytest.approx(delay, abs=1e-6)
        assert all(value >= -1e-9 for value in each_part.values())
    assert sum(part["policy asr"] for part in parts) > 0


def test_segments_of_a_long_recording_have_delays_of_their_own() -> None:
    found = replay()
    segments = (
        ReferenceSegment(start=0, end=3, references=("ONE TWO THREE.",)),
        ReferenceSegment(start=3, end=8, references=("FOUR FIVE SIX. SEVEN EIGHT",)),
    )
    output = Output("translation", "mt", ("asr", "mt"), Languages(TARGET, "de"))
    first, second = measure_recording(found, utterance(reference_segments=segments), output, clock=False)
    delays = found.delays("mt", clock=False)
    assert first.start == pytest.approx(delays[0])
    assert second.start == pytest.approx(delays[3] - 3)


def test_a_log_has_what_simulstream_reads() -> None:
    found = replay()
    lines = [json.loads(line) for line in write_log([found], {"talk": "talk.wav"}, "mt").splitlines()]
    assert lines[0] == {"id": 0, "metadata": {"wav_name": "talk.wav"}}
    assert {*lines[1]} == {
        *("id", "total_audio_processed", "computation_time", "generated_tokens", "deleted_tokens")
    }
    delays = [line["total_audio_processed"] for line in lines[1:] for _ in line["generated_tokens"]]
    assert delays == found.delays("mt", clock=False)
    assert [token for line in lines[1:] for token in line["generated_tokens"]] == words(found, "mt")


def test_text_comes_word_by_word() -> None:
    graph = make_graph(
        {"mt": each(translate)},  # type: ignore[arg-type]
        "source_language: en\ntarget_language: de\n"
        'nodes: {mt: {kind: translate, model: "packaged:multi30k-en-de"}}',
    )
    written = Utterance(id="line", text="one two. three", source_language="en", target_language="de")
    found = Replayer(graph, read_policies(["hold:1"], ["mt"]), 0.5).replay(written)
    assert found.texts["mt"] == "ONE TWO. THREE"
    assert found.delays("mt", clock=False) == [1.0, 1.0, 1.5]


def test_what_cannot_be_replayed_is_refused_or_noted() -> None:
    graph = make_graph(written=CASCADE)
    with pytest.raises(ConfigError, match="doubt: expected nodes that can work on a prefix"):
        require_prefixes(graph)
    fault = Quarantined(utterance_id="talk", stage="asr", reason="no sound", detail="expected some")
    broken = each(lambda item: fault)
    graph = make_graph({**NODES, "asr": broken}, GRAPH)
    found = Replayer(graph, read_policies([], list(graph.nodes)), 1.0).replay(utterance())
    assert found.fault == "asr: no sound: expected some"
