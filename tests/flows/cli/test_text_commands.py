"""`antiphon transcribe` and `antiphon translate`, with components that need no model; and their input."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import av
import numpy as np
import pytest

from components.data.recordings import find_recordings
from components.errors import ConfigError
from components.export.recording_text import RecordingText, TextPart
from components.export.run_texts import RunTexts
from components.pipeline.advice.recommended_models import recommend
from components.records import Quarantined, Utterance
from components.text.term_list import read_terms
from flows.cli.files import text_commands
from flows.cli.files import translate as translate_command
from flows.cli.files.export import print_content
from flows.cli.files.input_files import InputFiles, find_inputs
from flows.cli.files.transcribe import terms_file
from flows.parameters.written_texts import TranslateParameters
from tests.command import run_command
from tests.flows import fakes

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def antiphon(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    fakes.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run_command(capfd, *arguments, "--store", str(tmp_path / "store"))


def test_a_name_with_a_line_feed_takes_no_other_recording_with_it(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("[a]\nb.wav", "a b.wav", "c*.wav")]
    for name in names:
        Path(name).touch()
    lines = "\n".join(map(text_commands._on_one_line, names))
    assert find_recordings(lines) == names


def test_a_recording_without_speech_is_said_to_have_none() -> None:
    part = TextPart(Utterance(id="a", text="", source_language="en"), text="", language="en")
    parts = {"silence": [part], "broken": [part, replace(part, quarantined=Quarantined.model_construct())]}
    recordings = [RecordingText(name, "asr", timed=True, parts=parts[name]) for name in parts]
    texts = cast("RunTexts", SimpleNamespace(outputs=["asr"], texts_of=lambda node: recordings))
    (line,) = text_commands._silent_recordings(texts)
    assert line == "silence: no speech was heard in it; its text is empty"


def film(path: Path, seconds: float = 1.0) -> None:
    """A film with a tone, as a camera writes it."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=5)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        sound = container.add_stream("aac", rate=16000)
        samples = np.sin(np.arange(int(16000 * seconds)) / 9).astype(np.float32)[None]
        for start in range(0, samples.shape[1], 1024):
            block = np.ascontiguousarray(samples[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
        for _ in range(int(5 * seconds)):
            image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(picture.encode(image))
        container.mux(picture.encode(None))


@pytest.mark.server
@pytest.mark.usefixtures("server")
def test_a_folder_of_films_becomes_text_and_subtitles(antiphon: Command, tmp_path: Path) -> None:
    (tmp_path / "talks" / "day").mkdir(parents=True)
    film(tmp_path / "talks" / "one.mp4")
    film(tmp_path / "talks" / "day" / "two.mkv")
    film(tmp_path / "talks" / "poison.mp4")  # which cannot be recognized
    code, out, _ = antiphon("transcribe", "talks", "--name", "heard")
    (tmp_path / "talks" / "poison.mp4").unlink()
    assert (code, out) == (
        3,
        "==> two.und.txt <==\nheard two\n\n==> one.und.txt <==\nheard one\n".replace(".und.", ".asr."),
    )
    code, out, err = antiphon("transcribe", "talks/one.mp4", "--format", "srt", "--from", "en", "--json")
    assert (code, out.partition("{")[0]) == (0, "1\n00:00:00,000 --> 00:00:01,000\nheard one\n\n")
    assert json.loads(out.splitlines()[-1]).keys() == {"run", "files", "subtitles", "quarantined"}
    assert "antiphon: 1 subtitle, read at 9 columns a second" in err
    quiet = ("--format", "srt", "--from", "en", "--page", "--out", "quiet/", "-q")
    assert antiphon("transcribe", "talks/one.mp4", *quiet) == (0, "quiet/one.en.srt\n", "")
    above = Path("quiet/one.en.html").read_text(encoding="utf-8").partition("<audio ")[0]
    assert above.rstrip().splitlines()[-1] == '<section class="bar" aria-label="Player">'  # a landmark
    (tmp_path / "talks" / "bad.mp4").write_bytes(b"no film")
    code, out, err = antiphon("transcribe", "talks/bad.mp4")
    assert (code, out) == (2, "")
    assert "antiphon: expected recordings, found none that can be read: " in err
    out_folder = ("--out", "texts", "--format", "srt,txt", "--bilingual", "--model", "fake")
    code, out, err = antiphon("translate", "talks", "--to", "de", "--from", "en", *out_folder)
    assert code == 3
    assert out.splitlines() == [
        f"texts/{name}.en-de.{form}" for name in ("two", "one") for form in ("txt", "srt")
    ]
    assert Path("texts/one.en-de.txt").read_text() == "heard one\nübersetzt: heard one\n"
    assert "antiphon: bad: no text: data: unreadable audio: talks/bad.mp4: expected" in err
    runs = sorted(path.name for path in (tmp_path / "store" / "runs").iterdir())
    flows = [re.findall("[a-z]+", name)[-1] for name in runs]
    assert flows == ["transcribe", "transcribe", "translate", "heard"]


@pytest.mark.server
@pytest.mark.usefixtures("server")
def test_texts_are_translated_one_after_the_other(antiphon: Command, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One\nline.\n\nTwo.\n")
    (tmp_path / "b.en").write_text("Three.\n")
    more = ("--from", "en", "--to", "de", "--model", "fake", "--name", "n", "--paragraphs")
    code, out, _ = antiphon("translate", "b.en", "a.txt", *more)
    first, second = "übersetzt: Three.\n", "übersetzt: One line.\n\nübersetzt: Two.\n"
    assert (code, out) == (0, f"==> b.de.txt <==\n{first}\n==> a.de.txt <==\n{second}")
    assert (tmp_path / "store" / "runs" / "n-2" / "run.json").exists()
    code, out, _ = antiphon("translate", "a.txt", *more[:6])
    assert (code, out) == (0, "übersetzt: One\nübersetzt: line.\n\nübersetzt: Two.\n")


@pytest.mark.server
@pytest.mark.usefixtures("server")
def test_subtitles_are_translated_with_their_times(antiphon: Command, tmp_path: Path) -> None:
    cues = ("00:01.000 --> 00:02.000\nOne dog\n", "00:02.500 --> 00:04.000\n<i>runs</i>.\n")
    (tmp_path / "film.en.vtt").write_text("\n".join(["WEBVTT\n", *cues]))
    arguments = ("film.en.vtt", "--to", "de", "--model", "fake", "--paragraphs")
    code, out, _ = antiphon("translate", *arguments, "--out", "film.de.srt", "--bilingual")
    assert (code, out) == (0, "film.de.srt\n")
    (cue,) = (tmp_path / "film.de.srt").read_text().strip().split("\n\n")
    assert cue.split("\n")[1:] == [
        "00:00:01,000 --> 00:00:04,000",
        "One dog runs.",
        "übersetzt: One dog runs.",
    ]


def test_texts_are_refused_as_subtitles_before_they_are_translated(antiphon: Command, tmp_path: Path) -> None:
    (tmp_path / "fresh.en").write_text("One.\n")
    arguments = ("translate", "fresh.en", "--to", "de", "--model", "fake")
    for more in (("--out", "fresh.srt"), ("--out", "texts", "--format", "vtt,srt", "--paragraphs")):
        code, _, err = antiphon(*arguments, *more)
        assert (code, err.count("\n")) == (2, 1)
        assert err.startswith("antiphon: fresh.en: expected speech or subtitles, which have times, for the ")
    assert not (tmp_path / "store").exists()


def test_what_ended_a_text_ends_the_command(
    antiphon: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def end(name: str, config: None, assignments: list[str], values: dict[str, str]) -> tuple[int, None]:
        begun.append((values["data"], values["source_language"]))
        return 143, None

    monkeypatch.setattr(text_commands, "compute_flow", end)
    for name in ("a.fr.txt", "b.txt"):
        (tmp_path / name).write_text("One.\n")
    arguments = ("translate", "a.fr.txt", "--to", "de", "--model", "fake")
    code, out, _ = antiphon(*arguments, "b.txt", "--from", "en")
    assert (code, out, begun) == (143, "", [("a.fr.txt", "en")])
    antiphon(*arguments)
    assert begun[1:] == [("a.fr.txt", "fr")]


def test_all_texts_are_looked_at_before_the_first_is_translated(antiphon: Command, tmp_path: Path) -> None:
    """Also whether their files would have one name; a comma in a path is a part of it."""
    (tmp_path / "day, one").mkdir()
    for name in ("day, one/a.en.txt", "a.en.txt"):
        (tmp_path / name).write_text("One.\n")
    (tmp_path / "bad.en.srt").write_text("1\n00:00:02,000 --> 00:00:01,000\nx\n")
    more = ("--to", "de", "--model", "fake", "--out", "texts")
    code, out, err = antiphon("translate", "a.en.txt", "bad.en.srt", *more)
    assert (code, out) == (2, "")
    assert err == "antiphon: bad.en.srt:2: expected an end after the start, found -1000 ms\n"
    code, _, err = antiphon("translate", "day, one/a.en.txt", "a.en.txt", *more)
    assert code == 2
    assert "expected texts whose files have names of their own, found day, one/a.en.txt and a.en.txt" in err
    assert not (tmp_path / "store" / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["transcribe", "none.wav"], "none.wav: expected a file, folder or pattern"),
        (["transcribe", "a.txt"], "expected recordings, found a.txt"),
        (["transcribe", "a.wav", "--from", "german"], "--language: expected a language code such as en"),
        (["translate", "a.docx", "--to", "de"], "found a.docx; save it as plain text (.txt)"),
        (["translate", "a.md", "--to", "de"], "found a.md; save it as plain text (.txt)"),
        (
            ["translate", "a.csv", "--to", "de"],
            "a data set: antiphon init mine.yaml --data a.csv --from",
        ),
        (["translate", "a.txt", "a.wav", "--to", "de"], "expected recordings or texts, found both"),
        (["translate", "a.txt", "--to", "de"], "a.txt: expected the language of the text, found none"),
        (["translate", "a.txt", "--to", "german"], "did you mean de?"),
        (["translate", "a.txt", "--language", "de", "--to", "de"], "another language, found de to de"),
        (["translate", "a.txt", "--from", "de", "--to", "de"], "into another language, found de to de"),
        (["translate", "a.txt", "--from", "sw", "--to", "is"], "--model hub:Helsinki-NLP/opus-mt-sw-is"),
        (["transcribe", "a.wav", "b.wav", "--format", "srt"], "expected a folder for the texts of 2 files"),
        (["transcribe", "a.wav", "b.wav", "--out", "x.srt"], "expected a folder for the texts of 2 files"),
        (["transcribe", "a.wav", "--format", "srt,txt"], "expected a folder for txt and srt, found none"),
        (["transcribe", "a.wav", "--out", "x.pdf"], "expected a folder or a file .txt, .docx, .srt"),
        (["transcribe", "a.wav", "--out", "nowhere/x.srt"], "expected a file in a folder that is there"),
    ],
)
def test_wrong_usage_is_one_line(
    antiphon: Command, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    for name in ("a.txt", "a.docx", "a.md", "a.csv", "a.wav", "b.wav"):
        (tmp_path / name).touch()
    code, out, err = antiphon(*arguments)
    assert (code, out) == (2, "")
    assert expected in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("out", ["there/x.srt", "there", "there/new/"])
def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_transcribed(
    antiphon: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "there").mkdir()
    monkeypatch.setattr("flows.cli.files.text_commands.os.access", lambda path, mode: False)
    code, _, err = antiphon("transcribe", "a.wav", "--out", out)
    expected = f"expected a folder that you may write to, found {tmp_path / 'there'}"
    assert (code, err) == (2, f"antiphon: --out: {expected}\n")


def test_a_format_that_cannot_be_written_is_refused_before_anything_is_transcribed(
    antiphon: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.wav").touch()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    _, _, err = antiphon("transcribe", "a.wav", "--format", "docx")
    assert err == "antiphon: --format docx: expected --out FILE.docx or a folder, found none\n"
    monkeypatch.setattr("components.export.format_names.find_spec", lambda name: None)
    _, _, err = antiphon("transcribe", "a.wav", "--out", "a.docx")
    assert err == (
        "antiphon: format docx: expected python-docx, found none; pip install 'antiphon[word]', or use txt\n"
    )


def test_any_bytes_are_printed_and_a_terminal_gets_no_commands(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "ä\x1b[2J\n".encode() + b"PAR1\xff"
    print_content(content)
    assert capfdbinary.readouterr().out == content
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_content(content)
    assert capfdbinary.readouterr().out.decode() == "ä⟨U+001B⟩[2J\nPAR1\ufffd"


def test_the_model_follows_from_the_direction(capsys: pytest.CaptureFixture[str]) -> None:
    speech, text = InputFiles(("a.wav",)), InputFiles((), ("a.txt",))

    def nodes_of(inputs: InputFiles, **values: object) -> dict[str, dict[str, object]]:
        return translate_command._nodes(inputs, TranslateParameters(files=["a"], asr_model="w", **values))

    nodes = nodes_of(speech, to="en", bilingual=True)
    assert {name: node["kind"] for name, node in nodes.items()} == {"asr": "recognize", "mt": "translate"}
    assert list(nodes_of(speech, to="en", fast=True)) == ["st"]
    assert list(nodes_of(speech, to="en", fast=True, bilingual=True)) == ["asr", "st"]
    assert list(nodes_of(speech, language="sw", to="en")) == ["st"]  # which no translator here knows
    with pytest.raises(ConfigError, match="--fast: expected recordings to translate into English"):
        nodes_of(speech, to="de", fast=True)
    nodes = nodes_of(speech, to="de")
    assert nodes["mt"]["model"] == "packaged:qwen2.5-coder-1.5b"
    assert "translated by packaged:qwen2.5-coder-1.5b: general text" in capsys.readouterr().err
    named = nodes_of(text, language="en", to="de", model="hub:x/y")
    assert named == {"mt": {"kind": "translate", "of": "data", "model": "hub:x/y"}}


def test_no_captions_model_for_general_text() -> None:
    models_of = {
        (source, target): getattr(recommend("translate", source, target), "model", None)
        for source, target in [("en", "de"), ("es", "en"), ("cs", "en"), ("sw", "is"), ("und", "ja")]
    }
    assert models_of == {
        ("en", "de"): "packaged:qwen2.5-coder-1.5b",
        ("es", "en"): "packaged:qwen2.5-coder-1.5b",
        ("cs", "en"): "packaged:gemma-3-270m",
        ("sw", "is"): None,
        ("und", "ja"): "packaged:gemma-3-270m",
    }


def test_a_folder_gives_its_recordings_alone(tmp_path: Path) -> None:
    for name in ("b.wav", "a.MP4", "notes.md", ".hidden.wav"):
        (tmp_path / name).touch()
    found = find_inputs([str(tmp_path), str(tmp_path / "*.wav")], texts=True)
    assert [Path(file).name for file in found.recordings] == ["a.MP4", "b.wav"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="expected a folder with recordings"):
        find_inputs([str(tmp_path / "empty")], texts=False)


def test_names_are_written_to_a_list_and_a_missing_file_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path))
    file = Path(terms_file("Kovalenko,  Tesfaye ,Kovalenko"))
    assert [term.source for term in read_terms(file)] == ["Kovalenko", "Tesfaye"]
    assert terms_file(str(file)) == str(file)
    with pytest.raises(
        ConfigError, match=r"--terms: expected a file, or words with commas, found 'absent\.tsv'"
    ):
        terms_file("absent.tsv")


def test_speakers_are_a_node_between_recognizer_and_translator(capsys: pytest.CaptureFixture[str]) -> None:
    given = TranslateParameters(files=["a"], to="de", model="hub:x/y", speakers=2, prompt="A talk.")
    nodes = translate_command._nodes(InputFiles(("a.wav",)), given)
    assert nodes["speakers"] == {"kind": "diarize", "of": "asr", "speakers": 2}
    assert (nodes["mt"]["of"], nodes["asr"]["prompt"]) == ("speakers", "A talk.")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["translate", "a.wav", "--to", "de", "--keep-cues"], "--keep-cues: expected subtitles"),
        (["translate", "a.en.srt", "--to", "de", "--keep-cues", "--out", "a.de.vtt"], "the ending .srt"),
        (["transcribe", "a.wav", "--speakers=many"], "--speakers: expected auto, or 1 to 32 speakers"),
        (["transcribe", "a.wav", "--speakers", "0"], "--speakers: expected auto, or 1 to 32 speakers"),
        (["transcribe", "a.wav", "--format", "rttm"], "--format: expected --speakers beside rttm"),
        (["transcribe", "a.wav"], "antiphon: expected recordings, found none that can be read: a.wav"),
        (
            ["translate", "a.wav", "--to", "de"],
            "antiphon: expected recordings, found none that can be read: a.wav",
        ),
    ],
)
def test_what_the_talk_cannot_have_is_one_line(
    antiphon: Command, tmp_path: Path, arguments: list[str], fault: str
) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    (tmp_path / "a.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nYes.\n")
    code, _, err = antiphon(*arguments)
    assert code == 2
    assert fault in " ".join(err.split())
    assert "translated by" not in err
