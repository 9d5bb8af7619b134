"""Nodes with nothing to do are left out: what is spoken is read as if nobody had thought of synthesis."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.pipeline.items.idle_nodes import find_idle_nodes, remove_idle_nodes
from components.pipeline.planning import plan_nodes
from components.pipeline.reading.reader import read_pipeline
from components.records import Audio, Utterance
from components.run_record import StageRef
from components.storage.store import Store
from tests.components.storage.written import written

SOUND = Audio(path="/x.wav", sha256="0" * 64, seconds=1.0, sample_rate=16000)
RECOGNIZED = {"kind": "recognize", "beam_size": 1, "n_best": 1}
NODES = {"speech": {"kind": "synthesize", "engine": "flite"}, "asr": {"of": "speech", **RECOGNIZED}}


def data(folder: Path, *utterances: Utterance) -> dict[str, StageRef]:
    return {"data": written(Store(str(folder)), "data", utterances)}


def test_a_data_set_that_is_spoken_is_read_itself_under_the_same_keys(tmp_path: Path) -> None:
    spoken = Utterance(id="a", audio=SOUND, source_language="en")
    sets = data(tmp_path / "spoken", spoken)
    pruned = remove_idle_nodes(read_pipeline({"nodes": NODES}), sets)
    assert list(pruned.nodes) == ["asr"]
    assert pruned.speech_of("asr") == "data"
    keys = [
        plan_nodes(pipeline, sets, None, 0, lambda named, store: {})["asr"].stage.key
        for pipeline in (pruned, read_pipeline({"nodes": {"asr": RECOGNIZED}}))
    ]
    assert keys[0] == keys[1]


def test_one_text_is_enough_to_keep_it(tmp_path: Path) -> None:
    spoken = Utterance(id="a", audio=SOUND, source_language="en")
    sets = data(tmp_path / "mixed", spoken, Utterance(id="b", text="a dog", source_language="en"))
    pipeline = read_pipeline({"nodes": NODES})
    assert remove_idle_nodes(pipeline, sets) == pipeline


def test_a_node_that_speaks_translations_is_never_idle(tmp_path: Path) -> None:
    sets = data(tmp_path / "spoken", Utterance(id="a", audio=SOUND, source_language="en"))
    nodes = {"asr": RECOGNIZED, "speech": {"kind": "synthesize", "of": "asr"}}
    assert list(remove_idle_nodes(read_pipeline({"nodes": nodes}), sets).nodes) == ["asr", "speech"]


TEXT = Utterance(id="b", text="a dog", source_language="en")
TRANSLATED = {
    "asr": {"kind": "recognize"},
    "other": {"kind": "recognize", "model": "packaged:whisper-tiny.en"},
    "voted": {"kind": "combine", "of": ["asr", "other"]},
    "better": {"kind": "refine", "of": "voted", "gate": "off"},
    "mt": {"kind": "translate", "of": "better", "model": "packaged:multi30k-en-de"},
}


def test_what_hears_or_passes_written_texts_computes_nothing(tmp_path: Path) -> None:
    pipeline = read_pipeline({"nodes": TRANSLATED, "target_language": "de"})
    spoken = Utterance(id="a", audio=SOUND, source_language="en")
    assert find_idle_nodes(pipeline, data(tmp_path / "mixed", TEXT, spoken)) == frozenset()
    idle = find_idle_nodes(pipeline, data(tmp_path / "written", TEXT))
    assert idle == pipeline.nodes.keys() - {"mt"}


def test_models_of_idle_nodes_are_not_looked_for(tmp_path: Path) -> None:
    pipeline = read_pipeline({"nodes": TRANSLATED, "target_language": "de"})
    digested: list[str] = []

    def digest(named: Mapping[str, str], store: str | None) -> dict[str, str]:
        digested.extend(named.values())
        return dict(named)

    plan_nodes(pipeline, data(tmp_path / "written", TEXT), None, 0, digest)
    assert digested == ["packaged:multi30k-en-de"]
