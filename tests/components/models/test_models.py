"""References to verified files: each kind, and the message when one is wrong."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import pickle
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from components.errors import AntiphonError, ConfigError, ModelError, StoreError, TransientError
from components.files.digests import sha256_of
from components.models import available_references, check, pin_references, resolve
from components.models.conversion import whisper
from components.models.loaders.whisper_loading import load_whisper
from components.models.sources import hub, openai_whisper
from components.models.sources.store import find_model_key
from components.storage.stages.seal import SEAL, Seal, digest_contents, read_seal, stage_ref
from components.storage.stages.stage_plan import StagePlan
from components.storage.store import Store
from tests.components.models.whisper_binary import ALIASES, DIMS, binary, ct2_variables, tiny_whisper
from tests.components.storage.upkeep.stores import save_run, write_stage

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PLAN = StagePlan(stage="training", version="1")
KEY = PLAN.key


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return tmp_path / "cache"


def write_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    whisper.write_folder(folder, tiny_whisper().state_dict(), DIMS, torch.float32, [[0, 0]])
    return folder


def same_model(reference: str, store: str | None = None) -> bool:
    state = load_whisper(resolve(reference, store, on_progress=str)).state_dict()
    return all(torch.equal(t, state[n]) for n, t in tiny_whisper().state_dict().items())


def openai_file(path: Path) -> Path:
    torch.save({"dims": asdict(DIMS), "model_state_dict": tiny_whisper().state_dict()}, path)
    return path


def test_folder(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    checkpoint = resolve(str(folder))
    assert checkpoint.path == str(folder) and checkpoint.architecture == "WhisperForConditionalGeneration"
    assert same_model(str(folder))
    (folder / "README.md").write_text("a note")
    assert resolve(str(folder)) == checkpoint


def test_whisper_files_are_converted_once(tmp_path: Path) -> None:
    save_file(tiny_whisper().state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "ct2").mkdir()
    (tmp_path / "ct2" / "model.bin").write_bytes(binary(ct2_variables(tiny_whisper()), ALIASES))
    for path in (openai_file(tmp_path / "w.pt"), tmp_path / "w.safetensors", tmp_path / "ct2"):
        first = resolve(str(path))
        assert same_model(str(path)) and first.lineage[0].startswith("sha256:")
        stamp = (Path(first.path) / "model.safetensors").stat().st_mtime_ns
        assert resolve(str(path)) == first
        assert (Path(first.path) / "model.safetensors").stat().st_mtime_ns == stamp


def test_a_damaged_conversion_is_made_again(tmp_path: Path) -> None:
    reference = str(openai_file(tmp_path / "w.pt"))
    first = resolve(reference)
    weights = Path(first.path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x55")
    assert resolve(reference) == first and same_model(reference)


def test_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "it ran",))

    (tmp_path / "a.pt").write_bytes(pickle.dumps(Evil()))
    torch.save({"dims": {}, "model_state_dict": Evil()}, tmp_path / "b.pt")
    torch.save({"dims": asdict(DIMS), "model_state_dict": 3}, tmp_path / "c.pt")
    torch.save(
        {"dims": {**asdict(DIMS), "n_mels": 9}, "model_state_dict": tiny_whisper().state_dict()},
        tmp_path / "d.pt",
    )
    (tmp_path / "e.pt").write_bytes(b"")
    for name in "abcde":
        with pytest.raises(ModelError, match=rf"{name}\.pt"):
            resolve(str(tmp_path / f"{name}.pt"))
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("packaged:whisper-bsae", "did you mean packaged:whisper-base"),
        ("packaged:", "did you mean packaged:whisper-base"),
        ("whisper:bases", "did you mean whisper:base"),
        ("wisper-base", "did you mean packaged:whisper-base"),
        (
            "no/such/folder",
            r"^no/such/folder: expected a model's file or folder there, found none; check the path$",
        ),
        ("no/such", r"found none; a model of the hub is hub:no/such$"),
        ("./a model", r"^\./a model: expected a model's file or folder there, found none; check the path$"),
        ("some thing", r"no such model file, folder or reference; antiphon models list shows"),
        ("store:../../etc", "hexadecimal"),
        ("store:" + "0" * 64, "expected one stage"),
        ("hub:justone", "expected hub:ORG/NAME"),
        ("hub:a/../b", "expected hub:ORG/NAME"),
        ("hub:http://x/y", "expected hub:ORG/NAME"),
        (" ", "expected a reference"),
        ("a\nb", "expected a reference"),
        ("~nobody-of-this-name/model", "expected a model's file or folder there"),
        ("n" * 5000, r"found 'n{120}…'$"),
        ("n" * 300, r"^n{120}…: no such model file"),
        ("packaged:" + "n" * 300, r"^packaged:n{111}…: no such packaged model"),
    ],
)
def test_unknown_references_are_one_helpful_line(reference: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AntiphonError, match=message) as caught:
        resolve(reference, str(tmp_path), on_progress=str)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ("hub:a/b?token=SECRET", "hub:a/b?token=***"),
        ("hub:user:SECRET@a/b", "hub:***@a/b"),
        ("hub:https://user:SECRET@host/a/b", "hub:https://***@host/a/b"),
        ("s3://KEY:SECRET@bucket/model", "s3://***@bucket/model"),
        ("user:SECRET@host/model", "***@host/model"),
        ("https://host/model?key=SECRET", "https://host/model?key=***"),
        ("whisper:base?token=SECRET", "whisper:base?token=***"),
        ("packaged:whisper-base?token=SECRET", "packaged:whisper-base?token=***"),
        ("store:0123456789?token=SECRET", "store:0123456789?token=***"),
        ("a\nuser?token=SECRET", "a\\nuser?token=***"),
        ("hub:org/name@bad revision", "hub:org/name@bad revision"),
    ],
)
def test_credentials_are_not_repeated(reference: str, shown: str, tmp_path: Path) -> None:
    with pytest.raises(AntiphonError) as caught:
        resolve(reference, str(tmp_path), on_progress=str)
    assert shown in str(caught.value) and "SECRET" not in str(caught.value)


def test_empty_folder_and_unknown_file(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"x")
    for path in (tmp_path, tmp_path / "x.onnx"):
        with pytest.raises(ModelError, match="expected"):
            resolve(str(path))


def test_everything_available_is_named() -> None:
    assert "packaged:multi30k-en-de" in available_references() and "whisper:turbo" in available_references()


def finished_stage(store: Path) -> Path:
    Store(str(store)).mark_layout()
    stage = store / "stages" / KEY
    write_model(stage / "model")
    files = {p.relative_to(stage).as_posix(): sha256_of(p) for p in stage.rglob("*") if p.is_file()}
    sealed = Seal(
        stage="training", key=KEY, plan=PLAN.model_dump(mode="json"), files=files,
        sha256=digest_contents(files, ()), items=1, quarantined=0, seconds=1.0, peak_memory_bytes=1,
        finished="",
    )  # fmt: skip
    (stage / SEAL).write_bytes(sealed.encode())
    return stage


def test_stage_of_the_store(tmp_path: Path) -> None:
    stage = finished_stage(tmp_path)
    checkpoint = resolve(f"store:{KEY}", str(tmp_path))
    assert checkpoint.path == str(stage / "model") and checkpoint.lineage == (f"stage:{KEY}",)
    assert same_model(f"store:{KEY[:10]}", f"file://{tmp_path}")


def test_damaged_and_unfinished_stages_are_refused(tmp_path: Path) -> None:
    stage = finished_stage(tmp_path)
    weights = stage / "model" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(StoreError, match=r"model\.safetensors has sha256"):
        resolve(f"store:{KEY}", str(tmp_path))
    data[-1] ^= 1
    weights.write_bytes(data)
    (stage / "model" / "added_tokens.json").write_text("{}")
    with pytest.raises(StoreError, match=r"not in stage\.json"):
        resolve(f"store:{KEY}", str(tmp_path))
    (stage / SEAL).unlink()
    with pytest.raises(StoreError, match="not finished"):
        resolve(f"store:{KEY}", str(tmp_path))


def hub_cache(root: Path) -> Path:
    """The hub client's own layout: blobs, snapshots of links to them, and a named revision."""
    repository = root / "models--org--name"
    model = write_model(root / "made")
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "blobs").mkdir()
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for path in model.iterdir():
        blob = repository / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
        path.rename(blob)
        (snapshot / path.name).symlink_to(blob)
    return snapshot


