"""Whisper's recognizer over a backend that returns what the test wrote, and over real files on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from components.compute.profiling import measure_cost
from components.compute.progress import listen
from components.decoding.candidates import Candidate
from components.errors import ModelError
from components.recognition.backends.whisper.model import EncoderOutput, OpenAIWhisperBackend
from components.recognition.config import RecognitionConfig
from components.recognition.vad.windows import Span
from components.recognition.whisper.backend import DecodingResult, ModelDimensions, TokenAlignment
from components.recognition.whisper.recognizer import WhisperRecognizer
from components.recognition.whisper.windows import opening
from components.records import NBest, Quarantined, Utterance
from tests.components.recognition.tiny import tiny
from tests.components.recognition.whisper.scripted import (
    CHECKPOINT,
    STAMP,
    TOKENIZER,
    scripted_recognizer,
    scripted_result,
    utterance,
)

pytestmark = pytest.mark.core


def test_outcomes_come_in_order_and_batches_are_bounded(tmp_path: Path) -> None:
    machine, backend = scripted_recognizer(batch_size=3)
    items = [utterance(tmp_path, f"u{i}", 1 + (i * 7) % 5) for i in range(8)]
    outcomes = machine.recognize(items)
    assert [o.utterance_id for o in outcomes] == [u.id for u in items]
    assert all(isinstance(o, NBest) and o.best.text == "Hello." for o in outcomes)
    assert max(backend.batches) == 3
    assert machine.recognize([]) == []


def test_progress_rises_with_every_batch_of_windows_and_ends_at_one(tmp_path: Path) -> None:
    machine, backend = scripted_recognizer(batch_size=2)
    shares: list[float] = []
    with listen(shares.append):
        machine.recognize([utterance(tmp_path, f"p{i}", 1 + i) for i in range(6)])
    assert len(shares) == len(backend.batches)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_bad_records_are_quarantined_and_the_rest_goes_on(tmp_path: Path) -> None:
    machine, _ = scripted_recognizer()
    good, text_only = utterance(tmp_path, "good", 1), Utterance(id="t", text="hi", source_language="en")
    gone = utterance(tmp_path, "gone", 1)
    (tmp_path / "gone.flac").unlink()
    strange = utterance(tmp_path, "strange", 1, language="tlh")
    outcomes = machine.recognize([text_only, good, gone, strange])
    assert [type(o) for o in outcomes] == [Quarantined, NBest, Quarantined, Quarantined]
    reasons = [o.reason for o in outcomes if isinstance(o, Quarantined)]
    assert reasons == ["no audio", "unreadable audio", "unknown language"]
    assert "tlh" in outcomes[3].detail  # type: ignore[union-attr]


def test_digital_silence_is_not_decoded(tmp_path: Path) -> None:
    machine, backend = scripted_recognizer()
    for seconds in (2, 60):
        (outcome,) = machine.recognize([utterance(tmp_path, f"quiet{seconds}", seconds, level=0.0)])
        assert outcome.best.text == ""
        assert outcome.best.features["silence"] == 1.0
    assert backend.calls == []


def test_no_speech_with_a_low_score_is_an_empty_text(tmp_path: Path) -> None:
    machine, backend = scripted_recognizer({0.0: scripted_result(" you", -2.0, no_speech=0.9)})
    (outcome,) = machine.recognize([utterance(tmp_path, "noise", 3)])
    assert (outcome.best.text, outcome.best.features["silence"]) == ("", 1.0)
    assert [t for t, *_ in backend.calls] == [0.0], "silence is not decoded again"


@pytest.mark.parametrize(
    ("voiced", "vad", "text"), [(False, True, ""), (True, True, "You"), (False, False, "You")]
)
def test_a_likely_text_about_sound_without_a_voice_is_silence(
    voiced: bool, vad: bool, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if voiced:
        monkeypatch.setattr(opening, "windows_of", lambda samples: [Span(0.0, 3.0)])
    machine, backend = scripted_recognizer({0.0: scripted_result(" You", -0.5, no_speech=0.8)}, vad=vad)
    (outcome,) = machine.recognize([utterance(tmp_path, "noise", 3)])
    assert outcome.best.text == text
    assert len(backend.calls) == 1


class Deaf(OpenAIWhisperBackend):
    """A tiny Whisper whose states of loud windows are NaN, or of all windows."""

    loud = 1.2
    """Of the log-mel's highest value: that of noise at 0.5 is 1.4, at 0.05 0.9."""

    def encode(self, mels: Tensor) -> EncoderOutput:
        sound = super().encode(mels)
        sound.states[mels.amax((1, 2)) > self.loud] = torch.nan
        return sound


