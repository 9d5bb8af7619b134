"""Replays of graphs whose nodes a test writes: what is written when, and never taken back."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from components.analysis.texts_to_score import Languages
from components.errors import ConfigError, DataError
from components.nodes.continuing import Attended, Continued
from components.nodes.node_context import Item
from components.pipeline.pipeline import TARGET
from components.records import Audio, Quarantined, ReferenceSegment, Utterance
from components.simultaneous.evaluation import Output, measure_recording, split_delay
from components.simultaneous.policies import read_policies
from components.simultaneous.records import Replay
from components.simultaneous.replay import Replayer
from components.simultaneous.requirements import require_prefixes
from components.simultaneous.stream_log import read_log, write_log
from tests.components.serving.graphs import CASCADE, PLAIN_CASCADE, Function, each, make_graph, text

SPOKEN = "one two three. four five six. seven eight".split()  # noqa: SIM905 - as it is said


def hear(item: Item) -> object:
    """A word a second is said; of the one that has begun a wrong one is guessed."""
    audio = item.utterance.audio
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
    graph = make_graph(NODES, PLAIN_CASCADE)
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

    graph = make_graph({"asr": each(hear), "mt": each(spy)}, PLAIN_CASCADE)  # type: ignore[arg-type]
    found = Replayer(graph, read_policies([], list(graph.nodes)), 100.0).replay(utterance())
    assert asked == [" ".join(SPOKEN)]  # one text, not sentence by sentence
    assert found.texts == {"asr": " ".join(SPOKEN), "mt": " ".join(SPOKEN).upper()}
    assert found.delays("mt", clock=False) == [8.0] * len(SPOKEN)


def test_a_recognizer_hears_no_more_than_its_history() -> None:
    heard: list[float] = []

    def spy(item: Item) -> object:
        heard.append(item.utterance.audio.seconds)
        return hear(item)

    graph = make_graph({"asr": each(spy), "mt": each(translate)}, PLAIN_CASCADE)  # type: ignore[arg-type]
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


class Continuing:
    """Components that go on behind what is written, and say that each word attended to its own second."""

    def __init__(self, function: object, *, capitals: bool) -> None:
        self._function, self._capitals, self.begun = each(function), capitals, list[str]()  # type: ignore[arg-type]

    def __call__(self, items: Sequence[Item]) -> Sequence[object]:
        return self._function(items)

    def go_on(self, item: Item, written: str, attends: bool) -> Continued:
        (outcome,) = self._function([item])
        self.begun.append(written)
        words, end, attended = outcome.best.text.split(), -1, []
        assert words[: len(written.split())] == written.split()
        source = str(item.utterance.text).split()
        for n, word in enumerate(words):
            end += 1 + len(word)
            at = len(" ".join(source[: n + 1])) if self._capitals else n + 0.5
            attended.append(Attended(end, at))
        return Continued(outcome, tuple(attended) if attends else ())


def test_alignatt_waits_until_what_was_attended_to_is_behind() -> None:
    asr, mt = Continuing(hear, capitals=False), Continuing(translate, capitals=True)
    graph = make_graph({"asr": asr, "mt": mt}, PLAIN_CASCADE)  # type: ignore[dict-item]
    policies = read_policies(["alignatt:25"], ["asr", "mt"]) | read_policies(["mt=alignatt:1"], ["mt"])
    found = Replayer(graph, policies, 0.5).replay(utterance())
    assert words(found, "asr") == SPOKEN
    assert words(found, "mt") == [word.upper() for word in SPOKEN]
    # Word n looks at n + 0.5 s, half a second must have come behind that, and a word.
    assert found.delays("asr", clock=False)[:3] == [1.5, 2.5, 3.5]
    assert found.delays("mt", clock=False)[:3] == [2.5, 3.5, 3.5]  # the sentence has ended with the third
    assert asr.begun[1:4] == ["", "", "one"]
    assert set(mt.begun) == {"", "ONE", "FOUR"}


def test_a_policy_that_nodes_cannot_follow_is_refused() -> None:
    graph = make_graph(NODES, PLAIN_CASCADE)
    for written, message in {
        "alignatt": "asr: expected a Whisper or an encoder-decoder translator for policy alignatt:25",
        "asr=retranslate": "mt: expected policy retranslate, because asr takes words back",
    }.items():
        with pytest.raises(ConfigError, match=message):
            Replayer(graph, read_policies([written], ["asr", "mt"]), 1.0)


@pytest.mark.parametrize("history", [25.0, 4.0])
def test_retranslation_shows_every_hypothesis_and_takes_back(history: float) -> None:
    found = replay(["retranslate"], history=history)
    assert [each.unit for each in found.written("asr")] == SPOKEN
    assert [each.unit for each in found.written("mt")] == [word.upper() for word in SPOKEN]
    # At half a second a word that nobody said is shown: it goes again with the next hypothesis.
    assert found.erased("asr") == len(SPOKEN)
    assert found.delays("asr", clock=False) == [float(n + 1) for n in range(len(SPOKEN))]
    assert found.deltas["asr"][1].deleted == 1
    parts, clock = list(split_delay(found, ("asr", "mt"))), found.delays("mt", clock=True)
    assert [sum(part.values()) for part in parts] == pytest.approx(clock, abs=1e-6)
    lines = [json.loads(line) for line in write_log([found], {"talk": "talk.wav"}, "mt").splitlines()]
    assert sum(len(line["deleted_tokens"]) for line in lines[1:]) == found.erased("mt") > 0
    assert replay(["local_agreement:2"]).erased("mt") == 0


def test_a_log_of_simulstream_is_read_as_its_own_reader_reads_it() -> None:
    chunks = [
        (2.0, 0.5, ["▁Gra", "zie", "▁a", "."], []),
        (4.0, 3.0, [",", "▁se"], ["."]),
        (6.0, 0.25, ["gna", "▁."], []),
    ]
    names = ("total_audio_processed", "computation_time", "generated_tokens", "deleted_tokens")
    begun = {"id": 7, "metadata": {"wav_name": "set\u2028/ted_1.wav"}}
    lines: list[object] = [{"model_loading_time": 5.9}, begun]
    lines += [{"id": 7, **dict(zip(names, chunk, strict=True))} for chunk in chunks]
    log = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    found = read_log(log, "it", "mt")["ted_1"]
    assert found.texts == {"mt": "Grazie a, segna ."}
    # LogReader.final_outputs_and_latencies of simulstream 1.0: a word has the delay of its last change.
    assert found.delays("mt", clock=False) == [2.0, 4.0, 6.0, 6.0]
    assert found.delays("mt", clock=True) == [2.5, 7.0, 7.25, 7.25]  # the third chunk waits for the second
    assert found.erased("mt") == 2
    again = write_log([found], {"ted_1": "ted_1.wav"}, "mt")
    assert read_log(again, "it", "mt")["ted_1"].deltas == found.deltas


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "line 1: expected a JSON object"),
        ('{"id": 1, "generated_tokens": []}', "line 1: expected metadata with wav_name before"),
        ('{"id": 0, "metadata": {"wav_name": "a"}}\n{"id": 0}', "line 2: .* found total_audio_processed"),
    ],
)
def test_a_wrong_log_is_refused_by_its_line(line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_log(line, "de", "mt")


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
    graph = make_graph({**NODES, "asr": broken}, PLAIN_CASCADE)
    found = Replayer(graph, read_policies([], list(graph.nodes)), 1.0).replay(utterance())
    assert found.fault == "asr: no sound: expected some"
