"""An unchanged file is not opened again; a changed one is; a damaged memory is forgotten."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from components import audio
from components.audio import probing
from components.audio.container import look_up_sha256
from components.audio.memory import FILE, AudioFacts, AudioMemory
from components.errors import DataError
from components.files.locations import fetched_files
from components.files.locations.opening import facts, facts_of_all
from tests.components.files.locations.test_tar_members import pack
from tests.malformed import write_tone
from tests.web import WebServer, send

HEARD = AudioFacts("0" * 64, "wav", "pcm_s16le", 16_000, 1, 1.5)


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AudioMemory:
    memory = AudioMemory(tmp_path / "memory.sqlite")
    monkeypatch.setattr("components.audio.memory.RECENT_NANOSECONDS", 300_000_000)
    monkeypatch.setattr(probing, "AUDIO_MEMORY", memory)
    return memory


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was opened."""
    names: list[str] = []
    look_at = probing._read_headers
    monkeypatch.setattr(
        probing, "_read_headers", lambda name, limits: names.append(Path(name).name) or look_at(name, limits)
    )
    return names


def old(path: Path) -> Path:
    """Let a file be older than what may change unseen: times of change cannot be set, so wait."""
    time.sleep(max(0.0, 0.35 - (time.time() - path.stat().st_ctime)))
    return path


def test_an_unchanged_file_is_not_opened_again(
    tmp_path: Path, opened: list[str], memory: AudioMemory
) -> None:
    path, other = write_tone(tmp_path / "a.wav", 1.3), write_tone(tmp_path / "b.wav", 2.0)
    audio.describe(path)
    assert memory.looked_at([str(path)]) == [False]  # it was too new
    old(other)
    first = audio.describe_all(
        [audio.Stretch(path), audio.Stretch(other, 0.5, 1.0), audio.Stretch(other, 9.0)]
    )
    assert opened == ["a.wav", "a.wav", "b.wav"]
    assert memory.looked_at([str(path), str(other), str(tmp_path / "none.wav")]) == [True, True, False]
    again = audio.describe_all(
        [audio.Stretch(path), audio.Stretch(other, 0.5, 1.0), audio.Stretch(other, 9.0)]
    )
    assert opened == ["a.wav", "a.wav", "b.wav"]
    assert again[:2] == first[:2]
    assert isinstance(again[2], DataError)
    assert str(again[2]) == str(first[2])
    with pytest.raises(DataError, match="at most 100 bytes"):
        audio.describe(path, limits=audio.Limits(file_bytes=100))
    with pytest.raises(DataError, match="channels"):
        audio.describe(path, limits=audio.Limits(channels=0))


def test_a_name_that_is_no_text_is_looked_at_each_time(tmp_path: Path, opened: list[str]) -> None:
    path = tmp_path / os.fsdecode(b"\xff.wav")
    old(write_tone(tmp_path / "a.wav").rename(path))
    assert audio.describe_all([audio.Stretch(path), audio.Stretch(path)])[0]
    audio.describe_all([audio.Stretch(tmp_path / "none.wav")])
    assert len(opened) == 2


def test_a_changed_file_is_opened_again(tmp_path: Path, opened: list[str], memory: AudioMemory) -> None:
    path = old(write_tone(tmp_path / "a.wav", 1.3))
    before, times = audio.describe(path), path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as cp -p does
    assert memory.looked_at([str(path)]) == [False]
    assert audio.describe(path).sha256 != before.sha256
    assert opened == ["a.wav", "a.wav"]


def test_what_is_behind_a_url_is_known_by_its_version(
    web: WebServer, tmp_path: Path, opened: list[str], memory: AudioMemory
) -> None:
    content = write_tone(tmp_path / "a.wav", 1.3).read_bytes()
    web.files["/a.wav"] = content
    web.files["/t.tar"] = pack([("a.wav", content), ("b.wav", content)])
    names = [f"{web.url}/a.wav", f"{web.url}/t.tar#a.wav", f"{web.url}/t.tar#b"]
    assert memory.looked_at(names) == [False] * 3
    assert not web.asked
    first = audio.describe_all([audio.Stretch(name) for name in names])
    assert len(audio.decode(first[1])) == 20_800  # type: ignore[arg-type]
    web.asked.clear()
    fetched_files.forget()
    assert memory.looked_at(names) == [True] * 3
    assert not web.asked
    assert audio.describe_all([audio.Stretch(name) for name in names]) == first
    assert sorted(web.asked) == ["HEAD /a.wav", "HEAD /t.tar"]
    assert len(opened) == 3