def test_a_recording_that_the_model_gives_nan_for_is_quarantined_alone(tmp_path: Path) -> None:
    backend = Deaf(tiny())
    settings = {"beam_size": 2, "n_best": 1, "temperature_fallback": (0.0,), "max_tokens": 4}
    machine = WhisperRecognizer(RecognitionConfig.model_validate(settings), backend, CHECKPOINT)
    good = [utterance(tmp_path, f"good{i}", 1 + i, level=0.05) for i in range(2)]
    poison = utterance(tmp_path, "poison", 1, level=0.5)
    first, bad, second = machine.recognize([good[0], poison, good[1]])
    for outcome, alone in zip((first, second), machine.recognize(good), strict=True):
        assert outcome.best.text == alone.best.text
        assert outcome.best.score == pytest.approx(alone.best.score, rel=1e-4)  # beside other rows
    for outcome in (bad, *machine.recognize([poison])):
        assert outcome.reason == "no finite scores"
    backend.loud = -torch.inf
    with pytest.raises(ModelError, match="check its weights"):
        machine.recognize(good)


def test_one_window_that_gives_nan_quarantines_a_long_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    level = np.repeat([0.05, 0.5, 0.05], 30 * 16000)
    soundfile.write(tmp_path / "long.flac", (level * rng.normal(0, 1, len(level))).clip(-1, 1), 16000)
    settings = {"beam_size": 1, "n_best": 1, "max_tokens": 4, "batch_size": 2, "vad": False}
    machine = WhisperRecognizer(RecognitionConfig.model_validate(settings), Deaf(tiny()), CHECKPOINT)
    outcomes = machine.recognize([utterance(tmp_path, "long", 90), utterance(tmp_path, "a", 1, level=0.05)])
    assert [type(outcome) for outcome in outcomes] == [Quarantined, NBest]


def test_where_memory_runs_out_half_as_many_windows_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [utterance(tmp_path, f"u{i}", 1 + (i * 7) % 5, language="und") for i in range(9)]
    reference, _ = scripted_recognizer(batch_size=8)
    machine, backend = scripted_recognizer(batch_size=8)
    encode, tried = backend.encode, list[int]()

    def cramped(mels: Tensor) -> object:
        tried.append(len(mels))
        if len(mels) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode(mels)

    monkeypatch.setattr(backend, "encode", cramped)
    with measure_cost() as cost:
        outcomes = machine.recognize(items)
    assert [o.model_dump_json() for o in outcomes] == [
        o.model_dump_json() for o in reference.recognize(items)
    ]
    assert (tried[:3], max(tried[3:]), cost.batch_size) == ([8, 4, 2], 2, 2)


def test_language_is_declared_or_detected(tmp_path: Path) -> None:
    machine, backend = scripted_recognizer()
    items = [
        utterance(tmp_path, "a", 1, "es-MX"),
        utterance(tmp_path, "b", 1, "und"),
        utterance(tmp_path, "c", 1, "French"),
        utterance(tmp_path, "d", 1, "por_BR"),
        utterance(tmp_path, "e", 1, "nb-NO"),
        utterance(tmp_path, "f", 1, "jav"),
        utterance(tmp_path, "g", 1, "yue"),  # of large-v3 alone
    ]
    *outcomes, unknown = machine.recognize(items)
    assert [o.language for o in outcomes if isinstance(o, NBest)] == ["es", "de", "fr", "pt", "no", "jv"]
    assert isinstance(unknown, Quarantined)
    assert sorted(p[1] for _, prompts, _ in backend.calls for p in prompts) == sorted(
        TOKENIZER.to_language_token(code) for code in ("es", "de", "fr", "pt", "no", "jw")
    )


def test_previous_text_is_a_prompt_only_when_asked_for(tmp_path: Path) -> None:
    item = utterance(tmp_path, "long", 65)
    for condition in (False, True):
        machine, backend = scripted_recognizer(vad=False, condition_on_previous_text=condition)
        (outcome,) = machine.recognize([item])
        prompts = [prompt for _, rows, _ in backend.calls for prompt in rows]
        assert len(prompts) == 3
        output = TOKENIZER.encode(" Hello.")
        assert prompts[0] == list(TOKENIZER.sot_sequence)
        expected = [TOKENIZER.sot_prev, *output, *TOKENIZER.sot_sequence]
        assert prompts[1] == (expected if condition else prompts[0])
        assert outcome.best.text == "Hello. Hello. Hello."
        assert [s.start for s in outcome.best.segments] == pytest.approx([0, 30, 60])


def test_the_same_list_gives_the_same_calls(tmp_path: Path) -> None:
    items = [utterance(tmp_path, f"v{i}", 1 + i % 3) for i in range(5)]
    runs = []
    for _ in range(2):
        machine, backend = scripted_recognizer({0.0: scripted_result(" Unlikely.", -1.5)}, batch_size=2)
        runs.append(([o.model_dump_json() for o in machine.recognize(items)], backend.calls))
    assert runs[0] == runs[1]


def test_too_short_for_one_frame_is_silence(tmp_path: Path) -> None:
    machine, backend = scripted_recognizer()
    (outcome,) = machine.recognize([utterance(tmp_path, "blip", 0.005)])
    assert outcome.best.text == ""
    assert backend.calls == []


