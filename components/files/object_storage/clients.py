"""Clients of object storage by URL: S3, Google Cloud Storage, Azure, and objects in this process's memory."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from components.errors import ConfigError
from components.files.object_storage.client_errors import CREDENTIALS, explain_client_error

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import ClientConfig, RetryConfig

Client = S3Store | GCSStore | AzureStore | MemoryStore

URLS: Final = "s3://bucket/folder, gs://bucket/folder, az://container/folder or memory://name"
"""The URLs that a store may have, for messages."""

RETRIES: RetryConfig = {
    "max_retries": 10,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(seconds=0.5), "max_backoff": timedelta(seconds=5), "base": 2},
}
"""When a request is sent again; a store that does not answer is given up within a minute."""

_CLIENT: ClientConfig = {
    "allow_http": True,  # an endpoint of one's own; those of the providers are https
    "connect_timeout": "5 seconds",
    "read_timeout": "30 seconds",
    "timeout": "1 day",  # of a whole transfer; the default, 30 seconds, ends large ones
}
_MEMORY: dict[str, MemoryStore] = {}


def open_client(url: str) -> Client:
    """Open a client for the objects below a URL.

    Raises:
        ConfigError: no such storage, or its settings in the environment are wrong.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, folder = rest.partition("/")
    try:
        if scheme == "memory":
            return _MEMORY.setdefault(url, MemoryStore())
        if scheme == "s3":
            return _open_s3(bucket, folder)
        if scheme == "gs":
            return GCSStore(bucket, prefix=folder, client_options=_CLIENT, retry_config=RETRIES)
        if scheme == "az":
            return AzureStore(bucket, prefix=folder, client_options=_CLIENT, retry_config=RETRIES)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{url}: expected its settings in the environment, found: {explain_client_error(error)}; "
            f"set {CREDENTIALS.get(scheme, 'them')}"
        ) from error
    raise ConfigError(f"store: expected a path, {URLS}, found {url!r}")


def _open_s3(bucket: str, folder: str) -> S3Store:
    bundle = os.environ.get("AWS_CA_BUNDLE")
    options: ClientConfig = _CLIENT | {"root_certificate": Path(bundle).read_bytes()} if bundle else _CLIENT
    return S3Store(
        bucket,
        prefix=folder,
        client_options=options,
        retry_config=RETRIES,
        credential_provider=_boto3_credentials(),
    )


def _boto3_credentials() -> Boto3CredentialProvider | None:
    """Return the credentials of a profile (AWS_PROFILE, ``~/.aws``), which boto3 alone can read.

    None where there are no profiles: the client finds keys of the environment and roles of the machine.
    """
    if os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_SKIP_SIGNATURE"):
        return None
    profile = os.environ.get("AWS_PROFILE")
    files = [os.environ.get("AWS_SHARED_CREDENTIALS_FILE"), os.environ.get("AWS_CONFIG_FILE")]
    paths = [Path(files[0] or "~/.aws/credentials"), Path(files[1] or "~/.aws/config")]
    if not profile and not any(path.expanduser().exists() for path in paths):
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415 - boto3 is slow to import
    except ImportError:
        if not profile:
            return None
        raise ConfigError(
            f"AWS_PROFILE={profile} needs boto3, which is not installed; pip install boto3, or set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    return Boto3CredentialProvider()
