"""Students of any node: the graph that one stands for, what they are taught, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from components.distillation.distill import Distill, DistillSettings
from components.errors import ConfigError
from components.nodes.node_context import Item, NodeContext
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.reader import read_pipeline
from components.records import Audio, Utterance
from components.stacking.kinds.train_stack import _replace_references
from components.training.examples.speech_data import load_utterances
from components.training.kinds.targets import TARGETS, Targets, TargetsSettings, read_targets
from tests.components.nodes.items import nbest

MT: dict[str, Any] = {"kind": "translate", "model": "m", "beam_size": 5}
ASR: dict[str, Any] = {"kind": "recognize", "model": "w"}
FAST: dict[str, Any] = {"kind": "translate", "model": "node:student", "beam_size": 1}
CASCADE = {"voice": {"kind": "synthesize"}, "asr": {**ASR, "of": "voice"}, "mt": {**MT, "of": "asr"}}
LANGUAGES = {"source_language": "en", "target_language": "de"}


def read(**nodes: dict[str, Any]) -> Pipeline:
    return read_pipeline({"nodes": nodes, **LANGUAGES})


def facts(pipeline: Pipeline) -> dict[str, object]:
    return {n.name: (n.kind.name, n.settings, n.of, n.when, n.translates) for n in pipeline}


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"num_layers": 9}, "expected at least 9 encoder_layers, found 3 in packaged:multi30k-en-de; make"),
        (
            {"ffn_dim": 64},
            "expected encoder_ffn_dim 64 as the student's, found 512 in packaged:multi30k-en-de",
        ),
        ({"num_heads": 8}, "expected encoder_attention_heads 8 as the student's, found 4 in packaged:"),
    ],
)
def test_layers_that_do_not_fit_are_refused_before_the_teacher_computes(
    settings: dict[str, Any], fault: str
) -> None:
    config = DistillSettings(init_layers_from="packaged:multi30k-en-de", **settings)
    with pytest.raises(ConfigError, match=f"^init_layers_from: {fault}"):
        Distill().validate_models(config, NodeContext("student"), frozenset())


def test_a_student_with_a_route_back_is_the_graph_that_it_stands_for() -> None:
    """Copies for training go past the route that waits for the student, and take the one that does not."""
    student = {"kind": "distill", "num_layers": 2, "keep_share": 0.5}
    doubt = {"kind": "route", "of": "fast", "budget": 0.3}
    short: dict[str, Any] = {"kind": "route", "by": "length", "above": 9}
    written = {
        "student": {**student, "teacher": "mt", "data": "train.jsonl", "limit": 7, "dev": "dev.jsonl"},
        "long": short,
        "edited": {**MT, "model": "e", "when": "long.escalate"},
        "mt": {**MT, "to": "fr", "of": "edited", "when": "doubt.escalate"},
        "fast": FAST,
        "doubt": doubt,
        "join": {"kind": "select", "of": ["mt", "fast"]},
    }
    written["fast"] = {**FAST, "to": "fr"}
    out = {name: values for name, values in written.items() if name != "student"}
    out |= {
        "data--train": {"kind": "data", "source": "train.jsonl", "limit": 7},
        "long--train": {**short, "of": "data--train"},
        "edited--train": {**written["edited"], "of": "data--train", "when": "long--train.escalate"},
        "mt--train": {**MT, "to": "fr", "of": "edited--train"},
        "student-targets": {"kind": "targets", "of": "mt--train", "keep_share": 0.5},
        "student": {"kind": "distill", "num_layers": 2, "dev": "dev.jsonl", "targets": "student-targets"},
    }
    assert facts(read(**written)) == facts(read(**out))


def test_a_student_that_hears_is_the_graph_that_it_stands_for() -> None:
    """Its sound is that of a voice in the graph, for training and for development data."""
    student = {"kind": "distill", "learner": "speech_translation", "teacher": "mt", "speech": "voice"}
    data = {"data": "train.jsonl", "dev": "dev.jsonl", "dev_limit": 3}
    written = {**CASCADE, "student": {**student, **data, "speech_model": "w", "pooling": 4, "steps": 9}}
    states = {"kind": "encode_speech", "model": "w", "pooling": 4}
    out = {
        **CASCADE,
        "data--train": {"kind": "data", "source": "train.jsonl"},
        "voice--train": {"kind": "synthesize", "of": "data--train"},
        "asr--train": {**ASR, "of": "voice--train"},
        "mt--train": {**MT, "of": "asr--train"},
        "data--dev": {"kind": "data", "source": "dev.jsonl", "limit": 3},
        "voice--dev": {"kind": "synthesize", "of": "data--dev"},
        "student-targets": {"kind": "targets", "of": ["mt--train", "voice--train"]},
        "student-states": {**states, "of": "voice--train"},
        "student-dev-states": {**states, "of": "voice--dev"},
        "student": {
            **{"kind": "train_stack", "method": "direct", "of": ["voice--train", "voice--dev"], "steps": 9},
            **{"targets": "student-targets", "states": "student-states", "dev_states": "student-dev-states"},
        },
    }
    assert facts(read(**written)) == facts(read(**out))
    recognizer = {"kind": "distill", "learner": "recognition", "teacher": "asr", "init_from": "w"}
    heard = read(**CASCADE, student={**recognizer, "speech": "voice", "data": "train.jsonl"})
    assert heard.nodes["student-targets"].of == ("asr--train", "voice--train")
    assert heard.nodes["student"].settings == DistillSettings(
        learner="recognition",  # type: ignore[call-arg]
        init_from="w",
        targets="student-targets",
    )


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a teacher that is not there": ({"teacher": "mtt"}, "there is no node 'mtt'; did you mean mt?"),
    "a teacher and a node": ({"teacher": "mt", "of": "mt"}, r"expected teacher \(copied.* or of, found both"),
    "a teacher of other data": ({"teacher": "other"}, "expected a node that reads the data set of the pip"),
    "sound for text": (
        {"teacher": "mt", "speech": "data"},
        "speech: expected learner recognition or speech_",
    ),
    "sound without a teacher": ({"learner": "speech_translation", "of": "mt"}, "teacher: expected a node"),
    "the wrong loop's setting": (
        {"learner": "speech_translation", "teacher": "mt", "max_steps": 3},
        "max_steps: a student of learner speech_translation has no such setting; did you mean steps",
    ),
    "a recognizer of translations": (
        {"learner": "recognition", "teacher": "mt", "init_from": "w"},
        "expected transcripts to teach a recognizer, found that mt--train translates; set learner: speech_t",
    ),
    "a recognizer with teachers of words": (
        {"learner": "recognition", "init_from": "w", "teachers": ["m"]},
        "teachers: expected learner translation, found recognition; leave it out",
    ),
    "a recognizer with a shape": (
        {"learner": "recognition", "teacher": "asr", "init_from": "w", "num_layers": 2},
        "num_layers: expected learner translation, found recognition; leave it out",
    ),
    "no learner": ({"learner": "singing", "teacher": "mt"}, "student.learner: expected"),
    "a teacher that reads its student": ({"teacher": "fast"}, "expected no circle"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_does_not_fit_is_refused_in_one_line(name: str) -> None:
    values, message = FAULTS[name]
    others: dict[str, Any] = {"set": {"kind": "data", "source": "s.jsonl"}, "other": {**MT, "of": "set"}}
    nodes = {**CASCADE, **others, "fast": {**FAST, "of": "asr"}, "student": {"kind": "distill", **values}}
    with pytest.raises(ConfigError, match=message) as result:
        read(**nodes)
    assert "\n" not in str(result.value)


def taught(folder: Path, write: str) -> Path:
    """Return targets of two stretches of a recording, and none of one without a teacher's text."""
    soundfile.write(folder / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(32000), 16000)
    audio = Audio(path=str(folder / "a.wav"), sha256="0" * 64, seconds=0.5, sample_rate=16000)
    items = []
    for number, text in enumerate(("ein Hund", "eine Katze", "")):
        sound = audio.model_copy(update={"offset": 0.5 * number})
        own: dict[str, Any] = {
            "transcript": "what was said",
            "references": ("ein Mensch",),
            "source_language": "en",
        }
        utterance = Utterance(id=f"u{number}", audio=sound, target_language="de", **own)
        items.append(Item(utterance=utterance, inputs={"teacher": nbest(f"u{number}", text)}))
    (folder / write).mkdir()
    settings = TargetsSettings.model_validate({"write": write})
    Targets().collect(
        settings, NodeContext("t", of=("teacher",), types=("text",)), iter(items), folder / write
    )
    return folder / write


def test_a_recognizer_hears_the_recordings_and_learns_the_teachers_transcripts(tmp_path: Path) -> None:
    learned = load_utterances(str(taught(tmp_path, "transcript") / TARGETS), ("en", "de"))
    assert [(u.id, u.transcript) for u in learned] == [("u0", "ein Hund"), ("u1", "eine Katze")]
    assert [(u.audio.offset, u.audio.seconds) for u in learned if u.audio] == [(0.0, 0.5), (0.5, 0.5)]


def test_a_translator_of_speech_learns_the_teachers_translations(tmp_path: Path) -> None:
    targets = read_targets(taught(tmp_path, "translation"))
    utterances = [
        Utterance(id=key, text="x", references=("ein Mensch", "einer"), source_language="en")
        for key in ("u0", "u2")
    ]
    assert [(u.id, u.references) for u in _replace_references(iter(utterances), targets)] == [
        ("u0", ("ein Hund",))
    ]
