from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from components import audio
from components.errors import ConfigError, ModelError
from components.models import resolve
from components.models.summary import summarize_checkpoint
from components.recognition.backends.pocketsphinx.source import find_parts
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.recognition.recognizer import Recognizer
from components.records import Outcome, Quarantined, Utterance

SETTINGS = {"model": "sphinx:en-us", "backend": "pocketsphinx", "n_best": 3}


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    pytest.importorskip("pocketsphinx")
    return build(RecognitionConfig.model_validate(SETTINGS))


@pytest.fixture(scope="module")
def outcomes(recognizer: Recognizer, utterances: list[Utterance]) -> list[Outcome]:
    return recognizer.recognize(utterances)


def test_it_hears_words_in_any_order_of_utterances(
    recognizer: Recognizer, utterances: list[Utterance], outcomes: list[Outcome]
) -> None:
    for utterance, outcome in zip(utterances, outcomes, strict=True):
        output, meant = set(outcome.best.text.split()), set((utterance.transcript or "").lower().split())
        assert len(output & meant) >= len(meant) / 3
    assert recognizer.recognize(utterances[::-1]) == outcomes[::-1]


def test_scores_are_sums_of_word_posteriors_and_lists_are_best_first(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        best, scores = outcome.best, [h.score for h in outcome.hypotheses]
        assert "".join(token.piece for token in best.tokens).split() == best.text.split()
        assert best.score == pytest.approx(math.fsum(token.log_prob for token in best.tokens))
        assert all(token.log_prob <= 0 for token in best.tokens)
        assert scores == sorted(scores, reverse=True)
        texts = [h.text for h in outcome.hypotheses]
        assert 2 <= len(set(texts)) == len(texts) <= 3
        assert not any(mark in text for text in texts for mark in "<[(")


def test_silence_is_no_words(recognizer: Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(8000, np.float32), 16000)
    [outcome] = recognizer.recognize([Utterance(id="s", audio=audio.describe(path), source_language="en")])
    assert (outcome.best.text, outcome.best.features["silence"]) == ("", 1.0)


def test_sound_without_words_is_an_empty_text(recognizer: Recognizer) -> None:
    assert recognizer._decoder._decoder.decode(np.zeros(160, np.float32), 3).text == ""  # type: ignore[attr-defined]


def test_without_voice_detection_a_recording_is_one_stretch(utterances: list[Utterance]) -> None:
    pytest.importorskip("pocketsphinx")
    whole = build(RecognitionConfig.model_validate({**SETTINGS, "vad": False}))
    (outcome,) = whole.recognize(utterances[:1])
    (segment,) = outcome.best.segments
    assert (segment.start, segment.end) == (0.0, pytest.approx(utterances[0].audio.seconds, abs=1e-3))


def test_what_it_cannot_hear_is_quarantined(recognizer: Recognizer, utterances: list[Utterance]) -> None:
    german = utterances[0].model_copy(update={"source_language": "de"})
    moved = utterances[0].audio
    gone = utterances[0].model_copy(update={"audio": moved.model_copy(update={"path": "absent.flac"})})
    text = Utterance(id="t", text="a dog", source_language="en")
    result = recognizer.recognize([german, gone, text])
    assert [bad.reason for bad in result if isinstance(bad, Quarantined)] == [
        "unknown language",
        "unreadable audio",
        "no audio",
    ]


def test_model_and_backend_must_fit() -> None:
    pytest.importorskip("pocketsphinx")
    with pytest.raises(ConfigError, match="backend whisper: expected a Whisper model, found sphinx:en-us"):
        build(RecognitionConfig(model="sphinx:en-us", backend="whisper"))
    with pytest.raises(ConfigError, match="only transcribes"):
        build(RecognitionConfig.model_validate(SETTINGS), task="translate")


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(ConfigError, match=r"extra 'sphinx'.*pip install"):
        resolve("sphinx:en-us")


def test_its_checkpoint_is_the_digest_of_its_files(tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx")
    bundled = resolve("sphinx:en-us")
    assert bundled.lineage[0].startswith("pocketsphinx ")
    assert summarize_checkpoint(bundled)["sha256"] == bundled.sha256
    own = tmp_path / "en-mine"
    (own / "am").mkdir(parents=True)
    for name in ("am/mdef", "words.dict", "words.lm.bin"):
        (own / name).write_text(name)
    before = resolve(f"sphinx:{own}")
    (own / "words.dict").write_text("another")
    assert resolve(f"sphinx:{own}").sha256 != before.sha256
    (own / "more.dict").write_text("another")
    with pytest.raises(ModelError, match=r"expected one dictionary \(\*.dict\), found more.dict, words.dict"):
        find_parts(own)
    with pytest.raises(ModelError, match="expected en-us or the path"):
        resolve("sphinx:klingon")
    (own / "more.dict").unlink()
    with pytest.raises(ModelError, match="pocketsphinx cannot load these files"):
        build(RecognitionConfig(model=f"sphinx:{own}", backend="pocketsphinx"))


def test_words_have_the_times_of_the_decoder(utterances: list[Utterance], outcomes: list[Outcome]) -> None:
    pytest.importorskip("pocketsphinx")
    timed = build(RecognitionConfig.model_validate({**SETTINGS, "word_times": True})).recognize(utterances)
    for utterance, outcome, without in zip(utterances, timed, outcomes, strict=True):
        assert outcome.best.model_copy(update={"segments": ()}) == without.best.model_copy(
            update={"segments": ()}
        )
        (segment,) = outcome.best.segments
        assert "".join(word.text for word in segment.words).strip() == segment.text
        times = [time for word in segment.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert (segment.start, segment.end) == (times[0], times[-1])
        assert utterance.audio.seconds / 2 < times[-1] - times[0] <= utterance.audio.seconds
