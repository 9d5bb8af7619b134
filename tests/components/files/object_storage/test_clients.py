"""Which client a URL and the environment give, and what it says when it cannot work."""

from __future__ import annotations

import builtins
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from components.errors import ConfigError, StoreError, TransientError
from components.files.object_storage import clients
from components.storage.objects.object_store import ObjectStore
from components.storage.places.location import local_root
from tests.components.files.object_storage.scripted_server import Answer, scripted_server


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No credentials in the environment; the folder of the files of profiles."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SKIP_SIGNATURE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path


def test_memory_is_one_for_all_of_a_process() -> None:
    ObjectStore("memory://shared/a").write("x", b"1")
    assert ObjectStore("memory://shared/a/").read("x") == b"1"
    assert ObjectStore("memory://shared/b").read("x") is None


@pytest.mark.parametrize("url", ["nosuchscheme://bucket/x", "file:///x", "https://host/x"])
def test_storage_that_there_is_no_client_for(url: str) -> None:
    with pytest.raises(ConfigError, match=rf"^store: expected a path, s3://bucket/folder, .*found '{url}'"):
        ObjectStore(url)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("file://elsewhere/x", "on another host"),
        ("s3://key:secret@bucket/x", r"without credentials .*found s3://\*\*\*@bucket"),
        ("s3:///x", "without a bucket"),
    ],
)
def test_urls_that_are_refused(url: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as refused:
        local_root(url)
    assert "secret" not in str(refused.value)


def test_settings_that_are_missing_or_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(ConfigError, match=r"az://container/x: .*Account must be specified"):
        ObjectStore("az://container/x")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")
    with pytest.raises(ConfigError, match=r"gs://bucket/x: .*/nonexistent"):
        ObjectStore("gs://bucket/x")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nonexistent.pem")
    with pytest.raises(ConfigError, match=r"s3://bucket/x: .*/nonexistent\.pem"):
        ObjectStore("s3://bucket/x")


@pytest.mark.parametrize("chosen", [True, False])
def test_a_profile_has_its_credentials_from_boto3(
    monkeypatch: pytest.MonkeyPatch, no_keys: Path, chosen: bool
) -> None:
    pytest.importorskip("boto3")
    name = "team" if chosen else "default"
    (no_keys / "credentials").write_text(
        f"[{name}]\naws_access_key_id = of-{name}\naws_secret_access_key = hidden\n"
    )
    if chosen:
        monkeypatch.setenv("AWS_PROFILE", name)
    with scripted_server(monkeypatch, Answer(200, body=b"x")) as server:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        assert ObjectStore("s3://b/f").read("a") == b"x"
    assert f"Credential=of-{name}/" in server.authorizations[0]


def test_a_profile_without_boto3_or_without_credentials(
    monkeypatch: pytest.MonkeyPatch, no_keys: Path
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "team")
    with pytest.raises(ConfigError, match=r"s3://b/f: .*team"):
        ObjectStore("s3://b/f")
    for module in [name for name in sys.modules if name.startswith("obstore.auth")]:
        monkeypatch.delitem(sys.modules, module)
    real = builtins.__import__

    def without_boto3(name: str, *args: object, **kwargs: object) -> object:
        if name.partition(".")[0] == "boto3":
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_boto3)
    with pytest.raises(ConfigError, match="AWS_PROFILE=team needs boto3, which is not installed"):
        ObjectStore("s3://b/f")


def test_credentials_that_are_missing(monkeypatch: pytest.MonkeyPatch, no_keys: Path) -> None:
    with scripted_server(monkeypatch, Answer(403)) as server:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", str(server.url))
        with pytest.raises(StoreError, match=r"expected credentials that may .* set AWS_ACCESS_KEY_ID and"):
            ObjectStore("s3://b/f").write("a", b"")


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (
            Answer(403, "AccessDenied", "Access Denied"),
            StoreError,
            r"s3://b/f/a: expected credentials that may .* found: AccessDenied: Access Denied; set AWS_ACC",
        ),
        (Answer(404, "NoSuchBucket"), StoreError, "expected a bucket that exists"),
        (Answer(301, "PermanentRedirect"), StoreError, "expected a bucket in AWS_REGION.*; set AWS_REGION"),
        (
            Answer(400, "Odd", "see https://u:hidden@h/?sig=hidden"),
            StoreError,
            r"Odd: see https://\*\*\*@h/\?",
        ),
        (Answer(503, "SlowDown"), TransientError, r"the store does not answer \(AWS_ENDPOINT_URL=http://127"),
        (Answer.CUT, TransientError, r"the store does not answer \(AWS_ENDPOINT_URL=http://127"),
    ],
)
def test_what_a_service_says_is_one_line(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, error: type[Exception], told: str
) -> None:
    monkeypatch.setitem(clients.RETRIES, "max_retries", 1)
    with scripted_server(monkeypatch, answer), pytest.raises(error, match=told) as raised:
        ObjectStore("s3://b/f").read("a")
    assert "\n" not in str(raised.value)
    assert "hidden" not in str(raised.value)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(clients.RETRIES, "retry_timeout", timedelta(seconds=0.2))
    with scripted_server(monkeypatch, Answer(200)):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        store = ObjectStore("s3://b/f")
        for call in (store.read, store.list_names, lambda name: store.create(name, b"")):
            with pytest.raises(
                TransientError, match=r"does not answer \(AWS_ENDPOINT_URL=http://127.0.0.1:9\)"
            ):
                call("a")
