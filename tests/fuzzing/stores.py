"""Archives and stores whose files are damaged one by one, under digests that fit, and what looks at them."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from components.errors import AntiphonError
from components.files.canonical_json import add_digest
from components.storage.runs.run_listing import list_runs
from components.storage.store import Store
from components.storage.upkeep.archive import export_run
from components.storage.upkeep.archive_import import import_run
from components.storage.upkeep.prune import PruneOptions, plan_prune
from components.storage.upkeep.usage import measure_usage
from components.storage.upkeep.verification import verify_store
from tests.components.storage.upkeep.stores import save_run, write_data, write_stage
from tests.fuzzing.mutations import mutate, mutate_json


@cache
def archived_files() -> dict[str, bytes]:
    """The files of an archive of two runs, one of which compares the other."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"{folder}/store")
        data = write_data(store)
        save_run(store, "mine", [data, write_stage(store, "mt", data)])
        save_run(store, "both", [], systems={"a": "mine"})
        (store.run_folder("mine") / "latency.json").write_text('{"system": {}}')
        export_run(store, "both", Path(folder, "x.tar"))
        with tarfile.open(f"{folder}/x.tar") as tar:
            return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def pack(files: Mapping[str, bytes], form: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{form}") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def mutate_members(seed: bytes, draw: random.Random) -> bytes:
    """Change a value of a file of an archive, and state the digests that it, its seal and all have then."""
    files = dict(archived_files())
    name = draw.choice([name for name in files if name.endswith((".json", ".jsonl"))])
    content = draw.choice((mutate_json, mutate_json, mutate))(files[name] or b"{}\n", draw)
    files[name] = _sign_shard(content) if name.endswith(".jsonl") else _sign(content)
    manifest = json.loads(files["archive.json"]) if name != "archive.json" else None
    if isinstance(manifest, dict):
        described = {n: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in files.items()}
        manifest["files"] = {n: fact for n, fact in described.items() if n != "archive.json"}
        files["archive.json"] = _sign(json.dumps(manifest).encode())
    return pack(files, draw.choice(("", "gz")))


def _sign_shard(content: bytes) -> bytes:
    """A shard whose first line states the digests of itself and of what follows."""
    first, _, body = content.partition(b"\n")
    with suppress(ValueError, RecursionError, AttributeError):
        first = json.dumps({**json.loads(first), "sha256": hashlib.sha256(body).hexdigest()}).encode()
    return _sign(first) + b"\n" + body


def _sign(content: bytes) -> bytes:
    """JSON with the digest of what it has now, if it states one."""
    try:
        values = json.loads(content)
        if isinstance(values, dict) and values.pop("digest", None) is not None:
            return json.dumps(add_digest(values)).encode()
    except (ValueError, RecursionError):
        pass
    return content


def read_archive(path: Path) -> None:
    store = Store(str(path.parent / "store"))
    try:
        import_run(store, path)
        look_at(store)
    finally:
        shutil.rmtree(store.root, ignore_errors=True)


def look_at(store: Store) -> None:
    """What shows, checks and tidies a store; each may refuse by itself."""
    names = store.backend.list_run_names()
    steps: list[Callable[[], object]] = [
        lambda: list_runs(store),
        lambda: verify_store(store),
        lambda: measure_usage(store),
        lambda: plan_prune(store, PruneOptions(keep_runs=1)),
        *(lambda name=name: store.load_run(name) for name in names),  # type: ignore[misc]
    ]
    for step in steps:
        with suppress(AntiphonError):
            step()


def read_store(path: Path) -> None:
    """A store whose layout, record, seal or other file is the damaged one; the first byte says which."""
    content, files = path.read_bytes(), dict(archived_files())
    name = sorted(name for name in files if name != "archive.json")[content[0] % (len(files) - 1)]
    root = path.parent / "store"
    try:
        for each, own in files.items():
            (root / each).parent.mkdir(parents=True, exist_ok=True)
            (root / each).write_bytes(content[1:] if each == name else own)
        with suppress(AntiphonError):
            look_at(Store(str(root)))
    finally:
        shutil.rmtree(root, ignore_errors=True)


def mutate_stored(seed: bytes, draw: random.Random) -> bytes:
    """A damaged file of a store behind a byte that says which it is."""
    files = archived_files()
    names = sorted(name for name in files if name != "archive.json")
    at = draw.randrange(len(names))
    content = files[names[at]] or b"{}"
    damage = draw.choice((mutate, mutate_json)) if names[at].endswith("json") else mutate
    return bytes([at]) + _sign(damage(content, draw))
