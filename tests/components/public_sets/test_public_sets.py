"""Public data by name: what is here is read, what is not is one line with size, licence and the command."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from sacrebleu.dataset import DATASETS

from components import data
from components.data.named_set import DATA_SETS
from components.errors import DataError
from tests.command import run_command


def sound(seconds: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(int(16000 * seconds)), 16000, format="WAV")
    return file.getvalue()


def test_a_set_of_the_hub_is_read_as_the_hub_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_DATA", str(tmp_path))
    folder = tmp_path / "fleurs" / "de_de" / "test"
    folder.mkdir(parents=True)
    sounds = [{"bytes": sound(1.0), "path": "a.wav"}, {"bytes": sound(0.5), "path": "b.wav"}]
    rows = {"id": [7, 9], "audio": sounds, "transcription": ["guten tag", "ja"]}
    pq.write_table(pa.table(rows), folder / "0000.parquet")
    loaded = data.load("fleurs:de_de:test")
    assert [(each.source_language, each.transcript) for each in loaded.utterances] == [
        ("de", "guten tag"),
        ("de", "ja"),
    ]
    assert [each.audio and each.audio.seconds for each in loaded.utterances] == [1.0, 0.5]
    data.check("fleurs:de_de:test")


def test_a_set_of_sacrebleu_is_read_where_sacrebleu_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DATASETS["multi30k/2016"], "_outdir", str(tmp_path))
    with pytest.raises(
        DataError, match="not on this machine; antiphon data fetch sacrebleu:multi30k/2016:en-de"
    ):
        data.load("sacrebleu:multi30k/2016:en-de")
    for field, text in (("src", "a dog"), ("ref", "ein Hund")):
        (tmp_path / f"multi30k_2016.en-de.{field}").write_text(f"{text}\n")
    (utterance,) = data.load("sacrebleu:multi30k/2016:en-de").utterances
    assert (utterance.text, utterance.references, utterance.source_language) == ("a dog", ("ein Hund",), "en")
    assert utterance.target_language == "de"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sacrebleu:wmt42:en-de", "found 'wmt42'; did you mean"),
        ("sacrebleu:wmt24:de-fr", "expected a pair of languages, one of .*en-de.*, found 'de-fr'"),
        ("fleurs:de_de:dev", "expected fleurs:de_de:test, with a part of train, validation, test"),
        ("covost2:de_en:test", "0.5 to 20 GB a pair .CC0 recordings, CC BY-NC 4.0 translations."),
        ("must_c:en-de", "lhotse prepare must-c"),
    ],
)
def test_what_is_not_here_is_one_line(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_DATA", str(tmp_path))
    with pytest.raises(DataError, match=message) as error:
        data.check(name)
    assert "\n" not in str(error.value)


def test_consent_is_asked_for_before_anything_is_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    ended = run_command(capsys, "data", "fetch", "covost2:de_en:test")
    assert ended.code == 2
    assert "non-commercial use; agree by --accept-licence" in ended.err
    ended = run_command(capsys, "data", "list")
    out = ended.out
    assert all(DATA_SETS[name].form in out for name in DATA_SETS)