def test_english_only_models_refuse_other_languages(tmp_path: Path) -> None:
    machine, backend = scripted_recognizer()
    backend.dims = ModelDimensions(80, 448, 51864)
    german, english = utterance(tmp_path, "de", 1, "de"), utterance(tmp_path, "en", 1, "en-GB")
    outcomes = machine.recognize([german, english])
    assert "English only" in outcomes[0].detail
    assert isinstance(outcomes[1], NBest)


def test_speech_after_an_early_end_is_heard_from_there_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, backend = scripted_recognizer(
        {0.0: scripted_result(" Hello.")}
    )  # every window's text ends after one second
    recording = utterance(tmp_path, "long", 40)
    spans = [Span(0.0, 5.0, speech_end=4.5), Span(6.0, 36.0, speech_end=8.5)]
    monkeypatch.setattr(opening, "windows_of", lambda samples: spans)
    (outcome,) = machine.recognize([recording])
    starts = [segment.start for segment in outcome.best.segments]
    assert starts == [0.0, 1.0, 2.0, 6.0]  # up to two seconds may be left over
    assert sum(backend.batches) == 4


def test_a_window_whose_text_passes_over_speech_is_cut_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of twelve seconds the first and the last are written, and five between them were spoken."""

    def written(*segments: tuple[float, str, float]) -> DecodingResult:
        parts = [
            (STAMP + round(a * 50), *TOKENIZER.encode(text), STAMP + round(b * 50)) for a, text, b in segments
        ]
        return scripted_result("", tokens=sum(parts, ()))

    machine, backend = scripted_recognizer()
    ends = written((0, " First.", 1), (11, " Last.", 12))
    backend.answers = [
        ends,
        ends,
        written((0, " First.", 1)),
        written((2, " Middle.", 7), (10, " Last.", 11)),
    ]
    speech = ((0.0, 1.0), (3.0, 8.0), (11.0, 12.0))
    spans = [Span(0.0, 12.0, speech_end=12.0, speech=speech), Span(20.0, 32.0, speech_end=32.0)]
    monkeypatch.setattr(opening, "windows_of", lambda samples: spans)
    (outcome,) = machine.recognize([utterance(tmp_path, "long", 40)])
    assert [(segment.start, segment.text) for segment in outcome.best.segments] == [
        (0.0, "First."),
        (3.0, "Middle."),
        (11.0, "Last."),
        (20.0, "First."),  # where nothing is known of speech, the text stands
        (31.0, "Last."),
    ]
    assert not backend.answers


@pytest.mark.parametrize(("speech_end", "n_windows"), [(1.2, 1), (1.4, 2)])
def test_the_rest_of_the_last_word_is_no_window_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speech_end: float, n_windows: int
) -> None:
    """Whisper asks for what follows 1.0 s; less than 0.3 s of it is speech, or more."""
    machine, backend = scripted_recognizer({0.0: scripted_result(" Hello.", goes_on=True)})
    spans = [Span(0.0, 1.9, speech_end=speech_end)]
    monkeypatch.setattr(opening, "windows_of", lambda samples: spans)
    machine.recognize([utterance(tmp_path, "long", 40)])
    assert sum(backend.batches) == n_windows


def test_a_window_of_which_nothing_is_heard_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = DecodingResult([Candidate((STAMP,), -0.2, (-0.1, -0.1), (), TOKENIZER.eot, -0.1)], 0.0)
    machine, backend = scripted_recognizer({0.0: nothing})
    monkeypatch.setattr(opening, "windows_of", lambda samples: [Span(0.0, 30.0, speech_end=30.0)])
    machine.recognize([utterance(tmp_path, "long", 40)])
    assert backend.batches == [1]


def test_words_of_every_window_are_timed_where_they_are_asked_for(tmp_path: Path) -> None:
    aligned = replace(scripted_result(" Hello."), alignment=TokenAlignment((0.5, 0.9, 1.0), (-0.1, -0.3)))
    talk = utterance(tmp_path, "talk", 62.5)
    machine, backend = scripted_recognizer({0.0: aligned}, word_times=True, vad=False)
    (outcome,) = machine.recognize([talk])
    assert backend.frames == [[3000], [3000], [250]]
    words = [word for segment in outcome.best.segments for word in segment.words]
    assert [(word.start, word.end, word.text) for word in words] == [
        (pytest.approx(30 * i + 0.5), pytest.approx(30 * i + 0.9), " Hello.") for i in range(3)
    ]
    assert [s.mean_log_prob for s in outcome.best.segments] == [pytest.approx(-0.2)] * 3
    machine, backend = scripted_recognizer({0.0: scripted_result(" Hello.")}, vad=False)
    (without,) = machine.recognize([talk])
    assert backend.frames == [None] * 3
    assert without.best.text == outcome.best.text
    assert all(s.words == () and s.mean_log_prob is None for s in without.best.segments)