def test_hub_snapshot_in_the_cache_needs_no_network(tmp_path: Path) -> None:
    snapshot = hub_cache(tmp_path)
    for name in ("org/name", f"org/name@{COMMIT}"):
        checkpoint = hub.hub_model(name, pytest.fail, cache=tmp_path)
        assert checkpoint.path == str(snapshot) and checkpoint.lineage == (f"hub:org/name@{COMMIT}",)
    load_whisper(checkpoint)


def test_hub_downloads_what_is_missing_or_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot, requests = hub_cache(tmp_path), []

    def offline(repository: str, **settings: object) -> str:
        requests.append(settings)
        raise hub.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(hub, "snapshot_download", offline)
    with pytest.raises(TransientError, match="set HF_HOME"):
        hub.hub_model("org/name", str, cache=tmp_path)
    assert set(requests[-1]["allow_patterns"]) == set(hub.PATTERNS) and not any(
        "bin" in p for p in hub.PATTERNS
    )
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: str(snapshot))
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"expected model\.safetensors"):
        hub.hub_model("org/name", str, cache=tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(tmp_path / "www"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_openai_model_is_downloaded_once_and_verified(
    server: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "www").mkdir()
    file = openai_file(tmp_path / "www" / "nano.pt")
    digest = sha256_of(file)
    (tmp_path / "www" / digest).mkdir()
    served = file.rename(tmp_path / "www" / digest / "nano.pt")
    monkeypatch.setitem(openai_whisper.ADDRESSES, "nano", f"{server}/{digest}/nano.pt")
    monkeypatch.setitem(openai_whisper.ADDRESSES, "wrong", f"{server}/{'0' * 64}/nano.pt")
    monkeypatch.setitem(openai_whisper.ADDRESSES, "plain", f"http://example.invalid/{digest}x/nano.pt")
    assert same_model("whisper:nano")
    (tmp_path / "www" / ("0" * 64)).mkdir()
    served.rename(tmp_path / "www" / ("0" * 64) / "nano.pt")
    assert same_model("whisper:nano")
    with pytest.raises(ModelError, match="expected sha256 000000000000"):
        resolve("whisper:wrong", on_progress=str)
    with pytest.raises(ModelError, match="https"):
        resolve("whisper:plain", on_progress=str)
    assert not list((cache / "downloads").glob(".partial*"))


def test_openai_model_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(openai_whisper.ADDRESSES, "nano", f"http://127.0.0.1:9/{'0' * 64}/nano.pt")
    with pytest.raises(TransientError, match="cannot download"):
        resolve("whisper:nano", on_progress=str)


def test_a_model_by_the_name_of_the_run_that_made_it(tmp_path: Path) -> None:
    """A run's name may be digits alone, and a name that was given to another run names that run's model."""
    store, folder = Store(str(tmp_path)), finished_stage(tmp_path)
    for name in ("tiny1", "20261126", "two"):
        model = stage_ref(read_seal((folder / SEAL).read_bytes(), "", KEY), folder, reused=False)
        other = [write_stage(store, "other", kind="train")] if name == "two" else []
        save_run(store, name, [model.model_copy(update={"kind": "train"}), *other])
    save_run(store, "none", [])
    for name in ("tiny1", "20261126", f"two/{model.stage}"):
        assert find_model_key(name, str(tmp_path)) == KEY
        assert resolve(f"store:{name}", str(tmp_path)).path == resolve(f"store:{KEY}", str(tmp_path)).path
    assert pin_references({"a": "store:tiny1", "b": f"store:{KEY}", "c": "packaged:x"}, str(tmp_path)) == {
        "store:tiny1": f"store:{KEY}"
    }
    for name, fault in {
        "two": f"expected one model that run two made, found store:two/other, store:two/{model.stage}",
        "none": "expected one model that run none made, found none",
        "tiny": "no run 'tiny' in .*; did you mean tiny1",
        "a b": "expected 8 to 64 hexadecimal digits after store:, KEY@STEP, or the name of a run",
    }.items():
        with pytest.raises(AntiphonError, match=fault):
            resolve(f"store:{name}", str(tmp_path))


def test_a_download_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks, lines = [b"\0" * 2**20] * 101, list[str]()
    answer = SimpleNamespace(
        headers={"Content-Length": str(101 << 20)}, read=lambda _: chunks.pop() if chunks else b""
    )
    monkeypatch.setattr(openai_whisper.urllib.request, "urlopen", lambda *_, **__: nullcontext(answer))
    with pytest.raises(ModelError, match="expected sha256 000000000000"):
        openai_whisper.download("https://x/nano.pt", "0" * 64, "whisper:nano", lines.append)
    assert lines == ["whisper:nano: 50 of 101 MiB", "whisper:nano: 100 of 101 MiB"]


def test_a_downloaded_file_is_not_downloaded_again(cache: Path) -> None:
    digest = hashlib.sha256(b"model").hexdigest()
    path = cache / "downloads" / f"{digest}-nano.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"model")
    assert openai_whisper.download("https://nowhere.invalid/nano.pt", digest, "whisper:nano", str) == path
    assert path.read_bytes() == b"model"


def test_files_that_hold_no_whisper_model_of_openai(tmp_path: Path) -> None:
    tensors = tiny_whisper().state_dict()
    save_file({f"model.{name}": tensor for name, tensor in tensors.items()}, tmp_path / "hub.safetensors")
    with pytest.raises(ModelError, match="expected openai-whisper's tensor names, found the hub's"):
        resolve(str(tmp_path / "hub.safetensors"))
    header = {"encoder.conv1.weight": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}
    content = json.dumps(header).encode()
    (tmp_path / "odd.safetensors").write_bytes(struct.pack("<Q", len(content)) + content + bytes(4))
    with pytest.raises(ModelError, match=r"odd\.safetensors: not a safetensors file"):
        resolve(str(tmp_path / "odd.safetensors"))


def test_a_node_of_a_pipeline_is_no_model_yet() -> None:
    with pytest.raises(ConfigError, match="node:NAME is known to a pipeline's nodes only"):
        resolve("node:asr")


class FakeHub(http.server.BaseHTTPRequestHandler):
    """Has one repository with one revision, and thinks long about another."""

    def do_HEAD(self) -> None:
        if self.path.endswith("slow"):
            time.sleep(0.5)
        known = ("/api/models/org/name", "/api/models/org/name/revision/refs%2Fpr%2F1")
        self.send_response(200 if self.path in known else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_repositories_of_the_hub_are_looked_for_before_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "ANSWER_SECONDS", 0.2)
    with pytest.raises(AntiphonError, match="expected hub:ORG/NAME"):
        check("hub:justone")
    hub.ask_hub.cache_clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeHub) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setattr(hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        for name in ("org/name", "org/name@refs/pr/1", "org/slow"):
            check(f"hub:{name}")
        for name in ("org/other", "org/name@v2"):
            with pytest.raises(ModelError, match=f"hub:{name}: the hub has no such repository or revision"):
                check(f"hub:{name}")
        server.shutdown()
    check("hub:org/name")  # which was answered already
    hub.ask_hub.cache_clear()
    with pytest.raises(
        TransientError, match="hub:org/name: not in the hub's local cache, and the hub cannot"
    ):
        check("hub:org/name")
    hub.ask_hub.cache_clear()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (hub.GatedRepoError, "org/name: its licence has to be accepted on the hub first, then log in"),
        (hub.RepositoryNotFoundError, "org/name: the hub has no such repository or revision; check the name"),
        (hub.RevisionNotFoundError, "org/name: the hub has no such repository or revision; check the name"),
    ],
)
def test_what_the_hub_refuses_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception], message: str
) -> None:
    def refuse(*_: object, local_files_only: bool = False, **__: object) -> str:
        raise hub.LocalEntryNotFoundError("x") if local_files_only else error.__new__(error)

    monkeypatch.setattr(hub, "snapshot_download", refuse)
    with pytest.raises(ModelError, match=message):
        hub.hub_model("org/name", str, cache=tmp_path)


def test_a_stage_with_two_models_or_a_step_that_is_no_number_is_refused(tmp_path: Path) -> None:
    stage = finished_stage(tmp_path)
    (stage / "model" / "notes.md").write_text("a file that no model reads")
    (stage / "model" / "logs").mkdir()
    assert resolve(f"store:{KEY}", str(tmp_path)).path == str(stage / "model")
    with pytest.raises(ModelError, match="@last: expected the number of a step after @"):
        resolve(f"store:{KEY}@last", str(tmp_path))
    write_model(stage / "other")
    with pytest.raises(ModelError, match=r"expected one model folder in .*, found 2"):
        resolve(f"store:{KEY}", str(tmp_path))
