from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from itertools import chain
from pathlib import Path

import pytest

from components import audio
from components.data import load
from components.data.files import named_sets
from components.errors import DataError

SHARED = Path(os.environ.get("ANTIPHON_SHARED") or Path(__file__).parents[5] / "shared")
needs_shared = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="needs the team's shared data folder (ANTIPHON_SHARED)"),
]


def shared(function):
    for mark in needs_shared:
        function = mark(function)
    return function


def write(folder, **files):
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)


def test_parallel_text(tmp_path):
    write(
        tmp_path,
        a_en="A\u2028b.\nTwo.\n\n".encode(),
        a_de=b"Eins.\r\n\nDrei.\n",
        b_de=b"Ein.\nZwei.\nTrei.\n",
    )
    dataset = load(",".join(str(tmp_path / name) for name in ("a.en", "a.de", "b.de")))
    assert [(item.id, item.text, item.references) for item in dataset.utterances] == [
        ("a-000001", "A\u2028b.", ("Eins.", "Ein.")),
        ("a-000002", "Two.", ("Zwei.",)),
    ]
    assert {(item.source_language, item.target_language) for item in dataset.utterances} == {("en", "de")}
    assert [(bad.utterance_id, bad.reason) for bad in dataset.quarantined] == [("a-000003", "empty record")]


def test_parallel_text_of_different_lengths_is_one_error(tmp_path):
    write(tmp_path, a_en=b"A\nB\n", a_de=b"A\n")
    with pytest.raises(DataError, match="same number of lines"):
        load(f"{tmp_path}/a.en,{tmp_path}/a.de")


def test_multi30k_from_a_folder(tmp_path, monkeypatch):
    write(tmp_path, tiny_en=b"A dog.\n", tiny_de=b"Ein Hund.\n", tiny_fr=b"Un chien.\n")
    named = load(f"multi30k:{tmp_path}:tiny", target_language="fr").utterances[0]
    assert (named.text, named.references, named.target_language) == ("A dog.", ("Un chien.",), "fr")
    monkeypatch.setenv("ANTIPHON_MULTI30K", str(tmp_path))
    assert load("multi30k:tiny").utterances[0].references == ("Ein Hund.",)
    for wrong in ("multi30k:other", "multi30k:", "multi30k:../tiny", f"multi30k:{tmp_path}:"):
        with pytest.raises(DataError):
            load(wrong)


def test_the_sample_set_is_whole():
    dataset = load("sample")
    assert len(dataset.utterances) >= 44
    assert not dataset.quarantined
    assert not dataset.notes
    for item in dataset.utterances:
        assert item.audio and item.transcript and len(item.references) == 1
        assert item.audio.sample_rate == audio.SAMPLE_RATE
    assert max(item.audio.seconds for item in dataset.utterances if item.audio) > 30
    assert len({item.transcript for item in dataset.utterances}) == len(dataset.utterances)


@shared
def test_the_sample_set_has_nothing_of_multi30k():
    folder = SHARED / "data" / "multi30k"
    for language in ("en", "de"):
        theirs = [
            line for file in folder.glob(f"*.{language}") for line in file.read_text("utf-8").split("\n")
        ]
        sizes, lines_with = [], defaultdict(list)
        for number, line in enumerate(theirs):
            bag = set(re.findall(r"\w+", line.lower()))
            sizes.append(len(bag))
            for word in bag:
                lines_with[word].append(number)
        for item in load("sample").utterances:
            own = item.transcript if language == "en" else item.references[0]
            words = set(re.findall(r"\w+", own.lower()))
            shared_words = Counter(chain.from_iterable(lines_with.get(word, ()) for word in words))
            near = [
                theirs[number]
                for number, n in shared_words.items()
                if n >= 0.6 * (len(words) + sizes[number] - n)  # of the words of both together
            ]
            assert not near, (own, near[:3])


@shared
def test_the_shared_sets_are_read_whole():
    for name, count in (("audio", 94), ("spoken", 50)):
        dataset = load(str(SHARED / "data" / name / "manifest.jsonl"))
        assert (len(dataset.utterances), dataset.quarantined, dataset.notes) == (count, (), ())
    assert len(load(f"multi30k:{SHARED}/data/multi30k:test_2016_flickr").utterances) == 1000


def test_multi30k_that_is_nowhere_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTIPHON_DATA", str(tmp_path / "none"))
    monkeypatch.setenv(named_sets.MULTI30K_VARIABLE, str(tmp_path / "none"))
    monkeypatch.setattr(named_sets, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DataError, match=r"multi30k: expected its folder in .*found none; .*write multi30k:F"):
        load("multi30k:val")