def test_several_files_are_fetched_at_once_and_each_once(web: WebServer, tmp_path: Path) -> None:
    content = write_tone(tmp_path / "a.wav", 1.3).read_bytes()
    names = [f"{web.url}/{number}.wav" for number in range(4)]

    together = threading.Barrier(3, timeout=20)

    def answer(request: Any) -> None:
        if request.command == "GET":
            together.wait()  # for the requests for the other files
        send(request, 200, content, {"ETag": '"1"'})

    web.files |= dict.fromkeys(("/0.wav", "/1.wav", "/2.wav"), answer)
    found = audio.describe_all([audio.Stretch(name) for name in [*names, *names]])
    assert [isinstance(each, DataError) for each in found] == [False, False, False, True] * 2
    assert sorted(web.asked) == sorted(f"{what} /{n}.wav" for what in ("HEAD", "GET") for n in range(4))


def test_decoding_takes_the_copy_of_the_record_unasked(
    web: WebServer, tmp_path: Path, memory: AudioMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.audio.local_files.AUDIO_MEMORY", memory)
    web.files["/a.wav"] = write_tone(tmp_path / "a.wav", 1.3).read_bytes()
    sound = audio.describe(f"{web.url}/a.wav")
    web.files.clear()
    web.asked.clear()
    fetched_files.forget()
    assert len(audio.decode(sound)) == 20_800
    assert not web.asked
    web.files["/a.wav"] = write_tone(tmp_path / "a.wav", 1.4).read_bytes()
    fetched_files.forget()
    with pytest.raises(DataError, match="expected the file that the manifest was read with, found another"):
        audio.decode(sound.model_copy(update={"sha256": "0" * 64}))


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_memory_is_forgotten(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / FILE
    file.write_bytes(content)
    memory, name = AudioMemory(file), str(write_tone(tmp_path / "a.wav"))
    present = facts(name)._replace(changed_ns=0)
    with caplog.at_level(logging.WARNING):
        assert memory.recall({name: present}) == {}
    assert caplog.text.count("expected remembered digests") == 1
    memory.remember([(name, present, HEARD)])
    assert AudioMemory(file).recall({name: present}) == {name: HEARD}


def test_a_memory_that_cannot_be_opened_is_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file" / FILE, tmp_path):
        memory, name = AudioMemory(place), str(write_tone(tmp_path / "a.wav"))
        for _ in range(2):
            memory.remember([(name, facts(name)._replace(changed_ns=0), HEARD)])
            assert memory.recall(facts_of_all([name])) == {}
    assert caplog.text.count("expected remembered digests") == 2


def test_several_processes_remember_at_once(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from components.audio.memory import AudioFacts, AudioMemory\n"
        "from components.files.locations.opening import FileFacts\n"
        "memory, fact = AudioMemory(Path(sys.argv[1])), AudioFacts('0' * 64, 'wav', 'x', 16000, 1, 1.0)\n"
        "for n in range(100):\n"
        "    memory.remember([(f'{sys.argv[2]}-{n}', FileFacts(1, 'v'), fact)])\n"
    )
    file = tmp_path / "shared.sqlite"
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(file), str(number)], stderr=subprocess.PIPE)
        for number in range(2)
    ]
    assert [process.communicate()[1] for process in running] == [b""] * 2
    names = {f"{number}-{n}": facts(tmp_path / "shared.sqlite") for number in range(2) for n in range(100)}
    assert len(AudioMemory(file)._select(names)) == 200


def test_a_file_that_was_remembered_takes_less_than_opening_it(tmp_path: Path) -> None:
    """Measured: 5.4 ms to open, 0.02 ms to recall; the bound leaves room for a busy machine."""
    path = write_tone(tmp_path / "a.wav", 1.3)
    names = [tmp_path / f"{number}.wav" for number in range(100)]
    for name in names:
        os.link(path, name)
    old(path)
    stretches = [audio.Stretch(name) for name in names]
    times = []
    for _ in range(3):
        probing._probe_once.cache_clear()
        look_up_sha256.cache_clear()
        began = time.process_time()
        audio.describe_all(stretches)
        times.append(time.process_time() - began)
    assert min(times[1:]) < times[0] / 10
