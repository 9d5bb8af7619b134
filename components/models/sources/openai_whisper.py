"""``whisper:NAME``: openai-whisper's models; downloaded, verified by the digest in the address, converted."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path

from filelock import FileLock

from components.compute.openai_whisper import ADDRESSES, ALIGNMENT_HEADS
from components.errors import ModelError, TransientError
from components.files.digests import cache_folder, sha256_of
from components.files.files import open_atomically
from components.models.checkpoints import checkpoint_of
from components.models.fetch_permission import require_fetching
from components.models.packages.install_manifest import install_once
from components.models.packages.wheels import ProgressCallback
from components.models.references import unknown_reference_error
from components.models.sources.model_file import CONVERSION_VERSION, write_whisper
from components.records import Checkpoint

TIMEOUT_SECONDS = 30


def openai_model(name: str, on_progress: ProgressCallback) -> Checkpoint:
    """Resolve ``whisper:NAME``. A copy in openai-whisper's own cache is used where it verifies.

    Args:
        name: what follows ``whisper:``.
        on_progress: called with lines of text while it is downloaded and converted.

    Raises:
        ModelError: There is no such model, or the digest is wrong.
        TransientError: The network failed.
    """
    reference = f"whisper:{name}"
    if name not in ADDRESSES:
        raise unknown_reference_error(
            reference, "model of openai-whisper", tuple(f"whisper:{n}" for n in ADDRESSES)
        )
    address = ADDRESSES[name]
    digest = address.split("/")[-2]

    def write(folder: Path) -> None:
        file = _own_copy(Path(address).name, digest)
        if file is None:
            require_fetching(reference)
            file = download(address, digest, reference, on_progress)
        on_progress(f"{reference}: converting")
        write_whisper(file, folder, ALIGNMENT_HEADS.get(name))

    folder = install_once(cache_folder() / "converted" / f"{digest}-{name}-{CONVERSION_VERSION}", write)
    return checkpoint_of(folder, reference, (f"sha256:{digest}",))


def _own_copy(file_name: str, digest: str) -> Path | None:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(root) / "whisper" / file_name
    return path if path.is_file() and sha256_of(path) == digest else None


def download(address: str, digest: str, reference: str, on_progress: ProgressCallback) -> Path:
    """Download a file into the cache, where it appears complete or not at all.

    Args:
        address: its URL, https.
        digest: its sha256.
        reference: the model, for messages.
        on_progress: called with a line of text every 50 MiB.

    Raises:
        ModelError: The file at the address has another digest.
        TransientError: The network failed.
    """
    target = cache_folder() / "downloads" / f"{digest}-{Path(address).name}"
    with FileLock(f"{target}.lock"):
        if target.is_file() and sha256_of(target) == digest:
            return target
        with open_atomically(target) as file:
            actual = _download_to(address, file, reference, on_progress)
            if actual != digest:
                raise ModelError(
                    f"{reference}: expected sha256 {digest[:12]}, found {actual[:12]} at its address"
                )
    return target


def _download_to(address: str, file: object, reference: str, on_progress: ProgressCallback) -> str:
    """Write what is at ``address`` into ``file``; returns its sha256."""
    if not address.startswith(("https://", "http://127.0.0.1")):
        raise ModelError(f"{reference}: expected an https address, found {address}")
    digest, received, reported = hashlib.sha256(), 0, 0
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - checked above
            total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(1 << 20):
                digest.update(chunk)
                received += file.write(chunk)  # type: ignore[attr-defined]
                if received - reported >= 50 << 20:
                    reported = received
                    on_progress(f"{reference}: {received >> 20} of {total >> 20} MiB")
    except (urllib.error.URLError, OSError) as error:
        raise TransientError(
            f"{reference}: cannot download {address} ({error}); fetch it where there is a network, or copy "
            "the file to ~/.cache/whisper"
        ) from error
    return digest.hexdigest()
